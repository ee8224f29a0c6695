"""A task of the baseline, and the thread that it is on."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..language import Cancelled, Request, State, Task
from .trace import Trace

if TYPE_CHECKING:
    from .threads import ThreadEngine

_thread_lock = threading.Lock  # bound before a run replaces it


class ThreadTask(Task):
    """A task on a thread of its own."""

    engine: ThreadEngine
    __slots__ = ("ended", "limits", "places", "request", "since", "thread", "unwanted")

    def __init__(self, engine: ThreadEngine, coroutine: Any, row: int, daemon: bool) -> None:
        super().__init__(coroutine, engine, row, daemon)
        self.limits: list[float] = []
        # Where it waited so far: see `Places`.
        self.places: dict[int, tuple[str, int]] | None = None
        self.unwanted = False
        # What it waits for, and since when.
        self.request: Request | None = None
        self.since = 0.0
        # Held until it has ended: an Event would take four objects and ten times as long for each thread.
        self.ended = _thread_lock()
        self.ended.acquire()
        self.thread: threading.Thread

    @property
    def _record(self) -> Trace:
        # Threads that are left behind write elsewhere in the end.
        return self.engine.record

    def _block(self, timeout: float | None) -> None:
        seconds = -1 if timeout is None else min(max(timeout, 0), threading.TIMEOUT_MAX)
        if not self.ended.acquire(timeout=seconds):
            raise TimeoutError
        self.ended.release()

    def cancel(self) -> bool:
        if self._final is not None:
            return False
        self.unwanted = True
        self.engine.abandon(self)
        return True

    def give_up(self) -> None:
        """Raise `Cancelled`, once."""
        self.unwanted = False
        raise Cancelled(f"{self.name} was cancelled")

    def _present_state(self) -> State:
        return State.RUNNING


class Deadline:
    """A moment from which on a task may not go on waiting, until it is cancelled."""

    def __init__(self, task: ThreadTask, when: float) -> None:
        self._task, self._when = task, when
        task.limits.append(when)

    def cancel(self) -> None:
        self._task.limits.remove(self._when)


class WaitingThread(threading.Thread):
    """A thread that was started beforehand, and waits until it may call its target."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.target: Callable[[], None] = lambda: None
        self.go = threading.Lock()
        self.go.acquire()

    def run(self) -> None:
        self.go.acquire()
        self.target()
