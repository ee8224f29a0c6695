"""The scaling curve: how a program's time falls with the number of processes."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ..measure.scaling import Scaling
from . import headings, palette
from .sheet import WIDTH, Sheet, own_style, say
from .text import count, duration, factor, number, one_line, times

_LEFT, _RIGHT, _HIGH, _AXIS = 0.62, 0.25, 2.6, 0.45


def picture(scaling: Scaling) -> Figure:
    """Draw the speedup against the number of processes, beside what is ideal on so many processors."""
    with own_style():
        title = _headline(scaling)
        top = 0.18 + 0.22 * len(headings.lines_of(title)) + 0.12
        sheet = Sheet(top + _HIGH + _AXIS)
        headings.draw(sheet, title)
        axes = sheet.axes_at(_LEFT, top, WIDTH - _LEFT - _RIGHT, _HIGH)
        if not scaling.processes:
            say(axes, 0.5, 0.5, "nothing was measured", at=axes.transAxes, ha="center",
                color=palette.FAINT_INK)  # fmt: skip
            return sheet
        order = np.argsort(scaling.processes)
        xs = np.array(scaling.processes)[order]
        most = int(xs[-1])
        bend = min(scaling.cores, most)
        axes.plot([0, bend, most], [0, bend, bend], color=palette.FAINT_INK, linestyle=":", linewidth=1.4)
        say(axes, most, bend, "ideal, on " + count(scaling.cores, "processor"), ha="right", va="bottom",
            color=palette.FAINT_INK)  # fmt: skip
        axes.plot(xs, scaling.speedups[order], color=palette.RUNNING, marker="o", markersize=5, linewidth=1.8)
        for x, y, seconds in zip(xs, scaling.speedups[order], scaling.medians[order], strict=True):
            say(axes, x, y - 0.06 * bend, duration(seconds), va="top", ha="left")
        axes.set_xlim(0, most * 1.12)
        axes.set_ylim(0, max(bend, float(np.max(scaling.speedups))) * 1.2)
        axes.xaxis.set_major_locator(MaxNLocator(8, integer=True))
        axes.grid(color=palette.GRID, linewidth=0.6)
        axes.set_axisbelow(True)
        style: dict[str, Any] = {"fontsize": 8, "color": palette.FAINT_INK, "labelpad": 2}
        axes.set_xlabel("processes", **style)
        axes.set_ylabel("times as fast", **style)
        return sheet


def words(scaling: Scaling) -> str:
    """Say what it came to: a headline, then a line for each number of processes."""
    lines = [_headline(scaling)]
    for each, seconds, speedup in zip(scaling.processes, scaling.medians, scaling.speedups, strict=True):
        lines.append(f"{count(each, 'process', 'processes')}: {duration(seconds)}, {factor(speedup)} ×")
    if any(each > scaling.cores for each in scaling.processes):
        lines.append(f"there are {count(scaling.cores, 'processor')} here: more processes cannot be faster")
    if scaling.note or len(scaling.processes) < scaling.wanted:
        why = f": {one_line(scaling.note, 300)}" if scaling.note else ""
        lines.append(f"{number(len(scaling.processes))} of {number(scaling.wanted)} were measured{why}")
    turns = scaling.seconds.shape[1] if scaling.seconds.ndim == 2 else 0
    if turns == 1:
        lines.append("each ran once, untraced (--repeat 5 gives medians)")
    elif turns:
        lines.append(f"medians of {number(turns)} untraced runs, in turns")
    return "\n".join(lines)


def _headline(scaling: Scaling) -> str:
    said = "a sweep over processes"
    if not scaling.processes:
        return said
    best = int(np.argmax(scaling.speedups))
    if scaling.speedups[best] <= 1.05 * min(scaling.processes):
        return f"{said}: more of them were no faster, on {count(scaling.cores, 'processor')}"
    return (f"{said}: {times(float(scaling.speedups[best]))} as fast in "
            f"{count(scaling.processes[best], 'process', 'processes')}, on "
            f"{count(scaling.cores, 'processor')}")  # fmt: skip
