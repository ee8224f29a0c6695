"""Alternative text for pictures on a page whose front end leaves it out.

It is in the notebook, in the metadata of the outputs, but JupyterLab and Notebook 7 do not look there. So
each kernel with widgets has one that is nowhere to be seen: what the page loads with it finds the pictures by
their data, and none but those.
"""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import anywidget
import traitlets

_END = 32  # letters: in a PNG's last bytes are the sums over all of it
_MOST = 300  # pictures that are known; those from before have had their text


class Described(anywidget.AnyWidget):
    """Says what pictures show. It has no view, and needs none."""

    _esm = Path(__file__).with_suffix(".js").read_text(encoding="utf-8")  # as in interactive.py

    # Of each picture how long it is in base64, how that ends, and what it shows.
    pictures: traitlets.List[Any] = traitlets.List().tag(sync=True)

    def add(self, png: bytes, text: str) -> None:
        """Say what a picture shows that is on the page, or soon will be."""
        data = base64.b64encode(png).decode("ascii")
        self.pictures = [*self.pictures[1 - _MOST :], [len(data), data[-_END:], text]]


_here: list[Described] = []


def of_this_kernel() -> Described:
    """Give the one of this kernel, which lives as long, unless somebody closes all widgets."""
    if not _here or _here[0].comm is None:
        _here[:] = [Described()]
    return _here[0]
