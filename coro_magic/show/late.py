"""Who was late because another one held the thread.

Whoever waited for a timer is ready when that is due (see `engines.late`), and runs when the thread is free.
If a single step took much of the time in between, that step made it late.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..engines.trace import Intervals, Trace
from ..measure.run import Run
from .side import READY, RUNNING, WAITING, Floats, Ints, wait_word
from .text import duration, one_line

_LEAST = 1e-3  # seconds of one step; to be late by less is in the nature of taking turns
_SHARE = 0.2  # of the time in which somebody was ready
_ABOUT = 0.9  # of the length of another step: about as long
_ALONE = 0.7  # of the time, for one to be the one who held the thread
_LOOKED_AT = 64  # steps in that time, the first ones


@dataclass(frozen=True)
class Late:
    """Who was late because of whom; parallel columns of shape (n,), in the order of `stay`.

    Attributes
    ----------
    stay:
        An index into the intervals: that in which it was ready. The one before it is the wait.
    step:
        An index into the intervals: the step that held the thread for the largest part of that; of several
        that are about as long the last.
    held:
        For how long it did, in seconds.
    by:
        How long it was ready in all, in seconds.
    """

    stay: Ints
    step: Ints
    held: Floats
    by: Floats

    def __len__(self) -> int:
        return len(self.stay)


NOBODY = Late(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0), np.empty(0))


def late(intervals: Intervals, firsts: Sequence[int] = ()) -> Late:
    """Find who was late because another one held the thread.

    Parameters
    ----------
    intervals:
        Those of coroutines: of one thread, or of one thread in each process.
    firsts:
        The first row of each process, where there are several.
    """
    row, begin, end = intervals.row, intervals.begin, intervals.end
    long = end - begin >= _LEAST
    before = np.append(-1, np.arange(len(intervals) - 1))
    by_itself = (intervals.state == READY) & (intervals.waker < 0) & long
    after_wait = (before >= 0) & (row[before] == row) & (intervals.state[before] == WAITING)
    stays, steps = np.flatnonzero(by_itself & after_wait), np.flatnonzero((intervals.state == RUNNING) & long)
    edges = [*sorted(firsts)[1:], np.inf]
    found = []
    for low, high in zip([0, *edges], edges, strict=False):
        own = [which[(row[which] >= low) & (row[which] < high)] for which in (stays, steps)]
        found.append(_held_up(intervals, *own))
    stay, step, held = (np.concatenate(columns) for columns in zip(*found, strict=True))
    return Late(stay, step, held, end[stay] - begin[stay])


def late_of(run: Run, intervals: Intervals | None) -> Late:
    """Find who was late in a run; `NOBODY` where rows do not take turns, or these are not known."""
    if intervals is None or run.trace.unit != "coroutine":
        return NOBODY
    return late(intervals, [process.first for process in run.processes])


def _held_up(intervals: Intervals, stays: Ints, steps: Ints) -> tuple[Ints, Ints, Floats]:
    """Give the columns of `Late` for one thread, whose steps do not overlap."""
    begin, end = intervals.begin, intervals.end
    steps = steps[np.argsort(begin[steps], kind="stable")]
    # The steps that were going on at some time of the stay.
    at = np.searchsorted(end[steps], begin[stays], side="right")
    last = np.minimum(np.searchsorted(begin[steps], end[stays], side="left"), at + _LOOKED_AT)
    most, which = np.zeros(len(stays)), np.zeros(len(stays), np.int64)
    left = np.flatnonzero(at < last)
    while len(left):
        step = steps[at[left]]
        held = np.minimum(end[step], end[stays[left]]) - np.maximum(begin[step], begin[stays[left]])
        so_long = held >= _ABOUT * most[left]
        more = left[so_long]
        which[more], most[more] = step[so_long], held[so_long]
        at[left] += 1
        left = left[at[left] < last[left]]
    enough = (most >= _LEAST) & (most >= _SHARE * (end[stays] - begin[stays]))
    return stays[enough], which[enough], most[enough]


def told(trace: Trace, intervals: Intervals, stay: int, step: int) -> str:
    """Say until when a step held the thread: ``blocker held the thread until 0.60 s``.

    Where that moment and the one at which the time was over look the same, it is for how long. Where much of
    the time in between was taken by others, it is who was the last.
    """
    who = one_line(trace.name(int(intervals.row[step])), 60)
    over, until = float(intervals.begin[stay]), float(intervals.end[step])
    if _share(intervals, stay, int(intervals.row[step])) < _ALONE:
        return f"others held the thread one after another, {who} as the last until {duration(until)}"
    if duration(over) == duration(until):
        return f"{who} held the thread for {duration(until - over)} more"
    return f"{who} held the thread until {duration(until)}"


def _share(intervals: Intervals, stay: int, row: int) -> float:
    """Give the share of a stay in which the steps of one row held the thread."""
    begin, end = intervals.begin[stay], intervals.end[stay]
    own = np.flatnonzero((intervals.row == row) & (intervals.state == RUNNING))
    held = np.minimum(intervals.end[own], end) - np.maximum(intervals.begin[own], begin)
    return float(held[held > 0].sum() / (end - begin))


def told_in_full(trace: Trace, intervals: Intervals, stay: int, step: int) -> str:
    """Say the same with whose time was over, and when."""
    who = one_line(trace.name(int(intervals.row[stay])), 60)
    verb = wait_word(trace.reasons[int(intervals.reason[stay - 1])].verb)
    what = f"{who}'s sleep" if verb == "sleep" else f"the time for {who}'s {verb}"
    over = duration(float(intervals.begin[stay]))
    return f"{what} was over at {over}, but {told(trace, intervals, stay, step)}"
