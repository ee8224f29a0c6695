"""Requests: what a coroutine asks for by yielding it, and what it needs from who carries it out.

A request says what is wanted and knows no engine. It can be carried out in two ways, and every
request brings both, so that a new request touches no engine:

- `Request.begin`, for an engine that runs all coroutines on one thread: be done at once, or call
  the waiter back later;
- `Request.block`, for an engine that gives every coroutine a thread of its own: wait, with what
  the standard library has for it.

Nothing in this package knows an engine by name. The one that runs here is found with `engine()`.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Generator
from types import FrameType
from typing import Any, Protocol


class Waiter(Protocol):
    """Who waits for a request: a coroutine, or one arm of a `select` or `gather`."""

    @property
    def engine(self) -> Services: ...

    @property
    def name(self) -> str: ...

    def wake(self, value: Any = None) -> None:
        """The request is done; `value` is what ``yield request`` evaluates to."""

    def fail(self, error: BaseException) -> None:
        """The request ended in `error`, which ``yield request`` raises."""


class Handle(Protocol):
    """Something arranged for later that can be called off."""

    def cancel(self) -> None: ...


class Services(Protocol):
    """What `Request.begin` may ask of the engine that carries it out."""

    def call_later(self, seconds: float, callback: Callable[[], None]) -> Handle: ...

    def watch(self, descriptor: int, writing: bool, callback: Callable[[], None]) -> Handle: ...

    def offload(
        self, function: Callable[[], Any], done: Callable[[Any, BaseException | None], None]
    ) -> Handle: ...


class Engine(Protocol):
    """What a coroutine's words (`spawn`, `now`, ``request.wait()``) need from the engine they run on."""

    def now(self) -> float: ...

    def wait(self, request: Request) -> Any: ...

    def spawn(
        self, target: Any, name: str | None = None, daemon: bool = False, *,
        caller: FrameType | None = None,
    ) -> Any: ...  # fmt: skip

    def mark(self, text: str) -> None: ...

    def limit(self, seconds: float) -> Handle: ...


class _Pending:
    """What `Request.begin` gives when the waiter has to wait."""

    def __repr__(self) -> str:
        return "PENDING"


PENDING: Any = _Pending()


class _Here(threading.local):
    engine: Engine | None = None


_here = _Here()


def set_engine(engine: Engine | None) -> None:
    """Say which engine runs the coroutines on this thread; None for none. Called by engines."""
    _here.engine = engine


def engine() -> Engine:
    """Give the engine that runs the calling coroutine.

    Raises
    ------
    RuntimeError
        If the caller is not in a run.
    """
    found = _here.engine
    if found is None:
        raise RuntimeError(
            "this works only inside a run: in a %%coroutines cell, "
            "or in a coroutine given to coro_magic.run()"
        )
    return found


def sweep(queue: deque[Any], waits: Callable[[Any], bool]) -> None:
    """Take those who do not wait any more off both ends of a queue.

    Those in the middle are passed over later: to search for them would cost more.
    """
    while queue and not waits(queue[0]):
        queue.popleft()
    while queue and not waits(queue[-1]):
        queue.pop()


class Request:
    """What a coroutine wants, said with ``yield``, with ``await``, or by a blocking ``.wait()``.

    A request is good for one use: make a new one each time.

    Attributes
    ----------
    verb:
        What it waits for in one or two words, for the timeline's legend and for reports.
    left_over:
        Whether somebody who waits for this when all else has ended was simply left over
        (waiting for more items), rather than stuck.
    often_at_once:
        Whether it often needs no waiting, so that on threads `attempt` is worth a try first.
    by_meeting:
        Whether it is done only while somebody takes what is held out, so that two who only look never meet.
    shielded:
        Whether a cancellation, or a time that is over, has to wait until this is done.
    """

    __slots__ = ("waiter",)
    verb = "wait"
    left_over = False
    often_at_once = False
    by_meeting = False
    shielded = False
    waiter: Waiter | None

    def begin(self, waiter: Waiter) -> Any:
        """Be done at once, or see to it that the waiter is called back.

        Returns
        -------
        What ``yield request`` evaluates to, if it can be had at once; else `PENDING`, and
        ``waiter.wake`` or ``waiter.fail`` is called once, later, on this thread.

        Raises
        ------
        What ``yield request`` raises, if that is known at once.
        """
        raise NotImplementedError

    def withdraw(self) -> None:
        """Forget the waiter, who does not wait any more. It will not be called back."""
        raise NotImplementedError

    def block(self, timeout: float | None) -> Any:
        """Carry the request out on the calling thread, with what the standard library has for it.

        Raises
        ------
        TimeoutError
            If it is not done within `timeout` seconds (None: wait for ever).
        """
        raise NotImplementedError

    def attempt(self) -> tuple[bool, Any]:
        """On a thread of its own: carry it out if that needs no waiting. Gives (done?, value)."""
        raise NotImplementedError

    def describe(self) -> str:
        """Say for whom or what this waits, in words, for a report."""
        return self.verb

    def claim(self, waiter: Waiter) -> None:
        """Note who waits. A second use is an error that says so."""
        if self.waiter is not None:
            raise RuntimeError(
                f"this request ({self.describe()}) was used before; make a new one for every use"
            )
        self.waiter = waiter

    def wait(self) -> Any:
        """Carry it out from a plain function, as a call that blocks this coroutine only.

        Returns and raises what ``yield request`` would.
        """
        return engine().wait(self)

    def __await__(self) -> Generator[Request, Any, Any]:
        return (yield self)
