"""Which side was faster, if that can be said: asked for by the headline and by what a run means."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import numpy as np

from ..measure.repeats import ENOUGH, Repeats
from ..measure.run import Run

ABOUT_THE_SAME = 1.05  # within this ratio neither side is called faster
# A single run of each side may differ by so much for no reason at all.
CHANCE = 1.25
MOMENT = 0.005  # seconds; a smaller difference is chance, whatever the ratio


class Verdict(Enum):
    """What can be said of two sides."""

    COROUTINES = "the coroutines were faster"
    THREADS = "the threads were faster"
    SAME = "about the same"
    CHANCE = "too close to tell from one run"
    SHORT = "too short to tell from one run"
    NOISE = "within the noise"
    FEW = "too few pairs to tell"
    UNKNOWN = "the threads were stopped too early to tell"
    NONE = "there is nothing to compare"


@dataclass(frozen=True)
class Judged:
    """A verdict and its ratio: how many times as fast the faster side was, at least 1.

    With `bound` it was more than that: the threads were stopped.
    """

    verdict: Verdict
    ratio: float = 1.0
    bound: bool = False


def judged(run: Run) -> Judged:
    """Say which side was faster."""
    return _judged(run, run.baseline, run.speedup, run.repeats)


def judged_against(run: Run, name: str) -> Judged:
    """Say which was faster, the coroutines or one of the other sides; `Verdict.THREADS` is that side."""
    other = run.others[name]
    pairs = None if run.repeats is None else run.repeats.beside(name)
    return _judged(run, other, other.elapsed / run.elapsed if run.elapsed > 0 else None, pairs)


def _judged(run: Run, baseline: Run | None, ratio: float | None, repeats: Repeats | None) -> Judged:
    if baseline is None or ratio is None or ratio <= 0 or run.interrupted or run.virtual:
        return Judged(Verdict.NONE)
    if not run.did_as(baseline):
        return Judged(Verdict.NONE)
    if not baseline.complete:
        verdict = Verdict.COROUTINES if ratio > ABOUT_THE_SAME else Verdict.UNKNOWN
        return Judged(verdict, ratio, bound=True)
    if repeats is not None and len(repeats):
        return _of_pairs(repeats)
    return _of_one(run.elapsed, baseline.elapsed)


def judged_pairs(pairs: Repeats | None) -> Judged:
    """Say which side was faster in some pairs of runs; a single one is a run of each side."""
    if pairs is None or not len(pairs):
        return Judged(Verdict.NONE)
    if len(pairs) == 1:
        return _of_one(float(pairs.coroutines[0]), float(pairs.threads[0]))
    return _of_pairs(pairs)


def _of_pairs(pairs: Repeats) -> Judged:
    faster, ratio = _faster(pairs.median)
    if len(pairs) >= ENOUGH:
        if pairs.within_noise:
            return Judged(Verdict.NOISE, ratio)
        # Sure, and so little that it would be told as "1.0 times as fast".
        return Judged(Verdict.SAME if ratio <= ABOUT_THE_SAME else faster, ratio)
    low, high = pairs.interval
    # So few tell what a single run could, and no more.
    apart = abs(float(np.median(pairs.threads - pairs.coroutines)))
    sure = apart >= MOMENT and (low > CHANCE or high < 1 / CHANCE)
    return Judged(faster if sure else Verdict.FEW, ratio)


def _of_one(ours: float, theirs: float) -> Judged:
    """Judge the seconds that one run of each side took."""
    faster, ratio = _faster(theirs / ours)
    if ratio <= ABOUT_THE_SAME:
        return Judged(Verdict.SAME, ratio)
    if ratio <= CHANCE:
        return Judged(Verdict.CHANCE, ratio)
    return Judged(Verdict.SHORT if abs(theirs - ours) < MOMENT else faster, ratio)


def _faster(ratio: float) -> tuple[Verdict, float]:
    """Give who was faster, by threads' time divided by coroutines', and how many times as fast."""
    return (Verdict.COROUTINES if ratio > 1 else Verdict.THREADS), max(ratio, 1 / ratio)
