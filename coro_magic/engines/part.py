"""What one process is to do of a program, and what came of it, ready to be sent back."""

from __future__ import annotations

import contextlib
import os
import pickle
import platform
import time
import traceback
import types
from array import array
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ..language import State
from .calls import Calls
from .jobs import unpack
from .observe import Observer
from .printed import Piece
from .program import Program
from .restored import Columns, columns_of
from .scheduler import MOST_STACKS
from .share import ElsewhereError, Share
from .slow import SlowStep
from .stacks import StackFrame, stack_of_error
from .texts import short_repr
from .trace import STATE_CODES

_ALL = 1 << 31
_MOST_TRACEBACKS = 100
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


def machine() -> str:
    """Name the machine: processes that give the same name have the same clock."""
    with contextlib.suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return platform.node()


def part_of(
    work: Work, share: Share, namespace: dict[str, Any], before: dict[str, Any], shown: list[Any],
    execution: Any, observer: Observer | None, cpu: float, began: float,
) -> Part:  # fmt: skip
    """Give what came of a share that has run.

    Parameters
    ----------
    before:
        The globals as they were bound before it ran.
    shown:
        What the cell displayed.
    cpu, began:
        Seconds of processor time; when the work began, by this process's clock.
    """
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
