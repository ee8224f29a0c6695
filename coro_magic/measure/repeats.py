"""Both engines in turns, again and again, untraced, in the worker process: a ratio to be trusted.

What a user sees is one run of each side, and traced: the picture. Chance has its part in such a pair, and
so has the trace. Here both sides run under the same conditions, and what comes of it is a median with its
spread. Who goes first changes with every pair, so that neither always finds the machine as the other left it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ..engines.jobs import Job, Report
from .process import NoBaseline, ask

Floats = NDArray[np.float64]

SPREAD = (0.05, 0.95)  # the middle nine tenths of the pairs
CONFIDENCE = 0.95
ENOUGH = 6  # of fewer pairs even the farthest apart do not hold the median between them as surely as that
SIDES = ("coroutines", "threads")
TIMES = ("coroutines", "threads", "coroutines_cpu", "threads_cpu")


@dataclass(frozen=True)
class Repeats:
    """How long each side took, pair by pair.

    Attributes
    ----------
    wanted:
        How many pairs were asked for.
    coroutines, threads:
        Seconds that each side took, float64 of shape (pairs,).
    coroutines_cpu, threads_cpu:
        Seconds of processor time, of the same shape.
    note:
        Why there are fewer pairs than wanted, or ``""``.
    others:
        Seconds that each other side of ``--against`` took in the same turns, by its name, of the same
        shape. One that did not come to its end every time is not among them.
    """

    wanted: int
    coroutines: Floats
    threads: Floats
    coroutines_cpu: Floats
    threads_cpu: Floats
    note: str = ""
    others: dict[str, Floats] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.coroutines)

    def beside(self, name: str) -> Repeats | None:
        """Give the coroutines' times beside another side's, in the place of threads; None if it has none.

        The processor's time of that side is not known.
        """
        if name not in self.others:
            return None
        nobody_knows = np.full(len(self), np.nan)
        return Repeats(self.wanted, self.coroutines, self.others[name], self.coroutines_cpu, nobody_knows)

    @property
    def ratios(self) -> Floats:
        """How many times as fast as the threads the coroutines were, pair by pair; shape (pairs,)."""
        return self.threads / self.coroutines

    @property
    def median(self) -> float:
        """The median of `ratios`; nan without a pair."""
        return float(np.median(self.ratios)) if len(self) else float("nan")

    @property
    def spread(self) -> tuple[float, float]:
        """The 5th and the 95th percentile of `ratios`; nan without a pair."""
        if not len(self):
            return float("nan"), float("nan")
        low, high = np.quantile(self.ratios, SPREAD)
        return float(low), float(high)

    @property
    def interval(self) -> tuple[float, float]:
        """Between which ratios the median lies that ever more pairs would come to, with 95 % confidence.

        It takes nothing for granted of how the ratios are distributed: of any pairs, each lies above that
        median as easily as below it (W. R. Thompson, "On confidence ranges for the median", Annals of
        Mathematical Statistics 7, 1936). More pairs make it narrower. Of fewer than `ENOUGH` it is the lowest
        and the highest ratio, and less sure; nan without a pair.
        """
        if not len(self):
            return float("nan"), float("nan")
        ratios = np.sort(self.ratios)
        outside = _left_out(len(ratios))
        return float(ratios[outside]), float(ratios[-1 - outside])

    @property
    def within_noise(self) -> bool:
        """Whether the pairs do not tell who is faster: equal times lie within the `interval`."""
        low, high = self.interval
        return len(self) < ENOUGH or low <= 1.0 <= high


def _left_out(pairs: int) -> int:
    """Give how many of some sorted ratios may be left out at each end, the rest still holding the median."""
    left_out, tail = 0, 0.5**pairs
    while (tail := tail + math.comb(pairs, left_out + 1) * 0.5**pairs) <= (1 - CONFIDENCE) / 2:
        left_out += 1
    return left_out


def conduct(
    job: Job, wanted: int, tell: Callable[[int], None] = lambda done: None, others: Sequence[str] = ()
) -> Repeats:
    """Run a program `wanted` times on both engines, and on `others`.

    Parameters
    ----------
    job:
        The program and its budget; what else it says of who runs it is not heeded.
    tell:
        Called with the number of pairs that are done, before every pair.

    An interrupt keeps what is done, and is noted; so does a side that does not come to its end.
    """
    pairs: list[tuple[Report, Report]] = []
    beside: dict[str, list[float]] = {name: [] for name in others}
    note = ""
    try:
        while len(pairs) < wanted and not note:
            tell(len(pairs))
            sides = (*SIDES, *beside)
            reports: dict[str, Report] = {}
            for side in sides if len(pairs) % 2 == 0 else sides[::-1]:
                try:
                    reports[side] = ask(job.measuring(side))
                except NoBaseline:
                    if side in SIDES:
                        raise
            for side in SIDES:
                note = note or (reports[side].shortfall and f"the {side} {reports[side].shortfall}")
            if not note:
                pairs.append((reports["coroutines"], reports["threads"]))
                beside = {
                    name: [*seconds, reports[name].elapsed]
                    for name, seconds in beside.items()
                    if name in reports and not reports[name].shortfall
                }
    except KeyboardInterrupt:
        note = "interrupted"
    except NoBaseline as reason:
        note = str(reason)
    coroutines, threads = ([pair[side] for pair in pairs] for side in (0, 1))
    return Repeats(
        wanted,
        np.array([report.elapsed for report in coroutines], np.float64),
        np.array([report.elapsed for report in threads], np.float64),
        np.array([report.cpu for report in coroutines], np.float64),
        np.array([report.cpu for report in threads], np.float64),
        note,
        {name: np.array(seconds, np.float64) for name, seconds in beside.items()} if pairs else {},
    )
