"""Who was late because another one held the thread, and what is said about it."""

from __future__ import annotations

import numpy as np
import pytest

from coro_magic.engines.trace import ENDED, WAITS, WOKEN, YIELDED, Trace
from coro_magic.measure.run import Run
from coro_magic.show.card import card
from coro_magic.show.columns import bar_columns
from coro_magic.show.critical import critical_path
from coro_magic.show.late import late, told_in_full
from coro_magic.show.meaning import sections

from .runs import BLOCKER, SLEEPER, held_up


def path(trace: Trace) -> list[tuple[str, float, float]]:
    found = trace.intervals()
    columns = critical_path(found, trace.parents(), late(found))
    return [
        (trace.name(int(row)), round(float(begin), 6), round(float(end), 6))
        for row, begin, end in zip(columns["row"], columns["begin"], columns["end"], strict=True)
    ]


def said(trace: Trace) -> str:
    run = Run(tasks=[], trace=trace, elapsed=trace.duration, switches=trace.switches)
    return " ".join(sentence for section in sections(run) for sentence in section.sentences)


def test_the_step_that_held_the_thread_is_found() -> None:
    trace = held_up()
    found = trace.intervals()
    them = late(found)
    assert found.row[them.stay].tolist() == [SLEEPER] * 3
    assert found.row[them.step].tolist() == [BLOCKER] * 3
    assert them.held == pytest.approx([0.4] * 3)


def test_whoever_slept_longer_than_the_step_took_was_not_late() -> None:
    assert len(late(held_up(nap=0.5, short=1e-4).intervals())) == 0
    assert len(late(held_up(nap=0.1, hold=0.1005, short=1e-4).intervals())) == 0


def test_of_several_steps_it_is_the_longest() -> None:
    trace = Trace()
    for name in ("sleeper", "short", "long"):
        trace.born(name, -1, 0, 0.0)
    trace.write((0, trace.code(WAITS, "sleep", None), 0.1))
    trace.write((1, YIELDED, 0.3))
    trace.write((2, YIELDED, 0.9))
    trace.write((0, WOKEN, 0.2))
    trace.write((0, ENDED, 1.0))
    trace.close(1.0, 4)
    found = trace.intervals()
    assert found.row[late(found).step].tolist() == [2]


def test_of_several_steps_that_are_as_long_it_is_the_last() -> None:
    trace = Trace()
    for name in ("sleeper", "blocker"):
        trace.born(name, -1, 0, 0.0)
    trace.write((0, trace.code(WAITS, "sleep", None), 0.01))
    for end in (0.51, 1.02, 1.5):
        trace.write((1, YIELDED, end))
    trace.write((0, WOKEN, 0.01))
    trace.write((0, ENDED, 1.51))
    trace.close(1.51, 5)
    found = trace.intervals()
    them = late(found)
    assert found.end[them.step].tolist() == [1.5]
    assert them.by == pytest.approx([1.49])


def test_whom_a_message_woke_was_not_late_but_waited_for_it() -> None:
    trace = Trace()
    for name in ("taker", "giver"):
        trace.born(name, -1, 0, 0.0)
    trace.write((0, trace.code(WAITS, "get", None), 0.1))
    trace.write((1, YIELDED, 0.5))
    trace.write((0, WOKEN | 2 << 4, 0.2))
    trace.write((0, ENDED, 0.6))
    trace.close(0.6, 3)
    assert len(late(trace.intervals())) == 0


def test_a_step_of_another_process_holds_nobody_up() -> None:
    found = held_up().intervals()
    assert len(late(found, [0])) == 3
    assert len(late(found, [0, 1])) == 0


def test_the_critical_path_leads_along_the_steps_that_held_the_thread() -> None:
    trace = held_up()
    found = path(trace)
    seconds = {
        name: sum(end - begin for row, begin, end in found if row == name) for name in ("sleeper", "blocker")
    }
    assert seconds["blocker"] >= 1.5 - 1e-6
    assert found[0][1] == 0.0 and found[-1][2] == pytest.approx(trace.duration)
    assert all(end == begin for (_, _, end), (_, begin, _) in zip(found, found[1:], strict=False))


def test_the_critical_path_leads_along_a_long_sleep_that_was_a_little_late() -> None:
    found = path(held_up(hold=0.51, nap=0.505))
    assert sum(end - begin for row, begin, end in found if row == "sleeper") > 1.5


def test_the_timeline_tells_who_held_the_thread() -> None:
    trace = held_up()
    found = trace.intervals()
    them = late(found)
    reasons = bar_columns(found, late=them)["reason"]
    assert reasons[them.stay].tolist() == [-(BLOCKER + 1)] * 3
    others = np.delete(np.arange(len(found)), them.stay)
    assert reasons[others].tolist() == bar_columns(found)["reason"][others].tolist()
    # What is sent of a part of the bars says the same.
    assert bar_columns(found, them.stay, late=them)["reason"].tolist() == [-(BLOCKER + 1)] * 3


def test_the_card_tells_by_whom_somebody_was_late() -> None:
    trace = held_up(naps=1)
    found = trace.intervals()
    run = Run(tasks=[], trace=trace, elapsed=trace.duration, switches=trace.switches)
    told = [entry["why"] for entry in card(run, SLEEPER, found, late(found))["life"]]
    assert "blocker held the thread until 0.51 s" in told


def test_what_it_means_says_in_one_sentence_who_was_late_and_because_of_whom() -> None:
    text = said(held_up())
    assert "sleeper's sleep was over at 0.11 s, but blocker held the thread until 0.51 s" in text
    assert text.count("held the thread until") == 1 and "3 times" in text
    # Until it ran: the blocker had one more step to make.
    assert "(late by 0.41 s)" in said(held_up(naps=1))


def test_where_several_held_the_thread_one_after_another_the_last_is_said_to_be_that() -> None:
    trace = Trace()
    for name in ("sleeper", "one", "other", "third"):
        trace.born(name, -1, 0, 0.0)
    trace.write((0, trace.code(WAITS, "sleep", None), 0.01))
    for row, end in enumerate((0.5, 1.0, 1.5), 1):
        trace.write((row, YIELDED, end))
    trace.write((0, WOKEN, 0.1))
    trace.write((0, ENDED, 1.6))
    trace.close(1.6, 5)
    found = trace.intervals()
    them = late(found)
    assert told_in_full(trace, found, int(them.stay[0]), int(them.step[0])) == (
        "sleeper's sleep was over at 0.10 s, but others held the thread one after another, third as the last "
        "until 1.5 s"
    )


@pytest.mark.parametrize("times", [{"nap": 0.5}, {"nap": 0.49}])
def test_where_nobody_was_late_by_much_nothing_is_said(times: dict[str, float]) -> None:
    assert "held the thread until" not in said(held_up(**times))
