"""The baseline: the same program with one thread per coroutine, as a person would write it.

The program is not translated. The same cell runs again, in a process of its own with a copy of what the
cell refers to, and each of its coroutines is driven by a `threading.Thread` of its own, which carries out
what the coroutine yields:

| a coroutine says | its thread does |
|---|---|
| ``yield``, ``yield value`` | ``os.sched_yield()``: gives up the GIL, and takes it again at its turn |
| ``yield sleep(s)`` | ``time.sleep(s)`` |
| ``yield channel.get()``, ``put(item)`` | ``get`` and ``put`` of a queue built like `queue.Queue` |
| ... with capacity 0 | the same, and waits on a condition until the item was taken |
| ``yield task``, ``task.result()`` | waits for the thread's end, by a lock that is held until then |
| ``yield gather(...)`` | waits for one after the other |
| ``yield select(...)`` | asks each in turn, with pauses: queues and locks have no select |
| ... that puts, with capacity 0 | the same, and holds the item out during the pauses |
| ``Event``, ``Semaphore``, ``Lock`` | `threading.Event`, `threading.Semaphore` (for a lock too) |
| ``yield readable(sock)`` | `select.poll` on it alone |
| ``yield in_thread(f)`` | calls ``f``: it is on a thread of its own already |
| ``generator.send(x)``, by hand | a handoff to that generator's thread, and back, by two locks |
| ``task.cancel()`` | the thread hears of it when its wait is over: nothing can end a thread |
| a blocking call: ``recv``, ``time.sleep``, ... | just that; that it waits is written down |

What it is: a fair opponent. No lock is taken that the program does not need, and threads that pass messages
take as long as those of the same program written by hand, or up to a fifth longer, though they drive
generators: the queue makes up for that. To start a thread takes a quarter longer than by hand, and a lock
that is taken with ``yield`` three times as long as one taken with ``with``. The README has the figures.

What it is not:

- **It is not a translation to good threaded code.** A person might use a pool of threads, or fewer of them;
  here there is one for each coroutine, as the program says (``--against threadpool`` is the pool). A program
  that shares data without a lock does so here, too: where results or shared names differ, that is a data race
  (`coro_magic.measure.run.Run.differences`).
- **It is not free of the GIL.** What is shown as running is running or waiting for the GIL: nobody can see
  from outside which.
- **It is not always the whole run.** Past ``--baseline-budget`` it is stopped, and the comparison is a
  bound. Where the system refuses one more thread (`ThreadEngine.refused`), the run says how many there
  could be.
- **It is not run beside the coroutines** but after them. A machine that is busy with something else in one
  of the two runs makes the comparison worthless; ``--repeat 10`` takes turns.

Threads cannot be told to end. So this engine runs in a process of its own, which ends with them.
"""

from __future__ import annotations

import functools
import threading
import time
from collections.abc import Callable
from contextvars import copy_context
from types import FrameType
from typing import Any, NoReturn

from ..language import Cancelled, Request, State, Task
from ..language.coroutine import as_coroutine, check_unstarted, inner_coroutine, is_coroutine
from ..language.request import Handle, set_engine
from ..language.timing import give_up_gil
from .frames import ended_at, standing, strip
from .handoff import ThreadedGeneratorFunction
from .places import Places
from .thread_task import Deadline, ThreadTask, WaitingThread
from .thread_waits import Blocked, Waiting
from .trace import BORN_WAITING, RESUMED, STOPPED, SUSPENDED, Trace

_clock = time.perf_counter
_LOOK_EVERY = 0.05  # seconds
_KEPT_EVENTS = 100_000


class CannotStartThread(RuntimeError):
    """The system refuses one more thread."""


class ThreadEngine:
    """One run of coroutines, each on a thread.

    Attributes
    ----------
    trace:
        Where threads write down what happens; a row is a thread.
    record:
        What happened until the end of the run: a trace that no thread writes to any more.
    started:
        How many threads were started.
    refused:
        Whether the system refused to start one more.
    cannot:
        Why the program cannot be run in this way at all, in words; empty where it can.
    """

    unit = "thread"
    task_type: type[ThreadTask] = ThreadTask

    def __init__(self, detail: int, recording: bool = True) -> None:
        self.trace = Trace(recording=recording, detail=detail, unit=self.unit)
        self.record = self.trace
        self.tasks: list[ThreadTask] = []
        self.started = 0
        self.refused = False
        self.cannot = ""
        self.elapsed = 0.0
        self._recording = recording
        self._over_and_done = False
        self._first: WaitingThread | None = None
        self._lock = threading.Lock()
        self._handed_over: set[int] = set()
        self._kept: list[Any] = []
        self._unfinished = 0
        self._last_end = 0.0
        self._over = threading.Condition(self._lock)
        self._places = Places(self.trace, SUSPENDED)
        self._here = threading.local()
        self._failed_to_start = threading.Event()

    # What coroutines ask for.

    def now(self) -> float:
        """Give the seconds since the run began."""
        return _clock() - self.trace.origin

    def was_handed_over(self, coroutine: Any) -> bool:
        """Say whether this coroutine has a task already."""
        return id(inner_coroutine(coroutine)) in self._handed_over

    @property
    def current(self) -> ThreadTask | None:
        """The task on whose thread the caller is."""
        return getattr(self._here, "task", None)

    def spawn(
        self, coroutine: Any, name: str | None = None, daemon: bool = False, *,
        caller: FrameType | None = None,
    ) -> ThreadTask:  # fmt: skip
        """Start a thread for a coroutine."""
        coroutine = inner_coroutine(coroutine)
        spawned = self._places.spawn(caller)
        parent = self.current
        with self._lock:
            if self._over_and_done:
                raise CannotStartThread("the run is over")
            if id(coroutine) in self._handed_over:
                raise ValueError(f"{coroutine.__name__} was handed over already")
            check_unstarted(coroutine)
            self._handed_over.add(id(coroutine))
            self._kept.append(coroutine)  # so that its id stays its own
            row = self.trace.born(
                coroutine.__name__ if name is None else str(name),
                -1 if parent is None else parent.row,
                spawned,
                _clock(),
                BORN_WAITING,
            )
            task = self.task_type(self, coroutine, row, daemon)
            self.tasks.append(task)
            if not daemon:
                self._unfinished += 1
        context = copy_context()
        self.launch(task, lambda: context.run(self._drive, task))
        return task

    def launch(self, task: ThreadTask, drive: Callable[[], None]) -> None:
        """See to it that `drive` is called, which drives a new task to its end."""
        self.start_thread(task, drive)

    def give_up(self, why: str) -> NoReturn:
        """Say that the program cannot be run in this way, and end the run. Called on any thread."""
        with self._over:
            self.cannot = self.cannot or why
            self._over.notify_all()
        raise CannotStartThread(why)

    def start_thread(self, task: ThreadTask | None, target: Callable[[], None]) -> threading.Thread:
        """Start a thread, or note that the system refuses and give up."""
        first, self._first = self._first, None
        thread = first or threading.Thread(target=target, daemon=True)
        if task is not None:
            task.thread = thread
        try:
            if first is None:
                thread.start()
            else:
                first.target = target
                first.go.release()
        except RuntimeError as refused:
            self.refused = True
            self._failed_to_start.set()
            with self._over:
                self._over.notify_all()
            raise CannotStartThread(str(refused)) from None
        self.started += 1
        return thread

    def abandon(self, task: ThreadTask) -> None:
        """Do not wait for a cancelled task at the end of the run.

        Its thread, which nothing can end, hears of it when its wait is over. A person would have it
        wait for an event instead, or make it a daemon: it would be a lie to count the rest of its wait.
        """
        with self._lock:
            if task._final is None and not task.daemon:
                self.record.daemons.add(task.row)
                self._unfinished -= 1
                self._over.notify_all()

    def wait(self, request: Request) -> Any:
        """Carry out `request` on the caller's thread."""
        task = self.current
        if task is None:
            return request.block(None)
        if request.often_at_once and not task.limits:
            done, answer = request.attempt()
            if done:
                if self._recording:
                    self._passed(task.row)
                return answer
        return self._carry_out(task, request, self.blocking_wait(task, request.verb))

    def mark(self, text: str) -> None:
        """Write on the timeline."""
        task = self.current
        self.trace.marked(-1 if task is None else task.row, text, _clock())

    def limit(self, seconds: float) -> Handle:
        """Begin a ``with timeout(seconds)`` block of the caller's."""
        task = self.current
        if task is None:
            raise RuntimeError("timeout() belongs in a coroutine")
        return Deadline(task, _clock() + seconds)

    # A thread's life.

    def _drive(self, task: ThreadTask) -> None:
        set_engine(self)
        self._here.task = task
        coroutine = task.coroutine
        row = task.row
        self.resumed(row)
        send = resume = coroutine.send
        argument, limits = None, task.limits
        try:
            while True:
                value = resume(argument)
                try:
                    resume = send
                    if task.unwanted:
                        task.give_up()
                    # The shortest way for what is asked most: who writes threads by hand calls a queue, and
                    # has no generator to drive.
                    if isinstance(value, Request) and value.often_at_once and not limits:
                        done, argument = value.attempt()
                        if not done:
                            argument = self._carry_out(task, value, self._wait_of(task, value.verb))
                        elif self._recording:
                            self._passed(row)
                    else:
                        argument = self._answer(task, value)
                    if task.unwanted:
                        # It was cancelled while it waited: a thread is told afterwards.
                        task.give_up()
                except CannotStartThread:
                    raise
                except BaseException as error:
                    resume, argument = coroutine.throw, error
        except StopIteration as stop:
            self._ended(task, State.DONE, stop.value, None)
        except CannotStartThread:
            self._ended(task, State.CANCELLED, None, None)
        except (Cancelled, GeneratorExit):
            self._ended(task, State.CANCELLED, None, None)
        except BaseException as error:
            strip(error)
            error.add_note(f"in the thread of {task.name}")
            self._ended(task, State.FAILED, None, error)

    def _answer(self, task: ThreadTask, value: Any) -> Any:
        """Carry out what a coroutine yielded, and give what its ``yield`` evaluates to."""
        if isinstance(value, Task):
            value = value.as_request()
        elif is_coroutine(value):
            value = self.spawn(as_coroutine(value)).as_request()
        elif not isinstance(value, Request):
            if value is not None:
                self.trace.produced(task.row)
            self._give_way(task)
            return None
        return self._carry_out(task, value, self._wait_of(task, value.verb))

    def _passed(self, row: int) -> None:
        """Write down that what a thread asked for was there: a resumption after a wait of no length."""
        now = _clock()
        self.trace.write((row, self._turn, now, row, RESUMED, now))

    def _give_way(self, task: ThreadTask) -> None:
        """Let other threads have the GIL. The time until it is back is a wait for one's turn."""
        if self._recording:
            write, row = self.trace.write, task.row
            write((row, self._turn, _clock()))
            give_up_gil()
            write((row, RESUMED, _clock()))
        else:
            give_up_gil()

    def _carry_out(self, task: ThreadTask, request: Request, code: int) -> Any:
        if not (code or task.limits):
            # The shortest way, where nothing is written down.
            task.since = _clock()
            task.request = request
            try:
                return request.block(None)
            finally:
                task.request = None
        left = min(task.limits) - _clock() if task.limits else None
        if left is not None and left <= 0:
            raise TimeoutError("the time is over")
        task.since = _clock()
        task.request = request
        try:
            with self.waiting(task, code):
                return request.block(left)
        except TimeoutError:
            if left is None:
                raise
            raise TimeoutError("the time is over") from None
        finally:
            task.request = None

    def waiting(self, task: ThreadTask, code: int) -> Waiting:
        """Give a context in which a thread is seen to wait; `code` says for what."""
        return Waiting(self, task.row, code)

    def blocked(self, task: ThreadTask, verb: str, left_over: bool) -> Blocked:
        """Give a context in which a thread is seen to wait in a call of the standard library."""
        return Blocked(self, task, verb, left_over)

    def blocking_wait(self, task: ThreadTask, verb: str) -> int:
        """Give the code of the wait in a call that blocks, for its caller; 0 if nothing is recorded."""
        return self._places.blocking_wait(task, verb, None) if self._recording else 0

    def _wait_of(self, task: ThreadTask, verb: str) -> int:
        """Give the code of the wait of a coroutine that has yielded; 0 if nothing is recorded."""
        return self._places.wait(task, verb) if self._recording else 0

    @functools.cached_property
    def _turn(self) -> int:
        return self.trace.code(SUSPENDED, "its turn (GIL)", None)

    def resumed(self, row: int) -> None:
        """A thread goes on after it has waited."""
        if self._recording:
            self.trace.write((row, RESUMED, _clock()))

    def _ended(
        self, task: ThreadTask, state: State, value: Any, error: BaseException | None,
        kind: int = STOPPED,
    ) -> None:  # fmt: skip
        time_ended = _clock()
        with self._lock:
            self._last_end = time_ended
            if self._recording:
                self.trace.write((task.row, kind, time_ended))
            if not self._over_and_done:
                self.trace.finished(task.row, state, ended_at(error, task.coroutine))
            if not task.daemon:
                self._unfinished -= 1
            task.end(state, value, error)
            task.ended.release()
            # Whoever waits for all of them needs not be woken by each.
            if not self._unfinished:
                self._over.notify_all()

    # The run.

    def run(self, begin: Callable[[ThreadEngine], None], budget: float) -> bool:
        """Run until every thread has ended or can be seen not to, or `budget` seconds have passed.

        Returns whether the program came to its end. Threads that have not ended are left behind:
        the process is expected to end.
        """
        # The body runs on the main thread of a program written by hand, which need not be started.
        self._first = WaitingThread()
        self._first.start()
        self.trace.origin = _clock()
        deadline = self.trace.origin + budget
        set_engine(self)
        try:
            begin(self)
        except CannotStartThread:
            pass
        finally:
            set_engine(None)
        end, stuck = None, None
        with self._over:
            while self._unfinished and not (self.refused or self.cannot):
                left = deadline - _clock()
                if left <= 0:
                    break
                if self._over.wait(min(left, _LOOK_EVERY)):
                    continue
                # Not on the threads' own time, and seldom: a person's threads write nothing down.
                if self.trace.waiting_to_be_read > _KEPT_EVENTS:
                    self.trace.fold()
                # Threads that wait for ever announce nothing: the same twice means that.
                before, stuck = stuck, self._all_waiting_for_more()
                if stuck is not None and stuck == before:
                    end = max(self._last_end, *(task.since for task, _ in stuck))
                    break
                self.look()
            complete = not (self.refused or self.cannot) and (not self._unfinished or end is not None)
        end = end or _clock()
        self.elapsed = end - self.trace.origin
        self._close(complete)
        return complete

    def look(self) -> None:
        """Look, now and then, whether it can go on at all; `cannot` says if not. The lock is held."""

    def _all_waiting_for_more(self) -> list[tuple[ThreadTask, Request]] | None:
        """Give who has not ended with what each waits for, if all they wait for is more items; else None."""
        waiting = [
            (task, task.request) for task in self.tasks if task._final is None and not task.daemon
        ]
        if all(request is not None and request.left_over for _, request in waiting):
            return waiting  # type: ignore[return-value]
        return None

    def _close(self, complete: bool) -> None:
        """Note how those who have not ended are left, and let the trace not be touched any more."""
        with self._lock:
            # Threads that are left behind go on, and must find somewhere else to write.
            sealed, self.trace = self.trace, Trace(recording=False, unit=self.unit)
            self._recording = False
            self.record = sealed
            self._over_and_done = True
            for task in self.tasks:
                if task._final is None:
                    task._final = State.LEFT_OVER if complete and not task.daemon else State.CANCELLED
                    sealed.finished(task.row, task._final, standing(task.coroutine))
            for row in range(len(sealed)):
                if sealed.final(row) is None:
                    # A generator that was driven by hand, and not to its end.
                    sealed.finished(row, State.LEFT_OVER, None)
            sealed.close(self.elapsed, 0)
            sealed.switches = int(sealed.totals()["resumptions"].sum())

    # Generators driven by hand.

    def wrap(self, function: Any) -> ThreadedGeneratorFunction:
        """Wrap a generator function, so that its generators live on threads when driven by hand."""
        return ThreadedGeneratorFunction(self, function)
