"""An interrupt that finds the scheduler's own code is given again, and counts as one."""

from __future__ import annotations

import signal
import time

import pytest

from coro_magic.engines import interrupts
from coro_magic.engines.interrupts import Interrupts


class Stoppable:
    """A run that never gets round to hear of an interrupt."""

    interrupted = False

    def __init__(self) -> None:
        self.asked = 0

    def request_interrupt(self) -> None:
        self.asked += 1

    def end_line(self) -> None:
        raise AssertionError("there is no step")


def heard(run: Stoppable, asked: int) -> None:
    late = time.monotonic() + 30
    while run.asked < asked:
        assert time.monotonic() < late
        time.sleep(0.001)


def test_one_interrupt_is_given_again_as_often_as_it_takes_and_never_taken_for_somebody_who_insists():
    run = Stoppable()
    with Interrupts(run):
        signal.raise_signal(signal.SIGINT)
        heard(run, 50)


def test_who_insists_is_heard_wherever_that_finds_us():
    run = Stoppable()
    with pytest.raises(KeyboardInterrupt), Interrupts(run):
        for _ in range(3):
            signal.raise_signal(signal.SIGINT)


def test_what_was_given_again_and_not_heard_yet_is_not_given_once_more(monkeypatch):
    """On a busy machine the main thread may hear of several at a time."""
    run, given = Stoppable(), []
    monkeypatch.setattr(interrupts._thread, "interrupt_main", lambda: given.append(1))
    with Interrupts(run):
        signal.raise_signal(signal.SIGINT)
        late = time.monotonic() + 30
        while not given:
            assert time.monotonic() < late
            time.sleep(0.001)
        time.sleep(0.1)
        assert len(given) == 1
