"""Who was in which state, in the order in which it happened: for formats that are read in order.

In virtual time, and wherever the clock is coarse, many things happen at the same moment. Who woke whom
then only the order of the events tells, and sorting by time would lose it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from .events import Floats, Intervals, Ints
from .trace import Trace


@dataclass(frozen=True)
class Wakings:
    """Who spawned whom, made whom ready, or drove whom; parallel columns of shape (n,), in that order.

    `source` and `target` are indices into `Intervals`: in which the waker did it, and which began with it.
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


def slices_of(trace: Trace, until: float) -> Intervals:
    """Give every stay in a state, none of a row beginning before the one that comes before it.

    What has not ended goes on `until`, in seconds.

    Raises
    ------
    ValueError
        If the run had more events than are kept in detail.
    """
    stays = trace.intervals(until)
    same = np.diff(stays.row) == 0
    # A step begins where the one before it ended, and whoever makes it may have been woken a moment
    # after that; and threads read their clocks and write with something in between.
    begin = _rising(stays.row, stays.begin)
    end = np.maximum(stays.end, begin)
    end[:-1] = np.where(same, begin[1:], end[:-1])
    # A timer's waking is written after the boundary at which the woken one's step begins.
    order = stays.order.copy()
    order[1:] = np.where(same, np.maximum(order[1:], order[:-1] + 1), order[1:])
    return replace(stays, begin=begin, end=end, order=order)


def _rising(row: Ints, begin: Floats) -> Floats:
    """Give the moments, of each row none before the one that comes before it; `row` is sorted."""
    if not np.any((np.diff(begin) < 0) & (np.diff(row) == 0)):
        return begin
    moments, rank = np.unique(begin, return_inverse=True)
    first = row.astype(np.int64) * len(moments)
    highest = np.maximum.accumulate(first + rank)
    out: Floats = moments[highest - first]
    return out


def wakings_of(slices: Intervals, parents: Ints) -> Wakings:
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
    row = slices.row.astype(np.int64)
    found = np.searchsorted(row * span + slices.order, waker[at].astype(np.int64) * span + order) - 1
    there = (found >= 0) & (slices.row[np.maximum(found, 0)] == waker[at])
    source, target, order = found[there], at[there], order[there]
    moment = slices.begin[target]
    leaves = np.clip(moment, slices.begin[source], slices.end[source])
    arrives = np.maximum(moment, leaves)
    wakings = Wakings(source, target, leaves, arrives, order, is_first[target])
    return wakings.those(arrives <= slices.end[target])
