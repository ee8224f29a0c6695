"""What a worker process does with a job: it runs the program on the engine that the job names."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import importlib
import io
import sys
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable
from typing import Any

from ..language import State
from . import switching
from .jobs import Job, Report, Result, unpack
from .printed import Printed, Write, noted
from .program import BODY_NAME
from .scheduler import Scheduler
from .shared import tell
from .switching.locks import is_for_more, waits
from .texts import short_repr
from .threads import ThreadEngine

Show = Callable[[Any], None]

_OUTPUT_LIMIT = 1_000_000  # characters kept of what a program prints


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
    output = _Output()
    namespace = unpack(job.carried)
    namespace.update(job.values)
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
        # What the cell displays is no output of a coroutine's.
        report = ENGINES[job.engine](
            job, namespace, lambda value: print(repr(value), file=output)
        )
    report.has_body = job.program.has_body
    if not job.figures_only:
        report.output = output.text()
    return report, threading.active_count() > 2


def _import(modules: tuple[str, ...]) -> None:
    for module in modules:
        with contextlib.suppress(Exception):  # the program will meet it, and say so
            importlib.import_module(module)


# The engines.


def on_threads(job: Job, namespace: dict[str, Any], show: Show) -> Report:
    """Run a job with one thread per coroutine."""
    engine, printed = ThreadEngine(job.detail, job.recording), Printed()

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

    execution = job.program.execution(namespace, show, engine.wrap)
    execution.get_ready()
    _import(job.modules)
    table = waits()
    if job.recording:
        table += [patch for patch in switching.patches() if patch.recorded]
    costs = _Costs()
    with noted(noting), switching.replaced(table, recorded, namespace), costs:
        complete = engine.run(execution.begin, job.budget)
    shared = tell(namespace, job.shared) if complete and not job.figures_only else {}
    return Report(
        trace=engine.record,
        results=_results(job, engine.tasks),
        elapsed=engine.elapsed,
        switches=engine.record.switches,
        complete=complete,
        started=engine.started,
        refused=engine.refused,
        output="",
        printed=printed,
        cpu=costs.cpu,
        memory=costs.memory,
        states=_states(engine.tasks),
        never_started=execution.never_started,
        shared=shared,
    )


def on_scheduler(job: Job, namespace: dict[str, Any], show: Show) -> Report:
    """Run a job as the kernel does, on one thread."""
    over = time.perf_counter() + job.budget

    def look() -> float:
        left = over - time.perf_counter()
        if left <= 0:
            scheduler.request_interrupt()
        return max(left, 0.0)

    scheduler = Scheduler(
        trace=job.recording,
        detail=job.detail,
        tick=look,
        has_body=job.program.has_body,
        slow_step=float("inf"),
        **job.options,
    )
    execution = job.program.execution(namespace, show)
    execution.get_ready()
    _import(job.modules)
    costs = _Costs()
    try:
        with costs:
            scheduler.run(execution.begin, namespace)
    finally:
        execution.end()
    return Report(
        trace=scheduler.trace,
        results=_results(job, scheduler.tasks),
        elapsed=scheduler.elapsed,
        switches=scheduler.trace.switches,
        complete=not scheduler.interrupted,
        started=len(scheduler.tasks),
        refused=False,
        output="",
        printed=scheduler.printed,
        cpu=costs.cpu,
        memory=costs.memory,
        states=_states(scheduler.tasks),
        never_started=execution.never_started,
    )


ENGINES: dict[str, Callable[[Job, dict[str, Any], Show], Report]] = {
    "threads": on_threads,
    "coroutines": on_scheduler,
}


# What it came to.


class _Costs:
    """Measures what a run costs the process, beside time: a context manager.

    Attributes
    ----------
    cpu:
        Seconds of processor time, of all threads.
    memory:
        By how many bytes the process grew at most; None where the system does not tell. Linux does:
        its proc(5) has VmHWM, the largest size so far, and sets it back when asked to.
    """

    def __init__(self) -> None:
        self.cpu = 0.0
        self.memory: int | None = None
        self._before: int | None = None

    def __enter__(self) -> _Costs:
        gc.collect()
        _give_back()
        self._before = _start_watching_memory()
        self.cpu = time.process_time()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.cpu = time.process_time() - self.cpu
        if self._before is not None:
            most = _status("VmHWM")
            self.memory = None if most is None else max(most - self._before, 0)


def _give_back() -> None:
    """Give memory that earlier jobs have freed back to the system: it would hide what this one needs."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):  # a C library other than GNU's
            ctypes.CDLL(None).malloc_trim(0)


def _start_watching_memory() -> int | None:
    try:
        with open("/proc/self/clear_refs", "w") as file:
            file.write("5")
    except OSError:
        return None
    return _status("VmRSS")


def _status(name: str) -> int | None:
    """Give a size that the system tells of this process, in bytes."""
    with open("/proc/self/status") as file:
        for line in file:
            if line.startswith(name + ":"):
                return 1024 * int(line.split()[1])
    return None


def _states(tasks: list[Any]) -> dict[State, int]:
    return dict(Counter(task.state for task in tasks))


def _results(job: Job, tasks: list[Any]) -> list[Result]:
    return [] if job.figures_only else [_result(task) for task in tasks]


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
