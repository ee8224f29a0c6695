"""Who was in which state, in the order in which it happened: for formats that are read in order.

In virtual time, and wherever the clock is coarse, many things happen at the same moment. Who woke whom
then only the order of the events tells, and sorting by time would lose it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .events import IS_BOUNDARY, IS_STEP, KIND_MASK, RUNNING, STATE_AFTER, WAITING, Floats, Ints, entries
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
    """Who spawned whom, made whom ready, or drove whom; parallel columns of shape (n,), in that order.

    `source` and `target` are indices into `Slices`: in which the waker did it, and which began with it.
    `leaves` and `arrives` are moments in these two, in seconds; `order` is greater than that of the
    source, and smaller than that of whatever came after it. `spawned` are booleans.
    """

    source: Ints
    target: Ints
    leaves: Floats
    arrives: Floats
    order: Ints
    spawned: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.source)

    def those(self, which: NDArray[np.bool_]) -> Wakings:
        """Give some of them, by a column of booleans."""
        return Wakings(
            self.source[which], self.target[which], self.leaves[which], self.arrives[which],
            self.order[which], self.spawned[which],
        )  # fmt: skip


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
    if trace.unit == "thread":
        # The system resumes them, whoever happens to run.
        waker = np.where(state == RUNNING, -1, waker)
    total = len(row)
    last = np.append(row[1:] != row[:-1], True) if total else np.empty(0, bool)
    # A step begins where the one before it ended, and whoever makes it may have been woken a moment
    # after that; and threads read their clocks and write with something in between.
    begin = _rising(row, begin)
    end = np.append(begin[1:], until) if total else np.empty(0)
    end[last] = np.maximum(until, begin[last])
    # A timer's waking is written after the boundary at which the woken one's step begins.
    order[1:] = np.where(last[:-1], order[1:], np.maximum(order[1:], order[:-1] + 1))
    keep = state <= WAITING
    return Slices(
        row[keep], state[keep], begin[keep], end[keep], reason[keep], waker[keep], order[keep]
    )


def _rising(row: Ints, begin: Floats) -> Floats:
    """Give the moments, of each row none before the one that comes before it; `row` is sorted."""
    if not np.any((np.diff(begin) < 0) & (np.diff(row) == 0)):
        return begin
    moments, rank = np.unique(begin, return_inverse=True)
    highest = np.maximum.accumulate(row * len(moments) + rank)
    out: Floats = moments[highest - row * len(moments)]
    return out


def wakings_of(slices: Slices, parents: Ints) -> Wakings:
    """Give who spawned whom, made whom ready or drove whom, as far as they were in a state themselves.

    Parameters
    ----------
    parents:
        Of each row the row that spawned it, -1 for none.
    """
    waker = slices.waker.copy()
    first = np.flatnonzero(np.diff(slices.row, prepend=-1))
    waker[first] = parents[slices.row[first]]
    is_first = np.zeros(len(slices), bool)
    is_first[first] = True
    at = np.flatnonzero(waker >= 0)
    at = at[np.argsort(slices.order[at], kind="stable")]
    order = slices.order[at] - 1
    # The waker's latest slice that began before: by (row, order), which is how they are sorted.
    span = int(slices.order.max(initial=0)) + 2
    found = np.searchsorted(slices.row * span + slices.order, waker[at] * span + order) - 1
    there = (found >= 0) & (slices.row[np.maximum(found, 0)] == waker[at])
    source, target, order = found[there], at[there], order[there]
    moment = slices.begin[target]
    leaves = np.clip(moment, slices.begin[source], slices.end[source])
    arrives = np.maximum(moment, leaves)
    wakings = Wakings(source, target, leaves, arrives, order, is_first[target])
    return wakings.those(arrives <= slices.end[target])
