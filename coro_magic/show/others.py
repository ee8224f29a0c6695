"""The sides beside coroutines and threads, in words: how each is called, and what it came to."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..language import State
from .text import count, duration, error_text, factor, number, one_line, times
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

# What a sentence about one is about.
_SUBJECTS = {
    "one process": "One process",
    "threads": "Threads",
    "threadpool": "The pool of threads",
    "sequential": "One call after another",
    "asyncio": "asyncio",
    "gevent": "gevent",
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


def what_they_mean(run: Run) -> list[str]:
    """Give a plain sentence for each of the run's other sides: how long, how it compares, what it lacked."""
    said = [_sentence_of(run, name) for name in run.others]
    return said + [missing(name, note) for name, note in run.other_notes.items()]


def missing(name: str, note: str) -> str:
    """Say why there is no run of another side, in a sentence."""
    why = one_line(note, 300).rstrip(".")
    return f"There is no run of {name} to compare with{': ' + why if why else ''}."


def _sentence_of(run: Run, name: str) -> str:
    other, who = run.others[name], _SUBJECTS[name]
    ours = "the processes" if run.processes else "the coroutines"
    if other.refused or other.started < other.wanted:
        return (f"{who} cannot be compared: the system would not start more than {number(other.started)} of "
                f"{number(other.wanted)}.")  # fmt: skip
    failed = [task for task in other.tasks if task.state is State.FAILED]
    if len(failed) > run.failures:
        error = ("" if failed[0]._error is None else error_text(failed[0]._error)).rstrip(".")
        more = "" if len(failed) == 1 else f", and {number(len(failed) - 1)} more failed"
        return f"{who} cannot be compared: {failed[0].name} failed there with {error}{more}."
    pairs = None if run.repeats is None or not other.complete else run.repeats.beside(name)
    mine, theirs, by = run.elapsed, other.elapsed, ""
    if pairs is not None and len(pairs):
        mine, theirs = float(np.median(pairs.coroutines)), float(np.median(pairs.threads))
        by = f" (the medians of {count(len(pairs), 'untraced pair')})"
    took = f"{who} took {duration(theirs)}, and {ours} {duration(mine)}{by}"
    stopped = f"{who} had not ended after {duration(theirs)}, when that was stopped"
    found = judged_against(run, name)
    match found.verdict:
        case Verdict.COROUTINES if found.bound:
            said = f"{stopped}: {ours} were more than {times(found.ratio)} as fast"
        case Verdict.UNKNOWN:
            said = f"{stopped}, before it had taken as long as {ours}: nobody knows which is faster"
        case Verdict.COROUTINES:
            said = f"{took}: {ours} were {times(found.ratio)} as fast"
        case Verdict.THREADS:
            said = f"{took}: it was {times(found.ratio)} as fast"
        case Verdict.SAME:
            said = f"{took}: neither was faster"
        case Verdict.CHANCE | Verdict.SHORT:
            said = f"{took}: one run of each cannot tell which is faster{_what_could(run, name)}"
        case Verdict.NOISE:
            said = f"{took}: the difference is within the noise"
        case Verdict.FEW:
            said = f"{took}: so few cannot tell which is faster"
        case _:
            said = f"{took if other.complete else stopped}; that is no comparison, because {_why_none(run)}"
    unlike = count(len(other.differences), "result or shared value", "results and shared values")
    return f"{said}.{f' {unlike} came out differently there.' if other.differences else ''}"


def _what_could(run: Run, name: str) -> str:
    # Repeats are pairs with threads, and the other sides take part; one process does not.
    repeatable = run.baseline is not None and run.repeats is None and name != "one process"
    return " (--repeat 10 can)" if repeatable else ""


def _why_none(run: Run) -> str:
    if run.interrupted:
        return f"the {'processes' if run.processes else 'coroutines'} were interrupted"
    if run.nobody_finished:
        return "nobody finished"
    if run.went_wrong:
        return "the program failed"
    return "there was too little to do"


def of_pairs(pairs: Repeats | None, swapped: bool = False) -> str:
    """Say from how many pairs a ratio comes, and where it lies; nothing of a single run.

    With `swapped` it is how many times as fast the other side was.
    """
    if pairs is None or not len(pairs):
        return ""
    low, high = pairs.interval
    if swapped:
        low, high = 1 / high, 1 / low
    if len(pairs) == 1:
        return f" ({factor(low)} in 1 untraced pair)"  # which is no range, and has no median
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
        case Verdict.SAME | Verdict.CHANCE | Verdict.SHORT | Verdict.NOISE | Verdict.FEW as verdict:
            return f"{verdict.value}{of_pairs(pairs)}"
        case _:
            return ""
