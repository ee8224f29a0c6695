"""The trace: what happened, flat and bounded. Engines write it; nothing else knows its columns.

Writing must cost next to nothing, so it is one flat list of (row, code, time), and even that only
for what is not a bare ``yield``: a batch of steps that took place one after another is one entry
that refers to the rows of the batch, and the same batch the next time round refers to the same
rows. Everything else is derived when somebody reads:

- a step begins where the previous one ended (the scheduler does one thing at a time);
- the time spent in a state is the sum of the moments of leaving it minus those of entering it, so
  exact totals need no sorting and no memory per event;
- the time in which a coroutine was ready is the rest of its life;
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
import threading
from array import array
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
from .longest import LongSteps
from .naming import Naming
from .totals import Stretch, Totals

__all__ = [
    "BATCH", "BORN", "BORN_WAITING", "CLOSED", "CLOSED_WAITING", "DEFAULT_DETAIL", "ENDED", "IDLE",
    "MARKED", "MAX_BATCH", "RESUMED", "STATES", "STATE_CODES", "STOPPED", "SUSPENDED", "UNITS", "WAITS",
    "WOKEN", "YIELDED", "Intervals", "Mark", "Reason", "Trace",
]  # fmt: skip

MAX_BATCH = 256
FOLD_AT = 3 * 16_384  # entries of the flat list, three to an event
# What a row can stand for: on the scheduler, on threads, one after another, on asyncio, on gevent.
UNITS = ("coroutine", "thread", "call", "task", "greenlet")
_LINE = 200  # characters of a source line
# Two threads may find new reasons at once, and whoever knows a number may use it.
_naming_reasons = threading.Lock()
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


class Trace:
    """What happened in a run.

    Parameters
    ----------
    recording:
        Whether events and times are recorded. Without it only who there was, and how it ended.
    detail:
        How many events to keep in detail, an int ≥ 0; beyond that the timeline coarsens.
    unit:
        What a row stands for, one of `UNITS`.
    origin:
        What the engine's clock showed when the run began, in seconds. Written times are by that
        clock; read times count from there.
    slow_step:
        From how many seconds on a step is noted in `long_steps`.
    """

    def __init__(
        self,
        recording: bool = True,
        detail: int = DEFAULT_DETAIL,
        unit: str = "coroutine",
        origin: float = 0.0,
        slow_step: float = float("inf"),
    ) -> None:
        self.origin = origin
        self.recording = recording
        self.detail = detail
        self.unit = unit
        self.duration = 0.0
        self.switches = 0
        self.marks: list[Mark] = []
        # Source lines that cannot be read where the trace is: see `line_of`.
        self.lines: dict[Where, str] = {}
        self.long_steps = LongSteps(slow_step)
        self.reasons: list[Reason] = [Reason("", None)]
        self._reason_ids: dict[Reason, int] = {self.reasons[0]: 0}
        # One entry per row.
        self._names: list[str] = []
        self._naming = Naming(self._names)
        self._parents = array("i")
        self._born_at = array("i")
        # How rows ended, as numbers of endings; may be shorter than there are rows. Most end in one of few.
        self._ended = array("i")
        self._endings: list[tuple[State | None, Where | None]] = [(None, None)]
        self._ending_ids = {self._endings[0]: 0}
        self._items: dict[int, int] = {}
        self._driven: set[int] = set()
        # For tasks: whom the run does not wait for, and whose errors somebody has seen.
        self.daemons: set[int] = set()
        self.heeded: set[int] = set()
        # What was written and not read yet, and what it was folded into.
        self._log: list[Any] = []
        # ``write((row, code, time))`` writes an event down: `code` from a kind or `code()`, `time` by
        # the engine's clock. It is the list's own method, because nothing else would be fast enough.
        self.write = self._log.extend
        self._pending: list[tuple[Ints, Ints, Floats]] = []
        self._known: dict[int, Stretch] = {}
        self._stretches: list[array[int]] = []
        self._folded = 0
        self._batched = 0
        self._chunks: list[Chunk] = []
        # Gives the row whose step goes on, -1 for none, and which rows have been resumed by hand in it.
        self.stepping: Callable[[], int] = lambda: -1
        self._opened: list[int] = []
        self._totals = Totals()
        self._grid: Grid | None = None
        self._found: tuple[tuple[Any, ...], Intervals] | None = None

    # Writing.

    def born(self, name: str, parent: int, spawned: int, time: float, kind: int = BORN) -> int:
        """A coroutine came to be; gives its row.

        `name` is made unique with a number; `spawned` is the number of a `reason` whose line is
        where it was spawned, 0 if that is not known.
        """
        row = len(self._names)
        self._names.append(name)
        self._parents.append(parent)
        self._born_at.append(spawned)
        if kind == BORN_WAITING:
            self._driven.add(row)
        if self.recording:
            self.write((row, kind, time))
            # One step may spawn millions, and a fold between steps would come too late.
            if len(self._log) > FOLD_AT:
                self.fold()
        return row

    def take_back(self) -> tuple[int, int, float]:
        """Take the event back that was written last."""
        row, code, time = self._log[-3:]
        del self._log[-3:]
        return row, code, time

    def pass_over(self) -> tuple[list[str], array[int], Callable[[], int]]:
        """Give two columns to append to for somebody who has no row here, but runs in another process.

        They are the name, as it was given, and how many rows there are here by then: what is called last
        gives that.
        """
        return self._naming.passed, self._naming.passed_before, self._names.__len__

    def ran(self, tasks: list[Any], begun: float, time: float) -> None:
        """All of `tasks` made one step, one after another, from `begun` until `time`; all are ready again.

        The list is kept, and must not change any more.
        """
        first = tasks[0].row
        if len(tasks) == 1:
            self.write((first, YIELDED, time))
            return
        known = self._known.get(first)
        if known is None or (known.tasks is not tasks and known.tasks != tasks):
            if known is not None:
                self._totals.add_stretch(known)
            known = self._known[first] = Stretch(len(self._stretches), tasks)
            self._stretches.append(known.rows)
        seconds = time - begun
        known.count += 1
        known.seconds += seconds
        if seconds > known.longest:
            known.longest = seconds
        self.write((known.index, BATCH, time))
        self._batched += len(tasks)

    @property
    def full(self) -> bool:
        """Whether it is time to `fold` what was written."""
        return len(self._log) > FOLD_AT

    @property
    def waiting_to_be_read(self) -> int:
        """How many events were written and not folded."""
        return len(self._log) // 3

    def finished(self, row: int, state: State, where: Where | None) -> None:
        """Note how `row` ended, and where if that is known. Its last event is noted apart."""
        self.ended(row, self.ending(state, where))

    def ending(self, state: State | None, where: Where | None) -> int:
        """Give the number under which it is known that somebody ended in this state and place."""
        key = (state, where)
        number = self._ending_ids.get(key)
        if number is None:
            number = self._ending_ids[key] = len(self._endings)
            self._endings.append(key)
        return number

    def ended(self, row: int, ending: int) -> None:
        """Note how `row` ended, by the number of the `ending`."""
        ended = self._ended
        if row >= len(ended):
            ended.frombytes(bytes((len(self._names) - len(ended)) * ended.itemsize))
        ended[row] = ending

    def reason(self, verb: str, where: Where | None) -> int:
        """Give the number under which this reason for waiting is known."""
        key = Reason(verb, where)
        number = self._reason_ids.get(key)
        if number is None:
            with _naming_reasons:
                number = self._reason_ids.setdefault(key, len(self.reasons))
                if number == len(self.reasons):
                    self.reasons.append(key)
        return number

    def code(self, kind: int, verb: str, where: Where | None) -> int:
        """Give the code of an event with a reason."""
        return kind | self.reason(verb, where) << KIND_BITS

    def marked(self, row: int, text: str, time: float) -> None:
        """Somebody wrote `text` on the timeline."""
        self.marks.append(Mark(time - self.origin, row, text))

    def produced(self, row: int) -> None:
        """`row` produced an item."""
        self._items[row] = self._items.get(row, 0) + 1

    def close(self, time: float, switches: int) -> None:
        """The run is over; `switches` steps were made in it. What is written from now on gets lost."""
        self.duration = time
        self.switches = switches
        if self.recording:
            self._bring_up_to_date()
        self._known.clear()
        # Threads that are left behind may have the old list's method in their hands.
        self._log = []
        self.write = self._log.extend

    def fold(self) -> None:
        """Make room for more to be written. What it means is found out when somebody reads."""
        log = self._log
        # Not all of it: another thread may write in the meantime.
        size = len(log)
        count = size // 3
        rows = np.fromiter(log[0:size:3], np.int32, count)
        codes = np.fromiter(log[1:size:3], np.int32, count)
        times = np.fromiter(log[2:size:3], np.float64, count) - self.origin
        del log[:size]
        self._folded += count
        self._pending.append((rows, codes, times))
        if self._folded + self._batched > self.detail:
            self._bring_up_to_date()

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
        total = int(lengths.sum())
        out_rows = np.empty(total, np.int64)
        offsets = np.cumsum(lengths) - lengths
        out_rows[offsets[~batches]] = rows[~batches]
        within = np.arange(total) - np.repeat(offsets, lengths)
        share = np.repeat((times - begins) / lengths, lengths)
        out_times = np.repeat(begins, lengths) + (within + 1) * share
        out_times[offsets + lengths - 1] = times
        expanded = np.repeat(batches, lengths)
        joined = np.concatenate([self._stretches[index] for index in rows[batches]])
        out_rows[expanded] = joined
        out_codes = np.repeat(np.where(batches, YIELDED, codes), lengths)
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
        """Give the events as text, one line each, in the order in which they happened.

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
