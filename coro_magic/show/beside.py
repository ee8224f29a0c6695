"""How two runs compare: in words, and their timelines one over the other."""

from __future__ import annotations

from typing import Any

from matplotlib.figure import Figure

from ..measure.compare import Apart, Comparison
from ..measure.run import Run
from .figures import one_over_the_other
from .text import count, duration, number, one_line, times
from .verdict import ABOUT_THE_SAME

_NAMED = 4
_WORTH_NAMING = 0.02  # of the longer run: less is not worth a line


def picture(comparison: Comparison) -> Figure:
    """Draw the coroutines of both runs on one time axis."""
    captions = (_caption(comparison, 0), _caption(comparison, 1))
    return one_over_the_other(comparison.one, comparison.other, headline(comparison), captions)


def headline(comparison: Comparison) -> str:
    """Say in one line what differs: times, switches, results."""
    one, other = comparison.one, comparison.other
    first, second = comparison.seconds
    parts = [f"first run {_time(one, first)}, second run {_time(other, second)}{_faster(comparison)}"]
    if one.switches == other.switches:
        parts.append(f"{count(one.switches, 'switch', 'switches')} in both")
    else:
        parts.append(f"{number(one.switches)} and {count(other.switches, 'switch', 'switches')}")
    if comparison.unlike:
        parts.append(f"{count(len(comparison.unlike), 'coroutine')} came to another end")
    return "; ".join(parts)


def words(comparison: Comparison) -> str:
    """Give the headline, and then a line for each thing worth saying."""
    one, other = comparison.one, comparison.other
    lines = [headline(comparison)]
    if not comparison.both:
        lines.append("different programs: no coroutine has the same name in both")
    elif comparison.only_one or comparison.only_other:
        lines.append(f"not the same coroutines: {number(len(comparison.both))} in both, "
                     f"{number(comparison.only_one)} in the first only, {number(comparison.only_other)} in "
                     "the second only")  # fmt: skip
    if comparison.options:
        said = ", ".join(f"{name} {_value(a)} and {_value(b)}" for name, (a, b) in comparison.options.items())
        lines.append(f"options: {said}")
    least = _WORTH_NAMING * max(one.elapsed, other.elapsed)
    apart = [each for each in comparison.apart if abs(each.one - each.other) > least]
    lines += [_apart(each) for each in apart[:_NAMED]]
    for each in comparison.unlike[:_NAMED]:
        lines.append(f"another end: {one_line(each.name, 60)}: {one_line(each.one)} in the first, "
                     f"{one_line(each.other)} in the second")  # fmt: skip
    if len(comparison.unlike) > _NAMED:
        lines.append(f"another end: {number(len(comparison.unlike) - _NAMED)} more")
    if one.virtual is not other.virtual:
        lines.append("one of them has virtual time, which is not to be compared with real time")
    elif comparison.repeated and one.repeats and other.repeats:
        lines.append(f"their times are the medians of {len(one.repeats)} and {len(other.repeats)} untraced "
                     "runs; what is said of single coroutines is of one traced run of each")  # fmt: skip
    elif not one.virtual:
        lines.append("what is compared is one traced run of each: small differences may be chance")
    return "\n".join(lines)


def _time(run: Run, seconds: float) -> str:
    return duration(seconds) + (" of virtual time" if run.virtual else "")


def _faster(comparison: Comparison) -> str:
    ratio = comparison.ratio
    one, other = comparison.one, comparison.other
    same = comparison.both and not comparison.only_one and not comparison.only_other
    if ratio is None or not same or one.interrupted or other.interrupted:
        return ""  # one of them did something else, or less
    if max(ratio, 1 / ratio) <= ABOUT_THE_SAME:
        return ", about the same"
    return f", {times(ratio)} as fast" if ratio > 1 else f", the first {times(1 / ratio)} as fast"


def _caption(comparison: Comparison, which: int) -> str:
    run = (comparison.one, comparison.other)[which]
    said = [("first", "second")[which] + " run", count(run.count, "coroutine"), _time(run, run.elapsed)]
    said += [f"{name} {_value(values[which])}" for name, values in comparison.options.items()]
    return ", ".join(said)


def _apart(each: Apart) -> str:
    state = max(each.states, key=lambda state: abs(each.states[state][0] - each.states[state][1]))
    first, second = each.states[state]
    return (f"{one_line(each.name, 60)}: {duration(each.one)} and {duration(each.other)}, most of the "
            f"difference {state} ({duration(first)} and {duration(second)})")  # fmt: skip


def _value(value: Any) -> str:
    return "none" if value is None else one_line(value, 30)
