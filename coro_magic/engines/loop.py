"""The loop that steps the coroutines, in worker greenlets that can be parked in the middle of a step.

The loop (`Loop._work`) knows two things about what coroutines yield: None means "let the others
run", and a `Request` is begun with the coroutine as its waiter.

It runs in a worker greenlet. When a step meets a call that blocks (`Loop.wait`), this worker is
parked with the half-finished step on its stack, and another worker goes on with the loop.
Workers are alike: whoever is switched to goes on with the line where it stands. They are started
from the hub's greenlet only, because a greenlet started from deep inside a step inherits that
recursion depth, and fifty nested ones exceed the limit.
"""

from __future__ import annotations

import time as _time
from collections.abc import Callable, Iterator
from contextvars import Context
from operator import length_hint
from types import FrameType
from typing import Any

import greenlet  # type: ignore[import-untyped, unused-ignore]

from ..language import Cancelled, Request, State, Where
from ..language.request import PENDING
from .events import KIND_BITS
from .hub import Hub, VirtualClock
from .line import Line
from .places import Places
from .ready import ORDERS
from .record import Recorder
from .scheduled import ITEM, NOTHING, RESUME, ScheduledTask, give_resume, send, throw
from .trace import ENDED, IDLE, WOKEN, YIELDED, Trace
from .watch import Watch
from .yielded import request_for

_POLL_EVERY = 1e-3  # seconds between looks at descriptors while there are coroutines that can run
_NEVER = float("inf")
_run_context: Any = Context.run
_getcurrent = greenlet.getcurrent


class Loop:
    """Steps tasks until nothing can go on. How a run begins and ends is the `Scheduler`'s."""

    # They are read at every step and every wait, and there are too many for a dictionary to be quick.
    __slots__ = (
        "_clock", "_closing", "_ending", "_finished", "_home", "_idle_workers", "_interrupt_wanted",
        "_last_poll", "_line", "_neutral", "_next_tick", "_over_since", "_places", "_ready",
        "_recording", "_tick", "_tidy_at", "_unfinished", "_virtual_clock", "_watch",
        "_write", "hub", "interrupted", "on_switch", "recorder", "stepping", "trace",
        "virtual",
    )  # fmt: skip

    def __init__(
        self,
        order: str,
        seed: int | None,
        virtual: bool,
        trace: Trace,
        tick: Callable[[], float] | None,
        clock: Callable[[], float] = _time.perf_counter,
    ) -> None:
        self.trace = trace
        self.stepping = False
        self.interrupted = False
        # Told before a step is parked and when it goes on: see `observe`.
        self.on_switch: Callable[[bool], None] | None = None
        self.hub: Hub
        # Told of every step in step mode, in which every line is one step.
        self.recorder: Recorder | None = None
        self.virtual = virtual
        self._virtual_clock = VirtualClock() if virtual else None
        self._clock = clock if self._virtual_clock is None else self._virtual_clock.now
        self._tick = tick
        self._next_tick = _NEVER
        # After how many switches there is something to put in order.
        self._tidy_at: float = _NEVER
        self._ready = ORDERS[order](seed)
        self._line = Line(self._ready, order == "fifo", self._clock, trace)
        # Virtual time stands still while there are steps to make: nothing can be late.
        self._watch = Watch(self._line, not virtual)
        self._places = Places(trace)
        self._recording = trace.recording
        self._write = trace.write
        self._last_poll = 0.0
        # How many tasks the run has to wait for.
        self._unfinished = 0
        self._finished = False
        self._closing = False
        self._interrupt_wanted = False
        self._over_since = _NEVER
        # The task that has just ended, while it tells those who wait for that, and what it kept alive dies.
        self._ending: ScheduledTask | None = None
        self._home: greenlet.greenlet
        self._idle_workers: list[greenlet.greenlet] = []
        # For what the loop calls in the name of a parked task: its own context is in use.
        self._neutral = Context()

    @property
    def closing(self) -> bool:
        """Whether the run is over, and its coroutines are being closed."""
        return self._closing

    @property
    def current(self) -> ScheduledTask | None:
        """The task that is making a step, None between steps."""
        return self._line.running if self.stepping else None

    @property
    def running_step(self) -> tuple[int, ScheduledTask]:
        """The number of the step that is being made, and whose it is; see `Line.running_step`."""
        return self._line.running_step

    def _work(self) -> None:
        """The loop. Every worker greenlet runs it; at most one is in it, the others are parked or idle."""
        run, line, clock, recording = _run_context, self._line, self._clock, self._recording
        hub = self.hub
        write, place = self._write, self._places.wait
        steps: Iterator[ScheduledTask] | None = None
        while self._next_line(steps):
            # Another worker may have gone on with this iterator, or replaced it: both are fine.
            steps = line.steps
            for task in steps:
                try:
                    value = run(task.context, task.step, task.argument)
                    if value is None and not line.attentive:
                        continue
                except StopIteration as stop:
                    self._ended(task, State.DONE, stop.value, None)
                except BaseException as error:
                    self._raised(task, error)
                else:
                    if line.asked:
                        self._look_up()
                    if value is None:
                        if line.lively:
                            line.read()
                            line.passed(task)
                    elif isinstance(value, Request) and task.overdue is None:
                        line.asking = task
                        # A finalizer that Python calls now may block, and then it blocks the thread: this
                        # step is over, and half of what follows from that is done.
                        hub.busy = True
                        if recording and line.lively:
                            line.time = clock()
                        try:
                            answer = value.begin(task)
                        except BaseException as error:
                            task.step, task.argument = throw, (task, error)
                            answer = None
                        line.asking = None
                        # Where every step ends in a request, what comes here is most of what a step costs:
                        # `_waits` and `Line.passed`, written out.
                        if answer is PENDING:
                            task.request = value
                            if not line.lively:
                                self._waits(task, value)
                            elif recording:
                                line.boundary = time = line.time
                                write((task.row, place(task, value.verb), time))
                            hub.busy = False
                            continue
                        hub.busy = False
                        if answer is not None:
                            task.step = send
                            task.argument = (task, answer)
                        if line.lively:
                            if recording:
                                line.boundary = time = line.time
                                write((task.row, YIELDED, time))
                            arrive = line.arrive
                            arrive(task)
                        elif line.over:
                            line.settle_asker(task)
                    elif value is RESUME:
                        self._switch_to(task)
                    else:
                        self._attend(task, value)
                    continue
                # Only now: what the error alone kept alive has died in no step of anybody's.
                self._ending = None
                self.stepping = not self._closing

    def _waits(self, task: ScheduledTask, request: Request) -> None:
        """The running step ended in a request that is not answered yet."""
        line = self._line
        if line.lively:
            line.boundary = time = line.time
        else:
            time = line.settle_running(task)
        if self._recording:
            self._write((task.row, self._places.wait(task, request.verb), time))

    def _attend(self, task: ScheduledTask, value: Any) -> None:
        """See to what is no plain request: something to wait for, or an item; or to an error that is due."""
        if self._closing:
            return
        line, hub = self._line, self.hub
        line.read()
        answer = None
        try:
            if task.overdue is not None:
                task.raise_overdue()
            request = request_for(value, task, self.trace)
            hub.busy = True
            answer = request.begin(task)
        except BaseException as error:
            task.step, task.argument = throw, (task, error)
        else:
            if answer is PENDING:
                task.request = request
                self._waits(task, request)
                return
            if answer is not None:
                task.step, task.argument = send, (task, answer)
        finally:
            hub.busy = False
        if line.lively:
            line.passed(task)

    # Steps that block.

    def wait(self, request: Request, frame: FrameType | None = None) -> Any:
        """Carry out `request` for the running coroutine from within its step, parking the step.

        `frame` is the one that waits, where that is known.
        """
        if self._closing:
            raise Cancelled("the run is being closed")
        if not self.stepping:
            raise RuntimeError("only a coroutine of the run can wait")
        # What it takes here is taken at every wait, so everything is written out.
        line, hub = self._line, self.hub
        tasks = line.tasks
        place = len(tasks) - length_hint(line.along)
        task = tasks[place - 1]
        if task.overdue is not None and not request.shielded:
            task.raise_overdue()
        # What is called from here on (a lock that a finalizer takes, say) must not come back here.
        hub.busy = True
        try:
            line.asking = None
            if not line.lively:
                line.settle_before(task)
            elif self._recording:
                clock = self._clock
                line.time = clock()
            value = None if request is ITEM else request.begin(task)
            context, task.context = task.context, self._neutral
            task.parked = _getcurrent()
            if value is PENDING:
                task.request = request
            else:
                # To block is to let the others run, even if there is nothing to wait for.
                task.step = give_resume
                task.argument = NOTHING if value is None else (value, None)
                arrive = line.arrive
                arrive(task)
            if line.lively:
                line.boundary = time = line.time
            else:
                time = line.settle_running(task)
            if self._recording:
                write = self._write
                code = YIELDED
                if value is PENDING:
                    code = self._places.blocking_wait(task, request.verb, frame)
                write((task.row, code, time))
            if self.on_switch is not None:
                self.on_switch(False)
            # The only way out of a step: to the next task's, if that is parked too; else to a worker
            # that goes on with the loop, or to the hub for one.
            way = None
            if not line.asked:
                tasks = line.tasks
                if (
                    place < len(tasks)
                    and (following := tasks[place].parked) is not None
                    and next(line.steps, None) is not None
                ):
                    way = following
            if way is None:
                way = self._idle_workers.pop() if self._idle_workers else self._home
        finally:
            hub.busy = False
        way.switch()
        if self.on_switch is not None:
            self.on_switch(True)
        value, error = task.argument
        task.parked = None
        task.context = context
        task.step, task.argument = next, task.iterator
        if task.overdue is not None:
            task.give_up_soon()
        if error is not None:
            raise error
        return value

    def _switch_to(self, task: ScheduledTask) -> None:
        """Let a parked step go on, in its own worker. This one is idle then."""
        assert task.parked is not None
        self._idle_workers.append(greenlet.getcurrent())
        task.parked.switch()

    def enqueue(self, task: ScheduledTask) -> None:
        """Put a task that waited at the back of the ready queue."""
        line = self._line
        waker = line.asking
        if waker is None:
            if self.stepping:
                # Those who ran before the running step come first.
                waker = line.running
                line.settle_before(waker)
            else:
                waker = self._ending
        elif not (line.lively or line.over):
            line.settle_before(waker)
            line.over = True
        if self._recording:
            by = 0 if waker is None else waker.row + 1
            write = self._write
            write((task.row, WOKEN | by << KIND_BITS, line.time))
        arrive = line.arrive
        arrive(task)

    # Steps that are the last.

    def _ended(
        self, task: ScheduledTask, state: State, value: Any, error: BaseException | None,
        where: Where | None = None,
    ) -> None:  # fmt: skip
        """A coroutine has returned or raised, at line `where` if that is known: nobody makes a step now."""
        if self._closing:
            task.end_in_closing(error)
            return
        time = self._line.settle_running(task)
        if self._recording:
            self._write((task.row, ENDED, time))
        self.stepping = False
        self._ending = task
        self._let_go(task, state, value, error, where)

    def _forget_begun(self) -> None:
        raise NotImplementedError

    def _raised(self, task: ScheduledTask, error: BaseException) -> None:
        raise NotImplementedError

    def _let_go(
        self, task: ScheduledTask, state: State, value: Any, error: BaseException | None,
        where: Where | None = None,
    ) -> None:  # fmt: skip
        raise NotImplementedError

    # Between lines.

    def _next_line(self, steps: Iterator[ScheduledTask] | None) -> bool:
        """Make sure that there are steps to make, `steps` being no more. False when nothing can go on."""
        line = self._line
        if self._finished:
            return False
        if steps is not line.steps:
            # Somebody else went on to a line that came later.
            return True
        self.stepping = False
        ready, hub = self._ready, self.hub
        rest = line.settle_all()
        time = line.time
        if self.recorder is not None and line.tasks:
            self.recorder.stepped(line.tasks[0], line.boundary - self.trace.origin)
        if (
            rest
            and line.goes_on(len(rest))
            and time < hub.next_timer
            and not self._pressing(time)
        ):
            # Nobody else is there: the same again.
            line.begin(rest)
            if self._watch.asleep:
                self._see_to_watch()
            self.stepping = True
            return True
        if rest:
            ready.extend(rest)
        # From here on whoever is woken is behind them.
        line.clear()
        # What happens between two steps is written down as if the next one began after it.
        if self._recording:
            line.time = line.boundary
        idle_since = _NEVER
        # Until when nobody held the thread.
        free = 0.0
        while True:
            if self._interrupt_wanted:
                self._stop()
            if self._finished:
                return False
            if time >= hub.next_timer:
                self._fire(time, free)
            if hub.news or (time - self._last_poll > _POLL_EVERY and hub.watching):
                self._last_poll = time
                hub.wait(0)
            if self._next_tick != _NEVER and _time.perf_counter() >= self._next_tick:
                self._do_tick()
            if self._recording and self.trace.full:
                self.trace.fold()
            if line.switches >= self._tidy_at:
                self._forget_begun()
            if not self._unfinished:
                self._finished = True
                return False
            batch = ready.take(line.most)
            if batch:
                line.begin(batch)
                if self._watch.asleep:
                    self._see_to_watch()
                self.stepping = True
                return True
            idle_since = min(idle_since, line.boundary)
            if not self._idle():
                # The time in which it turned out that nobody else would do anything is not the run's.
                self._over_since = idle_since
                self._finished = True
                return False
            time = free = line.time

    def _fire(self, now: float, free: float = 0.0) -> None:
        """Call back the timers that are due.

        Whom they wake was ready as soon as they were due, and lacked the thread, which another one's step
        held. Up to the moment `free` nobody held it.
        """
        line = self._line
        reached = line.time
        for when, callback in self.hub.due(now):
            line.time = min(max(when, free), reached)
            callback()
        line.time = reached

    def _see_to_watch(self) -> None:
        """Let the line be watched if that may matter."""
        line = self._line
        # A lively line may grow while it is gone along.
        if (line.lively or len(line.tasks) > 1) and self.hub.expecting:
            self._watch.wake()

    def _look_up(self) -> None:
        """A step has ended in a line that takes long: see to what cannot wait for the line's end."""
        if self._closing:
            return
        if self._interrupt_wanted:
            self._stop()
            return
        line, hub = self._line, self.hub
        line.look_up()
        # What is called back belongs to nobody's step, and must not be taken for a call of this one.
        self.stepping = False
        time = line.time
        if time >= hub.next_timer:
            self._fire(time)
        if hub.news or hub.watching:
            self._last_poll = time
            hub.wait(0)
        self.stepping = True

    def _pressing(self, time: float) -> bool:
        """Say whether something other than the coroutines' next steps is due."""
        return bool(
            self._interrupt_wanted
            or not self._unfinished
            or self.hub.news
            or (time - self._last_poll > _POLL_EVERY and self.hub.watching)
            or (self._recording and self.trace.full)
            or (self._next_tick != _NEVER and _time.perf_counter() >= self._next_tick)
        )

    def _idle(self) -> bool:
        """Nobody can run: wait. False if nothing can happen any more."""
        hub, virtual = self.hub, self._virtual_clock
        if not hub.expecting:
            return False
        if virtual is not None:
            # Time stands still while helper threads are at work, and jumps otherwise.
            hub.wait(_NEVER if hub.offloaded else 0.0)
            if not self._ready and not hub.offloaded:
                if hub.next_timer != _NEVER:
                    virtual.time = max(virtual.time, hub.next_timer)
                else:
                    hub.wait(_NEVER)
        else:
            # Whoever is called back waited until then: the time has passed before that.
            hub.wait(min(hub.next_timer, self._next_tick) - self._clock(), self._pass_time)
            self._last_poll = self._line.time
            return True
        self._pass_time()
        self._last_poll = self._line.time
        return True

    def _pass_time(self) -> None:
        self._line.pass_time()
        if self._recording:
            self._write((0, IDLE, self._line.time))

    def _do_tick(self) -> None:
        assert self._tick is not None
        self.trace.duration = self._line.time - self.trace.origin
        self.trace.switches = self._line.switches
        pause = self._tick()
        self._next_tick = _time.perf_counter() + pause
        self._pass_time()

    # Stopping.

    def request_interrupt(self) -> None:
        """Stop the run at the next occasion. Fit for signal handlers and other threads."""
        self._interrupt_wanted = True
        self._line.ask()
        hub = getattr(self, "hub", None)
        if hub is not None:
            hub.rouse()

    def end_line(self) -> None:
        """Look up after the running step. Called from within it, where the user's code is."""
        if self.stepping:
            self._line.cut()

    def _stop(self) -> None:
        self.interrupted = self._finished = True
        # Whoever is in the loop must find no more steps in this line.
        self._line.cut()
