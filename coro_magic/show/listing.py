"""The coroutines of a run as a list that is sorted, filtered and read in windows; fast at 100,000 rows.

Whole columns are sorted and compared with numpy; text is made only of the rows that somebody looks at.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..engines.trace import STATES
from ..language import State, Where
from ..measure.run import Run
from .side import Ints
from .text import duration, error_text, number, one_line, short_repr

UNFINISHED = "unfinished"  # a thread that was stopped with its program
_SECONDS = ("running", "ready", "waiting", "longest")
_COUNTS = ("resumptions", "items")
# Key, what its head says, whether it is sorted from the largest at first.
COLUMNS: tuple[tuple[str, str, bool], ...] = (
    ("name", "name", False),
    ("state", "state", False),
    ("running", "running", True),
    ("ready", "ready", True),
    ("waiting", "waiting", True),
    ("longest", "longest", True),
    ("resumptions", "resumed", True),
    ("items", "items", True),
    ("parent", "parent", False),
    ("where", "line", False),
    ("outcome", "result or error", False),
)
KEYS = tuple(key for key, _, _ in COLUMNS)
_NAME, _OUTCOME = 120, 300  # characters


class Listing:
    """The rows of one side of a run.

    Parameters
    ----------
    run:
        Whose rows: the coroutines' Run, or its baseline.
    """

    def __init__(self, run: Run) -> None:
        self.run = run
        self._trace = run.trace
        self._tasks = {task.row: task for task in run.tasks}
        self._totals = run.trace.totals() if run.trace.recording else {}
        self._final = run.trace.final_codes()
        self._last: tuple[Any, Ints] | None = None

    def __len__(self) -> int:
        """How many rows there are, the cell's body too."""
        return len(self._trace)

    @cached_property
    def names(self) -> list[str]:
        """The name of every row."""
        return [self._trace.name(row) for row in range(len(self))]

    @cached_property
    def _folded(self) -> list[str]:
        return [name.casefold() for name in self.names]

    def states(self) -> list[tuple[str, int]]:
        """Give the states in which rows ended, with how many did, in a fixed order."""
        counts = np.bincount(self._final + 1, minlength=len(STATES) + 1).tolist()
        found = [(state.value, counts[code + 1]) for code, state in enumerate(STATES)]
        return [(word, there) for word, there in [*found, (UNFINISHED, counts[0])] if there]

    def select(self, text: str = "", state: str = "", sort: str = "", descending: bool = False) -> Ints:
        """Give the rows that a filter lets through, sorted.

        Parameters
        ----------
        text:
            Must be part of the name, in whatever case.
        state:
            The state in which a row ended, a word of `states`; empty for any.
        sort:
            One of `KEYS`, or empty for the order in which they were spawned. Equal ones stay in that
            order, and those of which nothing is known come last.

        Returns
        -------
        array of rows, shape (found,)

        Raises
        ------
        ValueError
            If there is no such column or state.
        """
        asked = (text, state, sort, descending)
        if self._last is not None and self._last[0] == asked:
            return self._last[1]
        rows: Ints = np.arange(len(self))
        if state:
            rows = rows[self._final[rows] == _code_of(state)]
        if text:
            part, names = text.casefold(), self._folded
            rows = np.array([row for row in rows.tolist() if part in names[row]], np.int64)
        if sort:
            rows = rows[_order(self._key(sort)[rows], descending)]
        self._last = (asked, rows)
        return rows

    def _key(self, column: str) -> NDArray[np.float64]:
        """Give numbers that are in the order of a column; NaN where nothing is known. Shape (rows,)."""
        if column in _SECONDS or column in _COUNTS:
            known = self._totals.get(column)
            return np.full(len(self), np.nan) if known is None else known.astype(np.float64)
        if column == "name":
            return self._by_name.astype(np.float64)
        if column == "state":
            return np.where(self._final < 0, len(STATES), self._final).astype(np.float64)
        if column == "parent":
            parents = np.array([self._trace.parent(row) for row in range(len(self))], np.int64)
            # By the parent's name: the children of one stand together.
            return np.where(parents < 0, np.nan, self._by_name[np.maximum(parents, 0)])
        if column == "where":
            places = map(self._where, range(len(self)))
            return np.array([np.nan if place is None else place.line for place in places])
        if column == "outcome":
            return self._by_outcome
        raise ValueError(f"there is no column {column!r}")

    @cached_property
    def _by_name(self) -> Ints:
        """The rank of each row's name: ``nap-2`` before ``nap-10``."""
        heads, numbers = [], np.zeros(len(self), np.int64)
        for row, name in enumerate(self._folded):
            head, dash, tail = name.rpartition("-")
            if dash and tail.isdecimal() and len(tail) < 18:
                numbers[row] = int(tail)
                heads.append(head)
            else:
                heads.append(name)
        known = {head: rank for rank, head in enumerate(sorted(set(heads)))}
        order = np.lexsort((numbers, np.array([known[head] for head in heads], np.int64)))
        ranks = np.empty(len(self), np.int64)
        ranks[order] = np.arange(len(self))
        return ranks

    @cached_property
    def _by_outcome(self) -> NDArray[np.float64]:
        key = np.full(len(self), np.nan)
        texts = {row: self._outcome(row, 60) for row in self._tasks}
        known = {text: rank for rank, text in enumerate(sorted(set(texts.values()) - {""}))}
        for row, text in texts.items():
            if text:
                key[row] = known[text]
        return key

    def window(self, rows: Ints) -> list[dict[str, Any]]:
        """Give what there is to show of some rows, as text.

        Returns
        -------
        list of a dict for each row: ``row``, ``cells`` (texts, in the order of `COLUMNS`), ``state``,
        ``shares`` (of its life that it was running, ready, waiting; None if that is not known)
        and ``more``, a sentence about it.
        """
        return [self._line(int(row)) for row in rows]

    def _line(self, row: int) -> dict[str, Any]:
        totals, parent = self._totals, self._trace.parent(row)
        name = one_line(self._trace.name(row), _NAME)
        state, outcome, where = self._state(row), self._outcome(row, _OUTCOME), self._where(row)
        by = "" if parent < 0 else one_line(self._trace.name(parent), _NAME)
        sums = [float(totals[key][row]) for key in _SECONDS[:3]] if totals else []
        cells = [name, state]
        cells += [duration(float(totals[key][row])) if totals else "" for key in _SECONDS]
        cells += [number(int(totals[key][row])) if totals else "" for key in _COUNTS]
        cells += [by, "" if where is None else number(where.line), outcome]
        whole = sum(sums)
        spawned = self._trace.spawned_at(row)
        more = f"{name}: {state}"
        more += f" at {where}" if where is not None else ""
        more += f": {outcome}" if outcome else ""
        if by:
            more += f"; spawned by {by}" + (f" at {spawned}" if spawned is not None else "")
        return {
            "row": row,
            "cells": cells,
            "state": state,
            "shares": [round(each / whole, 4) for each in sums] if whole > 0 else None,
            "more": more,
        }

    def _state(self, row: int) -> str:
        code = int(self._final[row])
        return UNFINISHED if code < 0 else STATES[code].value

    def _where(self, row: int) -> Where | None:
        task = self._tasks.get(row)
        return self._trace.where(row) if task is None else task.where

    def _outcome(self, row: int, limit: int) -> str:
        task = self._tasks.get(row)
        if task is None:
            return ""
        if task._error is not None:
            return error_text(task._error)
        if task.state is State.DONE and task._value is not None:
            return short_repr(task._value, limit)
        return ""


def _code_of(state: str) -> int:
    if state == UNFINISHED:
        return -1
    return STATES.index(State(state))


def _order(key: NDArray[np.float64], descending: bool) -> Ints:
    # NaN sorts last either way.
    return np.argsort(-key if descending else key, kind="stable")
