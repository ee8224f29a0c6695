"""Channels: how coroutines hand items to each other.

On the scheduler a channel is three queues (items, getters, putters) and needs no lock. On threads
it is a queue with a lock, `closable.ClosableQueue`.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, Generic, TypeVar

from .closable import ClosableQueue
from .errors import ChannelClosed
from .request import PENDING, Request, Waiter, sweep

T = TypeVar("T")

# Told of every channel that is made or copied into this process: see `engines.share`.
on_made: Callable[[Channel[Any]], None] | None = None


class Channel(Generic[T]):
    """A queue of items between coroutines.

    ``item = yield channel.get()`` waits for an item, ``yield channel.put(item)`` for room.
    ``for item in channel:`` (and ``async for``) takes items until the channel is closed and empty.

    Parameters
    ----------
    capacity:
        How many items may lie in the channel, an int ≥ 0. 0, the default, is a rendezvous: `put`
        is done when another coroutine has taken the item.
    name:
        What to call it in reports.
    shared:
        Whether it is one channel for coroutines of different processes (``--processes``): then items
        are copied from one to the other, and travel through a queue of the standard library's.
        Without processes it is a channel like any other.
    """

    def __init__(self, capacity: int = 0, name: str | None = None, shared: bool = False) -> None:
        if isinstance(capacity, bool) or not isinstance(capacity, int):
            raise TypeError(f"a channel's capacity is an int, not {type(capacity).__name__}")
        if capacity < 0:
            raise ValueError(f"a channel's capacity is 0 or more, and not {capacity}")
        self.capacity = capacity
        self.name = name
        self.closed = False
        self._items: deque[T] = deque()
        self._getters: deque[Get[T]] = deque()
        self._putters: deque[Put[T]] = deque()
        self._threads: ClosableQueue | None = None
        self.shared = shared
        # By which it is known in other processes. What is made while they run is known by its order.
        self.key: Any = os.urandom(8) if shared and on_made is None else None
        if on_made is not None:
            on_made(self)

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        if on_made is not None:
            on_made(self)

    def get(self) -> Get[T]:
        """Ask for the next item: ``item = yield channel.get()``.

        Raises
        ------
        ChannelClosed
            From the ``yield``, when the channel is closed and no item is left.
        """
        request: Get[T] = Get()
        request.channel = self
        request.waiter = None
        return request

    def put(self, item: T) -> Put[T]:
        """Ask to add `item`: ``yield channel.put(item)``, done when there is room for it.

        Raises
        ------
        ChannelClosed
            From the ``yield``, when the channel is closed.
        """
        request: Put[T] = Put()
        request.channel = self
        request.item = item
        request.waiter = None
        return request

    def close(self) -> None:
        """Say that no more items will come. Items in the channel can still be taken.

        Who waits to get wakes up with `ChannelClosed`; who waits to put too. Closing twice is fine.
        """
        self.closed = True
        with _creation:
            threads = self._threads
        if threads is not None:
            threads.close()
        waiting: list[Get[T] | Put[T]] = [*self._getters, *self._putters]
        self._getters.clear()
        self._putters.clear()
        for request in waiting:
            if request.waiter is not _WITHDRAWN:
                assert request.waiter is not None
                request.waiter.fail(ChannelClosed(f"{self} was closed"))

    def __len__(self) -> int:
        """How many items lie in the channel."""
        return len(self._items) if self._threads is None else self._threads.qsize()

    def __bool__(self) -> bool:
        return True

    def __iter__(self) -> Iterator[T]:
        while True:
            try:
                item = self.get().wait()
            except ChannelClosed:
                return
            yield item

    async def __aiter__(self) -> AsyncIterator[T]:
        while True:
            try:
                item = await self.get()
            except ChannelClosed:
                return
            yield item

    def __repr__(self) -> str:
        name = f" {self.name!r}" if self.name else ""
        state = ", closed" if self.closed else ""
        return f"<Channel{name}, {len(self)} of {self.capacity}{state}>"

    def _on_threads(self) -> ClosableQueue:
        # Two threads may come here at once; one queue must win.
        if self._threads is None:
            with _creation:
                if self._threads is None:
                    threads = ClosableQueue(self.capacity)
                    if self.closed:
                        threads.close()
                    self._threads = threads
        return self._threads


class _Withdrawn:
    """Stands for the waiter of a request that was withdrawn: nobody."""


_WITHDRAWN: Any = _Withdrawn()
_creation = threading.Lock()


class Get(Request, Generic[T]):
    """The request made by `Channel.get`."""

    __slots__ = ("channel",)
    verb = "get"
    often_at_once = True
    left_over = True
    channel: Channel[T]

    def begin(self, waiter: Waiter) -> Any:
        if self.waiter is not None:
            self.claim(waiter)
        self.waiter = waiter
        channel = self.channel
        putters: deque[Any] = channel._putters
        items = channel._items
        if items:
            item = items.popleft()
            if putters:
                put = putters.popleft()
                if put.waiter is _WITHDRAWN:
                    put = _next(putters)
                if put is not None:
                    items.append(put.item)
                    put.waiter.wake()
            return item
        if putters:
            put = putters.popleft()
            if put.waiter is _WITHDRAWN:
                put = _next(putters)
            if put is not None:
                put.waiter.wake()
                return put.item
        if channel.closed:
            raise ChannelClosed(f"{channel} is closed and empty")
        channel._getters.append(self)
        return PENDING

    def withdraw(self) -> None:
        self.waiter = _WITHDRAWN
        sweep(self.channel._getters, _is_waiting)

    def block(self, timeout: float | None) -> T:
        return self.channel._on_threads().take(timeout)  # type: ignore[no-any-return]

    def attempt(self) -> tuple[bool, Any]:
        channel = self.channel
        return (channel._threads or channel._on_threads()).try_take()

    def describe(self) -> str:
        return f"an item from {self.channel}"


class Put(Request, Generic[T]):
    """The request made by `Channel.put`."""

    __slots__ = ("channel", "item")
    verb = "put"
    often_at_once = True
    channel: Channel[T]
    item: T

    def begin(self, waiter: Waiter) -> Any:
        if self.waiter is not None:
            self.claim(waiter)
        self.waiter = waiter
        channel = self.channel
        if channel.closed:
            raise ChannelClosed(f"{channel} is closed")
        getters: deque[Any] = channel._getters
        if getters:
            get = getters.popleft()
            if get.waiter is _WITHDRAWN:
                get = _next(getters)
            if get is not None:
                get.waiter.wake(self.item)
                return None
        if len(channel._items) < channel.capacity:
            channel._items.append(self.item)
            return None
        channel._putters.append(self)
        return PENDING

    def withdraw(self) -> None:
        self.waiter = _WITHDRAWN
        sweep(self.channel._putters, _is_waiting)

    def block(self, timeout: float | None) -> None:
        self.channel._on_threads().give(self.item, timeout)

    def attempt(self) -> tuple[bool, Any]:
        channel = self.channel
        return (channel._threads or channel._on_threads()).try_give(self.item), None

    @property
    def by_meeting(self) -> bool:  # type: ignore[override]
        return self.channel.capacity == 0

    def describe(self) -> str:
        return f"room in {self.channel}"


def _is_waiting(request: Any) -> bool:
    return request.waiter is not _WITHDRAWN


def _next(requests: deque[Any]) -> Any:
    """Take the first of some requests whose waiter still waits; None if there is none."""
    while requests:
        request = requests.popleft()
        if request.waiter is not _WITHDRAWN:
            return request
    return None
