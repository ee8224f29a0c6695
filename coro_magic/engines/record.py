"""Step mode: after every switch the stack of the coroutine that ran, with its local names.

For programs of some thousand switches that somebody wants to follow one by one. The loop makes one
step to a line then, and tells the recorder of each; who drives generators by hand is told of by the
`Observer`. It takes far longer than the switch itself: the run's clock is stopped meanwhile.
"""

from __future__ import annotations

import inspect
import linecache
import time
import types
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from .frames import machinery_of
from .stacks import StackFrame, called_from, frames_of, of_frames

MOST_STEPS = 5_000
_MOST_TEXT = 3_000_000  # characters of local values in a whole record
_MOST_LINES = 200  # of one function
_clock = time.perf_counter  # bound before a run replaces it


class Step(NamedTuple):
    """A switch, and how things stood with the coroutine that had run until then.

    Attributes
    ----------
    row:
        Who ran.
    time:
        When it gave control back (seconds since the run began).
    switch:
        How many switches there had been by then, this one with it.
    state:
        What it is now, as in `State`; ``"waiting"`` for who drives another one by hand.
    stack:
        Where it stands, the outermost call first; empty when it has ended.
    """

    row: int
    time: float
    switch: int
    state: str
    stack: tuple[StackFrame, ...]


@dataclass
class Steps:
    """What step mode has recorded.

    Attributes
    ----------
    steps:
        In order, `MOST_STEPS` at most.
    truncated:
        Whether there were more.
    sources:
        The text of the functions that occur in them: by (file, function, first line of what is
        given), its lines.
    """

    steps: list[Step] = field(default_factory=list)
    truncated: bool = False
    sources: dict[tuple[str, str, int], list[str]] = field(default_factory=dict)


class Stopwatch:
    """A clock that stands still in a ``with`` block of it."""

    def __init__(self) -> None:
        self._depth = 0
        # Since when it stands still, and for how many seconds it did before: in one, for other threads.
        self._state: tuple[float | None, float] = (None, 0.0)

    def now(self) -> float:
        """Give the time in seconds."""
        since, stopped = self._state
        return (_clock() if since is None else since) - stopped

    def __enter__(self) -> None:
        self._depth += 1
        if self._depth == 1:
            self._state = (_clock(), self._state[1])

    def __exit__(self, *exc_info: object) -> None:
        self._depth -= 1
        since, stopped = self._state
        if self._depth == 0 and since is not None:
            self._state = (None, stopped + _clock() - since)


class Recorder:
    """Records the switches of one run.

    Parameters
    ----------
    now:
        Gives the seconds since the run began.
    clock:
        What stands still while something is recorded; also an attribute.
    """

    def __init__(self, now: Callable[[], float], clock: Stopwatch) -> None:
        self.record = Steps()
        self._now = now
        self.clock = clock
        self._count = 0
        self._text = 0
        self._seen: set[types.CodeType] = set()

    def stepped(self, task: Any, time: float) -> None:
        """A task of the scheduler has made a step that ended at `time`."""
        self._count += 1
        if not self._full():
            with self.clock:
                coroutine = task.coroutine
                frames = [] if coroutine is None else frames_of(coroutine, task.parked)
                self._add(task.row, time, str(task.state), frames)

    def resumed(self, driver: int, caller: types.FrameType) -> None:
        """A generator is about to be resumed by hand, by code of row `driver` that stands at `caller`."""
        if not self._full():
            with self.clock:
                self._add(driver, self._now(), "waiting", called_from(caller))

    def gave_back(self, row: int, frame: types.FrameType, ended: bool) -> None:
        """A generator driven by hand has given control back, or has ended."""
        self._count += 1
        if not self._full():
            with self.clock:
                self._add(row, self._now(), "done" if ended else "waiting", [] if ended else [frame])

    def _full(self) -> bool:
        if len(self.record.steps) >= MOST_STEPS or self._text >= _MOST_TEXT:
            self.record.truncated = True
        return self.record.truncated

    def _add(
        self, row: int, time: float, state: str, frames: Sequence[types.FrameType]
    ) -> None:
        self._remember(frames)
        stack = of_frames(frames)
        self._text += sum(len(text) for frame in stack for _, text in frame.locals)
        self.record.steps.append(Step(row, time, self._count, state, tuple(stack)))

    def _remember(self, frames: Sequence[types.FrameType]) -> None:
        """Keep the source of functions: a cell's text may be another one when somebody looks."""
        for frame in frames:
            code = frame.f_code
            if code in self._seen:
                continue
            self._seen.add(code)
            if machinery_of(code.co_filename):
                continue
            lines, first = source_of(code)
            if lines:
                self.record.sources[code.co_filename, code.co_name, first] = lines


def source_of(code: types.CodeType) -> tuple[list[str], int]:
    """Give the lines of a function, and the number of the first; none where they are not known."""
    whole = linecache.getlines(code.co_filename)
    first = max(code.co_firstlineno, 1)
    if code.co_name == "<module>" or not code.co_flags & inspect.CO_OPTIMIZED:
        return [line.rstrip("\n") for line in whole[:_MOST_LINES]], 1
    last = max((line for _, _, line in code.co_lines() if line), default=first)
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            last = max(last, max((line for _, _, line in constant.co_lines() if line), default=last))
    return [line.rstrip("\n") for line in whole[first - 1 : min(last, first + _MOST_LINES)]], first
