"""A run in words: the headline and the summary."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from ..engines.slow import DEFAULT_SLOW_STEP, SlowStep
from ..language import State, Task, Where
from ..measure.repeats import ENOUGH
from .others import about_others, noun, of_pairs, with_both
from .side import few_events, seconds_by_verb
from .text import count, duration, error_text, factor, is_deadlock, number, one_line, percent, times
from .verdict import Verdict, judged

if TYPE_CHECKING:
    from ..measure.hazards import Hazard
    from ..measure.run import Difference, Run

HAZARDS = 3  # how many are named
_SLOW = 3  # how many lines that held the thread are named
# The share of a step for which the thread computed, above and below which that is the whole story.
COMPUTED, BLOCKED = 0.7, 0.3
_NAMED = 4  # how many coroutines a line of the summary names before it says "and 997 more"
_LONG_STEP = 0.01  # seconds; a step this long is always named, shorter ones if they dominate


def listed(names: Iterable[str], total: int) -> str:
    """Give the first few names, and how many more there are."""
    shown: list[str] = []
    for name in names:
        if len(shown) == _NAMED and total > _NAMED + 1:
            break
        shown.append(one_line(name, 60))
    rest = total - len(shown)
    return ", ".join(shown) + (f" and {number(rest)} more" if rest > 0 else "")


def place(where: Where | None) -> str:
    """Give `` at line 7``, or nothing where the line is not known."""
    return "" if where is None else f" at {where}"


_STUCK = (
    "nobody finished: each coroutine waited for a message, and nobody was left to send one. "
    "If they wait for each other, that is a deadlock"
)

# The headline.


def headline(run: Run) -> str:
    """Say in one line what the run came to, and what the threads did with the same program."""
    ours = coroutines_side(run)
    if run.baseline is None:
        return ours
    return f"{ours}; {threads_side(run.baseline, _taken(run, 'threads'))}" + comparison(run)


def _taken(run: Run, side: str) -> float:
    """Give what the ratio beside it is made of: the median of the pairs, where there are any."""
    if run.repeats is not None and len(run.repeats):
        return float(np.median(getattr(run.repeats, side)))
    return run.elapsed if side == "coroutines" or run.baseline is None else run.baseline.elapsed


def coroutines_side(run: Run) -> str:
    """Give the coroutines' half of the headline."""
    time = duration(_taken(run, "coroutines"))
    if run.virtual:
        time = f"in {time} of virtual time"
    failed = sum(1 for task in run.tasks if task.state is State.FAILED)
    parts = [count(run.count, "coroutine"), where_they_ran(run), time]
    if failed:
        parts.append(f"{number(failed)} failed")
    if run.nobody_finished:
        parts.append("nobody finished")
    elif run.left_over:
        parts.append(f"{number(len(run.left_over))} left over")
    if run.interrupted:
        parts.append("interrupted")
    return ", ".join(parts)


def where_they_ran(run: Run) -> str:
    """Give ``1 thread``, or ``2 processes``."""
    return count(len(run.processes), "process", "processes") if run.processes else "1 thread"


def who_ran(name: str, run: Run | None, many: int) -> str:
    """Give how many of what a side's rows are: ``3 coroutines, 1 thread``, ``3 calls, one after another``."""
    if run is not None and run.processes:
        return f"{number(many)} {noun('one process', many).partition(',')[0]}, {where_they_ran(run)}"
    return f"{number(many)} {noun(name, many)}"


def threads_side(baseline: Run, seconds: float) -> str:
    """Give the threads' half of the headline; `seconds` is what they took, where they ended."""
    if baseline.started < baseline.wanted:
        return f"threads: {number(baseline.started)} of {number(baseline.wanted)} could be started"
    threads = count(baseline.started or baseline.count, "thread")
    if not baseline.complete:
        return f"{threads}, more than {duration(baseline.elapsed)} (stopped)"
    failed = sum(1 for task in baseline.tasks if task.state is State.FAILED)
    how = f", {number(failed)} failed" if failed else ", failed" if baseline.error is not None else ""
    return f"{threads}, {duration(seconds)}{how}"


def comparison(run: Run) -> str:
    """Say which side was faster, beginning with ``; ``; nothing where that is not known."""
    found = judged(run)
    more = "more than " if found.bound else ""
    match found.verdict:
        case Verdict.COROUTINES:
            return f"; {more}{times(found.ratio)} as fast{of_pairs(run.repeats)}"
        case Verdict.THREADS:
            return f"; the threads were {times(found.ratio)} as fast{of_pairs(run.repeats, swapped=True)}"
        case Verdict.SAME | Verdict.CHANCE | Verdict.SHORT | Verdict.NOISE | Verdict.FEW as verdict:
            return f"; {verdict.value}{of_pairs(run.repeats)}"
        case _:
            return ""


def _between(bounds: tuple[float, float]) -> str:
    return f"{factor(bounds[0])} to {factor(bounds[1])}"


# The summary.


def summary(run: Run) -> str:
    """Give the run as text: the headline, then a line for each thing worth saying."""
    lines = [headline(run)]
    if run.count == 0 and run.has_body:
        lines.append(
            "no coroutine was created: call a generator function (or an async def without yield) "
            "as a statement of its own, or use spawn(...)"
        )
    lines += _pace(run)
    lines += _where_time_went(run)
    lines += slow_lines(run)
    lines += [hazard_line(each) for each in run.hazards[:HAZARDS]]
    lines += _errors(run)
    for state, word in ((State.CANCELLED, "cancelled"), (State.LEFT_OVER, "left over")):
        tasks = [task for task in run.tasks if task.state is state]
        if tasks:
            named = listed((_with_place(task) for task in tasks), len(tasks))
            lines.append(f"{word}: {named}")
    if run.nobody_finished:
        lines.append(_STUCK)
    if run.never_started:
        lines.append(
            f"never started: {listed(run.never_started, len(run.never_started))}"
            " (start it with spawn(...), or drive it with next)"
        )
    lines += _about_threads(run)
    lines += about_others(run)
    lines += [one_line(note, 300) for note in run.notes]
    if run.sweep is not None:
        lines += ["", *run.sweep.summary().splitlines()]
    if run.scaling is not None:
        lines += ["", *run.scaling.summary().splitlines()]
    return "\n".join(lines)


def _pace(run: Run) -> list[str]:
    if not run.switches:
        return []
    line = count(run.switches, "switch", "switches")
    if not run.virtual:
        line += f", {number(run.throughput)} per second"
    baseline = run.baseline
    if baseline is not None and baseline.switches:
        line += (
            f"; threads: {count(baseline.switches, 'resumption')}, {number(baseline.throughput)} per second"
        )
    return [line]


def _where_time_went(run: Run) -> list[str]:
    trace = run.trace
    if not trace.recording:
        return ["no timeline: the run was made without a trace"]
    if not len(trace):
        return []
    totals = trace.totals()
    sums = {state: float(totals[state].sum()) for state in ("running", "ready", "waiting")}
    whole = sum(sums.values())
    lines = []
    if whole > 0:
        said = ", ".join(f"{state} {percent(seconds / whole)}" for state, seconds in sums.items())
        if few_events(trace):
            said += _reasons(seconds_by_verb(trace, trace.intervals()))
        lines.append(f"the coroutines' time, {duration(whole)} all added up: {said}")
    if run.slow_steps:
        return lines  # the longest is named among them
    row = int(np.argmax(totals["longest"]))
    longest = float(totals["longest"][row])
    if longest >= _LONG_STEP or longest > 0.25 * run.elapsed > 0:
        lines.append(f"longest step: {one_line(trace.name(row), 60)}, {duration(longest)}")
    return lines


def slow_lines(run: Run) -> list[str]:
    """Say what held the thread: the worst lines, each once, however often it did."""
    groups: dict[tuple[Where | None, str, str], list[SlowStep]] = {}
    for step in run.slow_steps:
        # The longest come first, and so do their groups.
        groups.setdefault((step.where, step.call, "" if step.where else step.name), []).append(step)
    # Three at a time are worth less than one that is as long: by the sum.
    worst = sorted(groups.values(), key=lambda steps: -sum(step.seconds for step in steps))
    lines = [_held(steps) for steps in worst[:_SLOW]]
    named = sum(len(steps) for steps in worst[:_SLOW])
    if run.slow_count > named:
        rest = count(run.slow_count - named, "more step")
        lines.append(f"and {rest} that held the thread for {duration(slow_limit(run))} or longer")
    return lines


def _held(steps: list[SlowStep]) -> str:
    step = steps[0]
    seconds = sum(each.seconds for each in steps)
    busy = [each.busy for each in steps if each.busy is not None]
    share = sum(busy) / len(busy) if busy else None
    about = "" if all(each.exact for each in steps) else "about "
    names = list(dict.fromkeys(one_line(each.name, 40) for each in steps))
    who = names[0] if len(names) == 1 else f"{count(len(names), 'coroutine')}, {names[0]} among them"
    if step.where is None:
        return f"{who} held the thread for {about}{duration(seconds)}, nobody saw at which line"
    what = one_line(step.call or step.text, 72)
    if step.inside:
        what += f" (in {one_line(step.inside, 60)})"
    did = "computed" if share is not None and share > COMPUTED else "held the thread"
    said = f"{step.where}: {what}" if what else str(step.where)
    said += f" {did} for {about}{duration(seconds)}"
    said += f" in {number(len(steps))} steps" if len(steps) > 1 else ""
    if did == "computed":
        return said + f" without a switch, in {who}"
    said += f", in {who}"
    if share is None or share < BLOCKED:
        blocked = "" if share is None else "it blocked, and could not be switched: "
        return said + f" ({blocked}in_thread(...) around the call lets the others run)"
    return said + f" (for {percent(share)} of it by computing)"


def slow_label(step: SlowStep) -> str:
    """Give what the timeline says about a slow step: ``1.2 s: database.execute(query)``."""
    about = "" if step.exact else "about "
    what = step.call or (str(step.where) if step.where is not None else step.name)
    return f"{about}{duration(step.seconds)}: {one_line(what, 40)}"


def slow_limit(run: Run) -> float:
    """Give from how many seconds on a step is slow."""
    return float(run.options.get("slow_step", 1000 * DEFAULT_SLOW_STEP)) / 1000


def _reasons(seconds: dict[str, float]) -> str:
    """Say what for: `` (all of it sleep)``, or `` (of that 80 % sleep, 20 % get)``."""
    whole = sum(seconds.values())
    if not whole:
        return ""
    largest = sorted(seconds, key=lambda verb: -seconds[verb])[:3]
    if len(seconds) == 1:
        return f" (all of it {largest[0]})"
    return " (of that " + ", ".join(f"{percent(seconds[verb] / whole)} {verb}" for verb in largest) + ")"


def _with_place(task: Task) -> str:
    return one_line(task.name, 60) + place(task.where)


def _errors(run: Run) -> list[str]:
    failed = [task for task in run.tasks if task.state is State.FAILED]
    # Those who wait for each other fail with one and the same error.
    groups: dict[str | int, list[Task]] = {}
    for task in failed:
        key = str(task._error) if is_deadlock(task._error) else task.row
        groups.setdefault(key, []).append(task)
    lines, told = [], 0
    for tasks in list(groups.values())[:_NAMED]:
        told += len(tasks)
        error = tasks[0]._error
        named = listed((_with_place(task) for task in tasks), len(tasks))
        lines.append(f"failed: {named}" + (f": {error_text(error)}" if error is not None else ""))
    if len(failed) > told:
        lines.append(f"failed: {number(len(failed) - told)} more")
    said = any(task._error is run.error for task in failed) or isinstance(run.error, BaseExceptionGroup)
    # That it was interrupted stands in the headline.
    said = said or (run.interrupted and isinstance(run.error, KeyboardInterrupt))
    if run.error is not None and not said:
        lines.append(f"the cell failed: {error_text(run.error)}")
    return lines


def _about_threads(run: Run) -> list[str]:
    if run.baseline is None:
        note = one_line(run.baseline_note, 300)
        return [f"no threads to compare with: {note}"] if note else []
    lines = [one_line(run.baseline_note, 300)] if run.baseline_note else []
    baseline = run.baseline
    failed = [task for task in baseline.tasks if task.state is State.FAILED]
    if failed:
        lines.append(f"on threads failed: {listed((_with_place(task) for task in failed), len(failed))}")
    elif baseline.error is not None:
        lines.append(f"on threads the cell failed: {error_text(baseline.error)}")
    for kind, label, more in (
        ("name", "", "different at the end: "), ("result", "different result: ", "different results: ")
    ):  # fmt: skip
        found = [each for each in run.differences if each.kind == kind]
        lines += [label + both_sides(each) for each in found[:_NAMED]]
        if len(found) > _NAMED:
            lines.append(f"{more}{number(len(found) - _NAMED)} more")
    lines += [f"threads: {one_line(note, 300)}" for note in baseline.notes]
    lines += _how_measured(run)
    return lines


def both_sides(difference: Difference) -> str:
    """Give ``counter: 100,000 with coroutines, 61,322 with threads``."""
    return with_both(difference, "threads")


def hazard_line(hazard: Hazard) -> str:
    """Say where others may run between a read and the write that goes back to it."""
    name, read, switch, write = one_line(hazard.name, 60), hazard.read, hazard.switch, hazard.write
    said = f"{read} reads {name}"
    said += ", may let others run" if switch == read else f", {switch} may let others run"
    said += " and writes it" if write == switch == read else f", {write} writes it"
    return said + ": what others wrote in between is lost"


def _how_measured(run: Run) -> list[str]:
    repeats = run.repeats
    lines = []
    if not repeats:
        traced = ", and was traced" if run.trace.recording else ""
        how = " (--repeat 10 makes one)" if repeats is None else ""
        lines.append(f"each side ran once{traced}: a measurement, not a benchmark{how}")
    else:
        sure = "95 % confidence" if len(repeats) >= ENOUGH else "the lowest and the highest"
        lines.append(
            f"{count(len(repeats), 'pair')}, untraced and in turns, in one process: threads' time by "
            f"coroutines' {factor(repeats.median)}, in the middle ({_between(repeats.interval)}, {sure}); "
            f"single pairs {_between(repeats.spread)}"
            + (f": {judged(run).verdict.value}" if repeats.within_noise else "")
        )
        if run.baseline is not None:
            traced = ", traced" if run.trace.recording else ""
            lines.append(
                f"what the picture shows is one more run of each side{traced}: coroutines "
                f"{duration(run.elapsed)}, threads {duration(run.baseline.elapsed)}"
            )
    if repeats is not None and repeats.note:
        lines.append(f"of {count(repeats.wanted, 'repeat')} {number(len(repeats))} were made: {repeats.note}")
    return lines
