"""A run as a trace that Perfetto and chrome://tracing open: the trace event format, as a JSON object.

Each side is a process, each coroutine or thread a track in it. What a row does are complete events
("X"), who woke whom are flows ("s", "f"), and marks, slow steps and ends with errors are instant events
("i"). Of a run that was longer than its detail there are only counters ("C").

What is held back by how these programs read:

- Slices of one track must nest, in whole nanoseconds: they multiply the microseconds that are written
  by 1000 and cut off the rest. So moments are rounded to nanoseconds once, and written as numbers that
  give these again.
- A flow leaves from, and arrives at, the slice of its track that was begun last before it: in the file,
  and, since Perfetto 52, at that moment, too. So the file is in the order in which things happened, also
  where they did at the same moment, and a flow leaves a nanosecond before its slice ends. (To Perfetto a
  mark is a slice of no time: a flow that leaves later in the same step seems to leave from the mark.)
- Slices that take no time are stacked on each other where they come at the same moment, as in virtual time
  they do. So a row has at most one of them at a moment, and none for being ready or waiting for no time.
- Names of threads are kept by the number of the track alone, so all numbers are different.

The format is Google's "Trace Event Format"; how its events are read was looked up in Perfetto's importer.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..engines.events import RUNNING, Floats, Intervals, Ints
from ..engines.slices import Wakings, slices_of, wakings_of
from ..language import State
from .text import error_text, one_line
from .words import headline, place, slow_label

if TYPE_CHECKING:
    from ..engines.trace import Trace
    from ..measure.run import Run

MOST_EVENTS = 500_000
MOST_INSTANTS = 10_000  # of each kind, of each side
_FIRST_TRACK = 10  # a track with the number of its process would be its main thread
_BINS = 2_000  # of counters
_STATES = ("ready", "running", "waiting")


def lines_of(run: Run) -> Iterator[str]:
    """Give the text of the trace, line by line; each event is a line."""
    sides = [run] if run.baseline is None else [run, run.baseline]
    events: list[str] = []
    left_out: list[str] = []
    track = _FIRST_TRACK
    for number, side in enumerate(sides):
        # What the first side does not use is the second's.
        room = (MOST_EVENTS - len(events)) // (len(sides) - number)
        events += _Process(side, number + 1, track, room, left_out).events()
        track += len(side.trace)
    other = {
        "title": one_line(headline(run), 1000),
        "leftOut": "; ".join(left_out) or "nothing",
        "clock": "virtual" if run.virtual else "real",
    }
    yield f'{{"displayTimeUnit":"ns","otherData":{_json(other)},"traceEvents":[\n'
    for at, event in enumerate(events):
        yield event + (",\n" if at < len(events) - 1 else "\n")
    yield "]}\n"


# Perfetto shows the names of threads as they are written: escaped, letters beyond ASCII could not be read.
_json = json.JSONEncoder(separators=(",", ":"), allow_nan=False, ensure_ascii=False).encode


def _microseconds(nanoseconds: Ints) -> Floats:
    """Give numbers that, times 1000 and cut off, are these nanoseconds."""
    out = nanoseconds / 1000.0
    short = (out * 1000.0).astype(np.int64) < nanoseconds
    out[short] = np.nextafter(out[short], np.inf)
    return out


@dataclass
class _Process:
    """One side of a run."""

    run: Run
    number: int
    first_track: int
    room: int
    left_out: list[str]

    def events(self) -> list[str]:
        """Give its events as JSON."""
        run, trace = self.run, self.run.trace
        self._name = f"{run.unit}s"
        # Beyond three months a double has no whole nanoseconds; these it has for centuries.
        self._quantum = 1 if max(run.elapsed, trace.duration) < 9e6 else 1_024_000
        instants = self._instants()
        # Each of them may need its track named.
        room = self.room - 3 * len(instants) - 2
        slices: list[tuple[int, int, str]] = []
        shown: Ints = np.zeros(0, np.int64)
        if not trace.recording:
            self.left_out.append(f"{self._name}: there is no trace")
        elif not trace.detailed:
            self.left_out.append(
                f"{self._name}: every single event, because there were more than are kept in detail"
            )
            slices = self._counters(room)
        else:
            slices, shown = self._slices(room)
        tracks = np.union1d(shown, np.array([row for row, _, _ in instants], np.int64))
        tracks = tracks[tracks >= 0]
        timed = slices + [(moment, 1 << 62, text) for _, moment, text in instants]
        timed.sort(key=lambda each: each[:2])
        return [*self._metadata(tracks), *(text for _, _, text in timed)]

    def _nanoseconds(self, seconds: Floats) -> Ints:
        quanta = np.rint(np.clip(seconds, 0.0, 9e9) * 1e9 / self._quantum).astype(np.int64)
        return quanta * self._quantum

    def _track(self, row: int) -> int:
        return self.first_track + row

    def _metadata(self, rows: Ints) -> list[str]:
        def said(what: str, track: int, **args: Any) -> str:
            return _json({"ph": "M", "name": what, "pid": self.number, "tid": track, "ts": 0, "args": args})

        out = [
            said("process_name", 0, name=self._name),
            said("process_sort_index", 0, sort_index=self.number),
        ]
        for row in rows.tolist():
            track = self._track(row)
            out.append(said("thread_name", track, name=one_line(self.run.trace.name(row), 200)))
            out.append(said("thread_sort_index", track, sort_index=row))
        return out

    # What rows did.

    def _slices(self, room: int) -> tuple[list[tuple[int, int, str]], Ints]:
        """Give the slices and flows that there is room for, as (ns, order, JSON), and their rows."""
        trace = self.run.trace
        slices = slices_of(trace, max(trace.duration, self.run.elapsed))
        wakings = wakings_of(slices, trace.parents())
        begin = self._nanoseconds(slices.begin)
        end = np.maximum(self._nanoseconds(slices.end), begin)
        # What stands for each slice: itself, or, if it is too short to be shown, a neighbour.
        kept, stands = _shown(slices, begin, end)
        at = np.flatnonzero(kept)
        at = at[np.lexsort((slices.order[at], begin[at]))]
        whole, flows = len(at), len(wakings)
        at, wakings = _that_fit(at, slices, wakings, begin, stands, room)
        if len(at) < whole:
            seconds = begin[at[-1]] / 1e9 if len(at) else 0.0
            self.left_out.append(
                f"{self._name}: {whole - len(at)} of {whole} slices, those that begin later than "
                f"{seconds:.6f} s, and {flows - len(wakings)} of {flows} flows"
            )
        out = self._slice_texts(slices, at, begin, end)
        out += self._flow_texts(slices, wakings, stands, begin, end)
        return out, np.unique(slices.row[at])

    def _slice_texts(self, slices: Intervals, at: Ints, begin: Ints, end: Ints) -> list[tuple[int, int, str]]:
        trace = self.run.trace
        waits = [_wait(trace, reason) for reason in range(len(trace.reasons))]
        ready = '"cat":"ready","name":"ready"'
        running = '"cat":"running","name":"running"'
        columns = (
            slices.state[at], slices.reason[at], slices.row[at] + self.first_track, begin[at],
            slices.order[at], _microseconds(begin[at]), _microseconds(end[at] - begin[at]),
        )  # fmt: skip
        return [
            (moment, order, f'{{"ph":"X","pid":{self.number},"tid":{track},"ts":{ts!r},"dur":{dur!r},'
             f'{running if state == 1 else ready if state == 0 else waits[reason]}}}')
            for state, reason, track, moment, order, ts, dur in zip(
                *(column.tolist() for column in columns), strict=True
            )
        ]  # fmt: skip

    def _flow_texts(
        self, slices: Intervals, wakings: Wakings, stands: Ints, begin: Ints, end: Ints
    ) -> list[tuple[int, int, str]]:
        source, target = stands[wakings.source], stands[wakings.target]
        # At the very end of its slice it would leave from the next one.
        last = np.maximum(end[source] - 1, begin[source])
        leaves = np.clip(self._nanoseconds(wakings.leaves), begin[source], last)
        arrives = np.clip(np.maximum(self._nanoseconds(wakings.arrives), leaves), begin[target], end[target])
        # The arrival right after its slice has begun, and never before the leaving.
        later = np.maximum(slices.order[target], wakings.order) + 1
        good = (arrives >= leaves) & (source != target)
        drives = slices.state[wakings.target] == RUNNING
        names = np.where(wakings.spawned, "spawns", np.where(drives, "drives", "wakes"))
        first = self.number * MOST_EVENTS
        out: list[tuple[int, int, str]] = []
        columns = (
            slices.row[source] + self.first_track, leaves, wakings.order, _microseconds(leaves),
            slices.row[target] + self.first_track, arrives, later, _microseconds(arrives), names,
        )  # fmt: skip
        chosen = (column[good].tolist() for column in columns)
        for number, (from_, left, order, ts, to, came, after, ts_to, name) in enumerate(
            zip(*chosen, strict=True)
        ):
            same = f'"id":{first + number},"cat":"flow","name":"{name}","pid":{self.number}'
            out.append((left, order, f'{{"ph":"s",{same},"tid":{from_},"ts":{ts!r}}}'))
            out.append((came, after, f'{{"ph":"f","bp":"e",{same},"tid":{to},"ts":{ts_to!r}}}'))
        return out

    def _counters(self, room: int) -> list[tuple[int, int, str]]:
        trace = self.run.trace
        cells = trace.occupancy(1, min(_BINS, max(room, 1))).sum(axis=0)
        moments = self._nanoseconds(np.linspace(0.0, trace.duration, len(cells), endpoint=False))
        return [
            (moment, 0, _json({"ph": "C", "pid": self.number, "tid": 0, "ts": ts, "name": self._name,
                               "args": dict(zip(_STATES, counts, strict=True))}))
            for moment, ts, counts in zip(
                moments.tolist(), _microseconds(moments).tolist(), cells.round(3).tolist(), strict=True
            )
        ]  # fmt: skip

    # What is worth a flag.

    def _instants(self) -> list[tuple[int, int, str]]:
        """Give marks, slow steps and ends with errors, as (row or -1, ns, JSON)."""
        out = [*self._marks(), *self._slow_steps(), *self._ends()]
        most = self.room // 6
        if len(out) > most:
            self.left_out.append(f"{self._name}: {len(out) - most} marks and ends")
        return out[:most]

    def _instant(
        self, row: int, time: float, category: str, name: str, args: dict[str, Any]
    ) -> tuple[int, int, str]:
        moment = self._nanoseconds(np.array([time]))
        known = 0 <= row < len(self.run.trace)
        event = {
            "ph": "i", "s": "t" if known else "p", "pid": self.number,
            "tid": self._track(row) if known else 0, "ts": _microseconds(moment).item(),
            "cat": category, "name": name, "args": args,
        }  # fmt: skip
        return row if known else -1, int(moment[0]), _json(event)

    def _marks(self) -> Iterator[tuple[int, int, str]]:
        marks = self.run.trace.marks
        for mark in marks[:MOST_INSTANTS]:
            yield self._instant(mark.row, mark.time, "mark", one_line(mark.text, 200), {})
        if len(marks) > MOST_INSTANTS:
            self.left_out.append(f"{self._name}: {len(marks) - MOST_INSTANTS} marks")

    def _slow_steps(self) -> Iterator[tuple[int, int, str]]:
        for step in self.run.slow_steps:
            # Nobody could run: it is everybody's.
            args = {
                "by": one_line(step.name, 200), "seconds": step.seconds, "call": one_line(step.call, 200),
                "inside": one_line(step.inside, 200), **_source(step.where, step.text),
            }  # fmt: skip
            name = f"the thread was held for {slow_label(step)}"
            yield self._instant(-1, step.begin, "slow", name, args)

    def _ends(self) -> Iterator[tuple[int, int, str]]:
        trace = self.run.trace
        if not trace.recording:
            return
        ended = trace.totals()["ended"]
        states = (State.FAILED, State.CANCELLED, State.LEFT_OVER)
        found = [task for task in self.run.tasks if task.state in states]
        # Errors first, should there be too many.
        found.sort(key=lambda task: task.state is not State.FAILED)
        for task in found[:MOST_INSTANTS]:
            why = "" if task._error is None else f": {error_text(task._error)}"
            where = task.where
            yield self._instant(
                task.row, float(ended[task.row]), "error" if why else "end",
                f"{task.state}{place(where)}{why}", _source(where, trace.line_of(where)),
            )  # fmt: skip
        if len(found) > MOST_INSTANTS:
            self.left_out.append(f"{self._name}: {len(found) - MOST_INSTANTS} ends")


def _wait(trace: Trace, reason: int) -> str:
    """Give category, name and arguments of a slice of waiting."""
    verb, where = trace.reasons[reason]
    name = (one_line(verb, 60) or "not begun") + ("" if where is None else f", {where}")
    args = _source(where, trace.line_of(where))
    return f'"cat":"waiting","name":{_json(name)}' + (f',"args":{_json(args)}' if args else "")


def _source(where: Any, text: str) -> dict[str, Any]:
    if where is None:
        return {}
    return {"file": one_line(where.file, 400), "line": where.line, "source": one_line(text.strip(), 200)}


def _shown(slices: Intervals, begin: Ints, end: Ints) -> tuple[Any, Ints]:
    """Say which slices are shown, and give for each the index of the one that stands for it, -1 for none."""
    count = len(slices)
    number = np.arange(count)
    long = end > begin
    running = slices.state == RUNNING
    same = np.zeros(count, bool)
    if count:
        # Runs of no time at the same moment: the first of them is enough.
        short = np.flatnonzero(running & ~long)
        again = (np.diff(slices.row[short]) == 0) & (np.diff(begin[short]) == 0)
        same[short[1:][again]] = True
    kept = long | (running & ~same)
    before = np.maximum.accumulate(np.where(kept, number, -1))
    # One that is not shown: what its row did next, or before that where that is the last.
    told = kept | same
    following = np.minimum.accumulate(np.where(told, number, count)[::-1])[::-1]
    has_next = following < count
    has_next[has_next] = slices.row[following[has_next]] == slices.row[has_next]
    stands = before.copy()
    stands[has_next] = np.where(same, before, number)[following[has_next]]
    # Where a row shows nothing at all, nothing stands for it.
    nothing = (stands < 0) | (slices.row[stands] != slices.row)
    return kept, np.where(nothing, -1, stands)


def _that_fit(
    at: Ints, slices: Intervals, wakings: Wakings, begin: Ints, stands: Ints, room: int
) -> tuple[Ints, Wakings]:
    """Give the slices, in order, and the wakings that fit into `room` events, those of the beginning."""
    source, target = stands[wakings.source], stands[wakings.target]
    there = (source >= 0) & (target >= 0)
    cost = np.ones(len(slices), np.int64)
    # A flow is two events, counted where the later one of its slices is.
    rank = np.full(len(slices), len(slices), np.int64)
    rank[at] = np.arange(len(at))
    later = np.where(rank[source] > rank[target], source, target)
    np.add.at(cost, later[there], 2)
    # A track has two events that name it, counted with the first slice.
    _, first = np.unique(slices.row[at], return_index=True)
    cost[at[first]] += 2
    fit = int(np.searchsorted(np.cumsum(cost[at]), room, side="right"))
    chosen = there & (rank[source] < fit) & (rank[target] < fit)
    return at[:fit], wakings.those(chosen)
