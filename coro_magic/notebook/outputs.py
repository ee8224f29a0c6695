"""What is shown under a cell: the picture and the summary, refreshed in place, and the panel.

The picture and the text are plain outputs under display ids. They need no widget, no server and no
JavaScript, and stay in the saved notebook. The panel is an output of its own, which may be missing
without loss; while the run goes on, its place is taken by the progress and the Stop button.
"""

from __future__ import annotations

import base64
import importlib
import threading
import uuid
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from .. import show
from ..engines.budget import Budget
from ..engines.scheduler import Scheduler
from ..measure.options import Options
from ..measure.run import Run
from ..measure.underway import Underway
from ..show.going import how_far, so_far
from ..show.text import wrapped
from .panels import panels_of
from .pictures import described_on, drawn
from .progress import Line

_TAKES = {"words": 0.004, "picture": 0.01}  # seconds, for the first time
# Rooms' modules, with matplotlib and the widgets that they load.
_FOR_PICTURE = ("growing", "figures")
_FOR_PANEL = ("stop", "tabs", "source", "interactive")
_STOP = "to stop it, interrupt the kernel (in JupyterLab press i twice)"


class Outputs:
    """The outputs of one cell in a notebook's kernel, or of one prompt in a terminal.

    Parameters
    ----------
    rich:
        Whether the front end can show pictures; a terminal gets the summary only.
    kernel:
        The kernel, where there is one.
    """

    def __init__(self, options: Options, rich: bool, kernel: Any = None) -> None:
        self._options = options
        self.rich = rich
        self._kernel = kernel
        self._shell = getattr(kernel, "shell", None)
        self._picture: str | None = None
        self._summary: str | None = None
        self._panel: str | None = None
        self._stop: Any = None
        self._line = Line()
        self._headline = ""
        # What is needed while it runs and after it is loaded before. Beside a run, or beside the threads'
        # in their process, it would take processor time from what is measured; after them, people wait.
        self._with_picture = rich and options.picture == "on"
        self._with_panel = rich and options.panel == "on"
        self._with_words = options.summary == "on"
        if self._with_picture:
            _load(_FOR_PICTURE)
            # The page, too, loads beforehand what widgets need.
            described_on(self._shell)
        if self._with_panel:
            with suppress(ImportError):
                _load(_FOR_PANEL)
        self._budget = Budget(_TAKES)

    def progress(self, going: Scheduler | Underway) -> float:
        """Show how far it is; give the seconds until the next time."""
        if not self.rich:
            return self._line.progress(going) if self._with_words else float("inf")
        if not (self._with_picture or self._with_panel or self._with_words):
            return float("inf")
        far, elapsed = how_far(going), going.now()
        words = so_far(far, elapsed)
        share = far.ended / far.there if far.there else 0.0
        self._budget.spend("words", lambda: self._show_words(words, share, going.request_interrupt))
        if self._with_picture:
            self._budget.spend("picture", lambda: self._show_png(_growing(going, elapsed), words))
        return self._budget.next()

    def _show_words(self, words: str, share: float, stop: Callable[[], None]) -> None:
        if not self._with_panel:
            self._show_text(f"{words}; {_STOP}")
            return
        if self._panel is None:
            self._show_text("the coroutines are running")
            self._show_stop(stop, words, share)
        elif self._stop is not None:
            self._stop.tell(words, share)

    def _show_stop(self, stop: Callable[[], None], words: str, share: float) -> None:
        self._panel = uuid.uuid4().hex
        try:
            from ..show.stop import Stop
        except ImportError:
            return  # no widgets here; the text says how far it is when it has ended
        self._stop = Stop(stop, words, share, _hears_while_it_runs(self._kernel))
        data = dict(self._stop._repr_mimebundle_()[0])
        data["text/plain"] = _STOP
        _display(data, {}, display_id=self._panel)

    def _end_of_stop(self) -> None:
        """Leave nothing of the Stop button behind."""
        stop, self._stop = self._stop, None
        if stop is None:
            return
        if stop.heard or not stop.listening:
            stop.close()
        else:
            # What the page has sent is read when the cell has ended, and must find somebody.
            stop.words = ""
            self._kernel.io_loop.call_later(1.0, stop.close)

    def close(self) -> None:
        """Take away what belongs to a run that goes on, however it ended."""
        self._line.clear()
        if self._stop is not None and self._panel is not None:
            self._end_of_stop()
            _update({"text/plain": ""}, {}, self._panel)

    def coroutines_ended(self, run: Run) -> None:
        """The coroutines have ended and the baseline is still to come: say so, if that may take long."""
        self._line.clear()
        self._end_of_stop()
        if self._panel is not None:
            _update({"text/plain": ""}, {}, self._panel)
        self._headline = show.summary(run).splitlines()[0]
        may_take_long = self._picture is not None or run.elapsed > 0.5
        if may_take_long and run.baseline_note == "":
            self.say("now the same with threads")

    def say(self, what: str) -> None:
        """Say what goes on after the coroutines have ended, or in other processes."""
        if self.rich:
            self._show_text(f"{self._headline}; {what} ..." if self._headline else what)

    def finished(self, run: Run) -> None:
        """Show the final picture, the summary and the panel."""
        text = show.summary(run)
        if not self.rich:
            if self._with_words:
                print(text)
            return
        png = None
        if self._with_picture:
            png, about = drawn(self._shell, show.picture(run))
            self._show_png(png, about["alt"], text.splitlines()[0])
        self._show_text(wrapped(text))
        for curves in (run.sweep, run.scaling):
            if curves is not None and self._with_picture:
                curve, about = drawn(self._shell, curves)
                _display(*_picture(curve, about["alt"]))
        if self._with_panel:
            self._show_panel(run, png)

    def _show_png(self, png: bytes, alternative: str, instead: str = "") -> None:
        data, metadata = _picture(png, alternative, instead)
        if self._picture is None:
            self._picture = uuid.uuid4().hex
            _display(data, metadata, display_id=self._picture)
        else:
            _update(data, metadata, self._picture)

    def _show_text(self, text: str) -> None:
        if not self._with_words:
            return
        if self._picture is None and self._with_picture:
            # It takes its place, over the text.
            self._picture = uuid.uuid4().hex
            _display({"text/plain": "…"}, {}, display_id=self._picture)
        if self._summary is None:
            self._summary = uuid.uuid4().hex
            _display({"text/plain": text}, {}, display_id=self._summary)
        else:
            _update({"text/plain": text}, {}, self._summary)

    def _show_panel(self, run: Run, png: bytes | None) -> None:
        try:
            widget = show.panel(run, timeline_png=png, on_main=self._on_main)
        except ImportError:
            return  # no ipywidgets here; the picture says it all
        data = dict(widget._repr_mimebundle_())
        data["text/plain"] = "The interactive panel needs a live kernel: run the cell."
        self._end_of_stop()
        if self._panel is None:
            _display(data, {})
        else:
            _update(data, {}, self._panel)
        if self._kernel is not None:
            panels_of(self._kernel.shell).note(widget)

    def _on_main(self, function: Callable[[], None]) -> None:
        """Call a function on the main thread: at once if this is it, else when the kernel has time."""
        if threading.current_thread() is threading.main_thread() or self._kernel is None:
            function()
        else:
            self._kernel.io_loop.add_callback(function)


def _growing(going: Scheduler | Underway, elapsed: float) -> bytes:
    from ..show import growing

    if isinstance(going, Underway):
        return growing.png_of_processes(going)
    return growing.png(going.trace, elapsed)


def _load(modules: tuple[str, ...]) -> None:
    for name in modules:
        importlib.import_module(f"..show.{name}", __package__)


def _hears_while_it_runs(kernel: Any) -> bool:
    """Say whether the kernel can hear the page while a cell runs, if the page knows how."""
    try:
        return "kernel subshells" in kernel.kernel_info.get("supported_features", ())
    except Exception:
        return False


def _picture(png: bytes, alternative: str, instead: str = "") -> tuple[dict[str, Any], dict[str, Any]]:
    """Give a picture as the data and the metadata of an output; `instead` is for where it cannot be shown."""
    data = {"image/png": base64.b64encode(png).decode("ascii"), "text/plain": instead or alternative}
    return data, {"image/png": {"alt": alternative}}


def _display(data: dict[str, Any], metadata: dict[str, Any], display_id: str | None = None) -> None:
    from IPython.display import display

    if display_id is None:
        display(data, raw=True, metadata=metadata)
    else:
        display(data, raw=True, metadata=metadata, display_id=display_id)


def _update(data: dict[str, Any], metadata: dict[str, Any], display_id: str) -> None:
    from IPython.display import update_display

    update_display(data, raw=True, metadata=metadata, display_id=display_id)
