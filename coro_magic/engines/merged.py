"""One trace of several: the rows of each process one after another, on one clock.

Within a process a step begins where the step before it ended. So that this holds for what is merged,
too, the events between two ends of steps stay together, and where somebody else's step came in between
an idle moment says where the step begins.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..language import State, Where
from .events import (
    BORN,
    CLOSED,
    IDLE,
    IS_BOUNDARY,
    IS_STEP,
    KIND_BITS,
    KIND_MASK,
    STATE_CODES,
    WOKEN,
    Floats,
    Ints,
    Mark,
    Reason,
    step_begins,
)
from .grid import BINS, GROUPS, Cells
from .naming import Naming
from .program import BODY_NAME
from .restored import TOTALS, Columns, resampled, restored
from .trace import Trace

Events = tuple[Ints, Ints, Floats]


@dataclass(frozen=True)
class Band:
    """What one process did.

    Attributes
    ----------
    columns:
        Its trace.
    shift:
        How much later it began than the merged run, in seconds ≥ 0.
    numbers:
        The place of each row among all those that the body handed over, -1 for others; shape (rows,).
    has_body:
        Whether its first row is the cell's body.
    """

    columns: Columns
    shift: float
    numbers: Ints
    has_body: bool


def merged(bands: Sequence[Band]) -> Trace:
    """Make one trace, in which the rows of each band come after those of the band before it."""
    columns = [band.columns for band in bands]
    first = np.cumsum([0, *(len(each.names) for each in columns)])[:-1].tolist()
    reasons, numbers = _joined_reasons(columns)
    duration = max(band.shift + band.columns.duration for band in bands)
    lines: dict[Where, str] = {}
    for each in columns:
        lines.update(each.lines)
    out = Columns(
        unit=columns[0].unit,
        recording=all(each.recording for each in columns),
        duration=duration,
        switches=sum(each.switches for each in columns),
        names=[name for each in columns for name in each.names],
        numbers=_numbers(bands),
        parents=_joined([np.where(p >= 0, p + at, -1) for p, at in _with(columns, "parents", first)]),
        spawned=_joined([n[np.asarray(c.spawned, np.int64)] for c, n in zip(columns, numbers, strict=True)]),
        final=_joined([np.asarray(each.final, np.int8) for each in columns]),
        places={
            row + at: where
            for each, at in zip(columns, first, strict=True)
            for row, where in each.places.items()
        },
        items={
            row + at: count
            for each, at in zip(columns, first, strict=True)
            for row, count in each.items.items()
        },
        driven={row + at for each, at in zip(columns, first, strict=True) for row in each.driven},
        daemons={row + at for each, at in zip(columns, first, strict=True) for row in each.daemons},
        heeded={row + at for each, at in zip(columns, first, strict=True) for row in each.heeded},
        reasons=reasons,
        lines=lines,
        marks=sorted(
            Mark(mark.time + band.shift, mark.row + at if mark.row >= 0 else -1, mark.text)
            for band, at in zip(bands, first, strict=True)
            for mark in band.columns.marks
        ),
    )
    if not out.recording:
        return restored(out)
    out.totals = {name: np.concatenate([_total(band, name) for band in bands]) for name in TOTALS}
    if all(each.events is not None for each in columns):
        moved = [
            _moved(band, at, known, len(reasons))
            for band, at, known in zip(bands, first, numbers, strict=True)
        ]
        out.events = interleaved(moved, [band.shift for band in bands])
    else:
        out.cells = _joined_cells(bands, first, len(out.names), duration)
    return restored(out)


def _with(columns: Sequence[Columns], name: str, first: Sequence[int]) -> list[tuple[Ints, int]]:
    return [(np.asarray(getattr(each, name), np.int64), at) for each, at in zip(columns, first, strict=True)]


def _joined(parts: Sequence[Ints]) -> list[int]:
    joined: list[int] = np.concatenate(parts).tolist()
    return joined


def _joined_reasons(columns: Sequence[Columns]) -> tuple[list[Reason], list[Ints]]:
    """Give all reasons, each once, and for each of the columns which of them its own are."""
    known: dict[Reason, int] = {}
    numbers = [
        np.array([known.setdefault(reason, len(known)) for reason in each.reasons], np.int64)
        for each in columns
    ]
    return list(known), numbers


def _numbers(bands: Sequence[Band]) -> list[int]:
    """Give what makes each name unique: as if the body had handed all over in one process."""
    rows = [slice(int(band.has_body), None) for band in bands]
    names = [name for band in bands for name in band.columns.names]
    place = np.concatenate([band.numbers for band in bands]).astype(np.int64)
    handed = all(np.all(band.numbers[own] >= 0) for band, own in zip(bands, rows, strict=True))
    counted = all(band.has_body for band in bands)
    alike = (
        counted
        and handed
        and not any(BODY_NAME in band.columns.names[own] for band, own in zip(bands, rows, strict=True))
    )
    if alike:
        # Each process has counted those of the others, but not the others' bodies.
        out = [number for band in bands for number in band.columns.numbers]
        bodies = np.cumsum([0, *(len(band.columns.names) for band in bands)])[:-1]
        own = [int(at) for at, band in zip(bodies, bands, strict=True) if band.has_body]
        for number, at in enumerate(own, 1):
            out[at] = number
        return out
    # The first body comes before all, and whoever no body handed over after all.
    place = np.where(place < 0, len(place) + np.arange(len(place)), place)
    if bands[0].has_body:
        place[0] = -1
    order = np.argsort(place, kind="stable").tolist()
    found = Naming([names[row] for row in order]).numbers(len(names))
    numbers = [0] * len(names)
    for row, number in zip(order, found, strict=True):
        numbers[row] = number
    return numbers


def _total(band: Band, name: str) -> Floats:
    assert band.columns.totals is not None
    column: Floats = band.columns.totals[name]
    return column + band.shift if name in ("born", "ended") else column


# Events.


def _moved(band: Band, first: int, reasons: Ints, count: int) -> Events:
    """Give a band's events with the rows, the reasons and the clock of what is merged."""
    assert band.columns.events is not None
    rows, codes, times = band.columns.events
    kinds, above = codes & KIND_MASK, codes >> KIND_BITS
    woken = kinds == WOKEN
    above = np.where(woken, np.where(above > 0, above + first, 0), reasons[np.where(woken, 0, above)])
    return rows.astype(np.int64) + first, kinds | above << KIND_BITS, times + band.shift


def interleaved(parts: Sequence[Events], begins: Sequence[float]) -> Events:
    """Merge the events of several processes by time.

    Parameters
    ----------
    parts:
        Of each process the rows, codes and times of its events, in the order in which they happened.
    begins:
        When its first step began at the earliest, in seconds.
    """
    keys, starts, heads = [], [], []
    for (_, codes, times), begin in zip(parts, begins, strict=True):
        kinds = codes & KIND_MASK
        ends = np.flatnonzero(IS_BOUNDARY[kinds])
        # What belongs to a step happens up to its end; what comes after the last one is by itself.
        group = np.searchsorted(ends, np.arange(len(kinds)))
        last = max(float(times[-1]), float(times[ends[-1]]) if len(ends) else 0.0) if len(times) else 0.0
        of_group = np.append(np.maximum.accumulate(times[ends]) if len(ends) else np.empty(0), last)
        keys.append(of_group[group])
        starts.append(step_begins(kinds, times, begin))
        head = np.zeros(len(kinds), np.int64)
        head[ends] = np.arange(len(kinds))[ends] - np.append(-1, ends[:-1]) - 1 if len(ends) else 0
        heads.append(head)
    order = np.argsort(np.concatenate(keys), kind="stable")
    who = np.repeat(np.arange(len(parts)), [len(rows) for rows, _, _ in parts])[order]
    rows, codes, times = (np.concatenate(column)[order] for column in zip(*parts, strict=True))
    kinds = codes & KIND_MASK
    at = np.flatnonzero(IS_BOUNDARY[kinds])
    alone = who[at] != np.append(-1, who[at[:-1]])
    steps = at[alone & IS_STEP[kinds[at]]]
    before = steps - np.concatenate(heads)[order][steps]
    first = np.concatenate(starts)[order][steps]
    return (
        np.insert(rows, before, rows[steps]),
        np.insert(codes, before, IDLE),
        np.insert(times, before, first),
    )


# Cells.


def _joined_cells(bands: Sequence[Band], first: Sequence[int], rows: int, duration: float) -> Cells:
    per_group = -(-max(rows, 1) // GROUPS)
    groups = -(-max(rows, 1) // per_group)
    values = np.zeros((groups, BINS, 3))
    points = np.linspace(0.0, duration, BINS + 1)
    resumptions = np.zeros(BINS + 1)
    for band, at in zip(bands, first, strict=True):
        count = len(band.columns.names)
        if not count:
            continue
        cells = band.columns.cells or restored(band.columns).cells()
        moved = _delayed(cells.values, band.columns.duration, band.shift, duration)
        edges = np.minimum(np.arange(len(cells.values) + 1) * cells.per_group, count) + at
        values += np.einsum("gk,kbs->gbs", _overlaps(edges, per_group, groups), moved)
        known = np.linspace(0.0, band.columns.duration, len(cells.resumptions)) + band.shift
        resumptions += np.interp(points, known, cells.resumptions, left=0)
    return Cells(per_group, values, np.maximum.accumulate(resumptions.astype(np.int64)))


def _delayed(values: Floats, seconds: float, shift: float, until: float) -> Floats:
    """Give the means over `BINS` bins from 0 to `until` of what was from `shift` on, for `seconds`."""
    if not until > 0:
        return np.zeros((len(values), BINS, 3))
    bin_of_all = until / BINS
    ahead = int(np.ceil(shift / bin_of_all))
    if ahead == 0:
        return _padded(resampled(values, seconds, BINS, until))
    # Whole bins of nothing before it, as many as make its beginning fall on the edge of one.
    width = shift / ahead
    padded = max(1, round(seconds / width))
    inner = resampled(values, seconds, min(padded, 16 * BINS), seconds)
    joined = np.concatenate([np.zeros((len(values), ahead, 3)), inner], axis=1)
    return _padded(resampled(joined, shift + seconds, BINS, until))


def _padded(values: Floats) -> Floats:
    missing = BINS - values.shape[1]
    return np.pad(values, ((0, 0), (0, missing), (0, 0))) if missing > 0 else values


def _overlaps(edges: Ints, per_group: int, groups: int) -> Floats:
    """Give which share of the rows between two edges is in each group; shape (groups, edges - 1)."""
    low = np.arange(groups)[:, None] * per_group
    both = np.minimum(edges[None, 1:], low + per_group) - np.maximum(edges[None, :-1], low)
    shares: Floats = np.maximum(both, 0) / np.maximum(np.diff(edges), 1)
    return shares


# A process of which nothing is known.


def nothing_of(names: list[str], numbers: list[int], at: float, recording: bool) -> Columns:
    """Give columns for coroutines of which nothing is known but that they were lost at a moment."""
    count = len(names)
    totals = {name: np.full(count, at) if name in ("born", "ended") else np.zeros(count) for name in TOTALS}
    rows = np.repeat(np.arange(count, dtype=np.int64), 2)
    codes = np.tile(np.array([BORN, CLOSED], np.int64), count)
    return Columns(
        unit="coroutine", recording=recording, duration=at, switches=0, names=names, numbers=numbers,
        parents=[-1] * count, spawned=[0] * count, final=[STATE_CODES[State.FAILED]] * count,
        places={}, items={},
        driven=set(), daemons=set(), heeded=set(), reasons=[Reason("", None)], lines={}, marks=[],
        totals=totals if recording else None,
        events=(rows, codes, np.full(2 * count, at)) if recording else None,
    )  # fmt: skip
