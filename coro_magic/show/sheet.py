"""The sheet that figures are drawn on: its own style whatever the user's is, axes placed in inches.

Nothing here goes through pyplot: a figure made there shows up twice in a notebook, and stays in memory.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache, lru_cache
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.ticker import FuncFormatter, MaxNLocator
from matplotlib.transforms import Transform
from PIL import Image

from . import palette
from .text import number, one_line

# Narrow, so that its letters can still be read where a page shows it 450 pixels wide.
WIDTH = 6.4  # inches
DPI = 132
_RADIUS = 14  # pixels: of a PNG's corners
_SHADES = 8  # of the paper, from nothing to almost opaque, for the rims of the corners

# It loads what it writes with when the first picture is saved; people would wait for that then.
Image.preinit()


@contextmanager
def own_style() -> Iterator[None]:
    """Draw in matplotlib's own style: the user's may be dark, or have TeX typeset hostile names."""
    with matplotlib.rc_context(), warnings.catch_warnings():
        # A name may have characters that the font has not; a box in their place is good enough.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        warnings.filterwarnings("ignore", category=matplotlib.MatplotlibDeprecationWarning)
        matplotlib.rcdefaults()
        # Text stays text in an SVG: smaller, and it can be searched.
        matplotlib.rcParams["svg.fonttype"] = "none"
        matplotlib.rcParams["svg.hashsalt"] = "coro_magic"
        yield


class Sheet(Figure):
    """A figure of a given height, in which axes are placed in inches from the top.

    Attributes
    ----------
    says:
        What it shows, in one line, for those who do not see it.
    """

    says = ""

    def __init__(self, height: float, dpi: float = DPI) -> None:
        super().__init__(figsize=(WIDTH, height), dpi=dpi, facecolor=palette.PAPER, edgecolor=palette.PAPER)
        FigureCanvasAgg(self)

    def axes_at(self, left: float, top: float, width: float, height: float) -> Axes:
        """Add axes; all in inches, `left` and `top` from the sheet's upper left corner."""
        whole, high = self.get_size_inches()
        axes = self.add_axes((left / whole, 1 - (top + height) / high, width / whole, height / high))
        axes.set_facecolor(palette.PAPER)
        faint = palette.FAINT_INK
        axes.tick_params(length=3, width=0.6, color=faint, labelcolor=faint, labelsize=8)
        for side in ("top", "right"):
            axes.spines[side].set_visible(False)
        for side in ("left", "bottom"):
            axes.spines[side].set_color(palette.GRID)
        return axes

    def say_at(self, left: float, top: float, text: str, **style: Any) -> None:
        """Write plain text; `left` and `top` in inches from the sheet's upper left corner."""
        whole, high = self.get_size_inches()
        given: dict[str, Any] = {"color": palette.INK, "va": "top", "ha": "left", "fontsize": 9, **style}
        self.text(left / whole, 1 - top / high, text, parse_math=False, **given)

    def _repr_png_(self) -> tuple[bytes, dict[str, str]]:
        # So that it is displayed also where no matplotlib backend has told IPython how.
        return displayed(self)


def say(axes: Axes, x: float, y: float, text: str, at: Transform | None = None, **style: Any) -> None:
    """Write plain text into axes: a ``$`` in it begins no formula."""
    given: dict[str, Any] = {"color": palette.INK, "fontsize": 8, "va": "center", "ha": "left", **style}
    if at is not None:
        given["transform"] = at
    axes.text(x, y, text, parse_math=False, **given)


@lru_cache(maxsize=1000)
def width_of(text: str, fontsize: float) -> float:
    """Give how wide plain text is in the sheet's own letters, in inches; `fontsize` in points."""
    with own_style():
        letters = FontProperties(size=fontsize)
        wide = _measuring().get_text_width_height_descent(text, letters, ismath=False)[0]
    return float(wide) / DPI


@cache
def _measuring() -> Any:
    """Give what measures letters; its canvas takes time to make, so there is one for all."""
    canvas: Any = FigureCanvasAgg(Figure(figsize=(1, 1), dpi=DPI))
    return canvas.get_renderer()


def png(figure: Figure) -> bytes:
    """Give a figure as the bytes of a PNG."""
    out = io.BytesIO()
    write(figure, out, "png")
    return out.getvalue()


def displayed(figure: Figure) -> tuple[bytes, dict[str, str]]:
    """Give a figure as a PNG that is to stand on a page, and the metadata with its alternative text."""
    return png(figure), {"alt": figure.says if isinstance(figure, Sheet) else ""}


def write(figure: Figure, out: Any, kind: str) -> None:
    """Write a figure to an open binary file; `kind` is ``"png"``, ``"svg"`` or ``"pdf"``."""
    # No date in the file: the same run gives the same bytes.
    metadata: dict[str, Any] = {"png": {}, "svg": {"Date": None}, "pdf": {"CreationDate": None}}[kind]
    with own_style():
        if kind == "png":
            _write_png(figure, out)
        else:
            figure.savefig(out, format=kind, facecolor=figure.get_facecolor(), metadata=metadata)


def _write_png(figure: Figure, out: Any) -> None:
    """Write it with 256 colours of its own: a third of the bytes, in a notebook that keeps them for ever.

    The corners are round.

    What is lost is less than a hundredth of a colour's brightness where areas are mixed of many.
    """
    canvas: Any = FigureCanvasAgg(figure)
    canvas.draw()
    whole = Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")
    few = whole.quantize(256 - _SHADES, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    opacity = _rounded(few, to_rgb(figure.get_facecolor()))
    few.save(out, format="png", dpi=(figure.dpi, figure.dpi), transparency=opacity)


def _rounded(few: Image.Image, paper: tuple[float, float, float]) -> bytes:
    """Round the corners of an image with at most 256 - `_SHADES` colours; gives the opacity of each colour.

    On a page of its own colour nobody sees that. On another it is a card that lies there, and not a hole.
    """
    wide, high = few.size
    radius = min(_RADIUS, wide // 2, high // 2)
    # From a corner's outer edges inwards, in pixels: how far into the circle each pixel's middle is.
    away = radius - 0.5 - np.arange(radius)
    inside = np.clip(radius - np.hypot(away[:, None], away[None]) + 0.5, 0.0, 1.0)
    shade = np.round(inside * _SHADES).astype(np.uint8)
    pixels = np.array(few)
    for down in (slice(None), slice(None, None, -1)):
        for across in (slice(None), slice(None, None, -1)):
            corner = pixels[down, across][:radius, :radius]
            corner[:] = np.where(shade < _SHADES, 256 - _SHADES + shade, corner)
    few.paste(Image.fromarray(pixels))
    colours = list(few.getpalette() or ())[: 3 * (256 - _SHADES)]
    colours += [0] * (3 * (256 - _SHADES) - len(colours))
    few.putpalette(colours + [round(255 * part) for part in paper] * _SHADES)
    return bytes([255] * (256 - _SHADES) + [255 * each // _SHADES for each in range(_SHADES)])


def time_unit(seconds: float) -> tuple[float, str]:
    """Give the unit for a time axis of this length: how many there are in a second, and its name."""
    if seconds >= 1.0:
        return 1.0, "s"
    return (1e3, "ms") if seconds >= 1e-3 else (1e6, "µs")


def time_axis(axes: Axes, seconds: float, label: bool = True, ticks: int = 7) -> None:
    """Give axes a time axis from 0 to `seconds`, in a sensible unit."""
    per_second, unit = time_unit(seconds)
    axes.set_xlim(0.0, seconds)
    axes.xaxis.set_major_locator(_Decimal(ticks, per_second))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{number(round(x * per_second, 6))}"))
    axes.grid(axis="x", color=palette.GRID, linewidth=0.6)
    axes.set_axisbelow(True)
    if label:
        axes.set_xlabel(f"time in {unit}", fontsize=8, color=palette.FAINT_INK, labelpad=2)
    else:
        axes.tick_params(axis="x", length=0, labelbottom=False)


class _Decimal(MaxNLocator):
    """Round numbers in the unit that is shown."""

    def __init__(self, ticks: int, per_second: float) -> None:
        super().__init__(ticks, steps=[1, 2, 2.5, 5, 10])
        self._per_second = per_second

    def tick_values(self, vmin: float, vmax: float) -> Any:
        shown = super().tick_values(vmin * self._per_second, vmax * self._per_second)
        return np.asarray(shown) / self._per_second


def amount(value: float) -> str:
    """Give a count in few characters, for ticks: ``1,500``, ``40k``, ``2.5M``."""
    for scale, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= 10 * scale or (scale > 1e3 and value >= scale):
            return f"{value / scale:.3g}{letter}"
    return number(value)


def label_of(text: str) -> str:
    """Give a row's label; a long name keeps its end: those that begin alike differ there."""
    line = one_line(text, 200)
    return line if len(line) <= 20 else f"{line[:8]}…{line[-11:]}"
