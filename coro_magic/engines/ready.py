"""Who runs next: the one place where the order is decided.

A ready queue takes tasks with `append` and `extend` and gives them in batches with `take`. Every
order lets everybody who is ready run before anybody runs for ever: no coroutine is starved.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any, Protocol


class ReadyQueue(Protocol):
    """The tasks that are ready."""

    def append(self, task: Any, /) -> None: ...

    def extend(self, tasks: list[Any], /) -> None: ...

    def __len__(self) -> int: ...

    def take(self, most: int) -> list[Any]:
        """Take at most `most` tasks, in the order in which they run; an empty list if there are none."""


class Fifo(list[Any]):
    """First come, first served. A list with a head: slices of it cost less than a deque's elements."""

    head = 0

    def __len__(self) -> int:
        return list.__len__(self) - self.head

    def take(self, most: int) -> list[Any]:
        head = self.head
        batch = self[head : head + most]
        self.head = head = head + len(batch)
        # What was taken is dropped when it is the larger part: a constant cost per task.
        if head > 4096 and head * 2 > list.__len__(self):
            del self[:head]
            self.head = 0
        return batch


class Lifo:
    """Last come, first served, in rounds: those who come during a round wait for the next one."""

    def __init__(self) -> None:
        self._round: list[Any] = []
        self._coming: list[Any] = []
        self.append = self._coming.append
        self.extend = self._coming.extend

    def __len__(self) -> int:
        return len(self._round) + len(self._coming)

    def take(self, most: int) -> list[Any]:
        if not self._round:
            self._round = self._coming[:]
            self._coming.clear()
        batch = self._round[-most:][::-1]
        del self._round[-most:]
        return batch


class Random:
    """Anyone who is ready, chosen by a random number generator with a seed: one at a time."""

    def __init__(self, seed: int | None) -> None:
        self._ready: list[Any] = []
        self.append = self._ready.append
        self.extend = self._ready.extend
        self._choose = random.Random(seed).randrange

    def __len__(self) -> int:
        return len(self._ready)

    def take(self, most: int) -> list[Any]:
        ready = self._ready
        if not ready:
            return []
        chosen = self._choose(len(ready))
        ready[chosen], ready[-1] = ready[-1], ready[chosen]
        return [ready.pop()]


ORDERS: dict[str, Callable[[int | None], ReadyQueue]] = {
    "fifo": lambda seed: Fifo(),
    "lifo": lambda seed: Lifo(),
    "random": Random,
}
