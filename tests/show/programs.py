"""Small random programs, for tests of what must hold for every run."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from hypothesis import strategies as st

from coro_magic.language import Channel, Event, mark, sleep, spawn

RESULTS: list[Any] = [
    None, 0, -7, 10**400, 1.5, float("inf"), float("nan"), True, "text", "\ud800 half", "x" * 20_000,
    [1, [2, "three"]], {"a": None, "b": [1.0]}, {1: 2}, (1, 2), {1, 2}, object, b"bytes", [[[]]] * 3,
]  # fmt: skip

STEPS = st.sampled_from(
    ["yield", "item", "nap", "put", "get", "mark", "spawn", "set", "wait", "by hand", "fail", "join", "print"]
)
WORKERS = st.lists(
    st.tuples(st.lists(STEPS, max_size=8), st.sampled_from(RESULTS), st.booleans()), min_size=0, max_size=6
)


class Told(Exception):
    """An error whose text is whatever it was given."""


def body_of(workers: list[tuple[list[str], Any, bool]]) -> Any:
    """Give a body that spawns workers which do what they are told."""
    channel: Channel[int] = Channel(1)
    event = Event()
    tasks: list[Any] = []

    def by_hand() -> Iterator[Any]:
        got = yield 1
        yield got

    def worker(steps: list[str], result: Any) -> Iterator[Any]:
        for step in steps:
            if step == "yield":
                yield
            elif step == "item":
                yield 5
            elif step == "nap":
                yield sleep(0.001)
            elif step == "put":
                yield channel.put(1)
            elif step == "get":
                yield channel.get()
            elif step == "mark":
                mark("a <mark>\n\udfff")
            elif step == "spawn":
                tasks.append(spawn(worker(["yield", "nap"], 3), daemon=True))
            elif step == "set":
                event.set()
            elif step == "wait":
                yield event.wait()
            elif step == "by hand":
                generator = by_hand()
                next(generator)
                generator.send(2)
            elif step == "fail":
                raise Told("no <b>\n\ud83d")
            elif step == "join" and tasks:
                yield tasks[0]
            elif step == "print":
                print(end="printed by a worker ")
        return result

    def body() -> Iterator[Any]:
        for steps, result, daemon in workers:
            tasks.append(spawn(worker(steps, result), daemon=daemon, name="w" if daemon else "w-2"))
        yield sleep(0.01)
        for task in tasks[::3]:
            task.cancel()

    return body
