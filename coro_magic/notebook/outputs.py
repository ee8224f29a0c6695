"""What is shown under a cell: the picture and the summary, refreshed in place, and the panel.

The picture and the text are plain outputs under display ids. They need no widget, no server and no
JavaScript, and stay in the saved notebook. The panel is an output of its own, which may be missing
without loss.
"""

from __future__ import annotations

import base64
import time
import uuid
from typing import Any

from .. import show
from ..engines.scheduler import Scheduler
from ..measure.options import Options
from ..measure.run import Run

_SHORTEST_PAUSE = 0.2  # seconds between two refreshes: at most 5 a second
_SHARE = 30  # a refresh may take one part in so many of the run's time


class Outputs:
    """The outputs of one cell in a notebook's kernel, or of one prompt in a terminal.

    Parameters
    ----------
    rich:
        Whether the front end can show pictures; a terminal gets the summary only.
    """

    def __init__(self, options: Options, rich: bool) -> None:
        self._options = options
        self.rich = rich
        self._picture: str | None = None
        self._summary: str | None = None

    def progress(self, scheduler: Scheduler) -> float:
        """Show how far it is; give the seconds until the next time."""
        begun = time.perf_counter()
        if self._options.picture == "on" and self.rich:
            from ..show.ongoing import so_far

            trace, elapsed = scheduler.trace, scheduler.now()
            words = so_far(trace, elapsed, has_body=True)
            so_far_run = Run([], trace, elapsed, trace.switches, has_body=True)
            self._show_png(show.png(show.live(so_far_run, elapsed)), words)
            self._show_text(words)
        return max(_SHORTEST_PAUSE, _SHARE * (time.perf_counter() - begun))

    def coroutines_ended(self, run: Run) -> None:
        """The coroutines have ended and the baseline is still to come: say so, if that may take long."""
        may_take_long = self._picture is not None or run.elapsed > 0.5
        shown = self._options.picture == "on" and self.rich
        if may_take_long and shown and run.baseline_note == "":
            headline = show.summary(run).splitlines()[0]
            self._show_text(f"{headline}; now the same with threads ...")

    def finished(self, run: Run) -> None:
        """Show the final picture, the summary and the panel."""
        if self._options.picture == "off":
            return
        text = show.summary(run)
        if not self.rich:
            print(text)
            return
        png = show.png(show.picture(run))
        self._show_png(png, text.splitlines()[0])
        self._show_text(text)
        if self._options.panel == "on":
            self._show_panel(run, png)

    def _show_png(self, png: bytes, alternative: str) -> None:
        data = {"image/png": base64.b64encode(png).decode("ascii"), "text/plain": alternative}
        metadata = {"image/png": {"alt": alternative}}
        if self._picture is None:
            self._picture = uuid.uuid4().hex
            _display(data, metadata, display_id=self._picture)
        else:
            _update(data, metadata, self._picture)

    def _show_text(self, text: str) -> None:
        if self._summary is None:
            self._summary = uuid.uuid4().hex
            _display({"text/plain": text}, {}, display_id=self._summary)
        else:
            _update({"text/plain": text}, {}, self._summary)

    def _show_panel(self, run: Run, png: bytes) -> None:
        try:
            widget = show.panel(run, timeline_png=png)
        except ImportError:
            return  # no ipywidgets here; the picture says it all
        data = dict(widget._repr_mimebundle_())
        data["text/plain"] = "The interactive panel needs a live kernel: run the cell."
        _display(data, {})


def _display(data: dict[str, Any], metadata: dict[str, Any], display_id: str | None = None) -> None:
    from IPython.display import display

    if display_id is None:
        display(data, raw=True, metadata=metadata)
    else:
        display(data, raw=True, metadata=metadata, display_id=display_id)


def _update(data: dict[str, Any], metadata: dict[str, Any], display_id: str) -> None:
    from IPython.display import update_display

    update_display(data, raw=True, metadata=metadata, display_id=display_id)
