"""The worker process: one that runs a program on threads, and is idle in between.

Started with ``python -c``, it reads jobs from its standard input and writes answers to its standard
output, each a length and a pickle. It ends when there is no job for a minute, when the kernel that
started it is gone, or after a job that left threads behind, which nothing can end but the process.

A pool of a library would bring managing threads, a queue and trackers into the kernel, and the
contract is that a run leaves nothing but one idle process.
"""

from __future__ import annotations

import ast
import contextlib
import importlib
import io
import os
import pickle
import queue
import struct
import sys
import threading
import traceback
import types
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import IO, Any

from ..language import State
from . import switching
from .calls import Calls
from .printed import Printed, Write, noted
from .program import BODY_NAME, Program
from .switching.locks import is_for_more, waits
from .texts import short_repr
from .threads import ThreadEngine
from .trace import Trace

IDLE_SECONDS = 60.0
_OUTPUT_LIMIT = 1_000_000  # characters kept of what a program prints
_HEADER = struct.Struct("!Q")


@dataclass(frozen=True)
class Job:
    """What the worker is to do.

    Attributes
    ----------
    program:
        A cell, or calls of functions.
    carried:
        The names it refers to with what they are bound to, pickled (cloudpickle).
    modules:
        What the kernel had imported already of what the program imports: done before the clock
        starts here, too.
    budget:
        Seconds after which it is stopped.
    """

    program: Program | Calls
    carried: bytes
    modules: tuple[str, ...]
    budget: float
    detail: int
    recording: bool


@dataclass
class Result:
    """What one coroutine came to: its value pickled, or its text if it does not pickle."""

    row: int
    state: State
    value: bytes | None = None
    text: str = ""
    error: str = ""


@dataclass
class Report:
    """What the worker answers."""

    trace: Trace
    results: list[Result]
    elapsed: float
    switches: int
    complete: bool
    started: int
    refused: bool
    output: str
    printed: Printed
    never_started: list[str] = field(default_factory=list)


@dataclass
class Failure:
    """Why there is no report."""

    message: str


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


class _Output(io.TextIOBase):
    """Standard output of the program: kept up to a limit."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._length = 0
        self._lost = 0

    def writable(self) -> bool:
        return True

    def write(self, text: str, /) -> int:
        if self._length < _OUTPUT_LIMIT:
            self._parts.append(text)
            self._length += len(text)
        else:
            self._lost += len(text)
        return len(text)

    def text(self) -> str:
        lost = f"\n... and {self._lost:,} characters more\n" if self._lost else ""
        return "".join(self._parts) + lost


def perform(job: Job) -> tuple[Report, bool]:
    """Run a job. Gives the report, and whether threads are left behind."""
    namespace: dict[str, Any] = unpack(job.carried)
    output, printed = _Output(), Printed()
    engine = ThreadEngine(job.detail, job.recording)

    def noting(write: Write) -> Write:
        def note(text: str) -> Any:
            task = engine.current
            printed.note(engine.now(), -1 if task is None else task.row, text)
            return write(text)

        return note

    def recorded(patch: switching.Patch, original: Any) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            task = engine.current
            # One wait may be made of others; the outermost is what the program says.
            if task is None or task.request is not None:
                return original(*args, **kwargs)
            with engine.blocked(task, patch.verb, is_for_more(patch.verb)):
                return original(*args, **kwargs)

        return call

    execution = job.program.execution(
        namespace, lambda value: print(repr(value), file=output), engine.wrap
    )
    execution.get_ready()
    for module in job.modules:
        with contextlib.suppress(Exception):  # the program will meet it, and say so
            importlib.import_module(module)
    table = waits()
    if job.recording:
        table += [patch for patch in switching.patches() if patch.recorded]
    with (
        contextlib.redirect_stdout(output),
        contextlib.redirect_stderr(output),
        noted(noting),
        switching.replaced(table, recorded, namespace),
    ):
        complete = engine.run(execution.begin, job.budget)
    results = [_result(task) for task in engine.tasks]
    report = Report(
        trace=engine.record,
        results=results,
        elapsed=engine.elapsed,
        switches=engine.record.switches,
        complete=complete,
        started=engine.started,
        refused=engine.refused,
        output=output.text(),
        printed=printed,
        never_started=execution.never_started,
    )
    return report, threading.active_count() > 2


def _result(task: Any) -> Result:
    import cloudpickle

    result = Result(task.row, task.state)
    if task._error is not None:
        lines = traceback.format_exception_only(task._error)
        result.error = "".join(lines).strip()
    elif task.state is State.DONE and task._value is not None and task.name != BODY_NAME:
        try:
            result.value = cloudpickle.dumps(task._value)
        except Exception as error:
            result.text = f"{short_repr(task._value, 200)} (it does not pickle: {error})"
    return result


def pack(namespace: dict[str, Any], names: dict[str, Any], leave_out: Collection[Any] = ()) -> bytes:
    """Pickle the values of `names`, so that functions among them share one namespace again.

    Functions defined in a notebook are pickled by value, and those pickled together share their
    globals. A function without names of its own is sent along, to carry those globals.

    Parameters
    ----------
    leave_out:
        Objects that are not sent, wherever they are referred to.
    """
    import cloudpickle

    carrier = types.FunctionType(_carrier.__code__, namespace)
    carrier.__module__ = "__main__"
    if not leave_out:
        return cloudpickle.dumps((carrier, names))  # type: ignore[no-any-return]
    left_out = {id(each) for each in leave_out}

    class Pickler(cloudpickle.Pickler):  # type: ignore[misc]
        def persistent_id(self, value: Any) -> str | None:
            return "left out" if id(value) in left_out else None

    stream = io.BytesIO()
    Pickler(stream).dump((carrier, names))
    return stream.getvalue()


def _carrier() -> None: ...


class LeftOut:
    """Stands for what was not sent, because the program makes it anew before it uses it."""


class _Unpickler(pickle.Unpickler):
    def persistent_load(self, _: Any) -> LeftOut:
        return LeftOut()


def unpack(carried: bytes) -> dict[str, Any]:
    """Give the namespace that `pack` packed."""
    carrier, names = _Unpickler(io.BytesIO(carried)).load()
    namespace: dict[str, Any] = carrier.__globals__
    namespace.update(names)
    namespace.setdefault("__name__", "__main__")
    namespace.setdefault("__builtins__", __builtins__)
    return namespace


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
        job = pickle.loads(message)
        sys.path[:] = job["path"]
        if os.getcwd() != job["cwd"]:
            os.chdir(job["cwd"])
        job["job"].program.remember_source()
        report, spent = perform(job["job"])
        return cloudpickle.dumps((report, spent)), spent
    except BaseException:
        return pickle.dumps((Failure(traceback.format_exc(limit=-3).strip()), True)), True
