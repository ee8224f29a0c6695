"""`Event`, `Semaphore` and `Lock`: when coroutines have to wait for each other without an item.

One thread needs no lock around a statement. A `Lock` is for what spans a ``yield``.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import Any

from .request import PENDING, Request, Waiter, sweep

# As in `channel`: the counterpart for threads is made when the first thread asks for it.
# Bound once: a run may replace the module's for its coroutines.
_thread_lock = threading.Lock
_creation = threading.Lock()


def _is_waiting(request: EventWait | Acquire) -> bool:
    return request.waiting


class Event:
    """A flag that coroutines wait for: ``yield event.wait()``, until somebody calls ``event.set()``.

    It stays up until `clear`, and as long as it is up nobody waits.
    """

    def __init__(self) -> None:
        self._set = False
        self._waiting: deque[EventWait] = deque()
        self._threads: threading.Event | None = None

    def is_set(self) -> bool:
        """Say whether the flag is up."""
        return self._set

    def set(self) -> None:
        """Put the flag up and wake everyone who waits for it."""
        self._set = True
        with _creation:
            threads = self._threads
        if threads is not None:
            threads.set()
        waiting, self._waiting = self._waiting, deque()
        for request in waiting:
            if request.waiting:
                request.waiter.wake()  # type: ignore[union-attr]

    def clear(self) -> None:
        """Take the flag down: who asks from now on waits."""
        self._set = False
        if self._threads is not None:
            self._threads.clear()

    def wait(self) -> EventWait:
        """Ask to wait until the flag is up: ``yield event.wait()``."""
        return EventWait(self)

    def _on_threads(self) -> threading.Event:
        if self._threads is None:
            with _creation:
                if self._threads is None:
                    flag = threading.Event()
                    if self._set:
                        flag.set()
                    self._threads = flag
        return self._threads

    def __repr__(self) -> str:
        return f"<Event, {'set' if self._set else 'not set'}>"


class EventWait(Request):
    """The request made by `Event.wait`."""

    __slots__ = ("event", "waiting")
    verb = "event"
    often_at_once = True

    def __init__(self, event: Event) -> None:
        self.waiter = None
        self.event = event
        self.waiting = True

    def begin(self, waiter: Waiter) -> Any:
        self.claim(waiter)
        if self.event._set:
            return None
        self.event._waiting.append(self)
        return PENDING

    def withdraw(self) -> None:
        self.waiting = False
        sweep(self.event._waiting, _is_waiting)

    def block(self, timeout: float | None) -> None:
        if not self.event._on_threads().wait(timeout):
            raise TimeoutError

    def attempt(self) -> tuple[bool, Any]:
        return self.event._set, None

    def describe(self) -> str:
        return f"{self.event}"


class Semaphore:
    """A number of permits: ``yield semaphore.acquire()`` takes one, ``semaphore.release()`` gives one back.

    ``with (yield semaphore.acquire()):`` and ``async with semaphore:`` give it back by themselves.

    Parameters
    ----------
    permits:
        How many there are at first, an int ≥ 0.
    """

    def __init__(self, permits: int = 1) -> None:
        if permits < 0:
            raise ValueError(f"a semaphore has 0 or more permits, and not {permits}")
        self._permits = permits
        self._waiting: deque[Acquire] = deque()
        self._holder: Waiter | None = None  # who took a permit last, for reports on locks
        self._threads: Any = None

    def acquire(self) -> Acquire:
        """Ask for a permit. ``yield`` gives the semaphore itself, for use in a ``with``."""
        request = Acquire()
        request.waiter = None
        request.semaphore = self
        request.waiting = True
        return request

    def release(self) -> None:
        """Give a permit back, to the one who has waited longest."""
        if self._threads is not None:
            self._threads.release()
            return
        while self._waiting:
            request = self._waiting.popleft()
            if request.waiting:
                self._holder = request.waiter
                request.waiter.wake(self)  # type: ignore[union-attr]
                return
        self._holder = None
        self._permits += 1

    def _described(self) -> str:
        return "a permit of a semaphore"

    def _on_threads(self) -> Any:
        if self._threads is None:
            with _creation:
                if self._threads is None:
                    self._threads = self._made_for_threads()
        return self._threads

    def _made_for_threads(self) -> Any:
        return threading.Semaphore(self._permits)

    def __enter__(self) -> Semaphore:
        # Reached through `with (yield semaphore.acquire())`: the permit is there already.
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.release()

    async def __aenter__(self) -> Semaphore:
        await self.acquire()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self.release()

    def __repr__(self) -> str:
        return f"<{type(self).__name__}, {self._permits} free>"


class Lock(Semaphore):
    """A lock, for what spans a ``yield``; what does not needs none, as there is only one thread.

    ``with (yield lock.acquire()):`` in a generator, ``async with lock:`` in an ``async def``,
    ``with lock.acquire().wait():`` in a plain function. Not re-entrant: whoever holds it and asks again waits
    for ever, which is a `Deadlock`.
    """

    def __init__(self) -> None:
        super().__init__(1)

    def locked(self) -> bool:
        """Say whether somebody holds it."""
        return self._permits == 0 if self._threads is None else bool(self._threads.locked())

    def _made_for_threads(self) -> Any:
        made = _thread_lock()
        if not self._permits:
            made.acquire()
        return made

    def release(self) -> None:
        """Give the lock to the one who has waited longest.

        Raises
        ------
        RuntimeError
            If nobody holds it.
        """
        if self._threads is not None:
            try:
                self._threads.release()
            except RuntimeError:
                raise RuntimeError("release of a Lock that nobody holds") from None
            return
        if not self.locked():
            raise RuntimeError("release of a Lock that nobody holds")
        super().release()

    def _described(self) -> str:
        return "a lock" if self._holder is None else f"a lock that {self._holder.name} took"

    def __repr__(self) -> str:
        return f"<Lock, {'held' if self.locked() else 'free'}>"


class Acquire(Request):
    """The request made by `Semaphore.acquire` and `Lock.acquire`."""

    __slots__ = ("semaphore", "waiting")
    verb = "lock"
    often_at_once = True

    semaphore: Semaphore
    waiting: bool

    def begin(self, waiter: Waiter) -> Any:
        self.claim(waiter)
        if self.semaphore._permits:
            self.semaphore._permits -= 1
            self.semaphore._holder = waiter
            return self.semaphore
        self.semaphore._waiting.append(self)
        return PENDING

    def withdraw(self) -> None:
        self.waiting = False
        sweep(self.semaphore._waiting, _is_waiting)

    def block(self, timeout: float | None) -> Semaphore:
        threads = self.semaphore._on_threads()
        if not (threads.acquire() if timeout is None else threads.acquire(True, timeout)):
            raise TimeoutError
        return self.semaphore

    def attempt(self) -> tuple[bool, Any]:
        semaphore = self.semaphore
        return (semaphore._threads or semaphore._on_threads()).acquire(False), semaphore

    def describe(self) -> str:
        return self.semaphore._described()
