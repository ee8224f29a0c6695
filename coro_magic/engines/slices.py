"""Who was in which state, in the order in which it happened: for formats that are read in order.

In virtual time, and wherever the clock is coarse, many things happen at the same moment. Who woke whom
then only the order of the events tells, and sorting by time would lose it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .events import IS_BOUNDARY, IS_STEP, KIND_MASK, STATE_AFTER, WAITING, Floats, Ints, entries
from .trace import Trace

_STRIDE = 4  # so that there is room between two slices for what belongs to them


@dataclass(frozen=True)
class Slices:
    """Who was in which state from when to when; parallel columns of shape (n,), sorted by row, then time.

    `row`, `state` (index into `STATES`), `reason` (index into `Trace.reasons`) and `waker` (the row that
    made this one ready, or drives it by hand; -1 for none) are integers, `begin` and `end` seconds. Of two
    slices that begin at the same moment the one with the smaller `order`, an integer, began first.
    """

    row: Ints
    state: Ints
    begin: Floats
    end: Floats
    reason: Ints
    waker: Ints
    order: Ints

    def __len__(self) -> int:
        return len(self.row)


@dataclass(frozen=True)
class Wakings:
    """Who made whom ready, or drove whom; parallel columns of shape (n,), in the order in which it happened.

    `source` and `target` are indices into `Slices`: in which the waker did it, and which began with it.
    `leaves` and `arrives` are moments in these two, in seconds; `order` is greater than that of the
    source, and smaller than that of whatever came after the waking.
    """

    source: Ints
    target: Ints
    leaves: Floats
    arrives: Floats
    order: Ints

    def __len__(self) -> int:
        return len(self.source)


def slices_of(trace: Trace, until: float) -> Slices:
    """Give every stay in a state. What has not ended goes on `until`, in seconds.

    Raises
    ------
    ValueError
        If the run had more events than are kept in detail.
    """
    rows, codes, times, begins = trace.events()
    found = entries(rows, codes, times, begins)
    kinds = codes & KIND_MASK
    number = np.arange(len(rows), dtype=np.int64)
    steps, known = IS_STEP[kinds], STATE_AFTER[kinds] >= 0
    # As in `entries`: of a step, first that it runs, then what it is after that.
    count = steps.astype(np.int64) + known
    slot = np.cumsum(count) - count
    # A step is written down at its end, but began right after the boundary before it.
    boundaries = np.flatnonzero(IS_BOUNDARY[kinds])
    before = np.full(len(rows), -1, np.int64)
    before[boundaries[1:]] = boundaries[:-1]
    order = np.empty(len(found.row), np.int64)
    order[slot[steps]] = (2 * before[steps] + 2) * _STRIDE
    order[(slot + steps)[known]] = (2 * number[known] + 1) * _STRIDE
    by_row = np.argsort(found.row, kind="stable")
    row, state, begin, reason, waker, _ = (column[by_row] for column in found)
    order = order[by_row]
    total = len(row)
    last = np.append(row[1:] != row[:-1], True) if total else np.empty(0, bool)
    end = np.append(begin[1:], until) if total else np.empty(0)
    end[last] = until
    # Torn by a hair where several threads read their clocks and wrote.
    end = np.maximum(end, begin)
    # A timer's waking is written after the boundary at which the woken one's step begins.
    order[1:] = np.where(last[:-1], order[1:], np.maximum(order[1:], order[:-1] + 1))
    keep = state <= WAITING
    return Slices(
        row[keep], state[keep], begin[keep], end[keep], reason[keep], waker[keep], order[keep]
    )


def wakings_of(slices: Slices) -> Wakings:
    """Give who made whom ready, or drove whom, as far as the waker was in a state itself."""
    at = np.flatnonzero(slices.waker >= 0)
    at = at[np.argsort(slices.order[at], kind="stable")]
    order = slices.order[at] - 1
    # The waker's latest slice that began before: by (row, order), which is how they are sorted.
    span = int(slices.order.max(initial=0)) + 2
    found = np.searchsorted(slices.row * span + slices.order, slices.waker[at] * span + order) - 1
    there = (found >= 0) & (slices.row[np.maximum(found, 0)] == slices.waker[at])
    source, target, order = found[there], at[there], order[there]
    moment = slices.begin[target]
    leaves = np.clip(moment, slices.begin[source], slices.end[source])
    arrives = np.maximum(moment, leaves)
    fits = arrives <= slices.end[target]
    return Wakings(source[fits], target[fits], leaves[fits], arrives[fits], order[fits])
