"""What a run means: every sentence follows from the run's numbers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from coro_magic.engines.slow import SlowStep
from coro_magic.engines.trace import BORN, ENDED, IDLE, WAITS, WOKEN, YIELDED, Trace
from coro_magic.language import State, Where, spawn
from coro_magic.measure.hazards import Hazard
from coro_magic.measure.repeats import Repeats
from coro_magic.measure.run import Difference, Run
from coro_magic.show.meaning import sections

from .runs import held_up, run_of, sleepers, threads, troubled


def said(run: Run, heading: str = "") -> str:
    """The sentences under a heading, or all of them, as one text."""
    return " ".join(
        sentence for section in sections(run) if heading in section.heading for sentence in section.sentences
    )


def made(
    seconds: float, running: float, baseline: Run | None = None, switches: int = 1000, rows: int = 10,
    **more: Any,
) -> Run:  # fmt: skip
    """A run whose rows were running for `running` seconds in all, one after the other, and else waited."""
    trace = Trace()
    code = trace.code(WAITS, "sleep", None)
    for _ in range(rows):
        trace.born("w", -1, 0, 0.0, BORN)
    for row in range(rows):
        trace.write((row, code, running * (row + 1) / rows))
    trace.write((0, IDLE, seconds))
    for row in range(rows):
        trace.write((row, WOKEN, seconds))
        trace.write((row, ENDED, seconds))
        trace.finished(row, State.DONE, None)
    trace.close(seconds, switches)
    return Run(tasks=[], trace=trace, elapsed=seconds, switches=switches, baseline=baseline, **more)


def held(seconds: float, busy: float, call: str = "f()") -> SlowStep:
    return SlowStep("w", 0, 0.0, seconds, Where("<cell>", 7), call, busy=busy)


# Where the time went.


def test_a_thread_that_is_idle_and_one_that_is_taken_are_told_apart() -> None:
    assert "taken for 10 % of the run's 1 s" in said(made(1.0, 0.1), "time")
    assert "somebody ran nearly all the time" in said(made(1.0, 0.98), "time")


def test_waits_are_added_up_with_how_many_went_on_at_once_and_what_for() -> None:
    text = said(run_of(sleepers(4)), "time")
    assert "at once on average" in text and "All of it was for sleep." in text


def test_those_who_were_ready_are_counted() -> None:
    trace = Trace()
    for _ in range(10):
        trace.born("w", -1, 0, 0.0, BORN)
    for row in range(10):
        trace.write((row, YIELDED, (row + 1) / 10))
    trace.close(1.0, 10)
    text = said(Run(tasks=[], trace=trace, elapsed=1.0, switches=10), "time")
    assert "On average 9.0 were ready and waited for their turn" in text


def test_without_a_trace_nobody_knows() -> None:
    run = run_of(sleepers(3), trace=False)
    assert "nobody knows for what" in said(run) and "--trace on" in said(run, "next")


def test_virtual_time_is_said_to_be_virtual() -> None:
    run = run_of(sleepers(3), clock="virtual")
    assert "virtual" in said(run, "time") and "--clock real" in said(run, "next")


def test_nobody_ran() -> None:
    run = run_of(sleepers(0))
    assert "no coroutine was created" in said(run) and "statement of its own" in said(run, "next")


# Which side won.


def test_coroutines_win_by_cheap_switches_only_where_switches_took_the_time() -> None:
    busy = made(0.02, 0.019, threads(10, 2.0), switches=200_000)
    assert "Coroutines won" in said(busy, "won")
    assert "to switch between threads costs more" in said(busy, "won")
    idle = made(0.02, 0.001, threads(10, 2.0), switches=200_000)
    assert "Coroutines won" in said(idle, "won") and "costs more" not in said(idle, "won")
    assert "these numbers do not tell" in said(idle, "won")


def test_coroutines_win_because_threads_came_late() -> None:
    baseline = threads(10, 2.0)
    trace = Trace(unit="thread")
    for row in range(10):
        trace.born("w", -1, 0, 0.15 * row)
    trace.close(2.0, 20)
    baseline.trace = trace
    assert "The last thread was there after 1.35 s" in said(made(0.02, 0.001, baseline), "won")


def test_threads_win_because_calls_could_not_be_switched() -> None:
    run = made(2.0, 1.5, threads(10, 0.5), slow_steps=[held(0.7, 0.0), held(0.7, 0.0)], slow_count=2)
    text = said(run, "won")
    assert "Threads won" in text and "The threads were 4.0 times as fast" in text
    assert "could not be switched held the one thread for 1.4 s" in text


def test_threads_win_because_several_cores_worked() -> None:
    text = said(made(2.0, 1.9, threads(10, 0.9), slow_steps=[held(1.9, 1.0)], slow_count=1), "won")
    assert "several cores" in text and "GIL" in text


def test_threads_win_because_others_were_late_while_one_computed() -> None:
    trace = held_up(naps=2)
    run = Run(tasks=[], trace=trace, elapsed=1.6, switches=6, baseline=threads(2, 0.9),
              slow_steps=[held(0.5, 1.0), held(0.5, 1.0)], slow_count=2)  # fmt: skip
    text = said(run, "won")
    assert "Steps that computed held the one thread for 1 s" in text and "were late meanwhile" in text
    assert "few switches" not in text


def test_threads_win_and_there_were_few_switches() -> None:
    assert "There were few switches, 30 among 10 coroutines" in said(
        made(2.0, 0.1, threads(10, 0.9), switches=30), "won"
    )


def test_threads_win_and_nobody_knows_why() -> None:
    assert "do not tell why" in said(made(2.0, 0.1, threads(10, 0.9)), "won")


def pairs(ours: float, theirs: float) -> Repeats:
    many = np.ones(10)
    return Repeats(10, ours * many, theirs * many, ours * many, theirs * many)


def test_where_pairs_tell_who_won_chance_is_not_blamed() -> None:
    text = said(made(2.0, 0.1, threads(10, 0.9), repeats=pairs(2.0, 1.0)), "won")
    assert "Threads won" in text and "do not tell why" in text and "ran once" not in text


def test_a_picture_that_shows_the_contrary_of_the_pairs_tells_nothing_of_why() -> None:
    text = said(made(1.0, 0.1, threads(10, 2.0), repeats=pairs(2.0, 1.0)), "won")
    assert "Threads won" in text and "could not be switched" not in text
    text = said(made(2.0, 0.1, threads(10, 1.0), repeats=pairs(1.0, 2.0)), "won")
    assert "Coroutines won" in text and "was there after" not in text


def test_of_threads_that_failed_nobody_says_that_they_came_to_the_same() -> None:
    def worker(fails: bool) -> Iterator[Any]:
        yield
        if fails:
            raise ValueError
        return 1

    def body(fails: bool = False) -> Iterator[Any]:
        spawn(worker(False))
        spawn(worker(fails))
        yield

    same = "Both sides came to the same results."
    run = run_of(body, run_of(body))
    assert same in said(run)
    run.baseline = run_of(lambda: body(True))
    assert same not in said(run)


def test_a_difference_that_may_be_chance_is_no_victory() -> None:
    close, short = made(1.0, 0.1, threads(10, 1.2)), made(0.002, 0.001, threads(10, 0.005))
    for run, how in ((close, "close"), (short, "short")):
        text = said(run, "won")
        assert "Nobody can tell from one run" in text
        assert "Coroutines won" not in text and "Threads won" not in text
        assert "--repeat 10" in said(run, "next")
        assert run.summary().splitlines()[0].endswith(f"too {how} to tell from one run")


def test_about_the_same_is_about_the_same() -> None:
    text = said(made(1.0, 0.1, threads(10, 1.01)), "won")
    assert "Neither side won" in text and "wait equally well" in text


def test_a_baseline_that_was_stopped_is_a_bound_or_nothing() -> None:
    assert "more than 10 times as fast" in said(made(1.0, 0.1, threads(10, 10.0, complete=False)), "won")
    assert "Nobody knows who won" in said(made(1.0, 0.1, threads(10, 0.5, complete=False)), "won")


def test_threads_that_could_not_be_started_are_counted() -> None:
    text = said(made(1.0, 0.1, threads(23, 9.0, wanted=100_000)), "won")
    assert "more than 23 threads of the 100,000" in text


@pytest.mark.parametrize("note", ["", "cannot copy a socket"])
def test_why_there_are_no_threads_is_said(note: str) -> None:
    run = made(1.0, 0.1)
    run.baseline_note = note
    assert f"no threads to compare with{': ' + note if note else ''}." in said(run, "won")


def test_no_side_wins_where_one_failed_or_was_stopped() -> None:
    baseline = threads(10, 2.0)
    baseline.error = ValueError("x")
    assert "with threads the program failed" in said(made(1.0, 0.1, baseline), "won")
    assert "interrupted" in said(made(1.0, 0.1, threads(10, 2.0), interrupted=True), "won")


# What was slow, what could not be switched, how it ended.


def test_what_held_the_thread_without_computing_is_named_with_what_to_do() -> None:
    run = made(1.0, 0.9, slow_steps=[held(0.5, 0.0, "db.execute(q)")], slow_count=1)
    assert "db.execute(q) at line 7. Together they took 0.50 s" in said(run, "switched")
    assert "in_thread" in said(run, "next") and "Line 7: db.execute(q)" in said(run, "slow")


def test_what_computed_for_long_was_not_blocked() -> None:
    run = made(1.0, 0.9, slow_steps=[held(0.5, 1.0)], slow_count=1)
    assert said(run, "switched") == "" and "bare yield into the loop at line 7" in said(run, "next")


def test_a_cell_that_computes_for_long_is_not_told_to_yield() -> None:
    run = made(1.0, 0.9, slow_steps=[held(0.5, 1.0)], slow_count=1, has_body=True)
    assert "yield" not in said(run, "next")


def test_nothing_slow_is_said_to_be_so() -> None:
    assert "No step went on for 50 ms or longer" in said(made(1.0, 0.1), "slow")


def test_ends_are_named() -> None:
    text = said(run_of(troubled), "went wrong")
    assert "bad at line " in text and "ValueError: line\\none" in text
    assert "Cancelled: slow at line" in text and "Left over" in text and "lost at line" in text
    assert "channel.close()" in said(run_of(troubled), "next")


def test_results_that_differ_may_be_a_data_race_or_another_order_of_turns() -> None:
    run = made(1.0, 0.1, threads(10, 1.2), differences=[Difference("total", "1", "2")])
    assert "total gave 1 here and 2 there" in said(run, "went wrong") and "Lock" in said(run, "next")
    assert "may be a data race" in said(run, "went wrong") and "another order" in said(run, "went wrong")
    assert "same results" not in said(run)


def test_shared_names_that_differ_are_shown_and_hazards_come_with_advice() -> None:
    run = made(1.0, 0.1, threads(10, 1.2), differences=[Difference("counter", "100", "61", "name")])
    assert "counter: 100 with coroutines, 61 with threads." in said(run, "went wrong")
    assert "data race" in said(run, "went wrong") and "result" not in said(run, "went wrong")
    run = made(1.0, 0.1, hazards=[Hazard("counter", *(Where("<cell>", line) for line in (5, 6, 7)))])
    assert "Line 5 reads counter, line 6 may let others run, line 7 writes it" in said(run, "went wrong")
    assert "from the line that reads counter" in said(run, "next") and "read it again" in said(run, "next")


def test_the_same_results_are_claimed_only_where_there_were_any() -> None:
    assert "same results" not in said(run_of(sleepers(2), threads(2, 0.1)))


def test_what_never_started_is_named() -> None:
    run = made(1.0, 0.1, never_started=["worker"])
    assert "Never started: worker" in said(run) and "spawn" in said(run, "next")


def test_names_are_bounded_text_and_keep_their_letters() -> None:
    def body():
        spawn(bad(), name="evil\n" + "x" * 10**5)
        yield

    def bad():
        yield
        raise ValueError("y" * 10**5)

    run = run_of(body)
    assert "evil\\n" in said(run) and max(len(s) for each in sections(run) for s in each.sentences) < 1000


def test_a_program_that_fails_on_both_sides_is_not_said_to_fail_on_one() -> None:
    def bad() -> Any:
        yield
        raise ValueError(5)

    def body() -> Any:
        spawn(bad())
        yield

    run, baseline = run_of(body), run_of(body)
    baseline.started = baseline.wanted = 1
    run.error, run.baseline = ValueError(5), baseline
    text = said(run, "won")
    assert "failed, with coroutines and with threads" in text and "did not" not in text
    run.baseline = threads(1, 0.1)
    assert "with coroutines the program failed, and on the other side it did not" in said(run, "won")
