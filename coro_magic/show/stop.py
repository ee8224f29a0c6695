"""How far a run is, and a Stop button, while it goes on.

Whether a click can arrive while a cell runs depends on the kernel and on the page: with ipykernel from 7
on and JupyterLab from 4.4 on it comes on a thread of its own (a subshell), elsewhere it waits until the
cell has ended. A button that does nothing would be a lie. So the page says that it is there, and only
when that was heard while the run goes on does the button appear; until then there stands how to
interrupt the kernel, which always works.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import anywidget
import traitlets


class Stop(anywidget.AnyWidget):
    """A progress bar with words beside it, and a button that calls `stop`.

    Parameters
    ----------
    stop:
        Asks the run to end. Called on any thread.
    listening:
        Whether there is a chance that messages arrive while a cell runs. Else the page sends none: it
        would come when the widget is gone.

    Attributes
    ----------
    heard:
        Whether a message has arrived while the run went on.
    """

    _esm = Path(__file__).with_name("stop.js").read_text(encoding="utf-8")  # as in interactive.py

    words = traitlets.Unicode().tag(sync=True)
    share = traitlets.Float().tag(sync=True)
    listening = traitlets.Bool(False).tag(sync=True)
    heard = traitlets.Bool(False).tag(sync=True)
    stopping = traitlets.Bool(False).tag(sync=True)

    def __init__(self, stop: Callable[[], None], words: str, share: float, listening: bool) -> None:
        super().__init__(words=words, share=share, listening=listening)
        self._stop = stop
        self.on_msg(self._told)
        self._answer_anywhere()

    def tell(self, words: str, share: float) -> None:
        """Say how far the run is, with the share that is done, from 0 to 1."""
        with self.hold_sync():
            self.words, self.share = words, share
        self._answer_anywhere()

    def _answer_anywhere(self) -> None:
        # From 7.4 on ipykernel sends what comes for a comm to the thread that last spoke on it: to the one
        # that runs the cell. Without this note of its own it goes where the page sends it.
        self.comm.__dict__.pop("_reply_subshell_id", None)

    def _told(self, widget: Any, content: Any, buffers: Any) -> None:
        kind = content.get("kind") if isinstance(content, dict) else None
        if kind == "here":
            self.heard = True
        elif kind == "stop":
            self.stopping = True
            self._stop()
