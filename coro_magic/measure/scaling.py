"""How a program's time falls with the number of processes that its coroutines are dealt out to."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..engines.program import Program
from .cores import cores
from .options import Options
from .process import CannotBegin
from .run import Run

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Floats = NDArray[np.float64]

NAME = "processes"


@dataclass(frozen=True)
class Scaling:
    """What a program took in so many processes.

    Attributes
    ----------
    processes:
        The numbers of processes that were measured, in the order in which they were given.
    seconds:
        What each took, float64 of shape (len(processes), repeats).
    cores:
        How many processors this process may really use.
    wanted:
        How many numbers were asked for.
    note:
        Why there are fewer, or ``""``.
    """

    processes: tuple[int, ...]
    seconds: Floats
    cores: int
    wanted: int
    note: str = ""

    @property
    def medians(self) -> Floats:
        """The median seconds of each; shape (len(processes),)."""
        return np.median(self.seconds, axis=1) if len(self.processes) else np.zeros(0)

    @property
    def speedups(self) -> Floats:
        """How many times as fast as in the fewest processes, times their number; shape (len(processes),).

        With one process among them, how many times as fast as in one. The ideal is the number of
        processes, up to `cores`.
        """
        if not self.processes:
            return np.zeros(0)
        least = int(np.argmin(self.processes))
        return np.asarray(self.processes[least] * self.medians[least] / self.medians, np.float64)

    def summary(self) -> str:
        """Give it in words."""
        return Run.views().scaled_in_words(self)

    def picture(self) -> Figure:
        """Draw the speedup against the number of processes, with the ideal line; a matplotlib Figure."""
        return Run.views().scaled(self)

    def _repr_png_(self) -> tuple[bytes, dict[str, str]]:
        return Run.views().displayed(self.picture())

    def __repr__(self) -> str:
        return self.summary()


def conduct(
    program: Program,
    namespace: dict[str, Any],
    options: Options,
    counts: Sequence[float],
    tell: Callable[[str], None] = lambda what: None,
) -> Scaling:
    """Measure a program in several numbers of processes, untraced, in turns if it is to be repeated.

    What it prints is thrown away: the run that is shown has printed it. An interrupt keeps what is done,
    and is noted.

    Raises
    ------
    CannotBegin
        If a number is none of processes.
    """
    numbers = _checked(counts)
    took: dict[int, list[float]] = {}
    note = ""
    try:
        for turn in range(max(options.repeat, 1)):
            for number in numbers if turn % 2 == 0 else numbers[::-1]:
                if note:
                    break
                tell(f"in {number} processes" if number > 1 else "in 1 process")
                seconds, note = _took(program, namespace, options, number)
                if not note:
                    took.setdefault(number, []).append(seconds)
    except KeyboardInterrupt:
        note = "interrupted"
    except CannotBegin as reason:
        note = str(reason)
    # Those that lack a turn would not be rows of one array.
    turns = max(map(len, took.values()), default=0)
    whole = [number for number in numbers if len(took.get(number, ())) == turns > 0]
    measured = np.array([took[number] for number in whole], np.float64).reshape(len(whole), turns)
    return Scaling(tuple(whole), measured, cores(), len(numbers), note)


def _checked(counts: Sequence[float]) -> list[int]:
    numbers = [int(count) for count in counts]
    if any(number != count or number < 1 for number, count in zip(numbers, counts, strict=True)):
        raise CannotBegin("sweep: processes are whole numbers, 1 or more")
    return list(dict.fromkeys(numbers))


def _took(
    program: Program, namespace: dict[str, Any], options: Options, number: int
) -> tuple[float, str]:
    # Here and not above: it brings in what only runs in several processes need.
    from .shares import run_shares

    nobody = io.StringIO()
    plain = replace(options, processes=number, sweep=None, repeat=0, trace="off")
    with redirect_stdout(nobody), redirect_stderr(nobody):
        run = run_shares(program, namespace, plain, show=lambda value: None)
    if run.interrupted:
        raise KeyboardInterrupt
    if run.error is not None:
        return 0.0, f"in {number} processes the program failed: {run.error}"
    return run.elapsed, ""
