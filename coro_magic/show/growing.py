"""The growing timeline of a run that goes on, as a small PNG.

A refresh stops the coroutines for as long as it takes, and what takes a tenth of a second shows in their
timeline. So nothing is drawn here but cells of colour and a few words, without matplotlib and in some
milliseconds, from the trace's totals, which are up to date at any moment: each refresh adds one column.
"""

from __future__ import annotations

import io
from functools import cache
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from ..engines.glimpse import GROUPS, Glimpse, Grouped, grouped
from ..engines.trace import Trace
from ..measure.underway import Underway
from . import palette
from .side import READY, RUNNING, WAITING, Floats, Ints
from .text import count, number

_COLUMNS = 256
_FEW = 2_000  # switches, up to which the events themselves are read, again and again
_WIDTH, _LEFT, _RIGHT, _TOP, _AXIS = 840, 8, 12, 26, 22  # pixels
_LOW, _HIGH, _ROW = 60, 200, 14  # pixels: the lowest and the highest, and a row where there is room
_LETTERS = 14  # pixels: their size

Pixels = NDArray[np.uint8]


class History:
    """Who was in which state between the refreshes so far, for groups of rows; a bounded amount of memory."""

    def __init__(self, begin: float = 0.0) -> None:
        self.per_group = 1
        self.edges = [begin]
        self.columns: list[Floats] = []  # mean numbers of rows, each of shape (GROUPS, 3)
        self._before: Floats = np.zeros((GROUPS, 3))

    def add(self, trace: Trace, elapsed: float) -> None:
        """Add what happened since the last refresh."""
        if elapsed > self.edges[-1]:
            self.add_known(grouped(trace, self.per_group), elapsed)

    def add_known(self, known: Grouped, elapsed: float) -> None:
        """Add what is known by now, as somebody else has summed it up."""
        passed = elapsed - self.edges[-1]
        if passed <= 0:
            return
        while self.per_group < known.per_group:
            self.per_group *= 2
            self.columns = [_coarser(column) for column in self.columns]
            self._before = _coarser(self._before)
        sums: Floats = np.zeros((GROUPS, 3))
        sums[: len(known.seconds)] = known.seconds
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
        return self.shares(row_count)[:, self.columns_at(bins)]

    def shares(self, row_count: int) -> Floats:
        """Give the share of rows in each state for each column, shape (groups, columns, 3)."""
        used = -(-row_count // self.per_group)
        return np.stack(self.columns, axis=1)[:used] / self.per_group

    def columns_at(self, bins: int) -> Ints:
        """Give the column that each of a number of equal bins of time lies in, shape (bins,)."""
        middle = (np.arange(bins) + 0.5) / bins * self.edges[-1]
        return np.clip(np.searchsorted(self.edges, middle) - 1, 0, len(self.columns) - 1)


def _coarser(cells: Floats) -> Floats:
    out = np.zeros_like(cells)
    out[: GROUPS // 2] = cells[0::2] + cells[1::2]
    return out


_histories: WeakKeyDictionary[Trace, History] = WeakKeyDictionary()


def history_of(trace: Trace, elapsed: float) -> History:
    """Give what is known of a run so far, up to now."""
    history = _histories.get(trace)
    if history is None:
        history = _histories[trace] = History()
    if trace.recording and len(trace):
        history.add(trace, elapsed)
    return history


def png(trace: Trace, elapsed: float) -> bytes:
    """Draw what everybody did so far; the bytes of a PNG.

    Parameters
    ----------
    trace:
        Its `duration` and `switches` must be set to what they are now.
    elapsed:
        Seconds since the run began.
    """
    history = history_of(trace, elapsed)
    high = min(max(_ROW * len(trace), _LOW), _HIGH)
    paper: Pixels = np.empty((_TOP + high + _AXIS, _WIDTH, 3), np.uint8)
    paper[:] = _rgb(palette.PAPER)
    width = _WIDTH - _LEFT - _RIGHT
    if history.columns:
        if trace.detailed and trace.switches <= _FEW:
            colours = _colours(_exactly(trace, history.edges[-1]))
            columns: Ints = np.arange(width) * colours.shape[1] // width
        else:
            colours, columns = _colours(history.shares(len(trace))), history.columns_at(width)
        lines = np.arange(high) * len(colours) // high
        paper[_TOP : _TOP + high, _LEFT : _LEFT + width] = colours[lines][:, columns]
    image = Image.fromarray(paper)
    draw = ImageDraw.Draw(image)
    _draw_legend(draw)
    _draw_axis(draw, history.edges[-1] or elapsed or 1.0, width, high)
    return _compressed(image)


def _compressed(image: Image.Image) -> bytes:
    out = io.BytesIO()
    # The quickest compression: it is made again in a moment.
    image.save(out, "png", compress_level=1)
    return out.getvalue()


# Several processes.

_CAPTION, _GAP = 18, 6  # pixels: the line over a band, and what is below it
_BANDS = 200  # pixels: all bands together
_MOST_CAPTIONS = 16  # bands that have one each


class _Bands:
    """What is known of each process of a run so far."""

    def __init__(self) -> None:
        self.histories: dict[int, History] = {}
        self.rows: dict[int, int] = {}

    def add(self, process: int, glimpse: Glimpse | None, begun: float) -> None:
        if glimpse is None or glimpse.grouped is None:
            return
        history = self.histories.get(process)
        if history is None:
            history = self.histories[process] = History(max(glimpse.origin - begun, 0.0))
        history.add_known(glimpse.grouped, glimpse.at - begun)
        self.rows[process] = glimpse.grouped.rows


_bands: WeakKeyDictionary[Underway, _Bands] = WeakKeyDictionary()


def png_of_processes(underway: Underway) -> bytes:
    """Draw what everybody did so far in each process, a band for each; the bytes of a PNG."""
    bands = _bands.setdefault(underway, _Bands())
    glimpses = underway.glimpses()
    for process, glimpse in enumerate(glimpses):
        bands.add(process, glimpse, underway.begun)
    elapsed = max([history.edges[-1] for history in bands.histories.values()], default=underway.now())
    of = underway.of
    caption = _CAPTION if of <= _MOST_CAPTIONS else 0
    gap = _GAP if caption else int(of <= _BANDS // 3)
    band = max(_BANDS // of - gap, _ROW if caption else 1)
    width = _WIDTH - _LEFT - _RIGHT
    high = of * (caption + band + gap)
    paper: Pixels = np.empty((_TOP + high + _AXIS, _WIDTH, 3), np.uint8)
    paper[:] = _rgb(palette.PAPER)
    for process in range(of):
        top = _TOP + process * (caption + band + gap) + caption
        paper[top : top + band, _LEFT : _LEFT + width] = _rgb(palette.LANE)
        history = bands.histories.get(process)
        if history is None or not history.columns or not bands.rows[process]:
            continue
        colours = _colours(history.shares(bands.rows[process]))
        # It begins later than the first, and may have been looked at less lately.
        middle = (np.arange(width) + 0.5) / width * elapsed
        known = np.flatnonzero((middle >= history.edges[0]) & (middle < history.edges[-1]))
        columns = np.clip(
            np.searchsorted(history.edges, middle[known]) - 1, 0, len(history.columns) - 1
        )
        lines = np.arange(band) * len(colours) // band
        paper[top : top + band, _LEFT + known] = colours[lines][:, columns]
    image = Image.fromarray(paper)
    draw = ImageDraw.Draw(image)
    _draw_legend(draw)
    if caption:
        for process, glimpse in enumerate(glimpses):
            at = _TOP + process * (caption + band + gap) + caption // 2
            draw.text((_LEFT, at), _caption(process, glimpse), palette.INK, _font(), anchor="lm")
    _draw_axis(draw, elapsed or 1.0, width, high)
    return _compressed(image)


def _caption(process: int, glimpse: Glimpse | None) -> str:
    name = f"process {process + 1}"
    if glimpse is None:
        return name
    failed = f", {number(glimpse.failed)} failed" if glimpse.failed else ""
    made = count(glimpse.switches, "switch", "switches")
    return f"{name}:  {number(glimpse.ended)} of {number(glimpse.there)} finished{failed}, {made}"


# Pixels.


def _exactly(trace: Trace, elapsed: float) -> Floats:
    """Give the share of rows in each state from the events themselves, shape (groups, bins, 3)."""
    cells = trace.occupancy(min(len(trace), GROUPS), _COLUMNS, elapsed)
    groups = len(cells)
    sizes = np.bincount(np.arange(len(trace)) * groups // len(trace), minlength=groups)
    return cells / np.maximum(sizes, 1)[:, None, None]


def _colours(cells: Floats) -> Pixels:
    """Give the colours of cells, shape (groups, bins, 3); whoever ran is seen, however little it was."""
    shares = np.clip(cells, 0.0, 1.0)
    ran = np.sqrt(shares[:, :, RUNNING])
    rest = 1 - ran
    others = shares[:, :, READY] + shares[:, :, WAITING]
    ready = np.divide(shares[:, :, READY], others, out=np.zeros_like(others), where=others > 0)
    there = np.minimum(others, 1.0)[:, :, None]
    mixed = ready[:, :, None] * _rgb(palette.READY) + (1 - ready)[:, :, None] * _rgb(palette.WAITS[0])
    mixed = there * mixed + (1 - there) * _rgb(palette.PAPER)
    out = ran[:, :, None] * _rgb(palette.RUNNING) + rest[:, :, None] * mixed
    return out.astype(np.uint8)


@cache
def _font() -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(_LETTERS)


def _draw_legend(draw: ImageDraw.ImageDraw) -> None:
    left = float(_LEFT)
    for word, colour in palette.STATES.items():
        draw.rectangle((left, 6, left + 11, 17), fill=colour)
        draw.text((left + 18, 12), word, palette.FAINT_INK, _font(), anchor="lm")
        left += 18 + _font().getlength(word) + 24


def _draw_axis(draw: ImageDraw.ImageDraw, seconds: float, width: int, high: int) -> None:
    step = 10.0 ** np.floor(np.log10(seconds))
    step = next(step * part for part in (0.1, 0.2, 0.5, 1.0, 2.0) if seconds / (step * part) <= 9)
    for tick in range(int(seconds / step) + 1):
        at = _LEFT + min(round(tick * step / seconds * width), width - 1)
        draw.rectangle((at, _TOP + high, at + 1, _TOP + high + 3), fill=palette.FAINT_INK)
        text = number(round(tick * step, 6)) + (" s" if tick == 0 else "")
        # The first begins at its tick, the others have it in their middle.
        anchor, half = ("la", _font().getlength(text)) if tick == 0 else ("ma", _font().getlength(text) / 2)
        if at + half < _WIDTH:
            draw.text((at, _TOP + high + 5), text, palette.FAINT_INK, _font(), anchor=anchor)


def _rgb(colour: str) -> Pixels:
    return np.frombuffer(bytes.fromhex(colour[1:]), np.uint8)
