"""What was printed, kept apart by who printed it; coroutines, threads and other sides side by side."""

from __future__ import annotations

from typing import Any

from ipywidgets import HTML, Dropdown, Layout, VBox  # type: ignore[import-untyped,unused-ignore]

from ..measure.run import Run
from . import markup
from .side import runs_of
from .text import count, one_line

MOST_NAMES = 1000
# As a choice; None would be none.
EVERYBODY = ("everybody",)
_NOBODY = -2  # a row that there is not


class Printing(VBox):  # type: ignore[misc,unused-ignore]
    """A choice of those who printed something, and what they printed."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._sides = runs_of(run)
        self._rows = [_rows_by_name(side) for side in self._sides.values()]
        names = list(dict.fromkeys(name for rows in self._rows for name in rows))
        self.shown = HTML()
        more = len(names) - MOST_NAMES
        note = [markup.page(f"<p>and {count(more, 'more')} who printed</p>")] if more > 0 else []
        choice = []
        if names:
            # Option labels are text to the page, never markup.
            options: list[tuple[str, Any]] = [(EVERYBODY[0], EVERYBODY)]
            options += [(one_line(name, 60), name) for name in names[:MOST_NAMES]]
            self.choice = Dropdown(options=options, value=EVERYBODY, description="printed by",
                                   layout=Layout(width="auto", max_width="24em"),
                                   style={"description_width": "initial"})  # fmt: skip
            self.choice.observe(lambda change: self._chosen(change["new"]), names="value")
            choice = [self.choice]
        super().__init__([*choice, *note, self.shown])
        self._show(None)

    def _chosen(self, value: Any) -> None:
        self._show(None if value == EVERYBODY else value)

    def _show(self, name: str | None) -> None:
        parts = []
        for (called, side), rows in zip(self._sides.items(), self._rows, strict=True):
            text = side.printed.text(None if name is None else rows.get(name, _NOBODY))
            nothing = f"<p>{_why_nothing(side, name)}</p>"
            said = markup.output(text, f"printed by {called}") if text else nothing
            parts.append(f"<div><h4>{called}</h4>{said}{_lost(side)}</div>")
        if self._run.baseline is None:
            note = self._run.baseline_note
            why = f": {markup.escaped(note, 500)}" if note else ""
            parts.append(f"<div><h4>threads</h4><p>No threads ran{why}.</p></div>")
        self.shown.value = markup.framed(f'<div class="sides">{"".join(parts)}</div>')


def _rows_by_name(side: Run) -> dict[str, int]:
    return {(side.trace.name(row) if row >= 0 else "others"): row for row in side.printed.rows()}


def _why_nothing(side: Run, name: str | None) -> str:
    if name is not None:
        return f"{markup.escaped(name, 60)} printed nothing here."
    return f"The {side.unit}s printed nothing."


def _lost(side: Run) -> str:
    lost = side.printed.lost
    return f"<p>{count(lost, 'character')} more were printed and not kept.</p>" if lost else ""
