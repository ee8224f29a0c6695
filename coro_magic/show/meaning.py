"""What a run means, in plain sentences: where the time went, which side won and why, what to try next.

Every sentence follows from numbers of the run. Where they do not tell, it says so: each side ran once,
and a cause that nobody measured is a guess.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from ..engines.slow import SlowStep
from ..language import State, Task
from ..measure.repeats import Repeats
from ..measure.run import Run
from .late import late_of, told_in_full
from .others import what_they_mean
from .side import NOT_BEGUN, few_events, seconds_by_verb
from .text import count, duration, error_text, factor, number, one_line, percent, times
from .verdict import Verdict, judged
from .words import (
    BLOCKED,
    COMPUTED,
    HAZARDS,
    both_sides,
    hazard_line,
    listed,
    place,
    slow_limit,
    slow_lines,
    where_they_ran,
)

_SHORT_STEP = 50e-6  # seconds; steps so short are worth less than a switch between threads
_FEW_SWITCHES = 20  # a coroutine
_MOST_ERRORS = 3
_MUCH = 0.02  # of the run; to be late by less is not worth a sentence


@dataclass(frozen=True)
class Section:
    """A heading and its sentences, all plain text."""

    heading: str
    sentences: tuple[str, ...]


def sections(run: Run) -> list[Section]:
    """Give everything worth saying about a run; sections without a sentence are left out."""
    facts = _Facts.of(run)
    found = (
        ("Where the time went", _time(run, facts)),
        ("Which side won, and why", _winner(run, facts)),
        ("How the others did", what_they_mean(run)),
        ("What was slow", _slow(run, facts)),
        ("What could not be switched", _unswitched(run, facts)),
        ("What went wrong, and what was left over", _ends(run)),
        ("What to try next", _advice(run, facts)),
    )
    return [Section(heading, tuple(said)) for heading, said in found if said]


@dataclass(frozen=True)
class _Facts:
    """Numbers that more than one sentence needs; seconds. The body is left out of `ready` and `waiting`."""

    known: bool
    running: float = 0.0
    ready: float = 0.0
    waiting: float = 0.0
    blocked: float = 0.0  # in steps that held the thread without computing
    computed: float = 0.0  # in long steps that computed

    @classmethod
    def of(cls, run: Run) -> _Facts:
        trace = run.trace
        if not trace.recording or not len(trace):
            return cls(False)
        totals = trace.totals()
        body = int(run.has_body and len(trace) > 1)
        steps = [step for step in run.slow_steps if step.busy is not None]
        return cls(
            True,
            float(totals["running"].sum()),
            float(totals["ready"][body:].sum()),
            float(totals["waiting"][body:].sum()),
            sum(step.seconds for step in steps if _is_blocked(step)),
            sum(step.seconds for step in steps if step.busy is not None and step.busy > COMPUTED),
        )

    def busy(self, run: Run) -> float:
        """The share of the run in which a step was going on."""
        at_once = max(len(run.processes), 1)
        return min(self.running / run.elapsed / at_once, 1.0) if run.elapsed > 0 else 0.0


def _is_blocked(step: SlowStep) -> bool:
    return step.busy is not None and step.busy < BLOCKED


def _is_body(run: Run, step: SlowStep) -> bool:
    return run.has_body and (step.row == 0 or any(step.row == process.first for process in run.processes))


# Where the time went.


def _time(run: Run, facts: _Facts) -> list[str]:
    if run.count == 0:
        return ["Nobody ran but the cell itself: no coroutine was created."]
    if not run.trace.recording:
        return [f"The run took {duration(run.elapsed)}. It was made without a trace, so nobody knows for "
                "what."]
    if run.virtual:
        return [f"The clock was virtual: {duration(run.elapsed)} passed by it while everybody waited, and "
                "steps took no time at all."]  # fmt: skip
    said = []
    busy = facts.busy(run)
    if run.processes:
        said.append(f"The {where_they_ran(run)} were taken for {percent(busy)} of the run's "
                    f"{duration(run.elapsed)}, each with a scheduler of its own. What they changed in their "
                    "copies of globals is not here.")  # fmt: skip
    elif busy >= 0.9:
        said.append(f"The one thread was taken for {percent(busy)} of the run's {duration(run.elapsed)}: "
                    "somebody ran nearly all the time.")  # fmt: skip
    else:
        said.append(f"The one thread was taken for {percent(busy)} of the run's {duration(run.elapsed)}. In "
                    "the rest nobody could run: everybody waited, or the scheduler was at "
                    "work.")  # fmt: skip
    if facts.blocked > 0.05 * run.elapsed:
        said.append(f"For {duration(facts.blocked)} of the run a step held the thread and did not compute.")
    at_once = facts.waiting / run.elapsed if run.elapsed > 0 else 0.0
    if facts.waiting > 0.01 * run.elapsed:
        said.append(f"The coroutines waited for {duration(facts.waiting)}, all added up: {_mean(at_once)} "
                    f"at once on average.{_for_what(run)}")  # fmt: skip
    queue = facts.ready / run.elapsed if run.elapsed > 0 else 0.0
    if queue >= 0.5 and not run.processes:
        said.append(f"On average {_mean(queue)} were ready and waited for their turn, because one thread "
                    "runs one coroutine at a time.")  # fmt: skip
    return said


def _mean(value: float) -> str:
    return f"{value:.1f}" if value < 9.95 else number(round(value))


def _for_what(run: Run) -> str:
    if not few_events(run.trace):
        return ""
    sums = seconds_by_verb(run.trace, run.trace.intervals())
    sums.pop(NOT_BEGUN, None)
    whole = sum(sums.values())
    if not whole:
        return ""
    most = max(sums, key=lambda verb: sums[verb])
    if len(sums) == 1:
        return f" All of it was for {most}."
    return f" Of this waiting {percent(sums[most] / whole)} was for {most}."


# Which side won.


def _winner(run: Run, facts: _Facts) -> list[str]:
    baseline = run.baseline
    if run.count == 0:
        return []
    if baseline is None:
        why = one_line(run.baseline_note, 300)
        return [f"There are no threads to compare with{': ' + why if why else ''}."]
    if baseline.refused or baseline.started < baseline.wanted:
        return [f"The system would not give more than {count(baseline.started, 'thread')} of the "
                f"{number(baseline.wanted)} that the program wanted. {count(run.count, 'coroutine')} ran on "
                f"one thread, in {duration(run.elapsed)}."]  # fmt: skip
    if run.interrupted:
        return ["The run was interrupted, so there is nothing to compare."]
    if run.went_wrong is not baseline.went_wrong:
        which = "coroutines" if run.went_wrong else "threads"
        return [f"It cannot be compared: with {which} the program failed, and on the other side it did not."]
    if run.nobody_finished:
        return ["Nobody finished, so there is nothing to compare: each coroutine waited for a message, and "
                "nobody was left to send one."]  # fmt: skip
    found = judged(run)
    if found.verdict is Verdict.NONE:
        if run.went_wrong:
            return ["There is nothing to compare: the program failed, with coroutines and with threads."]
        return ["There is no time to compare with the threads'."]
    if found.verdict is Verdict.UNKNOWN:
        return [f"Nobody knows who won: the threads were stopped after {duration(baseline.elapsed)}, before "
                "they had taken as long as the coroutines."]  # fmt: skip
    if found.bound:
        return [f"Coroutines won: they ended after {duration(run.elapsed)}, and the threads had not "
                f"after {duration(baseline.elapsed)}, when they were stopped. That is more than "
                f"{times(found.ratio)} as fast.", *_why_coroutines(run, baseline, facts)]  # fmt: skip
    return _measured(run, baseline, facts)


def _measured(run: Run, baseline: Run, facts: _Facts) -> list[str]:
    found = judged(run)
    if run.repeats is not None and len(run.repeats):
        taken, by = _taken_by_pairs(run.repeats)
    else:
        taken, by = f"coroutines took {duration(run.elapsed)}, threads {duration(baseline.elapsed)}", ""
    if found.verdict is Verdict.COROUTINES:
        return [f"Coroutines won: {taken}. They were {times(found.ratio)} as fast{by}.",
                *_why_coroutines(run, baseline, facts)]  # fmt: skip
    if found.verdict is Verdict.THREADS:
        return [f"Threads won: {taken}. The threads were {times(found.ratio)} as fast{by}.",
                *_why_threads(run, baseline, facts)]  # fmt: skip
    if found.verdict is Verdict.SAME:
        said = [f"Neither side won: {taken}."]
    elif found.verdict is Verdict.FEW:
        said = [f"{count(len(run.repeats or ()), 'pair')} of runs are too few to tell who won: {taken}."]
    elif found.verdict is Verdict.NOISE:
        said = [f"Neither side can be said to have won: {taken}. The difference is within the noise: equal "
                f"times are among those that cannot be ruled out{by}."]  # fmt: skip
    else:
        said = [f"Nobody can tell from one run who won: {taken}. Each side ran once, and a difference of "
                f"{duration(abs(baseline.elapsed - run.elapsed))} may be chance. --repeat 10 can "
                "tell."]  # fmt: skip
    if facts.known and facts.busy(run) < 0.5:
        said.append("Both sides mostly waited, and they wait equally well: who waits needs no processor.")
    elif _is_sparing(run):
        said.append(_sparing(run))
    return said


def _taken_by_pairs(repeats: Repeats) -> tuple[str, str]:
    """Say what both sides took in the middle, and how sure that is."""
    ours, theirs = float(np.median(repeats.coroutines)), float(np.median(repeats.threads))
    low, high = repeats.interval
    taken = f"coroutines took {duration(ours)}, threads {duration(theirs)}"
    taken += f" (the medians of {count(len(repeats), 'pair')}, untraced and in turns)"
    return taken, f" (threads' time by coroutines', in the middle: {factor(low)} to {factor(high)})"


def _why_coroutines(run: Run, baseline: Run, facts: _Facts) -> list[str]:
    said = []
    apart = baseline.elapsed - run.elapsed
    if run.switches and baseline.switches:
        ours, theirs = run.elapsed / run.switches, baseline.elapsed / baseline.switches
        step = facts.running / run.switches if facts.known else float("inf")
        # Where most of the time nobody ran, switches cannot be what took it.
        if step < _SHORT_STEP and theirs > 1.5 * ours and facts.busy(run) > 0.5:
            said.append(f"There were {count(run.switches, 'switch', 'switches')}, and between two of them a "
                        f"coroutine ran for {duration(step)} only. All in all a resumption took "
                        f"{duration(ours)} here and {duration(theirs)} on threads: to switch between threads "
                        "costs more than the work between the switches.")  # fmt: skip
    if run.trace.recording and baseline.trace.recording and len(baseline.trace) > 1:
        ours, theirs = (float(np.max(side.trace.totals()["born"])) for side in (run, baseline))
        # Apart are the runs of the picture. Pairs may say the contrary: then those tell nothing of why.
        if theirs - ours > 0.3 * apart > 0:
            said.append(f"The last thread was there after {duration(theirs)}, the last coroutine after "
                        f"{duration(ours)}. A thread has to be started, and then wants its turn at the GIL.")
    if not said:
        said.append("Which of their costs held the threads up (starting, switching, waiting for the GIL) "
                    "these numbers do not tell.")  # fmt: skip
    return said


def _why_threads(run: Run, baseline: Run, facts: _Facts) -> list[str]:
    apart = run.elapsed - baseline.elapsed
    said = []
    # Apart are the runs of the picture. Pairs may say the contrary: then those tell nothing of why.
    if facts.blocked > 0.3 * apart > 0:
        said.append(f"Calls that could not be switched held the one thread for {duration(facts.blocked)}, "
                    "all added up. Of threads only the one that makes the call is held.")  # fmt: skip
    elif facts.known and facts.running > 1.2 * baseline.elapsed:
        said.append(f"The steps took {duration(facts.running)} one after another, and the threads were done "
                    f"with all of it after {duration(baseline.elapsed)}: several cores worked for them. That "
                    "happens where a library lets go of the GIL while it works, as numpy, hashing and "
                    "compression do; or where something else kept the machine busy during the first "
                    "run.")  # fmt: skip
    elif facts.computed > 0.3 * apart > 0 and _late(run):
        said.append(f"Steps that computed held the one thread for {duration(facts.computed)}, all added up, "
                    "and others whose waits were over were late meanwhile. On threads the interpreter lets "
                    "others run in between: it takes the GIL from whoever computes.")  # fmt: skip
    if not said and _is_sparing(run):
        said.append(_sparing(run))
    if not said:
        once = "" if run.repeats else " Each side ran once: chance may have a part in it."
        said.append(f"These numbers do not tell why.{once}")
    return said


def _is_sparing(run: Run) -> bool:
    return run.switches < _FEW_SWITCHES * max(run.count, 1)


def _sparing(run: Run) -> str:
    return (f"There were few switches, {number(run.switches)} among {count(run.count, 'coroutine')}: where "
            "there is little to switch, cheap switches gain little.")  # fmt: skip


# What was slow, what could not be switched.


def _slow(run: Run, facts: _Facts) -> list[str]:
    held_up = _late(run)
    lines = [_sentence(line) for line in slow_lines(run)] + held_up
    if len(lines) > len(held_up) or not facts.known or run.count == 0:
        return lines
    limit = slow_limit(run)
    if np.isinf(limit):
        return held_up
    return [*held_up, f"No step went on for {duration(limit)} or longer without a switch."]


def _late(run: Run) -> list[str]:
    """Say who was late by most because another one held the thread, if that is much of the run."""
    if not few_events(run.trace):
        return []
    intervals = run.trace.intervals()
    found = late_of(run, intervals)
    if not len(found) or np.max(found.held) < _MUCH * run.elapsed:
        return []
    # The first of those that are about as late.
    worst = int(np.argmax(found.by >= 0.9 * np.max(found.by)))
    said = told_in_full(run.trace, intervals, int(found.stay[worst]), int(found.step[worst]))
    late_by = f"late by {duration(float(found.by.sum()))}"
    if len(found) > 1:
        late_by = f"the like happened {number(len(found))} times: {late_by}, all added up"
    return [f"{said} ({late_by})."]


def _unswitched(run: Run, facts: _Facts) -> list[str]:
    blocked = [step for step in run.slow_steps if _is_blocked(step)]
    if blocked:
        what = dict.fromkeys(_call_and_place(step) for step in blocked)
        return ["These held the thread and did not compute, so that nobody else could run: "
                f"{listed(what, len(what))}. Together they took {duration(facts.blocked)}. They blocked, or "
                "the machine had something else to do."]  # fmt: skip
    unseen = [note for note in run.notes if "do not switch" in note]
    return [_sentence(note) for note in unseen]


def _call_and_place(step: SlowStep) -> str:
    return (step.call or step.text or step.name) + place(step.where)


def _sentence(line: str) -> str:
    text = one_line(line, 400)
    # A line that begins with a coroutine's name keeps it as it is.
    if text.startswith(("line ", "and ")):
        text = text[:1].upper() + text[1:]
    return text + ("" if text.endswith(".") else ".")


# How it ended.


def _ends(run: Run) -> list[str]:
    said = []
    by_state: dict[State, list[Task]] = {}
    for task in run.tasks:
        by_state.setdefault(task.state, []).append(task)
    for task in by_state.get(State.FAILED, [])[:_MOST_ERRORS]:
        error = "" if task._error is None else f": {error_text(task._error)}"
        said.append(f"{_who(task)} failed{error}.")
    more = len(by_state.get(State.FAILED, ())) - _MOST_ERRORS
    if more > 0:
        said.append(f"{count(more, 'more coroutine')} failed.")
    if run.interrupted:
        said.append("You stopped the run before its end.")
    cancelled, left = by_state.get(State.CANCELLED, []), by_state.get(State.LEFT_OVER, [])
    if cancelled:
        said.append(f"Cancelled: {_some(cancelled)}.")
    if left:
        said.append(f"Left over, waiting for more when nobody was there to give it: {_some(left)}.")
    if run.never_started:
        said.append(f"Never started: {listed(run.never_started, len(run.never_started))}.")
    said += [_sentence(hazard_line(each)) for each in run.hazards[:HAZARDS]]
    results = [each for each in run.differences if each.kind == "result"]
    names = [each for each in run.differences if each.kind == "name"]
    if results:
        first = results[0]
        said.append(
            f"{count(len(results), 'result')} came out differently on threads. "
            f"{one_line(first.name, 60)} gave {one_line(first.coroutines)} here and "
            f"{one_line(first.threads)} there."
        )
    if names:
        said.append(f"What the coroutines share was not the same at the end: {both_sides(names[0])}.")
    if names:
        said.append(
            "That is what a data race looks like: between two lines of a thread another one may change what "
            "both work with."
        )
    elif results:
        said.append(
            "It may be a data race: between two lines of a thread another one may change what both work "
            "with. Or the threads only had their turns in another order, and somebody else got an item."
        )
    elif run.baseline is not None and _came_to_the_same(run, run.baseline):
        said.append("Both sides came to the same results.")
    return said


def _came_to_the_same(run: Run, baseline: Run) -> bool:
    ours, theirs = (side.tasks[int(side.has_body) :] for side in (run, baseline))
    ended = all(side.complete and not side.went_wrong for side in (run, baseline))
    alike = Counter(task.state for task in ours) == Counter(task.state for task in theirs)
    return ended and alike and all(
        any(task._value is not None for task in tasks) for tasks in (ours, theirs)
    )


def _who(task: Task) -> str:
    return one_line(task.name, 60) + place(task.where)


def _some(tasks: Iterable[Task]) -> str:
    them = list(tasks)
    return listed((_who(task) for task in them), len(them))


# What to try next.


def _advice(run: Run, facts: _Facts) -> list[str]:
    if run.count == 0:
        return ["Call a generator function as a statement of its own, or use spawn(...)."]
    said = []
    blocked = next((step for step in run.slow_steps if _is_blocked(step)), None)
    if blocked is not None:
        call = one_line(blocked.call or "f(...)", 60)
        said.append(f"Let a helper thread make the call that blocks{place(blocked.where)}, {call}: result = "
                    "yield in_thread(function, arguments).")  # fmt: skip
    # The cell itself cannot yield.
    computing = next(
        (s for s in run.slow_steps if s.busy is not None and s.busy > COMPUTED and not _is_body(run, s)), None
    )
    if computing is not None and run.count > 1:
        said.append(f"Put a bare yield into the loop{place(computing.where)} of "
                    f"{one_line(computing.name, 60)}, so that the others have their turn while it "
                    "computes; if that loop is in a plain function which it calls, sleep(0).wait(): with a "
                    "yield in it, that would be no plain function any more.")  # fmt: skip
    if run.never_started:
        said.append("Start what never started with spawn(...), or drive it with next.")
    if run.nobody_finished and run.count > 1:
        said.append("Look at who waits for whom (click a row): if each waits for the other's message, let "
                    "one of them send first.")  # fmt: skip
    elif any(task.state is State.LEFT_OVER for task in run.tasks):
        said.append("Close a channel (channel.close()) when nothing more comes: then whoever waits for more "
                    "ends.")
    if run.differences:
        said.append("Put a Lock around what the threads share, and compare again. One thread needs none. "
                    "What still differs then comes from the order of turns.")  # fmt: skip
    if run.hazards:
        name = one_line(run.hazards[0].name, 60)
        said.append(f"Put a Lock around all of it, from the line that reads {name} to the line that writes "
                    "it; or read it again after the line at which others may run.")  # fmt: skip
    if not run.trace.recording:
        said.append("Run it with --trace on to see where the time goes.")
    if run.virtual:
        said.append("Run it with --clock real to see how long it takes.")
    if judged(run).verdict in (Verdict.CHANCE, Verdict.SHORT):
        said.append("Run it with --repeat 10, or give it more to do: what is chance changes, what is not "
                    "stays.")  # fmt: skip
    order = run.options.get("order", "fifo")
    if order == "fifo" and run.count > 1 and not said:
        said.append("Run it again with --order random: what should not depend on who runs first must come "
                    "out the same.")  # fmt: skip
    return said
