"""Descriptors that coroutines wait for: who is called back when one can be read or written.

Where there is epoll, a descriptor is armed for one event each time somebody waits for it, and stays in
the kernel's list in between: one system call for a wait, and none to forget it. A descriptor that was
closed in the meantime, and opened again as something else, is found out by that call.
"""

from __future__ import annotations

import math
import select
import selectors
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol


class Watch:
    """A callback when a descriptor is ready. Call it to call back, unless it was called off."""

    __slots__ = ("callback", "descriptor", "descriptors", "writing")

    def __init__(
        self, descriptors: Descriptors, descriptor: int, writing: bool, callback: Callable[[], None]
    ) -> None:
        self.descriptors = descriptors
        self.descriptor = descriptor
        self.writing = writing
        self.callback: Callable[[], None] | None = callback

    def __call__(self) -> None:
        callback, self.callback = self.callback, None
        if callback is not None:
            callback()

    def cancel(self) -> None:
        """Call it off; more than once is harmless, and so is too late."""
        if self.callback is not None:
            self.callback = None
            self.descriptors.unwatch(self)


class Poller(Protocol):
    """The system's way of waiting for descriptors."""

    def arm(self, descriptor: int, reading: bool, writing: bool) -> None:
        """Look for these events, instead of others looked for before. PermissionError: a regular file."""

    def wait(self, seconds: float) -> list[tuple[int, bool, bool]]:
        """Wait for events: descriptors, and whether each can be read and be written."""

    def close(self) -> None: ...


_ARMED: tuple[tuple[int, int], tuple[int, int]] = ((0, 0), (0, 0))
if hasattr(select, "epoll"):
    _ARMED = (
        (0, select.EPOLLONESHOT | select.EPOLLOUT),
        (select.EPOLLONESHOT | select.EPOLLIN, select.EPOLLONESHOT | select.EPOLLIN | select.EPOLLOUT),
    )


class OneShot:
    """epoll, armed for one event at a time."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._known: set[int] = set()
        self._poll = self._epoll.poll

    def arm(self, descriptor: int, reading: bool, writing: bool) -> None:
        if not (reading or writing):
            return  # what comes then finds nobody, and once only
        events = _ARMED[reading][writing]
        if descriptor in self._known:
            try:
                self._epoll.modify(descriptor, events)
                return
            except FileNotFoundError:
                self._known.discard(descriptor)
        self._epoll.register(descriptor, events)
        self._known.add(descriptor)

    def wait(self, seconds: float) -> list[tuple[int, bool, bool]]:
        # epoll counts milliseconds, and would wake up too early.
        found = self._poll(math.ceil(seconds * 1e3) * 1e-3 if seconds > 0 else 0)
        return [
            (descriptor, bool(events & ~select.EPOLLOUT), bool(events & ~select.EPOLLIN))
            for descriptor, events in found
        ]

    def close(self) -> None:
        self._epoll.close()


class Selected:
    """Whatever `selectors` has for this platform."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()

    def arm(self, descriptor: int, reading: bool, writing: bool) -> None:
        events = (selectors.EVENT_READ if reading else 0) | (selectors.EVENT_WRITE if writing else 0)
        registered = descriptor in self._selector.get_map()
        if not events:
            if registered:
                self._forget(descriptor)
        elif not registered:
            self._selector.register(descriptor, events)
        else:
            try:
                self._selector.modify(descriptor, events)
            except (KeyError, OSError):
                # Closed in the meantime, and opened again as something else.
                self._forget(descriptor)
                self._selector.register(descriptor, events)

    def _forget(self, descriptor: int) -> None:
        with suppress(KeyError, ValueError, OSError):
            self._selector.unregister(descriptor)

    def wait(self, seconds: float) -> list[tuple[int, bool, bool]]:
        return [
            (key.fd, bool(events & selectors.EVENT_READ), bool(events & selectors.EVENT_WRITE))
            for key, events in self._selector.select(seconds)
        ]

    def close(self) -> None:
        self._selector.close()


class Descriptors:
    """Who waits for which descriptor.

    Parameters
    ----------
    always:
        A descriptor that is looked at all the time, for reading.
    on_always:
        Called when it can be read.
    """

    def __init__(self, always: int, on_always: Callable[[], None]) -> None:
        self._poller: Poller = OneShot() if hasattr(select, "epoll") else Selected()
        self._watches: dict[int, tuple[deque[Watch], deque[Watch]]] = {}
        self._always = always
        self._on_always = on_always
        self._poller.arm(always, True, False)

    def __bool__(self) -> bool:
        """Whether somebody waits."""
        return bool(self._watches)

    def watch(self, descriptor: int, writing: bool, callback: Callable[[], None]) -> Watch:
        """Call back once, when `descriptor` can be read or written without waiting.

        Those who watch for the same are called one after another, in the order asked.

        Raises
        ------
        PermissionError
            If it is a regular file, which cannot be waited for and is always ready.
        OSError
            If it is closed.
        """
        watch = Watch(self, descriptor, writing, callback)
        queues = self._watches.get(descriptor)
        if queues is None:
            queues = self._watches[descriptor] = (deque(), deque())
        queues[writing].append(watch)
        if len(queues[writing]) == 1:
            try:
                self._poller.arm(descriptor, bool(queues[0]), bool(queues[1]))
            except BaseException:
                del self._watches[descriptor]
                raise
        return watch

    def unwatch(self, watch: Watch) -> None:
        """Call a watch off."""
        queues = self._watches.get(watch.descriptor)
        if queues is not None and watch in queues[watch.writing]:
            queues[watch.writing].remove(watch)
            if not queues[watch.writing]:
                self._arm_again(watch.descriptor, queues)

    def _arm_again(self, descriptor: int, queues: tuple[deque[Watch], deque[Watch]]) -> None:
        if not (queues[0] or queues[1]):
            del self._watches[descriptor]
        try:
            self._poller.arm(descriptor, bool(queues[0]), bool(queues[1]))
        except OSError:
            # It is closed: those who are left find that out themselves.
            self.closing(descriptor)

    def closing(self, descriptor: int) -> None:
        """A descriptor is about to be closed: call everybody back who watches it, to find that out."""
        queues = self._watches.pop(descriptor, None)
        if queues is not None:
            with suppress(OSError):
                self._poller.arm(descriptor, False, False)
            for watch in [*queues[0], *queues[1]]:
                watch()

    def wait(self, seconds: float) -> None:
        """Wait for so many seconds at most, and call back those whose descriptors are ready."""
        for descriptor, *ready in self._poller.wait(seconds):
            if descriptor == self._always:
                self._on_always()
                self._poller.arm(descriptor, True, False)
                continue
            queues = self._watches.get(descriptor)
            if queues is None:
                continue
            called = [queues[writing].popleft() for writing in (0, 1) if ready[writing] and queues[writing]]
            self._arm_again(descriptor, queues)
            for watch in called:
                watch()

    def close(self) -> None:
        """Let everything go."""
        self._watches.clear()
        self._poller.close()

