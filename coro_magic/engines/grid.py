"""The coarse timeline: who was in which state, on a grid of fixed size."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .events import (
    BORN,
    BORN_WAITING,
    CLOSED_WAITING,
    ENDS,
    IS_BY_HAND,
    IS_RESUMPTION,
    IS_STEP,
    IS_SWITCH,
    KIND_MASK,
    RESUMED,
    STOPPED,
    SUSPENDED,
    WAITS,
    WOKEN,
    Floats,
    Ints,
    of,
    step_begins,
)

_PIECE = 1 << 18  # steps of batches that are added at a time

# For each kind of event, whether it enters a state (1) or leaves it (-1).
_ALIVE, _WAITING, _EXPLICIT = (
    of(*entering).astype(np.float64) - of(*leaving)
    for entering, leaving in (
        ((BORN, BORN_WAITING), ENDS),
        ((WAITS, SUSPENDED, BORN_WAITING), (WOKEN, RESUMED, CLOSED_WAITING)),
        ((RESUMED,), (SUSPENDED, STOPPED)),
    )
)

GROUPS, BINS = 256, 512  # of `Cells`, at most


@dataclass(frozen=True)
class Cells:
    """How many rows of a trace were in which state.

    Attributes
    ----------
    per_group:
        How many neighbouring rows are a group.
    values:
        The mean number of rows that were ready, running and waiting, of shape (groups, bins, 3); the bins
        divide the trace's duration evenly.
    resumptions:
        How many there had been by each of so many moments, evenly apart from 0 to the duration; integers
        of shape (points,).
    """

    per_group: int
    values: Floats
    resumptions: Ints


class Grid:
    """How many coroutines were in which state, for groups of rows and bins of time: a fixed amount of memory.

    A coroutine that enters a state adds one in the bin of that moment, one that leaves it takes one
    away; the running sum along the bins is the number of those in it. Within the bin of the moment
    itself the share that is left of the bin counts. Steps are short: their seconds are added up.

    Parameters
    ----------
    rows, bins:
        The size of the grid.
    fixed:
        (number of rows, seconds) that it spans, if that is known; else it widens as needed.
    """

    def __init__(
        self, rows: int = 256, bins: int = 2048, fixed: tuple[int, float] | None = None
    ) -> None:
        self.rows, self.bins = rows, bins
        self.per_group = 1
        self.width = 1e-4
        if fixed is not None:
            self.per_group = -(-fixed[0] // rows)
            self.width = fixed[1] / bins or 1e-9
        # Channels: alive and waiting as (change, correction within the bin), seconds of running.
        self._changes = np.zeros((2, rows, bins + 1))
        self._partial = np.zeros((2, rows, bins + 1))
        self._running = np.zeros((rows, bins))
        self._resumptions = np.zeros(bins, np.int64)

    def pour(
        self,
        rows: Ints,
        codes: Ints,
        times: Floats,
        begins: Floats,
        by: Ints | None = None,
        since: float = 0.0,
    ) -> None:
        """Add single events, in any order; in theirs, where somebody drives by hand.

        Parameters
        ----------
        by:
            Who drives by hand (see `events.drivers`), None where nobody does, or every row runs by itself.
        since:
            Since when whoever runs first has been running, in seconds.
        """
        if not len(rows):
            return
        self.widen(int(np.max(rows)) + 1, float(np.max(times)))
        kinds = codes & KIND_MASK
        groups = rows.astype(np.int64) // self.per_group
        exact = np.clip(times / self.width, 0, self.bins * (1 - 1e-12))
        bins = np.minimum(exact.astype(np.int64), self.bins - 1)
        left = 1.0 - (exact - bins)

        def change(channel: int, at: Ints, sign: Floats, groups: Ints = groups) -> None:
            # `ufunc.at` is many times as fast along a single axis.
            cells = groups[at] * (self.bins + 1) + bins[at]
            np.add.at(self._changes[channel].reshape(-1), cells + 1, sign)
            np.add.at(self._partial[channel].reshape(-1), cells, sign * left[at])

        for channel, signs in enumerate((_ALIVE, _WAITING)):
            at = np.flatnonzero(signs[kinds])
            change(channel, at, signs[kinds[at]])
        ran, runners, stretches = IS_STEP[kinds], groups, begins
        if by is not None:
            # As in `Totals`: every switch ends a stretch in which one row ran.
            at, resumed = np.flatnonzero(by >= 0), kinds == RESUMED
            change(1, at, np.where(resumed[at], 1.0, -1.0), by // self.per_group)
            runners = np.where(resumed, by, rows)
            ran = (IS_STEP | IS_BY_HAND)[kinds] & (runners >= 0)
            runners = runners.astype(np.int64) // self.per_group
            stretches = step_begins(kinds, times, since, IS_SWITCH)
        self._add_running(runners[ran], stretches[ran], times[ran])
        # Explicit running: what is in neither state; as seconds up to the end of the grid.
        which = np.flatnonzero(_EXPLICIT[kinds])
        if by is None and len(which):
            if not hasattr(self, "_explicit"):
                self._explicit = np.zeros((2, self.rows, self.bins + 1))
            sign = _EXPLICIT[kinds[which]]
            np.add.at(self._explicit[0], (groups[which], bins[which] + 1), sign)
            np.add.at(self._explicit[1], (groups[which], bins[which]), sign * left[which])
        resumed = IS_RESUMPTION[kinds]
        first = self.bins_of(begins[resumed])
        self._resumptions += np.bincount(first, minlength=self.bins)

    def _add_running(self, groups: Ints, begins: Floats, ends: Floats) -> None:
        first, last = self.bins_of(begins), self.bins_of(ends)
        short = first == last
        cells = (groups * self.bins + first)[short]
        np.add.at(self._running.reshape(-1), cells, (ends - begins)[short])
        # A step across the edge of a bin is rare: one by one.
        for group, begin, end, low, high in zip(
            groups[~short], begins[~short], ends[~short], first[~short], last[~short], strict=True
        ):
            edges = np.clip(np.arange(low, high + 2) * self.width, begin, end)
            edges[-1] = end
            self._running[group, low : high + 1] += np.diff(edges)

    def pour_batches(self, batches: Sequence[array[int]], which: Ints, begins: Floats, ends: Floats) -> None:
        """Add batches of steps, each of which begins and ends in one bin.

        Parameters
        ----------
        batches:
            The rows that make the steps of each batch, an equal share of its time each.
        which:
            The batches that took place, indices of shape (n,).
        begins, ends:
            When, in seconds, each of shape (n,).
        """
        # Of one batch in one bin there may be thousands: they are one.
        keys, inverse = np.unique(which * np.int64(self.bins) + self.bins_of(begins), return_inverse=True)
        numbers, bins = np.divmod(keys, self.bins)
        seconds = np.bincount(inverse, ends - begins)
        lengths = np.array([len(batches[number]) for number in numbers.tolist()], np.int64)
        np.add.at(self._resumptions, bins, np.bincount(inverse) * lengths)
        running = self._running.reshape(-1)
        # In pieces, so that the memory that it takes is bounded.
        ends_at = np.cumsum(lengths)
        cuts = np.flatnonzero(np.diff(ends_at // _PIECE)) + 1
        for piece in np.split(np.arange(len(keys)), cuts):
            if not len(piece):
                continue
            rows = np.concatenate([batches[number] for number in numbers[piece].tolist()])
            cells = rows // self.per_group * self.bins + np.repeat(bins[piece], lengths[piece])
            np.add.at(running, cells, np.repeat(seconds[piece] / lengths[piece], lengths[piece]))

    def bins_of(self, times: Floats) -> Ints:
        """Give the bins of some moments."""
        return np.clip(times / self.width, 0, self.bins - 1).astype(np.int64)

    def widen(self, rows: int, time: float) -> None:
        """Make room for so many rows, and as much time, by making the cells coarser."""
        while rows > self.rows * self.per_group:
            self.per_group *= 2
            self._changes = _pairs(self._changes, 1)
            self._partial = _pairs(self._partial, 1)
            self._running = _pairs(self._running, 0)
            if hasattr(self, "_explicit"):
                self._explicit = _pairs(self._explicit, 1)
        while time > self.bins * self.width * (1 + 1e-9):
            self.width *= 2
            self._running = _pairs(self._running, 1)
            self._resumptions = _pairs(self._resumptions, 0)
            self._changes, self._partial = _coarser(self._changes, self._partial)
            if hasattr(self, "_explicit"):
                self._explicit = np.stack(_coarser(self._explicit[:1], self._explicit[1:]))[:, 0]

    def read(self, row_count: int, groups: int, bins: int, until: float) -> Floats:
        """Give the mean number of coroutines ready, running and waiting: shape (groups, bins, 3)."""
        level = np.cumsum(self._changes, axis=2)[:, :, :-1] + self._partial[:, :, :-1]
        alive, waiting = level
        running = self._running / self.width
        if hasattr(self, "_explicit"):
            running = running + np.cumsum(self._explicit[0], axis=1)[:, :-1] + self._explicit[1][:, :-1]
        used_rows = max(1, -(-row_count // self.per_group))
        used_bins = max(1, min(self.bins, int(np.ceil(until / self.width - 1e-9))))
        alive, waiting, running = (
            channel[:used_rows, :used_bins] for channel in (alive, waiting, running)
        )
        # What was there at the end stays there only until the end.
        out = np.stack([np.maximum(alive - running - waiting, 0.0), running, waiting], axis=2)
        return np.maximum(at_most(at_most(out, groups, 0, np.sum), bins, 1, np.mean), 0.0)

    def progress(self, edges: Floats) -> Ints:
        """Give the number of resumptions before each of `edges`, in seconds; the last ends the run."""
        # The last bin that is used reaches beyond the end, but what is in it came before.
        used = max(1, min(self.bins, int(np.ceil(edges[-1] / self.width - 1e-9))))
        known = np.append(0, np.cumsum(self._resumptions)[:used])
        known[-1] = self._resumptions.sum()
        at = np.append(np.arange(used) * self.width, edges[-1])
        counts: Ints = np.interp(edges, at, known).astype(np.int64)
        return counts


def _pairs(values: NDArray[Any], axis: int) -> NDArray[Any]:
    """Add neighbours along `axis` in pairs; the array keeps its size, its second half empty."""
    moved = np.moveaxis(values, axis, 0)
    half = moved.shape[0] // 2
    out = np.zeros_like(moved)
    out[:half] = moved[0 : 2 * half : 2] + moved[1 : 2 * half : 2]
    return np.moveaxis(out, 0, axis).copy()


def _coarser(changes: Floats, partial: Floats) -> tuple[Floats, Floats]:
    """Make bins twice as wide: shape (channels, rows, bins + 1) both."""
    bins = changes.shape[2] - 1
    level = np.cumsum(changes, axis=2)[:, :, :-1] + partial[:, :, :-1]
    mean = (level[:, :, 0::2] + level[:, :, 1::2]) / 2
    after = np.cumsum(changes, axis=2)[:, :, 2::2]
    half = bins // 2
    new_changes, new_partial = np.zeros_like(changes), np.zeros_like(partial)
    start = np.concatenate([np.zeros_like(after[:, :, :1]), after[:, :, :-1]], axis=2)
    new_changes[:, :, 1 : half + 1] = after - start
    new_partial[:, :, :half] = mean - start
    return new_changes, new_partial


def at_most(values: Floats, count: int, axis: int, how: Any) -> Floats:
    """Bring `axis` down to at most `count` entries, by `how` over neighbours."""
    size = values.shape[axis]
    if size <= count:
        return values
    starts = (np.arange(count) * size) // count
    summed = np.add.reduceat(values, starts, axis=axis)
    if how is np.mean:
        lengths = np.diff(np.append(starts, size))
        shape = [1] * values.ndim
        shape[axis] = count
        summed = summed / lengths.reshape(shape)
    return np.asarray(summed, np.float64)
