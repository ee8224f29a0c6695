"""Requests that reach outside the coroutines: descriptors, and functions run in a thread."""

from __future__ import annotations

import math
import select as _select
import time
from collections.abc import Callable
from typing import Any, Protocol

from .request import PENDING, Handle, Request, Waiter

# Bound once: a run may replace the module's functions for its coroutines.
_thread_poll = getattr(_select, "poll", None)
_thread_select = _select.select


class HasFileno(Protocol):
    def fileno(self) -> int: ...


def _descriptor(source: int | HasFileno, what: str) -> int:
    descriptor = source if isinstance(source, int) else getattr(source, "fileno", lambda: None)()
    if not isinstance(descriptor, int):
        raise TypeError(f"{what} takes a socket or a descriptor, not {type(source).__name__}")
    if descriptor < 0:
        raise ValueError(f"{what}: the descriptor is closed ({descriptor})")
    return descriptor


class Ready(Request):
    """The request made by `readable` and `writable`; ``yield`` gives whether it became ready.

    With `timeout`, in seconds, it gives False when that time is over first.
    """

    __slots__ = ("descriptor", "timeout", "timer", "verb", "watch", "writing")

    def __init__(
        self, descriptor: int, writing: bool, verb: str, timeout: float | None = None
    ) -> None:
        self.waiter = None
        self.descriptor = descriptor
        self.writing = writing
        self.verb = verb
        self.timeout = timeout
        self.watch: Handle | None = None
        self.timer: Handle | None = None

    def begin(self, waiter: Waiter) -> Any:
        self.claim(waiter)
        services = waiter.engine
        self.watch = services.watch(self.descriptor, self.writing, self._ready)
        if self.timeout is not None:
            self.timer = services.call_later(self.timeout, self._late)
        return PENDING

    def _ready(self) -> None:
        if self.timer is not None:
            self.timer.cancel()
        self.waiter.wake(True)  # type: ignore[union-attr]

    def _late(self) -> None:
        self.watch.cancel()  # type: ignore[union-attr]
        self.waiter.wake(False)  # type: ignore[union-attr]

    def withdraw(self) -> None:
        if self.watch is not None:
            self.watch.cancel()
        if self.timer is not None:
            self.timer.cancel()

    def block(self, timeout: float | None) -> bool:
        if self._poll(timeout):
            return True
        raise TimeoutError

    def attempt(self) -> tuple[bool, Any]:
        return self._poll(0.0), True

    def _poll(self, timeout: float | None) -> bool:
        # poll, where there is one: select() knows no descriptor above 1023.
        if _thread_poll is None:
            mine = [self.descriptor]
            reading, writing = ([], mine) if self.writing else (mine, [])
            return any(_thread_select(reading, writing, [], timeout))
        poll = _thread_poll()
        poll.register(self.descriptor, _select.POLLOUT if self.writing else _select.POLLIN)
        return bool(poll.poll(None if timeout is None else math.ceil(timeout * 1000)))

    def describe(self) -> str:
        return f"{self.verb} on descriptor {self.descriptor}"


def readable(source: int | HasFileno) -> Ready:
    """Ask to wait until `source` can be read: ``yield readable(sock)`` gives True.

    Parameters
    ----------
    source:
        A socket, or anything with a ``fileno()``, or a descriptor, an int. That something can be read may
        also mean that the other side has gone.

    Raises
    ------
    TypeError, ValueError
        If it has no descriptor, or is closed.
    """
    return Ready(_descriptor(source, "readable()"), False, "readable")


def writable(source: int | HasFileno) -> Ready:
    """Ask to wait until `source` takes data: ``yield writable(sock)`` gives True.

    Parameters
    ----------
    source:
        A socket, or anything with a ``fileno()``, or a descriptor, an int.

    Raises
    ------
    TypeError, ValueError
        If it has no descriptor, or is closed.
    """
    return Ready(_descriptor(source, "writable()"), True, "writable")


class InThread(Request):
    """The request made by `in_thread`."""

    __slots__ = ("function", "handle")
    verb = "in_thread"

    def __init__(self, function: Callable[[], Any]) -> None:
        self.waiter = None
        self.function = function
        self.handle: Handle | None = None

    def begin(self, waiter: Waiter) -> Any:
        self.claim(waiter)

        def done(value: Any, error: BaseException | None) -> None:
            if error is None:
                waiter.wake(value)
            else:
                waiter.fail(error)

        self.handle = waiter.engine.offload(self.function, done)
        return PENDING

    def withdraw(self) -> None:
        self.handle.cancel()  # type: ignore[union-attr]

    def block(self, timeout: float | None) -> Any:
        # On a thread of its own already: this is what in_thread asks for.
        begun = time.monotonic()
        value = self.function()
        if timeout is not None and time.monotonic() - begun > timeout:
            raise TimeoutError
        return value

    def attempt(self) -> tuple[bool, Any]:
        return True, self.function()


def in_thread(function: Callable[..., Any], *args: Any, **kwargs: Any) -> InThread:
    """Ask for ``function(*args, **kwargs)`` to be called in a helper thread: ``yield in_thread(f, 1)``.

    For calls that block and cannot be switched (C code, a slow disk). ``yield`` gives what the
    function returned, or raises what it raised. A call that was started is not stopped by a
    cancellation; its result is thrown away.
    """
    if not callable(function):
        raise TypeError(f"in_thread() takes a function, not {type(function).__name__}")
    return InThread(lambda: function(*args, **kwargs))
