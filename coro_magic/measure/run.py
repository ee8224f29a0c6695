"""`Run`: everything that is known about one run, and about the same program on threads.

How a run looks is not decided here. The methods that draw or write ask `Run.views`, which the
package sets: this room does not know the one above it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, TypeVar

from ..engines.garbage import collected
from ..engines.printed import Printed
from ..engines.record import Steps
from ..engines.shared import Told
from ..engines.slow import SlowStep
from ..engines.stacks import StackFrame
from ..engines.trace import Trace
from ..language import State, Task

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from .compare import Comparison
    from .hazards import Hazard
    from .repeats import Repeats
    from .scaling import Scaling
    from .sweep import Sweep


_Error = TypeVar("_Error", bound=BaseException)


class Views(Protocol):
    """What the room above does for a `Run`."""

    def summary(self, run: Run) -> str: ...
    def timeline(self, run: Run) -> Figure: ...
    def throughput_plot(self, run: Run) -> Figure: ...
    def picture(self, run: Run) -> Figure: ...
    def to_dict(self, run: Run) -> dict[str, Any]: ...
    def save(self, run: Run, path: str | os.PathLike[str]) -> None: ...
    def compared(self, comparison: Comparison) -> Figure: ...
    def compared_in_words(self, comparison: Comparison) -> str: ...
    def scaled(self, scaling: Scaling) -> Figure: ...
    def scaled_in_words(self, scaling: Scaling) -> str: ...
    def swept(self, sweep: Sweep) -> Figure: ...
    def swept_in_words(self, sweep: Sweep) -> str: ...
    def displayed(self, figure: Figure) -> tuple[bytes, dict[str, str]]: ...


@dataclass(frozen=True)
class Difference:
    """Something that came out differently on the two sides.

    Attributes
    ----------
    name:
        The coroutine whose result differs; or the shared name, as ``counter``, ``account.balance`` or
        ``counts['a']``.
    coroutines, threads:
        The two results, or what the name was bound to at the end, as short text; of another side than
        threads the second is that side's.
    kind:
        ``"result"`` or ``"name"``.
    """

    name: str
    coroutines: str
    threads: str
    kind: str = "result"


@dataclass(frozen=True)
class Process:
    """One of the processes of a run.

    Attributes
    ----------
    number:
        Which, from 1.
    first, rows:
        Its rows in the run's trace: the first, and how many.
    pid:
        Its id, 0 where that is not known.
    begin, elapsed, cpu:
        When it began, since the run began, how long it took, and its processor time; in seconds.
    lost:
        Why nothing came back from it; ``""`` if it did.
    """

    number: int
    first: int
    rows: int
    pid: int
    begin: float
    elapsed: float
    lost: str = ""
    cpu: float = 0.0


@dataclass
class Run:
    """What is known about a run: what its coroutines came to, what each did when, and how threads did.

    ``%%coroutines -o run`` binds it, and `coro_magic.run` gives it.

    Attributes
    ----------
    tasks:
        The tasks, in the order in which they were handed over. The first is the cell's body, where
        there is one.
    trace:
        What happened, a `Trace`.
    elapsed:
        Seconds from the first step to the last, by the run's clock.
    switches:
        How many steps were made, an int.
    error:
        What the cell failed with, or None.
    interrupted:
        Whether the user stopped it.
    virtual:
        Whether the clock was virtual: `elapsed` and all other times are seconds of that clock then.
    output:
        What was printed, where it did not go to the notebook (the baseline).
    never_started:
        Names of coroutines that were neither handed over nor driven by hand.
    baseline:
        The same program with one thread per coroutine, a Run; None if there is none.
    baseline_note:
        Why there is no baseline, a text; empty where there is one.
    complete:
        Whether the program came to its end. A baseline past its budget did not.
    started, wanted:
        For a baseline: how many threads could be started, of how many. Else both are the number of
        coroutines, the body not counted.
    refused:
        Whether the system refused to start one more thread.
    differences:
        Where the results of both sides differ, or what the names that the coroutines share were bound to
        at the end: `Difference`s, those of names first. Of one of `others`: where it differs from the
        coroutines.
    hazards:
        Where a coroutine writes what it has computed from a shared value that it read before others may
        have run: `Hazard`s.
    others:
        The same program on what else the option ``against`` names ("asyncio", say), Runs by that name, in
        the order given; of a run in several processes "one process", too.
    other_notes:
        Why one of those is missing, texts by the same names.
    notes:
        What else is worth knowing, a list of sentences, as the summary has them.
    slow_steps:
        The steps that went on for longer than the option ``slow_step`` without a switch, so that nobody
        else could run: `SlowStep`s with coroutine, line, call and length, the longest first, 1,000 at
        most. Of threads none are known.
    slow_count:
        How many there were, an int.
    options:
        The options it was made with, by name.
    has_body:
        Whether the first row is the body of a cell (or script), which `count` leaves out.
    printed:
        What was printed, and by whom; `Printed`.
    stacks:
        The stacks of those who failed, were cancelled or had not ended by themselves, by row, each the
        outermost call first; a bounded number of them. Of who was cancelled while the run went on, values
        whose repr is not Python's own are given by their kind.
    steps:
        Every switch with the stack of who ran, `Steps`; None unless the option ``record`` was on.
    repeats:
        How long both sides took when they ran again, in turns and untraced, `Repeats`; None unless the
        option ``repeat`` asked for it.
    sweep:
        What both sides took for many values of a name, `Sweep`; None unless the option ``sweep`` asked for
        it.
    scaling:
        What it took in several numbers of processes, `Scaling`; None unless the option ``sweep`` asked for
        ``processes``.
    processes:
        The processes that it ran in, `Process`es; empty for a run in the kernel.
    """

    tasks: list[Task]
    trace: Trace
    elapsed: float
    switches: int
    error: BaseException | None = None
    interrupted: bool = False
    virtual: bool = False
    output: str = ""
    never_started: list[str] = field(default_factory=list)
    baseline: Run | None = None
    baseline_note: str = ""
    complete: bool = True
    started: int = 0
    wanted: int = 0
    refused: bool = False
    others: dict[str, Run] = field(default_factory=dict)
    other_notes: dict[str, str] = field(default_factory=dict)
    differences: list[Difference] = field(default_factory=list)
    hazards: list[Hazard] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    slow_steps: list[SlowStep] = field(default_factory=list)
    slow_count: int = 0
    options: Mapping[str, Any] = field(default_factory=dict)
    has_body: bool = False
    printed: Printed = field(default_factory=Printed)
    stacks: dict[int, list[StackFrame]] = field(default_factory=dict)
    steps: Steps | None = None
    repeats: Repeats | None = None
    sweep: Sweep | None = None
    scaling: Scaling | None = None
    processes: list[Process] = field(default_factory=list)
    # What shared names were bound to at the end.
    _shared: dict[str, dict[str, Told]] = field(default_factory=dict, repr=False, compare=False)
    # Whether an interrupt cut short what was measured after the run.
    _stopped: bool = field(default=False, repr=False, compare=False)
    # What runs the same program again, given all options by name.
    _repeat: Callable[[dict[str, Any]], Run] | None = field(default=None, repr=False, compare=False)

    views: ClassVar[Callable[[], Views]]

    @property
    def unit(self) -> str:
        """What a row stands for: ``"coroutine"``, ``"thread"``, ``"call"``, ``"task"`` or ``"greenlet"``."""
        return self.trace.unit

    @property
    def count(self) -> int:
        """How many coroutines (or threads) there were, those driven by hand too, the body not counted."""
        # Every process has run the body.
        bodies = sum(1 for each in self.processes if not each.lost) or 1
        return len(self.trace) - (bodies if self.has_body else 0)

    @property
    def results(self) -> dict[str, Any]:
        """What each task returned, by the task's unique name; only of those that are done."""
        return {task.name: task._value for task in self.tasks if task.state is State.DONE}

    @property
    def throughput(self) -> float:
        """Resumptions per second; 0.0 for a run that took no time."""
        return self.switches / self.elapsed if self.elapsed > 0 else 0.0

    @property
    def left_over(self) -> list[Task]:
        """The tasks that were still waiting for more when nothing else could go on."""
        return [task for task in self.tasks if task.state is State.LEFT_OVER]

    @property
    def failures(self) -> int:
        """How many tasks failed."""
        return sum(task.state is State.FAILED for task in self.tasks)

    @property
    def nobody_finished(self) -> bool:
        """Whether all coroutines were left over, waiting for a message that nobody was left to send."""
        tasks = self.tasks[int(self.has_body) :]
        return bool(tasks) and all(task.state is State.LEFT_OVER for task in tasks)

    @property
    def went_wrong(self) -> bool:
        """Whether anything failed: the body (or the whole), or one of the tasks."""
        return self.error is not None or self.failures > 0

    def did_as(self, other: Run) -> bool:
        """Say whether another side was given the same work and did no less of it, so that times compare.

        How far a side came that was stopped is not asked here: see `complete`.
        """
        if self.count == 0 or self.nobody_finished:
            return False  # there was nobody but the cell's body, or all got stuck: a ratio would be noise
        if other.refused or other.started < other.wanted:
            return False
        if (self.error is None) is not (other.error is None):
            return False
        return self.went_wrong is other.went_wrong and other.failures <= self.failures

    @property
    def speedup(self) -> float | None:
        """How many times as fast as the threads the coroutines were; None without a baseline.

        With `repeats` it is their median. If the threads did not come to their end
        (`baseline.complete`) it is a lower bound. Where both sides did not do the same (see `did_as`: one
        of them failed, say) it is None, too.
        """
        if self.repeats is not None and len(self.repeats):
            return self.repeats.median
        if self.baseline is None or self.elapsed <= 0 or not self.did_as(self.baseline):
            return None
        return self.baseline.elapsed / self.elapsed

    def _interrupt(self) -> None:
        """Note that the user has stopped it, or what it is compared with."""
        self.interrupted = True
        self.error = self.error or KeyboardInterrupt()

    @property
    def _cut_short(self) -> bool:
        """Whether the user stopped it, or what was measured after it."""
        return self.interrupted or self._stopped

    def _stopped_by(self) -> KeyboardInterrupt | None:
        """Give what to raise if it was cut short, with the Run as its attribute ``run``; else None.

        What the coroutines failed with is its cause: whoever looks out for that must not go on, either.
        """
        if not self._cut_short:
            return None
        if isinstance(self.error, KeyboardInterrupt):
            stopped = self.error
        else:
            stopped = KeyboardInterrupt()
            stopped.__cause__ = self.error
        return with_run(stopped, self)

    def summary(self) -> str:
        """Give the run in words."""
        return Run.views().summary(self)

    def timeline(self) -> Figure:
        """Draw what every coroutine was doing when, and every thread; a matplotlib Figure."""
        return Run.views().timeline(self)

    def throughput_plot(self) -> Figure:
        """Draw the resumptions of both sides against time; a matplotlib Figure."""
        return Run.views().throughput_plot(self)

    def picture(self) -> Figure:
        """Draw timeline and throughput together, as the notebook shows them; a matplotlib Figure."""
        return Run.views().picture(self)

    def to_dict(self) -> dict[str, Any]:
        """Give the run as plain dicts, lists, numbers and strings, ready for JSON; see `show.document`."""
        return Run.views().to_dict(self)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the run to a file: whole, or not at all.

        Parameters
        ----------
        path:
            Its suffix says what: .png, .svg and .pdf the picture; .html the interactive timeline, one
            file that needs nothing else; .json all of `to_dict`, which `coro_magic.load` reads back;
            .perfetto.json a trace for Perfetto and chrome://tracing; .csv one line per coroutine.

        Raises
        ------
        ValueError
            If the suffix is another one.
        OSError
            If it cannot be written; what was there before stays as it was.
        """
        Run.views().save(self, path)

    def again(self, **options: Any) -> Run:
        """Run the same program again, in the same namespace, as its cell would when it is run again.

        Coroutines that were given to `coro_magic.run` are made anew, with the same arguments: a list that the
        first run emptied is empty, and a channel that it closed is closed.

        Parameters
        ----------
        options:
            What is to be different, as for `coro_magic.run`; the others stay as they were.

        Returns
        -------
        Run
            The new one. What its coroutines did wrong is in its `error`, and is not raised.

        Raises
        ------
        TypeError, ValueError
            If an option is not one.
        RuntimeError
            If a run is going on, or this is not the main thread; or if nobody knows the program: a
            baseline cannot be run again by itself.
        KeyboardInterrupt
            If the user stopped it, as of `coro_magic.run`: the new run is its attribute ``run``.
        """
        if self._repeat is None:
            raise RuntimeError(
                "this run cannot be made again, because its program is not known: run the cell again instead"
            )
        collected()
        new = self._repeat({**self.options, **options})
        stopped = new._stopped_by()
        if stopped is not None:
            raise stopped
        return new

    def compare(self, other: Run) -> Comparison:
        """Compare this run with another one, of the same program or not; see `Comparison`.

        Raises
        ------
        TypeError
            If `other` is no Run.
        """
        from .compare import Comparison

        if not isinstance(other, Run):
            raise TypeError(f"compare() takes another Run, not {type(other).__name__}")
        return Comparison(self, other)

    def __repr__(self) -> str:
        return f"<Run: {self.summary().splitlines()[0]}>"


def with_run(error: _Error, run: Run) -> _Error:
    """Give `error` with the Run as its attribute ``run``, where it can have one."""
    with suppress(AttributeError):
        error.run = run  # type: ignore[attr-defined]
    return error
