"""The same program on gevent: each coroutine is a greenlet, and a bare ``yield`` is ``gevent.sleep(0)``.

gevent makes calls that block switch by patching the standard library, for good. So a process in which it ran
is not used again.
"""

from __future__ import annotations

import queue
import time
import warnings
from collections.abc import Callable
from contextlib import suppress
from contextvars import copy_context
from typing import Any

import greenlet  # type: ignore[import-untyped, unused-ignore]

from ..language import Request
from ..language.request import PENDING, Handle
from ..language.timing import Sleep
from .frames import is_running
from .guests import GuestEngine, GuestTask, Stopped
from .jobs import Cannot
from .thread_waits import Call
from .trace import IDLE, WOKEN, YIELDED

_clock = time.perf_counter
_GAP = 20e-6  # seconds from which on the hub is said to have waited


def patch() -> None:
    """Let gevent patch the standard library. To be called before anything of the program's is there.

    Raises
    ------
    Cannot
        If there is no gevent.
    """
    try:
        with warnings.catch_warnings():
            # It would have liked to come before everything else.
            warnings.simplefilter("ignore")
            from gevent import monkey  # type: ignore[import-untyped, unused-ignore]

            monkey.patch_all()
    except ImportError:
        raise Cannot("gevent is not installed here: pip install gevent") from None
    for name in ("Queue", "SimpleQueue"):
        # gevent's own are compiled: a wait in one of these can be seen.
        setattr(queue, name, type(name, (getattr(queue, name),), {}))


class _Call(Call):
    """A call that gevent has made switch."""

    __slots__ = ()

    def withdraw(self) -> None:
        """The greenlet is told by an error, where it waits."""


# One that nobody has announced. What it waits for is not known: a message, as often as not.
_UNKNOWN = _Call("blocking call", True)
_SLEEP = _Call(Sleep.verb, False)


class GeventTask(GuestTask):
    """A greenlet of gevent's."""

    __slots__ = ("hub_waiter",)

    def __init__(self, engine: GuestEngine, coroutine: Any, row: int, daemon: bool) -> None:
        super().__init__(engine, coroutine, row, daemon)
        # What gevent itself waits with; None if this does not wait for a request.
        self.hub_waiter: Any = None


class GeventEngine(GuestEngine):
    """One run of coroutines on gevent's hub."""

    unit = "greenlet"
    library = "gevent"
    task_type = GeventTask

    def __init__(self, detail: int, recording: bool = True) -> None:
        super().__init__(detail, recording)
        import gevent
        from gevent.event import AsyncResult  # type: ignore[import-untyped, unused-ignore]
        from gevent.hub import Waiter  # type: ignore[import-untyped, unused-ignore]

        self._gevent, self._waiter = gevent, Waiter
        self._hub = gevent.get_hub()
        self._hub.exception_stream = None
        self._over = AsyncResult()
        self._by_greenlet: dict[Any, GeventTask] = {}
        self._since = 0.0

    @property
    def current(self) -> GeventTask | None:
        """The task in whose greenlet the caller is."""
        return self._by_greenlet.get(greenlet.getcurrent())

    @current.setter
    def current(self, task: GuestTask | None) -> None:
        pass  # who runs is known to gevent

    @property
    def notes(self) -> list[str]:
        """Say what is not as a person would write it with gevent."""
        if {"get", "put"}.isdisjoint(reason.verb for reason in self.trace.reasons):
            return []
        return ["its channels are this package's: gevent's own compiled queues take about half the time"]

    # What coroutines ask for.

    def wait(self, request: Request) -> Any:
        """Carry out `request`, from wherever: a greenlet may wait in any function."""
        task = self.current
        assert task is not None
        value = request.begin(task)
        if value is PENDING:
            task.request = request
            if self.recording:
                self.blocks(task, request)
            value = self._wait(task)
            self.idle(task.row)
        return value

    def blocks(self, task: GuestTask, request: Request) -> None:
        """A greenlet waits in the middle of a step. Only if this is recorded."""
        self.paused(task, self._places.blocking_wait(task, request.verb, None))

    def _wait(self, task: GeventTask) -> Any:
        waiter = task.hub_waiter = self._waiter(self._hub)
        value, error = waiter.get()
        task.hub_waiter = None
        if error is not None:
            raise error
        return value

    def _sleep(self, task: GeventTask, seconds: float) -> None:
        task.request = _SLEEP
        if self.recording:
            self.waits(task, _SLEEP)
        self._gevent.sleep(seconds)
        # Who is cancelled in it has not come here.
        task.request = None
        if self.recording:
            now = _clock()
            self.trace.write((task.row, WOKEN, now, task.row, IDLE, now))

    def blocked(self, task: GuestTask, verb: str, left_over: bool) -> _Blocked:
        """Give a context in which a greenlet is seen to wait in a call that blocks."""
        return _Blocked(self, task, _Call(verb, left_over))

    def call_later(self, seconds: float, callback: Callable[[], None]) -> Handle:
        """Call back in `seconds`."""
        return _Watcher(self._hub.loop.timer(seconds), callback)

    def watch(self, descriptor: int, writing: bool, callback: Callable[[], None]) -> Handle:
        """Call back when a descriptor is ready."""
        return _Watcher(self._hub.loop.io(descriptor, 2 if writing else 1), callback)

    def offload(
        self, function: Callable[[], Any], done: Callable[[Any, BaseException | None], None]
    ) -> Handle:
        """Run a function in gevent's own pool of threads."""
        return _Offloaded(self._hub.threadpool, function, done)

    # Steps.

    def launch(self, task: GeventTask) -> None:
        """Make a greenlet of it, in a copy of the context that spawns it."""
        task.driver = self._gevent.Greenlet(self._drive, task)
        task.driver.gr_context = copy_context()
        self._by_greenlet[task.driver] = task
        task.driver.start()

    def _drive(self, task: GeventTask) -> None:
        coroutine, give_way = task.coroutine, self._gevent.sleep
        send, throw = coroutine.send, coroutine.throw
        resume, argument = send, None
        if task.overdue is not None:
            resume, argument = throw, task.overdue  # cancelled before it began
        recording, row, write = self.recording, task.row, self.trace.write
        try:
            while True:
                value = resume(argument)
                resume, argument = send, None
                try:
                    if task.overdue is not None:
                        task.raise_overdue()
                    if value is None:
                        if recording:
                            write((row, YIELDED, _clock()))
                        give_way(0)
                    else:
                        request = self.request_for(task, value)
                        if type(request) is Sleep and request.seconds:
                            # What anybody would write, and in half the time.
                            request.claim(task)
                            self._sleep(task, request.seconds)
                            argument = None
                        elif (argument := request.begin(task)) is PENDING:
                            task.request = request
                            if recording:
                                self.waits(task, request)
                            argument = self._wait(task)
                        else:
                            if recording:
                                write((row, YIELDED, _clock()))
                            # To sleep for no time, and to produce an item, lets the others run. As with
                            # the library's own queues and locks, who need not wait goes on at once.
                            if argument is None and not request.often_at_once:
                                give_way(0)
                    if argument is None and task.overdue is not None:
                        task.raise_overdue()
                except Stopped:
                    raise
                except BaseException as error:
                    resume, argument = throw, error
        except BaseException as error:
            self.raised(task, error)
        finally:
            self._by_greenlet.pop(task.driver, None)

    def deliver(self, task: GeventTask, outcome: tuple[Any, BaseException | None]) -> None:
        """Let a greenlet that waits go on."""
        waiter = task.hub_waiter
        if waiter is not None:
            self._hub.loop.run_callback(waiter.switch, outcome)
        else:
            task.driver.kill(outcome[1], block=False)

    def what_waits(self, task: GuestTask) -> Request | None:
        """Give what a task waits for; a greenlet that does not run may do so in the middle of a step."""
        if task.request is None and task is not self.current and is_running(task.coroutine):
            return _UNKNOWN
        return task.request

    def loop(self) -> None:
        """Let the hub run until everybody has ended, or it has nothing to wait for."""
        from gevent.exceptions import LoopExit  # type: ignore[import-untyped, unused-ignore]

        before, after = (make(ref=False) for make in (self._hub.loop.prepare, self._hub.loop.check))
        if self.recording:
            # Steps come right after each other, unless the hub has waited in between.
            before.start(self._about_to_wait)
            after.start(self._has_waited)
        with suppress(LoopExit):
            self._over.get()
        before.stop()
        after.stop()

    def _about_to_wait(self) -> None:
        self._since = _clock()

    def _has_waited(self) -> None:
        if _clock() - self._since > _GAP or self.trace.full:
            self.idle()

    def stop(self) -> None:
        """Let the main greenlet go on."""
        self._over.set(None)


class _Blocked:
    """A stretch of waiting in a call that blocks."""

    __slots__ = ("_call", "_engine", "_task")

    def __init__(self, engine: GeventEngine, task: GuestTask, call: _Call) -> None:
        self._engine, self._task, self._call = engine, task, call

    def __enter__(self) -> None:
        self._task.request = self._call
        if self._engine.recording:
            self._engine.blocks(self._task, self._call)

    def __exit__(self, *exc_info: object) -> None:
        if self._task.request is not None:
            # Nobody has told it: what it waited for is there.
            self._task.request = None
            if self._engine.recording:
                self._engine.trace.write((self._task.row, WOKEN, _clock()))
        self._engine.idle(self._task.row)


class _Watcher:
    """One of the loop's watchers, good for one call."""

    __slots__ = ("_callback", "_watcher")

    def __init__(self, watcher: Any, callback: Callable[[], None]) -> None:
        self._watcher, self._callback = watcher, callback
        watcher.start(self._fire)

    def _fire(self) -> None:
        self.cancel()
        self._callback()

    def cancel(self) -> None:
        """Do not call any more."""
        watcher, self._watcher = self._watcher, None
        if watcher is not None:
            watcher.stop()
            watcher.close()


class _Offloaded:
    """A call in a helper thread."""

    def __init__(
        self, pool: Any, function: Callable[[], Any], done: Callable[[Any, BaseException | None], None]
    ) -> None:
        self._done: Callable[[Any, BaseException | None], None] | None = done
        # Errors are brought back as values: gevent would print them.
        pool.spawn(_outcome, function).rawlink(self._ended)

    def _ended(self, result: Any) -> None:
        if self._done is not None:
            self._done(*result.value)

    def cancel(self) -> None:
        """Throw away what it gives."""
        self._done = None


def _outcome(function: Callable[[], Any]) -> tuple[Any, BaseException | None]:
    try:
        return function(), None
    except BaseException as error:
        return None, error
