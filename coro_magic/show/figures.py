"""The picture: coroutines over threads on one time axis, their throughput under them, the headline on top."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import ConnectionPatch, Patch

from ..measure.run import Run
from . import headings, palette, rows, throughput
from .sheet import WIDTH, Sheet, label_of, own_style, say, time_axis, time_unit, width_of
from .side import NOT_BEGUN, OTHER, Side, read, sides_of, waits_of
from .text import duration
from .words import headline, slow_limit

_RIGHT = 0.3
_CAPTION = 0.24
_LINE = 0.17  # from one line of a caption to the next
_LEFT = 0.15
_GAP = 0.12
_AXIS = 0.46  # the time axis with its label
_ZOOM_BELOW = 0.2  # of the time axis: what is shorter is drawn a second time, magnified
_ZOOM_AXIS = 0.3
_THROUGHPUT = 0.9
# The legend: its letters in points, the rest in heights of these, as matplotlib takes them.
_LEGEND_LETTERS = 8.0
_LEGEND_HANDLE = 1.3
_LEGEND_AFTER_HANDLE = 0.5
_LEGEND_BETWEEN = 1.3
_LEGEND_PAD = 0.2
_LEGEND_AWAY = 0.5
_LEGEND_LEFT = 0.09  # inches, also what stays free to the right of it


def picture(run: Run) -> Figure:
    """Draw both timelines and the throughput, with the headline over them."""
    with own_style():
        sides = sides_of(run)
        return _Layout(run, sides, with_throughput=True).drawn()


def timeline(run: Run) -> Figure:
    """Draw both timelines."""
    with own_style():
        return _Layout(run, sides_of(run), with_throughput=False).drawn()


def one_over_the_other(one: Run, other: Run, title: str, captions: tuple[str, str]) -> Figure:
    """Draw the coroutines of two runs on one time axis, each with a caption of its own."""
    with own_style():
        sides = [read(one), read(other)]
        return _Layout(one, sides, with_throughput=False, title=title, captions=captions).drawn()


def throughput_plot(run: Run) -> Figure:
    """Draw the resumptions of both sides against time."""
    with own_style():
        sides = sides_of(run)
        title = headline(run)
        high = 2.94 + 0.22 * len(headings.lines_of(title)) + _throughput_caption_height(sides)
        sheet = Sheet(high)
        top = _throughput_caption(sheet, sides, _LEFT, headings.draw(sheet, title) + 0.1)
        throughput.draw(sheet.axes_at(0.75, top, WIDTH - 0.75 - _RIGHT, high - top - _AXIS), sides,
                        _until(sides))  # fmt: skip
        sheet.says = f"Resumptions against time. {title}"
        return sheet


def _until(sides: Sequence[Side]) -> float:
    return max(side.seconds for side in sides) or 1e-6


def _throughput_caption(sheet: Sheet, sides: Sequence[Side], left: float, top: float) -> float:
    counted = [side for side in sides if not side.empty]
    for number, side in enumerate(counted):
        text, colour = throughput.caption(side)
        sheet.say_at(left, top + number * _LINE, text, color=colour, fontsize=8.5, fontweight="bold")
    return top + _throughput_caption_height(sides)


def _throughput_caption_height(sides: Sequence[Side]) -> float:
    return _CAPTION + _LINE * (sum(not side.empty for side in sides) - 1)


def _most_heights(sides: int) -> list[float]:
    """Give how high the timeline of each side is at most, in inches: the more sides, the less."""
    if sides <= 2:
        return [2.4] if sides == 1 else [1.9, 1.3]
    return [1.6] + [max(0.7, 2.4 / (sides - 1))] * (sides - 1)


def _is_cut(side: Side) -> bool:
    """Say whether a side was stopped before its end."""
    return side.run is not None and not side.run.complete


class _Layout:
    """Where everything goes: from the top down, in inches."""

    def __init__(
        self, run: Run, sides: list[Side], with_throughput: bool, title: str = "",
        captions: Sequence[str] = (),
    ) -> None:  # fmt: skip
        self.run, self.sides = run, sides
        self.title = title or headline(run)
        self.whose = "both runs" if title else ", ".join(side.name for side in sides)
        self.captions = captions or [rows.caption(side) for side in sides]
        self.waits = waits_of(sides)
        self.until = _until(sides)
        cut = any(_is_cut(side) for side in sides)
        # Room to the right of a cut, to show that it would have gone on.
        self.axis = self.until * (1.04 if cut else 1.0)
        self.with_throughput = with_throughput and any(not side.empty for side in sides)
        self.left = self._left()
        self.width = WIDTH - self.left - _RIGHT
        most = _most_heights(len(sides))
        self.heights = [rows.height_of(side, high) for side, high in zip(sides, most, strict=True)]

    def _left(self) -> float:
        named = [side for side in self.sides if side.named and not side.empty]
        longest = max(
            (len(label_of(side.trace.name(row))) for side in named for row in range(side.rows)), default=0
        )
        return max(0.6, 0.25 + 0.068 * longest)

    def _zoomed(self, side: Side) -> bool:
        return not side.empty and 0 < side.seconds < _ZOOM_BELOW * self.axis

    def _flags_height(self, side: Side) -> float:
        if self._zoomed(side):
            return rows.flags_height(side, side.seconds, self.width - self._zoom_left())
        return rows.flags_height(side, self.axis, self.width)

    def _zoom_left(self) -> float:
        """Give where the magnified part begins, in inches from where the time axis does."""
        return self.width * (_ZOOM_BELOW + 0.06)

    def drawn(self) -> Figure:
        """Draw it all."""
        title = headings.lines_of(self.title)
        legend_lines = -(-len(self._legend()) // self._columns())
        high = 0.18 + 0.22 * len(title) + 0.14 + 0.22 * legend_lines
        for side, height in zip(self.sides, self.heights, strict=True):
            high += _CAPTION + self._flags_height(side) + height + _GAP
            high += _ZOOM_AXIS if self._zoomed(side) else 0.0
        high += _throughput_caption_height(self.sides) + _THROUGHPUT if self.with_throughput else 0.0
        high += _AXIS if self._legend() else 0.0
        sheet = Sheet(high)
        top = headings.draw(sheet, self.title) + 0.02
        sheet.says += f". Timelines of {self.whose}"
        if self.with_throughput:
            sheet.says += ", and below them their resumptions against time"
        self._draw_legend(sheet, top)
        top += 0.12 + 0.22 * legend_lines
        for number, (side, height) in enumerate(zip(self.sides, self.heights, strict=True)):
            last = number == len(self.sides) - 1 and not self.with_throughput
            sheet.say_at(_LEFT, top, self.captions[number], fontsize=8.5, fontweight="bold")
            top = self._draw_side(sheet, side, top, height, last)
        if self.with_throughput:
            top = _throughput_caption(sheet, self.sides, _LEFT, top)
            axes = sheet.axes_at(self.left, top, self.width, _THROUGHPUT)
            throughput.draw(axes, self.sides, self.axis)
        return sheet

    def _draw_side(self, sheet: Sheet, side: Side, top: float, height: float, last: bool) -> float:
        if self._zoomed(side):
            text = f"the same {duration(side.seconds)}, magnified, in {time_unit(side.seconds)[1]}"
            sheet.say_at(WIDTH - _RIGHT, top, text, ha="right", fontsize=8, color=palette.FAINT_INK)
        top += _CAPTION + self._flags_height(side)
        axes = sheet.axes_at(self.left, top, self.width, height)
        rows.draw(axes, side, self.waits, self.axis)
        if last and not side.empty:
            time_axis(axes, self.axis)
            axes.tick_params(axis="x", length=3, labelbottom=True)
        if self._zoomed(side):
            # To the right of what it magnifies, where the time axis has nothing to show.
            begin = self._zoom_left()
            zoom = sheet.axes_at(self.left + begin, top, self.width - begin, height)
            zoom.set_zorder(3)
            rows.draw(zoom, side, self.waits, side.seconds, names=False)
            time_axis(zoom, side.seconds, ticks=7)
            zoom.set_xlabel("")
            zoom.tick_params(axis="x", length=3, labelbottom=True)
            for edge in zoom.spines.values():
                edge.set_visible(True)
                edge.set_color(palette.FAINT_INK)
            for corner in (0.0, 1.0):
                axes.add_artist(
                    ConnectionPatch(
                        (side.seconds / self.axis, corner), (0.0, corner), "axes fraction", "axes fraction",
                        axesA=axes, axesB=zoom, color=palette.FAINT_INK, linewidth=0.7, linestyle=":",
                    )
                )  # fmt: skip
            rows.draw_marks(zoom, side, side.seconds)
            rows.draw_slow_steps(zoom, side, side.seconds)
        else:
            rows.draw_marks(axes, side, self.axis)
            rows.draw_slow_steps(axes, side, self.axis)
        if _is_cut(side):
            self._draw_cut(axes, side)
        return top + height + _GAP + (_ZOOM_AXIS if self._zoomed(side) else 0.0)

    def _draw_cut(self, axes: Axes, side: Side) -> None:
        if side.empty:
            return
        axes.axvspan(side.seconds, self.axis, facecolor=palette.LANE, edgecolor=palette.FAILED,
                     hatch="////", linewidth=0, alpha=0.6, zorder=4)  # fmt: skip
        axes.axvline(side.seconds, color=palette.FAILED, linewidth=1.6, zorder=6)
        box = {"facecolor": palette.PAPER, "edgecolor": palette.FAILED, "linewidth": 0.7, "pad": 2}
        say(axes, side.seconds / self.axis - 0.006, 0.5, f"stopped after {duration(side.seconds)}",
            at=axes.transAxes, ha="right", color=palette.FAILED, bbox=box, zorder=7)  # fmt: skip

    def _legend(self) -> list[Patch | Line2D]:
        drawn = [side for side in self.sides if not side.empty]
        if not drawn:
            return []
        threads = not all(side.takes_turns for side in drawn)
        handles: list[Patch | Line2D] = []
        if any(side.takes_turns for side in drawn):
            handles.append(Patch(color=palette.RUNNING, label="running"))
            handles.append(Patch(color=palette.READY, label="ready, waiting for its turn"))
        if threads:
            # Nobody can tell which of the two.
            handles.append(Patch(color=palette.ACTIVE, label="thread: running or waiting for the GIL"))
        for verb, colour in zip(self.waits.verbs, self.waits.colours(), strict=True):
            handles.append(Patch(color=colour, label=_wait_label(verb)))
        for state, marker, edge, face, word in rows.ends():
            if any(len(side.ended(state)[0]) for side in drawn):
                handles.append(
                    Line2D([], [], linestyle="", marker=marker, markersize=6, markerfacecolor=face,
                           markeredgecolor=edge, label=word)
                )  # fmt: skip
        if any(side.slow for side in drawn):
            handles.append(rows.slow_patch(f"held the thread for {duration(slow_limit(self.run))} or longer"))
        if any(side.trace.marks for side in drawn):
            handles.append(Line2D([], [], color=palette.MARK, linestyle="--", linewidth=1, label="mark"))
        return handles

    def _columns(self) -> int:
        """Give how many legend entries fit side by side."""
        letters = _LEGEND_LETTERS / 72
        beside = (_LEGEND_HANDLE + _LEGEND_AFTER_HANDLE) * letters
        wide = [beside + width_of(str(handle.get_label()), _LEGEND_LETTERS) for handle in self._legend()]
        room = WIDTH - 2 * (_LEGEND_LEFT + (_LEGEND_AWAY + _LEGEND_PAD) * letters)
        columns = 1
        for lines in range(1, len(wide) + 1):
            columns = -(-len(wide) // lines)
            # Entries go down the columns, dealt out as matplotlib does it.
            widest = [float(max(column)) for column in np.array_split(wide, columns)]
            if sum(widest) + _LEGEND_BETWEEN * letters * (columns - 1) <= room:
                break
        return columns

    def _draw_legend(self, sheet: Sheet, top: float) -> None:
        handles = self._legend()
        if not handles:
            return
        whole, high = sheet.get_size_inches()
        legend = sheet.legend(
            handles=handles, loc="upper left", bbox_to_anchor=(_LEGEND_LEFT / whole, 1 - top / high),
            ncols=self._columns(), frameon=False, fontsize=_LEGEND_LETTERS,
            handlelength=_LEGEND_HANDLE, handleheight=0.8, columnspacing=_LEGEND_BETWEEN,
            handletextpad=_LEGEND_AFTER_HANDLE, borderpad=_LEGEND_PAD, borderaxespad=_LEGEND_AWAY,
            labelcolor=palette.INK,
        )  # fmt: skip
        for text in legend.get_texts():
            text.set_parse_math(False)


def _wait_label(verb: str) -> str:
    if verb in ("waiting", NOT_BEGUN, OTHER):
        return verb
    return f"waiting: {verb}"
