"""The events that engines write down: their kinds, and what follows from them.

An event is (row, code, time): `code` is a kind and, above it, the number of a reason. Above `WOKEN` it
is the row of whoever woke this one, plus one; 0 where nobody did, but a timer, say, or another thread.

On one thread one row runs at a time. Whoever drives another by hand (`RESUMED`) waits for it until it gives
control back (`SUSPENDED`, `STOPPED`). That is not written down: who drives whom follows from the order of
the events (`drivers`). What is above `RESUMED` there is why the driver waits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..language import State, Where

Floats = NDArray[np.float64]
Ints = NDArray[Any]

# The kinds of events, each a transition whose two ends are known. Steps begin at the previous
# boundary (the end of a step, or IDLE); the others say for themselves.
BORN = 0  # -> ready
YIELDED = 1  # running -> ready, a step
WAITS = 2  # running -> waiting, a step
ENDED = 3  # running -> final, a step
WOKEN = 4  # waiting -> ready, by whom is said above the kind
IDLE = 5  # the scheduler waited until now: the next step begins here
BATCH = 6  # running -> ready, for all rows of a stretch in turn
RESUMED = 7  # waiting -> running, said explicitly (driven by hand, or a thread)
SUSPENDED = 8  # running -> waiting, explicitly
CLOSED = 9  # ready -> final
CLOSED_WAITING = 10  # waiting -> final
BORN_WAITING = 11  # -> waiting (for whoever drives it by hand)
STOPPED = 12  # running -> final, explicitly
MARKED = 13

# In words, by number.
KIND_NAMES = ("born", "yielded", "waits", "ended", "woken", "idle", "batch", "resumed", "suspended",
              "closed", "closed_waiting", "born_waiting", "stopped", "marked")  # fmt: skip

KIND_BITS = 4
KIND_MASK = (1 << KIND_BITS) - 1

STATES = (State.READY, State.RUNNING, State.WAITING, State.DONE, State.FAILED,
          State.CANCELLED, State.LEFT_OVER)  # fmt: skip
STATE_CODES = {state: code for code, state in enumerate(STATES)}
READY, RUNNING, WAITING = 0, 1, 2


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

    `row`, `state` (index into `STATES`), `reason` (index into `Trace.reasons`, 0 where there is none)
    and `waker` (the row that made this one ready, or that drives it by hand; -1 where none did) are
    integers of shape (n,), `begin` and `end` seconds of shape (n,), `turn` and `turn_end` the same
    moments counted in resumptions of whomever. Of two that begin at the same moment the one with the
    smaller `order`, an integer, began first. Final states are no intervals.

    The integers have 32 bits, `state` 8, where they come from a trace: multiply them as wider ones only.
    """

    row: Ints
    state: Ints
    begin: Floats
    end: Floats
    reason: Ints
    waker: Ints
    turn: Ints
    turn_end: Ints
    order: Ints

    def __len__(self) -> int:
        return len(self.row)

    def of_row(self, row: int) -> tuple[int, int]:
        """Give from where to where the intervals of a row are."""
        return first_from(self.row, row), first_from(self.row, row + 1)


def first_from(column: Ints, value: int) -> int:
    """Give the place of the first number in a sorted column that is not below a value.

    (For a value of another type than the column's, numpy converts all of the column.)
    """
    return int(np.searchsorted(column, column.dtype.type(value)))


SAID = {
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
ENDS = (ENDED, CLOSED, CLOSED_WAITING, STOPPED)


def of(*kinds: int) -> NDArray[np.bool_]:
    """Give a table that says of every kind whether it is one of these: ``of(IDLE)[kinds]``."""
    table = np.zeros(1 << KIND_BITS, np.bool_)
    table[list(kinds)] = True
    return table


IS_BOUNDARY = of(YIELDED, WAITS, ENDED, IDLE, BATCH)
IS_STEP = of(YIELDED, WAITS, ENDED)
IS_RESUMPTION = of(YIELDED, WAITS, ENDED, RESUMED)
IS_BY_HAND = of(RESUMED, SUSPENDED, STOPPED)
# On one thread: where somebody else begins to run.
IS_SWITCH = IS_BOUNDARY | IS_BY_HAND
STATE_AFTER = np.full(1 << KIND_BITS, -1, np.int8)
STATE_AFTER[[BORN, YIELDED, WOKEN]] = READY
STATE_AFTER[[WAITS, SUSPENDED, BORN_WAITING]] = WAITING
STATE_AFTER[[RESUMED]] = RUNNING
STATE_AFTER[[ENDED, CLOSED, CLOSED_WAITING, STOPPED]] = 3


def step_begins(
    kinds: Ints, times: Floats, boundary: float, is_boundary: NDArray[np.bool_] = IS_BOUNDARY
) -> Floats:
    """Give where each step began: at the latest boundary before it. Other events: their own time.

    With `IS_SWITCH` as boundaries it is where each stretch began in which one row ran.
    """
    begins = times.copy()
    at = np.flatnonzero(is_boundary[kinds])
    if len(at):
        begins[at] = np.concatenate(([boundary], times[at[:-1]]))
    idle = kinds == IDLE
    begins[idle] = times[idle]
    return begins


def drivers(
    rows: Ints, kinds: Ints, opened: Sequence[int] = (), stepping: int = -1
) -> tuple[Ints, list[int]]:
    """Give who drives by hand, of one thread's events.

    Parameters
    ----------
    opened:
        The rows that were resumed before these events and have not given control back, the outermost first.
    stepping:
        Whose step it is after the last boundary, -1 if that is not known.

    Returns
    -------
    for each event by hand the row that drives, -1 for others and where nobody knows, of shape (n,); and what
    is open in the end
    """
    by = np.full(len(rows), -1, np.int32)
    at = np.flatnonzero(IS_BY_HAND[kinds])
    boundaries = np.flatnonzero(IS_BOUNDARY[kinds])
    if not len(at):
        return by, [] if len(boundaries) else list(opened)
    before = len(opened)
    hand = np.concatenate((np.asarray(opened, np.int64), rows[at]))
    up = np.concatenate((np.ones(before, np.int64), np.where(kinds[at] == RESUMED, 1, -1)))
    # A step leaves nobody open: with each it begins anew, whatever was missed before.
    step = np.concatenate((np.zeros(before, np.int64), np.searchsorted(boundaries, at)))
    first = np.flatnonzero(np.diff(step, prepend=-1))
    depth = np.cumsum(up)
    depth -= np.repeat((depth - up)[first], np.diff(first, append=len(step)))
    level = np.where(up > 0, depth, depth + 1)
    whose = np.where(IS_STEP[kinds[boundaries]], rows[boundaries], -1)
    found = np.append(whose, stepping)[step]
    if np.any(level > 1):
        # Who was resumed last, one level further out.
        place = np.arange(len(hand))
        resumed = np.flatnonzero(up > 0)
        keys = level * len(hand) + place
        resumed = resumed[np.argsort(keys[resumed])]
        outer = resumed[np.searchsorted(keys[resumed], keys - len(hand)) - 1]
        inside = (level > 1) & (level[outer] == level - 1) & (step[outer] == step)
        found = np.where(inside, hand[outer], found)
    by[at] = found[before:]
    last = np.flatnonzero((step == len(boundaries)) & (up > 0))
    latest = dict(zip(level[last].tolist(), hand[last].tolist(), strict=True))
    is_last = step[-1] == len(boundaries)
    return by, [latest[each] for each in range(1, int(depth[-1]) + 1) if each in latest] if is_last else []


def first_stepping(rows: Ints, kinds: Ints, later: int) -> int:
    """Give whose step some events begin in: the step ends with them, or else it is whose it is `later`."""
    at = np.flatnonzero(IS_BOUNDARY[kinds])[:1]
    if not len(at):
        return later
    return int(rows[at[0]]) if IS_STEP[kinds[at[0]]] else -1


class Entries(NamedTuple):
    """Every entering of a state, in the order in which it happened; columns of shape (n,).

    `waker` is the row that made this one ready, or that drives it by hand; -1 where none did. `turn`
    is how many resumptions there had been before; `order` as in `Intervals`.
    """

    row: Ints
    state: Ints
    begin: Floats
    reason: Ints
    waker: Ints
    turn: Ints
    order: Ints


# Between two in the order there is room for what belongs to them.
_STRIDE = 4


def entries(rows: Ints, codes: Ints, times: Floats, begins: Floats, one_thread: bool) -> Entries:
    """Give every entering of a state that some events, in their order, tell of."""
    # A million entries that are made anew are a thousand pages for each byte of them, and the machine takes
    # longer to give a page than numpy to fill it. So no number here is wider than it must be.
    kinds = (codes & KIND_MASK).astype(np.int8)
    steps = IS_STEP[kinds]
    after = STATE_AFTER[kinds]
    known = after >= 0
    resumed = kinds == RESUMED
    by = drivers(rows, kinds)[0] if one_thread else np.full(len(rows), -1, np.int32)
    driving = by >= 0
    boundaries = np.flatnonzero(IS_BOUNDARY[kinds])
    # A step is written down at its end. Where others were driven in it, its beginning comes before them.
    told = np.flatnonzero(steps)
    at = np.flatnonzero(driving)
    step_of = np.append(boundaries, -1)[np.searchsorted(boundaries, at)]
    at = at[(step_of >= 0) & (np.diff(step_of, prepend=-2) != 0)]
    told[np.searchsorted(told, np.append(boundaries, -1)[np.searchsorted(boundaries, at)])] = at
    begun = np.zeros(len(rows), np.int8)
    begun[told] = 1
    count = begun + known + driving
    slot = np.cumsum(count, dtype=np.int32) - count
    total = int(np.sum(count, dtype=np.int64))
    row, turn, order, waker = (np.empty(total, np.int32) for _ in range(4))
    state, begin, reason = np.empty(total, np.int8), np.empty(total), np.zeros(total, np.int32)
    waker.fill(-1)
    first, second, third = slot[told], (slot + begun)[known], (slot + begun + known)[driving]
    row[first], state[first], begin[first] = rows[steps], RUNNING, begins[steps]
    row[second], state[second], begin[second] = rows[known], after[known], times[known]
    row[third], begin[third] = by[driving], times[driving]
    state[third] = np.where(resumed[driving], WAITING, RUNNING)
    above = codes >> KIND_BITS
    woken = kinds == WOKEN
    reason[second] = np.where(woken | resumed, 0, above)[known]
    reason[third] = np.where(resumed, above, 0)[driving]
    waker[second] = np.where(woken, above - 1, np.where(resumed, by, -1))[known]
    turns = np.cumsum(steps | resumed, dtype=np.int32)
    # A step begins before those that were driven by hand in it.
    driven = np.cumsum(resumed, dtype=np.int32)
    within = np.zeros(len(kinds), np.int32)
    if len(boundaries):
        within[boundaries] = np.diff(driven[boundaries], prepend=0)
    turn[first] = (turns - 1 - within)[steps]
    turn[second] = (turns - resumed)[known]
    turn[third] = (turns - resumed)[driving]
    # It begins right after the boundary before it.
    before = np.full(len(kinds), -1, np.int32)
    before[boundaries[1:]] = boundaries[:-1]
    order[first] = (2 * before[steps] + 2) * _STRIDE
    order[second] = (2 * np.flatnonzero(known) + 1) * _STRIDE
    order[third] = (2 * np.flatnonzero(driving) + 1) * _STRIDE + 1
    return Entries(row, state, begin, reason, waker, turn, order)


def intervals_of(found: Entries, turns: int, until: float) -> Intervals:
    """Give who was in which state from when to when.

    Parameters
    ----------
    turns:
        How many resumptions there were in all.
    until:
        To when what has not ended goes on, in seconds.
    """
    # numpy sorts numbers of 16 bits several times as fast.
    few = found.row.max(initial=0) < 1 << 16
    by_row = np.argsort(found.row.astype(np.uint16) if few else found.row, kind="stable")
    keep = found.state[by_row] <= WAITING
    at = by_row[keep]
    # Each goes on until its row enters another state. What comes after the last entry of all is never read.
    after = np.append(by_row[1:], by_row[-1:])[keep]
    row = found.row[at]
    last = (found.row[after] != row) | (after == at)
    end, turn_end = found.begin[after], found.turn[after]
    end[last], turn_end[last] = until, turns
    return Intervals(
        row, found.state[at], found.begin[at], end, found.reason[at], found.waker[at], found.turn[at],
        turn_end, found.order[at],
    )  # fmt: skip
