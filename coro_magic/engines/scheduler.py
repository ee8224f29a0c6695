"""The embedded scheduler: all coroutines of a run, on one thread.

How a run begins and ends, and what coroutines ask of it. The stepping is the `Loop`'s.
"""

from __future__ import annotations

import logging
import sys
import threading
import time as _time
from collections.abc import Callable
from contextvars import Context, copy_context
from operator import length_hint
from types import FrameType, GeneratorType
from typing import Any

import greenlet  # type: ignore[import-untyped, unused-ignore]

from ..language import Cancelled, Deadlock, State, Task, Where
from ..language.coroutine import calling
from ..language.request import Handle, set_engine
from . import switching
from .deadlock import tell_deadlock
from .frames import ended_at, strip
from .garbage import MANY, Patience
from .hub import Hub
from .interrupts import Interrupts, gate
from .loop import _NEVER, Loop
from .printed import Printed, Write, noted
from .record import Recorder, Stopwatch
from .scheduled import Limit, ScheduledTask, answer_first, give_up, send, throw
from .slow import DEFAULT_SLOW_STEP, SlowStep, Watcher, slow_steps
from .stacks import StackFrame, stack_of, stack_of_error
from .trace import CLOSED, CLOSED_WAITING, DEFAULT_DETAIL, Trace
from .yielded import NO_ASYNCIO

# Bound before a run replaces it.
_get_ident = threading.get_ident
_getprofile, _setprofile = sys.getprofile, sys.setprofile
MOST_STACKS = 500
_STACKS_TIME = 0.1  # seconds that may be spent on them: the repr of a local name may be slow
_STOPS = (Cancelled, KeyboardInterrupt, GeneratorExit)


class Scheduler(Loop):
    """One run of coroutines on the calling thread.

    Parameters
    ----------
    order:
        Who runs next, a key of `ready.ORDERS`.
    seed:
        For the orders that throw dice, an int; None for a different run each time.
    clock:
        ``"real"``, or ``"virtual"``: time jumps to the next timer when nobody can run.
    trace:
        Whether to record what happens.
    detail:
        How many events to keep in detail.
    on_error:
        ``"continue"``: the others go on when one fails; ``"cancel"``: they are cancelled.
    tick:
        Called on this thread, between steps, for progress. Gives the seconds until the next call.
    has_body:
        Whether the first coroutine is a cell's body, which must not be left over.
    slow_step:
        From how many seconds on a step that does not switch is one of the `slow_steps`.
    record:
        Whether every switch is recorded with the stack of who ran: see `recorder`.

    Attributes
    ----------
    trace:
        What happened, a `Trace`.
    tasks:
        The tasks, in the order in which they were handed over.
    deadlock:
        The `Deadlock` in which the run ended, or None.
    interrupt:
        What an interrupt raised in a coroutine's step, with where it was; None if it came elsewhere.
    interrupted:
        Whether the user stopped it.
    elapsed:
        Seconds that it took, by its clock.
    recorder:
        What has recorded the switches, a `Recorder`, or None.
    stacks:
        The stacks of those who had not ended by themselves or were cancelled, by row: `MOST_STACKS` at most.
    printed:
        What was printed, and by whom.
    """

    def __init__(
        self,
        *,
        order: str = "fifo",
        seed: int | None = None,
        clock: str = "real",
        trace: bool = True,
        detail: int = DEFAULT_DETAIL,
        on_error: str = "continue",
        tick: Callable[[], float] | None = None,
        has_body: bool = True,
        slow_step: float = DEFAULT_SLOW_STEP,
        record: bool = False,
    ) -> None:
        # Step mode takes its time, and that is not the program's.
        stopwatch = Stopwatch() if record else None
        real = _time.perf_counter if stopwatch is None else stopwatch.now
        super().__init__(
            order,
            seed,
            clock == "virtual",
            Trace(recording=trace, detail=detail, slow_step=slow_step),
            tick,
            real,
        )
        self.tasks: list[ScheduledTask] = []
        self.deadlock: Deadlock | None = None
        self.interrupt: BaseException | None = None
        self.elapsed = 0.0
        self.thread = _get_ident()
        self.on_spawn: Callable[[Any], None] | None = None
        self.stacks: dict[int, list[StackFrame]] = {}
        self.printed = Printed()
        if stopwatch is not None:
            self.recorder = Recorder(self.now, stopwatch)
            # Every line is a single step, and is told of when it is over.
            self._line.longest = 1
        self._slow_step = slow_step
        self._watcher = Watcher(self, slow_step, real)
        self._on_error = on_error
        self._has_body = has_body
        # Only those not begun matter: whoever has begun is refused for that.
        self._handed_over: set[Any] = set()
        # From how many coroutines on it is worth while to see to what many of them cost.
        self._many_at = MANY
        self._patience = Patience()
        self._base: Context

    # What coroutines ask for: the `Engine` and `Services` of the language.

    def now(self) -> float:
        """Give the seconds since the run began."""
        return self._clock() - self.trace.origin

    @property
    def body(self) -> ScheduledTask | None:
        """The cell's body, None where there is none."""
        return self.tasks[0] if self._has_body and self.tasks else None

    @property
    def clock(self) -> Callable[[], float]:
        """What the trace's times are taken from."""
        return self._clock

    def call_later(self, seconds: float, callback: Callable[[], None]) -> Handle:
        """Call back in `seconds`."""
        return self.hub.call_at(self._clock() + seconds, callback)

    def watch(self, descriptor: int, writing: bool, callback: Callable[[], None]) -> Handle:
        """Call back when a descriptor is ready."""
        return self.hub.watch(descriptor, writing, callback)

    def offload(
        self, function: Callable[[], Any], done: Callable[[Any, BaseException | None], None]
    ) -> Handle:
        """Run a function in a helper thread."""
        return self.hub.offload(function, done)

    def mark(self, text: str) -> None:
        """Write on the timeline."""
        task = self.current
        self.trace.marked(-1 if task is None else task.row, text, self._clock())

    def limit(self, seconds: float) -> Handle:
        """Begin a ``with timeout(seconds)`` block of the running coroutine."""
        task = self.current
        if task is None:
            raise RuntimeError("timeout() belongs in a coroutine")
        return Limit(task, seconds)

    def spawn(
        self,
        coroutine: Any,
        name: str | None = None,
        daemon: bool = False,
        where: Where | None = None,
        caller: FrameType | None = None,
    ) -> ScheduledTask:
        """Take a coroutine over; see `language.spawn`.

        `where` is the line that asks for it, or `caller` the frame, where one of them is known.
        """
        handed_over = self._handed_over
        if coroutine in handed_over:
            raise ValueError(f"{coroutine.__name__} was handed over already")
        if self._closing:
            raise Cancelled("the run is being closed")
        hub = self.hub
        # A finalizer that Python calls now must not switch: half of the coroutine is here.
        before, hub.busy = hub.busy, True
        try:
            handed_over.add(coroutine)
            line, trace = self._line, self.trace
            if self.stepping:
                # `Line.running`, written out.
                tasks = line.tasks
                parent = tasks[len(tasks) - length_hint(line.along) - 1]
                line.settle_before(parent)
                parent_row, context = parent.row, copy_context()
            else:
                parent_row, context = -1, self._base.copy()
            if where is not None:
                asked = trace.reason("spawn", where)
            elif self._has_body and not self.tasks:
                asked = 0  # the body: the line that asks for it is the notebook's own, not the user's
            else:
                asked = self._places.spawn(caller)
            row = trace.born(
                coroutine.__name__ if name is None else str(name), parent_row, asked, line.time
            )
            task = ScheduledTask(self, coroutine, row, context)
            self.tasks.append(task)
            if daemon:
                trace.daemons.add(row)
            else:
                self._unfinished += 1
            if row >= self._many_at:
                self._many_at = 2 * row
                self._patience.grown(row)
                self._tidy_at = line.switches + len(handed_over) // 2
        finally:
            hub.busy = before
        if self.on_spawn is not None:
            self.on_spawn(task)
        line.arrive(task)
        return task

    def _forget_begun(self) -> None:
        # Whoever has ended is forgotten for that.
        self._handed_over = {
            each
            for each in self._handed_over
            if not (
                each.gi_suspended or each.gi_running
                if type(each) is GeneratorType
                else each.cr_suspended or each.cr_running
            )
        }
        left = len(self._handed_over)
        # Where it may be worth it there is another look.
        self._tidy_at = self._line.switches + left // 2 if left > MANY else _NEVER

    def was_handed_over(self, coroutine: Any) -> bool:
        """Say whether this coroutine has a task already."""
        return coroutine in self._handed_over

    def cancel_all(self) -> None:
        """Cancel everybody who has not ended."""
        for task in self.tasks:
            if not task.done():
                task.cancel()

    # The run.

    def run(
        self, begin: Callable[[Scheduler], None], namespace: dict[str, Any] | None = None
    ) -> None:
        """Run until nothing can go on. `begin` is called first and spawns the first coroutines.

        How it ended is in the attributes afterwards; nothing is raised for what coroutines did.

        Raises
        ------
        RuntimeError
            If a run is going on already, in this thread or another.
        """
        with (
            Interrupts(self),
            self._watcher,
            self._watch,
            self._patience,
            switching.installed(self, namespace),
            noted(self._noting),
        ):
            self.hub = Hub(self._clock, self._struck)
            set_engine(self)
            try:
                self._go(begin)
            finally:
                set_engine(None)
                for worker in self._idle_workers:
                    worker.throw(greenlet.GreenletExit)
                self._idle_workers.clear()
                self.hub.close()
                self.trace.close(self.elapsed, self._line.switches)

    def _go(self, begin: Callable[[Scheduler], None]) -> None:
        self._line.pass_time()
        self.trace.origin = self._line.time
        if self._tick is not None:
            self._next_tick = _time.perf_counter() + 1.0
        self._home = greenlet.getcurrent()
        self._base = copy_context()
        try:
            begin(self)
            while not self._finished:
                greenlet.greenlet(self._work).switch()
        except BaseException:
            # Nothing that a coroutine did: the coroutines are stopped by it.
            self.interrupted = True
            raise
        finally:
            self.stepping = False
            self._line.pass_time()
            self._line.time = min(self._line.time, self._over_since)
            self.elapsed = self._line.time - self.trace.origin
            self._close()

    def _struck(self, error: BaseException) -> None:
        """A signal handler raised while all waited: the main thread's wait it would be on threads."""
        for task in self.tasks:
            if not task.done():
                task.interrupt(error)
                return
        raise error

    def slow_steps(self) -> tuple[list[SlowStep], int]:
        """Give the steps that held the thread for long, the longest first, and how many there were.

        They are bounded in number; for after the run.
        """
        trace = self.trace
        return slow_steps(
            trace.name,
            trace.long_steps if self._recording else None,
            self._watcher.seen,
            self._slow_step,
            trace.origin if self._virtual_clock is None else None,
        )

    # How coroutines end.

    def _raised(self, task: ScheduledTask, error: BaseException) -> None:
        strip(error)
        if isinstance(error, KeyboardInterrupt) and not self._closing:
            self.interrupt = self.interrupt or error
            self._stop()
        if isinstance(error, _STOPS):
            self._keep_stack_where_stopped(task, error)
            self._ended(task, State.CANCELLED, None, None, ended_at(error, task.coroutine))
            return
        _add_note(error, f"in coroutine {task.name}"
                  + (f", spawned at {task.spawned_at}" if task.spawned_at is not None else ""))  # fmt: skip
        if isinstance(error, RuntimeError) and str(error) == "no running event loop":
            _add_note(error, NO_ASYNCIO)
        self._ended(task, State.FAILED, None, error)
        if self._on_error == "cancel" and not self._closing:
            self.cancel_all()

    def _let_go(
        self, task: ScheduledTask, state: State, value: Any, error: BaseException | None,
        where: Where | None = None,
    ) -> None:  # fmt: skip
        coroutine, trace = task.coroutine, self.trace
        if state is State.DONE:
            trace.ended(task.row, self._places.returned(coroutine))
        else:
            trace.finished(task.row, state, ended_at(error, coroutine) if where is None else where)
        self._handed_over.discard(coroutine)
        if task.row not in trace.daemons:
            self._unfinished -= 1
        # It is kept, as the user's Task, but not what it was made of.
        task.request = task.overdue = task.argument = task.iterator = task.coroutine = None
        task.context = self._neutral
        if task._followers is None:
            # `Task.end`, for those for whom nobody waits.
            task._final = state
            task._value = value if error is None else error
            return
        try:
            task.end(state, value, error)
        except BaseException:
            # As with any Future: a callback's error is nobody's, and must not be lost.
            logging.getLogger("coro_magic").exception("a done callback of %s raised", task.name)

    def _close(self) -> None:
        """End everyone who has not ended, and find out why."""
        if self._interrupt_wanted:
            self.interrupted = True
        unfinished = [task for task in self.tasks if task._final is None]
        states = {task: self._state_at_the_end(task) for task in unfinished}
        stuck = [task for task in unfinished if states[task] is State.FAILED]
        if stuck:
            self.deadlock = Deadlock(tell_deadlock(stuck))
        # Where they wait is known only as long as they do.
        places = {task: task.where for task in unfinished}
        self._keep_stacks(unfinished)
        self._closing = True
        self._line.clear()
        for task in unfinished:
            self._close_one(task, states[task], places[task])
        self.interrupted = self.interrupted or self._interrupt_wanted

    def _keep_stacks(self, tasks: list[ScheduledTask]) -> None:
        late = _time.perf_counter() + _STACKS_TIME
        for task in tasks[:MOST_STACKS]:
            if _time.perf_counter() > late:
                return
            self.stacks[task.row] = stack_of(task.coroutine, task.parked)

    def _keep_stack_where_stopped(self, task: ScheduledTask, error: BaseException) -> None:
        # As text, at once: to keep the error would keep what its frames hold alive. Of those who are
        # closed at the end it is known already where they stood.
        if task.row not in self.stacks and len(self.stacks) < MOST_STACKS and not self._closing:
            self.stacks[task.row] = stack_of_error(error, plain=True)

    def _noting(self, write: Write) -> Write:
        """Give what notes who prints a text, and writes it with `write`."""
        printed, trace, line, clock, thread = (
            self.printed, self.trace, self._line, self._clock, self.thread,
        )  # fmt: skip
        keep = printed.raw.append

        def noting(text: str) -> Any:
            # `print` calls this two times and more, so everything is written out: `Line.running` and
            # `Printed.note`.
            if text.__class__ is not str:
                return write(text)
            here = self.stepping and _get_ident() == thread
            # Who watches hand-driven generators (before CPython 3.12) is told of every call; of these he
            # need not be.
            watching = _getprofile() if here and self.on_switch is not None else None
            if watching is not None:
                _setprofile(None)
            tasks = line.tasks
            row = tasks[len(tasks) - length_hint(line.along) - 1].row if here else -1
            time, length = clock() - trace.origin, len(text)
            if length <= printed.left:
                printed.left -= length
                keep((time, row, text))
            else:
                printed.note(time, row, text)
            if not here:
                return write(text)
            # A stream may have a lock of its own. To switch there would tear lines apart: `print` writes
            # its arguments one by one.
            hub = self.hub
            before = hub.busy
            hub.busy = before or switching.WRITING
            try:
                return write(text)
            finally:
                hub.busy = before
                if watching is not None:
                    _setprofile(watching)

        return noting

    def _state_at_the_end(self, task: ScheduledTask) -> State:
        if self.interrupted or task.daemon:
            return State.CANCELLED
        waits_for_more = task.request is not None and task.request.left_over
        is_body = self._has_body and task.row == 0
        return State.LEFT_OVER if waits_for_more and not is_body else State.FAILED

    def _close_one(self, task: ScheduledTask, state: State, where: Where | None) -> None:
        """Let a coroutine clean up (its ``finally`` blocks run) and end in `state`."""
        waiting = task.request is not None
        if task.request is not None:
            task.request.withdraw()
            task.request = None
        error: BaseException | None = self.deadlock if state is State.FAILED else None
        try:
            task.close()
        except _STOPS:
            pass
        except BaseException as raised:
            strip(raised)
            _add_note(raised, f"in coroutine {task.name}, while it was closed at the end of the run")
            state, error = State.FAILED, raised
        if self._recording:
            self._write((task.row, CLOSED_WAITING if waiting else CLOSED, self._line.time))
        self._let_go(task, state, None, error, where)


# Functions that call the user's code: an interrupt is raised in it there and then.
for _function in (send, throw, answer_first, give_up, calling, ScheduledTask.close, Task.end):
    gate(_function)
gate(Loop._work, at="step")


def _add_note(error: BaseException, note: str) -> None:
    if note not in getattr(error, "__notes__", ()):
        error.add_note(note)
