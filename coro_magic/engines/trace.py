"""The trace: what happened, flat and bounded. Engines write it (`journal`); nothing else knows its columns.

What is written is little. Everything else is derived when somebody reads:

- a step begins where the previous one ended (the scheduler does one thing at a time);
- the time spent in a state is the sum of the moments of leaving it minus those of entering it, so
  exact totals need no sorting and no memory per event;
- the time in which a coroutine was ready is the rest of its life;
- whom a timer wakes is ready from the moment on at which that was due, though the thread was free only later
  (see `late`): so the times of one row never decrease, those of all rows may;
- whoever drives a generator by hand waits until it gives control back, and who that is follows from the
  order of the events.

Past the limit on detail the events are poured into a grid of fixed size (groups of rows by bins of
time), whose cells widen as the run goes on: the timeline coarsens instead of growing.

Times are in seconds since the run began. Steps that end in a bare ``yield`` (or in a request that is
answered at once) are timed together, up to `MAX_BATCH` of them, while together they take no longer
than about a tenth of a millisecond; each gets an equal share. All others are timed by themselves.
"""

from __future__ import annotations

import linecache
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..language import State, Where
from . import DEFAULT_DETAIL
from .events import (
    BATCH,
    BORN,
    BORN_WAITING,
    CLOSED,
    CLOSED_WAITING,
    ENDED,
    ENDS,
    IDLE,
    IS_BY_HAND,
    IS_RESUMPTION,
    KIND_BITS,
    KIND_MASK,
    MARKED,
    RESUMED,
    SAID,
    STATE_CODES,
    STATES,
    STOPPED,
    SUSPENDED,
    WAITS,
    WOKEN,
    YIELDED,
    Floats,
    Intervals,
    Ints,
    Mark,
    Reason,
    drivers,
    entries,
    first_stepping,
    intervals_of,
    step_begins,
)
from .grid import BINS, GROUPS, Cells, Grid
from .journal import Journal
from .late import Beginnings

__all__ = [
    "BATCH", "BORN", "BORN_WAITING", "CLOSED", "CLOSED_WAITING", "DEFAULT_DETAIL", "ENDED", "IDLE",
    "MARKED", "MAX_BATCH", "RESUMED", "STATES", "STATE_CODES", "STOPPED", "SUSPENDED", "UNITS", "WAITS",
    "WOKEN", "YIELDED", "Intervals", "Mark", "Reason", "Trace",
]  # fmt: skip

MAX_BATCH = 256
# What a row can stand for: on the scheduler, on threads, one after another, on asyncio, on gevent.
UNITS = ("coroutine", "thread", "call", "task", "greenlet")
_LINE = 200  # characters of a source line
_KEPT = 500_000  # intervals, up to which those that were asked for last are kept


class Chunk(NamedTuple):
    """Events that were read from the log at one time, in columns of shape (n,).

    `boundary` is the end of the last step before them, and `since` says since when whoever runs first has
    been running, both in seconds. `by` is who drives by hand (see `events.drivers`), None where nobody does,
    or every row is a thread.
    """

    rows: Ints
    codes: Ints
    times: Floats
    boundary: float
    since: float
    by: Ints | None


class Trace(Journal):
    """What happened in a run: written down by engines, as a `Journal` is, and read by everybody else.

    The parameters are those of `Journal`.
    """

    def __init__(
        self,
        recording: bool = True,
        detail: int = DEFAULT_DETAIL,
        unit: str = "coroutine",
        origin: float = 0.0,
        slow_step: float = float("inf"),
    ) -> None:
        super().__init__(recording, detail, unit, origin, slow_step)
        self._chunks: list[Chunk] = []
        # Gives the row whose step goes on, -1 for none, and which rows have been resumed by hand in it.
        self.stepping: Callable[[], int] = lambda: -1
        self._opened: list[int] = []
        self._beginnings = Beginnings()
        self._grid: Grid | None = None
        self._found: tuple[tuple[Any, ...], Intervals] | None = None

    def _bring_up_to_date(self) -> None:
        """Read what was written since the last time: into the totals, and into the grid when there is one."""
        if self._log:
            self.fold()
        for stretch in self._known.values():
            self._totals.add_stretch(stretch)
        pending, self._pending = self._pending, []
        if not pending:
            return
        # Whose step it is that goes on in the end of each: it may have been written down in a later one.
        stepping = [self.stepping()]
        for rows, codes, _ in reversed(pending[1:]):
            stepping.append(first_stepping(rows, codes & KIND_MASK, stepping[-1]))
        for events, row in zip(pending, stepping[::-1], strict=True):
            self._read_events(*events, row)
        if self._grid is not None:
            # Nothing refers to the stretches any more.
            self._stretches.clear()
            self._known.clear()

    def _read_events(self, rows: Ints, codes: Ints, times: Floats, stepping: int) -> None:
        totals = self._totals
        if self.unit == "coroutine":
            times = self._beginnings.respected(rows, codes, times, len(self._names))
        by = self._drivers(rows, codes, stepping)
        chunk = Chunk(rows, codes, times, totals.boundary, totals.since, by)
        begins = totals.add(rows, codes, times, len(self._names), chunk.by)
        self.long_steps.add(rows, codes, times, begins)
        self._chunks.append(chunk)
        if self._grid is None and self._folded + self._batched > self.detail:
            self._grid = Grid()
        if self._grid is not None:
            for each in self._chunks:
                self._pour(self._grid, each)
            self._chunks.clear()

    def _drivers(self, rows: Ints, codes: Ints, stepping: int = -1) -> Ints | None:
        kinds = codes & KIND_MASK
        goes_on = self._opened or self._totals.since > self._totals.boundary
        if self.unit != "coroutine" or not (goes_on or IS_BY_HAND[kinds].any()):
            return None
        by, self._opened = drivers(rows, kinds, self._opened, stepping)
        return by

    def _pour(self, grid: Grid, chunk: Chunk) -> None:
        rows, codes, times, boundary, _, by = chunk
        kinds = codes & KIND_MASK
        batches = kinds == BATCH
        if by is None and batches.any():
            # Written out, one fold's batches are millions of steps; the same ones come again and again.
            grid.widen(len(self), float(np.max(times)))
            begins = step_begins(kinds, times, boundary)
            whole = batches & (grid.bins_of(begins) == grid.bins_of(times))
            grid.pour_batches(self._stretches, rows[whole], begins[whole], times[whole])
            if whole.all():
                return
            # What is left keeps its beginnings: where a batch was, it was idle until then.
            rows, codes = rows.copy(), codes.copy()
            rows[whole], codes[whole] = 0, IDLE
            chunk = chunk._replace(rows=rows, codes=codes)
        grid.pour(*self._expand(chunk), chunk.since)

    def _expand(self, chunk: Chunk) -> tuple[Ints, Ints, Floats, Floats, Ints | None]:
        """Write batches out as single steps. Gives rows, codes, times, where each step began, and `Chunk.by`.

        Where an event is not a step its beginning is its own time.
        """
        rows, codes, times, boundary, _, by = chunk
        kinds = codes & KIND_MASK
        batches = kinds == BATCH
        lengths = np.ones(len(rows), np.int64)
        if batches.any():
            which = rows[batches]
            lengths[batches] = [len(self._stretches[index]) for index in which]
        begins = step_begins(kinds, times, boundary)
        if not batches.any():
            return rows, codes, times, begins, by
        offsets = np.cumsum(lengths) - lengths
        out_rows = np.empty(int(lengths.sum()), np.int32)
        out_rows[offsets[~batches]] = rows[~batches]
        expanded = np.repeat(batches, lengths)
        out_rows[expanded] = np.concatenate([self._stretches[index] for index in rows[batches]])
        # Within a batch every step took the same time, and the last one ended when the batch did.
        out_times = np.arange(1.0, len(out_rows) + 1.0)
        out_times -= np.repeat(offsets, lengths)
        out_times *= np.repeat((times - begins) / lengths, lengths)
        out_times += np.repeat(begins, lengths)
        out_times[offsets + lengths - 1] = times
        out_codes = np.repeat(np.where(batches, YIELDED, codes).astype(np.int32), lengths)
        # What is saved and read back has no batches, and must give the same beginnings to the last bit.
        out_begins = step_begins(out_codes & KIND_MASK, out_times, boundary)
        return out_rows, out_codes, out_times, out_begins, None if by is None else np.repeat(by, lengths)

    # Reading: who there was.

    def __len__(self) -> int:
        """How many rows there are."""
        return len(self._names)

    @property
    def events_written(self) -> int:
        """How many events there are, the steps of batches counted one by one."""
        self._bring_up_to_date()
        return self._folded + self._batched

    @property
    def detailed(self) -> bool:
        """Whether every event was kept, so that `intervals` has them all."""
        return self.recording and self._grid is None

    def name(self, row: int) -> str:
        """Give the name of a row, unique in the run."""
        return self._naming.name(row)

    def name_columns(self) -> tuple[list[str], Ints, Ints]:
        """Give all names in short: the different ones, each row's as an index, and each row's number.

        A row whose number is more than 1 has the name ``"name-number"``; both columns have shape (rows,).
        """
        return self._naming.columns()

    def parents(self) -> Ints:
        """Give the row that spawned each row, -1 for none; shape (rows,)."""
        return np.array(self._parents, np.int32)

    def driven_rows(self) -> list[int]:
        """Give the rows that were driven by hand (see `driven_by_hand`)."""
        return sorted(self._driven)

    def parent(self, row: int) -> int:
        """Give the row that spawned this one, -1 for none."""
        return self._parents[row]

    def spawned_at(self, row: int) -> Where | None:
        """Give the line that spawned a row, where that is known."""
        return self.reasons[self._born_at[row]].where

    def where(self, row: int) -> Where | None:
        """Give the line at which a row waits or ended, where that is known."""
        return self._ending_of(row)[1]

    def final(self, row: int) -> State | None:
        """Give the state in which a row ended, None if it did not."""
        return self._ending_of(row)[0]

    def _ending_of(self, row: int) -> tuple[State | None, Where | None]:
        return self._endings[self._ended[row] if row < len(self._ended) else 0]

    def final_codes(self) -> NDArray[np.int8]:
        """Give how all rows ended: indices into `STATES`, -1 for not at all; shape (rows,)."""
        states = [-1 if state is None else STATE_CODES[state] for state, _ in self._endings]
        known = np.array(states, np.int8)[np.array(self._ended, np.int32)]
        return np.append(known, np.full(len(self) - len(known), -1, np.int8))

    def places(self, count: int) -> dict[int, Where]:
        """Give the lines at which those of the first `count` rows ended of which that is known, by row."""
        found = ((row, self._endings[number][1]) for row, number in enumerate(self._ended[:count]))
        return {row: where for row, where in found if where is not None}

    def line_of(self, where: Where | None) -> str:
        """Give a source line as it is, `_LINE` characters at most; empty if it cannot be read."""
        if where is None:
            return ""
        known = self.lines.get(where)
        return linecache.getline(*where).rstrip()[:_LINE] if known is None else known

    def driven_by_hand(self, row: int) -> bool:
        """Say whether a row was driven by another coroutine, with `next` or `send`."""
        return row in self._driven

    # Reading: totals.

    def totals(self) -> dict[str, NDArray[Any]]:
        """Give the exact totals, each of shape (rows,).

        ``running``, ``ready``, ``waiting``, ``longest`` (a step) and ``born`` and ``ended`` are in
        seconds, ``resumptions`` and ``items`` are numbers.
        """
        self._bring_up_to_date()
        columns = self._totals.columns(len(self), self.duration)
        items = np.zeros(len(self), np.int64)
        for row, count in self._items.items():
            items[row] = count
        return {**columns, "items": items}

    def seconds(self, row: int, state: State) -> float:
        """Give how long a row was ready, running or waiting."""
        return float(self._read_totals()[state.value][row])

    def resumptions(self, row: int) -> int:
        """Give how often a row was resumed."""
        return int(self._read_totals()["resumptions"][row])

    def items(self, row: int) -> int:
        """Give how many items a row produced."""
        return self._items.get(row, 0)

    def longest(self, row: int) -> float:
        """Give how long the longest step of a row took, in seconds."""
        return float(self._read_totals()["longest"][row])

    def _read_totals(self) -> dict[str, NDArray[Any]]:
        # Asked row by row: compute once per state of the log.
        stamp = self._stamp()
        if getattr(self, "_read", (None, {}))[0] != stamp:
            self._read = (stamp, self.totals())
        return self._read[1]

    def _stamp(self) -> tuple[Any, ...]:
        """Give what is another one whenever something was written."""
        return self._folded, self._batched, len(self), self.duration, len(self._log)

    # Reading: the timeline.

    def _all(self) -> Iterator[tuple[Ints, Ints, Floats, Floats]]:
        self._bring_up_to_date()
        for chunk in self._chunks:
            yield self._expand(chunk)[:4]

    def events(self) -> tuple[Ints, Ints, Floats, Floats]:
        """Give all events in the order in which they were written, batches of steps written out.

        Returns
        -------
        rows, codes, times and, for a step, when it began, else its time again; each of shape (n,). A code
        is a kind and, above it, a reason or a waker: see `engines.events`.

        Raises
        ------
        ValueError
            If the run had more events than are kept in detail (see `detailed`).
        """
        self._check_detailed()
        parts = list(self._all())
        if not parts:
            return np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0), np.empty(0)
        if len(parts) == 1:
            return parts[0]
        rows, codes, times, begins = (np.concatenate(column) for column in zip(*parts, strict=True))
        return rows, codes, times, begins

    def _check_detailed(self) -> None:
        self._bring_up_to_date()
        if self._grid is not None:
            raise ValueError("this run was longer than its detail; use occupancy()")

    def intervals(self, until: float | None = None) -> Intervals:
        """Give who was in which state from when to when. What has not ended goes on `until`.

        Raises
        ------
        ValueError
            If the run had more events than are kept in detail (see `detailed`): use `occupancy`.
        """
        self._bring_up_to_date()
        until = self.duration if until is None else until
        stamp = (*self._stamp(), until)
        if self._found is not None and self._found[0] == stamp:
            return self._found[1]
        # All at once: who drives whom may have begun long before.
        events = self.events()
        entered = entries(*events, one_thread=self.unit == "coroutine")
        found = intervals_of(entered, int(IS_RESUMPTION[events[1] & KIND_MASK].sum()), until)
        # Words, picture and panel ask for the same, one after another.
        self._found = (stamp, found) if len(found) <= _KEPT else None
        return found

    def occupancy(self, groups: int, bins: int, until: float | None = None) -> Floats:
        """Give how many coroutines were in each state, for groups of rows and bins of time.

        Parameters
        ----------
        groups, bins:
            How many groups of neighbouring rows and bins of time to make at most, ints ≥ 1. There
            are fewer where the run was too long for its detail.
        until:
            The end of the last bin, in seconds; the run's duration by default.

        Returns
        -------
        array of shape (groups, bins, 3): the mean number of coroutines that were ready, running
        and waiting.
        """
        self._bring_up_to_date()
        until = self.duration if until is None else until
        if self._grid is not None:
            return self._grid.read(len(self), groups, bins, until)
        grid = Grid(rows=min(groups, max(len(self), 1)), bins=bins, fixed=(max(len(self), 1), until))
        for chunk in self._chunks:
            self._pour(grid, chunk)
        return grid.read(len(self), groups, bins, until)

    def cells(self) -> Cells:
        """Give `occupancy` and `progress` in one, as fine as they are kept where there is no more detail."""
        self._bring_up_to_date()
        rows = max(len(self), 1)
        grid = self._grid
        per_group = -(-rows // min(GROUPS, rows)) if grid is None else grid.per_group
        groups = -(-rows // per_group)
        values = self.occupancy(groups, BINS).round(6)
        return Cells(per_group, values, self.progress(BINS)[1])

    def progress(self, bins: int = 512) -> tuple[Floats, Ints]:
        """Give how many resumptions there had been by each of `bins` + 1 moments, from 0 to the end."""
        self._bring_up_to_date()
        edges = np.linspace(0.0, self.duration, bins + 1)
        if self._grid is not None:
            return edges, self._grid.progress(edges)
        counts = np.zeros(bins + 1, np.int64)
        for _, codes, _, begins in self._all():
            resumed = IS_RESUMPTION[codes & KIND_MASK]
            # A step counts from its beginning, at which the coroutine is resumed.
            at = np.searchsorted(edges, begins[resumed], side="left")
            counts += np.bincount(np.minimum(at, bins), minlength=bins + 1)
        return edges, np.cumsum(counts)

    def log(self) -> str:
        """Give the events as text, one line each, in the order in which they were written.

        Whom a timer wakes comes when the scheduler gets round to it, with the time at which it was due.
        With a virtual clock and a seed, the same program gives the same log, byte for byte.
        """
        lines = []
        for rows, codes, times, _ in self._all():
            for row, code, time in zip(rows.tolist(), codes.tolist(), times.tolist(), strict=True):
                kind, above = code & KIND_MASK, code >> KIND_BITS
                if kind == IDLE:
                    lines.append(f"{time:.9f} idle until now")
                    continue
                end = self.final(row) if kind in ENDS else None
                lines.append(
                    f"{time:.9f} {self.name(row)} {SAID[kind]}"
                    + (f" {end}" if end else "")
                    + self._explained(kind, above)
                )
        return "\n".join(lines) + "\n" if lines else ""

    def _explained(self, kind: int, above: int) -> str:
        if kind == WOKEN:
            return f" (woken by {self.name(above - 1)})" if above else ""
        return f" ({self.reasons[above]})" if self.reasons[above].verb else ""
