"""The level of detail: what a part of the timeline looks like at the size in which it is drawn.

However long the run, a view is answered with as many cells as there are pixels, or with the bars
themselves where few lie in it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..engines.trace import Intervals, Trace
from .side import ANY_WAIT, RUNNING, WAITING, Floats, Ints, Waits, presence

FEW_BARS = 20_000  # that many are sent as they are
_MOST_LINES, _MOST_BINS = 4_096, 8_192


@dataclass(frozen=True)
class View:
    """A part of the timeline, and the size in which it is drawn.

    Attributes
    ----------
    begin, end:
        Along the axis: seconds, or switches.
    in_switches:
        Which of the two.
    top, bottom:
        The lines of the display from the first to before the last.
    lines, bins:
        How many cells there are to be, down and along.
    """

    begin: float
    end: float
    in_switches: bool
    top: int
    bottom: int
    lines: int
    bins: int

    def checked(self, display: int) -> View:
        """Give it within bounds, for a display of so many lines.

        Raises
        ------
        ValueError
            If there is nothing in it.
        """
        top, bottom = max(0, self.top), min(self.bottom, display)
        if not (np.isfinite(self.begin) and np.isfinite(self.end) and self.end > self.begin):
            raise ValueError("a view needs an end after its beginning")
        if bottom <= top or self.lines < 1 or self.bins < 1:
            raise ValueError("a view needs a line and a bin at least")
        lines = min(self.lines, bottom - top, _MOST_LINES)
        return View(self.begin, self.end, self.in_switches, top, bottom, lines, min(self.bins, _MOST_BINS))

    def has(self, lines: Ints) -> NDArray[np.bool_]:
        """Say of lines of the display whether they are in it."""
        return (lines >= self.top) & (lines < self.bottom)

    def line_of(self, lines: Ints) -> Ints:
        """Give the line of cells in which each of some lines of the display is."""
        return (lines - self.top) * self.lines // (self.bottom - self.top)


class Levels:
    """Gives views of one side.

    Parameters
    ----------
    intervals:
        All its bars; None where they were not kept.
    seconds:
        The length of its time axis.
    waits:
        The waits that are told apart; one only where the bars were not kept.
    """

    def __init__(
        self,
        trace: Trace,
        intervals: Intervals | None,
        seconds: float,
        waits: Waits = ANY_WAIT,
    ) -> None:
        self._waits = waits
        self._trace = trace
        self._intervals = intervals
        self._seconds = seconds
        self._coarse: Floats | None = None
        self._per_group = 1  # rows in a group of it
        self.line_of_row: Ints = np.arange(len(trace), dtype=np.int64)
        self.display = len(trace)
        self.turns = trace.unit != "thread"

    def order(self, line_of_row: NDArray[np.int32], display: int) -> None:
        """Say at which of `display` lines each row is shown, -1 for nowhere; shape (rows,).

        Raises
        ------
        ValueError
            If it is no such column.
        """
        if line_of_row.shape != (len(self._trace),):
            raise ValueError(f"there are {len(self._trace)} rows, not {len(line_of_row)}")
        if len(line_of_row) and not -1 <= int(np.min(line_of_row)) <= int(np.max(line_of_row)) < display:
            raise ValueError("a row is shown at a line that is not there")
        self.line_of_row, self.display = line_of_row.astype(np.int64), display

    def bars(self, view: View) -> Ints | None:
        """Give the numbers of the bars in a view, where they are few; else None."""
        if self._intervals is None:
            return None
        inside = self._in(view)[2]
        return np.flatnonzero(inside).astype(np.int64) if int(inside.sum()) <= FEW_BARS else None

    def cells(self, view: View) -> NDArray[np.uint8]:
        """Give the share of the rows of each cell that was ready, ran, and waited, wait by wait, times 255.

        Where only one row runs at a time (`turns`) the second is the share of the time in which one of
        them ran: a share of many rows would be less than a byte can say.

        Returns
        -------
        array of shape (lines, bins, 2 + number of waits, one at least)
        """
        shares = self._from_coarse(view) if self._intervals is None else self._from_bars(view)
        if self.turns:
            shares[:, :, RUNNING] *= self._rows_in(view)[:, None]
        # What is there at all must be seen.
        return np.ceil(np.clip(shares, 0.0, 1.0) * 255).astype(np.uint8)

    def _in(self, view: View) -> tuple[Floats, Floats, NDArray[np.bool_]]:
        intervals = self._intervals
        assert intervals is not None
        begins, ends = (
            (intervals.turn, intervals.turn_end)
            if view.in_switches
            else (intervals.begin, intervals.end)
        )
        inside = view.has(self.line_of_row)[intervals.row]
        inside &= ends >= view.begin
        inside &= begins <= view.end
        return begins, ends, inside

    def _from_bars(self, view: View) -> Floats:
        begins, ends, inside = self._in(view)
        assert self._intervals is not None
        which = slice(None) if inside.all() else inside
        scale = view.bins / (view.end - view.begin)
        begin, end = ((moments[which] - view.begin) * scale for moments in (begins, ends))
        state, reason = self._intervals.state[which], self._intervals.reason[which]
        # Lines of the view come channel by channel.
        of_reason = (WAITING + self._waits.slots(self._trace)) * view.lines
        channels = WAITING + max(len(self._waits.verbs), 1)
        line = np.where(state == WAITING, of_reason[reason], np.multiply(state, view.lines, dtype=np.int64))
        line += view.line_of(self.line_of_row)[self._intervals.row[which]]
        level = presence(line, begin, end, channels * view.lines, view.bins)
        level = level.reshape(channels, view.lines, view.bins)
        shares: Floats = np.moveaxis(level, 0, 2) / self._rows_in(view)[:, None, None]
        return shares

    def _rows_in(self, view: View) -> Ints:
        """Give how many rows each line of cells stands for."""
        lines = self.line_of_row
        cell = view.line_of(lines[view.has(lines)])
        return np.maximum(np.bincount(cell, minlength=view.lines), 1).astype(np.int64)

    def _from_coarse(self, view: View) -> Floats:
        """Give cells of a run that was too long for its detail: those of its grid that lie nearest."""
        if self._coarse is None:
            coarse = self._trace.occupancy(1024, 4096, self._seconds)
            self._per_group = self._trace.cells().per_group
            # The last group may have fewer rows than the others.
            sizes = np.bincount(np.arange(len(self._trace)) // self._per_group, minlength=coarse.shape[0])
            self._coarse = coarse / np.maximum(sizes, 1)[:, None, None]
        groups, bins = self._coarse.shape[:2]
        length = self._trace.switches if view.in_switches else self._seconds
        middle = view.begin + (np.arange(view.bins) + 0.5) / view.bins * (view.end - view.begin)
        along = np.clip((middle / max(length, 1e-12) * bins).astype(np.int64), 0, bins - 1)
        # Each group of the grid goes to the lines at which its rows are shown.
        rows = np.arange(len(self._trace))
        lines = self.line_of_row
        shown = view.has(lines)
        cell = view.line_of(lines[shown])
        group = rows[shown] // self._per_group
        weights = np.zeros((view.lines, groups))
        np.add.at(weights, (cell, group), 1.0)
        weights /= np.maximum(weights.sum(axis=1, keepdims=True), 1.0)
        shares: Floats = np.einsum("lg,gbc->lbc", weights, self._coarse[:, along], optimize=True)
        return shares
