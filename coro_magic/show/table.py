"""The table of coroutines: sorted and filtered here, and only the rows in view travel to the page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anywidget
import traitlets

from ..measure.run import Run
from .listing import COLUMNS, Listing
from .side import runs_of

MOST_ROWS = 200  # in one answer
_FIRST = 40  # rows that are there before anybody asks


class Table(anywidget.AnyWidget):
    """A table of a run's coroutines, of its threads, and of its other sides.

    Parameters
    ----------
    run:
        What to show.

    The page asks with a message ``{"kind": "rows", "id": n, "side": i, "text", "state", "sort",
    "descending", "first", "count"}``. The answer has the same ``id``, so that a late one is told from the
    latest: ``{"kind": "rows", "id", "side", "found", "first", "rows"}`` with rows as `Listing.window` gives
    them; or ``{"kind": "error", "id", "message"}``. Everything in it is text, for ``textContent``.
    """

    _esm = Path(__file__).with_name("table.js").read_text(encoding="utf-8")  # as in interactive.py

    heads: traitlets.List[Any] = traitlets.List().tag(sync=True)
    sides: traitlets.List[Any] = traitlets.List().tag(sync=True)
    beginning = traitlets.Dict().tag(sync=True)

    def __init__(self, run: Run) -> None:
        runs = runs_of(run)
        self._listings = [Listing(each) for each in runs.values()]
        super().__init__(
            heads=[{"key": key, "text": text, "largest": largest} for key, text, largest in COLUMNS],
            sides=[
                {"name": name, "rows": len(listing), "states": listing.states()}
                for name, listing in zip(runs, self._listings, strict=True)
            ],
            beginning=self.answer({"kind": "rows", "id": 0, "count": _FIRST}),
        )
        self.on_msg(self._asked)

    def _asked(self, widget: Any, content: Any, buffers: Any) -> None:
        if isinstance(content, dict):
            self.send(self.answer(content))

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """Answer a request of the page. Raises nothing."""
        number = request.get("id")
        try:
            if request.get("kind") != "rows":
                raise ValueError(f"nobody knows what {str(request.get('kind'))[:40]!r} asks for")
            side = int(request.get("side", 0))
            if not 0 <= side < len(self._listings):
                raise ValueError(f"there is no side {side}")
            listing = self._listings[side]
            rows = listing.select(
                str(request.get("text") or ""),
                str(request.get("state") or ""),
                str(request.get("sort") or ""),
                bool(request.get("descending")),
            )
            first = min(max(int(request.get("first", 0)), 0), max(len(rows) - 1, 0))
            count = min(max(int(request.get("count", _FIRST)), 0), MOST_ROWS)
            window = listing.window(rows[first : first + count])
        except Exception as error:
            return {"kind": "error", "id": number, "message": f"{type(error).__name__}: {error}"[:500]}
        return {"kind": "rows", "id": number, "side": side, "found": len(rows), "first": first,
                "rows": window}  # fmt: skip
