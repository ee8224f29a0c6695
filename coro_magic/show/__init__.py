"""How a run looks: words, figures, files, the panel. The functions here are the `Views` of `measure.run`.

Importing this room loads neither matplotlib nor ipywidgets: each function that draws brings in what
it needs when it is first called. No module has the name of one of these functions: once imported,
it would take its place.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any, cast

from ..measure.run import Run, Views
from .suffixes import SUFFIXES
from .words import headline, summary

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ..measure.compare import Comparison
    from ..measure.scaling import Scaling
    from ..measure.sweep import Sweep
    from .tabs import Panel

__all__ = [
    "SUFFIXES",
    "compared",
    "compared_in_words",
    "displayed",
    "headline",
    "load",
    "panel",
    "picture",
    "save",
    "scaled",
    "scaled_in_words",
    "summary",
    "swept",
    "swept_in_words",
    "throughput_plot",
    "timeline",
    "to_dict",
]


def picture(run: Run) -> Figure:
    """Draw both timelines and the throughput, with the headline over them; a matplotlib Figure."""
    from .figures import picture

    return picture(run)


def timeline(run: Run) -> Figure:
    """Draw what every coroutine was doing when, and every thread; a matplotlib Figure."""
    from .figures import timeline

    return timeline(run)


def throughput_plot(run: Run) -> Figure:
    """Draw the resumptions of both sides against time; a matplotlib Figure."""
    from .figures import throughput_plot

    return throughput_plot(run)


def displayed(figure: Figure) -> tuple[bytes, dict[str, str]]:
    """Give a figure as IPython displays it: a PNG, and the metadata with its alternative text."""
    from .sheet import displayed

    return displayed(figure)


def to_dict(run: Run) -> dict[str, Any]:
    """Give the run as plain dicts, lists, numbers and strings, ready for JSON; see `document`."""
    from .document import to_dict

    return to_dict(run)


def save(run: Run, path: str | os.PathLike[str]) -> None:
    """Write the run to a file, whole or not at all; see `export.save`."""
    from .export import save

    save(run, path)


def load(path: str | os.PathLike[str]) -> Run:
    """Read a run back that was saved as JSON; see `loading.load`."""
    from .loading import load

    return load(path)


def compared(comparison: Comparison) -> Figure:
    """Draw the timelines of two runs on one time axis; a matplotlib Figure."""
    from .beside import picture

    return picture(comparison)


def compared_in_words(comparison: Comparison) -> str:
    """Say in what two runs differ: a headline, then a line for each thing worth saying."""
    from .beside import words

    return words(comparison)


def swept(sweep: Sweep) -> Figure:
    """Draw a sweep: throughput, time, processor time and memory against the name; a matplotlib Figure."""
    from .curves import picture

    return picture(sweep)


def swept_in_words(sweep: Sweep) -> str:
    """Say what a sweep came to: a headline, then a line for every point."""
    from .curves import words

    return words(sweep)


def scaled(scaling: Scaling) -> Figure:
    """Draw the speedup against the number of processes, with the ideal line; a matplotlib Figure."""
    from .scaling import picture

    return picture(scaling)


def scaled_in_words(scaling: Scaling) -> str:
    """Say what a program took in so many processes: a headline, then a line for each number."""
    from .scaling import words

    return words(scaling)


def panel(run: Run, timeline_png: bytes | None = None, **how: Any) -> Panel:
    """Make the interactive panel, an ipywidgets VBox; see `tabs.Panel`."""
    from .tabs import Panel

    return Panel(run, timeline_png, **how)


# `Run` is below this room and does not know it: it is told here how it looks.
Run.views = lambda: cast(Views, sys.modules[__name__])
