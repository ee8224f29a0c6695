"""The writing half of the trace: what engines write down, flat and bounded.

Writing must cost next to nothing, so it is one flat list of (row, code, time), and even that only
for what is not a bare ``yield``: a batch of steps that took place one after another is one entry
that refers to the rows of the batch, and the same batch the next time round refers to the same
rows. Everything else is derived when somebody reads: see `trace`.
"""

from __future__ import annotations

import threading
from array import array
from collections.abc import Callable
from typing import Any

import numpy as np

from ..language import State, Where
from . import DEFAULT_DETAIL
from .events import BATCH, BORN, BORN_WAITING, KIND_BITS, YIELDED, Floats, Ints, Mark, Reason
from .longest import LongSteps
from .naming import Naming
from .totals import Stretch, Totals

FOLD_AT = 3 * 16_384  # entries of the flat list, three to an event
# Two threads may find new reasons at once, and whoever knows a number may use it.
_naming_reasons = threading.Lock()


class Journal:
    """What engines write down, and how many it is by now.

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
        self._totals = Totals()

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
        """Read what was written since the last time."""
        raise NotImplementedError
