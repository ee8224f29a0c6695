"""Steps that turn long after a fast phase: nobody outside waits for more than a round of them."""

from __future__ import annotations

import _thread
import os
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

import coro_magic
from coro_magic import in_thread, now, readable, sleep, spawn, timeout

LONG = 0.01  # seconds
MANY = 30_000  # short steps, for lines to be laid out as long as they get


def compute(seconds: float) -> None:
    """Keep the thread busy."""
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        pass


def turning_long(over: Callable[[], bool], limit: float = 2.0) -> Any:
    """Make short steps, and then long ones until `over`. Returns how many long ones."""
    for _ in range(MANY):
        yield
    made = 0
    begun = time.perf_counter()
    while not over() and time.perf_counter() < begun + limit:
        compute(LONG)
        made += 1
        yield
    return made


def run_beside(waiting: Callable[[], Any], trace: str, count: int = 2) -> list[int]:
    """Give how many long steps each of `count` coroutines made until `waiting` had ended."""
    made: list[int] = []

    def body() -> Any:
        waiter = spawn(waiting())
        tasks = [spawn(turning_long(waiter.done)) for _ in range(count)]
        for task in tasks:
            made.append((yield task))

    coro_magic.run(body, baseline="off", trace=trace)
    return made


# A line would be 256 steps, 2.56 s; a round of two is 0.02 s.


@pytest.mark.parametrize("trace", ["on", "off"])
def test_a_timer_is_not_late_by_the_whole_line(trace: str) -> None:
    late: list[float] = []

    def sleeper() -> Any:
        # Many timers, some of which meet the moment when steps turn long.
        for _ in range(30):
            due = now() + 0.01
            yield sleep(0.01)
            late.append(now() - due)

    made = run_beside(sleeper, trace)
    assert max(late) < 0.5, late
    assert sum(made) < 200, made


@pytest.mark.parametrize("trace", ["on", "off"])
def test_a_helper_thread_is_heard_within_a_round(trace: str) -> None:
    def helped() -> Any:
        for _ in range(10):
            yield in_thread(time.sleep, 0.01)

    assert sum(run_beside(helped, trace)) < 150


def test_a_descriptor_is_looked_at_within_a_round() -> None:
    reading, writing = os.pipe()

    def reader() -> Any:
        for _ in range(10):
            timer = threading.Timer(0.01, os.write, (writing, b"."))
            timer.start()
            yield readable(reading)
            os.read(reading, 1)

    try:
        assert sum(run_beside(reader, "on")) < 150
    finally:
        os.close(reading)
        os.close(writing)


def test_a_timeout_meets_a_coroutine_whose_own_steps_turned_long() -> None:
    made = 0

    def body() -> Any:
        nonlocal made
        with pytest.raises(TimeoutError), timeout(0.3):
            for _ in range(MANY):
                yield
            while made < 200:
                compute(LONG)
                made += 1
                yield

    coro_magic.run(body, baseline="off")
    assert made < 100


def test_whoever_is_woken_in_a_long_line_comes_after_those_who_were_ready() -> None:
    order: list[int] = []

    def turn(number: int) -> Any:
        for _ in range(MANY // 10):
            yield
        for _ in range(20):
            compute(0.002)
            order.append(number)
            yield

    def sleeper() -> Any:
        yield sleep(0.01)

    def body() -> Any:
        for number in range(5):
            spawn(turn(number))
        # Woken again and again, at any place in the line.
        for _ in range(30):
            yield spawn(sleeper())

    coro_magic.run(body, baseline="off")
    assert order == [*range(5)] * 20


def test_the_watch_ends_with_the_run() -> None:
    def napping() -> Any:
        yield sleep(0.05)

    before = _thread._count()
    run_beside(napping, "on")
    deadline = time.perf_counter() + 5
    while _thread._count() > before and time.perf_counter() < deadline:
        time.sleep(0.001)
    assert _thread._count() <= before
