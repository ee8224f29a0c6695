"""The trace: what happened, flat and bounded. Engines write it; nothing else knows its columns.

Writing must cost next to nothing, so it is one flat list of (row, code, time), and even that only
for what is not a bare ``yield``: a batch of steps that took place one after another is one entry
that refers to the rows of the batch, and the same batch the next time round refers to the same
rows. Everything else is derived when somebody reads:

- a step begins where the previous one ended (the scheduler does one thing at a time);
- the time spent in a state is the sum of the moments of leaving it minus those of entering it, so
  exact totals need no sorting and no memory per event;
- the time in which a coroutine was ready is the rest of its life.

Past the limit on detail the events are poured into a grid of fixed size (groups of rows by bins of
time), whose cells widen as the run goes on: the timeline coarsens instead of growing.

Times are in seconds since the run began. Steps that end in a bare ``yield`` (or in a request that is
answered at once) are timed together, up to `MAX_BATCH` of them, while together they take no longer
than about a tenth of a millisecond; each gets an equal share. All others are timed by themselves.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..language import State, Where

Floats = NDArray[np.float64]
Ints = NDArray[Any]

MAX_BATCH = 128
DEFAULT_DETAIL = 3_000_000
_FOLD_AT = 3 * 65_536  # entries of the flat list, three to an event

# The kinds of events, each a transition whose two ends are known. Steps begin at the previous
# boundary (the end of a step, or IDLE); the others say for themselves.
BORN = 0  # -> ready
YIELDED = 1  # running -> ready, a step
WAITS = 2  # running -> waiting, a step
ENDED = 3  # running -> final, a step
WOKEN = 4  # waiting -> ready
IDLE = 5  # the scheduler waited until now: the next step begins here
BATCH = 6  # running -> ready, for all rows of a stretch in turn
RESUMED = 7  # waiting -> running, said explicitly (driven by hand, or a thread)
SUSPENDED = 8  # running -> waiting, explicitly
CLOSED = 9  # ready -> final
CLOSED_WAITING = 10  # waiting -> final
BORN_WAITING = 11  # -> waiting (for whoever drives it by hand)
STOPPED = 12  # running -> final, explicitly
MARKED = 13

_KIND_BITS = 4
_KIND_MASK = (1 << _KIND_BITS) - 1

STATES = (State.READY, State.RUNNING, State.WAITING, State.DONE, State.FAILED,
          State.CANCELLED, State.LEFT_OVER)  # fmt: skip
STATE_CODES = {state: code for code, state in enumerate(STATES)}
_READY, _RUNNING, _WAITING = 0, 1, 2


class Reason(NamedTuple):
    """Why a coroutine waits, and at which line."""

    verb: str
    where: Where | None

    def __str__(self) -> str:
        return self.verb if self.where is None else f"{self.verb}, {self.where}"


class Mark(NamedTuple):
    """A note on the timeline."""

    time: float
    row: int
    text: str


@dataclass(frozen=True)
class Intervals:
    """Who was in which state from when to when; parallel columns, sorted by row, then by time.

    `row`, `state` (index into `STATES`) and `reason` (index into `Trace.reasons`) are integers of
    shape (n,), `begin` and `end` seconds of shape (n,). Final states are no intervals.
    """

    row: Ints
    state: Ints
    begin: Floats
    end: Floats
    reason: Ints

    def __len__(self) -> int:
        return len(self.row)


class _Stretch:
    """A batch of steps that took place one after another, maybe more than once."""

    __slots__ = ("count", "index", "longest", "rows", "seconds", "tasks")

    def __init__(self, index: int, tasks: Sequence[Any]) -> None:
        self.index = index
        self.tasks = tasks
        self.rows = array("i", [task.row for task in tasks])
        self.count = 0
        self.seconds = 0.0
        self.longest = 0.0


class Trace:
    """What happened in a run.

    Parameters
    ----------
    recording:
        Whether events and times are recorded. Without it only who there was, and how it ended.
    detail:
        How many events to keep in detail, an int ≥ 0; beyond that the timeline coarsens.
    unit:
        What a row stands for: ``"coroutine"`` or ``"thread"``.
    origin:
        What the engine's clock showed when the run began, in seconds. Written times are by that
        clock; read times count from there.
    """

    def __init__(
        self,
        recording: bool = True,
        detail: int = DEFAULT_DETAIL,
        unit: str = "coroutine",
        origin: float = 0.0,
    ) -> None:
        self.origin = origin
        self.recording = recording
        self.detail = detail
        self.unit = unit
        self.duration = 0.0
        self.switches = 0
        self.marks: list[Mark] = []
        self.reasons: list[Reason] = [Reason("", None)]
        self._reason_ids: dict[Reason, int] = {self.reasons[0]: 0}
        # One entry per row.
        self._names: list[str] = []
        self._numbers = array("i")  # lags behind: see `name`
        self._name_counts: dict[str, int] = {}
        self._parents = array("i")
        self._born_at = array("i")
        self._final = bytearray()  # code + 1; may be shorter than there are rows
        self._where: dict[int, Where] = {}
        self._items: dict[int, int] = {}
        self._driven: set[int] = set()
        # What was written and not read yet, and what it was folded into.
        self._log: list[Any] = []
        # ``write((row, code, time))`` writes an event down: `code` from a kind or `code()`, `time` by
        # the engine's clock. It is the list's own method, because nothing else would be fast enough.
        self.write = self._log.extend
        self._known: dict[int, _Stretch] = {}
        self._stretches: list[array[int]] = []
        self._folded = 0
        self._batched = 0
        self._chunks: list[tuple[Ints, Ints, Floats, float]] = []
        self._totals = Totals()
        self._grid: Grid | None = None

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
        return row

    def ran(self, tasks: list[Any], begun: float, time: float) -> None:
        """All of `tasks` made one step, one after another, from `begun` until `time`; all are ready again."""
        first = tasks[0].row
        known = self._known.get(first)
        if known is None or known.tasks != tasks:
            if known is not None:
                self._totals.add_stretch(known)
            known = self._known[first] = _Stretch(len(self._stretches), tasks[:])
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
        return len(self._log) > _FOLD_AT

    def finished(self, row: int, state: State, where: Where | None) -> None:
        """Note how `row` ended, and where if that is known. Its last event is noted apart."""
        if row >= len(self._final):
            self._final.extend(bytes(len(self._names) - len(self._final)))
        self._final[row] = STATE_CODES[state] + 1
        if where is not None:
            self._where[row] = where

    def reason(self, verb: str, where: Where | None) -> int:
        """Give the number under which this reason for waiting is known."""
        key = Reason(verb, where)
        number = self._reason_ids.get(key)
        if number is None:
            number = self._reason_ids[key] = len(self.reasons)
            self.reasons.append(key)
        return number

    def code(self, kind: int, verb: str, where: Where | None) -> int:
        """Give the code of an event with a reason, for `stepped` and `note`."""
        return kind | self.reason(verb, where) << _KIND_BITS

    def marked(self, row: int, text: str, time: float) -> None:
        """Somebody wrote `text` on the timeline."""
        self.marks.append(Mark(time - self.origin, row, text))

    def produced(self, row: int) -> None:
        """`row` produced an item."""
        self._items[row] = self._items.get(row, 0) + 1

    def close(self, time: float, switches: int) -> None:
        """The run is over; `switches` steps were made in it."""
        self.duration = time
        self.switches = switches
        if self.recording:
            self.fold()
        self._known.clear()

    def fold(self) -> None:
        """Bring the totals up to date with what was written, and make room for more."""
        log = self._log[:]
        self._log.clear()
        for stretch in self._known.values():
            self._totals.add_stretch(stretch)
        if not log:
            return
        rows = np.array(array("i", log[0::3]), np.int32)
        codes = np.array(array("i", log[1::3]), np.int32)
        times = np.array(array("d", log[2::3]), np.float64) - self.origin
        self._folded += len(rows)
        begin = self._totals.boundary
        self._totals.add(rows, codes, times, len(self._names))
        if self._grid is None:
            self._chunks.append((rows, codes, times, begin))
            if self._folded + self._batched > self.detail:
                self._grid = Grid()
                for chunk in self._chunks:
                    self._pour(*chunk)
                self._chunks.clear()
        else:
            self._pour(rows, codes, times, begin)
        if self._grid is not None:
            # Nothing refers to the stretches any more.
            self._stretches.clear()
            self._known.clear()

    def _pour(self, rows: Ints, codes: Ints, times: Floats, boundary: float) -> None:
        assert self._grid is not None
        self._grid.pour(*self._expand(rows, codes, times, boundary))

    def _expand(
        self, rows: Ints, codes: Ints, times: Floats, boundary: float
    ) -> tuple[Ints, Ints, Floats, Floats]:
        """Write batches out as single steps. Gives rows, codes, times, and where each step began.

        Where an event is not a step its beginning is its own time.
        """
        kinds = codes & _KIND_MASK
        batches = kinds == BATCH
        lengths = np.ones(len(rows), np.int64)
        if batches.any():
            which = rows[batches]
            lengths[batches] = [len(self._stretches[index]) for index in which]
        begins = _step_begins(kinds, times, boundary)
        if not batches.any():
            return rows, codes, times, begins
        total = int(lengths.sum())
        out_rows = np.empty(total, np.int64)
        offsets = np.cumsum(lengths) - lengths
        out_rows[offsets[~batches]] = rows[~batches]
        within = np.arange(total) - np.repeat(offsets, lengths)
        share = np.repeat((times - begins) / lengths, lengths)
        expanded = np.repeat(batches, lengths)
        joined = np.concatenate([self._stretches[index] for index in rows[batches]])
        out_rows[expanded] = joined
        out_codes = np.repeat(np.where(batches, YIELDED, codes), lengths)
        out_begins = np.repeat(begins, lengths) + within * share
        return out_rows, out_codes, out_begins + share, out_begins

    # Reading: who there was.

    def __len__(self) -> int:
        """How many rows there are."""
        return len(self._names)

    @property
    def detailed(self) -> bool:
        """Whether every event was kept, so that `intervals` has them all."""
        return self.recording and self._grid is None

    def name(self, row: int) -> str:
        """Give the name of a row, unique in the run."""
        # Numbered when somebody asks: a million coroutines should not pay for a name each.
        for base in self._names[len(self._numbers) : row + 1]:
            number = self._name_counts[base] = self._name_counts.get(base, 0) + 1
            self._numbers.append(number)
        number = self._numbers[row]
        return self._names[row] if number == 1 else f"{self._names[row]}-{number}"

    def parent(self, row: int) -> int:
        """Give the row that spawned this one, -1 for none."""
        return self._parents[row]

    def spawned_at(self, row: int) -> Where | None:
        """Give the line that spawned a row, where that is known."""
        return self.reasons[self._born_at[row]].where

    def where(self, row: int) -> Where | None:
        """Give the line at which a row waits or ended, where that is known."""
        return self._where.get(row)

    def final(self, row: int) -> State | None:
        """Give the state in which a row ended, None if it did not."""
        code = self._final[row] if row < len(self._final) else 0
        return STATES[code - 1] if code else None

    def final_codes(self) -> NDArray[np.int8]:
        """Give how all rows ended: indices into `STATES`, -1 for not at all; shape (rows,)."""
        known = np.frombuffer(bytes(self._final), np.int8) - np.int8(1)
        return np.append(known, np.full(len(self) - len(known), -1, np.int8))

    def driven_by_hand(self, row: int) -> bool:
        """Say whether a row was driven by another coroutine, with `next` or `send`."""
        return row in self._driven

    def rows_of(self, verb_or_name: str) -> list[int]:
        """Give the rows with this base name (before it was made unique)."""
        return [row for row, name in enumerate(self._names) if name == verb_or_name]

    # Reading: totals.

    def totals(self) -> dict[str, NDArray[Any]]:
        """Give the exact totals, each of shape (rows,).

        ``running``, ``ready``, ``waiting``, ``longest`` (a step) and ``born`` and ``ended`` are in
        seconds, ``resumptions`` and ``items`` are numbers.
        """
        self.fold()
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
        stamp = (self._folded, self._batched, len(self), self.duration, len(self._log))
        if getattr(self, "_read", (None, {}))[0] != stamp:
            self._read = (stamp, self.totals())
        return self._read[1]

    # Reading: the timeline.

    def _all(self) -> Iterator[tuple[Ints, Ints, Floats, Floats]]:
        self.fold()
        for chunk in self._chunks:
            yield self._expand(*chunk)

    def intervals(self, until: float | None = None) -> Intervals:
        """Give who was in which state from when to when. What has not ended goes on `until`.

        Raises
        ------
        ValueError
            If the run had more events than are kept in detail (see `detailed`): use `occupancy`.
        """
        self.fold()
        if self._grid is not None:
            raise ValueError("this run was longer than its detail; use occupancy()")
        until = self.duration if until is None else until
        parts = [_entries(*chunk) for chunk in self._all()]
        if not parts:
            none = np.empty(0, np.int64)
            return Intervals(none, none, np.empty(0), np.empty(0), none)
        row, state, begin, reason = (np.concatenate(columns) for columns in zip(*parts, strict=True))
        order = np.argsort(row, kind="stable")
        row, state, begin, reason = row[order], state[order], begin[order], reason[order]
        end = np.append(begin[1:], until)
        last = np.append(row[1:] != row[:-1], True)
        end[last] = until
        keep = state <= _WAITING
        return Intervals(row[keep], state[keep], begin[keep], end[keep], reason[keep])

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
        self.fold()
        until = self.duration if until is None else until
        if self._grid is not None:
            return self._grid.read(len(self), groups, bins, until)
        grid = Grid(rows=min(groups, max(len(self), 1)), bins=bins, fixed=(max(len(self), 1), until))
        for chunk in self._all():
            grid.pour(*chunk)
        return grid.read(len(self), groups, bins, until)

    def progress(self, bins: int = 512) -> tuple[Floats, Ints]:
        """Give how many resumptions there had been by each of `bins` + 1 moments, from 0 to the end."""
        self.fold()
        edges = np.linspace(0.0, self.duration, bins + 1)
        if self._grid is not None:
            return edges, self._grid.progress(edges)
        counts = np.zeros(bins + 1, np.int64)
        for _, codes, times, begins in self._all():
            resumed = _is_resumption(codes & _KIND_MASK)
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
                kind, reason = code & _KIND_MASK, self.reasons[code >> _KIND_BITS]
                if kind == IDLE:
                    lines.append(f"{time:.9f} idle until now")
                    continue
                end = self.final(row) if kind in _ENDS else None
                lines.append(
                    f"{time:.9f} {self.name(row)} {_SAID[kind]}"
                    + (f" {end}" if end else "")
                    + (f" ({reason})" if reason.verb else "")
                )
        return "\n".join(lines) + "\n" if lines else ""


_SAID = {
    BORN: "is ready for the first time",
    YIELDED: "yields",
    WAITS: "waits",
    ENDED: "ends:",
    WOKEN: "is ready",
    RESUMED: "is resumed",
    SUSPENDED: "gives control back",
    CLOSED: "is closed:",
    CLOSED_WAITING: "is closed:",
    BORN_WAITING: "exists, for somebody to drive",
    STOPPED: "ends:",
    MARKED: "mark",
}
_ENDS = (ENDED, CLOSED, CLOSED_WAITING, STOPPED)
_BOUNDARIES = (YIELDED, WAITS, ENDED, IDLE, BATCH)
_STEPS = np.array([YIELDED, WAITS, ENDED])
_STATE_AFTER = np.full(1 << _KIND_BITS, -1)
_STATE_AFTER[[BORN, YIELDED, WOKEN]] = _READY
_STATE_AFTER[[WAITS, SUSPENDED, BORN_WAITING]] = _WAITING
_STATE_AFTER[[RESUMED]] = _RUNNING
_STATE_AFTER[[ENDED, CLOSED, CLOSED_WAITING, STOPPED]] = 3


def _step_begins(kinds: Ints, times: Floats, boundary: float) -> Floats:
    """Give where each step began: at the latest boundary before it. Other events: their own time."""
    is_boundary = np.isin(kinds, _BOUNDARIES)
    begins = times.copy()
    at = np.flatnonzero(is_boundary)
    if len(at):
        begins[at] = np.concatenate(([boundary], times[at[:-1]]))
    idle = kinds == IDLE
    begins[idle] = times[idle]
    return begins


def _is_resumption(kinds: Ints) -> NDArray[np.bool_]:
    return np.isin(kinds, (YIELDED, WAITS, ENDED, RESUMED))


def _entries(
    rows: Ints, codes: Ints, times: Floats, begins: Floats
) -> tuple[Ints, Ints, Floats, Ints]:
    """Give every entering of a state: row, state, time, reason, in the order in which it happened."""
    kinds = codes & _KIND_MASK
    steps = np.isin(kinds, _STEPS)
    after = _STATE_AFTER[kinds]
    known = after >= 0
    count = steps.astype(np.int64) + known
    slot = np.cumsum(count) - count
    total = int(count.sum())
    row, state = np.empty(total, np.int64), np.empty(total, np.int64)
    begin, reason = np.empty(total), np.zeros(total, np.int64)
    row[slot[steps]], state[slot[steps]], begin[slot[steps]] = rows[steps], _RUNNING, begins[steps]
    second = (slot + steps)[known]
    row[second], state[second], begin[second] = rows[known], after[known], times[known]
    reason[second] = codes[known] >> _KIND_BITS
    return row, state, begin, reason


class Totals:
    """Exact sums per row, made by adding the moments of leaving a state and subtracting those of entering it."""

    def __init__(self) -> None:
        self.boundary = 0.0
        self._columns = {
            "running": np.zeros(0),
            "waiting": np.zeros(0),
            "longest": np.zeros(0),
            "born": np.zeros(0),
            "ended": np.zeros(0),
            "resumptions": np.zeros(0, np.int64),
            "open_running": np.zeros(0, np.int64),
            "open_waiting": np.zeros(0, np.int64),
        }

    def _grown(self, rows: int) -> dict[str, NDArray[Any]]:
        if len(self._columns["running"]) < rows:
            # Doubled, so that a growing number of rows is copied a constant number of times.
            size = max(rows, 2 * len(self._columns["running"]))
            for name, column in self._columns.items():
                larger = np.zeros(size, column.dtype)
                larger[: len(column)] = column
                if name == "ended":
                    larger[len(column) :] = np.nan
                self._columns[name] = larger
        return self._columns

    def add_stretch(self, stretch: _Stretch) -> None:
        """Add what a batch of steps took, all the times that it took place."""
        if not stretch.count:
            return
        rows = np.frombuffer(stretch.rows, np.int32)
        columns = self._grown(int(rows.max()) + 1)
        # A row may be in the batch more than once: plain indexing would count it once.
        np.add.at(columns["resumptions"], rows, stretch.count)
        np.add.at(columns["running"], rows, stretch.seconds / len(rows))
        np.maximum.at(columns["longest"], rows, stretch.longest / len(rows))
        stretch.count, stretch.seconds, stretch.longest = 0, 0.0, 0.0

    def add(self, rows: Ints, codes: Ints, times: Floats, row_count: int) -> None:
        """Add events, batches left out: those come through `add_stretch`."""
        columns = self._grown(row_count)
        kinds = codes & _KIND_MASK
        begins = _step_begins(kinds, times, self.boundary)
        at = np.flatnonzero(np.isin(kinds, _BOUNDARIES))
        if len(at):
            self.boundary = float(times[at[-1]])

        def of(*wanted: int) -> NDArray[np.bool_]:
            return np.isin(kinds, wanted)

        steps = of(YIELDED, WAITS, ENDED)
        seconds = times[steps] - begins[steps]
        np.add.at(columns["running"], rows[steps], seconds)
        np.maximum.at(columns["longest"], rows[steps], seconds)
        resumed = of(YIELDED, WAITS, ENDED, RESUMED)
        np.add.at(columns["resumptions"], rows[resumed], 1)
        born = of(BORN, BORN_WAITING)
        columns["born"][rows[born]] = times[born]
        ended = of(*_ENDS)
        columns["ended"][rows[ended]] = times[ended]
        for name, entering, leaving in (
            ("running", of(RESUMED), of(SUSPENDED, STOPPED)),
            ("waiting", of(WAITS, SUSPENDED, BORN_WAITING), of(WOKEN, RESUMED, CLOSED_WAITING)),
        ):
            for mask, sign in ((entering, -1), (leaving, 1)):
                np.add.at(columns[name], rows[mask], sign * times[mask])
                np.add.at(columns[f"open_{name}"], rows[mask], -sign)

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


class Grid:
    """How many coroutines were in which state, for groups of rows and bins of time: a fixed amount of memory.

    A coroutine that enters a state adds one in the bin of that moment, one that leaves it takes one
    away; the running sum along the bins is the number of those in it. Within the bin of the moment
    itself the share that is left of the bin counts. Steps are short: their seconds are added up.

    Parameters
    ----------
    rows, bins:
        The size of the grid.
    fixed:
        (number of rows, seconds) that it spans, if that is known; else it widens as needed.
    """

    def __init__(
        self, rows: int = 256, bins: int = 2048, fixed: tuple[int, float] | None = None
    ) -> None:
        self.rows, self.bins = rows, bins
        self.per_group = 1
        self.width = 1e-4
        if fixed is not None:
            self.per_group = -(-fixed[0] // rows)
            self.width = fixed[1] / bins or 1e-9
        # Channels: alive and waiting as (change, correction within the bin), seconds of running.
        self._changes = np.zeros((2, rows, bins + 1))
        self._partial = np.zeros((2, rows, bins + 1))
        self._running = np.zeros((rows, bins))
        self._resumptions = np.zeros(bins, np.int64)

    def pour(self, rows: Ints, codes: Ints, times: Floats, begins: Floats) -> None:
        """Add single events, in any order."""
        if not len(rows):
            return
        self._widen(int(rows.max()) + 1, float(times.max()))
        kinds = codes & _KIND_MASK
        groups = rows // self.per_group
        at = np.clip(times / self.width, 0, self.bins * (1 - 1e-12))
        bins = np.minimum(at.astype(np.int64), self.bins - 1)
        left = 1.0 - (at - bins)

        def change(channel: int, wanted: tuple[int, ...], sign: int) -> None:
            mask = np.isin(kinds, wanted)
            where = (groups[mask], bins[mask])
            np.add.at(self._changes[channel], (where[0], where[1] + 1), sign)
            np.add.at(self._partial[channel], where, sign * left[mask])

        change(0, (BORN, BORN_WAITING), 1)
        change(0, _ENDS, -1)
        change(1, (WAITS, SUSPENDED, BORN_WAITING), 1)
        change(1, (WOKEN, RESUMED, CLOSED_WAITING), -1)
        steps = np.isin(kinds, _STEPS)
        self._add_running(groups[steps], begins[steps], times[steps], 1.0)
        # Explicit running: what is in neither state; as seconds up to the end of the grid.
        for wanted, sign in (((RESUMED,), 1.0), ((SUSPENDED, STOPPED), -1.0)):
            mask = np.isin(kinds, wanted)
            if mask.any():
                if not hasattr(self, "_explicit"):
                    self._explicit = np.zeros((2, self.rows, self.bins + 1))
                np.add.at(self._explicit[0], (groups[mask], bins[mask] + 1), sign)
                np.add.at(self._explicit[1], (groups[mask], bins[mask]), sign * left[mask])
        resumed = _is_resumption(kinds)
        first = np.clip(begins[resumed] / self.width, 0, self.bins - 1).astype(np.int64)
        self._resumptions += np.bincount(first, minlength=self.bins)

    def _add_running(self, groups: Ints, begins: Floats, ends: Floats, sign: float) -> None:
        first = np.clip(begins / self.width, 0, self.bins - 1).astype(np.int64)
        last = np.clip(ends / self.width, 0, self.bins - 1).astype(np.int64)
        short = first == last
        np.add.at(self._running, (groups[short], first[short]), sign * (ends - begins)[short])
        # A step across the edge of a bin is rare: one by one.
        for group, begin, end, low, high in zip(
            groups[~short], begins[~short], ends[~short], first[~short], last[~short], strict=True
        ):
            edges = np.clip(np.arange(low, high + 2) * self.width, begin, end)
            edges[-1] = end
            self._running[group, low : high + 1] += np.diff(edges)

    def _widen(self, rows: int, time: float) -> None:
        while rows > self.rows * self.per_group:
            self.per_group *= 2
            self._changes = _pairs(self._changes, 1)
            self._partial = _pairs(self._partial, 1)
            self._running = _pairs(self._running, 0)
            if hasattr(self, "_explicit"):
                self._explicit = _pairs(self._explicit, 1)
        while time > self.bins * self.width * (1 + 1e-9):
            self.width *= 2
            self._running = _pairs(self._running, 1)
            self._resumptions = _pairs(self._resumptions, 0)
            self._changes, self._partial = _coarser(self._changes, self._partial)
            if hasattr(self, "_explicit"):
                self._explicit = np.stack(_coarser(self._explicit[:1], self._explicit[1:]))[:, 0]

    def read(self, row_count: int, groups: int, bins: int, until: float) -> Floats:
        """Give the mean number of coroutines ready, running and waiting: shape (groups, bins, 3)."""
        level = np.cumsum(self._changes, axis=2)[:, :, :-1] + self._partial[:, :, :-1]
        alive, waiting = level
        running = self._running / self.width
        if hasattr(self, "_explicit"):
            running = running + np.cumsum(self._explicit[0], axis=1)[:, :-1] + self._explicit[1][:, :-1]
        used_rows = max(1, -(-row_count // self.per_group))
        used_bins = max(1, min(self.bins, int(np.ceil(until / self.width - 1e-9))))
        alive, waiting, running = (
            channel[:used_rows, :used_bins] for channel in (alive, waiting, running)
        )
        # What was there at the end stays there only until the end.
        out = np.stack([np.maximum(alive - running - waiting, 0.0), running, waiting], axis=2)
        return np.maximum(_at_most(_at_most(out, groups, 0, np.sum), bins, 1, np.mean), 0.0)

    def progress(self, edges: Floats) -> Ints:
        """Give the number of resumptions before each of `edges`, in seconds."""
        known = np.concatenate(([0], np.cumsum(self._resumptions)))
        at = np.arange(self.bins + 1) * self.width
        return np.interp(edges, at, known).astype(np.int64)


def _pairs(values: NDArray[Any], axis: int) -> NDArray[Any]:
    """Add neighbours along `axis` in pairs; the array keeps its size, its second half empty."""
    moved = np.moveaxis(values, axis, 0)
    half = moved.shape[0] // 2
    out = np.zeros_like(moved)
    out[:half] = moved[0 : 2 * half : 2] + moved[1 : 2 * half : 2]
    return np.moveaxis(out, 0, axis).copy()


def _coarser(changes: Floats, partial: Floats) -> tuple[Floats, Floats]:
    """Make bins twice as wide: shape (channels, rows, bins + 1) both."""
    bins = changes.shape[2] - 1
    level = np.cumsum(changes, axis=2)[:, :, :-1] + partial[:, :, :-1]
    mean = (level[:, :, 0::2] + level[:, :, 1::2]) / 2
    after = np.cumsum(changes, axis=2)[:, :, 2::2]
    half = bins // 2
    new_changes, new_partial = np.zeros_like(changes), np.zeros_like(partial)
    start = np.concatenate([np.zeros_like(after[:, :, :1]), after[:, :, :-1]], axis=2)
    new_changes[:, :, 1 : half + 1] = after - start
    new_partial[:, :, :half] = mean - start
    return new_changes, new_partial


def _at_most(values: Floats, count: int, axis: int, how: Any) -> Floats:
    """Bring `axis` down to at most `count` entries, by `how` over neighbours."""
    size = values.shape[axis]
    if size <= count:
        return values
    starts = (np.arange(count) * size) // count
    summed = np.add.reduceat(values, starts, axis=axis)
    if how is np.mean:
        lengths = np.diff(np.append(starts, size))
        shape = [1] * values.ndim
        shape[axis] = count
        summed = summed / lengths.reshape(shape)
    return summed
