"""What is seen of a share of a run while it goes on: how far it is, and who was in which state for how long.

Its process leaves it in a file now and then, and whoever waits for the process reads that.
"""

from __future__ import annotations

import os
import pickle
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..language import State
from .budget import Budget
from .events import STATE_CODES, Floats
from .trace import STATES, Trace

if TYPE_CHECKING:
    from .share import Share

GROUPS = 100  # of neighbouring rows, at most
_TAKES = 0.005  # seconds, for the first time


@dataclass(frozen=True)
class Grouped:
    """For how long rows were ready, running and waiting so far, in groups of neighbours.

    Attributes
    ----------
    per_group:
        Rows in a group: a power of two.
    rows:
        How many there are in all.
    seconds:
        Sums over each group, shape (groups, 3).
    """

    per_group: int
    rows: int
    seconds: Floats


def grouped(trace: Trace, per_group: int = 1, first: int = 0) -> Grouped:
    """Give what is known by now, in groups of at least so many rows. The trace's `duration` must be true.

    Rows before the `first` are left out.
    """
    rows = max(len(trace) - first, 0)
    while rows > GROUPS * per_group:
        per_group *= 2
    totals = trace.totals()
    group = np.arange(rows) // per_group
    seconds: Floats = np.stack(
        [np.bincount(group, totals[state.value][first:]) for state in STATES[:3]], axis=1
    )
    return Grouped(per_group, rows, seconds)


@dataclass(frozen=True)
class Glimpse:
    """How far a share of a run is.

    Attributes
    ----------
    origin:
        When it began, by `time.perf_counter`, as all processes of a machine read it.
    there, ended, failed:
        Numbers of coroutines, without the body and daemons.
    switches:
        Steps made.
    at, grouped:
        What was known of all rows, and when, by the same clock; None where nothing is yet.
    """

    origin: float
    there: int
    ended: int
    failed: int
    switches: int
    at: float
    grouped: Grouped | None


class Glimpses:
    """Leaves a glimpse of a share in a file, again and again.

    Two have a part in it: the scheduler itself looks at all rows when it has time for that (`look`), and a
    thread writes (`leave`), also while a step goes on for long.
    """

    def __init__(self, share: Share, file: str) -> None:
        self._share, self._file = share, file
        self._budget = Budget({"look": _TAKES})
        self._known: tuple[int, float, Grouped | None] = (0, 0.0, None)

    def look(self) -> float:
        """Look at all rows, if that can be afforded; give the seconds until the next time."""
        self._budget.spend("look", self._look)
        return self._budget.next()

    def _look(self) -> None:
        trace = self._share.trace
        failed = int(np.count_nonzero(trace.final_codes() == STATE_CODES[State.FAILED]))
        least = self._known[2].per_group if self._known[2] is not None else 1
        known = grouped(trace, least, int(self._share.has_body)) if trace.recording else None
        self._known = failed, trace.origin + trace.duration, known

    def leave(self) -> None:
        """Write it."""
        share, (failed, at, known) = self._share, self._known
        there = len(share.trace) - len(share.trace.daemons) - int(share.has_body)
        left = share.unfinished - int(share.has_body and not share.body_ended)
        glimpse = Glimpse(
            share.trace.origin, max(there, 0), max(there - left, 0), failed, share.switches, at, known
        )
        with suppress(OSError):
            # Whoever reads it finds a whole one.
            Path(self._file + ".new").write_bytes(pickle.dumps(glimpse))
            os.replace(self._file + ".new", self._file)


def glimpse_in(file: str) -> Glimpse | None:
    """Give the one that was left in a file, None if there is none."""
    with suppress(OSError):
        found: Glimpse = pickle.loads(Path(file).read_bytes())
        return found
    return None


def file_of(board: str, process: int) -> str:
    """Give the file of a process in the folder that a run has."""
    return os.path.join(board, f"glimpse {process}")
