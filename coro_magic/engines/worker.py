"""The worker process: one that runs a program, on threads say, and is idle in between.

Started with ``python -c``, it reads jobs from its standard input and writes answers to its standard
output, each a length and a pickle. It ends when there is no job for a minute, when the kernel that
started it is gone, or after a job that left threads behind, which nothing can end but the process.

A pool of a library would bring managing threads, a queue and trackers into the kernel, and the
contract is that a run leaves nothing but one idle process.
"""

from __future__ import annotations

import ast
import os
import pickle
import queue
import struct
import sys
import threading
import traceback
from typing import IO, Any

from .jobs import Cannot, Failure, Job, pack
from .performing import perform
from .program import Program

IDLE_SECONDS = 60.0
_HEADER = struct.Struct("!Q")


def write_frame(stream: IO[bytes], payload: bytes) -> None:
    """Write one message."""
    stream.write(_HEADER.pack(len(payload)))
    stream.write(payload)
    stream.flush()


def read_frame(stream: IO[bytes]) -> bytes | None:
    """Read one message; None at the end of the stream."""
    header = stream.read(_HEADER.size)
    if len(header) < _HEADER.size:
        return None
    (length,) = _HEADER.unpack(header)
    payload = stream.read(length)
    return payload if len(payload) == length else None


def main() -> None:
    """Do jobs until there are none."""
    jobs: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
    # The two ends are moved away, so that the program's own reading and writing cannot touch them.
    incoming, outgoing = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nothing, descriptor)

    def listen() -> None:
        # A thread of its own, so that the end of the kernel is noticed in the middle of a job too.
        while True:
            message = read_frame(incoming)
            if message is None:
                os._exit(0)
            jobs.put(message)

    threading.Thread(target=listen, daemon=True).start()
    _warm_up()
    write_frame(outgoing, b"ready")
    while True:
        try:
            message = jobs.get(timeout=IDLE_SECONDS)
        except queue.Empty:
            os._exit(0)
        answer, spent = _answer(message)
        write_frame(outgoing, answer)
        if spent:
            os._exit(0)


def _warm_up() -> None:
    """Run something small, so that the first program finds a process as warm as the kernel is."""
    tree = ast.parse("def f():\n    yield\nf()")
    program = Program(tree, "", "warm_up")
    perform(Job(program, pack({}, {}), (), 1.0, 1000, True))


def _answer(message: Any) -> tuple[bytes, bool]:
    import cloudpickle

    try:
        given = pickle.loads(message)
        # What the job refers to is imported from there.
        sys.path[:] = given["path"]
        if given["cwd"]:
            os.chdir(given["cwd"])
        job: Job = pickle.loads(given["job"])
        sys.argv[:] = job.argv
        if job.environ != os.environ:
            os.environ.clear()
            os.environ.update(job.environ)
        job.program.remember_source()
        report, spent = perform(job)
        return cloudpickle.dumps((report, spent)), spent
    except Cannot as reason:
        return pickle.dumps((Failure(str(reason), expected=True), True)), True
    except BaseException:
        return pickle.dumps((Failure(traceback.format_exc(limit=-3).strip()), True)), True
