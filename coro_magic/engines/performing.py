"""What a worker process does with a job: it runs the program on the engine that the job names."""

from __future__ import annotations

import _thread
import contextlib
import ctypes
import functools
import gc
import importlib
import io
import signal
import sys
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from ..language import State
from . import switching
from .calls import Calls
from .jobs import Cannot, Job, Report, Result, unpack
from .printed import Printed, Write, noted
from .program import BODY_NAME
from .scheduler import Scheduler
from .shared import tell
from .switching.locks import is_for_more, waits
from .texts import short_repr
from .thread_waits import Call
from .threads import ThreadEngine
from .trace import Trace

if TYPE_CHECKING:
    from .gevent_guest import GeventEngine
    from .guests import GuestEngine

Show = Callable[[Any], None]

_GRACE = 0.2  # seconds beyond its budget in which the scheduler should have stopped by itself
_MOST_TRACEBACKS = 100
_LONGEST_TRACEBACK = 20_000  # characters
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
    """Run a job. Gives the report, and whether the process is not fit for another one: threads are left, say.

    Raises
    ------
    Cannot
        If the engine cannot run this program.
    """
    output = _Output()
    if job.engine in _FIRST:
        _FIRST[job.engine]()
    namespace = unpack(job.carried)
    namespace.update(job.values)
    if isinstance(job.program, Calls):
        namespace = next(iter(job.program.own_globals()), namespace)
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
        # What the cell displays is no output of a coroutine's.
        report = ENGINES[job.engine](
            job, namespace, lambda value: print(repr(value), file=output)
        )
    report.has_body = job.program.has_body
    if not job.figures_only:
        report.output = output.text()
    return report, report.spent or threading.active_count() > 2


def import_all(modules: tuple[str, ...]) -> None:
    """Import what the kernel has imported already, as far as it is here."""
    for module in modules:
        with contextlib.suppress(Exception):  # the program will meet it, and say so
            importlib.import_module(module)


# The engines.


def on_threads(job: Job, namespace: dict[str, Any], show: Show) -> Report:
    """Run a job with one thread per coroutine."""
    return _on_threads(job, namespace, show, ThreadEngine(job.detail, job.recording), by_hand=True)


def on_pool(job: Job, namespace: dict[str, Any], show: Show) -> Report:
    """Run a job on a pool of threads."""
    from .pool import PoolEngine

    engine = PoolEngine(job.detail, job.recording, job.program.has_body)
    report = _on_threads(job, namespace, show, engine)
    report.notes.append(f"the pool had {engine.size} threads, as many as it has by itself")
    return report


def one_after_another(job: Job, namespace: dict[str, Any], show: Show) -> Report:
    """Run a job without any concurrency."""
    from .sequential import SequentialEngine

    return _on_threads(job, namespace, show, SequentialEngine(job.detail, job.recording))


def _on_threads(
    job: Job, namespace: dict[str, Any], show: Show, engine: ThreadEngine, by_hand: bool = False
) -> Report:
    """Run a job on an engine with threads; `by_hand` if generators driven by hand have threads, too."""
    printed = Printed()
    execution = job.program.execution(namespace, show, engine.wrap if by_hand else None)
    execution.get_ready()
    import_all(job.modules)
    costs = _Costs()
    with noted(_noting(engine, printed)), _watching(job, engine, namespace), costs:
        complete = engine.run(execution.begin, job.budget)
    if engine.cannot:
        raise Cannot(engine.cannot)
    report = _report(job, engine, engine.record, complete, printed, costs, execution, namespace)
    report.started, report.refused = engine.started, engine.refused
    return report


def _watching(
    job: Job, engine: ThreadEngine | GeventEngine, namespace: dict[str, Any]
) -> AbstractContextManager[Any]:
    """Let calls that block be seen as waits, for the length of a ``with`` block."""
    table = waits()
    if isinstance(engine, ThreadEngine) and not job.recording:
        # All that must be known then is who waits for nothing but more, and it must cost next to nothing.
        only = [patch for patch in table if is_for_more(patch.verb)]
        return switching.replaced(only, functools.partial(_briefly_watched, engine), namespace)

    def watched(patch: switching.Patch, original: Any) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            task: Any = engine.current
            # One wait may be made of others; the outermost is what the program says.
            if task is None or task.request is not None:
                return original(*args, **kwargs)
            with engine.blocked(task, patch.verb, is_for_more(patch.verb)):
                return original(*args, **kwargs)

        return call

    table += [patch for patch in switching.patches() if patch.recorded]
    return switching.replaced(table, watched, namespace)


def _briefly_watched(engine: ThreadEngine, patch: switching.Patch, original: Any) -> Callable[..., Any]:
    """Give a call that lets be seen that its caller waits for more."""
    wait = Call(patch.verb, True)
    clock = time.perf_counter

    def call(*args: Any, **kwargs: Any) -> Any:
        task: Any = engine.current
        if task is None or task.request is not None:
            return original(*args, **kwargs)
        task.since = clock()
        task.request = wait
        try:
            return original(*args, **kwargs)
        finally:
            task.request = None

    return call


def _noting(engine: ThreadEngine | GuestEngine, printed: Printed) -> Callable[[Write], Write]:
    """Give what lets an engine's coroutines print and notes it."""

    def noting(write: Write) -> Write:
        def note(text: str) -> Any:
            task = engine.current
            printed.note(engine.now(), -1 if task is None else task.row, text)
            return write(text)

        return note

    return noting


@contextlib.contextmanager
def _interrupted_after(seconds: float) -> Iterator[threading.Event]:
    """Interrupt the main thread when it has been in a ``with`` block for so long, unless the event is set.

    A step that holds the thread gives the scheduler no occasion to look at the clock.
    """
    settled = threading.Event()

    def interrupt() -> None:
        if settled.wait(seconds):
            return
        if hasattr(signal, "pthread_kill"):
            # Calls that block are interrupted, too.
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
        else:
            _thread.interrupt_main()

    watch = threading.Thread(target=interrupt, daemon=True)
    watch.start()
    try:
        yield settled
    finally:
        # In turns, because an interrupt that came at the last moment strikes here.
        for _ in range(2):
            with contextlib.suppress(KeyboardInterrupt):
                settled.set()
                watch.join()


def on_scheduler(job: Job, namespace: dict[str, Any], show: Show) -> Report:
    """Run a job as the kernel does, on one thread."""
    over = time.perf_counter() + job.budget

    def look() -> float:
        left = over - time.perf_counter()
        if left <= 0:
            settled.set()
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
    import_all(job.modules)
    costs = _Costs()
    try:
        with _interrupted_after(job.budget + _GRACE) as settled, costs:
            scheduler.run(execution.begin, namespace)
    finally:
        execution.end()
    whole = not scheduler.interrupted
    report = _report(
        job, scheduler, scheduler.trace, whole, scheduler.printed, costs, execution, namespace
    )
    report.spent = False  # it has closed everybody, however it ended
    return report


def on_asyncio(job: Job, namespace: dict[str, Any], show: Show) -> Report:
    """Run a job as tasks of asyncio's."""
    from .asyncio_guest import AsyncioEngine

    engine = AsyncioEngine(job.detail, job.recording)

    def timed(patch: switching.Patch, original: Any) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            if engine.current is None:
                return original(*args, **kwargs)
            with engine.blocking(patch.verb):
                return original(*args, **kwargs)

        return call

    # The loop itself waits with what is in `select`.
    table = [patch for patch in switching.patches() if patch.recorded and _module(patch) != "select"]
    with switching.replaced(table if job.recording else [], timed, namespace):
        report = _on_guest(job, namespace, show, engine)
    report.notes += engine.notes
    return report


def _module(patch: switching.Patch) -> str:
    return str(getattr(patch.owner, "__module__", None) or patch.owner.__name__)


def on_gevent(job: Job, namespace: dict[str, Any], show: Show) -> Report:
    """Run a job as greenlets of gevent's; the standard library is patched already (see `_FIRST`)."""
    from .gevent_guest import GeventEngine

    engine = GeventEngine(job.detail, job.recording)
    with _watching(job, engine, namespace):
        report = _on_guest(job, namespace, show, engine)
    report.notes += engine.notes
    report.spent = True
    return report


def _patched_by_gevent() -> None:
    from .gevent_guest import patch

    patch()


def _on_guest(job: Job, namespace: dict[str, Any], show: Show, engine: GuestEngine) -> Report:
    """Run a job on the loop of another library."""
    printed = Printed()
    execution = job.program.execution(namespace, show)
    execution.get_ready()
    import_all(job.modules)
    costs = _Costs()
    with noted(_noting(engine, printed)), costs:
        complete = engine.run(execution.begin, job.budget)
    return _report(job, engine, engine.trace, complete, printed, costs, execution, namespace)


ENGINES: dict[str, Callable[[Job, dict[str, Any], Show], Report]] = {
    "threads": on_threads,
    "threadpool": on_pool,
    "sequential": one_after_another,
    "asyncio": on_asyncio,
    "gevent": on_gevent,
    "coroutines": on_scheduler,
}

# What is done before anything of the program's is there.
_FIRST: dict[str, Callable[[], None]] = {"gevent": _patched_by_gevent}


# What it came to.


def _report(
    job: Job, engine: Any, trace: Trace, complete: bool, printed: Printed, costs: _Costs,
    execution: Any, namespace: dict[str, Any],
) -> Report:  # fmt: skip
    """Tell of a run that is over. Where it was cut off, who was is still there, and spends the process."""
    return Report(
        trace=trace,
        results=[] if job.figures_only else _results(engine.tasks),
        elapsed=engine.elapsed,
        switches=trace.switches,
        complete=complete,
        started=len(engine.tasks),
        refused=False,
        output="",
        printed=printed,
        cpu=costs.cpu,
        memory=costs.memory,
        states=_states(engine.tasks),
        never_started=execution.never_started,
        shared=tell(namespace, job.shared) if complete and not job.figures_only else {},
        spent=not complete,
    )


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
    # An error that somebody saw to is a way to be done.
    return dict(
        Counter(
            State.DONE if task.state is State.FAILED and task.heeded else task.state for task in tasks
        )
    )


def _results(tasks: list[Any]) -> list[Result]:
    failed = 0
    results = []
    for task in tasks:
        failed += task._error is not None
        results.append(_result(task, with_traceback=failed <= _MOST_TRACEBACKS))
    return results


def _told(error: BaseException, with_traceback: bool) -> tuple[str, str, str]:
    """Give the name of an error's class, what it says, and its traceback, which the engine has stripped."""
    try:
        said = str(error)
        whole, last = traceback.format_exception, traceback.format_exception_only
        lines = whole(error) if with_traceback else last(error)
    except Exception as raised:  # what the user's classes do in between
        said, lines = f"<no text: {type(raised).__name__}>", []
    return type(error).__name__, said, "".join(lines)[-_LONGEST_TRACEBACK:]


def _result(task: Any, with_traceback: bool) -> Result:
    import cloudpickle

    result = Result(task.row, task.state)
    if task._error is not None:
        result.error = _told(task._error, with_traceback)
    elif task.state is State.DONE and task._value is not None and task.name != BODY_NAME:
        try:
            result.value = cloudpickle.dumps(task._value)
        except Exception as error:
            result.text = f"{short_repr(task._value, 200)} (it does not pickle: {error})"
    return result
