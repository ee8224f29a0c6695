"""`Task`: a coroutine that was handed over to an engine; `spawn`, which hands one over.

A `Task` speaks `concurrent.futures.Future`, so that code written for threads can use it, and is a
request: ``result = yield task`` waits for it.
"""

from __future__ import annotations

import enum
import sys
import types
from collections.abc import Callable, Generator
from concurrent.futures import CancelledError
from typing import Any, NamedTuple, Protocol, cast

from .coroutine import as_coroutine, check_unstarted, has_ended
from .request import PENDING, Request, Waiter, engine
from .timing import timeout as limit


class State(enum.StrEnum):
    """What a coroutine is doing, or how it ended.

    While it lives it is ``READY`` (it could run, and waits for its turn), ``RUNNING`` (it has the thread) or
    ``WAITING`` (for what it has asked for). It ends ``DONE`` (it has returned), ``FAILED`` (it has raised),
    ``CANCELLED``, or ``LEFT_OVER``: it waited for more items or messages when nobody was left to send any.
    Each is a str, too: ``task.state == "done"``.
    """

    READY = "ready"
    RUNNING = "running"
    WAITING = "waiting"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"
    LEFT_OVER = "left over"

    @property
    def final(self) -> bool:
        """Whether a coroutine in this state will do nothing any more."""
        return self in _FINAL


_caller = sys._getframe

_FINAL = frozenset({State.DONE, State.FAILED, State.CANCELLED, State.LEFT_OVER})


class Where(NamedTuple):
    """A place in source code; its str is ``line 12``.

    Attributes
    ----------
    file:
        As the code object has it; of a cell, IPython's name for it.
    line:
        The number of the line, an int from 1.
    """

    file: str
    line: int

    def __str__(self) -> str:
        return f"line {self.line}"


class Record(Protocol):
    """What was written down about the coroutines of a run, by row. See `engines.trace.Trace`."""

    # What is true of few, as rows: a coroutine among a million must not pay for it.
    daemons: set[int]
    heeded: set[int]

    def name(self, row: int) -> str: ...
    def parent(self, row: int) -> int: ...
    def spawned_at(self, row: int) -> Where | None: ...
    def where(self, row: int) -> Where | None: ...
    def seconds(self, row: int, state: State) -> float: ...
    def resumptions(self, row: int) -> int: ...
    def items(self, row: int) -> int: ...
    def longest(self, row: int) -> float: ...


class Keeper(Protocol):
    """Whoever has tasks and a record of what they did."""

    @property
    def trace(self) -> Record: ...


class Task:
    """A coroutine in the care of an engine: what `spawn` gives, and what `Run.tasks` has.

    ``result = yield task`` waits for its end; ``task.result()`` does so in a plain function. It speaks
    `concurrent.futures.Future`, so code written for futures can use it. During the run and after it, it tells
    what the coroutine did: its state, where it waits, for how long it ran and waited.

    Attributes
    ----------
    coroutine:
        The generator or native coroutine itself; None when it has ended.
    engine:
        Whose care it is in.
    row:
        Its row in the run's trace, an int; -1 before it has one.
    """

    __slots__ = ("_final", "_followers", "_value", "coroutine", "engine", "row")

    def __init__(self, coroutine: Any, engine: Keeper, row: int, daemon: bool = False) -> None:
        self.coroutine = coroutine
        self.engine = engine
        self.row = row
        if daemon:
            self._record.daemons.add(row)
        self._final: State | None = None
        # What it returned, or the error it failed with.
        self._value: Any = None
        # Waiters, and callables to be told of the end.
        self._followers: list[Waiter | Callable[[Task], object]] | None = None

    # What it is.

    @property
    def _record(self) -> Record:
        return self.engine.trace

    @property
    def daemon(self) -> bool:
        """Whether the run ends without waiting for it."""
        return self.row in self._record.daemons

    @property
    def heeded(self) -> bool:
        """Whether somebody has seen the error that it failed with."""
        return self.row in self._record.heeded

    @property
    def name(self) -> str:
        """Its name, unique in the run."""
        return self._record.name(self.row)

    @property
    def state(self) -> State:
        """What it is doing, or how it ended."""
        return self._final or self._present_state()

    def _present_state(self) -> State:
        """Give the state of a coroutine that has not ended. Engines know better than this."""
        return State.READY

    @property
    def parent(self) -> str | None:
        """The name of the coroutine that spawned it; None for the first."""
        row = self._record.parent(self.row)
        return None if row < 0 else self._record.name(row)

    @property
    def spawned_at(self) -> Where | None:
        """The line that spawned it, where that is known."""
        return self._record.spawned_at(self.row)

    @property
    def where(self) -> Where | None:
        """The line at which it waits or ended, where that is known."""
        return self._record.where(self.row)

    @property
    def running(self) -> float:
        """Seconds in which it ran."""
        return self._record.seconds(self.row, State.RUNNING)

    @property
    def ready(self) -> float:
        """Seconds in which it could have run, and waited for its turn."""
        return self._record.seconds(self.row, State.READY)

    @property
    def waiting(self) -> float:
        """Seconds in which it waited for something."""
        return self._record.seconds(self.row, State.WAITING)

    @property
    def longest(self) -> float:
        """Seconds that its longest step took, from being resumed to giving control back."""
        return self._record.longest(self.row)

    @property
    def resumptions(self) -> int:
        """How often it was resumed."""
        return self._record.resumptions(self.row)

    @property
    def items(self) -> int:
        """How many items it produced with ``yield value``."""
        return self._record.items(self.row)

    @property
    def _error(self) -> BaseException | None:
        return self._value if self._final is State.FAILED else None

    # As a future.

    def done(self) -> bool:
        """Say whether it has ended, in whatever way."""
        return self._final is not None

    def cancelled(self) -> bool:
        """Say whether it was cancelled."""
        return self._final in (State.CANCELLED, State.LEFT_OVER)

    def cancel(self) -> bool:
        """Throw `Cancelled` into it, where it waits or at its next turn.

        Returns False if it has ended already, True otherwise. It has not ended when this returns.
        """
        return False

    def result(self, timeout: float | None = None) -> Any:
        """Wait until it has ended and give what it returned.

        Parameters
        ----------
        timeout:
            Seconds to wait at most; None for no limit.

        Raises
        ------
        TimeoutError
            If it has not ended by then.
        concurrent.futures.CancelledError
            If it was cancelled, or left over at the end of the run.
        """
        self._wait_until_done(timeout)
        return self._outcome()

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """Wait until it has ended and give the error it raised, or None. Raises as `result` does."""
        self._wait_until_done(timeout)
        if self.cancelled():
            self._outcome()
        self._record.heeded.add(self.row)
        return self._error

    def add_done_callback(self, callback: Callable[[Task], object]) -> None:
        """Call ``callback(task)`` when it has ended, at once if it has."""
        if self._final is not None:
            callback(self)
            return
        if self._followers is None:
            self._followers = []
        self._followers.append(callback)

    def _block(self, timeout: float | None) -> None:
        """Wait on a thread of one's own. For engines that have threads."""
        raise NotImplementedError

    def _wait_until_done(self, seconds: float | None) -> None:
        if self._final is not None:
            return
        here = engine()
        try:
            if seconds is None:
                here.wait(Join(self))
            else:
                with limit(max(0.0, seconds)):
                    here.wait(Join(self))
        except BaseException as error:
            # Its own error is told by who asked. What was meant for the waiter (a cancellation, a
            # time that is over) goes on, also if the task has ended at the same moment.
            mine = error is self._error or (self.cancelled() and isinstance(error, CancelledError))
            if self._final is None or not mine:
                raise

    def _outcome(self) -> Any:
        if self._error is not None:
            self._record.heeded.add(self.row)
            raise self._error
        if self._final is State.CANCELLED:
            raise CancelledError(f"{self.name} was cancelled")
        if self._final is State.LEFT_OVER:
            raise CancelledError(f"{self.name} was left over when the run ended")
        return self._value

    # As something to wait for. A request is good for one use, a task can be waited for by many.

    def as_request(self) -> Join:
        """Give the request that ``yield task`` stands for."""
        return Join(self)

    def __await__(self) -> Generator[Request, Any, Any]:
        return (yield Join(self))

    def wait(self) -> Any:
        """Wait for it from a plain function: the same as `result`."""
        return self.result()

    def _tell(self, waiter: Waiter) -> None:
        try:
            value = self._outcome()
        except BaseException as error:
            waiter.fail(error)
        else:
            waiter.wake(value)

    def end(self, state: State, value: Any = None, error: BaseException | None = None) -> None:
        """Note how it ended and tell everyone who waits. For engines.

        Raises
        ------
        What done callbacks raised, when all of them were called.
        """
        self._final = state
        self._value = value if error is None else error
        followers = self._followers
        if followers is None:
            return
        self._followers = None
        errors = []
        for follower in followers:
            if not callable(follower):
                self._tell(follower)
                continue
            try:
                follower(self)
            except Exception as raised:
                errors.append(raised)
        if errors:
            raise errors[0] if len(errors) == 1 else ExceptionGroup("done callbacks raised", errors)

    def __repr__(self) -> str:
        return f"<Task {self.name}: {self.state}>"


class Join(Request):
    """The request behind ``yield task`` and ``task.result()``: one wait for the end of a task."""

    __slots__ = ("task",)
    verb = "join"
    often_at_once = True

    def __init__(self, task: Task) -> None:
        self.waiter = None
        self.task = task

    def begin(self, waiter: Waiter) -> Any:
        self.claim(waiter)
        task = self.task
        if task._final is not None:
            return task._outcome()
        if waiter is cast(Any, task):
            raise RuntimeError(f"{task.name} waits for its own end, and would for ever")
        if task._followers is None:
            task._followers = []
        task._followers.append(waiter)
        return PENDING

    def withdraw(self) -> None:
        followers = self.task._followers
        if followers is not None and self.waiter in followers:
            followers.remove(self.waiter)

    def block(self, timeout: float | None) -> Any:
        self.task._block(timeout)
        return self.task._outcome()

    def attempt(self) -> tuple[bool, Any]:
        return (True, self.task._outcome()) if self.task.done() else (False, None)

    def describe(self) -> str:
        return f"the end of {self.task.name}"


def spawn(
    target: Any, *args: Any, name: str | None = None, daemon: bool = False, **kwargs: Any
) -> Task:
    """Hand a coroutine over to the engine of this run and give its `Task`; it starts at its turn.

    Parameters
    ----------
    target:
        A generator or native coroutine that was not started, or a function to call.
    args, kwargs:
        For the function.
    name:
        What to call it; the function's name by default. A name that is taken gets a number.
    daemon:
        Whether the run may end without it. It is cancelled then.

    Raises
    ------
    TypeError
        If `target` is something else.
    ValueError
        If the coroutine was started or has ended, or was handed over before.
    RuntimeError
        If there is no run.
    """
    here = engine()
    if type(target) is not types.GeneratorType or args or kwargs:
        target = as_coroutine(target, *args, **kwargs)
    elif target.gi_suspended or target.gi_running or has_ended(target):
        check_unstarted(target)
    return here.spawn(target, name, daemon, caller=_caller(1))  # type: ignore[no-any-return]
