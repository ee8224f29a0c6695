"""The growing timeline of a run that goes on, as a small PNG made by hand.

A refresh stops the coroutines for as long as it takes, and what takes a tenth of a second shows in their
timeline. So nothing is drawn here but cells of colour and a few letters, in some milliseconds, from
the trace's totals, which are up to date at any moment: each refresh adds one column.
"""

from __future__ import annotations

import struct
import zlib
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from ..engines.trace import STATES, Trace
from . import palette
from .side import READY, RUNNING, WAITING, Floats, Ints
from .text import number

GROUPS = 100
_COLUMNS = 256
_FEW = 2_000  # switches, up to which the events themselves are read, again and again
_WIDTH, _LEFT, _RIGHT, _TOP, _AXIS = 1000, 8, 12, 26, 22  # pixels
_LOW, _HIGH, _ROW = 60, 200, 14  # pixels: the lowest and the highest, and a row where there is room
_LEGEND = (("running", palette.RUNNING), ("ready", palette.READY), ("waiting", palette.WAITS[0]))
# Letters of five by seven dots, a byte for each line of dots.
_LETTERS = {
    letter: bytes.fromhex(dots)
    for letter, dots in {
        "0": "0e11131519110e", "1": "040c040404040e", "2": "0e11010204081f", "3": "1f02040201110e",
        "4": "02060a121f0202", "5": "1f101e0101110e", "6": "0608101e11110e", "7": "1f010204080808",
        "8": "0e11110e11110e", "9": "0e11110f01020c", ".": "00000000000c0c", ",": "000000000c0408",
        "s": "00000e100e011e", "r": "00001619101010", "u": "0000111111130d", "n": "00001619111111",
        "i": "04000c0404040e", "g": "000f11110f010e", "e": "00000e111f100e", "a": "00000e010f110f",
        "d": "01010d1311110f", "y": "000011110f010e", "w": "0000111115150a", "t": "08081c08080906",
    }.items()
}  # fmt: skip
_DOTS = 2  # pixels of the page to a dot

Pixels = NDArray[np.uint8]


class History:
    """Who was in which state between the refreshes so far, for groups of rows; a bounded amount of memory."""

    def __init__(self) -> None:
        self.per_group = 1
        self.edges = [0.0]
        self.columns: list[Floats] = []  # mean numbers of rows, each of shape (GROUPS, 3)
        self._before: Floats = np.zeros((GROUPS, 3))

    def add(self, trace: Trace, elapsed: float) -> None:
        """Add what happened since the last refresh."""
        passed = elapsed - self.edges[-1]
        if passed <= 0:
            return
        while len(trace) > GROUPS * self.per_group:
            self.per_group *= 2
            self.columns = [_coarser(column) for column in self.columns]
            self._before = _coarser(self._before)
        totals = trace.totals()
        group = np.arange(len(trace)) // self.per_group
        sums: Floats = np.stack(
            [np.bincount(group, totals[state.value], minlength=GROUPS) for state in STATES[:3]], axis=1
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
    left = _LEFT
    for word, colour in _LEGEND:
        paper[6:18, left : left + 12] = _rgb(colour)
        left = _write(paper, left + 18, 5, word) + 24
    width = _WIDTH - _LEFT - _RIGHT
    if history.columns:
        if trace.detailed and trace.switches <= _FEW:
            colours = _colours(_exactly(trace, history.edges[-1]))
            columns: Ints = np.arange(width) * colours.shape[1] // width
        else:
            colours, columns = _colours(history.shares(len(trace))), history.columns_at(width)
        lines = np.arange(high) * len(colours) // high
        paper[_TOP : _TOP + high, _LEFT : _LEFT + width] = colours[lines][:, columns]
    _draw_axis(paper, history.edges[-1] or elapsed or 1.0, width, high)
    return _encoded(paper)


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


def _draw_axis(paper: Pixels, seconds: float, width: int, high: int) -> None:
    step = 10.0 ** np.floor(np.log10(seconds))
    step = next(step * part for part in (0.1, 0.2, 0.5, 1.0, 2.0) if seconds / (step * part) <= 9)
    for tick in range(int(seconds / step) + 1):
        at = _LEFT + min(round(tick * step / seconds * width), width - 1)
        paper[_TOP + high : _TOP + high + 4, at : at + 2] = _rgb(palette.FAINT_INK)
        text = number(round(tick * step, 6)) + ("s" if tick == 0 else "")
        start = at if tick == 0 else at - (_DOTS * 6 * len(text)) // 2
        if start + _DOTS * 6 * len(text) < _WIDTH:
            _write(paper, start, _TOP + high + 6, text)


def _write(paper: Pixels, left: int, top: int, text: str) -> int:
    """Write with the few letters that there are; gives where the text ends."""
    for letter in text:
        dots = _LETTERS.get(letter)
        if dots is not None:
            lines = np.unpackbits(np.frombuffer(dots, np.uint8)[:, None], axis=1)[:, 3:]
            shape = np.kron(lines, np.ones((_DOTS, _DOTS), np.uint8)).astype(bool)
            paper[top : top + 7 * _DOTS, left : left + 5 * _DOTS][shape] = _rgb(palette.FAINT_INK)
        left += 6 * _DOTS
    return left


def _rgb(colour: str) -> Pixels:
    return np.frombuffer(bytes.fromhex(colour[1:]), np.uint8)


def _encoded(pixels: Pixels) -> bytes:
    """Give pixels, shape (height, width, 3), as the bytes of a PNG (https://www.w3.org/TR/png/)."""
    height, width, _ = pixels.shape
    # Each line says first how it is filtered: not at all.
    lines = np.zeros((height, 1 + 3 * width), np.uint8)
    lines[:, 1:] = pixels.reshape(height, 3 * width)
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = ((b"IHDR", head), (b"IDAT", zlib.compress(lines.tobytes(), 1)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in parts
    )
