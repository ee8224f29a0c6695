"""What a message costs through a channel, against the queues of others."""

from __future__ import annotations

import asyncio
import importlib.util
import queue
import threading
from typing import Any

from measuring import Row, Side, best, ours, timed

from coro_magic import Channel, spawn

_TARGETS = {
    "asyncio.Queue": "≥ 8 ×",
    "gevent.queue.Queue": "≥ 5 ×",
    "simpy.Store": "≥ 4 ×",
    "queue.Queue, threads": "≥ 80 ×",
}


def messages(quick: bool, rounds: int) -> list[Row]:
    """Measure a message from coroutine to coroutine, by capacity and by how many put and get."""
    count = 20_000 if quick else 100_000
    rows = []
    for putters, getters in ((1, 1), (1, 100), (100, 1)):
        for capacity in (0, 1, 100):
            rows += _messages(capacity, putters, getters, count, rounds)
    return rows


def _messages(capacity: int, putters: int, getters: int, count: int, rounds: int) -> list[Row]:
    def channel(trace: str = "on") -> float:
        def body() -> Any:
            passed: Channel[int] = Channel(capacity)

            def producer() -> Any:
                for number in range(count // putters):
                    yield passed.put(number)

            def consumer() -> Any:
                for _ in range(count // getters):
                    yield passed.get()

            for _ in range(putters):
                spawn(producer())
            yield from [spawn(consumer()) for _ in range(getters)]

        return ours(body, trace=trace)

    # None of the peers has a rendezvous; their nearest is room for one.
    crew = max(capacity, 1), putters, getters
    sides: dict[str, Side] = {"asyncio.Queue": lambda: timed(lambda: asyncio.run(_asyncio(*crew, count)))}
    if importlib.util.find_spec("gevent"):
        sides["gevent.queue.Queue"] = lambda: timed(lambda: _gevent(*crew, count))
    if importlib.util.find_spec("simpy"):
        sides["simpy.Store"] = lambda: timed(lambda: _simpy(*crew, count))
    # Threads hand over so slowly that a share of the messages has to do.
    sides["queue.Queue, threads"] = lambda: 20 * timed(lambda: _threads(*crew, count // 20))
    mine, off, *theirs = best(channel, lambda: channel("off"), *sides.values(), rounds=rounds)
    return [
        Row(
            f"message, capacity {capacity}, {putters}–{getters}",
            f"{mine / count * 1e9:.0f} ns ({off / count * 1e9:.0f} untraced)",
            f"{name} {seconds / count * 1e9:,.0f} ns",
            f"{seconds / mine:.1f} × as fast ({seconds / off:.1f} untraced)",
            _TARGETS[name],
        )
        for name, seconds in zip(sides, theirs, strict=True)
    ]


async def _asyncio(room: int, putters: int, getters: int, count: int) -> None:
    passed: asyncio.Queue[int] = asyncio.Queue(room)

    async def producer() -> None:
        for number in range(count // putters):
            await passed.put(number)

    async def consumer() -> None:
        for _ in range(count // getters):
            await passed.get()

    await asyncio.gather(*(producer() for _ in range(putters)), *(consumer() for _ in range(getters)))


def _gevent(room: int, putters: int, getters: int, count: int) -> None:
    import gevent
    import gevent.queue

    passed = gevent.queue.Queue(room)

    def produce() -> None:
        for number in range(count // putters):
            passed.put(number)

    def consume() -> None:
        for _ in range(count // getters):
            passed.get()

    gevent.joinall([gevent.spawn(f) for f in [produce] * putters + [consume] * getters])


def _simpy(room: int, putters: int, getters: int, count: int) -> None:
    import simpy

    environment = simpy.Environment()
    passed = simpy.Store(environment, room)

    def producer() -> Any:
        for number in range(count // putters):
            yield passed.put(number)

    def consumer() -> Any:
        for _ in range(count // getters):
            yield passed.get()

    for function in [producer] * putters + [consumer] * getters:
        environment.process(function())
    environment.run()


def _threads(room: int, putters: int, getters: int, count: int) -> None:
    passed: queue.Queue[int] = queue.Queue(room)

    def produce() -> None:
        for number in range(count // putters):
            passed.put(number)

    def consume() -> None:
        for _ in range(count // getters):
            passed.get()

    threads = [threading.Thread(target=each) for each in [produce] * putters + [consume] * getters]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
