"""The worker process, as the kernel sees it: it starts it, gives it jobs, and ends it."""

from __future__ import annotations

import atexit
import json
import os
import pickle
import select
import subprocess
import sys
import threading
import time
from contextlib import suppress
from typing import Any

from ..engines.jobs import Failure, Job, Report
from ..engines.pickling import pickled
from ..engines.worker import read_frame, write_frame

_GRACE_AT_START = 60.0  # seconds in which a worker must be up, on a machine however slow
_GRACE = 5.0  # seconds beyond its budget in which a worker must have answered
_START = "import json, sys; sys.path[:] = json.loads(sys.argv[1]); " \
         "from coro_magic.engines.worker import main; main()"  # fmt: skip


class NoBaseline(Exception):
    """There can be no baseline; the message says why, and what to do."""


class CannotBegin(RuntimeError):
    """The run cannot begin; the message says why, and what to do."""


class Worker:
    """The worker process, as the kernel sees it."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._is_ready = False

    def get_ready(self) -> None:
        """Wait until it is up: starting beside the coroutines it would take time from them."""
        self.start()
        if self._is_ready:
            return
        try:
            if self._receive(time.monotonic() + _GRACE_AT_START) is None:
                raise NoBaseline("the worker process could not be started")
        except BaseException:
            self.kill()
            raise
        self._is_ready = True

    def start(self) -> None:
        """Start it, if it is not there."""
        if self._process is not None and self._process.poll() is None:
            return
        self.kill()
        self._process = subprocess.Popen(
            [sys.executable, "-c", _START, json.dumps(sys.path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            # An interrupt from the keyboard goes to the whole group: it is the kernel's affair.
            start_new_session=True,
        )
        self._is_ready = False

    def call(self, message: bytes, seconds: float) -> Any:
        """Let it do a job and give its answer.

        Raises
        ------
        NoBaseline
            If it dies, or does not answer in time.
        """
        for attempt in (1, 2):
            self.get_ready()
            assert self._process is not None
            try:
                assert self._process.stdin is not None
                write_frame(self._process.stdin, message)
                break
            except BrokenPipeError:
                # It was about to end by itself, after its minute.
                self.kill()
                if attempt == 2:
                    raise NoBaseline("the worker process could not be started") from None
        try:
            return self._answer(time.monotonic() + seconds)
        except BaseException:
            # Whatever it is doing (an interrupt, a worker that hangs): nothing must stay behind.
            self.kill()
            raise

    def _receive(self, deadline: float) -> bytes | None:
        """Give the next message of the worker's; None if it is gone."""
        assert self._process is not None and self._process.stdout is not None
        stream, began = self._process.stdout, time.monotonic()
        while True:
            left = deadline - time.monotonic()
            if left <= 0:
                waited = time.monotonic() - began
                raise NoBaseline(f"the worker process did not answer within {waited:.0f} s, and was ended")
            ready, _, _ = select.select([stream], [], [], min(left, 1.0))
            if ready:
                break
        return read_frame(stream)

    def _answer(self, deadline: float) -> Any:
        payload = self._receive(deadline)
        if payload is None:
            assert self._process is not None
            status = self._process.wait(5)
            how = f"signal {-status}" if status < 0 else f"status {status}"
            raise NoBaseline(f"the worker process died ({how})")
        answer, spent = pickle.loads(payload)
        if spent:
            # It has threads that do not end, and ends with them. The next one gets up meanwhile.
            self.kill()
            self.start()
        return answer

    def kill(self) -> None:
        """End it, if it is there."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()
            for stream in (process.stdin, process.stdout):
                if stream is not None:
                    # What was not written yet is not wanted any more.
                    with suppress(OSError):
                        stream.close()

    def forget_in_child(self) -> None:
        """After a fork the worker is the parent's."""
        self._process = None


_worker = Worker()
_one_at_a_time = threading.Lock()
atexit.register(_worker.kill)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_worker.forget_in_child)


def get_ready() -> None:
    """Start the worker process and wait until it is up, if it is not."""
    _worker.get_ready()


def renew() -> None:
    """End the worker process, if there is one, and start another: one that has done nothing yet."""
    with _one_at_a_time:
        _worker.kill()
        _worker.start()


def ask(job: Job) -> Report:
    """Let the worker process do a job.

    Raises
    ------
    NoBaseline
        If it cannot be given the job, fails in it, dies, or does not answer in time.
    """
    try:
        message = pickle.dumps({"path": job.path, "cwd": job.cwd, "job": pickled(job)})
    except Exception as error:
        raise NoBaseline(
            f"the program cannot be copied to the worker process: {first_line(error)}"
        ) from None
    with _one_at_a_time:
        answer = _worker.call(message, job.budget + _GRACE)
    if isinstance(answer, Failure):
        raise NoBaseline(
            answer.message if answer.expected else f"the worker process failed: {answer.message}"
        )
    return answer  # type: ignore[no-any-return]


def first_line(error: BaseException) -> str:
    """Give the first line of an error's text, or its name."""
    lines = str(error).strip().splitlines()
    return lines[0][:200] if lines else type(error).__name__
