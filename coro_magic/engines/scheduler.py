"""The embedded scheduler: all coroutines of a run, on one thread.

The loop (`Scheduler._work`) steps coroutines and knows two things about what they yield: None means
"let the others run", and a `Request` is begun with the coroutine as its waiter. On a bare
``yield`` nothing happens but a call of `next`: tasks are taken from the ready queue in batches,
and put back in one piece; who is running just now is read off the batch's iterator.

The loop runs in a worker greenlet. When a step meets a call that blocks (`Scheduler.wait`), this
worker is parked with the half-finished step on its stack, and another worker goes on with the loop.
Workers are alike: whoever is switched to goes on with the batch where it stands. They are started
from the hub's greenlet only, because a greenlet started from deep inside a step inherits that
recursion depth, and fifty nested ones exceed the limit.
"""

from __future__ import annotations

import threading
import types
from collections.abc import Callable, Iterator
from contextvars import Context, copy_context
from operator import length_hint
from typing import Any

import greenlet

from ..language import Cancelled, Deadlock, Request, State, Task, Where
from ..language.request import Handle, set_engine
from ..language.task import _call, as_coroutine, is_coroutine
from .frames import ended_at, innermost, strip, user_line
from .interrupts import Interrupts, gate
from . import switching
from .hub import Hub, RealClock, Timer, VirtualClock
from .ready import ORDERS
from .trace import (
    BORN,
    CLOSED,
    CLOSED_WAITING,
    DEFAULT_DETAIL,
    ENDED,
    MAX_BATCH,
    WAITS,
    WOKEN,
    YIELDED,
    Trace,
)

_SHORT_STEP = 2e-6  # seconds; steps that are longer on average are timed one by one
_POLL_EVERY = 1e-3  # seconds between looks at descriptors while there are coroutines that can run

_run_context: Any = Context.run


class _Resume:
    """What the step of a parked task gives: the loop must switch to the task's own worker."""


_RESUME = _Resume()


def _give_resume(_: Any) -> _Resume:
    return _RESUME


def _send(pair: tuple[ScheduledTask, Any]) -> Any:
    task, value = pair
    task.rearm()
    return task.coroutine.send(value)


def _throw(pair: tuple[ScheduledTask, BaseException]) -> Any:
    task, error = pair
    task.rearm()
    return task.coroutine.throw(error)


class ScheduledTask(Task):
    """A task on the scheduler. A step is ``context.run(step, argument)``."""

    __slots__ = ("argument", "context", "engine", "iterator", "overdue", "parked", "request",
                 "step")  # fmt: skip

    engine: Scheduler

    def __init__(
        self, engine: Scheduler, coroutine: Any, row: int, daemon: bool, context: Context
    ) -> None:
        Task.__init__(self, coroutine, engine.trace, row, daemon)
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

    def rearm(self) -> None:
        """Let the next step be an ordinary one."""
        self.step = next
        self.argument = self.iterator

    def wake(self, value: Any = None) -> None:
        """Called by requests: what this waits for is there."""
        if self.parked is not None:
            self.step, self.argument = _give_resume, (value, None)
        elif value is not None:
            self.step, self.argument = _send, (self, value)
        self.request = None
        self.engine.enqueue(self)

    def fail(self, error: BaseException) -> None:
        """Called by requests: what this waits for will not come."""
        if self.parked is not None:
            self.step, self.argument = _give_resume, (None, error)
        else:
            self.step, self.argument = _throw, (self, error)
        self.request = None
        self.engine.enqueue(self)

    def interrupt(self, error: BaseException) -> None:
        """Throw `error` where this waits; if it does not wait, at its next turn or next wait."""
        if self._final is not None:
            return
        if self.request is not None:
            self.request.withdraw()
            self.fail(error)
        elif self.step is next and self.engine.current is not self:
            self.step, self.argument = _throw, (self, error)
        else:
            # It has an answer to take first (an item, say), which must not be lost.
            self.overdue = error

    def cancel(self) -> bool:
        if self._final is not None:
            return False
        self.interrupt(Cancelled(f"{self.name} was cancelled"))
        return True

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

    def begin(self, waiter: Any) -> None:
        waiter.wake()


_ITEM = _Item()


class _HandOver(Request):
    """A coroutine that another one yields: it is handed over, and its result waited for."""

    __slots__ = ("coroutine", "join")
    verb = "join"

    def __init__(self, coroutine: Any) -> None:
        self.coroutine = coroutine

    def begin(self, waiter: Any) -> None:
        task = waiter.engine.spawn(as_coroutine(self.coroutine))
        self.join = task.as_request()
        self.join.begin(waiter)

    def withdraw(self) -> None:
        self.join.withdraw()

    def describe(self) -> str:
        return self.join.describe()  # type: ignore[no-any-return]


class _Refuse(Request):
    """Something that cannot be waited for here, and what to say about it."""

    __slots__ = ("message",)

    def __init__(self, message: str) -> None:
        self.message = message

    def begin(self, waiter: Any) -> None:
        raise RuntimeError(self.message)


class _Limit:
    """The deadline of a ``with timeout(...)`` block."""

    def __init__(self, task: ScheduledTask, seconds: float) -> None:
        self.task = task
        self.error = TimeoutError(f"{seconds:g} s are over")
        hub = task.engine.hub
        self.timer: Timer = hub.call_at(task.engine.now() + seconds, self._over)

    def _over(self) -> None:
        self.task.interrupt(self.error)

    def cancel(self) -> None:
        self.timer.cancel()
        if self.task.overdue is self.error:
            # Over, but the block was left before anything waited: nothing to say any more.
            self.task.overdue = None


class Scheduler:
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

    Attributes
    ----------
    trace:
        What happened, a `Trace`.
    tasks:
        The tasks, in the order in which they were handed over.
    deadlock:
        The `Deadlock` in which the run ended, or None.
    interrupted:
        Whether the user stopped it.
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
    ) -> None:
        self.trace = Trace(recording=trace, detail=detail)
        self.tasks: list[ScheduledTask] = []
        self.deadlock: Deadlock | None = None
        self.interrupted = False
        self.elapsed = 0.0
        self.thread = threading.get_ident()
        self.stepping = False
        self.hub: Hub
        self.on_spawn: Callable[[Any], None] | None = None
        # Told before a step is parked and when it goes on: see `observe`.
        self.on_switch: Callable[[bool], None] | None = None
        self._order, self._seed, self._virtual = order, seed, clock == "virtual"
        self._on_error = on_error
        self._tick = tick
        self._next_tick = float("inf") if tick is None else 1.0
        self._ready = ORDERS[order](seed)
        self._batch: list[ScheduledTask] = []
        self._steps: Iterator[ScheduledTask] = iter(self._batch)
        self._done = 0
        self._most = 1
        self._beginning: ScheduledTask | None = None
        self._time = 0.0
        self._last_poll = 0.0
        self._switches = 0
        self._unfinished = 0
        self._handed_over: set[int] = set()
        self._codes: dict[tuple[int, int, str], tuple[int, object]] = {}
        self._finished = False
        self._closed: tuple[State, Any, BaseException | None] | None = None
        self._closing = False
        self._interrupt_wanted = False
        self._home: greenlet.greenlet
        self._idle_workers: list[greenlet.greenlet] = []
        self._base: Context
        self._neutral = Context()

    # What coroutines ask for: the `Engine` and `Services` of the language.

    def now(self) -> float:
        """Give the seconds since the run began."""
        return self._clock.now()

    @property
    def clock_is_virtual(self) -> bool:
        """Whether time jumps."""
        return self._virtual

    def call_at(self, when: float, callback: Callable[[], None]) -> Handle:
        """Call back at `when`."""
        return self.hub.call_at(when, callback)

    def watch(self, descriptor: int, writing: bool, callback: Callable[[], None]) -> Handle:
        """Call back when a descriptor is ready."""
        return self.hub.watch(descriptor, writing, callback)

    def offload(
        self, function: Callable[[], Any], done: Callable[[Any, BaseException | None], None]
    ) -> Handle:
        """Run a function in a helper thread."""
        return self.hub.offload(function, done)

    @property
    def current(self) -> ScheduledTask | None:
        """The task that is making a step, None between steps."""
        if not self.stepping:
            return None
        return self._batch[len(self._batch) - length_hint(self._steps) - 1]

    def spawn(self, coroutine: Any, name: str | None = None, daemon: bool = False) -> ScheduledTask:
        """Take a coroutine over. See `language.spawn`."""
        identity = id(coroutine)
        if identity in self._handed_over:
            raise ValueError(f"{coroutine.__name__} was handed over already")
        self._handed_over.add(identity)
        parent = self._beginning or self.current
        row = self.trace.born(
            str(name) if name is not None else coroutine.__name__,
            -1 if parent is None else parent.row,
            user_line(None, None) if self._beginning is None else self._beginning.where,
            self._moment(),
        )
        task = ScheduledTask(self, coroutine, row, daemon, self._base.copy() if parent is None
                             else copy_context())  # fmt: skip
        self.tasks.append(task)
        if not daemon:
            self._unfinished += 1
        if self.on_spawn is not None:
            self.on_spawn(coroutine)
        if self._closing:
            raise Cancelled("the run is being closed")
        self._push(task)
        return task

    def was_handed_over(self, coroutine: Any) -> bool:
        """Say whether this coroutine has a task already."""
        return id(coroutine) in self._handed_over

    def wait(self, request: Request) -> Any:
        """Carry out `request` for the running coroutine from within its step, parking the step."""
        if self._closing:
            raise Cancelled("the run is being closed")
        task = self.current
        if task is None:
            raise RuntimeError("only a coroutine of the run can wait")
        if task.overdue is not None:
            error, task.overdue = task.overdue, None
            raise error
        position = self._break_batch()
        time = self._time
        self.stepping = False
        context = task.context
        task.parked = greenlet.getcurrent()
        task.request = request
        self._beginning = task
        try:
            request.begin(task)
        except BaseException:
            task.parked = task.request = None
            self.stepping = True
            raise
        finally:
            self._beginning = None
        # Its context is in use by the parked step: what the loop calls for it is nobody's.
        task.context = self._neutral
        self._done = position + 1
        self._switches += 1
        if self.trace.recording:
            code = YIELDED
            if task.request is not None:
                where = user_line(None, task.coroutine)
                code = self.trace.code(WAITS, request.verb, where)
            self.trace.stepped(task.row, code, time)
        if self.on_switch is not None:
            self.on_switch(False)
        # The only way out of a step: to a worker that goes on with the loop, or to the hub for one.
        (self._idle_workers.pop() if self._idle_workers else self._home).switch()
        if self.on_switch is not None:
            self.on_switch(True)
        value, error = task.argument
        task.parked = None
        task.context = context
        task.rearm()
        if error is not None:
            raise error
        return value

    def mark(self, text: str) -> None:
        """Write on the timeline."""
        task = self.current
        self.trace.marked(-1 if task is None else task.row, text, self.now())

    def limit(self, seconds: float) -> Handle:
        """Begin a ``with timeout(seconds)`` block of the running coroutine."""
        task = self.current
        if task is None:
            raise RuntimeError("timeout() belongs in a coroutine")
        return _Limit(task, seconds)

    def enqueue(self, task: ScheduledTask) -> None:
        """Put a task that waited at the back of the ready queue."""
        if task is self._beginning:
            self._ready.append(task)
            return
        if self.trace.recording:
            self.trace.note(task.row, WOKEN, self._moment())
        self._push(task)

    def _push(self, task: ScheduledTask) -> None:
        if self.stepping:
            # Those who ran before the running step come first.
            self._break_batch()
        self._ready.append(task)

    def _moment(self) -> float:
        """Give the time: during a step by the clock, else as it was last read."""
        if self.stepping:
            self._time = self._clock.now()
        return self._time

    # The run.

    def run(
        self, begin: Callable[[Scheduler], None], namespace: dict[str, Any] | None = None
    ) -> None:
        """Run until nothing can go on. `begin` is called first and spawns the first coroutines.

        How it ended is in the attributes afterwards; nothing is raised for what coroutines did.
        """
        self._clock = VirtualClock() if self._virtual else RealClock()
        self.hub = Hub(self._clock)
        self._home = greenlet.getcurrent()
        self._base = copy_context()
        
        set_engine(self)
        try:
            with Interrupts(self), switching.installed(self, namespace):
                begin(self)
                while not self._finished:
                    greenlet.greenlet(self._work).switch()
                self._time = self.elapsed = self._clock.now()
                self._close()
        finally:
            set_engine(None)
            self.stepping = False
            for worker in self._idle_workers:
                worker.throw(greenlet.GreenletExit)
            self._idle_workers.clear()
            self.hub.close()
        self.trace.close(self.elapsed, self._switches)

    def _work(self) -> None:
        """The loop. Every worker greenlet runs it; at most one is in it, the others are parked or idle."""
        run = _run_context
        while self._next_batch():
            # Another worker may have gone on with this iterator, or replaced it: both are fine.
            for task in self._steps:
                try:
                    value = run(task.context, task.step, task.argument)
                    if value is None:
                        continue
                except StopIteration as stop:
                    self._ended(task, State.DONE, stop.value, None)
                except BaseException as error:
                    self._raised(task, error)
                else:
                    self._attend(task, value)

    def _attend(self, task: ScheduledTask, value: Any) -> None:
        """See to what a coroutine yielded: a request, something to wait for, or an item."""
        if value is _RESUME:
            self._switch_to(task)
            return
        if self._closing:
            return
        position = self._break_batch()
        self.stepping = False
        self._switches += 1
        if isinstance(value, Request):
            request = value
        else:
            request = self._request_for(task, value)
        task.request = request
        self._beginning = task
        if task.overdue is not None:
            error, task.overdue = task.overdue, None
            task.fail(error)
        else:
            try:
                request.begin(task)
            except BaseException as error:
                task.fail(error)
        self._beginning = None
        self._done = position + 1
        if self.trace.recording:
            self.trace.stepped(
                task.row,
                YIELDED if task.request is None else self._wait_code(task, request.verb),
                self._time,
            )
        self.stepping = True

    def _wait_code(self, task: ScheduledTask, verb: str) -> int:
        """Give the trace's code for this wait, at the line where the coroutine stands."""
        frame = innermost(task.coroutine)
        if frame is None:
            return self.trace.code(WAITS, verb, None)
        # By identity: to hash a code object takes longer than all the rest. It is kept alive.
        key = (id(frame.f_code), frame.f_lasti, verb)
        known = self._codes.get(key)
        if known is None:
            where = Where(frame.f_code.co_filename, frame.f_lineno)
            known = self._codes[key] = (self.trace.code(WAITS, verb, where), frame.f_code)
        return known[0]

    def _request_for(self, task: ScheduledTask, value: Any) -> Request:
        """Give the request that a yielded value stands for. Anything unknown is an item."""
        as_request = getattr(type(value), "as_request", None)
        if as_request is not None:
            return as_request(value)  # type: ignore[no-any-return]
        if is_coroutine(value):
            return _HandOver(value)
        if getattr(type(value), "_asyncio_future_blocking", None) is not None:
            value._asyncio_future_blocking = False
            return _Refuse(
                "this awaits something of asyncio's, and there is no asyncio event loop here. "
                "Use coro_magic's own: sleep() for asyncio.sleep(), Channel for asyncio.Queue, "
                "gather() for asyncio.gather(), spawn() for asyncio.create_task()"
            )
        self.trace.produced(task.row)
        return _ITEM

    def _switch_to(self, task: ScheduledTask) -> None:
        """Let a parked step go on, in its own worker. This one is idle then."""
        assert task.parked is not None
        self.stepping = True
        self._idle_workers.append(greenlet.getcurrent())
        task.parked.switch()

    def _ended(
        self, task: ScheduledTask, state: State, value: Any, error: BaseException | None
    ) -> None:
        """A coroutine has returned or raised."""
        if self._closing:
            self._closed = (state, value, error)
            return
        self._done = self._break_batch() + 1
        self.stepping = False
        self._switches += 1
        if self.trace.recording:
            self.trace.stepped(task.row, ENDED, self._time)
        self._let_go(task, state, value, error)
        self.stepping = True

    def _let_go(
        self, task: ScheduledTask, state: State, value: Any, error: BaseException | None,
        where: Where | None = None,
    ) -> None:  # fmt: skip
        if where is None:
            where = ended_at(error, task.coroutine)
        self.trace.finished(task.row, state, where)
        self._handed_over.discard(id(task.coroutine))
        if not task.daemon:
            self._unfinished -= 1
        task.request = task.overdue = None
        task.argument = task.iterator = None
        try:
            task.end(state, value, error)
        except Exception as raised:
            # A callback's error is the callback's owner's: there is nobody else to tell.
            if error is not None:
                error.add_note(f"and a done callback raised {raised!r}")
            else:
                task._error = raised

    def _raised(self, task: ScheduledTask, error: BaseException) -> None:
        strip(error)
        if isinstance(error, KeyboardInterrupt):
            self._stop()
        if isinstance(error, Cancelled | KeyboardInterrupt | GeneratorExit):
            self._ended(task, State.CANCELLED, None, None)
            return
        note = f"in coroutine {task.name}"
        if task.spawned_at is not None:
            note += f", spawned at {task.spawned_at}"
        if note not in getattr(error, "__notes__", ()):
            error.add_note(note)
        self._ended(task, State.FAILED, None, error)
        if self._on_error == "cancel" and not self._closing:
            self.cancel_all()

    def cancel_all(self) -> None:
        """Cancel everybody who has not ended."""
        for task in self.tasks:
            if not task.done():
                task.cancel()

    # Batches.

    def _break_batch(self) -> int:
        """Settle the steps before the running one. Gives the running one's place in the batch.

        Those steps go back to the ready queue, before anyone whom the running step wakes.
        """
        batch, done = self._batch, self._done
        position = len(batch) - length_hint(self._steps) - 1
        self._time = time = self._clock.now()
        if position > done:
            before = batch[done:position]
            self._ready.extend(before)
            self._switches += position - done
            self._done = position
            if self.trace.recording:
                begun = self.trace.boundary
                share = (time - begun) * len(before) / (len(before) + 1)
                self.trace.ran(before, begun + share)
        return position

    def _settle_batch(self) -> None:
        """All steps of the batch were made: put those who can go on back."""
        batch, done = self._batch, self._done
        rest = batch[done:] if done else batch
        self._done = len(batch)
        if not rest:
            self._most = min(self._most * 2, MAX_BATCH)
            return
        self._time = time = self._clock.now()
        self._ready.extend(rest)
        self._switches += len(rest)
        begun = self.trace.boundary
        if (time - begun) > _SHORT_STEP * len(rest):
            self._most = 1
        elif self._most < MAX_BATCH:
            self._most *= 2
        if self.trace.recording:
            if len(rest) == 1:
                self.trace.stepped(rest[0].row, YIELDED, time)
            else:
                self.trace.ran(rest, time)
        else:
            self.trace.boundary = time

    def _next_batch(self) -> bool:
        """Make sure that there are steps to make. False when nothing can go on."""
        if length_hint(self._steps):
            return not self._finished
        if self._finished:
            return False
        self.stepping = False
        self._settle_batch()
        while True:
            if self._interrupt_wanted:
                self._stop()
            if self._finished:
                return False
            time = self._time
            if time >= self.hub.next_timer:
                self.hub.fire(time)
            if self.hub.has_news or (self.hub.watching and time - self._last_poll > _POLL_EVERY):
                self._last_poll = time
                self.hub.wait(0)
            if time >= self._next_tick:
                self._do_tick()
            if not self._unfinished:
                self._finished = True
                return False
            batch = self._ready.take(self._most)
            if batch:
                self._batch = batch
                self._steps = iter(batch)
                self._done = 0
                self.stepping = True
                return True
            if not self._idle():
                self._finished = True
                return False

    def _idle(self) -> bool:
        """Nobody can run: wait. False if nothing can happen any more."""
        hub = self.hub
        if not hub.expecting:
            return False
        if isinstance(self._clock, VirtualClock):
            # Time stands still while the outside is at work, and jumps otherwise.
            hub.wait(0 if not hub.offloaded else None)
            if not self._someone_ready() and not hub.offloaded:
                if hub.next_timer != float("inf"):
                    self._clock.time = max(self._clock.time, hub.next_timer)
                else:
                    hub.wait(None)
        else:
            limit = None
            if self._next_tick != float("inf"):
                limit = max(0.0, min(self._next_tick, hub.next_timer) - self._clock.now())
            hub.wait(limit)
        self._time = self._last_poll = self._clock.now()
        if self.trace.recording:
            self.trace.idled(self._time)
        else:
            self.trace.boundary = self._time
        return True

    def _someone_ready(self) -> bool:
        batch = self._ready.take(1)
        self._ready.extend(batch)
        return bool(batch)

    def _do_tick(self) -> None:
        assert self._tick is not None
        self.trace.duration = self._time
        self.trace.switches = self._switches
        pause = self._tick()
        self._time = self._clock.now()
        self._next_tick = self._time + pause
        if self.trace.recording:
            self.trace.idled(self._time)

    # The end.

    def request_interrupt(self) -> None:
        """Stop the run at the next occasion. Fit for signal handlers and other threads."""
        self._interrupt_wanted = True
        self.hub.rouse()

    def _stop(self) -> None:
        self.interrupted = True
        self._finished = True
        # Whoever is in the loop must find no more steps in this batch.
        position = len(self._batch) - length_hint(self._steps) - 1
        rest = list(self._steps)
        self._batch = self._batch[: position + 1]
        self._ready.extend(rest)

    def _close(self) -> None:
        """End everyone who has not ended, and find out why."""
        unfinished = [task for task in self.tasks if not task.done()]
        states = {}
        stuck = []
        for task in unfinished:
            if self.interrupted or task.daemon:
                states[task] = State.CANCELLED
            elif task.request is not None and task.request.left_over and task.row != 0:
                states[task] = State.LEFT_OVER
            else:
                states[task] = State.FAILED
                stuck.append(task)
        if stuck:
            self.deadlock = Deadlock(_tell_deadlock(stuck))
        # Where they wait is known only as long as they do.
        places = {task: task.where for task in unfinished}
        self._closing = True
        self._steps = iter(())
        self._batch = []
        self._done = 0
        for task in unfinished:
            self._close_one(task, states[task], places[task])

    def _close_one(self, task: ScheduledTask, state: State, where: Where | None = None) -> None:
        """Let a coroutine clean up (its ``finally`` blocks run) and end in `state`."""
        if task.done():
            return
        waiting = task.request is not None
        if task.request is not None:
            task.request.withdraw()
            task.request = None
        error: BaseException | None = self.deadlock if state is State.FAILED else None
        try:
            if task.parked is not None:
                self._closed = None
                task.argument = (None, Cancelled(f"{task.name} was closed at the end of the run"))
                task.parked.switch()
                if self._closed is not None and self._closed[2] is not None:
                    raise self._closed[2]
            task.context.run(task.coroutine.close)
        except BaseException as raised:
            strip(raised)
            state, error = State.FAILED, raised
            if isinstance(raised, KeyboardInterrupt):
                state, error = State.CANCELLED, None
        if self.trace.recording:
            self.trace.note(task.row, CLOSED_WAITING if waiting else CLOSED, self._time)
        self._let_go(task, state, None, error, where)


for _function in (_send, _throw, _call, Scheduler._work, Scheduler._close_one):
    gate(_function)


def _tell_deadlock(stuck: list[ScheduledTask], most: int = 20) -> str:
    """Say who waits for whom, on what, at which line."""
    lines = ["nothing can go on:"]
    for task in stuck[:most]:
        what = "for its turn" if task.request is None else f"for {task.request.describe()}"
        place = "" if task.where is None else f" at {task.where}"
        lines.append(f"  {task.name} waits {what}{place}")
    if len(stuck) > most:
        lines.append(f"  ... and {len(stuck) - most:,} more")
    return "\n".join(lines)
