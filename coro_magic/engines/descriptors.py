"""Descriptors that coroutines wait for: who is called back when one can be read or written.

Where there is epoll, a descriptor is armed for one event each time somebody waits for it, and stays in
the kernel's list in between: one system call for a wait, and none to forget it. A descriptor that was
closed in the meantime, and opened again as something else, is found out by that call.
"""

from __future__ import annotations

import math
import select
import selectors
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol


class Watcher(Protocol):
    """Who is called when a descriptor is ready.

    Those who watch for the same are a chain: each has the one that `follows`.
    """

    follows: Watcher | None

    @property
    def descriptor(self) -> int: ...

    @property
    def writing(self) -> bool: ...

    def __call__(self) -> None: ...


class Watch:
    """A callback when a descriptor is ready. Call it to call back, unless it was called off."""

    __slots__ = ("callback", "descriptor", "descriptors", "follows", "writing")

    def __init__(
        self, descriptors: Descriptors, descriptor: int, writing: bool, callback: Callable[[], None]
    ) -> None:
        self.descriptors = descriptors
        self.descriptor = descriptor
        self.writing = writing
        self.callback: Callable[[], None] | None = callback
        self.follows: Watcher | None = None

    def __call__(self) -> None:
        callback, self.callback = self.callback, None
        if callback is not None:
            callback()

    def cancel(self) -> None:
        """Call it off; more than once is harmless, and so is too late."""
        if self.callback is not None:
            self.callback = None
            self.descriptors.unwatch(self)


READABLE, WRITABLE = 1, 4  # as `select.EPOLLIN` and `EPOLLOUT`


class Poller(Protocol):
    """The system's way of waiting for descriptors."""

    def arm(self, descriptor: int, reading: bool, writing: bool) -> None:
        """Look for these events, instead of others looked for before. PermissionError: a regular file."""

    def wait(self, seconds: float) -> list[tuple[int, int]]:
        """Wait for events: descriptors, and what happened to each.

        `READABLE` alone says that it can be read, `WRITABLE` alone that it can be written; whatever else
        is there, an error for example, ends both kinds of waiting.
        """

    def close(self) -> None: ...


_ARMED: tuple[tuple[int, int], tuple[int, int]] = ((0, 0), (0, 0))
if hasattr(select, "epoll"):
    # Bound before a run replaces it.
    _poll = select.epoll.poll
    _ARMED = (
        (0, select.EPOLLONESHOT | select.EPOLLOUT),
        (select.EPOLLONESHOT | select.EPOLLIN, select.EPOLLONESHOT | select.EPOLLIN | select.EPOLLOUT),
    )


class OneShot:
    """epoll, armed for one event at a time."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._known: set[int] = set()
        self._modify = self._epoll.modify

    def arm(self, descriptor: int, reading: bool, writing: bool) -> None:
        if not (reading or writing):
            return  # what comes then finds nobody, and once only
        events = _ARMED[reading][writing]
        if descriptor in self._known:
            modify = self._modify
            try:
                modify(descriptor, events)
                return
            except FileNotFoundError:
                self._known.discard(descriptor)
        self._epoll.register(descriptor, events)
        self._known.add(descriptor)

    def wait(self, seconds: float) -> list[tuple[int, int]]:
        # epoll counts milliseconds, and would wake up too early.
        return _poll(self._epoll, math.ceil(seconds * 1e3) * 1e-3 if seconds > 0 else 0)

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

    def wait(self, seconds: float) -> list[tuple[int, int]]:
        return [
            (
                key.fd,
                (READABLE if events & selectors.EVENT_READ else 0)
                | (WRITABLE if events & selectors.EVENT_WRITE else 0),
            )
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
        self._arm, self.poll = self._poller.arm, self._poller.wait
        # The first of those who watch, by descriptor.
        self._readers: dict[int, Watcher] = {}
        self._writers: dict[int, Watcher] = {}
        self._always = always
        self._on_always = on_always
        self._arm(always, True, False)

    def __bool__(self) -> bool:
        """Whether somebody waits."""
        return bool(self._readers or self._writers)

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
        self.add(watch)
        return watch

    def add(self, watcher: Watcher) -> None:
        """Call `watcher` once, when its descriptor is ready. Raises what `watch` does."""
        descriptor, writing = watcher.descriptor, watcher.writing
        readers, writers = self._readers, self._writers
        mine = writers if writing else readers
        last = mine.setdefault(descriptor, watcher)
        if last is not watcher:
            while last.follows is not None:
                last = last.follows
            last.follows = watcher
            return
        arm = self._arm
        try:
            arm(descriptor, not writing or descriptor in readers, writing or descriptor in writers)
        except BaseException:
            readers.pop(descriptor, None)
            writers.pop(descriptor, None)
            raise

    def unwatch(self, watcher: Watcher) -> None:
        """Call a watch off."""
        mine = self._writers if watcher.writing else self._readers
        before, at = None, mine.get(watcher.descriptor)
        while at is not None and at is not watcher:
            before, at = at, at.follows
        if at is None:
            return
        after, watcher.follows = watcher.follows, None
        if before is not None:
            before.follows = after
        elif after is not None:
            mine[watcher.descriptor] = after
        else:
            del mine[watcher.descriptor]
            self._arm_again(watcher.descriptor)

    def _arm_again(self, descriptor: int) -> None:
        try:
            self._arm(descriptor, descriptor in self._readers, descriptor in self._writers)
        except OSError:
            # It is closed: those who are left find that out themselves.
            self.closing(descriptor)

    def closing(self, descriptor: int) -> None:
        """A descriptor is about to be closed: call everybody back who watches it, to find that out."""
        first = [self._readers.pop(descriptor, None), self._writers.pop(descriptor, None)]
        if any(first):
            with suppress(OSError):
                self._arm(descriptor, False, False)
            for watcher in first:
                while watcher is not None:
                    following, watcher.follows = watcher.follows, None
                    watcher()
                    watcher = following

    def call_back(self, found: list[tuple[int, int]]) -> None:
        """Call back those whose descriptors are ready: what `poll` gave."""
        readers, writers = self._readers, self._writers
        for descriptor, events in found:
            if descriptor == self._always:
                self._on_always()
                self._arm(descriptor, True, False)
                continue
            reader = writer = None
            if events != WRITABLE:
                reader = readers.pop(descriptor, None)
                if reader is not None and reader.follows is not None:
                    readers[descriptor], reader.follows = reader.follows, None
            if writers:
                if events != READABLE:
                    writer = writers.pop(descriptor, None)
                    if writer is not None and writer.follows is not None:
                        writers[descriptor], writer.follows = writer.follows, None
                if descriptor in writers:
                    self._arm_again(descriptor)
            if descriptor in readers:
                self._arm_again(descriptor)
            if reader is not None:
                reader()
            if writer is not None:
                writer()

    def close(self) -> None:
        """Let everything go."""
        self._readers.clear()
        self._writers.clear()
        self._poller.close()
