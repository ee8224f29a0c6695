"""The same program on asyncio: each coroutine is a Task, and a bare ``yield`` is ``await asyncio.sleep(0)``.

asyncio switches at an ``await`` and nowhere else. So a call that blocks holds the loop and everybody with it;
how long that was is noted. And a plain function cannot wait for what is not there yet.
"""

from __future__ import annotations

import asyncio
import selectors
import time
import types
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ..language import Request
from ..language.request import PENDING, Handle
from .frames import user_line
from .guests import GuestEngine, GuestTask, Stopped
from .trace import YIELDED

_clock = time.perf_counter
_WORTH_SAYING = 0.05  # of the run's time


class AsyncioTask(GuestTask):
    """A task of asyncio's."""

    __slots__ = ("future",)

    future: asyncio.Future[Any]


class AsyncioEngine(GuestEngine):
    """One run of coroutines on an asyncio event loop.

    Attributes
    ----------
    outside:
        How many descriptors are watched and helper threads at work: what may wake the loop.
    blocked:
        For how many seconds calls that block held the loop, by what they waited for.
    """

    unit = "task"
    library = "asyncio"
    task_type = AsyncioTask

    def __init__(self, detail: int, recording: bool = True) -> None:
        super().__init__(detail, recording)
        self.outside = 0
        self.blocked: dict[str, float] = {}
        self._loop = asyncio.SelectorEventLoop(_Selector(self))
        # What it has to complain of (a task that was left over, say) is told otherwise.
        self._loop.set_exception_handler(lambda loop, context: None)
        self._helpers: ThreadPoolExecutor | None = None
        self._watchers: dict[tuple[int, bool], list[_Watch]] = {}

    # What coroutines ask for.

    def wait(self, request: Request) -> Any:
        """Carry out `request` from a plain function, which is possible only if it need not wait."""
        task = self.current
        assert task is not None
        value = request.begin(task)
        if value is PENDING:
            request.withdraw()
            where = user_line(None, task.coroutine)
            self.give_up(
                f"asyncio cannot: {where or task.name} waits for {request.describe()} in a plain call, "
                "and only a yield or an await can wait there"
            )
        return value

    def call_later(self, seconds: float, callback: Callable[[], None]) -> Handle:
        """Call back in `seconds`."""
        return self._loop.call_later(seconds, callback)

    def watch(self, descriptor: int, writing: bool, callback: Callable[[], None]) -> Handle:
        """Call back when a descriptor is ready."""
        return _Watch(self, descriptor, writing, callback)

    def offload(
        self, function: Callable[[], Any], done: Callable[[Any, BaseException | None], None]
    ) -> Handle:
        """Run a function in an executor of asyncio's usual size."""
        if self._helpers is None:
            self._helpers = ThreadPoolExecutor()
        future = self._loop.run_in_executor(self._helpers, function)
        self.outside += 1

        def ended(future: asyncio.Future[Any]) -> None:
            self.outside -= 1
            if future.cancelled():
                return
            error = future.exception()
            done(None if error is not None else future.result(), error)

        future.add_done_callback(ended)
        return future  # type: ignore[return-value]

    # Steps.

    def launch(self, task: AsyncioTask) -> None:
        """Make an asyncio Task of it, in a copy of the context that spawns it."""
        task.driver = self._loop.create_task(self._live(task))

    async def _live(self, task: AsyncioTask) -> None:
        # A generator can do what `asyncio.sleep(0)` does without making a coroutine for it each time; but a
        # Task takes none.
        await self._drive(task)

    @types.coroutine
    def _drive(self, task: AsyncioTask) -> Generator[Any, Any, None]:
        coroutine = task.coroutine
        send, throw = coroutine.send, coroutine.throw
        resume, argument = send, None
        if task.overdue is not None:
            resume, argument = throw, task.overdue  # cancelled before it began
        recording, row, write = self.recording, task.row, self.trace.write
        try:
            while True:
                self.current = task
                value = resume(argument)
                resume, argument = send, None
                try:
                    if task.overdue is not None:
                        task.raise_overdue()
                    if value is None:
                        if recording:
                            write((row, YIELDED, _clock()))
                        self.current = None
                        yield  # what `asyncio.sleep(0)` does
                    else:
                        request = self.request_for(task, value)
                        argument = request.begin(task)
                        if argument is PENDING:
                            task.request = request
                            task.future = future = self._loop.create_future()
                            if recording:
                                self.waits(task, request)
                            self.current = None
                            argument, error = yield from future
                            if error is not None:
                                raise error
                        else:
                            if recording:
                                write((row, YIELDED, _clock()))
                            # To sleep for no time, and to produce an item, lets the others run. As with
                            # the library's own queues and locks, who need not wait goes on at once.
                            if argument is None and not request.often_at_once:
                                self.current = None
                                yield
                    if argument is None and task.overdue is not None:
                        task.raise_overdue()
                except Stopped:
                    raise
                except BaseException as error:
                    resume, argument = throw, error
        except BaseException as error:
            self.raised(task, error)

    def deliver(self, task: AsyncioTask, outcome: tuple[Any, BaseException | None]) -> None:
        """Complete the future that a task waits for."""
        task.future.set_result(outcome)

    def loop(self) -> None:
        """Run the event loop."""
        try:
            self._loop.run_forever()
        finally:
            if self._helpers is not None:
                self._helpers.shutdown(wait=False, cancel_futures=True)

    def stop(self) -> None:
        """Stop the loop."""
        self._loop.stop()

    # Calls that block.

    def blocking(self, verb: str) -> _Blocking:
        """Give a context in which a call blocks, and with it the loop."""
        return _Blocking(self, verb)

    @property
    def notes(self) -> list[str]:
        """Say for how long calls that block held the loop."""
        seconds = sum(self.blocked.values())
        if seconds < _WORTH_SAYING * self.elapsed:
            return []
        verbs = ", ".join(sorted(self.blocked, key=lambda verb: -self.blocked[verb])[:3])
        return [
            f"calls that block held the event loop for {seconds:.3g} s ({verbs}): "
            "asyncio switches at an await only"
        ]


class _Blocking:
    def __init__(self, engine: AsyncioEngine, verb: str) -> None:
        self._engine, self._verb = engine, verb

    def __enter__(self) -> None:
        self._begun = _clock()

    def __exit__(self, *exc_info: object) -> None:
        blocked = self._engine.blocked
        blocked[self._verb] = blocked.get(self._verb, 0.0) + _clock() - self._begun


class _Selector(selectors.DefaultSelector):
    """The loop's selector, which notices when there is nothing left to wait for."""

    def __init__(self, engine: AsyncioEngine) -> None:
        super().__init__()
        self._engine = engine

    def select(self, timeout: float | None = None) -> Any:
        """Wait as the loop asks for; without a deadline, and nobody outside to wake it, it is the end."""
        engine = self._engine
        if timeout is None and not engine.outside:
            engine.stop()
            timeout = 0
        found = super().select(timeout)
        # Steps come right after each other, unless the loop has waited in between.
        if timeout != 0 and engine.tasks:
            engine.idle()
        elif engine.trace.full and engine.recording:
            engine.trace.fold()
        return found


class _Watch:
    """One wait for a descriptor. asyncio has one reader and one writer for each, who tells all that wait."""

    def __init__(
        self, engine: AsyncioEngine, descriptor: int, writing: bool, callback: Callable[[], None]
    ) -> None:
        self._engine, self._key, self._callback = engine, (descriptor, writing), callback
        waiting = engine._watchers.setdefault(self._key, [])
        if not waiting:
            add = engine._loop.add_writer if writing else engine._loop.add_reader
            add(descriptor, self._tell_all)
        waiting.append(self)
        engine.outside += 1

    def _tell_all(self) -> None:
        for watch in list(self._engine._watchers.get(self._key, ())):
            watch.cancel()
            watch._callback()

    def cancel(self) -> None:
        """Do not wait any longer."""
        engine, (descriptor, writing) = self._engine, self._key
        waiting = engine._watchers.get(self._key, [])
        if self not in waiting:
            return
        waiting.remove(self)
        engine.outside -= 1
        if not waiting:
            del engine._watchers[self._key]
            (engine._loop.remove_writer if writing else engine._loop.remove_reader)(descriptor)
