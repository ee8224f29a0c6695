"""The same program without any concurrency: one coroutine after another, each as a plain function call.

Who is spawned is called when somebody waits for its end, or after the body, in the order of spawning. Sleeps
and calls block. What only another coroutine could do, one that comes later, cannot be waited for: then the
program cannot be run in this way, and that is said.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

from ..language import Request, State
from ..language.several import Gather, Select
from ..language.task import Join
from .frames import is_running, standing, user_line
from .pool import needs_others
from .thread_task import ThreadTask
from .threads import CannotStartThread, ThreadEngine
from .trace import CLOSED_WAITING

# What only somebody else can do, by what is waited for.
_ONLY_ANOTHER = {
    "get": "an item that only another coroutine can put",
    "put": "room that only another coroutine can make, by taking an item",
    "event": "an event that only another coroutine can set",
    "lock": "a lock or a permit that only another coroutine can release",
    "join": "the end of a coroutine that waits itself",
}


class SequentialTask(ThreadTask):
    """A call."""

    __slots__ = ()

    engine: SequentialEngine

    def _block(self, timeout: float | None) -> None:
        self.engine.call(self)

    def cancel(self) -> bool:
        return self.engine.forget(self) or super().cancel()


class SequentialEngine(ThreadEngine):
    """One run of coroutines as calls, all on one thread."""

    unit = "call"
    task_type = SequentialTask

    def __init__(self, detail: int, recording: bool = True) -> None:
        super().__init__(detail, recording)
        # Who was not called yet, in the order of spawning.
        self._later: dict[ThreadTask, Callable[[], None]] = {}

    def launch(self, task: ThreadTask, drive: Callable[[], None]) -> None:
        """Note a task for later."""
        self._later[task] = drive
        self.started += 1

    def run(self, begin: Callable[[ThreadEngine], None], budget: float) -> bool:
        """Run, as `ThreadEngine.run`: the one thread is not the main one, which looks at the time."""

        def begin_and_go(engine: ThreadEngine) -> None:
            begin(engine)
            self.start_thread(None, self._call_all)
            self.started -= 1

        return super().run(begin_and_go, budget)

    def _call_all(self) -> None:
        while not (self.cannot or self._over_and_done):
            # Whom the run does not wait for is called only if somebody does.
            task = next((task for task in self._later if not task.daemon), None)
            if task is None:
                return
            self.call(task)

    def call(self, task: ThreadTask) -> None:
        """Call a task, if it was not called yet."""
        drive = self._later.pop(task, None)
        if drive is None:
            if task._final is None:
                self._cannot(task.as_request())
            return
        caller = self.current
        try:
            drive()
        finally:
            self._here.task = caller
        if self.cannot:
            raise CannotStartThread(self.cannot)

    def forget(self, task: ThreadTask) -> bool:
        """Do not call a task that was not called yet; gives whether there was one."""
        if self._later.pop(task, None) is None:
            return False
        self._ended(task, State.CANCELLED, None, None, CLOSED_WAITING)
        return True

    def _give_way(self, task: ThreadTask) -> None:
        """There is nobody to give way to: a call goes on."""
        if self._recording:
            self._passed(task.row)

    def _carry_out(self, task: ThreadTask, request: Request, code: int) -> Any:
        if isinstance(request, Gather):
            return [self._carry_out(task, arm, code) for arm in request.requests]
        if isinstance(request, Select):
            with self.waiting(task, code):
                first = self._first_of(request)
            if first is not None:
                return first
        elif request.often_at_once:
            done, answer = request.attempt()
            if done:
                return answer
        impossible = needs_others(request) and not isinstance(request, Join)
        # Who has a deadline waits for that; who is the last may be left over.
        if impossible and not task.limits and not (request.left_over and self._is_last(task)):
            self._cannot(request)
        return super()._carry_out(task, request, code)

    def _first_of(self, request: Select) -> tuple[int, Any] | None:
        """Give what a `select` comes to if somebody who was not called yet can be, or if nobody need be."""
        while True:
            for index, arm in enumerate(request.requests):
                done, value = arm.attempt()
                if done:
                    return index, value
            tasks = [arm.task for arm in request.requests if isinstance(arm, Join)]
            uncalled = next((task for task in tasks if task in self._later), None)
            if uncalled is None:
                return None
            self.call(uncalled)

    def _is_last(self, task: ThreadTask) -> bool:
        return all(each is task or each.done() or each.daemon for each in self.tasks)

    def _cannot(self, request: Request) -> NoReturn:
        task = self.current
        where = None
        if task is not None:
            coroutine = task.coroutine
            where = user_line(None, coroutine) if is_running(coroutine) else standing(coroutine)
        what = _ONLY_ANOTHER.get(request.verb, f"what only another coroutine can do ({request.describe()})")
        self.give_up(f"one after another cannot: {where or 'somebody'} waits for {what}")
