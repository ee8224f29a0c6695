"""Waiting for several things: `gather` for all of them, `select` for the first."""

from __future__ import annotations

import threading
from typing import Any

from .coroutine import as_coroutine, is_coroutine
from .request import PENDING, Request, Services, Waiter, engine
from .task import Task

_POLL = 0.001  # seconds between two looks, on threads, at things that nothing announces


def as_request(wanted: Any, what: str) -> Request:
    """Give the request for something that can be waited for; a coroutine is handed over first."""
    if isinstance(wanted, Request):
        return wanted
    if isinstance(wanted, Task):
        return wanted.as_request()
    if is_coroutine(wanted):
        task: Task = engine().spawn(as_coroutine(wanted))
        return task.as_request()
    raise TypeError(
        f"{what} takes requests, tasks and coroutines, not {type(wanted).__name__} ({wanted!r:.60})"
    )


class Arm:
    """The waiter of one among several requests."""

    __slots__ = ("index", "whole")

    def __init__(self, whole: _Several, index: int) -> None:
        self.whole = whole
        self.index = index

    @property
    def engine(self) -> Services:
        return self.whole.waiter.engine  # type: ignore[union-attr]

    @property
    def name(self) -> str:
        return self.whole.waiter.name  # type: ignore[union-attr]

    def wake(self, value: Any = None) -> None:
        self.whole.arm_done(self.index, value)

    def fail(self, error: BaseException) -> None:
        self.whole.arm_failed(self.index, error)


class _Several(Request):
    """What `Gather` and `Select` share: requests begun together, the rest withdrawn at the end."""

    __slots__ = ("beginning", "ended", "error", "pending", "requests")

    def __init__(self, wanted: tuple[Any, ...], what: str) -> None:
        self.waiter = None
        self.requests = [as_request(each, what) for each in wanted]
        self.pending: dict[int, Request] = {}
        self.ended = False
        self.beginning = False
        self.error: BaseException | None = None

    def begin(self, waiter: Waiter) -> Any:
        self.claim(waiter)
        self.beginning = True
        for index, request in enumerate(self.requests):
            try:
                value = request.begin(Arm(self, index))
            except BaseException:
                self.withdraw()
                raise
            if value is PENDING:
                self.pending[index] = request
            elif not self.ended and self.settles(index, value):
                self.ended = True
            # One arm may settle another: who puts and gets on the same channel, say.
            if self.ended:
                self.withdraw()
                break
        self.beginning = False
        if self.error is not None:
            raise self.error
        return self.outcome() if self.ended else PENDING

    def settles(self, index: int, value: Any) -> bool:
        """Note what an arm gave, and say whether that settles the whole."""
        raise NotImplementedError

    def outcome(self) -> Any:
        """Give what the whole comes to."""
        raise NotImplementedError

    def arm_done(self, index: int, value: Any) -> None:
        self.pending.pop(index, None)
        if not self.ended and self.settles(index, value):
            self.withdraw()
            if not self.beginning:
                self.waiter.wake(self.outcome())  # type: ignore[union-attr]

    def arm_failed(self, index: int, error: BaseException) -> None:
        self.pending.pop(index, None)
        if not self.ended:
            self.withdraw()
            if self.beginning:
                self.error = error
            else:
                self.waiter.fail(error)  # type: ignore[union-attr]

    def withdraw(self) -> None:
        self.ended = True
        pending, self.pending = self.pending, {}
        for request in pending.values():
            request.withdraw()

    def describe(self) -> str:
        return f"{self.verb}: " + ", ".join(request.describe() for request in self.requests)


class Gather(_Several):
    """The request made by `gather`."""

    __slots__ = ("remaining", "values")
    verb = "gather"

    def __init__(self, wanted: tuple[Any, ...]) -> None:
        super().__init__(wanted, "gather()")
        self.remaining = len(self.requests)
        self.values: list[Any] = [None] * self.remaining

    def begin(self, waiter: Waiter) -> Any:
        return super().begin(waiter) if self.requests else []

    def settles(self, index: int, value: Any) -> bool:
        self.values[index] = value
        self.remaining -= 1
        return self.remaining == 0

    def outcome(self) -> list[Any]:
        return self.values

    def block(self, timeout: float | None) -> list[Any]:
        deadline = None if timeout is None else engine().now() + timeout
        values = []
        for request in self.requests:
            left = None if deadline is None else max(0.0, deadline - engine().now())
            values.append(request.block(left))
        return values

    def attempt(self) -> tuple[bool, Any]:
        raise TypeError("on threads a gather() cannot be an arm of a select()")


class Select(_Several):
    """The request made by `select`."""

    __slots__ = ("first",)
    verb = "select"

    def __init__(self, wanted: tuple[Any, ...]) -> None:
        if not wanted:
            raise TypeError("select() needs something to wait for")
        super().__init__(wanted, "select()")

    @property
    def left_over(self) -> bool:  # type: ignore[override]
        return all(request.left_over for request in self.requests)

    def settles(self, index: int, value: Any) -> bool:
        self.first = (index, value)
        return True

    def outcome(self) -> tuple[int, Any]:
        return self.first

    def block(self, timeout: float | None) -> tuple[int, Any]:
        # The standard library has no select over queues, locks and threads: people poll.
        here = engine()
        deadline = None if timeout is None else here.now() + timeout
        pause = threading.Event()
        meetings = [index for index, request in enumerate(self.requests) if request.by_meeting]
        while True:
            for index, request in enumerate(self.requests):
                done, value = request.attempt()
                if done:
                    return index, value
            if deadline is not None and here.now() >= deadline:
                raise TimeoutError
            if not meetings:
                pause.wait(_POLL)
                continue
            # Another select only looks, too, and at a rendezvous sees what is held out: each in turn.
            meetings.append(index := meetings.pop(0))
            try:
                return index, self.requests[index].block(_POLL)
            except TimeoutError:
                pass


def gather(*wanted: Any) -> Gather:
    """Ask for all of `wanted`: ``a, b = yield gather(task, worker())``.

    Parameters
    ----------
    wanted:
        Tasks, requests and coroutines; the latter are handed over.

    ``yield`` gives the list of their results, in the order given. If one fails, its error is
    raised at once; the others go on.
    """
    return Gather(wanted)


def select(*wanted: Any) -> Select:
    """Ask for the first of `wanted`: ``which, value = yield select(a.get(), b.get(), sleep(1))``.

    ``yield`` gives the index (int, from 0) of the one that was done first, and its value. The other
    requests are withdrawn: no item is taken from a channel that was not chosen. If several are
    done at once, the first in the order given counts. If one fails, its error is raised.
    """
    return Select(wanted)
