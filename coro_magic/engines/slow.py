"""Slow steps: who held the thread for long, at which line, in which call.

How long a step took the trace knows exactly. What it was doing can only be seen while it does it: so
for the length of a run a thread looks now and then whether the same step goes on, and then at the
stack of the run's thread. It reads numbers that the loop keeps anyway, so that the loop pays nothing
for it, and what it reads may be torn: the trace has the last word.

A call that does not let go of the GIL keeps the watching thread from looking, too. Its look is late
then, but not too late: the first thing that the interpreter does when such a call returns is to let
the watcher have its turn, and the stack still shows the call.
"""

from __future__ import annotations

import _thread
import ast
import linecache
import math
import os
import sys
import time
from bisect import bisect_right
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from types import CodeType, FrameType
from typing import Any, NamedTuple, Protocol

from ..language import Where
from .frames import home_of, ours
from .longest import MOST, LongSteps

DEFAULT_SLOW_STEP = 0.05  # seconds

# Seconds between two looks, each of which costs a run that computes some 0.1 ms.
_SHORTEST_PAUSE, _LONGEST_PAUSE = 0.01, 1.0
# Where another interpreter's thread runs with a GIL of its own, CPython crashes when it is asked for frames.
_INTERPRETERS = {"_interpreters", "_xxsubinterpreters"}
_LENGTH = 200  # characters of a call or a line

# Bound before a run replaces them.
_clock_gettime = time.clock_gettime
_lock, _get_ident = _thread.allocate_lock, _thread.get_ident
_open, _read, _close = os.open, os.read, os.close


@dataclass(frozen=True)
class SlowStep:
    """A step that held the thread for long: nobody else could run in the meantime.

    Attributes
    ----------
    name, row:
        Of the coroutine.
    begin:
        When the step began, in seconds since the run began, by the run's clock.
    seconds:
        How long it took, in seconds of real time.
    where:
        The line of the coroutine's own file at which it was for most of it; None if nobody looked.
    call:
        The source text of the call in that line, empty if it was in none.
    inside:
        The innermost Python function that was seen, ``"module.qualified.name"``; empty if that is the
        coroutine's own. What is written in C has no frame and is not seen: it is the call.
    text:
        The source text of the line, empty if it cannot be read.
    busy:
        The share of the time for which the thread was computing, from 0 (it was blocked) to 1; None
        if that is not known. Where it had to wait for a processor, on Linux, that counts too: it wanted to.
    exact:
        Whether `begin` and `seconds` were measured, or only seen now and then.
    """

    name: str
    row: int
    begin: float
    seconds: float
    where: Where | None = None
    call: str = ""
    inside: str = ""
    text: str = ""
    busy: float | None = None
    exact: bool = True


class Watched(Protocol):
    """What is watched: a scheduler."""

    stepping: bool
    thread: int

    @property
    def running_step(self) -> tuple[int, Any]: ...

    def now(self) -> float: ...


class Sample(NamedTuple):
    """Where a step was: an instruction of the user's, and the innermost function if it is another."""

    code: CodeType
    instruction: int
    inside: str


class Look(NamedTuple):
    """When the watcher looked, and how long the run's thread had been computing by then, in seconds."""

    time: float
    computing: float


class Seen:
    """A step that was seen, at one look or more."""

    __slots__ = ("after", "at", "before", "first", "last", "number", "row", "samples")

    def __init__(self, number: int, row: int, at: float, before: Look, first: Look) -> None:
        self.number = number
        self.row = row
        # By the run's clock, which may be virtual; the looks are in real time.
        self.at = at
        self.before = before
        self.first = self.last = first
        self.after = math.inf
        # Where it was, and for how many seconds about.
        self.samples: dict[Sample, float] = {}

    @property
    def begin(self) -> float:
        """When it began, about."""
        return (self.before.time + self.first.time) / 2

    @property
    def end(self) -> float:
        """When it ended, about."""
        return self.last.time if self.after == math.inf else (self.last.time + self.after) / 2

    def busy(self, least: float) -> float | None:
        """Give the share of the time for which the thread was computing, None if that is not known.

        Where it was seen for less than `least` seconds, what came just before counts too.
        """
        begin = self.first if self.last.time - self.first.time >= least else self.before
        seconds = self.last.time - begin.time
        if not seconds > 0 or math.isnan(self.last.computing):
            return None
        return min(max((self.last.computing - begin.computing) / seconds, 0.0), 1.0)


class Watcher:
    """For the length of a ``with`` block, a thread that sees what slow steps are doing.

    Parameters
    ----------
    run:
        Whose steps.
    slow:
        From how many seconds on a step is slow; infinity for never, and then there is no thread.
    clock:
        Gives the time of the looks, in seconds of real time.

    Attributes
    ----------
    seen:
        What it saw, `MOST` at least if there was so much; all times by `clock`.
    """

    def __init__(
        self, run: Watched, slow: float, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        self.seen: list[Seen] = []
        self._run = run
        self._slow = slow
        self._clock = clock
        self._pause = max(slow / 2, _SHORTEST_PAUSE)
        self._stop, self._gone = _lock(), _lock()
        self._computing = _computing_clock(run.thread)
        self._step: Seen | None = None
        self._process = 0

    def __enter__(self) -> None:
        if self._slow == math.inf:
            return
        # Here, because the thread may not come to look before a call lets go of the GIL.
        self._before = self._look()
        self._stop.acquire()
        self._gone.acquire()
        # Not `threading.Thread`: its locks belong to what is replaced for the length of a run.
        with suppress(RuntimeError):  # no more threads to be had: then nobody looks
            _thread.start_new_thread(self._watch, ())
            self._process = os.getpid()

    def __exit__(self, *exc_info: object) -> None:
        if self._process == os.getpid():  # else there is no thread, or it is not in this fork of the process
            self._stop.release()
            self._gone.acquire()

    def _watch(self) -> None:
        try:
            stopped = self._stop.acquire
            pause, before = self._pause, self._before
            while not stopped(True, max(before.time + pause - self._clock(), 0.0)):
                look = self._look()
                try:
                    pause = self._see(before, look, pause)
                except (IndexError, AttributeError):
                    pause = self._pause  # caught in the middle of a change; the next look will do
                before = look
            self._leave(self._look())
        finally:
            self._gone.release()

    def _look(self) -> Look:
        return Look(self._clock(), self._computing())

    def _see(self, before: Look, look: Look, pause: float) -> float:
        """Note what goes on now; give the time until the next look."""
        run, step = self._run, self._step
        number, task = run.running_step if run.stepping else (-1, None)
        if step is not None and step.number == number:
            step.last = look
            self._sample(step, task, look.time - before.time)
            # The longer it takes already, the less a bit more matters.
            closer = max(self._slow / 4, (look.time - step.first.time) / 8, _SHORTEST_PAUSE)
            return min(closer, _LONGEST_PAUSE)
        self._leave(look)
        if task is not None:
            self._step = step = Seen(number, task.row, run.now(), before, look)
            if look.time - before.time - pause > self._slow / 2:
                # The look is late: the step did not let go of the GIL since it was due.
                step.first = Look(before.time + pause, before.computing)
            # Also where it is the only look: to look at the stack is cheap, to wake up is not.
            self._sample(step, task, (look.time - before.time) / 2)
        return self._pause

    def _leave(self, look: Look) -> None:
        """The step that was watched is over."""
        step, self._step = self._step, None
        if step is None or not step.samples:
            return
        step.after = look.time
        self.seen.append(step)
        if len(self.seen) > 2 * MOST:
            self.seen = longest(self.seen)

    def _sample(self, step: Seen, task: Any, seconds: float) -> None:
        home = home_of(task.coroutine)
        if not _INTERPRETERS.isdisjoint(sys.modules):
            return
        sample = sample_of(sys._current_frames().get(self._run.thread), home)
        # Was it really this step's?
        if sample is not None and self._run.stepping and self._run.running_step[0] == step.number:
            step.samples[sample] = step.samples.get(sample, 0.0) + seconds


def longest(seen: list[Seen]) -> list[Seen]:
    """Give the `MOST` longest, in the order in which they took place."""
    kept = sorted(seen, key=lambda step: step.begin - step.end)[:MOST]
    return sorted(kept, key=lambda step: step.begin)


def _computing_clock(thread: int) -> Callable[[], float]:
    """Give a clock of the time for which a thread, which must be there, had a processor or wanted one."""
    if thread == _get_ident():
        with suppress(AttributeError, OSError, ValueError, IndexError):
            number = _thread.get_native_id()
            _scheduled(number)
            return lambda: _scheduled(number)
    identify = getattr(time, "pthread_getcpuclockid", None)
    if identify is None:
        return lambda: math.nan
    clock = identify(thread)
    return lambda: _clock_gettime(clock)


def _scheduled(number: int) -> float:
    """Give for how many seconds a thread of this process had a processor, or waited for one, on Linux.

    Where more processes compute than there are processors, a thread that does nothing but compute has one for
    a part of the time only, and would be taken for one that is blocked.
    """
    descriptor = _open(f"/proc/self/task/{number}/schedstat", os.O_RDONLY | os.O_CLOEXEC)
    try:
        running, waiting, *_ = _read(descriptor, 100).split()
    finally:
        _close(descriptor)
    return (int(running) + int(waiting)) / 1e9


def sample_of(frame: FrameType | None, home: str | None) -> Sample | None:
    """Give where a stack is: the nearest instruction in the file `home`, or else in any but ours."""
    # Frames are let go of before this returns: they would keep alive what the user's code works with.
    innermost = found = None
    while frame is not None:
        if not ours(frame.f_code):
            innermost = innermost or frame
            if home is None or frame.f_code.co_filename == home:
                found = frame
                break
        frame = frame.f_back
    found = found or innermost
    if found is None or innermost is None:
        return None
    inside = ""
    if innermost is not found:
        inside = f"{innermost.f_globals.get('__name__', '?')}.{innermost.f_code.co_qualname}"
    return Sample(found.f_code, found.f_lasti, inside)


def slow_steps(
    name: Callable[[int], str],
    measured: LongSteps | None,
    seen: Sequence[Seen],
    slow: float,
    origin: float | None,
) -> tuple[list[SlowStep], int]:
    """Bring together what was measured and what was seen.

    Parameters
    ----------
    name:
        Gives a row's name.
    measured:
        The steps that the trace knows to be long; None without a trace.
    seen:
        What a `Watcher` saw.
    slow:
        From how many seconds on a step is slow.
    origin:
        When the run began, by the watcher's clock; None where the run's clock is another one, and then
        what was measured by it says nothing.

    Returns
    -------
    the longest first, `MOST` at most, and how many there were
    """
    if measured is None or origin is None:
        found = [_approximate(name, step, step.at if origin is None else step.begin - origin,
                              step.end - step.begin, slow) for step in seen]  # fmt: skip
        found = [step for step in found if step.seconds >= slow]
        count = len(found)
    else:
        found, count = _measured(name, measured, seen, slow, origin)
    found.sort(key=lambda step: -step.seconds)
    return found[:MOST], count


def _measured(
    name: Callable[[int], str], measured: LongSteps, seen: Sequence[Seen], slow: float, origin: float
) -> tuple[list[SlowStep], int]:
    # One thing at a time: whatever was seen lies in one step or batch at most.
    lasting = sorted([*measured.steps(), *((-1, *batch) for batch in measured.batches())],
                     key=lambda each: each[1])  # fmt: skip
    begins = [begin for _, begin, _ in lasting]
    during: list[list[Seen]] = [[] for _ in lasting]
    for each in seen:
        at = bisect_right(begins, each.last.time - origin) - 1
        if at >= 0 and each.last.time - origin <= begins[at] + lasting[at][2]:
            during[at].append(each)
    found: list[SlowStep] = []
    count = measured.count
    for (row, begin, seconds), there in zip(lasting, during, strict=True):
        if row >= 0:
            mine = [each for each in there if each.row == row]
            best = max(mine, key=lambda each: sum(each.samples.values()), default=None)
            what = {} if best is None else _what(best, slow)
            found.append(SlowStep(name(row), row, begin, seconds, **what))
            continue
        # Bare yields are timed together. Whose step it was, the watcher saw.
        for each in there:
            low = max(begin, each.begin - origin)
            high = min(begin + seconds, each.end - origin)
            if high - low >= slow:
                found.append(_approximate(name, each, low, high - low, slow))
                count += 1
    return found, count


def _approximate(
    name: Callable[[int], str], step: Seen, begin: float, seconds: float, slow: float
) -> SlowStep:
    return SlowStep(name(step.row), step.row, max(begin, 0.0), seconds, exact=False, **_what(step, slow))


def _what(step: Seen, slow: float) -> dict[str, Any]:
    """Give where a step was for most of the time, and what it called there."""
    at_lines: dict[Where, float] = {}
    for sample, seconds in step.samples.items():
        line = _position(sample)[0]
        if line is not None:
            place = Where(sample.code.co_filename, line)
            at_lines[place] = at_lines.get(place, 0.0) + seconds
    if not at_lines:
        return {"busy": step.busy(slow / 2)}
    where = max(at_lines, key=lambda place: at_lines[place])
    there = [
        sample for sample in step.samples if (sample.code.co_filename, _position(sample)[0]) == where
    ]
    sample = max(there, key=lambda sample: step.samples[sample])
    return {
        "where": where,
        "call": call_at(sample),
        "inside": sample.inside,
        "text": linecache.getline(*where).strip()[:_LENGTH],
        "busy": step.busy(slow / 2),
    }


def _position(sample: Sample) -> tuple[int | None, int | None, int | None, int | None]:
    nowhere = (None, None, None, None)
    return next(islice(sample.code.co_positions(), max(sample.instruction, 0) // 2, None), nowhere)


def call_at(sample: Sample) -> str:
    """Give the source text of what a sample's instruction does, if that is a call or an import."""
    line, last, begin, end = _position(sample)
    if line is None or last is None or begin is None or end is None:
        return ""
    # The columns count bytes of UTF-8.
    lines = [linecache.getline(sample.code.co_filename, each).encode() for each in range(line, last + 1)]
    if not all(lines):
        return ""
    lines[-1] = lines[-1][:end]
    lines[0] = lines[0][begin:]
    text = b"".join(lines).decode(errors="replace")
    try:
        statements = ast.parse(f"({text}\n)").body
    except SyntaxError:
        return " ".join(text.split())[:_LENGTH] if text.startswith(("import ", "from ")) else ""
    calls = isinstance(statements[0], ast.Expr) and isinstance(statements[0].value, ast.Call)
    return " ".join(text.split())[:_LENGTH] if calls else ""
