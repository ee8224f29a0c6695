"""The timeline of one side: a row for each coroutine or thread, time from left to right.

Few rows are drawn as bars; where there are too many bars, each row's height is divided among the states.
Many rows become an image of cells, each of which mixes the colours of the states its rows were in.
There the cells in which somebody ran are always visible: their blue grows with the square root of the
time in which somebody ran, and the more, the fewer they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from ..language import State
from . import palette
from .sheet import amount, label_of, say, time_axis
from .side import READY, RUNNING, WAITING, Floats, Ints, Side, Waits
from .text import count, duration, one_line
from .words import slow_label, who_ran

MOST_MARKERS = 400  # markers of one kind, on different pixels
MOST_MARKS = 200  # dashes
MOST_TEXTS = 12  # marks with their text
_LEAST_RUNNING = 0.04  # how blue a cell is in which somebody ran for next to no time
_FLAG = 0.14  # inches: the height of a line of flags
_FLAG_LINES = 3
_STRIP = 0.11  # inches: the height of the strip over the rows that shows the slow steps
_LABELLED = 3  # slow steps with their text
_LEAST_STRIP = 3  # pixels
_HATCH = "/" * 7
_CELL = 2  # pixels: the size of a cell
_PARTS = 12  # of the height of a named row, to divide among states
_ROW = 0.17  # inches for a named row
_LETTERS = 0.115  # inches between two labels at least


def ends() -> tuple[tuple[State, str, str, str, str], ...]:
    """Give how a row can end: where to look, its marker, its colour, its face, the legend's word."""
    return (
        (State.FAILED, "X", palette.FAILED, palette.FAILED, "failed"),
        (State.CANCELLED, "D", palette.INK, palette.PAPER, "cancelled"),
        (State.LEFT_OVER, ">", palette.INK, palette.PAPER, "left over, still waiting"),
    )


def height_of(side: Side, most: float) -> float:
    """Give how high a side's timeline should be, in inches: `most` at most, and somewhat more for names."""
    if side.empty:
        return 0.45
    return min(max(side.rows * _ROW, 0.34), 1.25 * most) if side.named else most


def draw(axes: Axes, side: Side, waits: Waits, until: float, names: bool = True) -> None:
    """Draw a side's rows from time 0 to `until` (seconds) into axes, the first at the top."""
    time_axis(axes, until, label=False)
    axes.set_yticks([])
    if side.empty:
        axes.set_xticks([])
        axes.spines[:].set_visible(False)
        axes.set_facecolor(palette.LANE)
        say(axes, 0.5, 0.5, side.empty, at=axes.transAxes, ha="center", color=palette.FAINT_INK)
        return
    axes.set_ylim(side.rows - 0.5, -0.5)
    if side.drawn_bar_by_bar:
        _bars(axes, side, waits, until)
    else:
        _cells(axes, side, waits)
    if names:
        _row_labels(axes, side)
    _bands(axes, side, names)
    _ends(axes, side, until)


def _inches(axes: Axes) -> tuple[float, float]:
    box = axes.get_position()
    figure = axes.figure
    assert isinstance(figure, Figure)
    width, height = figure.get_size_inches()
    return float(box.width * width), float(box.height * height)


def _bars(axes: Axes, side: Side, waits: Waits, until: float) -> None:
    iv = side.intervals
    assert iv is not None
    for row in range(0, side.rows, 2):
        axes.axhspan(row - 0.5, row + 0.5, color=palette.LANE, linewidth=0, zorder=0)
    # A step of a microsecond must be seen as well: no narrower than a bit more than a pixel.
    least = 1.3 * until / (_inches(axes)[0] * axes.figure.dpi)
    slots = waits.slots(side.trace)[iv.reason]
    layers = [
        ((iv.state == WAITING) & (slots == slot), colour, palette.HEIGHTS["waiting"], 0.0)
        for slot, colour in enumerate(waits.colours())
    ]
    layers.append((iv.state == READY, palette.READY, palette.HEIGHTS["ready"], 0.0))
    layers.append((iv.state == RUNNING, running_colour(side), palette.HEIGHTS["running"], least))
    for chosen, colour, high, width in layers:
        if chosen.any():
            begin, row = iv.begin[chosen], iv.row[chosen]
            end = np.maximum(iv.end[chosen], begin + width)
            corners = _rectangles(begin, end, row - high / 2, row + high / 2)
            axes.add_collection(
                PolyCollection(list(corners), facecolor=colour, edgecolor=colour, linewidth=0.2, zorder=2),
                autolim=False,
            )


def running_colour(side: Side) -> str:
    """Give the colour for running: of a thread nobody can tell whether it runs or waits for the GIL."""
    return palette.RUNNING if side.takes_turns else palette.ACTIVE


def _rectangles(left: Floats, right: Floats, low: Floats, high: Floats) -> Floats:
    """Give the corners of rectangles, shape (n, 4, 2)."""
    xs = np.stack([left, left, right, right], axis=1)
    ys = np.stack([low, high, high, low], axis=1)
    return np.stack([xs, ys], axis=2)


def _cells(axes: Axes, side: Side, waits: Waits) -> None:
    width, height = _inches(axes)
    # On a shared time axis a short side has few pixels: no more cells than those.
    pixels = width * axes.figure.dpi * side.seconds / axes.get_xlim()[1]
    shares = side.shares(waits, max(int(height * axes.figure.dpi / _CELL), 1), max(int(pixels / _CELL), 8))
    colours = [palette.READY, running_colour(side), *waits.colours()]
    if side.named:
        image = stacked_colours(shares, colours)
    else:
        image = mixed_colours(shares, colours, side.rows / shares.shape[0] if side.takes_turns else 1.0)
    axes.imshow(
        image, extent=(0.0, side.seconds, side.rows - 0.5, -0.5), aspect="auto",
        interpolation="nearest", zorder=1,
    )  # fmt: skip
    axes.set_xlim(axes.get_xlim())
    if side.named:
        for row in range(1, side.rows):
            axes.axhline(row - 0.5, color=palette.PAPER, linewidth=1.5, zorder=1.5)


def stacked_colours(shares: Floats, state_colours: Sequence[str]) -> Floats:
    """Divide each row's height among the states, as far as each went in each bin; the rows have names.

    Parameters
    ----------
    shares:
        As `Side.shares` gives them, shape (rows, bins, states).
    state_colours:
        A colour for each state.

    Returns
    -------
    array of shape (rows × parts, bins, 4): red, green, blue and opacity, each from 0 to 1.
    """
    colours = np.array([(*to_rgb(colour), 1.0) for colour in state_colours] + [(1.0, 1.0, 1.0, 0.0)])
    order = [RUNNING, READY, *range(WAITING, len(state_colours))]
    shares = shares[:, :, : len(state_colours)].copy()
    # Whoever ran at all gets a part of the height.
    ran = shares[:, :, RUNNING]
    ran[:] = np.where(ran > 1e-9, np.maximum(ran, 1.0 / _PARTS), 0.0)
    upto = np.cumsum(shares[:, :, order], axis=2)
    part = (np.arange(_PARTS)[:, None, None] + 0.5) / _PARTS
    # From the bottom of the row upwards; the last colour is nobody's.
    slot = (part[None] > upto[:, None]).sum(axis=3)
    chosen = np.array([*order, len(state_colours)])[slot]
    image: Floats = colours[chosen[:, ::-1].reshape(-1, shares.shape[1])]
    return image


def mixed_colours(shares: Floats, state_colours: Sequence[str], rows_per_cell: float) -> Floats:
    """Mix the colours of the states in each cell; for many rows.

    Parameters
    ----------
    shares:
        As `Side.shares` gives them, shape (groups, bins, states).
    state_colours:
        A colour for each state.
    rows_per_cell:
        By what to multiply the share of running rows to get the share of the time in which one of
        them ran: the number of rows in a group, where only one runs at a time.

    Returns
    -------
    array of shape (groups, bins, 4): red, green, blue and opacity, each from 0 to 1. A cell is the
    more opaque the more of its rows live, but never so faint as to look empty.
    """
    colours = np.array([to_rgb(colour) for colour in state_colours])
    shares = shares[:, :, : len(colours)]
    alive = shares.sum(axis=2)
    still = shares.copy()
    still[:, :, RUNNING] = 0.0
    resting = still.sum(axis=2)
    mixed = (still @ colours) / np.maximum(resting, 1e-12)[:, :, None]
    ran = np.clip(shares[:, :, RUNNING] * rows_per_cell, 0.0, 1.0)
    # The fewer cells there are in which somebody ran, the more each of them must stand out.
    crowd = np.count_nonzero(ran > 1e-9) / (np.count_nonzero(alive > 1e-9) + 1)
    least = _LEAST_RUNNING + (0.65 - _LEAST_RUNNING) * (1 - crowd) ** 2
    blue = np.where(ran > 1e-9, least + (1 - least) * np.sqrt(ran), 0.0)
    # Where next to nobody rests there is nothing to mix with.
    blue = np.where(resting < 1e-6 * alive, 1.0, blue)[:, :, None]
    out = np.zeros((*alive.shape, 4))
    out[:, :, :3] = (1 - blue) * mixed + blue * colours[RUNNING]
    out[:, :, 3] = np.clip(np.where(alive > 1e-9, 0.45 + 0.55 * alive, 0.0), 0.0, 1.0)
    return np.clip(out, 0.0, 1.0)


def _row_labels(axes: Axes, side: Side) -> None:
    left = axes.get_yaxis_transform()
    if side.named:
        step = max(1, int(np.ceil(_LETTERS * side.rows / _inches(axes)[1])))
        for row in range(0, side.rows, step):
            say(axes, -0.008, row, label_of(side.trace.name(row)), at=left, ha="right", fontsize=7.5)
        return
    # Many: they are known by their numbers, in the order in which they were spawned.
    ticks = MaxNLocator(4, integer=True, steps=[1, 2, 5, 10]).tick_values(0, side.rows)
    for tick in (tick for tick in ticks if 0 <= tick <= side.rows):
        say(axes, -0.008, tick, amount(tick), at=left, ha="right", color=palette.FAINT_INK)


_ONE_LINE = 0.13  # inches: as high as a small line of text


def _bands(axes: Axes, side: Side, names: bool) -> None:
    """Divide the rows of different processes by a line, and name the processes at the right."""
    bands = () if side.run is None else side.run.processes
    right = axes.get_yaxis_transform()
    room = _inches(axes)[1] / side.rows  # inches for a row
    there = [band for band in bands if band.rows]
    high = min((band.rows for band in there), default=0) * room
    for band in there:
        if band.first:
            thick = 0.8 if high >= _ONE_LINE else 0.4
            axes.axhline(band.first - 0.5, color=palette.INK, linewidth=thick, zorder=4)
    if not names or not there:
        return
    style: dict[str, Any] = {"at": right, "fontsize": 7.5, "color": palette.FAINT_INK}
    # Where not all of them have room for words, they have numbers, and the word stands beside them once.
    words = high >= 0.062 * len(f"process {there[-1].number}")
    numbers = not words and high >= _ONE_LINE
    for band in there:
        middle = band.first + band.rows / 2 - 0.5
        if words:
            say(axes, 1.006, middle, f"process {band.number}", rotation=270, **style)
        elif numbers:
            say(axes, 1.006, middle, f"{band.number}", **style)
    if not words:
        text = "process" if numbers else f"{len(there)} processes"
        say(axes, 1.03 if numbers else 1.006, side.rows / 2 - 0.5, text, rotation=270, **style)


def _ends(axes: Axes, side: Side, until: float) -> None:
    for state, marker, edge, face, _ in ends():
        rows, times = side.ended(state)
        if not len(rows):
            continue
        rows, times = _thinned(axes, side, rows, times, until)
        size = 36 if side.named else 22
        axes.scatter(
            np.minimum(times, until), rows, s=size, marker=marker, c=face, edgecolors=edge,
            linewidths=0.9, zorder=5, clip_on=False,
        )  # fmt: skip


def _thinned(axes: Axes, side: Side, rows: Ints, times: Floats, until: float) -> tuple[Ints, Floats]:
    """Leave out markers that would hide one another, and bring them down to `MOST_MARKERS`."""
    width, height = _inches(axes)
    cell = 5.0 / 72  # inches
    column = (times / until * width / cell).astype(np.int64)
    line = (rows / side.rows * height / cell).astype(np.int64)
    if not side.named:
        _, first = np.unique(np.stack([column, line]), axis=1, return_index=True)
        rows, times = rows[first], times[first]
    if len(rows) > MOST_MARKERS:
        pick = np.linspace(0, len(rows) - 1, MOST_MARKERS).astype(np.int64)
        rows, times = rows[pick], times[pick]
    return rows, times


def flags(side: Side, until: float, width: float) -> list[tuple[float, int, str]]:
    """Give where the texts of marks fit over an axis of `until` seconds and `width` inches.

    Returns (inches from the left, line from the bottom, text) of each; `MOST_TEXTS` at most.
    """
    marks = sorted(side.trace.marks[:MOST_MARKS])
    return _placed([(mark.time, one_line(mark.text, 28)) for mark in marks], until, width)


def slow_flags(side: Side, until: float, width: float) -> list[tuple[float, int, str]]:
    """Give where the texts of the longest slow steps fit, as `flags` does."""
    steps = sorted(side.slow[:_LABELLED], key=lambda step: step.begin)
    return _placed([(step.begin, slow_label(step)) for step in steps], until, width)


def _placed(texts: list[tuple[float, str]], until: float, width: float) -> list[tuple[float, int, str]]:
    ends = [0.0] * _FLAG_LINES  # where the last flag of each line ends, in inches
    placed: list[tuple[float, int, str]] = []
    for time, text in texts:
        wide = 0.066 * len(text) + 0.12
        begin = min(time / until * width, max(width - wide, 0.0))
        line = next((number for number in range(_FLAG_LINES) if begin >= ends[number]), None)
        if line is None or len(placed) == MOST_TEXTS:
            continue
        ends[line] = begin + wide
        placed.append((begin, line, text))
    return placed


def flags_height(side: Side, until: float, width: float) -> float:
    """Give the room that the flags of a side's marks and slow steps need over its axes, in inches."""
    return _slow_height(side, until, width) + _marks_height(side, until, width)


def _slow_height(side: Side, until: float, width: float) -> float:
    if side.empty or not side.slow:
        return 0.0
    return _STRIP + _FLAG * (1 + max(line for _, line, _ in slow_flags(side, until, width)))


def _marks_height(side: Side, until: float, width: float) -> float:
    if side.empty or not side.trace.marks:
        return 0.0
    placed = flags(side, until, width)
    lines = 1 + max((line for _, line, _ in placed), default=0)
    return _FLAG * (lines + (len(side.trace.marks) > len(placed)))


def draw_marks(axes: Axes, side: Side, until: float) -> None:
    """Draw the marks of a side: dashes down the rows, flags with their text over them."""
    marks = side.trace.marks
    if not marks or side.empty:
        return
    for mark in marks[:MOST_MARKS]:
        axes.axvline(mark.time, color=palette.MARK, linewidth=0.8, linestyle=(0, (4, 3)), zorder=4)
        if mark.row >= 0 and side.named:
            axes.plot([mark.time], [mark.row], marker="v", markersize=4, color=palette.MARK, zorder=5)
    width, height = _inches(axes)
    placed = flags(side, until, width)
    above = _slow_height(side, until, width)
    style: dict[str, Any] = {"at": axes.transAxes, "color": palette.MARK, "fontsize": 7.5}
    for begin, line, text in placed:
        say(axes, begin / width, 1 + (above + (line + 0.55) * _FLAG) / height, text, **style)
    if len(marks) > len(placed):
        rest = f"and {count(len(marks) - len(placed), 'more mark')}"
        top = flags_height(side, until, width) - 0.45 * _FLAG
        say(axes, 1.0, 1 + top / height, rest, ha="right", **style)


def draw_slow_steps(axes: Axes, side: Side, until: float) -> None:
    """Draw the steps that held the thread: hatched, in a strip over the rows and in their own row.

    The longest have their text, and a line down to their row where it is one of many.
    """
    steps = side.slow
    if not steps or side.empty:
        return
    width, height = _inches(axes)
    begin = np.array([step.begin for step in steps])
    row = np.array([step.row for step in steps], np.float64)
    # In virtual time they took none.
    end = begin + (0.0 if side.virtual else np.array([step.seconds for step in steps]))
    least = _LEAST_STRIP * until / (width * axes.figure.dpi)
    low, high = (np.full(len(steps), 1 + share * _STRIP / height) for share in (0.12, 0.82))
    strip = _rectangles(begin, np.maximum(end, begin + least), low, high)
    axes.add_collection(
        PolyCollection(
            list(strip), facecolor=palette.PAPER, edgecolor=palette.SLOW, linewidth=0.7, hatch=_HATCH,
            transform=axes.get_xaxis_transform(), clip_on=False, zorder=6,
        ), autolim=False,
    )  # fmt: skip
    if side.named:
        tall = palette.HEIGHTS["running"] / 2
        bars = _rectangles(begin, np.maximum(end, begin + least), row - tall, row + tall)
        axes.add_collection(
            PolyCollection(list(bars), facecolor="none", edgecolor=palette.PAPER, linewidth=0.0,
                           hatch=_HATCH, zorder=3), autolim=False,
        )  # fmt: skip
    labelled = [(step.begin, step.row) for step in steps[:_LABELLED]]
    for at, of_row in labelled:
        axes.plot([at, at], [-0.5, of_row], color=palette.SLOW, linewidth=0.7, zorder=5)
    if not side.named:
        ats, of_rows = np.array(labelled).T
        axes.scatter(ats, of_rows, s=26, marker="<", c=palette.PAPER, edgecolors=palette.SLOW,
                     linewidths=0.9, zorder=6, clip_on=False)  # fmt: skip
    for left, line, text in slow_flags(side, until, width):
        over = 1 + (_STRIP + (line + 0.5) * _FLAG) / height
        say(axes, left / width, over, text, at=axes.transAxes, color=palette.SLOW, fontsize=7.5)


def slow_patch(label: str) -> Patch:
    """Give the legend's entry for slow steps."""
    return Patch(facecolor=palette.PAPER, edgecolor=palette.SLOW, linewidth=0.7, hatch=_HATCH, label=label)


def caption(side: Side) -> str:
    """Give the line over a side's timeline."""
    run = side.run
    many = run.count if run is not None else side.rows
    bound = "" if run is None or run.complete else "more than "
    return f"{who_ran(side.name, run, many)}: {bound}{duration(side.seconds)}"
