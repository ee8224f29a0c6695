"""Stretches in which a thread of the baseline waits, written down as they begin and end."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from ..language import Request

if TYPE_CHECKING:
    from .thread_task import ThreadTask
    from .threads import ThreadEngine

_clock = time.perf_counter


class Waiting:
    """A stretch of waiting of one thread, written down."""

    __slots__ = ("_code", "_engine", "_row")

    def __init__(self, engine: ThreadEngine, row: int, code: int) -> None:
        self._engine, self._row, self._code = engine, row, code

    def __enter__(self) -> None:
        if self._code:
            self._engine.trace.write((self._row, self._code, _clock()))

    def __exit__(self, *exc_info: object) -> None:
        if self._code:
            self._engine.resumed(self._row)


class Call(Request):
    """A call of the standard library that waits, as far as the engine has to know it."""

    __slots__ = ("left_over", "verb")

    def __init__(self, verb: str, left_over: bool) -> None:
        self.waiter = None
        self.verb = verb
        self.left_over = left_over


class Blocked(Waiting):
    """A stretch of waiting in a call of the standard library."""

    __slots__ = ("_call", "_task")

    def __init__(self, engine: ThreadEngine, task: ThreadTask, verb: str, left_over: bool) -> None:
        super().__init__(engine, task.row, engine.blocking_wait(task, verb))
        self._task = task
        self._call = Call(verb, left_over)

    def __enter__(self) -> None:
        self._task.since = _clock()
        self._task.request = self._call
        super().__enter__()

    def __exit__(self, *exc_info: object) -> None:
        super().__exit__(*exc_info)
        self._task.request = None
