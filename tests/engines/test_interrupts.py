"""An interrupt that finds the scheduler's own code is given again, and counts as one."""

from __future__ import annotations

import signal
import sys
import time

import pytest

import coro_magic
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


class Interrupting:
    def __del__(self) -> None:
        signal.raise_signal(signal.SIGINT)


@pytest.mark.parametrize("parked", [False, True])
def test_between_two_steps_nothing_is_raised_in_a_finalizer(monkeypatch, parked):
    """There it would be lost, and what it took for the running step would be over."""
    # Nothing but the loop holds on to it.
    def enough():
        error = coro_magic.Cancelled("enough")
        error.last = Interrupting()
        return error

    lost = []
    monkeypatch.setattr(sys, "unraisablehook", lost.append)

    def ends():
        if parked:
            time.sleep(0.001)
        raise enough()
        yield

    late = time.monotonic() + 10

    def goes_on(n):
        while time.monotonic() < late:
            if parked:
                time.sleep(0.0001)
            yield

    with pytest.raises(KeyboardInterrupt):
        coro_magic.run(ends(), goes_on(1), goes_on(2), baseline="off")
    assert not lost
