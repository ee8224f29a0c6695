"""What a worker process does with its share of a program, and what it gives back.

`carry_out` is what an executor calls. It gets a header that every version of this package can read,
and the rest as bytes, which only the same version on the same Python must try to read.
"""

from __future__ import annotations

import _thread
import ast
import contextlib
import io
import multiprocessing
import os
import pickle
import platform
import shutil
import signal
import sys
import threading
import time
import traceback
import types
from array import array
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ..language import State
from .calls import Calls
from .exchange import read_with
from .glimpse import Glimpses, file_of
from .interrupts import told_of_interrupts
from .jobs import pack, unpack
from .observe import Observer
from .own_classes import OwnClasses
from .performing import import_all
from .printed import Piece
from .program import Execution, Program
from .restored import Columns, columns_of
from .scheduler import MOST_STACKS
from .share import ElsewhereError, Share, watching_channels
from .slow import SlowStep
from .stacks import StackFrame, stack_of_error
from .texts import short_repr
from .trace import STATE_CODES

_ALL = 1 << 31
_MOST_TRACEBACKS = 100
_GRACE = 5.0  # seconds in which a share must have stopped for whose owner is gone
_LOOK_EVERY = 0.05  # seconds between two looks at whether to stop
_TELL_AFTER = 4  # looks
_MOST_TRIED = 10_000_000  # bytes of results, up to which it is tried whether they can be unpickled
_ALWAYS_BACK = frozenset({int, float, complex, bool, str, bytes, types.NoneType})
_MOST_COMPARED = 20_000_000  # bytes carried, up to which it is looked at what has changed


@dataclass(frozen=True)
class Work:
    """What one process is to do.

    Attributes
    ----------
    program, carried, modules:
        As in `jobs.Job`.
    process, of:
        Which share, from 0, and how many there are.
    numbers:
        Of `Calls`, which of the run's calls these are.
    split, split_by:
        How a cell's coroutines are dealt out; a name of the user's function, or ``""``.
    exchange:
        Where the manager of shared channels is, and its key; None if there is none.
    path, cwd:
        Where to import from; where to be, None to stay.
    board:
        A folder in which a file ``stop`` means that the run is to be stopped, ``""`` for none.
    options:
        For the scheduler.
    owner:
        The process without which nobody wants this done any more; 0 for none.
    """

    program: Program | Calls
    carried: bytes
    modules: tuple[str, ...]
    process: int
    of: int
    numbers: array[int]
    split: str
    split_by: str
    exchange: tuple[str, bytes] | None
    path: list[str]
    cwd: str | None
    board: str
    options: dict[str, Any]
    owner: int = 0


@dataclass
class Part:
    """What came of one share.

    Attributes
    ----------
    process, pid, machine:
        Which share; of the process that ran it.
    began, ended:
        When the work began and ended, by that process's clock (`time.perf_counter`), in seconds.
    origin, elapsed, cpu:
        When the run began by that clock; how long it took; seconds of processor time.
    columns:
        The trace.
    tasks, states, numbers:
        Rows of the tasks, how they ended (indices into `STATES`), and their numbers in the order in
        which the body handed them over, -1 for others.
    values, errors:
        Results that are not None, and errors, by row, pickled in one.
    texts:
        What stands for those that do not pickle, by row.
    handed, names_elsewhere:
        Of each coroutine that the body handed over the process that has it; names of the others'.
    shown:
        What the cell displays, pickled one by one.
    changed:
        Names of globals that are not as they were.
    """

    process: int
    pid: int
    machine: str
    began: float
    ended: float
    origin: float
    elapsed: float
    cpu: float
    switches: int
    has_body: bool
    columns: Columns
    tasks: array[int]
    states: bytes
    numbers: array[int]
    values: bytes
    errors: bytes
    texts: dict[int, str]
    body_error: bytes
    handed: array[int]
    names_elsewhere: list[str]
    printed: list[Piece]
    lost_output: int
    shown: list[bytes]
    interrupted: bool
    never_started: list[str]
    slow_steps: list[SlowStep]
    slow_count: int
    stacks: dict[int, list[StackFrame]]
    changed: list[str] = field(default_factory=list)


def header_of_this() -> dict[str, Any]:
    """Give what must be the same in both processes."""
    from .. import __version__

    return {"coro_magic": __version__, "Python": "{}.{}".format(*sys.version_info[:2])}


def machine() -> str:
    """Name the machine: processes that give the same name have the same clock."""
    with contextlib.suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return platform.node()


_one_at_a_time = threading.Lock()


def carry_out(header: dict[str, Any], work: bytes) -> tuple[str, bytes]:
    """Do one share of a program. Gives ``"part"`` and a `Part`, pickled, or ``"refused"`` and why."""
    own = header_of_this()
    if header != own:
        differences = ", ".join(
            f"{name} {own.get(name)} instead of {value}"
            for name, value in header.items()
            if own.get(name) != value
        )
        return "refused", f"it has {differences}".encode()
    # An executor may have several threads to a process, or fewer workers than there are shares.
    with _one_at_a_time:
        try:
            return "part", pickle.dumps(_run(work), protocol=5)
        except KeyboardInterrupt:
            return "failed", b"interrupted before it began, or after it had ended"
        except Exception:
            return "failed", traceback.format_exc(limit=-5).encode()


_warm = False


def warm() -> int:
    """Run something small, the first time, so that a program finds a process as warm as the kernel is.

    Gives the process's id.
    """
    global _warm
    if not _warm:
        _warm = True
        # loky's start method is unknown to a process that a coroutine starts by `multiprocessing`: it would
        # die at once, and a pool would start the next one, for ever.
        multiprocessing.set_start_method(None, force=True)
        program = Program(ast.parse("def f():\n    yield\nf()"), "", "warm_up")
        options: dict[str, Any] = {}
        carry_out(
            header_of_this(),
            pickle.dumps(
                Work(program, pack({}, {}), (), 0, 1, array("i"), "robin", "", None, [], None, "", options)
            ),
        )
    return os.getpid()


def _run(message: bytes) -> Part:
    began = time.perf_counter()
    # Whatever comes to be from here on: calls have their channels with them.
    channels: list[Any] = []
    watching_channels(channels.append)
    try:
        return _watched(pickle.loads(message), channels, began)
    finally:
        watching_channels(None)
        read_with(None)


def _watched(work: Work, channels: list[Any], began: float) -> Part:
    sys.path += [each for each in work.path if each not in sys.path]
    if work.cwd is not None and os.getcwd() != work.cwd:
        os.chdir(work.cwd)
    work.program.remember_source()
    namespace = unpack(work.carried)
    share = Share(
        work.process, work.of, work.split, _looked_up(work.split_by, namespace), namespace,
        work.exchange, has_body=work.program.has_body, **work.options,
    )  # fmt: skip
    for channel in channels:
        share.made(channel)
    watching_channels(share.made)
    made: dict[str, type] = {}
    read_with(lambda item: OwnClasses(item, namespace, made).load())
    # One that comes a moment before the run, or after it, costs nothing of what it came to. There may be
    # several for one click: the terminal or the front end sends one to all, and there is the word to stop.
    with told_of_interrupts(share.request_interrupt):
        return _carried_out(work, share, namespace, began)


def _looked_up(name: str, namespace: dict[str, Any]) -> Callable[[], Any] | None:
    if not name:
        return None

    def found() -> Any:
        # It may be a function of the cell itself.
        function = namespace.get(name)
        if not callable(function):
            what = "is not there" if function is None else f"is {type(function).__name__}"
            raise TypeError(f"--split-by takes the name of a function, and {name} {what}")
        return function

    return found


def _carried_out(work: Work, share: Share, namespace: dict[str, Any], began: float) -> Part:
    shown: list[Any] = []
    execution = work.program.execution(namespace, shown.append)
    execution.get_ready()
    if isinstance(execution, Execution) and work.split == "robin" and not work.split_by:
        execution.passes_over = share.passing_over()
    observer = Observer(share, namespace) if isinstance(work.program, Program) else None
    before = dict(namespace)
    import_all(work.modules)
    quiet = io.StringIO()
    cpu = time.process_time()
    if observer is not None and share.trace.recording:
        observer.start(execution.code)  # type: ignore[union-attr]
    try:
        with (
            contextlib.redirect_stdout(_Nowhere()),
            contextlib.redirect_stderr(quiet),
            _Watched(share, work),
        ):
            share.run(execution.begin, namespace)
    finally:
        watching_channels(None)
        if share.link is not None:
            share.link.close()
        execution.end()
        if observer is not None:
            observer.stop()
    if share.deadlock is not None:
        share.deadlock.add_note(
            f"in process {work.process + 1} of {work.of}: coroutines of the others cannot take part in it"
        )
    return _part(work, share, namespace, before, shown, execution, observer, time.process_time() - cpu, began)


class _Nowhere(io.TextIOBase):
    """Standard output in a worker: what is printed is noted by the scheduler, and goes nowhere else."""

    def writable(self) -> bool:
        return True

    def write(self, text: str, /) -> int:
        return len(text)


def begun_file(board: str, process: int) -> str:
    """Give the file that is there when a process has begun with its share."""
    return os.path.join(board, f"begun {process}")


def ended_file(board: str, process: int) -> str:
    """Give the file that is there when a process's share has run: what it has come to is on its way."""
    return os.path.join(board, f"ended {process}")


class _Watched:
    """Looks for the word to stop while a share runs, and tells how far it is: a context manager."""

    def __init__(self, share: Share, work: Work) -> None:
        self._share = share
        # On another machine there is no such folder.
        there = bool(work.board) and os.path.isdir(work.board)
        self._stop = os.path.join(work.board, "stop") if there else ""
        self._glimpses = Glimpses(share, file_of(work.board, work.process))
        if there:
            share.tell(self._glimpses.look)
        self._board, self._owner, self._process = work.board, work.owner, work.process
        self._over = threading.Event()
        self._on_main = threading.current_thread() is threading.main_thread()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> None:
        if self._stop:
            with contextlib.suppress(OSError):
                Path(begun_file(self._board, self._process)).touch()
            self._thread.start()

    def __exit__(self, *exc_info: object) -> None:
        self._over.set()
        if self._stop:
            self._thread.join()
            with contextlib.suppress(OSError):
                Path(ended_file(self._board, self._process)).touch()

    def _look(self) -> None:
        looks = 0
        while not self._over.wait(_LOOK_EVERY):
            looks += 1
            if looks % _TELL_AFTER == 0:
                self._glimpses.leave()
            if self._owner and os.getppid() != self._owner:
                # A kernel that was killed, or restarted: nobody else tidies up.
                shutil.rmtree(self._board, ignore_errors=True)
                self._interrupt()
                self._over.wait(_GRACE)
                os._exit(1)
            # Whoever wants nothing any more may be gone with the folder before this has seen the word.
            if os.path.exists(self._stop) or not os.path.isdir(self._board):
                self._interrupt()
                return

    def _interrupt(self) -> None:
        # A step that does not switch hears of an interrupt only, and only a main thread has them, if its
        # process was not started as one that ignores them (by a shell, in the background).
        if self._on_main and callable(signal.getsignal(signal.SIGINT)):
            _thread.interrupt_main()
        else:
            self._share.request_interrupt()


def _part(
    work: Work, share: Share, namespace: dict[str, Any], before: dict[str, Any], shown: list[Any],
    execution: Any, observer: Observer | None, cpu: float, began: float,
) -> Part:  # fmt: skip
    has_body = work.program.has_body
    tasks = share.tasks[int(has_body) :]
    trace = share.trace
    numbers = np.full(len(trace), -1, np.int32)
    if has_body:
        numbers[np.asarray(share.rows)] = np.flatnonzero(np.asarray(share.processes) == work.process)
    else:
        numbers[: len(work.numbers)] = np.asarray(work.numbers)
    rows = array("i", [task.row for task in tasks])
    texts: dict[int, str] = {}
    values: dict[int, Any] = {
        task.row: task._value for task in tasks if task._final is State.DONE and task._value is not None
    }
    errors = {task.row: task._error for task in tasks if task._error is not None}
    body = share.tasks[0] if has_body and share.tasks else None
    told = [*errors.values(), *([body._error] if body is not None and body._error is not None else [])]
    _tell_tracebacks(told, work)
    slow_steps, slow_count = share.slow_steps()
    stacks = dict(share.stacks)
    for row, error in list(errors.items())[:MOST_STACKS]:
        stacks.setdefault(row, stack_of_error(error))
    return Part(
        process=work.process,
        pid=os.getpid(),
        machine=machine(),
        began=began,
        origin=trace.origin,
        elapsed=share.elapsed,
        cpu=cpu,
        switches=trace.switches + (0 if observer is None else observer.count),
        has_body=has_body,
        columns=columns_of(trace, _ALL, trace.detail, _ALL),
        tasks=rows,
        states=bytes(STATE_CODES[task.state] for task in tasks),
        numbers=array("i", numbers[np.asarray(rows)].tobytes()) if len(rows) else array("i"),
        values=_pickled(values, texts),
        errors=_pickled(errors, texts),
        body_error=b"" if body is None or body._error is None else _pickled({0: body._error}, {}),
        texts=texts,
        handed=share.processes,
        names_elsewhere=share.names_elsewhere,
        printed=[piece for piece in share.printed.raw if work.process == 0 or not has_body or piece[1] != 0],
        lost_output=share.printed.lost,
        shown=[_pickled(each, {}) for each in shown] if work.process == 0 else [],
        interrupted=share.interrupted,
        never_started=execution.never_started,
        slow_steps=slow_steps,
        slow_count=slow_count,
        stacks=stacks,
        changed=_changed(work, namespace, before),
        # Last: what came before is the work's, too.
        ended=time.perf_counter(),
    )


def _tell_tracebacks(errors: list[BaseException], work: Work) -> None:
    """Write where errors were raised into their notes: a traceback itself does not travel."""
    told: set[int] = set()
    for error in errors:
        if id(error) in told or isinstance(error, ElsewhereError) or error.__traceback__ is None:
            continue
        told.add(id(error))
        if len(told) > _MOST_TRACEBACKS:
            return
        lines = "".join(traceback.format_tb(error.__traceback__)).rstrip()
        error.add_note(f"in process {work.process + 1} of {work.of}:\n{lines}")


def _pickled(values: Any, texts: dict[int, str]) -> bytes:
    """Pickle values by row in one, so that what they share they share again; what cannot be is left out."""
    import cloudpickle

    try:
        together: bytes = cloudpickle.dumps(values)
        if not isinstance(values, dict) or _comes_back(together, values):
            return together
    except Exception:
        if not isinstance(values, dict):
            return cloudpickle.dumps(short_repr(values, 200))  # type: ignore[no-any-return]
    kept = {}
    for row, value in values.items():
        try:
            alone = cloudpickle.dumps(value)
            if not _comes_back(alone, {row: value}):
                pickle.loads(alone)  # tells why not
            kept[row] = value
        except Exception as error:
            if isinstance(value, BaseException):
                kept[row] = _stand_in(value)
            else:
                texts[row] = f"{short_repr(value, 200)} (it does not pickle: {error})"
    return cloudpickle.dumps(kept)  # type: ignore[no-any-return]


def _comes_back(pickled: bytes, values: dict[int, Any]) -> bool:
    """Say whether what pickles can be unpickled, too: errors with arguments of their own often cannot."""
    if len(pickled) > _MOST_TRIED or _ALWAYS_BACK.issuperset(map(type, values.values())):
        return True
    try:
        pickle.loads(pickled)
    except Exception:
        return False
    return True


def _stand_in(error: BaseException) -> RuntimeError:
    """Give an error that says what one says that cannot be copied."""
    text = short_repr(error, 200) if not str(error) else str(error)
    found = RuntimeError(f"{type(error).__name__}: {text}")
    for note in getattr(error, "__notes__", ()):
        found.add_note(note)
    return found


# What a program changed in its copy of the globals.


def _changed(work: Work, namespace: dict[str, Any], before: dict[str, Any]) -> list[str]:
    missing = object()
    names = [name for name in namespace if not name.startswith("__")]
    bound = [name for name in names if namespace[name] is not before.get(name, missing)]
    same = [
        name for name in names if namespace[name] is before.get(name, missing) and _is_data(namespace[name])
    ]
    if same and len(work.carried) <= _MOST_COMPARED:
        pristine = unpack(work.carried)
        bound += [name for name in same if not _equal(namespace[name], pristine.get(name))]
    return bound


def _is_data(value: Any) -> bool:
    return not isinstance(
        value,
        types.FunctionType | types.ModuleType | type | types.BuiltinFunctionType
        | int | float | complex | str | bytes | None,
    )  # fmt: skip


def _equal(one: Any, other: Any) -> bool:
    import cloudpickle

    with contextlib.suppress(Exception):
        if bool(one == other):
            return True
    with contextlib.suppress(Exception):
        # Objects that do not say what equals them.
        return bool(cloudpickle.dumps(one) == cloudpickle.dumps(other))
    return False

