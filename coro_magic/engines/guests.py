"""Coroutines as guests of another library's loop: what asyncio's tasks and gevent's greenlets share.

A request is carried out as on the scheduler, by `Request.begin`; what waits for it, and how time and
descriptors are waited for, is the library's. There is one thread, so that what a coroutine does between two
waits is a step here too.

A bare ``yield`` and what the library waits for cost what they do there. Channels and locks are this package's
own: on asyncio they take about as long as asyncio's, on gevent, whose queues are compiled, twice as long.
"""

from __future__ import annotations

import logging
import signal
import time
from abc import abstractmethod
from collections.abc import Callable
from contextlib import suppress
from types import FrameType
from typing import Any

from ..language import Cancelled, Request, State, Task
from ..language.coroutine import as_coroutine, check_unstarted, inner_coroutine, is_coroutine
from ..language.request import Handle, set_engine
from .events import KIND_BITS
from .frames import ended_at, standing, strip
from .jobs import Cannot
from .places import Places
from .scheduled import ITEM, Limit, is_lasting
from .trace import CLOSED, CLOSED_WAITING, ENDED, IDLE, WOKEN, Trace

_clock = time.perf_counter
_AGAIN = 0.2  # seconds after which somebody who would not stop is told again


class Stopped(KeyboardInterrupt):
    """Ends the run from within a step: it is out of time, or the library cannot do what is asked for."""


class GuestTask(Task):
    """A coroutine that another library's loop drives."""

    __slots__ = ("driver", "overdue", "places", "request")

    engine: GuestEngine

    def __init__(self, engine: GuestEngine, coroutine: Any, row: int, daemon: bool) -> None:
        super().__init__(coroutine, engine, row, daemon)
        self.overdue: BaseException | None = None
        self.request: Request | None = None
        self.places: dict[int, tuple[str, int]] | None = None
        # The library's own task or greenlet.
        self.driver: Any = None

    def wake(self, value: Any = None) -> None:
        """Called by requests: what this waits for is there."""
        self.request = None
        engine = self.engine
        if engine.recording:
            engine.woken(self)
        engine.deliver(self, (value, None))

    def fail(self, error: BaseException) -> None:
        """Called by requests: what this waits for will not come."""
        self.request = None
        if self.engine.recording:
            self.engine.woken(self)
        self.engine.deliver(self, (None, error))

    def interrupt(self, error: BaseException) -> None:
        """Throw `error` where this waits; if it does not wait, at its next turn or next wait."""
        if self._final is not None:
            return
        request = self.engine.what_waits(self)
        if request is not None and not request.shielded:
            request.withdraw()
            self.fail(error)
            if is_lasting(error):
                self.overdue = error
        elif request is not None:
            self.overdue = self.overdue or error
        elif not isinstance(self.overdue, Cancelled):
            self.overdue = error

    def raise_overdue(self) -> None:
        """Raise the error that `interrupt` could not throw when it was due, if there is one."""
        error = self.overdue
        if error is not None:
            if not is_lasting(error):
                self.overdue = None
            raise error

    def cancel(self) -> bool:
        if self._final is not None:
            return False
        self.interrupt(Cancelled(f"{self.name} was cancelled"))
        return True

    def _present_state(self) -> State:
        if self.engine.what_waits(self) is not None:
            return State.WAITING
        return State.RUNNING if self.engine.current is self else State.READY


class GuestEngine:
    """One run of coroutines on the loop of another library.

    Attributes
    ----------
    unit:
        What the library calls a coroutine that it drives.
    recording:
        Whether steps are written down.
    current:
        The task that is making a step.
    cannot:
        Why the program cannot be run in this way, in words; empty where it can.
    """

    unit = "task"
    library = ""
    task_type: type[GuestTask] = GuestTask
    current: Any  # a property, where the library knows

    def __init__(self, detail: int, recording: bool = True) -> None:
        self.trace = Trace(recording=recording, detail=detail, unit=self.unit)
        self.tasks: list[GuestTask] = []
        self.elapsed = 0.0
        self.cannot = ""
        self.current = None
        self.recording = recording
        self._places = Places(self.trace)
        self._handed_over: set[int] = set()
        self._kept: list[Any] = []
        self._unfinished = 0
        self._ended_at: float | None = None

    # What coroutines ask for.

    def now(self) -> float:
        """Give the seconds since the run began."""
        return _clock() - self.trace.origin

    def was_handed_over(self, coroutine: Any) -> bool:
        """Say whether this coroutine has a task already."""
        return id(inner_coroutine(coroutine)) in self._handed_over

    def spawn(
        self, coroutine: Any, name: str | None = None, daemon: bool = False, *,
        caller: FrameType | None = None,
    ) -> GuestTask:  # fmt: skip
        """Let the library drive a coroutine."""
        coroutine = inner_coroutine(coroutine)
        if id(coroutine) in self._handed_over:
            raise ValueError(f"{coroutine.__name__} was handed over already")
        check_unstarted(coroutine)
        self._handed_over.add(id(coroutine))
        self._kept.append(coroutine)  # so that its id stays its own
        parent = self.current
        row = self.trace.born(
            coroutine.__name__ if name is None else str(name),
            -1 if parent is None else parent.row,
            self._places.spawn(caller),
            _clock(),
        )
        task = self.task_type(self, coroutine, row, daemon)
        self.tasks.append(task)
        if not daemon:
            self._unfinished += 1
        self.launch(task)
        return task

    def mark(self, text: str) -> None:
        """Write on the timeline."""
        task = self.current
        self.trace.marked(-1 if task is None else task.row, text, _clock())

    def limit(self, seconds: float) -> Handle:
        """Begin a ``with timeout(seconds)`` block of the running coroutine."""
        task = self.current
        if task is None:
            raise RuntimeError("timeout() belongs in a coroutine")
        return Limit(task, seconds)

    # What the library does.

    @abstractmethod
    def wait(self, request: Request) -> Any:
        """Carry out `request` from a plain function, in the middle of a step."""

    @abstractmethod
    def call_later(self, seconds: float, callback: Callable[[], None]) -> Handle:
        """Call back in `seconds`."""

    @abstractmethod
    def watch(self, descriptor: int, writing: bool, callback: Callable[[], None]) -> Handle:
        """Call back when a descriptor is ready."""

    @abstractmethod
    def offload(
        self, function: Callable[[], Any], done: Callable[[Any, BaseException | None], None]
    ) -> Handle:
        """Run a function in a helper thread."""

    @abstractmethod
    def launch(self, task: Any) -> None:
        """Let the library begin to drive a task, at its turn."""

    @abstractmethod
    def deliver(self, task: Any, outcome: tuple[Any, BaseException | None]) -> None:
        """Let a task that waits go on, at its turn, with a value or an error."""

    @abstractmethod
    def loop(self) -> None:
        """Drive until everybody has ended, or until nothing can go on."""

    @abstractmethod
    def stop(self) -> None:
        """Everybody has ended: let `loop` come to its end."""

    def what_waits(self, task: GuestTask) -> Request | None:
        """Give what a task waits for, None if it does not wait."""
        return task.request

    # Steps.

    def request_for(self, task: GuestTask, value: Any) -> Request:
        """Give the request that a yielded value stands for. Anything unknown is an item."""
        if isinstance(value, Request):
            return value
        if isinstance(value, Task):
            return value.as_request()
        if is_coroutine(value):
            return self.spawn(as_coroutine(value)).as_request()
        self.trace.produced(task.row)
        return ITEM

    def paused(self, task: GuestTask, code: int) -> None:
        """A step of `task` is over; `code` says how. Only if this is recorded."""
        self.trace.write((task.row, code, _clock()))

    def waits(self, task: GuestTask, request: Request) -> None:
        """A coroutine has yielded what it has to wait for. Only if this is recorded."""
        self.paused(task, self._places.wait(task, request.verb))

    def idle(self, row: int = 0) -> None:
        """The library waited until now, or did something else: the next step begins here."""
        if self.recording:
            self.trace.write((row, IDLE, _clock()))
            if self.trace.full:
                self.trace.fold()

    def woken(self, task: GuestTask) -> None:
        """What `task` waits for is there, or will not come. Only if this is recorded."""
        waker, now = self.current, _clock()
        if waker is not None:
            self.trace.write((task.row, WOKEN | (waker.row + 1) << KIND_BITS, now))
        else:
            # The library did it, between two steps: the next one begins after that.
            self.trace.write((task.row, WOKEN, now, task.row, IDLE, now))

    def raised(self, task: GuestTask, error: BaseException) -> None:
        """The last step of `task` has ended in `error`, a StopIteration if it has returned.

        Raises
        ------
        Stopped
            If that is the error.
        """
        if isinstance(error, Stopped):
            raise error
        if isinstance(error, StopIteration):
            self._ended(task, State.DONE, error.value, None)
        elif isinstance(error, Cancelled | GeneratorExit):
            self._ended(task, State.CANCELLED, None, None)
        else:
            strip(error)
            error.add_note(f"in the {self.library} {self.unit} of {task.name}")
            self._ended(task, State.FAILED, None, error)

    def _ended(
        self, task: GuestTask, state: State, value: Any, error: BaseException | None
    ) -> None:
        if task._final is not None:
            return  # what is left of it is thrown away
        self.trace.finished(task.row, state, ended_at(error, task.coroutine))
        if not task.daemon:
            self._unfinished -= 1
        try:
            # Part of its last step: it wakes those that wait for its end.
            task.end(state, value, error)
        except Exception:
            logging.getLogger("coro_magic").exception("a done callback of %s raised", task.name)
        if self.recording:
            self.paused(task, ENDED)
        self.current = None
        if not self._unfinished:
            self._ended_at = self._ended_at or _clock()
            self.stop()

    def give_up(self, why: str) -> None:
        """Say that the program cannot be run in this way, and end the run.

        Raises
        ------
        Stopped
            In any case.
        """
        self.cannot = self.cannot or why
        raise Stopped(why)

    # The run.

    def run(self, begin: Callable[[GuestEngine], None], budget: float) -> bool:
        """Run until every coroutine has ended, nothing can go on, or `budget` seconds have passed.

        Returns whether the program came to its end.

        Raises
        ------
        Cannot
            If it cannot be run in this way; the message says why.
        """

        def over(*_: Any) -> None:
            raise Stopped(f"{budget:g} s are over")

        complete = True
        before = signal.signal(signal.SIGALRM, over)
        set_engine(self)
        self.trace.origin = _clock()
        signal.setitimer(signal.ITIMER_REAL, budget, _AGAIN)
        try:
            begin(self)
            # The first step begins when all that has to be there is there.
            self.idle()
            self.loop()
        except Stopped:
            complete = False
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0.0)
            signal.signal(signal.SIGALRM, before)
        self.current = None
        end = self._ended_at or _clock()
        self.elapsed = end - self.trace.origin
        try:
            self._close(complete, end)
        finally:
            set_engine(None)
        if not complete:
            _left_behind.append(self)
        if self.cannot:
            raise Cannot(self.cannot)
        return complete

    def _close(self, complete: bool, end: float) -> None:
        """End those who have not ended, and say how."""
        left = [task for task in self.tasks if task._final is None]
        waits = {task: self.what_waits(task) for task in left}
        stuck = [
            f"{task.name}{'' if place is None else f' at {place}'} waits for "
            + ("its turn" if request is None else request.describe())
            for task, request in waits.items()
            if not task.daemon and (request is None or not request.left_over)
            for place in (standing(task.coroutine),)
        ]
        if complete and stuck:
            self.cannot = self.cannot or "nothing can go on: " + "; ".join(stuck[:3])
        for task in left:
            state = State.LEFT_OVER if complete and not task.daemon else State.CANCELLED
            if self.recording:
                closed = CLOSED if waits[task] is None else CLOSED_WAITING
                # A daemon may have gone on for a moment.
                self.trace.write((task.row, closed, max(end, _clock()) if task.daemon else end))
            self.trace.finished(task.row, state, standing(task.coroutine))
            if complete:
                if task.request is not None:
                    task.request.withdraw()
                with suppress(BaseException):
                    task.coroutine.close()
            task.end(state)
        self.trace.close(self.elapsed, 0)
        if self.recording:
            self.trace.switches = int(self.trace.totals()["resumptions"].sum())


# Runs that were cut off: what their coroutines hold is not to be cleaned up by whoever comes next, but by
# the end of the process.
_left_behind: list[GuestEngine] = []
