"""A bare switch, traced, against what others call one: each in the idiom of its own library."""

from __future__ import annotations

import asyncio
import importlib.util
import threading
from typing import Any

from measuring import Row, Side, best, timed
from switches import turns

import coro_magic
from coro_magic import spawn


def peers(quick: bool, rounds: int) -> list[Row]:
    """Measure a switch of ours, traced, against theirs."""
    tasks, steps = 100, 500 if quick else 5_000
    total = tasks * steps

    def traced() -> float:
        def body() -> Any:
            for _ in range(tasks):
                spawn(turns(steps))
            yield

        return coro_magic.run(body, baseline="off").elapsed

    # Threads hand over so slowly that a share of the switches has to do.
    few = 2_000 if quick else 10_000
    sides: dict[str, tuple[str, Side]] = {
        "asyncio": ("≥ 6 ×", lambda: timed(lambda: asyncio.run(_asyncio(tasks, steps)))),
        "threads": ("≥ 100 ×", lambda: timed(lambda: _threads(few)) * total / few),
    }
    for name, (target, side) in {
        "uvloop": ("≥ 3 ×", lambda: timed(lambda: _uvloop(tasks, steps))),
        "trio": ("≥ 10 ×", lambda: timed(lambda: _trio(tasks, steps))),
        "curio": ("≥ 10 ×", lambda: timed(lambda: _curio(tasks, steps))),
        "gevent": ("≥ 8 ×", lambda: timed(lambda: _gevent(tasks, steps))),
        "greenlet": ("≥ 2 ×", lambda: timed(lambda: _greenlet(tasks, steps))),
    }.items():
        if importlib.util.find_spec(name):
            sides[name] = (target, side)
    mine, *theirs = best(traced, *(side for _, side in sides.values()), rounds=rounds)
    ns = 1e9 / total
    return [
        Row("switch, traced", f"{mine * ns:.0f} ns", f"{_WHAT[name]} {seconds * ns:,.0f} ns",
            f"{seconds / mine:.1f} × as fast", target)
        for (name, (target, _)), seconds in zip(sides.items(), theirs, strict=True)
    ]  # fmt: skip


_WHAT = {
    "asyncio": "`asyncio.sleep(0)`", "uvloop": "`asyncio.sleep(0)` on uvloop",
    "trio": "`trio.lowlevel.checkpoint()`", "curio": "`curio.sleep(0)`", "gevent": "`gevent.sleep(0)`",
    "greenlet": "greenlet, to the hub and back", "threads": "two threads and their semaphores",
}  # fmt: skip


async def _asyncio(tasks: int, steps: int) -> None:
    async def turn() -> None:
        for _ in range(steps):
            await asyncio.sleep(0)

    await asyncio.gather(*(turn() for _ in range(tasks)))


def _uvloop(tasks: int, steps: int) -> None:
    import uvloop

    uvloop.run(_asyncio(tasks, steps))


def _trio(tasks: int, steps: int) -> None:
    import trio

    async def turn() -> None:
        for _ in range(steps):
            await trio.lowlevel.checkpoint()

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            for _ in range(tasks):
                nursery.start_soon(turn)

    trio.run(main)


def _curio(tasks: int, steps: int) -> None:
    import curio

    async def turn() -> None:
        for _ in range(steps):
            await curio.sleep(0)

    async def main() -> None:
        async with curio.TaskGroup() as group:
            for _ in range(tasks):
                await group.spawn(turn)

    curio.run(main)


def _gevent(tasks: int, steps: int) -> None:
    import gevent

    def turn() -> None:
        for _ in range(steps):
            gevent.sleep(0)

    gevent.joinall([gevent.spawn(turn) for _ in range(tasks)])


def _greenlet(tasks: int, steps: int) -> None:
    import greenlet

    hub = greenlet.getcurrent()

    def turn() -> None:
        for _ in range(steps):
            hub.switch()

    ready = [greenlet.greenlet(turn) for _ in range(tasks)]
    for _ in range(steps):
        for one in ready:
            one.switch()


def _threads(switches: int) -> None:
    mine, other = threading.Semaphore(1), threading.Semaphore(0)

    def turn(wait: threading.Semaphore, wake: threading.Semaphore) -> None:
        for _ in range(switches // 2):
            wait.acquire()
            wake.release()

    pair = [threading.Thread(target=turn, args=each) for each in ((mine, other), (other, mine))]
    for thread in pair:
        thread.start()
    for thread in pair:
        thread.join()
