"""The throughput plot: how many resumptions there had been by when, on each side."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator

from . import palette
from .sheet import amount, say, time_axis
from .side import Floats, Ints, Side
from .text import count, number
from .words import where_they_ran

_POINTS = 400


def draw(axes: Axes, sides: Sequence[Side], until: float) -> None:
    """Draw the resumptions of each side up to every moment from 0 to `until`, in seconds."""
    time_axis(axes, until)
    most = 0
    for side in sides:
        if side.empty:
            continue
        # Without explicit steps in the trace (a thread that only ran) there is nothing to count.
        moments, counts = _staircase(side)
        colour, dash = palette.LINES[side.name]
        axes.plot(moments, counts, color=colour, linestyle=dash, linewidth=1.8, solid_capstyle="butt")
        axes.plot(moments[-1:], counts[-1:], "o", color=colour, markersize=4, clip_on=False)
        most = max(most, int(counts[-1]))
    axes.set_ylim(0, most * 1.08 or 1)
    axes.yaxis.set_major_locator(MaxNLocator(3, integer=True, steps=[1, 2, 5, 10]))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: amount(y)))
    axes.grid(axis="y", color=palette.GRID, linewidth=0.6)
    if not most:
        say(axes, 0.5, 0.5, "nothing was counted", at=axes.transAxes, ha="center", color=palette.FAINT_INK)


def _staircase(side: Side) -> tuple[Floats, Ints]:
    moments, counts = side.trace.progress(_POINTS)
    if len(moments) and moments[-1] < side.seconds:
        moments, counts = np.append(moments, side.seconds), np.append(counts, counts[-1])
    return moments, counts


def caption(side: Side) -> tuple[str, str]:
    """Give what to say about a side's line, and the colour to say it in."""
    switches = side.run.switches if side.run is not None else side.trace.switches
    name = side.name
    if side.run is not None and side.run.processes:
        name += f", {where_they_ran(side.run)}"
    # As in the summary: who takes turns is switched, and when the system switched threads nobody saw.
    counted = count(switches, "switch", "switches") if side.takes_turns else count(switches, "resumption")
    text = f"{name}: {counted}"
    if side.seconds > 0 and not (side.run is not None and side.run.virtual):
        text += f", {number(switches / side.seconds)} per second"
    return text, palette.LINES[side.name][0]
