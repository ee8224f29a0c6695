"""A small picture of a run that goes on: cheap, whatever the run does, because it is drawn during it.

While there are few events the trace is asked for everything. Reading millions of them again five
times a second would slow down what is measured; then each refresh adds one column of cells, made
from the trace's totals, which are up to date at any moment.
"""

from __future__ import annotations

from dataclasses import dataclass
from weakref import WeakKeyDictionary

import numpy as np
from matplotlib.figure import Figure

from ..engines.trace import STATES, Trace
from ..measure.run import Run
from . import palette, rows
from .sheet import WIDTH, Sheet, own_style, time_axis
from .side import Floats, Side, Waits
from .words import so_far

_FEW = 20_000  # switches, up to which the trace is asked for everything
_GROUPS = 100
_COLUMNS = 256
_WAITS = Waits(("waiting",))
_LEGEND = (("running", palette.RUNNING), ("ready", palette.READY), ("waiting", palette.WAITS[0]))
_DPI = 80


def live(run_or_trace: Run | Trace, elapsed: float) -> Figure:
    """Draw a small picture of a run that goes on.

    Parameters
    ----------
    run_or_trace:
        A Run, or its Trace; its `duration` and `switches` must be set to what they are now.
    elapsed:
        Seconds since the run began.
    """
    trace = run_or_trace.trace if isinstance(run_or_trace, Run) else run_or_trace
    history = _histories.get(trace)
    if history is None:
        history = _histories[trace] = _History()
    if trace.recording and len(trace):
        history.add(trace, elapsed)
    side: Side = Side(None, trace, elapsed, None)
    if trace.switches > _FEW:
        side = _Sampled(None, trace, elapsed, None, history)
    with own_style():
        sheet = Sheet(2.4, _DPI)
        body = isinstance(run_or_trace, Run) and run_or_trace.has_body
        sheet.say_at(0.15, 0.1, so_far(trace, elapsed, body), fontsize=11, fontweight="bold")
        left = 0.6
        for word, colour in _LEGEND:
            sheet.say_at(left, 0.36, "■", color=colour, fontsize=9)
            sheet.say_at(left + 0.16, 0.36, word, fontsize=9)
            left += 0.9
        height = min(rows.height_of(side, 1.35), 1.35)
        left = 1.4 if side.named and not side.empty else 0.6
        axes = sheet.axes_at(left, 0.6, WIDTH - left - 0.3, height)
        rows.draw(axes, side, _WAITS, max(elapsed, 1e-6))
        if not side.empty:
            time_axis(axes, max(elapsed, 1e-6), ticks=5)
            axes.tick_params(axis="x", length=3, labelbottom=True)
        return sheet


class _History:
    """Who was in which state between the refreshes so far, for groups of rows; a bounded amount of memory."""

    def __init__(self) -> None:
        self.per_group = 1
        self.edges = [0.0]
        self.columns: list[Floats] = []  # mean numbers of rows, each of shape (_GROUPS, 3)
        self._before: Floats = np.zeros((_GROUPS, 3))

    def add(self, trace: Trace, elapsed: float) -> None:
        """Add what happened since the last refresh."""
        passed = elapsed - self.edges[-1]
        if passed <= 0:
            return
        while len(trace) > _GROUPS * self.per_group:
            self.per_group *= 2
            self.columns = [_coarser(column) for column in self.columns]
            self._before = _coarser(self._before)
        totals = trace.totals()
        group = np.arange(len(trace)) // self.per_group
        sums: Floats = np.stack(
            [np.bincount(group, totals[state.value], minlength=_GROUPS) for state in STATES[:3]], axis=1
        )
        self.columns.append(np.maximum(sums - self._before, 0.0) / passed)
        self.edges.append(elapsed)
        self._before = sums
        if len(self.columns) > _COLUMNS:
            wide = np.diff(np.array(self.edges))
            self.columns = [
                np.average(self.columns[at : at + 2], axis=0, weights=wide[at : at + 2])
                for at in range(0, len(self.columns), 2)
            ]
            self.edges = [*self.edges[:-1:2], self.edges[-1]]

    def cells(self, row_count: int, bins: int) -> Floats:
        """Give the share of rows in each state, shape (groups, bins, 3)."""
        used = -(-row_count // self.per_group)
        middle = (np.arange(bins) + 0.5) / bins * self.edges[-1]
        at = np.clip(np.searchsorted(self.edges, middle) - 1, 0, len(self.columns) - 1)
        return np.stack(self.columns, axis=1)[:used, at] / self.per_group


def _coarser(cells: Floats) -> Floats:
    out = np.zeros_like(cells)
    out[: _GROUPS // 2] = cells[0::2] + cells[1::2]
    return out


_histories: WeakKeyDictionary[Trace, _History] = WeakKeyDictionary()


@dataclass(frozen=True)
class _Sampled(Side):
    history: _History

    def shares(self, waits: Waits, groups: int, bins: int) -> Floats:
        return self.history.cells(self.rows, bins)
