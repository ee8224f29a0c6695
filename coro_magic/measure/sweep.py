"""A program for many values of a name, on both engines: what one more coroutine costs, and one more thread.

Every point is measured in a worker process, untraced, each side in turn (the other sides of ``--against``,
too): each in a new one at every point, because memory that was freed is used again, and its growth not seen.
Once the threads of a point cannot be started, or run past their budget, no larger one is tried with threads;
so it is with the others. Once the coroutines run past theirs (``--baseline-budget``, or a minute) the sweep
ends with that point.
"""

from __future__ import annotations

import inspect
import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..engines.calls import Call, Calls
from ..engines.jobs import Job, Report
from ..engines.program import Program
from .baseline import imported_by, prepare
from .options import Options
from .process import NoBaseline, ask, renew
from .repeats import SIDES, Repeats
from .run import Run
from .values import check_different

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Floats = NDArray[np.float64]
_MIN_BUDGET = 2.0  # seconds
_BUDGET_FACTOR = 10
_BUDGET = 60.0  # seconds; for the coroutines of one point, each time they run
_QUICK = 0.1  # seconds
_FRESH = 100  # points, up to which each side of each has a process of its own


@dataclass(frozen=True)
class Measured:
    """What one side took at one point, once or in several repeats.

    Attributes
    ----------
    count:
        How many coroutines (or threads) there were, the body not counted.
    seconds, cpu:
        Seconds by the clock, and of processor time, float64 of shape (repeats,).
    memory:
        By how many bytes the process grew, in the repeat in which it grew most; nan where nobody knows.
    switches:
        Of coroutines, how many steps they made; 0 of threads, where without a trace nobody counts.
    note:
        Why it did not come to its end, or ``""``. Then `seconds` says when it was stopped.
    """

    count: int
    seconds: Floats
    cpu: Floats
    memory: float
    switches: int
    note: str = ""

    @property
    def whole(self) -> bool:
        """Whether it came to its end."""
        return not self.note


@dataclass(frozen=True)
class Point:
    """One value of every name, and what each side took; None where that was not tried.

    `others` are the other sides of ``--against`` that were tried, by name.
    """

    values: dict[str, float]
    coroutines: Measured | None
    threads: Measured | None
    others: dict[str, Measured] = field(default_factory=dict)

    def side(self, name: str) -> Measured | None:
        """Give what a side took, by its name: ``"coroutines"``, ``"threads"``, ``"asyncio"`` ..."""
        if name in SIDES:
            measured: Measured | None = getattr(self, name)
            return measured
        return self.others.get(name)

    @property
    def pairs(self) -> Repeats | None:
        """Both sides' times, as many pairs as there are repeats; None unless both came to their ends."""
        ours, theirs = self.coroutines, self.threads
        if not (ours and theirs and ours.whole and theirs.whole):
            return None
        return Repeats(len(ours.seconds), ours.seconds, theirs.seconds, ours.cpu, theirs.cpu)


@dataclass
class Sweep:
    """A program, measured for many values of one or more names.

    Attributes
    ----------
    names:
        The names, as they were given.
    points:
        What was measured, in order: the values of the first name change most slowly.
    wanted:
        How many points were asked for.
    note:
        Why there are fewer, or ``""``.
    other_notes:
        Why one of the other sides is missing, by its name.
    """

    names: tuple[str, ...]
    points: list[Point] = field(default_factory=list)
    wanted: int = 0
    note: str = ""
    other_notes: dict[str, str] = field(default_factory=dict)

    @property
    def sides(self) -> tuple[str, ...]:
        """The sides that were tried at some point: coroutines and threads first."""
        others = dict.fromkeys(name for point in self.points for name in point.others)
        return (*(side for side in SIDES if any(point.side(side) for point in self.points)), *others)

    def column(self, side: str, what: str) -> Floats:
        """Give a figure at every point; float64 of shape (points,), nan where there is none.

        Parameters
        ----------
        side:
            ``"coroutines"``, ``"threads"`` or the name of another of the `sides`.
        what:
            ``"seconds"`` or ``"cpu"`` (the median of the repeats), ``"memory"`` in bytes, ``"count"``, or
            ``"throughput"``: the steps that the coroutines make, by the seconds that this side takes for
            the same program.

        Only what came to its end has figures.
        """
        return np.array([self._figure(point, side, what) for point in self.points], np.float64)

    def _figure(self, point: Point, side: str, what: str) -> float:
        measured = point.side(side)
        if measured is None or not measured.whole:
            return float("nan")
        if what == "throughput":
            steps = point.coroutines.switches if point.coroutines is not None else 0
            return steps / float(np.median(measured.seconds)) if steps else float("nan")
        return float(np.median(getattr(measured, what)))

    @property
    def ratios(self) -> Floats:
        """How many times as fast as the threads the coroutines were, at every point; shape (points,)."""
        pairs = [point.pairs for point in self.points]
        return np.array([float("nan") if each is None else each.median for each in pairs], np.float64)

    @property
    def limits(self) -> list[Point]:
        """The points at which the threads could not all be started, or were stopped."""
        return [point for point in self.points if point.threads is not None and not point.threads.whole]

    def summary(self) -> str:
        """Give the sweep in words, a line for every point."""
        return Run.views().swept_in_words(self)

    def picture(self) -> Figure:
        """Draw throughput, time, processor time and memory against the first name; a matplotlib Figure."""
        return Run.views().swept(self)

    def _repr_png_(self) -> tuple[bytes, dict[str, str]]:
        return Run.views().displayed(self.picture())

    def __repr__(self) -> str:
        return self.summary()


def conduct(
    values: Mapping[str, Sequence[float]],
    job_of: Callable[[dict[str, float]], Job],
    *,
    repeat: int = 1,
    threads: bool = True,
    others: Sequence[str] = (),
    tell: Callable[[str], None] = lambda what: None,
    budget_of: Callable[[float], float],
) -> Sweep:
    """Measure a program for all combinations of some values.

    Parameters
    ----------
    job_of:
        Gives the program with these values of the names. May raise `NoBaseline`.
    repeat:
        How many times each side runs at every point, in turns.
    threads:
        Whether to measure threads.
    others:
        What else to measure: engines, as ``--against`` names them.
    tell:
        Called with what is measured next.
    budget_of:
        Gives the seconds that threads may take where coroutines took so many.

    An interrupt keeps what is done, and is noted.
    """
    names = tuple(values)
    grid = [dict(zip(names, each, strict=True)) for each in itertools.product(*values.values())]
    sweep = Sweep(names, wanted=len(grid))
    # Where a side could not go on.
    given_up: dict[str, list[dict[str, float]]] = {side: [] for side in (*SIDES, *others)}
    smallest = min(grid, key=lambda each: math.prod(map(abs, each.values())))
    try:
        measuring = _Measuring(
            job_of(smallest), len(grid) <= _FRESH, max(repeat, 1), budget_of, sweep.other_notes
        )
        for number, at in enumerate(grid):
            said = f"sweep, point {number + 1} of {len(grid)}: " + said_values(at)
            job = job_of(at)
            wanted = [
                side
                for side in (*SIDES[: 1 + threads], *others)
                if side not in sweep.other_notes
                and not any(all(at[name] >= limit[name] for name in names) for limit in given_up[side])
            ]
            tell(said)
            reports = measuring.reports(job, wanted)
            ours, theirs = (_summed_up(reports.pop(side, [])) for side in SIDES)
            rest = {side: measured for side, each in reports.items() if (measured := _summed_up(each))}
            point = Point(at, ours, theirs, rest)
            sweep.points.append(point)
            for side in wanted:
                measured = point.side(side)
                if measured is not None and not measured.whole:
                    given_up[side].append(at)
            if point.coroutines is not None and not point.coroutines.whole:
                sweep.note = f"{said_values(at)}: the coroutines {point.coroutines.note}"
                break
    except KeyboardInterrupt:
        sweep.note = "interrupted"
    except NoBaseline as reason:
        at = grid[min(len(sweep.points), len(grid) - 1)]
        sweep.note = f"{said_values(at)}: {reason}"
    return sweep


def sweep(
    function: Callable[..., Any], values: Mapping[str, Sequence[float]], **options: Any
) -> Sweep:
    """Measure a function as the first coroutine for many values of its arguments, on both engines.

    What ``%%coroutines --sweep`` does for a cell, for a function of any module::

        coro_magic.sweep(many_clients, {"n": [1, 10, 100, 1000]}, repeat=5)

    Parameters
    ----------
    function:
        A generator function, an ``async def`` or a plain function, called with the values by name.
    values:
        For each name its values; several names make a grid.
    options:
        ``order``, ``seed``, ``on_error``, ``repeat``, ``baseline``, ``baseline_budget`` and ``against``, as
        for `coro_magic.run`. A side that is still running at a point when its budget is over is stopped: that
        is ``baseline_budget``, without it 60 s for the coroutines, and for the others the larger of 2 s
        and 10 times what the coroutines took there.

    Raises
    ------
    TypeError, ValueError
        If an option is not one, or has no such value; or if there is nothing to go over.
    NoBaseline
        If the function cannot be copied to the worker process; the message says why.
    KeyboardInterrupt
        If the user stopped it. The Sweep, with the points that were done, is its attribute ``sweep``.
    """
    checked = Options.of(**options)
    if not callable(function):
        raise TypeError(f"sweep() takes a function, not {type(function).__name__}")
    values = _checked_values(function, values)
    namespace = getattr(function, "__globals__", {})
    first = Calls((Call(function, (), {name: each[0] for name, each in values.items()}),))
    job = job_for(first, prepare(first, namespace), checked)

    def job_of(at: dict[str, float]) -> Job:
        return replace(job, program=Calls((Call(function, (), at),)))

    measured = conduct(
        values, job_of, repeat=checked.repeat, threads=checked.threads, others=checked.others,
        budget_of=lambda seconds: threads_budget(checked, seconds),
    )  # fmt: skip
    if measured.note == "interrupted":
        stopped = KeyboardInterrupt()
        stopped.sweep = measured  # type: ignore[attr-defined]
        raise stopped
    return measured


def _checked_values(
    function: Callable[..., Any], values: Mapping[str, Sequence[float]]
) -> dict[str, list[float]]:
    if not isinstance(values, Mapping):
        raise TypeError(f"sweep() takes a dict of names with their values, not {type(values).__name__}")
    checked: dict[str, list[float]] = {}
    for name, each in values.items():
        if isinstance(each, str | bytes) or not isinstance(each, Iterable):
            raise TypeError(f"sweep() takes a list of numbers for {name}, not {each!r}")
        checked[name] = list(each)
        for value in checked[name]:
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise TypeError(f"sweep() takes numbers for {name}, and {value!r} is none")
        check_different(name, checked[name])
    if not checked or not all(checked.values()):
        raise ValueError("sweep() takes a dict of names with their values, and there are none")
    try:
        inspect.signature(function).bind(**{name: each[0] for name, each in checked.items()})
    except TypeError as wrong:
        raise TypeError(f"sweep() calls the function with {', '.join(checked)}: {wrong}") from None
    except ValueError:
        pass  # a built-in function that does not tell what it takes
    return checked


def job_for(program: Program | Calls, carried: bytes, options: Options) -> Job:
    """Give what the worker needs to measure a program; its modules are what is imported here."""
    return Job(
        program,
        carried,
        imported_by(program),
        options.baseline_budget or _BUDGET,
        options.detail,
        options.trace == "on",
        options=options.deciding_order(),
    )


def threads_budget(options: Options, seconds: float) -> float:
    """Give the seconds that threads may take where coroutines took `seconds`."""
    return options.baseline_budget or max(_MIN_BUDGET, _BUDGET_FACTOR * seconds)


def said_values(values: Mapping[str, float]) -> str:
    """Give values as a person writes them: ``n = 1,000, m = 2``."""
    return ", ".join(f"{name} = {value:,}" for name, value in values.items())


@dataclass
class _Measuring:
    """How points are measured: which was said when, and what has shown itself since.

    Attributes
    ----------
    warm:
        What every side runs before a point in a new process: what is done for the first time (imports,
        caches) would be paid for by the point.
    fresh:
        Whether each side has a new process at every point, or one for all.
    missing:
        Which of the other sides cannot run the program, and why.
    """

    warm: Job
    fresh: bool
    repeat: int
    budget_of: Callable[[float], float]
    missing: dict[str, str]
    warmed: set[str] = field(default_factory=set)

    def reports(self, job: Job, sides: Sequence[str]) -> dict[str, list[Report]]:
        """Let each side run in turns."""
        reports: dict[str, list[Report]] = {side: [] for side in sides}
        for side in _in_turns(self.repeat, sides):
            done = reports[side]
            if side in self.missing or (done and done[-1].shortfall):
                continue  # a side that could not do it is not asked again
            budget = job.budget
            if side != "coroutines" and reports["coroutines"]:
                budget = self.budget_of(max(report.elapsed for report in reports["coroutines"]))
            try:
                if not done:
                    self._get_ready(side, budget)
                done.append(ask(job.measuring(side, budget)))
            except NoBaseline as reason:
                if side in SIDES:
                    raise NoBaseline(f"{side}: {reason}") from None
                self.missing[side] = str(reason)
        return reports

    def _get_ready(self, side: str, budget: float) -> None:
        if self.fresh:
            renew()
        if side not in self.warmed:
            report = ask(self.warm.measuring(side, budget))
            if not self.fresh or report.elapsed > _QUICK:
                # Once is enough: next to so long a time nothing is done for the first time.
                self.warmed.add(side)


def _in_turns(repeat: int, sides: Sequence[str]) -> Iterator[str]:
    for number in range(repeat):
        # The coroutines are first at first: the others' budget depends on them.
        yield from sides if number % 2 == 0 else sides[::-1]


def _summed_up(reports: list[Report]) -> Measured | None:
    if not reports:
        return None
    known = [report.memory for report in reports if report.memory is not None]
    return Measured(
        count=reports[0].count,
        seconds=np.array([report.elapsed for report in reports], np.float64),
        cpu=np.array([report.cpu for report in reports], np.float64),
        # What one repeat has freed the next may use without growing.
        memory=float(max(known, default=np.nan)),
        switches=reports[0].switches,
        note=reports[-1].shortfall,
    )
