"""Who runs next: the one place where the order is decided.

A ready queue takes tasks with `append` and `extend` and gives them in batches with `take`. Every
order lets everybody who is ready run before anybody runs for ever: no coroutine is starved.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol

_FEW = 16  # tasks; fewer are not worth a list of their own


class ReadyQueue(Protocol):
    """The tasks that are ready."""

    def append(self, task: Any, /) -> None: ...

    def extend(self, tasks: list[Any], /) -> None:
        """Take these over; nobody may change the list afterwards."""

    def __len__(self) -> int: ...

    def take(self, most: int) -> list[Any]:
        """Take at most `most` tasks, in the order in which they run; an empty list if there are none.

        Nobody may change the list.
        """


class Fifo:
    """First come, first served.

    A queue of batches: those who were in line together and all go on stay together as one list, and
    that list goes round. Who comes alone waits at the end for others, to be a batch with them.
    """

    def __init__(self) -> None:
        self._batches: deque[list[Any]] = deque()
        self._head = 0  # of the first batch, this many were taken
        self._coming: list[Any] = []
        self.append = self._coming.append

    def __len__(self) -> int:
        return sum(map(len, self._batches)) - self._head + len(self._coming)

    def __bool__(self) -> bool:
        return bool(self._coming or self._batches)

    def extend(self, tasks: list[Any], /) -> None:
        if len(tasks) < _FEW:
            self._coming.extend(tasks)
            return
        self._close_batch()
        self._batches.append(tasks)

    def _close_batch(self) -> None:
        if self._coming:
            self._batches.append(self._coming[:])
            self._coming.clear()

    def take(self, most: int) -> list[Any]:
        batches = self._batches
        if not batches:
            if not self._coming:
                return []
            self._close_batch()
        batch, head = batches[0], self._head
        if len(batch) - head > most:
            self._head = head + most
            return batch[head : head + most]
        batches.popleft()
        self._head = 0
        if head:
            batch = batch[head:]
        while batches and len(batch) + len(batches[0]) <= most:
            batch = batch + batches.popleft()
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
