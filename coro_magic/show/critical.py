"""The critical path: the chain of waits and steps that the length of the run came from.

From the end backwards: whoever ended last ran; before that it was ready, because somebody woke it, and
that one ran; or it waited for a timer or a descriptor, which woke it by itself; and so on to the
beginning. Where a timer woke it, and another one's step held the thread, that step is what counts: a shorter
sleep would have been over in vain. To shorten anything that is not on the path does not shorten the run.
"""

from __future__ import annotations

import numpy as np

from ..engines.events import first_from
from ..engines.trace import Intervals
from .columns import Columns
from .late import NOBODY, Late
from .side import READY, RUNNING, WAITING, Ints

MOST = 5_000
# To be late by a smaller share of the wait, and of the run, does not make the step count, but the wait.
_OF_WAIT, _OF_RUN = 0.1, 0.01


def critical_path(
    intervals: Intervals, parents: np.ndarray[tuple[int], np.dtype[np.int32]], late: Late = NOBODY
) -> Columns:
    """Give the segments of the path in the order of time, `MOST` at most (the last ones).

    Parameters
    ----------
    parents:
        The row that spawned each row, -1 for none; shape (rows,).
    late:
        Who was late because of whom.

    Returns
    -------
    columns of shape (segments,): ``row``, ``begin`` and ``end`` in seconds, ``sbegin`` and ``send`` in
    switches.
    """
    segments: list[tuple[int, float, float, int, int]] = []
    rows, states, wakers = intervals.row, intervals.state, intervals.waker
    at = _last(intervals)
    until, turn_until = (intervals.end[at], intervals.turn_end[at]) if at >= 0 else (0.0, 0)
    seen: set[int] = set()
    holders = _holders(intervals, late)
    while at >= 0 and at not in seen and len(segments) < MOST:
        seen.add(at)
        row = int(rows[at])
        if (step := holders.get(at, -1)) >= 0:
            # From then on it waited for its turn.
            free, turn = min(float(intervals.end[step]), float(until)), int(intervals.turn_end[step])
            if free < until:
                segments.append((row, free, float(until), min(turn, int(turn_until)), int(turn_until)))
            until, turn_until = free, min(turn, int(turn_until))
            at = step
            continue
        first = at == 0 or rows[at - 1] != row
        begin, turn = float(intervals.begin[at]), int(intervals.turn[at])
        waker = int(wakers[at]) if states[at] == READY else -1
        segments.append((row, begin, float(until), turn, int(turn_until)))
        until, turn_until = begin, turn
        if first:
            parent = int(parents[row])
            at = -1 if parent < 0 else _running_at(intervals, parent, begin, turn)
        elif waker >= 0 and states[at - 1] == WAITING:
            # It waited for that one, so what that one did until then is what counts.
            jump = _running_at(intervals, waker, begin, turn)
            at = at - 1 if jump < 0 else jump
        else:
            at -= 1
    segments.reverse()
    table = np.array(segments, np.float64).reshape(-1, 5)
    types = {"row": np.int32, "begin": np.float64, "end": np.float64, "sbegin": np.int32, "send": np.int32}
    return {name: table[:, slot].astype(kind) for slot, (name, kind) in enumerate(types.items())}


def _holders(intervals: Intervals, late: Late) -> dict[int, int]:
    """Give, for those stays of the late ones where it mattered, the step that held the thread."""
    wait = intervals.end[late.stay - 1] - intervals.begin[late.stay - 1]
    whole = np.max(intervals.end, initial=0.0)
    which: Ints = np.flatnonzero((late.held >= _OF_WAIT * wait) | (late.held >= _OF_RUN * whole))
    return dict(zip(late.stay[which].tolist(), late.step[which].tolist(), strict=True))


def _last(intervals: Intervals) -> int:
    """Give the step that ended last; -1 if there was none."""
    steps = np.flatnonzero(intervals.state == RUNNING)
    if not len(steps):
        return -1
    latest = np.lexsort((intervals.turn_end[steps], intervals.end[steps]))[-1]
    return int(steps[latest])


def _running_at(intervals: Intervals, row: int, time: float, turn: int) -> int:
    """Give the latest step of a row that had begun by a moment; -1 if there was none."""
    low, high = intervals.of_row(row)
    at = low + first_from(intervals.turn[low:high], turn + 1) - 1
    while at >= low and (intervals.state[at] != RUNNING or intervals.begin[at] > time):
        at -= 1
    return at if at >= low else -1
