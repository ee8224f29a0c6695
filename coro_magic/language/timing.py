"""Time, as coroutines speak of it: `sleep`, `timeout`, `now`; and `mark`, a note at a moment."""

from __future__ import annotations

import math
import os
import time
from typing import Any

from .request import PENDING, Handle, Request, Waiter, engine

# Bound once: a run replaces `time.sleep` for its coroutines, and this is the thread's own.
_thread_sleep = time.sleep


def _short_sleep() -> None:
    _thread_sleep(0)


# Lets other threads have the GIL. Not `time.sleep(0)` where there is something better: on Linux, from CPython
# 3.11 on, that sleeps for as long as the kernel's timer is slack, some 60 µs, although nobody else may want
# the GIL, and a comparison with such threads would flatter coroutines.
give_up_gil = getattr(os, "sched_yield", _short_sleep)


class Sleep(Request):
    """The request made by `sleep`."""

    __slots__ = ("seconds", "timer")
    verb = "sleep"

    def __init__(self, seconds: float) -> None:
        self.waiter = None
        self.seconds = seconds
        self.timer: Handle | float | None = None

    def begin(self, waiter: Waiter) -> Any:
        if self.waiter is not None:
            self.claim(waiter)
        self.waiter = waiter
        if self.seconds == 0.0:
            return None
        self.timer = waiter.engine.call_later(self.seconds, waiter.wake)
        return PENDING

    def withdraw(self) -> None:
        self.timer.cancel()  # type: ignore[union-attr]

    def block(self, timeout: float | None) -> None:
        if timeout is not None and timeout < self.seconds:
            _thread_sleep(timeout)
            raise TimeoutError
        if self.seconds:
            _thread_sleep(self.seconds)
        else:
            give_up_gil()

    def attempt(self) -> tuple[bool, Any]:
        # An arm of a `select` on threads: the first attempt starts its clock.
        now = time.monotonic()
        if self.timer is None:
            self.timer = now + self.seconds
        return now >= self.timer, None  # type: ignore[operator]

    def describe(self) -> str:
        return f"sleep({self.seconds:g})"


def checked_seconds(seconds: float, what: str) -> float:
    """Give `seconds` as a float, or raise the error that `time.sleep` would."""
    if not isinstance(seconds, int | float):
        try:
            seconds = seconds.__float__()
        except AttributeError:
            raise TypeError(
                f"{what} takes a number of seconds, not {type(seconds).__name__}"
            ) from None
    if math.isnan(seconds):
        raise ValueError(f"{what}: nan is not a number of seconds")
    if seconds < 0:
        raise ValueError(f"{what}: the number of seconds must not be negative, and is {seconds!r}")
    return float(seconds)


def sleep(seconds: float) -> Sleep:
    """Ask to be left alone for `seconds`: ``yield sleep(0.5)``.

    Parameters
    ----------
    seconds:
        How long, in seconds; 0 lets the others run once.

    Raises
    ------
    TypeError, ValueError
        If `seconds` is not a number, is negative or is nan, as `time.sleep` does.
    """
    if type(seconds) is not float or not seconds >= 0.0:
        seconds = checked_seconds(seconds, "sleep()")
    return Sleep(seconds)


class timeout:
    """Limit what a coroutine does in a ``with`` block: ``with timeout(2): page = yield channel.get()``.

    After `seconds` (a float, ≥ 0) the wait that the coroutine is in raises `TimeoutError`, inside
    the block; one that does not wait just then gets it at its next ``yield``. Blocks may be
    nested: the nearest deadline counts. On threads, as in the baseline, a request that would last
    longer than the time left raises; a blocking call of the standard library is not cut short.
    """

    __slots__ = ("_limit", "seconds")

    def __init__(self, seconds: float) -> None:
        self.seconds = checked_seconds(seconds, "timeout()")
        self._limit: Handle | None = None

    def __enter__(self) -> timeout:
        self._limit = engine().limit(self.seconds)
        return self

    def __exit__(self, *exc_info: object) -> None:
        assert self._limit is not None
        self._limit.cancel()


def now() -> float:
    """Give the seconds since the run began, a float, as the run's clock has them (see ``--clock virtual``).

    Raises
    ------
    RuntimeError
        If there is no run.
    """
    return engine().now()


def mark(text: str) -> None:
    """Write `text` on the timeline, at this moment, in the row of the calling coroutine.

    Parameters
    ----------
    text:
        A few words. Anything else is shown as its str.

    Raises
    ------
    RuntimeError
        If there is no run.
    """
    engine().mark(str(text))
