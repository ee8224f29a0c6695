"""Alternative text for the pictures that stand over the panel.

It is in the notebook, in the metadata of the outputs, but JupyterLab and Notebook 7 do not look there. What
the panel has on the page can set it: it finds those pictures in its own cell's outputs, and none but those.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import anywidget
import traitlets
from ipywidgets import Layout  # type: ignore[import-untyped,unused-ignore]

_END = 64  # letters: in a PNG's last bytes are the sums over all of it


class Described(anywidget.AnyWidget):
    """Says what pictures show; is itself not seen.

    Parameters
    ----------
    pictures:
        The bytes of each PNG, and what it shows.
    """

    _esm = Path(__file__).with_suffix(".js").read_text(encoding="utf-8")  # as in interactive.py

    # Of each picture how long it is in base64, how that ends, and what it shows.
    pictures: traitlets.List[Any] = traitlets.List().tag(sync=True)

    def __init__(self, pictures: Iterable[tuple[bytes, str]]) -> None:
        encoded = [(base64.b64encode(png).decode("ascii"), text) for png, text in pictures]
        super().__init__(
            pictures=[[len(data), data[-_END:], text] for data, text in encoded],
            layout=Layout(display="none"),
        )
