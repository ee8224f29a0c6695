"""A button that downloads a file with the browser: one click, and it is there."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anywidget
from ipywidgets import Layout  # type: ignore[import-untyped,unused-ignore]

from .text import error_text

MOST = 200_000_000  # bytes: what a page can hold without trouble


class Download(anywidget.AnyWidget):
    """The button, with a line under it that says what was downloaded.

    Parameters
    ----------
    make:
        Gives the file's name and its bytes. What it raises is shown to the user.

    The page that was clicked in asks with a message ``{"kind": "file", "id": id}``, and only that one
    downloads: a notebook may be open in several. The answer is ``{"kind": "file", "id", "name"}``, with the
    bytes as its one buffer; or ``{"kind": "error", "id", "message"}``.
    """

    _esm = Path(__file__).with_suffix(".js").read_text(encoding="utf-8")  # as in interactive.py

    def __init__(self, make: Callable[[], tuple[str, bytes]]) -> None:
        # Its button and its line stand among what is beside it.
        super().__init__(layout=Layout(display="contents"))
        self._make = make
        # Clicks may arrive on several threads.
        self._one_at_a_time = threading.Lock()
        self.on_msg(self._asked)

    def _asked(self, widget: Any, content: Any, buffers: Any) -> None:
        if isinstance(content, dict) and content.get("kind") == "file":
            self.send(*self.answer(content))

    def answer(self, request: dict[str, Any]) -> tuple[dict[str, Any], list[bytes]]:
        """Answer the page: the message and its buffers. Raises nothing."""
        number = request.get("id")
        try:
            with self._one_at_a_time:
                name, data = self._make()
        except Exception as error:
            return {"kind": "error", "id": number, "message": error_text(error)}, []
        if len(data) > MOST:
            said = f"{len(data):,} bytes are too many for a page: give it a name and press Save."
            return {"kind": "error", "id": number, "message": said}, []
        return {"kind": "file", "id": number, "name": name}, [data]
