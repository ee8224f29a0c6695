"""How coroutines spent their time, one bar each; and how long they waited, reason by reason."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

from ..engines.trace import Trace
from ..measure.run import Run
from . import palette
from .sheet import WIDTH, Sheet, amount, label_of, own_style, say, time_axis
from .side import NOT_BEGUN, WAITING, Floats, runs_of, wait_word
from .text import count, duration, number, one_line

MOST_BARS = 20
MOST_REASONS = 6
_BAR = 0.2  # inches
_UNKNOWN = "single waits are not known"
_TOO_MANY = "there were too many events to keep them all (--detail)"
_RIGHT = 1.0
_LINE = 0.17  # inches: from one line of text to the next
_PANE = 0.62  # inches: the height of one reason's distribution
_BINS = 60


# One bar for each coroutine.


def lives_plot(run: Run) -> Figure:
    """Draw for how long each coroutine was running, ready and waiting; those that lived longest.

    Of more than `MOST_BARS` the others are one bar, their mean.
    """
    trace = run.trace
    with own_style():
        if not trace.recording or len(trace) <= int(run.has_body):
            return _nothing("no coroutine ran" if trace.recording else "the run was made without a trace")
        totals = trace.totals()
        first = int(run.has_body)
        states = np.stack([totals[state][first:] for state in palette.STATES], axis=1)
        order = np.argsort(-states.sum(axis=1), kind="stable")
        shown, rest = order[:MOST_BARS], order[MOST_BARS:]
        labels = [label_of(trace.name(first + int(row))) for row in shown]
        bars = states[shown]
        if len(rest):
            labels.append(f"{number(len(rest))} others, mean")
            bars = np.concatenate([bars, states[rest].mean(axis=0, keepdims=True)])
        return _bars(labels, bars, f"Where {count(run.count, 'coroutine')} spent their time", bool(len(rest)))


def _bars(labels: Sequence[str], bars: Floats, title: str, with_mean: bool) -> Figure:
    high = 0.85 + _BAR * len(labels) + 0.5
    sheet = Sheet(high)
    sheet.say_at(0.15, 0.12, title, fontsize=11, fontweight="bold")
    left = 0.15
    for word, colour in palette.STATES.items():
        sheet.say_at(left, 0.44, "■", color=colour, fontsize=9)
        said = "ready, waiting for its turn" if word == "ready" else word
        sheet.say_at(left + 0.16, 0.44, said, fontsize=8.5)
        left += 0.95 if word == "running" else 2.1
    left = 0.3 + 0.068 * max(map(len, labels))
    axes = sheet.axes_at(left, 0.78, WIDTH - left - _RIGHT, _BAR * len(labels))
    sums = bars.sum(axis=1)
    time_axis(axes, max(float(np.max(sums)), 1e-9))
    axes.set_ylim(len(labels) - 0.5, -0.5)
    begin = np.zeros(len(labels))
    at = np.arange(len(labels))
    for slot, (word, colour) in enumerate(palette.STATES.items()):
        axes.barh(at, bars[:, slot], 0.9 * palette.HEIGHTS[word], begin, color=colour)
        begin += bars[:, slot]
    axes.set_yticks(at, labels)
    for tick in axes.get_yticklabels():
        tick.set_parse_math(False)
    axes.tick_params(axis="y", length=0, labelcolor=palette.INK)
    if with_mean:
        axes.axhline(len(labels) - 1.5, color=palette.FAINT_INK, linewidth=0.6, linestyle=":")
    for row, whole in enumerate(sums.tolist()):
        say(axes, 1.008, row, duration(whole), at=axes.get_yaxis_transform(), color=palette.FAINT_INK,
            fontsize=7.5)  # fmt: skip
    return sheet


def _nothing(why: str) -> Figure:
    sheet = Sheet(0.6)
    sheet.say_at(0.15, 0.2, why, color=palette.FAINT_INK)
    return sheet


# How long they waited.


def waits_plot(run: Run) -> Figure:
    """Draw how long single waits were, for each reason, on all sides; the time on a logarithmic axis.

    Where there were more events than are kept one by one, the single waits are not known.
    """
    with own_style():
        if not run.trace.detailed:
            why = _TOO_MANY if run.trace.recording else "the run was made without a trace"
            return _nothing(f"{_UNKNOWN}: {why}")
        sides = runs_of(run)
        waits = {name: single_waits(side.trace) for name, side in sides.items() if side.trace.detailed}
        unknown = [name for name in sides if name not in waits]
        sums: dict[str, float] = {}
        for side in waits.values():
            for verb, seconds in side.items():
                sums[verb] = sums.get(verb, 0.0) + float(seconds.sum())
        verbs = sorted(sums, key=lambda verb: -sums[verb])[:MOST_REASONS]
        if not verbs:
            return _nothing("nobody waited")
        return _distributions(verbs, waits, unknown)


def single_waits(trace: Trace) -> dict[str, Floats]:
    """Give the length of every wait, in seconds, by what it was for; those of no length are left out."""
    intervals = trace.intervals()
    seconds = intervals.end - intervals.begin
    chosen = (intervals.state == WAITING) & (seconds > 0)
    reason, seconds = intervals.reason[chosen], seconds[chosen]
    words = [wait_word(each.verb) for each in trace.reasons]
    slots = {word: slot for slot, word in enumerate(dict.fromkeys(words))}
    slot = np.array([slots[word] for word in words], np.int64)[reason]
    found = {word: seconds[slot == at] for word, at in slots.items() if word != NOT_BEGUN}
    return {word: each for word, each in found.items() if len(each)}


def _distributions(
    verbs: Sequence[str], waits: Mapping[str, dict[str, Floats]], unknown: Sequence[str]
) -> Figure:
    everything = np.concatenate([side[verb] for side in waits.values() for verb in verbs if verb in side])
    low, high = max(float(everything.min()), 1e-9), float(everything.max())
    # Some room on both sides, also where all waits are equally long.
    edges = np.geomspace(low / 1.3, high * 1.3, _BINS + 1)
    lines = {verb: _said(verb, waits) for verb in verbs}
    high_lines = sum(_LINE * len(each) for each in lines.values()) + _LINE * bool(unknown)
    sheet = Sheet(0.9 + (_PANE + 0.23) * len(verbs) + high_lines + 0.3)
    sheet.say_at(0.15, 0.12, "How long the waits were, by what they were for", fontsize=11, fontweight="bold")
    top = 0.44
    if unknown:
        said = f"{', '.join(unknown)}: {_UNKNOWN}, {_TOO_MANY}"
        sheet.say_at(0.15, top, said, fontsize=8.5, color=palette.FAINT_INK)
        top += _LINE
    top += 0.1
    for place, verb in enumerate(verbs):
        sheet.say_at(0.15, top, one_line(verb, 14), fontsize=8.5, fontweight="bold")
        for name, line in lines[verb]:
            colour = palette.LINES[name][0]
            sheet.say_at(1.4, top, line, fontsize=8.5, color=colour)
            top += _LINE
        top += 0.07
        axes = sheet.axes_at(0.75, top, WIDTH - 1.05, _PANE)
        _one_distribution(axes, verb, waits, edges, last=place == len(verbs) - 1)
        top += _PANE + 0.16
    return sheet


def _said(verb: str, waits: Mapping[str, dict[str, Floats]]) -> list[tuple[str, str]]:
    """Give a line for each side that waited for it, with the side's name."""
    return [
        (name, f"{name}: {number(len(side[verb]))}, median {duration(float(np.median(side[verb])))}, "
               f"longest {duration(float(np.max(side[verb])))}")
        for name, side in waits.items() if verb in side
    ]  # fmt: skip


def _one_distribution(
    axes: Axes, verb: str, waits: Mapping[str, dict[str, Floats]], edges: Floats, last: bool
) -> None:
    most = 1
    for name, side in waits.items():
        if verb not in side:
            continue
        counts = np.histogram(side[verb], edges)[0]
        most = max(most, int(np.max(counts)))
        colour, dash = palette.LINES[name]
        if name == "coroutines":
            axes.stairs(counts, edges, fill=True, color=colour)
        else:
            axes.stairs(counts, edges, color=colour, linewidth=1.4, linestyle=dash)
    axes.set_xscale("log")
    axes.set_xlim(edges[0], edges[-1])
    axes.set_ylim(0, most * 1.1)
    axes.yaxis.set_major_locator(MaxNLocator(2, integer=True))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: amount(y)))
    axes.xaxis.set_major_locator(FixedLocator(_ticks(float(edges[0]), float(edges[-1]))))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: duration(x) if last else ""))
    axes.grid(axis="x", color=palette.GRID, linewidth=0.6)
    axes.set_axisbelow(True)


def _ticks(low: float, high: float) -> list[float]:
    """Give round numbers on a logarithmic axis: powers of ten, more where there are fewer than three."""
    powers = range(int(np.floor(np.log10(low))), int(np.ceil(np.log10(high))) + 1)
    for steps in ((1,), (1, 3), (1, 2, 5), (1, 1.5, 2, 3, 4, 5, 6, 8)):
        found = [step * 10.0**power for power in powers for step in steps]
        found = [tick for tick in found if low <= tick <= high]
        if len(found) >= 3:
            break
    return found
