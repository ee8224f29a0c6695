"""A trace as plain columns, and a trace that is made of them again.

Who saves a run needs to know what a trace holds, and not how it holds it: `columns_of` gives it, and
`restored` makes a `Trace` of it that reads the same. Beyond a number of events the columns have, as the
trace itself beyond its detail, only how many rows were in which state.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..language import Where
from .events import BATCH, KIND_BITS, KIND_MASK, WOKEN, Floats, Ints, Mark, Reason
from .grid import BINS, GROUPS, Cells, at_most
from .naming import Naming
from .trace import STATE_CODES, STATES, Chunk, Trace

LARGE = 1e300  # no time is larger: it could not be added to others
TOTALS = ("resumptions", "running", "ready", "waiting", "longest", "born", "ended")


@dataclass
class Columns:
    """What a trace holds. Where rows are counted, they are the trace's, up to a bound.

    Attributes
    ----------
    names, numbers:
        Of each row the name that it was given, and the number that makes it unique, 1 for none.
    parents, spawned, final:
        Of each row the row that spawned it, -1 for none; the index into `reasons` of where; the index
        into `STATES` of how it ended, -1 if it did not. Integers.
    places, items:
        Of some rows where they wait or ended, and how many items they produced.
    driven, daemons, heeded:
        Rows.
    totals:
        The columns `TOTALS`, each of shape (rows,); None without a trace.
    events:
        Rows, codes and times of all events, as in `Trace.events`; None where there were too many.
    cells:
        What there is then.
    """

    unit: str
    recording: bool
    duration: float
    switches: int
    names: list[str]
    numbers: list[int]
    parents: list[int]
    spawned: list[int]
    final: list[int]
    places: dict[int, Where]
    items: dict[int, int]
    driven: set[int]
    daemons: set[int]
    heeded: set[int]
    reasons: list[Reason]
    lines: dict[Where, str]
    marks: list[Mark]
    totals: dict[str, NDArray[Any]] | None = None
    events: tuple[Ints, Ints, Floats] | None = None
    cells: Cells | None = None
    rows_left_out: int = field(default=0)


def columns_of(trace: Trace, rows: int, events: int, reasons: int) -> Columns:
    """Give what a trace holds.

    Parameters
    ----------
    rows, events, reasons:
        How many to give at most, ints ≥ 1. Of rows and reasons these are the first; where there are more
        events, or not all rows, there are cells instead.
    """
    count = min(len(trace), rows)
    whole = count == len(trace)
    known = trace.reasons[:reasons]

    def few(found: set[int]) -> set[int]:
        return {row for row in found if row < count}

    out = Columns(
        unit=trace.unit,
        recording=trace.recording,
        duration=trace.duration,
        switches=trace.switches,
        names=trace._names[:count],
        numbers=trace._naming.numbers(count),
        parents=trace._parents[:count].tolist(),
        spawned=[at if at < len(known) else 0 for at in trace._born_at[:count]],
        final=trace.final_codes()[:count].tolist(),
        places=trace.places(count),
        items={row: items for row, items in trace._items.items() if row < count},
        driven=few(trace._driven),
        daemons=few(trace.daemons),
        heeded=few(trace.heeded),
        reasons=list(known),
        lines=trace.lines,
        marks=trace.marks,
        rows_left_out=len(trace) - count,
    )
    if not trace.recording:
        return out
    totals = trace.totals()
    out.totals = {name: totals[name][:count] for name in TOTALS}
    if trace.detailed and whole and trace.events_written <= events:
        which, codes, times, _ = trace.events()
        if len(known) < len(trace.reasons):
            unknown = ((codes & KIND_MASK) != WOKEN) & ((codes >> KIND_BITS) >= len(known))
            codes = np.where(unknown, codes & KIND_MASK, codes)
        out.events = which, codes, times
    else:
        out.cells = trace.cells()
    return out


class _Restored(Trace):
    """A trace that was read back: its totals are known, and nothing is written to it any more."""

    def __init__(self, columns: Columns) -> None:
        super().__init__(columns.recording, unit=columns.unit)
        self.duration, self.switches = columns.duration, columns.switches
        self.marks, self.reasons, self.lines = columns.marks, columns.reasons, columns.lines
        self.daemons, self.heeded = columns.daemons, columns.heeded
        self._reason_ids = {reason: number for number, reason in enumerate(columns.reasons)}
        self._names, self._naming = columns.names, Naming(columns.names, columns.numbers)
        self._parents, self._born_at = array("i", columns.parents), array("i", columns.spawned)
        self._items, self._driven = columns.items, columns.driven
        for row, code in enumerate(columns.final):
            state = STATES[code] if code >= 0 else None
            self.ended(row, self.ending(state, columns.places.get(row)))
        self._known_totals = columns.totals
        self._cells = columns.cells
        if columns.events is not None:
            rows, codes, times = columns.events
            by = self._drivers(rows, codes)
            self._chunks = [Chunk(rows, codes, times, 0.0, 0.0, by)] if len(rows) else []
            self._folded = len(rows)

    @property
    def detailed(self) -> bool:
        return self.recording and self._cells is None

    def _check_detailed(self) -> None:
        if self._cells is not None:
            raise ValueError("this run was longer than its detail; use occupancy()")

    def totals(self) -> dict[str, NDArray[Any]]:
        if self._known_totals is None:
            return super().totals()
        items = np.zeros(len(self), np.int64)
        for row, count in self._items.items():
            items[row] = count
        return {**{name: column.copy() for name, column in self._known_totals.items()}, "items": items}

    def cells(self) -> Cells:
        return super().cells() if self._cells is None else self._cells

    def occupancy(self, groups: int, bins: int, until: float | None = None) -> Floats:
        if self._cells is None:
            return super().occupancy(groups, bins, until)
        until = self.duration if until is None else until
        values = at_most(self._cells.values, groups, 0, np.sum)
        if until == self.duration and bins >= values.shape[1]:
            return values.copy()
        return resampled(values, self.duration, min(bins, values.shape[1]), until)

    def progress(self, bins: int = 512) -> tuple[Floats, Ints]:
        if self._cells is None:
            return super().progress(bins)
        edges = np.linspace(0.0, self.duration, bins + 1)
        known = self._cells.resumptions
        if len(known) == bins + 1:
            return edges, known.copy()
        at = np.linspace(0.0, self.duration, len(known))
        return edges, np.interp(edges, at, known).astype(np.int64)


def resampled(values: Floats, seconds: float, bins: int, until: float) -> Floats:
    """Give the means over `bins` bins from 0 to `until`, of values over bins from 0 to `seconds`."""
    if not (seconds > 0 and until > 0):
        return values[:, :bins].copy()
    sums = np.zeros((values.shape[0], values.shape[1] + 2, values.shape[2]))
    sums[:, 1:-1] = np.cumsum(values, axis=1)
    sums[:, -1] = sums[:, -2]
    # In bins of what there was: beyond its end nothing is added.
    edges = np.minimum(np.linspace(0.0, until / seconds, bins + 1), 1.0) * values.shape[1]
    whole = edges.astype(np.int64)
    at = sums[:, whole] + (edges - whole)[None, :, None] * (sums[:, whole + 1] - sums[:, whole])
    out: Floats = np.diff(at, axis=1) / (until / seconds * values.shape[1] / bins)
    return np.maximum(out, 0.0)


def restored(columns: Columns) -> Trace:
    """Make a trace of what `columns_of` gave.

    Raises
    ------
    ValueError
        If the columns do not fit one another; the message says what is wrong.
    """
    _check(columns)
    return _Restored(columns)


def _check(columns: Columns) -> None:
    count = len(columns.names)
    for name in ("numbers", "parents", "spawned", "final"):
        if len(getattr(columns, name)) != count:
            raise ValueError(f"{name} has {len(getattr(columns, name))} entries for {count} rows")
    if not columns.reasons or columns.reasons[0] != Reason("", None):
        raise ValueError("the first reason must be the empty one")
    _within("a number of a name", columns.numbers, 1, 1 << 31)
    _within("a parent", columns.parents, -1, count)
    _within("a line where one was spawned", columns.spawned, 0, len(columns.reasons))
    _within("a state", columns.final, -1, len(STATE_CODES))
    for rows in (columns.driven, columns.daemons, columns.heeded, columns.places, columns.items):
        _within("a row", rows, 0, count)
    _within("the row of a mark", [mark.row for mark in columns.marks], -1, count)
    if not 0 <= columns.duration <= LARGE or columns.switches < 0:
        raise ValueError("the duration and the number of switches must be 0 or more")
    if not columns.recording:
        return
    if columns.totals is None or set(columns.totals) != set(TOTALS):
        raise ValueError("the totals are not complete")
    for name, column in columns.totals.items():
        if len(column) != count:
            raise ValueError(f"{name} has {len(column)} entries for {count} rows")
    if columns.events is not None:
        _check_events(*columns.events, count, len(columns.reasons))
    elif columns.cells is None:
        raise ValueError("there are neither events nor cells")
    else:
        _check_cells(columns.cells, count)


def _within(what: str, numbers: Any, low: int, high: int) -> None:
    if len(numbers) and not (low <= min(numbers) and max(numbers) < high):
        raise ValueError(f"{what} must be from {low} to {high - 1}")


def _check_events(rows: Ints, codes: Ints, times: Floats, count: int, reasons: int) -> None:
    if not len(rows) == len(codes) == len(times):
        raise ValueError("the columns of events are not equally long")
    if not len(rows):
        return
    kinds, above = codes & KIND_MASK, codes >> KIND_BITS
    if int(rows.min()) < 0 or int(rows.max()) >= max(count, 1):
        raise ValueError(f"the row of an event must be from 0 to {count - 1}")
    if int(codes.min()) < 0 or np.any(kinds > 13) or np.any(kinds == BATCH):
        raise ValueError("the code of an event is not one")
    if np.any(above > np.where(kinds == WOKEN, count, reasons - 1)):
        raise ValueError("the reason or the waker of an event is not there")
    if np.any(np.abs(times) > LARGE):
        raise ValueError("the time of an event is too large")


def _check_cells(cells: Cells, count: int) -> None:
    groups, bins = cells.values.shape[:2]
    if not (1 <= groups <= GROUPS and 1 <= bins <= BINS and cells.values.shape[2] == 3):
        raise ValueError(f"there must be 1 to {GROUPS} groups of 1 to {BINS} bins of 3 states")
    if np.any(cells.values < 0) or cells.per_group < 1:
        raise ValueError("numbers of rows must not be negative")
    if not 2 <= len(cells.resumptions) <= BINS + 1 or np.any(np.diff(cells.resumptions) < 0):
        raise ValueError("the numbers of resumptions must not decrease")
