"""Runs to show: real ones of coroutines, and threads' traces written by hand."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from coro_magic.engines.scheduler import Scheduler
from coro_magic.engines.trace import (
    BORN_WAITING,
    ENDED,
    RESUMED,
    STOPPED,
    SUSPENDED,
    WAITS,
    WOKEN,
    YIELDED,
    Trace,
)
from coro_magic.language import Channel, State, mark, sleep, spawn
from coro_magic.measure.run import Run
from coro_magic.measure.sweep import Measured, Point, Sweep


def run_of(body: Callable[[], Any], baseline: Run | None = None, **options: Any) -> Run:
    """Run a body as the first coroutine."""
    scheduler = Scheduler(**options)
    scheduler.run(lambda engine: engine.spawn(body()))
    slow_steps, slow_count = scheduler.slow_steps()
    return Run(
        tasks=list(scheduler.tasks),
        trace=scheduler.trace,
        elapsed=scheduler.elapsed,
        switches=scheduler.trace.switches,
        virtual=options.get("clock") == "virtual",
        has_body=True,
        baseline=baseline,
        slow_steps=slow_steps,
        slow_count=slow_count,
        printed=scheduler.printed,
        stacks=scheduler.stacks,
        steps=None if scheduler.recorder is None else scheduler.recorder.record,
    )


def sleepers(count: int, naps: int = 3) -> Callable[[], Iterator[Any]]:
    """Give a body that spawns `count` coroutines which sleep `naps` times; they return their number."""

    def nap(number: int) -> Iterator[Any]:
        for _ in range(naps):
            yield sleep(0.001 * (1 + number % 5))
        return number

    def body() -> Iterator[Any]:
        for number in range(count):
            spawn(nap(number))
        yield

    return body


def troubled() -> Iterator[Any]:
    """A body with one coroutine that fails, one that is cancelled, and one that waits for ever."""
    channel: Channel[int] = Channel()

    def bad() -> Iterator[Any]:
        yield sleep(0.001)
        raise ValueError("line\none <b>$x_1$</b>")

    def lost() -> Iterator[Any]:
        yield channel.get()

    def slow() -> Iterator[Any]:
        yield sleep(100)

    spawn(bad())
    spawn(lost())
    task = spawn(slow())
    mark("here $\\frac{1}$")
    yield sleep(0.005)
    task.cancel()


def threads(
    count: int, seconds: float, complete: bool = True, wanted: int | None = None, output: str = ""
) -> Run:
    """Give a baseline whose `count` threads run, sleep, and run again; times in seconds."""
    trace = Trace(unit="thread")
    rows = [trace.born("body" if not n else "nap", -1, 0, 0.0, BORN_WAITING) for n in range(count + 1)]
    code = trace.code(SUSPENDED, "sleep", None)
    for share, kind in ((0.1, RESUMED), (0.3, code), (0.7, RESUMED), (1.0, STOPPED)):
        for row in rows:
            if kind != STOPPED or complete:
                trace.write((row, kind, seconds * share))
    if complete:
        for row in rows:
            trace.finished(row, State.DONE, None)
    switches = 2 * len(rows)
    trace.close(seconds, switches)
    return Run(
        tasks=[], trace=trace, elapsed=seconds, switches=switches, has_body=True, complete=complete,
        started=count, wanted=count if wanted is None else wanted, output=output,
    )  # fmt: skip


def swept(points: int, stopped_at: int | None = None, names: tuple[str, ...] = ("n",)) -> Sweep:
    """Give a sweep over powers of ten; from point `stopped_at` on the threads did not come to their end."""
    made = []
    for at in range(points):
        ours = np.array([1e-3, 2e-3]) * 10**at
        note = "were stopped after 2.0 s" if at == stopped_at else ""
        threads = Measured(10**at, 20 * ours, 20 * ours, 1e6 * 10**at, 0, note)
        made.append(Point(
            dict.fromkeys(names, 10**at),
            Measured(10**at, ours, ours, 1e4 * 10**at, 5 * 10**at),
            None if stopped_at is not None and at > stopped_at else threads,
        ))  # fmt: skip
    return Sweep(names, made, points)


SLEEPER, BLOCKER = 0, 1  # rows of `held_up`


def held_up(naps: int = 3, hold: float = 0.5, nap: float = 0.1, short: float = 0.01) -> Trace:
    """Give a trace in which one sleeps, and another holds the thread meanwhile; both run in turns."""
    trace = Trace()
    trace.born("sleeper", -1, 0, 0.0)
    trace.born("blocker", -1, 0, 0.0)
    sleep = trace.code(WAITS, "sleep", None)
    now = 0.0
    for _ in range(naps):
        now += short
        trace.write((SLEEPER, sleep, now))
        due = now + nap
        now += hold
        trace.write((BLOCKER, YIELDED, now))
        trace.write((SLEEPER, WOKEN, min(due, now)))
    trace.write((BLOCKER, ENDED, now + short))
    trace.write((SLEEPER, ENDED, now + 2 * short))
    trace.close(now + 2 * short, 2 * naps + 2)
    return trace
