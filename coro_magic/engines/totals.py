"""Exact totals per row: how long each coroutine was in which state, and how often it was resumed."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .events import (
    BORN,
    BORN_WAITING,
    CLOSED_WAITING,
    ENDS,
    IS_BOUNDARY,
    IS_BY_HAND,
    IS_RESUMPTION,
    IS_STEP,
    IS_SWITCH,
    KIND_MASK,
    RESUMED,
    STOPPED,
    SUSPENDED,
    WAITS,
    WOKEN,
    Floats,
    Ints,
    of,
    step_begins,
)

_IS_BIRTH = of(BORN, BORN_WAITING)
_IS_END = of(*ENDS)
# For the sum of each state: -1 for the kinds that enter it (steps apart), 1 for those that leave it.
_SIGNS = {
    name: of(*leaving).astype(np.int8) - of(*entering).astype(np.int8)
    for name, entering, leaving in (
        ("running", (RESUMED,), (SUSPENDED, STOPPED)),
        ("waiting", (WAITS, SUSPENDED, BORN_WAITING), (WOKEN, RESUMED, CLOSED_WAITING)),
    )
}


class Stretch:
    """A batch of steps that took place one after another, maybe more than once."""

    __slots__ = ("count", "index", "longest", "rows", "seconds", "tasks")

    def __init__(self, index: int, tasks: Sequence[Any]) -> None:
        self.index = index
        self.tasks = tasks
        self.rows = array("i", [task.row for task in tasks])
        self.count = 0
        self.seconds = 0.0
        self.longest = 0.0


class Totals:
    """Exact sums per row.

    Made by adding the moments of leaving a state and subtracting those of entering it.
    """

    def __init__(self) -> None:
        self.boundary = 0.0
        # On one thread, since when whoever runs has been running.
        self.since = 0.0
        self._columns: dict[str, NDArray[Any]] = {
            "running": np.zeros(0),
            "waiting": np.zeros(0),
            "longest": np.zeros(0, np.float32),
            "born": np.zeros(0),
            "ended": np.zeros(0),
            "resumptions": np.zeros(0, np.int64),
            "open_running": np.zeros(0, np.int8),
            "open_waiting": np.zeros(0, np.int8),
        }

    def _grown(self, rows: int) -> dict[str, NDArray[Any]]:
        if len(self._columns["running"]) < rows:
            # By a share, so that a growing number of rows is copied a constant number of times.
            size = max(rows, 64, 9 * len(self._columns["running"]) // 8)
            for name, column in self._columns.items():
                larger = np.zeros(size, column.dtype)
                larger[: len(column)] = column
                if name == "ended":
                    larger[len(column) :] = np.nan
                self._columns[name] = larger
        return self._columns

    def add_stretch(self, stretch: Stretch) -> None:
        """Add what a batch of steps took, all the times that it took place."""
        if not stretch.count:
            return
        rows = np.frombuffer(stretch.rows, np.int32)
        columns = self._grown(int(np.max(rows)) + 1)
        # A row may be in the batch more than once: plain indexing would count it once.
        np.add.at(columns["resumptions"], rows, np.int64(stretch.count))
        np.add.at(columns["running"], rows, np.float64(stretch.seconds / len(rows)))
        np.maximum.at(columns["longest"], rows, np.float32(stretch.longest / len(rows)))
        stretch.count, stretch.seconds, stretch.longest = 0, 0.0, 0.0

    def add(
        self, rows: Ints, codes: Ints, times: Floats, row_count: int, by: Ints | None = None
    ) -> Floats:
        """Add events, batches left out: those come through `add_stretch`.

        Parameters
        ----------
        by:
            Who drives by hand (see `events.drivers`), None where nobody does, or every row runs by itself.

        Gives where each step began, as `events.step_begins` does.
        """
        columns = self._grown(row_count)
        kinds = codes & KIND_MASK
        begins = step_begins(kinds, times, self.boundary)
        is_run, runner, stretches = IS_STEP, rows, begins
        if by is not None:
            # Every switch ends a stretch in which one row ran: who drives, is driven, or makes the step.
            is_run, runner = IS_STEP | IS_BY_HAND, np.where(kinds == RESUMED, by, rows)
            stretches = step_begins(kinds, times, self.since, IS_SWITCH)
        at = np.flatnonzero(IS_BOUNDARY[kinds])
        if len(at):
            self.boundary = self.since = float(times[at[-1]])
        # `ufunc.at` is twenty times as fast where the types are the same.
        at = np.flatnonzero(is_run[kinds] & (runner >= 0))
        seconds = times[at] - stretches[at]
        np.add.at(columns["running"], runner[at], seconds)
        np.maximum.at(columns["longest"], runner[at], seconds.astype(np.float32))
        at = rows[np.flatnonzero(IS_RESUMPTION[kinds])]
        np.add.at(columns["resumptions"], at, np.ones(len(at), np.int64))
        at = np.flatnonzero(_IS_BIRTH[kinds])
        columns["born"][rows[at]] = times[at]
        at = np.flatnonzero(_IS_END[kinds])
        columns["ended"][rows[at]] = times[at]
        if by is None:
            self._add_explicit("running", rows, kinds, times)
        else:
            at = np.flatnonzero(IS_BY_HAND[kinds])
            if len(at):
                self.since = max(self.since, float(times[at[-1]]))
            at = np.flatnonzero(by >= 0)
            self._change("waiting", by[at], np.where(kinds[at] == RESUMED, -1, 1).astype(np.int8), times[at])
        self._add_explicit("waiting", rows, kinds, times)
        return begins

    def _add_explicit(self, name: str, rows: Ints, kinds: Ints, times: Floats) -> None:
        signs = _SIGNS[name]
        at = np.flatnonzero(signs[kinds])
        if len(at):
            self._change(name, rows[at], signs[kinds[at]], times[at])

    def _change(self, name: str, rows: Ints, signs: NDArray[np.int8], times: Floats) -> None:
        """Rows enter a state (sign -1) or leave it (1)."""
        np.add.at(self._columns[name], rows, signs * times)
        np.add.at(self._columns[f"open_{name}"], rows, -signs)

    def columns(self, rows: int, until: float) -> dict[str, NDArray[Any]]:
        """Give the totals, with what has not ended counted `until`."""
        grown = self._grown(rows)
        out = {name: column[:rows].copy() for name, column in grown.items()}
        for name in ("running", "waiting"):
            out[name] += out.pop(f"open_{name}") * until
            # Sums of differences of large numbers: a tiny negative is a zero.
            np.maximum(out[name], 0.0, out=out[name])
        out["ended"] = np.where(np.isnan(out["ended"]), until, out["ended"])
        out["ready"] = np.maximum(out["ended"] - out["born"] - out["running"] - out["waiting"], 0.0)
        return out
