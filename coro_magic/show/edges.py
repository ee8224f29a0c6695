"""Who woke whom: the arrows between rows."""

from __future__ import annotations

import numpy as np

from ..engines.trace import Intervals, Trace
from .columns import Columns
from .side import READY, RUNNING

SPAWN, JOIN, MESSAGE, OTHER, SEND = range(5)
KINDS = ("spawn", "join", "message", "other", "send")
MOST = 50_000
_MESSAGES = {"get", "put", "select"}


def edge_columns(trace: Trace, intervals: Intervals, row: int | None = None) -> Columns:
    """Give who woke whom, in the order of time; columns of shape (edges,), `MOST` of them at most.

    ``from`` and ``to`` are rows, ``time`` is in seconds, ``switch`` the same in switches, ``kind`` an index
    into `KINDS`: a spawn, the end of somebody who was waited for, a message through a channel, another
    wake (an event, a lock), a send by hand. With a `row`, those from it and to it.
    """
    kinds = _kinds_of_waits(trace)
    woken = np.flatnonzero((intervals.state == READY) & (intervals.waker >= 0))
    before = intervals.reason[np.maximum(woken - 1, 0)]
    sent = np.flatnonzero((intervals.state == RUNNING) & (intervals.waker >= 0))
    first = _first_of_each_row(intervals)
    parents = trace.parents()[intervals.row[first]]
    born = first[parents >= 0]
    at = np.concatenate((born, woken, sent))
    columns: Columns = {
        "from": np.concatenate((parents[parents >= 0], intervals.waker[woken], intervals.waker[sent])),
        "to": intervals.row[at],
        "time": intervals.begin[at],
        "switch": intervals.turn[at],
        "kind": np.concatenate(
            (np.full(len(born), SPAWN), kinds[before], np.full(len(sent), SEND))
        ),
    }
    order = np.lexsort((columns["switch"], columns["time"]))
    if row is not None:
        order = order[(columns["from"][order] == row) | (columns["to"][order] == row)]
    order = order[:MOST]
    types = {"from": np.int32, "to": np.int32, "time": np.float64, "switch": np.int32, "kind": np.uint8}
    return {name: columns[name][order].astype(kind) for name, kind in types.items()}


def _kinds_of_waits(trace: Trace) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return np.array(
        [
            JOIN if reason.verb in ("join", "gather") else MESSAGE if reason.verb in _MESSAGES else OTHER
            for reason in trace.reasons
        ],
        np.int64,
    )


def _first_of_each_row(intervals: Intervals) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    changes = np.flatnonzero(np.diff(intervals.row)) + 1
    first = np.concatenate(([0], changes)) if len(intervals) else np.empty(0)
    return first.astype(np.int64)
