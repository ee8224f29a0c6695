"""The card of one coroutine: its whole life, what it printed and gave, and where it stands."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..engines.frames import machinery_of
from ..engines.stacks import StackFrame, stack_of_error
from ..engines.trace import STATES, Intervals, Trace
from ..language import State, Where
from ..measure.run import Run
from .columns import line_text, of_library, short_file
from .late import NOBODY, Late, told
from .outcomes import traceback_of
from .side import WAITING, wait_word
from .text import one_line, short_repr

MOST_LIFE = 500  # entries of a life
_MOST_OUTPUT = 20_000  # characters
_MOST_TRACEBACK = 8_000
_AROUND = 2  # lines of code before and after


def card(run: Run, row: int, intervals: Intervals | None, late: Late = NOBODY) -> dict[str, Any]:
    """Give what there is to know of one row, as plain data and bounded text.

    Parameters
    ----------
    row:
        Its number in the run's trace.
    intervals:
        The bars of that side; None where they were not kept.
    late:
        Who was late because of whom.

    Raises
    ------
    ValueError
        If there is no such row.
    """
    trace = run.trace
    if not 0 <= row < len(trace):
        raise ValueError(f"there is no row {row}")
    task = next((task for task in run.tasks if task.row == row), None)
    state = trace.final(row)
    error = None if task is None else task._error
    life, more = ([], 0) if intervals is None else _life(run, row, intervals, late)
    recorded = trace.recording
    return {
        "row": row,
        "name": one_line(trace.name(row), 200),
        "unit": trace.unit,
        "state": "not ended" if state is None else str(state),
        "spawned": _spawned(run, row),
        "life": life,
        "more": more,
        "seconds": {
            str(each): trace.seconds(row, each) if recorded else None
            for each in (State.RUNNING, State.READY, State.WAITING)
        },
        "resumptions": trace.resumptions(row) if recorded else None,
        "items": trace.items(row),
        "output": run.printed.text(row)[:_MOST_OUTPUT],
        "result": short_repr(task._value, 2_000) if task and state is State.DONE else None,
        "traceback": None if error is None else _traceback(error),
        "stack": _frames(trace, stack(run, row, error)),
    }


def stack(run: Run, row: int, error: BaseException | None = None) -> list[StackFrame]:
    """Give the stack at which a row stood in the end, the outermost call first; empty if it returned."""
    known = run.stacks.get(row)
    if known is not None:
        return known
    return [] if error is None else stack_of_error(error)


def _spawned(run: Run, row: int) -> dict[str, Any] | None:
    trace = run.trace
    parent, where = trace.parent(row), trace.spawned_at(row)
    # The body was called by the notebook, at a line that is nobody's.
    if (parent < 0 and where is None) or (run.has_body and row == 0):
        return None
    return {
        "by": None if parent < 0 else one_line(run.trace.name(parent), 200),
        "line": None if where is None else where.line,
        "text": "" if where is None else line_text(trace, where),
    }


def _life(run: Run, row: int, intervals: Intervals, late: Late) -> tuple[list[dict[str, Any]], int]:
    """Give the stretches of a row's life, and how many more there are."""
    trace = run.trace
    low, high = intervals.of_row(row)
    shown = range(low, min(high, low + MOST_LIFE))
    own = slice(*np.searchsorted(late.stay, (low, high)).tolist())
    steps = dict(zip(late.stay[own].tolist(), late.step[own].tolist(), strict=True))
    life = []
    for at in shown:
        state, waker = int(intervals.state[at]), int(intervals.waker[at])
        why = ""
        if state == WAITING:
            reason = trace.reasons[int(intervals.reason[at])]
            why = wait_word(reason.verb) + ("" if reason.where is None else f", {reason.where}")
        elif waker >= 0:
            why = f"by {one_line(trace.name(waker), 80)}"
        elif at in steps:
            why = told(trace, intervals, at, steps[at])
        life.append({
            "state": str(STATES[state]),
            "begin": float(intervals.begin[at]),
            "end": float(intervals.end[at]),
            "why": why,
        })  # fmt: skip
    return life, high - low - len(life)


def _traceback(error: BaseException) -> str:
    text = traceback_of(error)
    return text if len(text) <= _MOST_TRACEBACK else "…" + text[-_MOST_TRACEBACK:]


def _frames(trace: Trace, stack: Sequence[StackFrame]) -> list[dict[str, Any]]:
    """Give a stack for people: of the notebook's own machinery only how many frames it is.

    That goes on, with the libraries that it calls, until it comes back to the user's code.
    """
    out: list[dict[str, Any]] = []
    inside = False
    for frame in stack:
        package = machinery_of(frame.file)
        inside = package is not None or (inside and of_library(frame.file))
        if not inside:
            out.append(_frame(trace, frame))
            continue
        if not out or "folded" not in out[-1]:
            out.append({"folded": 0, "of": []})
        out[-1]["folded"] += 1
        if package is not None and package not in out[-1]["of"]:
            out[-1]["of"].append(package)
    return out


def _frame(trace: Trace, frame: StackFrame) -> dict[str, Any]:
    first = max(frame.line - _AROUND, 1)
    lines = [(at, trace.line_of(Where(frame.file, at))) for at in range(first, frame.line + _AROUND + 1)]
    return {
        "function": one_line(frame.function, 80),
        "file": short_file(frame.file),
        "line": frame.line,
        "source": [{"line": at, "text": text} for at, text in lines if text],
        "locals": [list(pair) for pair in frame.locals],
    }
