"""What is drawn of one side, coroutines or threads: bars for few rows, shares for many."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..engines.slow import SlowStep
from ..engines.trace import STATE_CODES, Intervals, Trace
from ..language import State
from ..measure.run import Run
from . import palette
from .text import one_line

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

FEW_ROWS = 40  # up to this many rows each has its name
FEW_BARS = 8_000  # up to this many bars are drawn one by one
FEW_EVENTS = 200_000  # up to this many it pays to look at every interval
MOST_SLOW = 400  # slow steps that are drawn
OTHER = "other waits"
NOT_BEGUN = "not begun"
READY, RUNNING, WAITING = (STATE_CODES[s] for s in (State.READY, State.RUNNING, State.WAITING))


def few_events(trace: Trace) -> bool:
    """Say whether a trace is short enough to read every interval of it, in well under a second."""
    return trace.detailed and trace.switches <= FEW_EVENTS and len(trace) <= FEW_EVENTS


@dataclass(frozen=True)
class Waits:
    """What the rows waited for: the verbs that have colours of their own.

    Attributes
    ----------
    verbs:
        In the order of their total time, the largest first; then `NOT_BEGUN`, and `OTHER` where there
        are more than there are colours. ``("waiting",)`` where it is not known what for.
    """

    verbs: tuple[str, ...]

    def colours(self) -> list[str]:
        """Give a colour for each verb."""
        own = {OTHER: palette.OTHER_WAITS, NOT_BEGUN: palette.NOT_BEGUN}
        return [own.get(verb) or palette.WAITS[slot] for slot, verb in enumerate(self.verbs)]

    def slots(self, trace: Trace) -> Ints:
        """Give the index into `verbs` of each of a trace's reasons; shape (reasons,)."""
        known = {verb: slot for slot, verb in enumerate(self.verbs)}
        last = max(len(self.verbs) - 1, 0)
        return np.array([known.get(wait_word(reason.verb), last) for reason in trace.reasons], np.int64)


ANY_WAIT = Waits(("waiting",))  # where it is not known what for


@dataclass(frozen=True)
class Side:
    """One side of a picture.

    Attributes
    ----------
    run:
        The run of this side.
    trace:
        What happened in it.
    seconds:
        How long it took; the time axis of this side.
    intervals:
        Every bar, where there are few enough events to read them all; else None.
    name:
        ``"coroutines"``, ``"threads"``, or the name of another side, ``"asyncio"`` say.
    """

    run: Run | None
    trace: Trace
    seconds: float
    intervals: Intervals | None
    name: str = "coroutines"

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return len(self.trace)

    @property
    def takes_turns(self) -> bool:
        """Whether only one row runs at a time."""
        return self.trace.unit != "thread"

    @property
    def slow(self) -> Sequence[SlowStep]:
        """The steps that held the thread for long, the longest first; `MOST_SLOW` at most."""
        return () if self.run is None else self.run.slow_steps[:MOST_SLOW]

    @property
    def virtual(self) -> bool:
        """Whether time jumps, and steps take none."""
        return self.run is not None and self.run.virtual

    @property
    def named(self) -> bool:
        """Whether there are few enough rows for each to have its name."""
        return self.rows <= FEW_ROWS

    @property
    def drawn_bar_by_bar(self) -> bool:
        """Whether bars are drawn, not cells of shares."""
        return self.named and self.intervals is not None and len(self.intervals) <= FEW_BARS

    @property
    def empty(self) -> str:
        """Why there is nothing to draw; empty if there is something."""
        if not self.trace.recording:
            return "no timeline: the run was made without a trace"
        if not self.rows:
            return f"no {self.trace.unit} ran"
        if self.seconds <= 0:
            return "it took no time at all"
        return ""

    def shares(self, waits: Waits, groups: int, bins: int) -> Floats:
        """Give how many rows were in which state.

        Returns
        -------
        array of shape (groups, bins, 2 + number of waits): the mean number of rows in the cell
        that were ready, running, and waiting for each of the waits, divided by the number of rows
        of a group. Fewer groups or bins where the trace is coarser.
        """
        groups = self.rows if self.named else min(groups, self.rows)
        if self.intervals is None:
            # Neighbouring groups of the trace's own must not be joined unevenly: take them all.
            groups = groups if self.trace.detailed else self.rows
            known = self.trace.occupancy(groups, bins, self.seconds)
            out: Floats = np.zeros((*known.shape[:2], 2 + max(len(waits.verbs), 1)))
            out[:, :, :3] = known
            sizes = np.full((known.shape[0], 1, 1), self.rows / known.shape[0])
            # The last group may have fewer rows than the others.
            sizes[-1] = min(sizes[-1].item(), max(known[-1].sum(axis=1).max(initial=0.0), 1.0))
            out /= sizes
            return out
        iv = self.intervals
        slots = waits.slots(self.trace)
        channels = 2 + max(len(waits.verbs), 1)
        channel = np.where(iv.state == WAITING, WAITING + slots[iv.reason], iv.state)
        group = iv.row.astype(np.int64) * groups // self.rows
        begin, end = (moments / self.seconds * bins for moments in (iv.begin, iv.end))
        level = presence(channel * groups + group, begin, end, channels * groups, bins)
        per_group = np.bincount(np.arange(self.rows) * groups // self.rows, minlength=groups)
        cells = np.moveaxis(level.reshape(channels, groups, bins), 0, 2) / per_group[:, None, None]
        return np.clip(cells, 0.0, None)

    def ended(self, state: State) -> tuple[Ints, Floats]:
        """Give the rows that ended in a state, and when they did, in seconds."""
        rows = np.flatnonzero(self.trace.final_codes() == STATE_CODES[state]).astype(np.int64)
        if not len(rows) or not self.trace.recording:
            return rows, np.zeros(len(rows))
        return rows, self.trace.totals()["ended"][rows]


def presence(line: Ints, begin: Floats, end: Floats, lines: int, bins: int) -> Floats:
    """Give how many stays there were at a time, on average, in each bin of each line.

    Parameters
    ----------
    line:
        To which line each stay belongs, shape (n,).
    begin, end:
        From where to where it lasted, counted in bins, shape (n,); what lies outside is cut off.

    Returns
    -------
    array of shape (lines, bins)
    """
    # As in trace.Grid: entering adds one from the next bin on, and the rest of its own bin.
    first = line * (bins + 1)
    size = lines * (bins + 1)
    change, partial = np.zeros(size), np.zeros(size)
    for moments, sign in ((begin, 1.0), (end, -1.0)):
        rest = np.clip(moments, 0, bins)
        whole = np.minimum(rest.astype(np.int64), bins - 1)
        rest -= whole
        whole += first
        entered = np.bincount(whole, minlength=size)
        change[1:] += sign * entered[:-1]
        partial += sign * (entered - np.bincount(whole, rest, minlength=size))
    shape = (lines, bins + 1)
    level: Floats = np.cumsum(change.reshape(shape), axis=1) + partial.reshape(shape)
    return level[:, :-1]


# Whose rows these are, where nobody says.
_NAMES = {"coroutine": "coroutines", "thread": "threads", "call": "sequential", "task": "asyncio",
          "greenlet": "gevent"}  # fmt: skip


def read(run: Run, name: str = "") -> Side:
    """Read a run's side. Only that of a pool of threads has to be named."""
    seconds = max(run.elapsed, run.trace.duration)
    intervals = run.trace.intervals(seconds) if few_events(run.trace) else None
    return Side(run, run.trace, seconds, intervals, name or _NAMES[run.unit])


def runs_of(run: Run) -> dict[str, Run]:
    """Give the runs of all sides by their names: the coroutines', the threads', and the others'."""
    baseline = {} if run.baseline is None else {_NAMES[run.baseline.unit]: run.baseline}
    return {_NAMES[run.unit]: run, **baseline, **run.others}


def sides_of(run: Run) -> list[Side]:
    """Read all sides of a run, in that order."""
    return [read(side, name) for name, side in runs_of(run).items()]


def seconds_by_verb(trace: Trace, intervals: Intervals) -> dict[str, float]:
    """Give for how many seconds the rows of a trace, added up, waited for what."""
    seconds = np.bincount(
        intervals.reason, np.where(intervals.state == WAITING, intervals.end - intervals.begin, 0.0)
    )
    sums: dict[str, float] = {}
    for reason, time in enumerate(seconds.tolist()):
        if time > 0:
            verb = wait_word(trace.reasons[reason].verb)
            sums[verb] = sums.get(verb, 0.0) + time
    return sums


def wait_word(verb: str) -> str:
    """Give the word for a reason for waiting; a row that nobody has resumed yet gives none itself."""
    return one_line(verb, 24) or NOT_BEGUN


def waits_of(sides: Sequence[Side]) -> Waits:
    """Choose the waits that get colours of their own, the same on all sides."""
    recorded = [side for side in sides if side.trace.recording]
    sums: dict[str, float] = {}
    for side in recorded:
        if side.intervals is None:
            # One colour for all, rather than one side with reasons and one without.
            waited = any(other.trace.totals()["waiting"].any() for other in recorded)
            return ANY_WAIT if waited else Waits(())
        for verb, seconds in seconds_by_verb(side.trace, side.intervals).items():
            sums[verb] = sums.get(verb, 0.0) + seconds
    begun = sorted((verb for verb in sums if verb != NOT_BEGUN), key=lambda verb: -sums[verb])
    chosen = begun[: len(palette.WAITS)]
    chosen += [NOT_BEGUN] if NOT_BEGUN in sums else []
    chosen += [OTHER] if len(begun) > len(palette.WAITS) else []
    return Waits(tuple(chosen))
