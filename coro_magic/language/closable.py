"""What a channel is on threads: a queue that can be closed, and a rendezvous for capacity 0.

It is built like `queue.Queue`: one lock, and a condition for each of those who wait. `queue.Queue` itself can
be closed since Python 3.13 only, and is no rendezvous. Items are handed on here with less ado than there
(nobody is notified where nobody waits), which makes up for the generators that the baseline's threads drive.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from .errors import ChannelClosed


class ClosableQueue:
    """A queue between threads.

    Parameters
    ----------
    capacity:
        How many items may lie in it, an int ≥ 0. With 0 `give` is done when its item was taken.
    """

    def __init__(self, capacity: int) -> None:
        self.room = max(capacity, 1)
        self.rendezvous = capacity == 0
        self.closed = False
        self.items: deque[Any] = deque()
        self.mutex = threading.Lock()
        self.not_empty = threading.Condition(self.mutex)
        self.not_full = threading.Condition(self.mutex)
        self.taken = threading.Condition(self.mutex)
        # How many wait for an item, and for room.
        self.takers = self.givers = 0
        self.given_count = self.taken_count = 0

    def qsize(self) -> int:
        """Give how many items lie in it."""
        return len(self.items)

    def close(self) -> None:
        """Let nothing more in, and wake everybody."""
        with self.mutex:
            self.closed = True
            self.not_empty.notify_all()
            self.not_full.notify_all()
            self.taken.notify_all()

    def take(self, timeout: float | None) -> Any:
        """Wait for an item.

        Raises
        ------
        ChannelClosed
            When it is closed and empty.
        TimeoutError
            After `timeout` seconds; None: never.
        """
        with self.mutex:
            self.takers += 1
            try:
                if timeout is None:
                    while not (self.items or self.closed):
                        self.not_empty.wait()
                else:
                    _await(self.not_empty, lambda: self.items or self.closed, timeout)
            finally:
                self.takers -= 1
            if not self.items:
                raise ChannelClosed("the channel is closed and empty")
            return self._take()

    def _take(self) -> Any:
        item = self.items.popleft()
        self.taken_count += 1
        if self.givers:
            self.not_full.notify()
        if self.rendezvous:
            self.taken.notify_all()
        return item

    def give(self, item: Any, timeout: float | None) -> None:
        """Wait for room, and put an item there; in a rendezvous, wait until it was taken.

        Raises
        ------
        ChannelClosed
            When it is closed.
        TimeoutError
            After `timeout` seconds; None: never.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        with self.mutex:
            self.givers += 1
            try:
                if timeout is None:
                    while not (len(self.items) < self.room or self.closed):
                        self.not_full.wait()
                else:
                    _await(self.not_full, lambda: len(self.items) < self.room or self.closed, timeout)
            finally:
                self.givers -= 1
            if self.closed:
                raise ChannelClosed("the channel is closed")
            self._give(item)
            if self.rendezvous:
                mine = self.given_count
                left = None if deadline is None else max(0.0, deadline - time.monotonic())
                try:
                    _await(self.taken, lambda: self.taken_count >= mine or self.closed, left)
                except TimeoutError:
                    self._recall()
                    raise
                if self.taken_count < mine:
                    self._recall()
                    raise ChannelClosed("the channel was closed")

    def _give(self, item: Any) -> None:
        self.items.append(item)
        self.given_count += 1
        if self.takers:
            self.not_empty.notify()

    def _recall(self) -> None:
        """Take back an item that nobody came for.

        It is the first: `give` waits for an empty queue, while `try_give` adds one more for everybody who
        waits. So those lie behind it, and they are promised to somebody.
        """
        self.items.popleft()
        self.given_count -= 1
        if self.givers:
            self.not_full.notify()

    def try_take(self) -> tuple[bool, Any]:
        """Take an item if there is one. Gives whether there was, and the item."""
        with self.mutex:
            if self.items:
                if self.givers or self.rendezvous:
                    return True, self._take()
                self.taken_count += 1
                return True, self.items.popleft()
            if self.closed:
                raise ChannelClosed("the channel is closed and empty")
            return False, None

    def try_give(self, item: Any) -> bool:
        """Put an item there if there is room, in a rendezvous if somebody waits for it."""
        with self.mutex:
            if self.closed:
                raise ChannelClosed("the channel is closed")
            items = self.items
            if len(items) >= (self.takers if self.rendezvous else self.room):
                return False
            items.append(item)
            self.given_count += 1
            if self.takers:
                self.not_empty.notify()
            return True


def _await(condition: threading.Condition, predicate: Callable[[], Any], timeout: float | None) -> None:
    if not condition.wait_for(predicate, timeout):
        raise TimeoutError
