"""The embedded scheduler: all coroutines of a run, on one thread.

The loop (`Scheduler._work`) steps coroutines and knows two things about what they yield: None means
"let the others run", and a `Request` is begun with the coroutine as its waiter. On a bare
``yield`` nothing happens but a call of `next`: the loop goes along a line of tasks, those who
yielded stay where they are, and at the end of the line they are the next one. Who is running just
now is read off the line's iterator. Whoever becomes ready is appended to the line while it is
iterated, or to the ready queue behind it when there is one.

The loop runs in a worker greenlet. When a step meets a call that blocks (`Scheduler.wait`), this
worker is parked with the half-finished step on its stack, and another worker goes on with the loop.
Workers are alike: whoever is switched to goes on with the line where it stands. They are started
from the hub's greenlet only, because a greenlet started from deep inside a step inherits that
recursion depth, and fifty nested ones exceed the limit.
"""

from __future__ import annotations

import threading
import time as _time
from collections.abc import Callable, Iterator
from contextvars import Context, copy_context
from operator import length_hint
from types import GeneratorType
from typing import Any

import greenlet

from ..language import Cancelled, Deadlock, Request, State, Where
from ..language.request import PENDING, Handle, set_engine
from ..language.task import _call, is_coroutine, is_unstarted
from . import switching
from .frames import caller, ended_at, innermost, strip, user_line
from .hub import Hub, VirtualClock
from .interrupts import Interrupts, gate
from .ready import ORDERS
from .scheduled import ITEM, RESUME, HandOver, Limit, Refuse, ScheduledTask, give_resume, send, throw
from .trace import (
    CLOSED,
    CLOSED_WAITING,
    DEFAULT_DETAIL,
    ENDED,
    IDLE,
    MAX_BATCH,
    WAITS,
    WOKEN,
    YIELDED,
    Trace,
)

_SHORT_LINE = 1e-4  # seconds; bare yields are timed together while together they take no longer
_POLL_EVERY = 1e-3  # seconds between looks at descriptors while there are coroutines that can run
_NEVER = float("inf")
_LONG_LINE = 512  # places; whoever comes when the line is longer goes to the ready queue

_run_context: Any = Context.run


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
        self._next_tick = float("inf")
        self._ready = ORDERS[order](seed)
        # The order is kept by the queue alone, if it is not first come, first served.
        self._direct = order == "fifo"
        self._line: list[ScheduledTask] = []
        self._steps: Iterator[ScheduledTask] = iter(self._line)
        # Places of the line before this one are settled: their tasks are somewhere else by now.
        self._settled = 0
        self._arrive: Callable[[ScheduledTask], None] = self._ready.append
        self._arrive_all: Callable[[list[ScheduledTask]], None] = self._ready.extend
        # After how many places the line repeats itself; 0 if it does not.
        self._period = 0
        self._most = 1
        self._recording = trace
        self._write = self.trace.write
        # When the last step ended, which is when the next one begins; and the time last read.
        self._boundary = 0.0
        self._time = 0.0
        self._last_poll = 0.0
        self._switches = 0
        self._unfinished = 0
        # Only those not begun matter: whoever has begun is refused for that.
        self._handed_over: set[Any] = set()
        self._sweep_at = 4096
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
        return self._clock() - self.trace.origin

    @property
    def clock_is_virtual(self) -> bool:
        """Whether time jumps."""
        return self._virtual

    def call_later(self, seconds: float, callback: Callable[[], None]) -> Handle:
        """Call back in `seconds`, counted from the running step's request."""
        return self.hub.call_at(self._time + seconds, callback)

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
        return self._line[len(self._line) - length_hint(self._steps) - 1]

    def spawn(
        self,
        coroutine: Any,
        name: str | None = None,
        daemon: bool = False,
        where: Where | None = None,
    ) -> ScheduledTask:
        """Take a coroutine over; `where` is the line that asks for it. See `language.spawn`."""
        if coroutine in self._handed_over:
            raise ValueError(f"{coroutine.__name__} was handed over already")
        self._handed_over.add(coroutine)
        if len(self._handed_over) > self._sweep_at:
            self._forget_begun()
        parent = self._line[self._settle_before()] if self.stepping else None
        row = self.trace.born(
            coroutine.__name__ if name is None else str(name),
            -1 if parent is None else parent.row,
            self._spawn_reason() if where is None else self.trace.reason("spawn", where),
            self._time,
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
        self._arrive(task)
        return task

    def _spawn_reason(self) -> int:
        frame = caller()
        if frame is None:
            return 0
        key = (id(frame.f_code), frame.f_lasti, "spawn")
        known = self._codes.get(key)
        if known is None:
            where = Where(frame.f_code.co_filename, frame.f_lineno)
            known = self._codes[key] = (self.trace.reason("spawn", where), frame.f_code)
        return known[0]

    def _forget_begun(self) -> None:
        self._handed_over = {
            coroutine for coroutine in self._handed_over if is_unstarted(coroutine)
        }
        self._sweep_at = max(4096, 2 * len(self._handed_over))

    def was_handed_over(self, coroutine: Any) -> bool:
        """Say whether this coroutine has a task already."""
        return coroutine in self._handed_over

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
        self._settle_before()
        value = request.begin(task)
        position = self._settle_before()
        context = task.context
        task.parked = greenlet.getcurrent()
        if value is PENDING:
            task.request = request
        else:
            # To block is to let the others run, even if there is nothing to wait for.
            task.step, task.argument = give_resume, (value, None)
            self._arrive(task)
        self.stepping = False
        # Its context is in use by the parked step: what the loop calls for it is nobody's.
        task.context = self._neutral
        self._settled = position + 1
        self._switches += 1
        self._boundary = self._time
        if self._recording:
            code = YIELDED
            if task.request is not None:
                where = user_line(None, task.coroutine)
                code = self.trace.code(WAITS, request.verb, where)
            self._write((task.row, code, self._time))
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
        self.trace.marked(-1 if task is None else task.row, text, self._clock())

    def limit(self, seconds: float) -> Handle:
        """Begin a ``with timeout(seconds)`` block of the running coroutine."""
        task = self.current
        if task is None:
            raise RuntimeError("timeout() belongs in a coroutine")
        self._settle_before()
        return Limit(task, seconds)

    def enqueue(self, task: ScheduledTask) -> None:
        """Put a task that waited at the back of the ready queue."""
        if self.stepping:
            # Those who ran before the running step come first.
            self._settle_before()
        if self._recording:
            self._write((task.row, WOKEN, self._time))
        self._arrive(task)

    # The run.

    def run(
        self, begin: Callable[[Scheduler], None], namespace: dict[str, Any] | None = None
    ) -> None:
        """Run until nothing can go on. `begin` is called first and spawns the first coroutines.

        How it ended is in the attributes afterwards; nothing is raised for what coroutines did.
        """
        virtual = VirtualClock() if self._virtual else None
        self._virtual_clock = virtual
        self._clock: Callable[[], float] = _time.perf_counter if virtual is None else virtual.now
        self.hub = Hub(self._clock)
        self.trace.origin = self._time = self._boundary = self._clock()
        if self._tick is not None:
            self._next_tick = _time.perf_counter() + 1.0
        self._home = greenlet.getcurrent()
        self._base = copy_context()
        
        set_engine(self)
        try:
            with Interrupts(self), switching.installed(self, namespace):
                begin(self)
                while not self._finished:
                    greenlet.greenlet(self._work).switch()
                self._time = self._clock()
                self.elapsed = self._time - self.trace.origin
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
        while self._next_line():
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
                    if isinstance(value, Request) and task.overdue is None:
                        try:
                            answer = value.begin(task)
                        except BaseException as error:
                            task.step, task.argument = throw, (task, error)
                            continue
                        if answer is None:
                            continue
                        if answer is PENDING:
                            self._waits(task, value)
                        else:
                            task.step, task.argument = send, (task, answer)
                    elif value is RESUME:
                        self._switch_to(task)
                    else:
                        self._attend(task, value)

    def _waits(self, task: ScheduledTask, request: Request) -> None:
        """The running step ended in a request that is not answered yet."""
        self._settled = self._settle_before() + 1
        self._switches += 1
        self._boundary = time = self._time
        task.request = request
        if self._recording:
            self._write((task.row, self._wait_code(task, request.verb), time))

    def _attend(self, task: ScheduledTask, value: Any) -> None:
        """See to what is no plain request: something to wait for, or an item; or to an error that is due."""
        if self._closing:
            return
        try:
            if task.overdue is not None:
                task.raise_overdue()
            request = self._request_for(task, value)
            answer = request.begin(task)
        except BaseException as error:
            task.step, task.argument = throw, (task, error)
            return
        if answer is PENDING:
            self._waits(task, request)
        elif answer is not None:
            task.step, task.argument = send, (task, answer)

    def _wait_code(self, task: ScheduledTask, verb: str) -> int:
        """Give the trace's code for this wait, at the line where the coroutine stands."""
        coroutine = task.coroutine
        if type(coroutine) is GeneratorType and coroutine.gi_yieldfrom is None:
            frame = coroutine.gi_frame
        else:
            frame = innermost(coroutine)
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
            return HandOver(value)
        if getattr(type(value), "_asyncio_future_blocking", None) is not None:
            value._asyncio_future_blocking = False
            return Refuse(
                "this awaits something of asyncio's, and there is no asyncio event loop here. "
                "Use coro_magic's own: sleep() for asyncio.sleep(), Channel for asyncio.Queue, "
                "gather() for asyncio.gather(), spawn() for asyncio.create_task()"
            )
        self.trace.produced(task.row)
        return ITEM

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
        self._settled = self._settle_before() + 1
        self.stepping = False
        self._switches += 1
        self._boundary = self._time
        if self._recording:
            self._write((task.row, ENDED, self._time))
        self._let_go(task, state, value, error)
        self.stepping = True

    def _let_go(
        self, task: ScheduledTask, state: State, value: Any, error: BaseException | None,
        where: Where | None = None,
    ) -> None:  # fmt: skip
        if where is None:
            where = ended_at(error, task.coroutine)
        self.trace.finished(task.row, state, where)
        self._handed_over.discard(task.coroutine)
        if not task.daemon:
            self._unfinished -= 1
        # It is kept, as the user's Task, but not what it was made of.
        task.request = task.overdue = None
        task.argument = task.iterator = task.coroutine = None
        task.context = self._neutral
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

    # The line.

    def _settle_before(self) -> int:
        """Settle the steps before the running one, read the clock, and give the running one's place.

        Those steps were bare yields: their tasks go to the end, before anyone whom the running
        step wakes.
        """
        line, settled = self._line, self._settled
        position = len(line) - length_hint(self._steps) - 1
        self._time = time = self._clock()
        if position > settled:
            self._settled = position
            self._switches += position - settled
            before = line[settled:position]
            # The running step has its share of the time since, too.
            begun = self._boundary
            self._boundary = begun + (time - begun) * len(before) / (len(before) + 1)
            if self._recording:
                self.trace.ran(before, begun, self._boundary)
            if not self._period:
                self._arrive_all(before)
        if self._period:
            # The line was written out more than once: what follows, up to the running step's next
            # turn, are the others in their order.
            del line[position + self._period :]
            self._period = 0
        if position > _LONG_LINE:
            self._arrive = self._ready.append
            self._arrive_all = self._ready.extend
        return position

    def _settle_all(self) -> list[ScheduledTask]:
        """All steps of the line were made. Give the tasks that can go on, in order."""
        rest = self._line[self._settled :]
        period, self._period = self._period, 0
        if not rest:
            # Each of them did something that was timed by itself.
            self._most = min(2 * self._most, MAX_BATCH)
            return rest
        begun, time = self._boundary, self._clock()
        self._boundary = self._time = time
        self._switches += len(rest)
        if time - begun > _SHORT_LINE:
            self._most = 1
        elif self._most < MAX_BATCH and time - begun < _SHORT_LINE / 4:
            self._most *= 2
        if self._recording:
            if len(rest) == 1:
                self._write((rest[0].row, YIELDED, time))
            else:
                self.trace.ran(rest, begun, time)
        return rest[-period:] if period else rest

    def _next_line(self) -> bool:
        """Make sure that there are steps to make. False when nothing can go on."""
        if length_hint(self._steps):
            return not self._finished
        if self._finished:
            return False
        self.stepping = False
        ready, hub = self._ready, self.hub
        rest = self._settle_all()
        time = self._time
        if (
            rest
            and self._direct
            and not ready
            and len(rest) <= self._most
            and time < hub.next_timer
            and not self._pressing(time)
        ):
            # Nobody else is there: the same again.
            self._begin_line(rest)
            return True
        ready.extend(rest)
        # From here on whoever is woken is behind them.
        self._line, self._settled, self._steps = [], 0, iter(())
        self._arrive, self._arrive_all = ready.append, ready.extend
        while True:
            if self._interrupt_wanted:
                self._stop()
            if self._finished:
                return False
            time = self._time
            if time >= hub.next_timer:
                hub.fire(time)
            if hub.has_news or (hub.watching and time - self._last_poll > _POLL_EVERY):
                self._last_poll = time
                hub.wait(0)
            if self._next_tick != _NEVER and _time.perf_counter() >= self._next_tick:
                self._do_tick()
            if self._recording and self.trace.full:
                self.trace.fold()
            if not self._unfinished:
                self._finished = True
                return False
            line = ready.take(self._most)
            if line:
                self._begin_line(line)
                return True
            if not self._idle():
                self._finished = True
                return False

    def _pressing(self, time: float) -> bool:
        """Say whether something other than the coroutines' next steps is due."""
        return bool(
            self._interrupt_wanted
            or not self._unfinished
            or self.hub.has_news
            or (self.hub.watching and time - self._last_poll > _POLL_EVERY)
            or (self._recording and self.trace.full)
            or (self._next_tick != _NEVER and _time.perf_counter() >= self._next_tick)
        )

    def _begin_line(self, line: list[ScheduledTask]) -> None:
        self._line = line
        self._settled = 0
        if self._direct and not self._ready:
            self._arrive, self._arrive_all = line.append, line.extend
            if len(line) * 2 <= self._most:
                # Few tasks: go round more than once before looking up.
                self._period = len(line)
                line *= self._most // len(line)
        self._steps = iter(line)
        self.stepping = True

    def _idle(self) -> bool:
        """Nobody can run: wait. False if nothing can happen any more."""
        hub, virtual = self.hub, self._virtual_clock
        if not hub.expecting:
            return False
        if virtual is not None:
            # Time stands still while the outside is at work, and jumps otherwise.
            hub.wait(None if hub.offloaded else 0.0)
            if not self._ready and not hub.offloaded:
                if hub.next_timer != _NEVER:
                    virtual.time = max(virtual.time, hub.next_timer)
                else:
                    hub.wait(None)
        elif self._next_tick == _NEVER:
            hub.wait(None)
        else:
            hub.wait(max(0.0, min(self._next_tick, hub.next_timer) - self._clock()))
        self._time = self._last_poll = self._boundary = self._clock()
        if self._recording:
            self._write((0, IDLE, self._time))
        return True

    def _do_tick(self) -> None:
        assert self._tick is not None
        self.trace.duration = self._time - self.trace.origin
        self.trace.switches = self._switches
        pause = self._tick()
        self._next_tick = _time.perf_counter() + pause
        self._time = self._boundary = self._clock()
        if self._recording:
            self._write((0, IDLE, self._time))

    # The end.

    def request_interrupt(self) -> None:
        """Stop the run at the next occasion. Fit for signal handlers and other threads."""
        self._interrupt_wanted = True
        self.hub.rouse()

    def _stop(self) -> None:
        self.interrupted = True
        self._finished = True
        # Whoever is in the loop must find no more steps in this line.
        position = self._settle_before()
        rest = list(self._steps)
        self._line = self._line[: position + 1]
        self._arrive, self._arrive_all = self._ready.append, self._ready.extend
        self._arrive_all(rest)

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
        self._line, self._settled, self._steps = [], 0, iter(())
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
        if self._recording:
            self._write((task.row, CLOSED_WAITING if waiting else CLOSED, self._time))
        self._let_go(task, state, None, error, where)


for _function in (send, throw, _call, Scheduler._work, Scheduler._close_one):
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
