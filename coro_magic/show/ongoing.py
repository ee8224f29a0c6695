"""A small picture of a run that goes on: cheap, whatever the run does, because it is drawn during it.

While there are few events the trace is asked for everything. Reading millions of them again five
times a second would slow down what is measured; then each refresh adds one column of cells, made
from the trace's totals, which are up to date at any moment.
"""

from __future__ import annotations

from dataclasses import dataclass

from matplotlib.figure import Figure

from ..engines.trace import Trace
from ..measure.run import Run
from . import palette, rows
from .growing import History, history_of
from .sheet import WIDTH, Sheet, own_style, time_axis
from .side import Floats, Side, Waits
from .words import so_far

_FEW = 20_000  # switches, up to which the trace is asked for everything
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
    history = history_of(trace, elapsed)
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


@dataclass(frozen=True)
class _Sampled(Side):
    history: History

    def shares(self, waits: Waits, groups: int, bins: int) -> Floats:
        return self.history.cells(self.rows, bins)
