"""The panel's buttons: run again with other options, save to a file."""

from __future__ import annotations

import contextlib
import html
import io
import os
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from typing import Any

from ipywidgets import (  # type: ignore[import-untyped,unused-ignore]
    HTML,
    Button,
    Dropdown,
    HBox,
    Layout,
    Text,
    VBox,
    Widget,
)

from ..measure.options import OPTIONS, Option
from ..measure.run import Run
from . import markup
from .closing import close_all
from .download import Download
from .text import error_text

OnMain = Callable[[Callable[[], None]], None]

# The options that a run can be made again with, where there are such.
_OFFERED = ("order", "seed", "clock", "baseline", "repeat", "record", "slow_step")
_WIDTHS = {"order": "9.5em", "seed": "6em", "clock": "7.8em", "baseline": "10.8em", "record": "7.8em",
           "repeat": "6.5em", "slow_step": "8.6em"}  # fmt: skip
# What is written under which suffix; the first of a kind is what is offered.
_KINDS = (("PNG", ".png"), ("SVG", ".svg"), ("PDF", ".pdf"), ("CSV", ".csv"), ("JSON", ".json"),
          ("Perfetto", ".perfetto.json"), ("HTML", ".html"))  # fmt: skip
_ROW = {"flex_flow": "row wrap", "align_items": "center", "width": "100%",
        "grid_gap": "4px 10px", "margin": "6px 0 0"}  # fmt: skip


def directly(function: Callable[[], None]) -> None:
    """Call a function here and now."""
    function()


class Again(VBox):  # type: ignore[misc,unused-ignore]
    """Run the same program again, with other options.

    Parameters
    ----------
    run:
        The run whose program it is.
    on_main:
        Calls a function on the main thread, now or soon.
    show:
        Gives the widgets that show the new run.
    below:
        Where they go.
    """

    def __init__(self, run: Run, on_main: OnMain, show: Callable[[Run], list[Widget]], below: VBox) -> None:
        self._run, self._on_main, self._show, self._below = run, on_main, show, below
        offered = [option for option in OPTIONS if option.name in _OFFERED]
        self.fields = {option.name: _field(option, run.options.get(option.name)) for option in offered}
        self.button = Button(description="Run again", icon="refresh", button_style="primary",
                             layout=Layout(width="9em"),
                             tooltip="Run the same program again, with these options")  # fmt: skip
        self.button.on_click(lambda _: self._start())
        self.said = HTML()
        row = HBox([self.button, *self.fields.values()], layout=Layout(**_ROW))
        super().__init__([row, self.said])

    def _start(self) -> None:
        if self.button.disabled:
            return
        self.button.disabled = True
        self._say("<p>It begins as soon as the kernel has time …</p>")
        self._on_main(self._make)

    def _make(self) -> None:
        self._say("<p>It is running … (to stop it, interrupt the kernel)</p>")
        printed = io.StringIO()
        try:
            given = {name: field.value.strip() or None for name, field in self.fields.items()}
            with _kept(printed):
                other = self._made(given)
            before = self._below.children
            self._below.children = [*self._printed(printed), *self._show(other)]
            for each in before:
                close_all(each)
        except (Exception, KeyboardInterrupt) as error:
            self._say(markup.failure(error_text(error)))
        else:
            failed = other.error
            below = "<p>The new run is below.</p>"
            self._say(
                below if failed is None else markup.failure(f"The new run failed: {error_text(failed)}")
            )
        finally:
            self.button.disabled = False

    def _made(self, given: dict[str, Any]) -> Run:
        try:
            return self._run.again(**given)
        except KeyboardInterrupt as stopped:
            run = getattr(stopped, "run", None)
            if run is None:
                raise
            # What was done is shown.
            return run  # type: ignore[no-any-return]

    def _printed(self, printed: io.StringIO) -> list[Widget]:
        text = printed.getvalue()
        return [markup.page(f"<h4>It printed</h4>{markup.output(text, 'printed')}")] if text else []

    def _say(self, body: str) -> None:
        self.said.value = markup.framed(f'<div role="status">{body}</div>') if body else ""


def _field(option: Option, value: Any) -> Widget:
    common: dict[str, Any] = {
        "description": option.name.replace("_", " "),
        "tooltip": option.help,
        "style": {"description_width": "initial"},
        "layout": Layout(width=_WIDTHS.get(option.name, "11em")),
    }
    if option.choices is not None:
        given = value if value in option.choices else option.default
        return Dropdown(options=list(option.choices), value=given, **common)
    return Text(value="" if value is None else f"{value:g}", placeholder=option.metavar or "", **common)


@contextmanager
def _kept(printed: io.StringIO) -> Iterator[None]:
    """Keep what is printed and displayed: what the page shows of it depends on who asked last."""
    before = sys.displayhook
    sys.displayhook = lambda value: None if value is None else print(repr(value))
    try:
        with redirect_stdout(printed), redirect_stderr(printed):
            yield
    finally:
        sys.displayhook = before


class Save(VBox):  # type: ignore[misc,unused-ignore]
    """Save the run: by a download, or as a file beside the notebook, when asked for by name."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._replace = ""
        self._busy = threading.Lock()
        self.kind = Dropdown(options=_KINDS, description="save as", style={"description_width": "initial"},
                             layout=Layout(width="11em"))  # fmt: skip
        self.name = Text(description="file", placeholder="name of the file", layout=Layout(width="15em"),
                         style={"description_width": "initial"},
                         tooltip="beside the notebook, unless it says where")  # fmt: skip
        self.save = Button(description="Save", icon="save", layout=Layout(width="7em"),
                           tooltip="Write the file where the kernel runs")  # fmt: skip
        self.download = Download(self._file)
        self.said = HTML()
        self.save.on_click(lambda _: self._guarded(self._write))
        row = HBox([self.kind, self.download, self.name, self.save], layout=Layout(**_ROW))
        super().__init__([row, self.said])

    def _guarded(self, do: Callable[[], str]) -> None:
        if not self._busy.acquire(blocking=False):
            return
        try:
            self._say("<p>One moment …</p>")
            said = do()
        except Exception as error:
            said = markup.failure(error_text(error))
        finally:
            self._busy.release()
        self._say(said)

    def _say(self, body: str) -> None:
        self.said.value = markup.framed(f'<div role="status">{body}</div>')

    def _write(self) -> str:
        name = self.name.value.strip()
        if not name:
            return markup.failure("Give the file a name first.")
        if not name.lower().endswith(self.kind.value):
            name += self.kind.value
        path = os.path.abspath(os.path.expanduser(name))
        if os.path.exists(path) and self._replace != path:
            self._replace = path
            return markup.failure(f"{path} is there already. Press Save once more to replace it.")
        self._replace = ""
        self._run.save(path)
        return f"<p>Written to <b>{html.escape(path)}</b></p>"

    def _file(self) -> tuple[str, bytes]:
        suffix = self.kind.value
        name = os.path.basename(self.name.value.strip()) or "run"
        if not name.lower().endswith(suffix):
            name += suffix
        return name, self._bytes(suffix)

    def _bytes(self, suffix: str) -> bytes:
        # Not beside the notebook: nothing is written there unasked.
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "run" + suffix)
            self._run.save(path)
            with open(path, "rb") as file, contextlib.closing(file):
                return file.read()
