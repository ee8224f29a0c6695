"""What the interactive timeline draws of one side, as columns of numbers.

A million bars travel as a few arrays. Names and lines of code are sent once, and referred to by number.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..engines.trace import Intervals, Reason, Trace
from ..language import Where
from ..measure.run import Run
from .late import NOBODY, Late
from .side import WAITING
from .text import one_line

Column = NDArray[Any]
Columns = dict[str, Column]

MOST_REASONS = 5_000
BY_HAND, DAEMON, BODY, HEEDED = 1, 2, 4, 8  # the bits of a row's flags
_LIBRARY = re.compile(
    r"(^|[\\/])(site-packages|dist-packages|lib[\\/]python3[.\dt]*)[\\/]|^<(frozen |decorator-gen)", re.I
)
_TYPES = {"i1": "i8", "u1": "u8", "i4": "i32", "f4": "f32", "f8": "f64"}


def row_columns(run: Run, intervals: Intervals | None) -> tuple[list[str], Columns]:
    """Give the different names, and what is known of each row; columns of shape (rows,).

    ``base`` and ``number`` are the name (see `Trace.name_columns`); ``parent`` a row; ``final`` an index
    into `STATES`, -1 for a row that did not end; ``born``, ``ended``, ``running``, ``ready``,
    ``waiting`` and ``longest`` (the longest wait) seconds; ``resumptions`` a number; ``flags`` 1 for
    driven by hand, 2 for a daemon, 4 for the cell's body, added up; ``turn``, where bars are known, how many
    switches there had been by its last bar's end.
    """
    trace = run.trace
    rows = len(trace)
    names, base, number = trace.name_columns()
    totals: Mapping[str, Column] = trace.totals() if trace.recording else {}
    none = np.zeros(rows)
    return [one_line(name, 200) for name in names], {
        "base": base,
        "number": number,
        "parent": trace.parents(),
        "final": trace.final_codes(),
        "born": totals.get("born", none),
        "ended": totals.get("ended", none),
        **{name: totals.get(name, none).astype(np.float32) for name in ("running", "ready", "waiting")},
        "longest": _longest_waits(rows, intervals, totals.get("waiting", none)),
        "resumptions": totals.get("resumptions", none).astype(np.int32),
        "flags": row_flags(run, rows, driven=trace.driven_rows(), daemons=trace.daemons),
        **({} if intervals is None else {"turn": _last_turns(rows, intervals)}),
    }


def row_flags(
    run: Run,
    count: int,
    *,
    driven: Iterable[int],
    daemons: Iterable[int],
    heeded: Iterable[int] = (),
) -> NDArray[np.uint8]:
    """Give the flags of the first `count` rows: `BY_HAND`, `DAEMON`, `BODY`, `HEEDED`, added up.

    Parameters
    ----------
    driven, daemons, heeded:
        The rows that were driven by hand, are daemons, failed with an error that somebody saw.
    """
    flags = np.zeros(count, np.uint8)
    # Every thread is driven by its engine.
    by_hand = driven if run.unit == "coroutine" else ()
    body = (0,) if run.has_body and count else ()
    for flag, rows in ((BY_HAND, by_hand), (DAEMON, daemons), (BODY, body), (HEEDED, heeded)):
        flags[np.fromiter(rows, np.int64)] |= flag
    return flags


def _last_turns(rows: int, intervals: Intervals) -> Column:
    last = np.zeros(rows, np.int32)
    np.maximum.at(last, intervals.row, intervals.turn_end.astype(np.int32))
    return last


def _longest_waits(rows: int, intervals: Intervals | None, waiting: Column) -> Column:
    """Give each row's longest wait, in seconds; all its waiting, where the single waits are not known."""
    if intervals is None:
        return waiting.astype(np.float32)
    longest = np.zeros(rows, np.float64)
    waits = intervals.state == WAITING
    np.maximum.at(longest, intervals.row[waits], (intervals.end - intervals.begin)[waits])
    return longest.astype(np.float32)


def bar_columns(intervals: Intervals, which: Any = slice(None), late: Late = NOBODY) -> Columns:
    """Give bars: who was in which state from when to when, in seconds and in switches; shape (bars,).

    ``reason`` is the number of a reason where the state is waiting, the row that made this one ready plus
    one where it is ready, and the row that drives it by hand plus one where it is running. Where one is ready
    and `late`, it is the row that held the thread plus one, and negative.
    """
    state = intervals.state[which]
    known = intervals.reason[which]
    known = np.where(known < MOST_REASONS, known, 0)
    waker = intervals.waker
    if len(late):
        waker = waker.copy()
        waker[late.stay] = -(intervals.row[late.step] + 2)
    reason = np.where(state == WAITING, known, waker[which] + 1)
    return {
        "row": intervals.row[which].astype(np.int32),
        "state": state.astype(np.uint8),
        "begin": intervals.begin[which],
        "end": intervals.end[which],
        "sbegin": intervals.turn[which].astype(np.int32),
        "send": intervals.turn_end[which].astype(np.int32),
        "reason": reason.astype(np.int32),
    }


def reasons(trace: Trace) -> list[dict[str, Any]]:
    """Give what waits are for, and at which line, with the line's text; `MOST_REASONS` at most."""
    return [reason_of(trace, reason) for reason in trace.reasons[:MOST_REASONS]]


def reason_of(trace: Trace, reason: Reason) -> dict[str, Any]:
    """Give one reason for waiting as plain data."""
    where = reason.where
    if where is None:
        return {"verb": one_line(reason.verb, 24), "line": None, "file": "", "text": ""}
    return {
        "verb": one_line(reason.verb, 24),
        "line": where.line,
        "file": short_file(where.file),
        "text": line_text(trace, where),
    }


def short_file(file: str) -> str:
    """Give a file's name without its folder."""
    return one_line(os.path.basename(file), 60)


def of_library(file: str) -> bool:
    """Say whether a file belongs to Python or to an installed package, on whatever machine it was."""
    return _LIBRARY.search(file) is not None


def line_text(trace: Trace, where: Where) -> str:
    """Give the text of a line of code, where it is known."""
    return one_line(trace.line_of(where).strip(), 160)


def packed(prefix: str, columns: Columns, buffers: list[bytes]) -> dict[str, dict[str, Any]]:
    """Add columns to `buffers`; give for each where it is and of which type."""
    out: dict[str, dict[str, Any]] = {}
    for name, column in columns.items():
        kind = _TYPES[column.dtype.str[1:]]
        out[f"{prefix}.{name}"] = {"buffer": len(buffers), "type": kind}
        buffers.append(np.ascontiguousarray(column).tobytes())
    return out

