"""The sides beside coroutines and threads, in words: how each is called, and what it came to."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..language import State
from .text import count, duration, factor, number, one_line, times
from .verdict import Verdict, judged_against

if TYPE_CHECKING:
    from ..measure.repeats import Repeats
    from ..measure.run import Difference, Run

# How one of many is called, and what many of them are.
_NOUNS = {
    "coroutines": ("coroutine", "coroutines", ", 1 thread"),
    "one process": ("coroutine", "coroutines", ", 1 process"),
    "threads": ("thread", "threads", ", one per coroutine"),
    "threadpool": ("call", "calls", " on a pool of threads"),
    "sequential": ("call", "calls", ", one after another"),
    "asyncio": ("asyncio task", "asyncio tasks", ", 1 thread"),
    "gevent": ("greenlet", "greenlets", ", 1 thread"),
}


def noun(side: str, many: int) -> str:
    """Give what the rows of a side are: ``threads, one per coroutine``."""
    one, more, how = _NOUNS[side]
    # A thread of one coroutine needs no more words.
    return (one if many == 1 else more) + ("" if many == 1 and side == "threads" else how)


def about_others(run: Run, most: int = 4) -> list[str]:
    """Give a line for each of the run's other sides, and lines for results that differ, `most` of each."""
    lines: list[str] = []
    for name, other in run.others.items():
        one, more, _ = _NOUNS[name]
        pairs = None if run.repeats is None else run.repeats.beside(name)
        taken = float(np.median(pairs.threads)) if pairs is not None and other.complete else other.elapsed
        took = duration(taken) if other.complete else f"more than {duration(taken)} (stopped)"
        failed = [task for task in other.tasks if task.state is State.FAILED]
        what = f"{name}: {count(other.count, one, more)}, {took}{_failed(len(failed))}"
        said = [what, _verdict(run, name), *other.notes]
        lines.append("; ".join(one_line(part, 300) for part in said if part))
        for each in other.differences[:most]:
            lines.append(("different result: " if each.kind == "result" else "") + with_both(each, name))
        if len(other.differences) > most:
            lines.append(f"different with {name}: {number(len(other.differences) - most)} more")
    for name, note in run.other_notes.items():
        lines.append(f"{name}: no run to compare with: {one_line(note, 300)}")
    once = [name for name in run.others if run.repeats is not None and name not in run.repeats.others]
    if once:
        traced = ", and traced" if run.trace.recording else ""
        lines.append(f"{', '.join(once)}: run once{traced}")
    return lines


def of_pairs(pairs: Repeats | None, swapped: bool = False) -> str:
    """Say from how many pairs a ratio comes, and where it lies; nothing of a single run.

    With `swapped` it is how many times as fast the other side was.
    """
    if pairs is None or not len(pairs):
        return ""
    low, high = pairs.interval
    if swapped:
        low, high = 1 / high, 1 / low
    return f" ({factor(low)} to {factor(high)}, median of {count(len(pairs), 'untraced pair')})"


def with_both(difference: Difference, side: str) -> str:
    """Give ``counter: 100,000 with coroutines, 61,322 with threads``, for a side of that name."""
    return (
        f"{one_line(difference.name, 60)}: {one_line(difference.coroutines)} with coroutines, "
        f"{one_line(difference.threads)} with {side}"
    )


def _failed(failed: int) -> str:
    return f", {number(failed)} failed" if failed else ""


def _verdict(run: Run, name: str) -> str:
    found = judged_against(run, name)
    pairs = None if run.repeats is None or found.bound else run.repeats.beside(name)
    more = "more than " if found.bound else ""
    ours = "the processes" if run.processes else "the coroutines"
    match found.verdict:
        case Verdict.COROUTINES:
            return f"{ours} were {more}{times(found.ratio)} as fast{of_pairs(pairs)}"
        case Verdict.THREADS:
            return f"{times(found.ratio)} as fast as {ours}{of_pairs(pairs, swapped=True)}"
        case Verdict.SAME | Verdict.CHANCE | Verdict.NOISE | Verdict.FEW as verdict:
            return f"{verdict.value}{of_pairs(pairs)}"
        case _:
            return ""
