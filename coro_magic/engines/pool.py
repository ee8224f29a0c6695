"""The same program on a pool of threads, of the size that `ThreadPoolExecutor` has by itself.

What a person would write who has more to do than threads: ``pool.submit``. A coroutine that waits keeps its
thread, so coroutines that wait for others may take all threads that those would need. That is seen, and said.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from ..language import Request, State
from ..language.several import Gather, Select
from .frames import standing
from .thread_task import ThreadTask
from .threads import CannotStartThread, ThreadEngine
from .trace import CLOSED_WAITING


class PoolTask(ThreadTask):
    """A task that gets a thread when one is free."""

    __slots__ = ("begun", "future")

    engine: PoolEngine

    def __init__(self, engine: ThreadEngine, coroutine: Any, row: int, daemon: bool) -> None:
        super().__init__(engine, coroutine, row, daemon)
        self.begun = False
        self.future: Future[None] | None = None

    def cancel(self) -> bool:
        if self.future is not None and self.future.cancel():
            self.engine._ended(self, State.CANCELLED, None, None, CLOSED_WAITING)
            return True
        return super().cancel()


class PoolEngine(ThreadEngine):
    """One run of coroutines on a pool of threads. The first of them, a cell's body, has its own.

    Attributes
    ----------
    size:
        How many threads the pool may have, an int.
    """

    tasks: list[PoolTask]  # type: ignore[assignment]
    task_type = PoolTask

    def __init__(self, detail: int, recording: bool = True, has_body: bool = True) -> None:
        super().__init__(detail, recording)
        self._pool = ThreadPoolExecutor()
        self.size = self._pool._max_workers
        self._own_thread = has_body
        self._starved: list[Any] | None = None

    def launch(self, task: ThreadTask, drive: Callable[[], None]) -> None:
        """Submit a task to the pool."""
        assert isinstance(task, PoolTask)

        def begin() -> None:
            task.begun = True
            task.thread = threading.current_thread()
            try:
                drive()
            finally:
                # The thread goes on, and what it waits for then is none of this task's waits.
                self._here.task = None

        if self._own_thread and task.row == 0:
            self.start_thread(task, begin)
            return
        try:
            task.future = self._pool.submit(begin)
        except RuntimeError as refused:
            self.refused = True
            raise CannotStartThread(str(refused)) from None
        self.started += 1

    def look(self) -> None:
        """See whether everybody who has a thread waits for somebody who has none."""
        before, self._starved = self._starved, None
        if all(task.begun or task._final is not None for task in self.tasks):
            return
        waiting = [(task, task.request) for task in self.tasks if task.begun and task._final is None]
        if not all(request is not None and needs_others(request) for _, request in waiting):
            return
        # The same twice: threads that wait for each other announce nothing.
        self._starved = waiting
        if before == waiting and waiting:
            task, request = waiting[-1]
            assert request is not None
            place = standing(task.coroutine)
            self.cannot = (
                f"all {self.size} threads of the pool wait for coroutines that have no thread yet: "
                f"{task.name}{'' if place is None else f' at {place}'} for {request.describe()}"
            )

    def run(self, begin: Callable[[ThreadEngine], None], budget: float) -> bool:
        """Run, as `ThreadEngine.run`, and let the pool's threads go."""
        complete = super().run(begin, budget)
        # Who is left over has a thread that does not end.
        free = all(not task.begun or not task.ended.locked() for task in self.tasks)
        self._pool.shutdown(wait=free, cancel_futures=True)
        return complete


def needs_others(request: Request) -> bool:
    """Say whether only another coroutine can do what this waits for."""
    if isinstance(request, Gather):
        return any(needs_others(arm) for arm in request.requests)
    if isinstance(request, Select):
        return all(needs_others(arm) for arm in request.requests)
    return request.often_at_once or request.left_over
