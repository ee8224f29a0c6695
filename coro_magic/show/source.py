"""What the interactive timeline asks, and the answers: the one place between the picture and the run.

The widget in a live notebook and the page that needs no kernel begin with the same data (`Source.first`).
A short run is in it whole. Of a long one there is a first view, and further ones are answered as they are
asked for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np

from ..engines.frames import machinery_of
from ..engines.record import Steps
from ..engines.trace import Intervals
from ..measure.run import Run
from .card import card
from .columns import bar_columns, of_library, packed, reasons, row_columns, short_file
from .critical import critical_path
from .edges import edge_columns
from .late import Late, late_of
from .levels import Levels, View
from .side import ANY_WAIT, MOST_SLOW, RUNNING, Side, sides_of, waits_of
from .text import error_text, one_line
from .words import headline, slow_label, who_ran

VERSION = 1
WHOLE = 60_000  # bars of all sides together, up to which all of them are sent at first
WHOLE_PAGE = 400_000  # the same for a page that cannot ask
_FIRST = (300, 1_200)  # lines and bins of the first view
_PAGE = (512, 2_048)  # the same for a page that cannot ask
MOST_MARKS = 1_000
MOST_CARDS = 1_000

Reply = tuple[dict[str, Any], list[bytes]]


class _SideData:
    """One side, and what was found out about it so far."""

    def __init__(self, side: Side, run: Run) -> None:
        self.run = run
        self.side = side
        self.waits = ANY_WAIT

    @cached_property
    def intervals(self) -> Intervals | None:
        """All bars, where the trace has them."""
        if self.side.intervals is not None:
            return self.side.intervals
        trace = self.run.trace
        return trace.intervals(self.side.seconds) if trace.detailed else None

    @cached_property
    def late(self) -> Late:
        """Which bars were late because of which steps."""
        return late_of(self.run, self.intervals)

    @cached_property
    def levels(self) -> Levels:
        return Levels(self.run.trace, self.intervals, self.side.seconds, self.waits)

    @cached_property
    def bar_count(self) -> int | None:
        return None if self.intervals is None else len(self.intervals)

    def turns_by(self, time: float) -> int:
        """Give how many resumptions there had been by a moment."""
        if self.intervals is None:
            return int(self.run.switches * min(time / max(self.side.seconds, 1e-12), 1.0))
        return int(np.searchsorted(self._moments, time, side="right"))

    @cached_property
    def _moments(self) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        assert self.intervals is not None
        return np.sort(self.intervals.begin[self.intervals.state == RUNNING])


class Source:
    """The data of one run's timeline.

    Parameters
    ----------
    run:
        The run; its baseline is the second side, and its other sides follow.
    """

    def __init__(self, run: Run) -> None:
        self._run = run
        self._sides = [_SideData(side, side.run) for side in sides_of(run) if side.run is not None]
        waits = waits_of([replace(data.side, intervals=data.intervals) for data in self._sides])
        for data in self._sides:
            data.waits = waits

    def first(self, everything: bool = False) -> Reply:
        """Give what is drawn first, as plain data and the buffers that it refers to by number.

        Parameters
        ----------
        everything:
            For a page that cannot ask: more bars, and the cards of the first `MOST_CARDS` coroutines.
        """
        buffers: list[bytes] = []
        whole = self._whole(WHOLE_PAGE if everything else WHOLE)
        meta: dict[str, Any] = {
            "version": VERSION,
            "headline": one_line(headline(self._run), 300),
            "waits": list(self._sides[0].waits.verbs),
            "sides": [
                self._side(data, at < whole, everything, buffers) for at, data in enumerate(self._sides)
            ],
            "missing": [
                {"name": name, "why": one_line(note, 300)} for name, note in self._run.other_notes.items()
            ],
            "steps": None if self._run.steps is None else steps_data(self._run.steps),
        }
        if everything:
            meta["cards"] = {
                f"{number}:{row}": card(data.run, row, data.intervals, data.late)
                for number, data in enumerate(self._sides)
                for row in range(min(len(data.run.trace), MOST_CARDS))
            }
        return meta, buffers

    def _whole(self, limit: int) -> int:
        """Give how many sides are sent with all their bars, from the first on.

        Coroutines and threads are both, or neither: others beside them must not cost them their detail.
        """
        together = 2 if self._run.baseline is not None else 1
        counts = [data.bar_count for data in self._sides]
        for some in (len(counts), together):
            if None not in counts[:some] and sum(count or 0 for count in counts[:some]) <= limit:
                return some
        return 0

    def answer(self, request: Mapping[str, Any], given: Sequence[Any] = ()) -> Reply:
        """Answer a message of the timeline's. Never raises: what is wrong with it is the answer then."""
        try:
            reply, buffers = self._answer(request, given)
        except Exception as error:
            reply, buffers = {"kind": "error", "message": error_text(error)}, []
        number = request.get("id") if isinstance(request, Mapping) else None
        return {"id": number, **reply}, buffers

    def _answer(self, request: Mapping[str, Any], given: Sequence[Any]) -> Reply:
        kind = request.get("kind")
        at = request.get("side", 0)
        if not isinstance(at, int) or not 0 <= at < len(self._sides):
            raise ValueError(f"there is no side {at!r}")
        data = self._sides[at]
        if kind == "order":
            if len(given) != 1:
                raise ValueError("an order comes with one column")
            data.levels.order(np.frombuffer(given[0], np.int32), int(request["lines"]))
            return {"kind": "order", "side": at}, []
        if kind == "cells":
            return self._view(data, at, request)
        if kind == "card":
            row = int(request["row"])
            return {"kind": "card", "card": card(data.run, row, data.intervals, data.late)}, []
        if kind == "edges":
            return self._edges(data, int(request["row"]))
        raise ValueError(f"there is nothing of the kind {one_line(kind, 40)}")

    def _view(self, data: _SideData, at: int, request: Mapping[str, Any]) -> Reply:
        view = View(
            float(request["from"]), float(request["to"]), request.get("axis") == "switches",
            int(request["top"]), int(request["bottom"]), int(request["lines"]), int(request["bins"]),
        ).checked(data.levels.display)  # fmt: skip
        told = {
            "side": at, "axis": "switches" if view.in_switches else "time", "from": view.begin,
            "to": view.end, "top": view.top, "bottom": view.bottom,
        }  # fmt: skip
        few = data.levels.bars(view)
        if few is not None and data.intervals is not None:
            buffers: list[bytes] = []
            columns = packed("bar", bar_columns(data.intervals, few, data.late), buffers)
            return {"kind": "bars", **told, "columns": columns}, buffers
        cells = data.levels.cells(view)
        told |= {"lines": cells.shape[0], "bins": cells.shape[1], "turns": data.levels.turns}
        return {"kind": "cells", **told}, [cells.tobytes()]

    def _edges(self, data: _SideData, row: int) -> Reply:
        if data.intervals is None:
            raise ValueError("the run was longer than its detail: who woke whom was not kept")
        columns = edge_columns(data.run.trace, data.intervals, row)
        buffers: list[bytes] = []
        return {"kind": "edges", "columns": packed("edge", columns, buffers)}, buffers

    def _side(
        self, data: _SideData, whole: bool, everything: bool, buffers: list[bytes]
    ) -> dict[str, Any]:
        run, trace, intervals = data.run, data.run.trace, data.intervals
        names, rows = row_columns(run, intervals)
        columns = packed("row", rows, buffers)
        out: dict[str, Any] = {
            "name": data.side.name,
            "unit": trace.unit,
            "takes_turns": data.side.takes_turns,
            "seconds": data.side.seconds,
            "switches": run.switches,
            "rows": len(trace),
            "who": who_ran(data.side.name, run, run.count),
            "virtual": run.virtual,
            "complete": run.complete,
            "empty": data.side.empty,
            "mode": "bars" if whole else "cells",
            "names": names,
            "reasons": reasons(trace),
            "columns": columns,
            "marks": [
                {"time": mark.time, "switch": data.turns_by(mark.time), "row": mark.row,
                 "text": one_line(mark.text, 200)}
                for mark in trace.marks[:MOST_MARKS]
            ],
            "slow": [
                {"row": step.row, "begin": step.begin, "seconds": step.seconds,
                 "switch": max(0, data.turns_by(step.begin) - 1), "label": slow_label(step)}
                for step in run.slow_steps[:MOST_SLOW]
            ],
        }  # fmt: skip
        if intervals is not None and len(intervals):
            columns |= packed("edge", edge_columns(trace, intervals), buffers)
            if trace.unit == "coroutine":
                columns |= packed("path", critical_path(intervals, trace.parents(), data.late), buffers)
        if whole and intervals is not None:
            columns |= packed("bar", bar_columns(intervals, late=data.late), buffers)
        elif not data.side.empty:
            lines, bins = _PAGE if everything else _FIRST
            view = View(0.0, data.side.seconds, False, 0, len(trace), lines, bins).checked(len(trace))
            cells = data.levels.cells(view)
            out["cells"] = {
                "axis": "time", "from": 0.0, "to": data.side.seconds, "top": 0, "bottom": len(trace),
                "lines": cells.shape[0], "bins": cells.shape[1], "turns": data.levels.turns,
                "buffer": len(buffers),
            }  # fmt: skip
            buffers.append(cells.tobytes())
        return out


def steps_data(steps: Steps) -> dict[str, Any]:
    """Give what step mode has recorded as plain data: functions by number, with their lines."""
    codes: list[dict[str, Any]] = []
    number: dict[tuple[str, str], list[tuple[int, int, int]]] = {}
    for (file, function, first), lines in steps.sources.items():
        number.setdefault((file, function), []).append((first, first + len(lines), len(codes)))
        codes.append({
            **_code(file, function),
            "first": first,
            "lines": [line[:200] for line in lines],
        })  # fmt: skip
    bare: dict[tuple[str, str], int] = {}

    def code_of(file: str, function: str, line: int) -> int:
        for first, end, at in number.get((file, function), ()):
            if first <= line < end:
                return at
        # Its lines were not kept, or are not known.
        if (file, function) not in bare:
            bare[file, function] = len(codes)
            codes.append({**_code(file, function), "first": 1, "lines": []})
        return bare[file, function]

    return {
        "codes": codes,
        "truncated": steps.truncated,
        "steps": [
            {
                "row": step.row,
                "time": step.time,
                "switch": step.switch,
                "state": step.state,
                "frames": [
                    [code_of(frame.file, frame.function, frame.line), frame.line,
                     [list(pair) for pair in frame.locals]]
                    for frame in step.stack
                ],
            }
            for step in steps.steps
        ],
    }  # fmt: skip


def _code(file: str, function: str) -> dict[str, Any]:
    """Give what is said of a function: with ``engine``, the notebook's package that it is of, if it is."""
    return {
        "name": one_line(function, 80),
        "file": short_file(file),
        "library": of_library(file),
        "engine": machinery_of(file) or "",
    }
