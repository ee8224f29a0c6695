"""A task on the scheduler: how its next step is made, and how it is woken.

A step is ``context.run(step, argument)``. Ordinarily that is `next` of the coroutine; an answer
to deliver, an error to throw or a parked step to go on with are other functions in its place,
so that the loop need not ask.
"""

from __future__ import annotations

import types
from collections.abc import Callable
from contextvars import Context
from typing import TYPE_CHECKING, Any

import greenlet  # type: ignore[import-untyped, unused-ignore]

from ..language import Cancelled, Request, State, Task, Where
from ..language.coroutine import as_coroutine
from .frames import innermost, user_line

if TYPE_CHECKING:
    from .scheduler import Scheduler


class _Resume:
    """What the step of a parked task gives: the loop must switch to the task's own worker."""


RESUME = _Resume()


# What a wait in the middle of a step gives that gives nothing: a value, and an error.
NOTHING = (None, None)


def give_resume(_: Any) -> _Resume:
    return RESUME


def send(pair: tuple[ScheduledTask, Any]) -> Any:
    task, value = pair
    # `rearm`, written out: this is the way of every item through a channel.
    task.step = next
    task.argument = task.iterator
    return task.iterator.send(value)


def throw(pair: tuple[ScheduledTask, BaseException]) -> Any:
    task, error = pair
    task.rearm()
    return task.iterator.throw(error)


def answer_first(late: tuple[ScheduledTask, Callable[[Any], Any], Any]) -> Any:
    """Make the step that was due, and see to it that the error that is overdue comes after it."""
    task, step, argument = late
    value = step(argument)
    task.give_up_soon()
    return value


# Marks the error of a ``with timeout(...)`` block whose time is over. It stays overdue until the block is
# left: whoever catches it inside, in a block of its own, say, cannot wait any longer for all that.
_LASTING = "_lasts_until_the_block_is_left"


def is_lasting(error: BaseException) -> bool:
    """Say whether an error stays overdue until a ``with timeout(...)`` block is left."""
    return hasattr(error, _LASTING)


def give_up(task: ScheduledTask) -> Any:
    """Throw the error that is overdue, unless the reason for it is gone."""
    task.rearm()
    error = task.overdue
    if error is None:
        return next(task.iterator)
    if not hasattr(error, _LASTING):
        task.overdue = None
    return task.iterator.throw(error)


class ScheduledTask(Task):
    """A task on the scheduler. A step is ``context.run(step, argument)``."""

    __slots__ = ("argument", "context", "iterator", "overdue", "parked", "places",
                 "request", "step")  # fmt: skip

    engine: Scheduler

    def __init__(
        self, engine: Scheduler, coroutine: Any, row: int, context: Context
    ) -> None:
        # Task.__init__, written out: there may be a million of them.
        self.coroutine = coroutine
        self.row = row
        self._final = self._value = self._followers = None
        self.engine = engine
        self.context = context
        # A native coroutine is no iterator, and what its __await__ gives is.
        self.iterator = (
            coroutine if type(coroutine) is types.GeneratorType else coroutine.__await__()
        )
        self.step: Callable[[Any], Any] = next
        self.argument: Any = self.iterator
        self.request: Request | None = None
        self.parked: greenlet.greenlet | None = None
        self.overdue: BaseException | None = None
        # Where it waited so far: see `Places`.
        self.places: dict[int, tuple[str, int]] | None = None

    def rearm(self) -> None:
        """Let the next step be an ordinary one."""
        self.step = next
        self.argument = self.iterator

    def wake(self, value: Any = None) -> None:
        """Called by requests: what this waits for is there."""
        if self.parked is not None:
            self.step, self.argument = give_resume, (value, None)
        elif value is not None:
            self.step = send
            self.argument = (self, value)
        self.request = None
        self.engine.enqueue(self)

    def go_on(self) -> None:
        """`wake`, with nothing to give, for whoever waits in the middle of a step."""
        self.step, self.argument = give_resume, NOTHING
        self.request = None
        self.engine.enqueue(self)

    def fail(self, error: BaseException) -> None:
        """Called by requests: what this waits for will not come."""
        if self.parked is not None:
            self.step, self.argument = give_resume, (None, error)
        else:
            self.step, self.argument = throw, (self, error)
        self.request = None
        self.engine.enqueue(self)

    def interrupt(self, error: BaseException) -> None:
        """Throw `error` where this waits; if it does not wait, at its next turn or next wait."""
        if self._final is not None:
            return
        if self.request is not None:
            if self.request.shielded:
                self.overdue = self.overdue or error
                return
            self.request.withdraw()
            self.fail(error)
            if hasattr(error, _LASTING):
                self.overdue = error
            return
        due = self.argument[1] if self.step in (throw, give_resume) else self.overdue
        if isinstance(due, Cancelled):
            return  # one is enough
        if self.parked is None and self.engine.current is not self:
            if self.step is give_up:
                self.step, self.argument = throw, (self, self.overdue)
            if self.step is not next:
                # It has an answer to take first (an item, say), which must not be lost.
                self.step, self.argument = answer_first, (self, self.step, self.argument)
        self.overdue = error
        if self.step is next:
            self.give_up_soon()

    def give_up_soon(self) -> None:
        """If an error is overdue, let the next step throw it, unless something before that does."""
        if self.overdue is not None:
            self.step, self.argument = give_up, self

    def raise_overdue(self) -> None:
        """Raise the error that `interrupt` could not throw when it was due."""
        error = self.overdue
        assert error is not None
        if not hasattr(error, _LASTING):
            self.overdue = None
        raise error

    def cancel(self) -> bool:
        if self._final is not None:
            return False
        self.interrupt(Cancelled(f"{self.name} was cancelled"))
        return True

    def close(self) -> None:
        """Throw `GeneratorExit` into it (`Cancelled`, if a call in it blocks) and let it clean up.

        Raises what it raises.
        """
        if self.parked is not None:
            error = Cancelled(f"{self.name} was closed at the end of the run")
            # Whatever it asks for is not begun any more.
            self.overdue = error
            self.argument = (None, error)
            self.parked.switch()
            if self._value is not None:
                error_of_step, self._value = self._value, None
                raise error_of_step
        self.context.run(self.coroutine.close)

    def end_in_closing(self, error: BaseException | None) -> None:
        """Called when the parked step that `close` let go on was the last; for `close`."""
        self._value = error

    def _present_state(self) -> State:
        if self.request is not None:
            return State.WAITING
        return State.RUNNING if self.engine.current is self else State.READY

    @property
    def where(self) -> Where | None:
        if self._final is not None:
            return Task.where.fget(self)  # type: ignore[attr-defined, no-any-return]
        if self.parked is not None:
            return user_line(self.parked.gr_frame, self.coroutine)
        frame = innermost(self.coroutine)
        return None if frame is None else Where(frame.f_code.co_filename, frame.f_lineno)


class _Item(Request):
    """What a yielded value that asks for nothing amounts to: let the others run."""

    __slots__ = ()

    def begin(self, waiter: Any) -> Any:
        return None


ITEM = _Item()


class HandOver(Request):
    """A coroutine that another one yields: it is handed over, and its result waited for."""

    __slots__ = ("coroutine", "join")
    verb = "join"

    def __init__(self, coroutine: Any) -> None:
        self.coroutine = coroutine

    def begin(self, waiter: Any) -> Any:
        task = waiter.engine.spawn(as_coroutine(self.coroutine), where=waiter.where)
        self.join = task.as_request()
        return self.join.begin(waiter)

    def withdraw(self) -> None:
        self.join.withdraw()

    def describe(self) -> str:
        return self.join.describe()  # type: ignore[no-any-return]


class Refuse(Request):
    """Something that cannot be waited for here, and what to say about it."""

    __slots__ = ("message",)

    def __init__(self, message: str) -> None:
        self.message = message

    def begin(self, waiter: Any) -> Any:
        raise RuntimeError(self.message)


class Limit:
    """The deadline of a ``with timeout(...)`` block."""

    def __init__(self, task: Any, seconds: float) -> None:
        self.task = task
        self.error = TimeoutError(f"{seconds:g} s are over")
        setattr(self.error, _LASTING, True)
        self.timer = task.engine.call_later(seconds, self._over)

    def _over(self) -> None:
        self.task.interrupt(self.error)

    def cancel(self) -> None:
        """The block was left."""
        self.timer.cancel()
        if self.task.overdue is self.error:
            # Over, but the block was left before anything waited: nothing to say any more.
            self.task.overdue = None
