"""The processes that shares run in: loky's, one executor to a process.

An executor with several processes is broken as a whole when one of them dies: it ends the others, and what
they had come to is lost. So each process here has an executor of its own, and one that dies is replaced.
They are kept for the next run, and end by themselves after a minute with nothing to do.
"""

from __future__ import annotations

import atexit
import os
from collections.abc import Callable
from concurrent.futures import Future, wait
from contextlib import suppress
from typing import Any

from ..engines.processes import warm

IDLE_SECONDS = 60.0
_START_SECONDS = 60.0


class Pool:
    """Worker processes, numbered from 0; they are started when they are first needed."""

    def __init__(self) -> None:
        self._executors: list[Any] = []
        self._owner = os.getpid()

    def get_ready(self, count: int) -> None:
        """See to it that so many processes are up, or else raise RuntimeError."""
        if self._owner != os.getpid():
            # A forked process has the copy of a pool, and none of its processes.
            self._executors, self._owner = [], os.getpid()
        before = len(self._executors)
        try:
            while len(self._executors) < count:
                self._executors.append(self._new())
            futures = [self._warmed(number) for number in range(count)]
        except OSError:
            # There are not as many descriptors, or processes, to be had. So that the next run has some.
            self._end_from(before)
            raise
        late = wait(futures, _START_SECONDS).not_done
        if late:
            raise RuntimeError(f"{len(late)} of {count} worker processes could not be started")
        for number, future in enumerate(futures):
            if future.exception() is not None:
                # It died in its idle minute.
                self.replace(number)
                self._warmed(number).result(_START_SECONDS)

    def _warmed(self, number: int) -> Future[int]:
        return self.submit(number, warm)

    def _new(self) -> Any:
        from loky import ProcessPoolExecutor  # type: ignore[import-untyped, unused-ignore]

        return ProcessPoolExecutor(1, timeout=IDLE_SECONDS)

    def submit(self, number: int, function: Callable[..., Any], *args: Any) -> Future[Any]:
        """Let a process call a function."""
        try:
            found: Future[Any] = self._executors[number].submit(function, *args)
        except RuntimeError:
            # It is known to be broken, or was shut down.
            self.replace(number)
            found = self._executors[number].submit(function, *args)
        return found

    def replace(self, number: int) -> None:
        """End a process, if it is there, and put a new one in its place."""
        with suppress(Exception):
            self._executors[number].shutdown(wait=False, kill_workers=True)
        self._executors[number] = self._new()

    def end(self) -> None:
        """End all of them."""
        self._end_from(0)

    def _end_from(self, number: int) -> None:
        executors = self._executors[number:]
        del self._executors[number:]
        if self._owner != os.getpid():
            return
        for executor in executors:
            with suppress(Exception):
                executor.shutdown(wait=False, kill_workers=True)


pool = Pool()
atexit.register(pool.end)
