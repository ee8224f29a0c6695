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
    """

    _esm = Path(__file__).with_name("stop.js")

    words = traitlets.Unicode().tag(sync=True)
    share = traitlets.Float().tag(sync=True)
    heard = traitlets.Bool(False).tag(sync=True)
    stopping = traitlets.Bool(False).tag(sync=True)

    def __init__(self, stop: Callable[[], None], words: str, share: float) -> None:
        super().__init__(words=words, share=share)
        self._stop = stop
        self.on_msg(self._told)

    def _told(self, widget: Any, content: Any, buffers: Any) -> None:
        kind = content.get("kind") if isinstance(content, dict) else None
        if kind == "here":
            self.heard = True
        elif kind == "stop":
            self.stopping = True
            self._stop()
