"""A sweep: curves of all sides against the name that was swept, and the same in words."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, NullLocator

from ..measure.sweep import Floats, Measured, Point, Sweep, said_values
from . import headings, palette
from .sheet import Sheet, amount, own_style, say
from .text import count, duration, factor, number, one_line, times
from .verdict import Verdict, judged_pairs

_MARKERS = {
    "coroutines": "o", "threads": "s", "threadpool": "D", "sequential": "v", "asyncio": "^", "gevent": "P",
}  # fmt: skip
# How a side's line looks in the legend.
_DASHES = {
    "coroutines": "———", "threads": "– – –", "threadpool": "- - -", "sequential": "······",
    "asyncio": "— · —", "gevent": "– ·· –",
}  # fmt: skip
# What is drawn, and what it is called.
_PARTS = (
    ("throughput", "steps of the program per second"),
    ("seconds", "time"),
    ("cpu", "processor time"),
    ("memory", "memory: growth of the process"),
)
_LEFT, _GAP_X, _WIDE = 0.62, 0.72, 2.4
_HIGH, _BETWEEN, _CAPTION, _AXIS = 1.5, 0.18, 0.24, 0.4
_MOST_LINES = 40


def picture(sweep: Sweep) -> Figure:
    """Draw a sweep: four plots, both axes logarithmic where they can be.

    Of a grid, a line for every combination of the other names.
    """
    with own_style():
        row = _CAPTION + _HIGH + _AXIS
        lines = headings.lines_of(_headline(sweep))
        limits = _limits(sweep)
        top = 0.18 + 0.22 * len(lines)
        legend = _legend(sweep)
        below = top + 0.08 + 0.22 * len(legend)
        plots = below + 0.14 + 0.22 * len(limits)
        sheet = Sheet(plots + 2 * row + _BETWEEN)
        headings.draw(sheet, _headline(sweep))
        _draw_legend(sheet, legend, top + 0.08)
        for at, limit in enumerate(limits):
            sheet.say_at(_LEFT, below + 0.02 + 0.22 * at, limit, fontsize=8, color=palette.FAILED)
        for at, (what, title) in enumerate(_PARTS):
            left = _LEFT + (at % 2) * (_WIDE + _GAP_X)
            top = plots + (at // 2) * (row + _BETWEEN)
            sheet.say_at(left, top, title, fontsize=8.5, fontweight="bold")
            axes = sheet.axes_at(left, top + _CAPTION, _WIDE, _HIGH)
            _draw(axes, sweep, what)
        return sheet


def _draw(axes: Axes, sweep: Sweep, what: str) -> None:
    name = sweep.names[0]
    xs = np.array([point.values[name] for point in sweep.points], np.float64)
    shown = []
    for side in sweep.sides:
        colour, dash = palette.LINES[side]
        marker = _MARKERS[side]
        ys = sweep.column(side, what)
        for at in _lines(sweep):
            seen = at[np.isfinite(ys[at])]
            axes.plot(xs[seen], ys[seen], color=colour, linestyle=dash, marker=marker, markersize=4,
                      linewidth=1.6)  # fmt: skip
            shown.append(ys[seen])
            if what == "seconds":
                _draw_spread(axes, sweep, side, xs, seen, colour)
    values = np.concatenate(shown) if shown else np.zeros(0)
    _scale(axes, "x", xs)
    _scale(axes, "y", values, {"throughput": amount, "memory": _size}.get(what, duration))
    axes.grid(color=palette.GRID, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.set_xlabel(one_line(name, 40), fontsize=8, color=palette.FAINT_INK, labelpad=2, parse_math=False)
    if not len(values):
        unknown = "this system does not tell" if what == "memory" else "nothing was measured"
        say(axes, 0.5, 0.5, unknown, at=axes.transAxes, ha="center", color=palette.FAINT_INK)
        return
    for point in sweep.limits[:1]:
        # From here on threads could not go on.
        axes.axvline(point.values[name], color=palette.FAILED, linewidth=1.2, linestyle=":")


def _limits(sweep: Sweep) -> list[str]:
    """Say where threads could not go on, and why points are missing, if any are."""
    said = []
    for point in sweep.limits[:1]:
        if point.threads is not None:
            said.append(f"at {said_values(point.values)} the threads {point.threads.note}")
    if sweep.note:
        said.append(one_line(sweep.note, 80))
    return said


def _lines(sweep: Sweep) -> list[np.ndarray]:
    """Give the points that one line goes through: those that differ in the first name only."""
    groups: dict[tuple[float, ...], list[int]] = {}
    for at, point in enumerate(sweep.points):
        groups.setdefault(tuple(point.values[name] for name in sweep.names[1:]), []).append(at)
    return [np.array(group) for group in groups.values()]


def _draw_spread(
    axes: Axes, sweep: Sweep, side: str, xs: Floats, seen: np.ndarray, colour: str
) -> None:
    for at in seen.tolist():
        measured = sweep.points[at].side(side)
        seconds = np.zeros(0) if measured is None else measured.seconds
        if len(seconds) > 1:
            axes.vlines(xs[at], np.min(seconds), np.max(seconds), color=colour, linewidth=1.0, alpha=0.7)


def _scale(axes: Axes, which: str, values: Floats, said: object = amount) -> None:
    axis = axes.xaxis if which == "x" else axes.yaxis
    positive = values[values > 0]
    if len(positive) and len(positive) == len(values):
        (axes.set_xscale if which == "x" else axes.set_yscale)("log")
        axis.set_major_locator(LogLocator(10, numticks=8))
        low, high = float(np.min(positive)), float(np.max(positive))
        if high < 10 * low:
            # A scale with no power of ten in it would have no tick.
            axis.set_major_locator(LogLocator(10, subs=(1.0, 2.0, 5.0)))
            spare = 1.15 if which == "x" else 1.4
            (axes.set_xlim if which == "x" else axes.set_ylim)(low / spare, high * spare)
        axis.set_minor_locator(NullLocator())
        axis.set_minor_formatter(NullFormatter())
    axis.set_major_formatter(FuncFormatter(lambda value, _: said(value)))  # type: ignore[operator]


def _size(value: float) -> str:
    """Give bytes as a person says them."""
    for scale, letters in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if value >= scale:
            return f"{value / scale:.3g} {letters}"
    return f"{value:.3g} bytes"


_Entry = tuple[float, str, str, str]


def _legend(sweep: Sweep) -> list[list[_Entry]]:
    """Give the lines of the legend, of entries: where one begins, in inches, its text, colour and weight."""
    entries = [
        (f"{_DASHES[side]}  {_called(side)}", palette.LINES[side][0], "bold") for side in sweep.sides
    ]
    others = len(_lines(sweep))
    if others > 1:
        names = ", ".join(one_line(name, 30) for name in sweep.names[1:])
        said = f"a line for each of {count(others, 'value')} of {names}"
        entries.append((said, palette.FAINT_INK, "normal"))
    lines: list[list[_Entry]] = [[]]
    left = _LEFT
    for text, colour, weight in entries:
        wide = 0.07 * len(text) + 0.25
        if lines[-1] and left + wide > _LEFT + 2 * _WIDE + _GAP_X + 0.3:
            lines.append([])
            left = _LEFT
        lines[-1].append((left, text, colour, weight))
        left += wide
    return lines


def _draw_legend(sheet: Sheet, lines: list[list[_Entry]], top: float) -> None:
    for at, line in enumerate(lines):
        for left, text, colour, weight in line:
            sheet.say_at(left, top + 0.22 * at, text, color=colour, fontsize=8.5, fontweight=weight)


def _called(side: str) -> str:
    return {"coroutines": "coroutines, one thread", "threads": "one thread per coroutine"}.get(side, side)


# In words.


def words(sweep: Sweep) -> str:
    """Say what a sweep came to."""
    lines = [_headline(sweep)]
    lines += [_line(point) for point in sweep.points[:_MOST_LINES]]
    if len(sweep.points) > _MOST_LINES:
        lines.append(f"and {count(len(sweep.points) - _MOST_LINES, 'more point')}")
    if len(sweep.points) < sweep.wanted or sweep.note:
        why = f": {one_line(sweep.note, 300)}" if sweep.note else ""
        lines.append(f"{number(len(sweep.points))} of {count(sweep.wanted, 'point')} were measured{why}")
    lines += [f"{name}: not measured: {one_line(why, 300)}" for name, why in sweep.other_notes.items()]
    repeats = max((len(point.coroutines.seconds) for point in sweep.points if point.coroutines), default=0)
    if repeats == 1:
        lines.append("each side ran once at every point, untraced (--repeat 10 gives medians)")
    elif repeats:
        lines.append(f"medians of {number(repeats)} untraced runs of each side, in turns")
    return "\n".join(lines)


def _headline(sweep: Sweep) -> str:
    known = np.flatnonzero(np.isfinite(sweep.ratios))
    said = f"a sweep over {', '.join(one_line(name, 30) for name in sweep.names)}"
    if not len(known):
        return f"{said}, {count(len(sweep.points), 'point')}"
    first, last = int(known[0]), int(known[-1])
    ends = [sweep.points[at] for at in dict.fromkeys((first, last))]
    return f"{said}: " + "; ".join(f"{_won(point)} at {said_values(point.values)}" for point in ends)


def _won(point: Point) -> str:
    """Say who was faster, by the rule for a run."""
    found = judged_pairs(point.pairs)
    match found.verdict:
        case Verdict.COROUTINES:
            return f"{times(found.ratio)} as fast as threads"
        case Verdict.THREADS:
            return f"threads {times(found.ratio)} as fast"
        case _:
            return str(found.verdict.value)


def _line(point: Point) -> str:
    said = f"{said_values(point.values)}: "
    said += f"coroutines {_taken(point.coroutines)}, threads {_taken(point.threads)}"
    if point.pairs is not None:
        said += f": {factor(point.pairs.median)} ×"
        won = judged_pairs(point.pairs).verdict
        if won not in (Verdict.COROUTINES, Verdict.THREADS):
            said += f" ({won.value})"
    for side, measured in point.others.items():
        said += f"; {side} {_taken(measured)}"
    return said


def _taken(measured: Measured | None) -> str:
    if measured is None:
        return "not tried"
    return duration(float(np.median(measured.seconds))) if measured.whole else measured.note
