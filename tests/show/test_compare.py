"""Two runs beside each other."""

from __future__ import annotations

import numpy as np

from coro_magic.language import sleep, spawn
from coro_magic.measure.repeats import Repeats
from coro_magic.measure.run import Run

from .runs import run_of, sleepers, threads, troubled


def napping(seconds: float, result: object = 1, name: str = "late") -> Run:
    def body():
        spawn(nap(), name=name)
        spawn(quick())
        yield

    def nap():
        yield sleep(seconds)
        return result

    def quick():
        yield

    return run_of(body, clock="virtual")


def test_a_comparison_names_who_took_longer_and_in_which_state() -> None:
    comparison = napping(1.0).compare(napping(3.0))
    assert comparison.both == ["late", "quick"]
    first = comparison.apart[0]
    assert (first.name, first.one, first.other) == ("late", 1.0, 3.0)
    assert first.states["waiting"] == (1.0, 3.0)
    assert "late: 1 s and 3 s, most of the difference waiting (1 s and 3 s)" in comparison.summary()


def test_the_headline_has_times_and_switches() -> None:
    one, other = run_of(sleepers(3)), run_of(sleepers(3))
    one.elapsed, other.elapsed = 2.0, 1.0
    line = one.compare(other).summary().splitlines()[0]
    assert line.startswith("first run 2 s, second run 1 s, 2.0 times as fast; ")
    assert "switches in both" in line
    assert "the first 2.0 times as fast" in other.compare(one).summary()


def test_of_runs_that_were_repeated_the_medians_of_untraced_runs_are_compared() -> None:
    one, other = run_of(sleepers(3)), run_of(sleepers(3))
    one.elapsed, other.elapsed = 2.0, 1.0
    assert "one traced run of each" in one.compare(other).summary()
    for run, seconds in ((one, [1.0, 3.0, 9.0]), (other, [1.0, 6.0, 6.0, 7.0])):
        times = np.array(seconds)
        run.repeats = Repeats(len(times), times, times, times, times)
    said = one.compare(other).summary()
    assert said.startswith("first run 3 s, second run 6 s, the first 2.0 times as fast; ")
    assert "medians of 3 and 4 untraced runs" in said and "chance" not in said
    other.repeats = None  # only one of them was: then both are compared by what was traced
    assert one.compare(other).summary().startswith("first run 2 s, second run 1 s, 2.0 times as fast; ")


def test_results_and_ends_that_differ_are_named() -> None:
    comparison = napping(1.0, result="a").compare(napping(1.0, result="b"))
    assert [(each.name, each.one, each.other) for each in comparison.unlike] == [("late", "'a'", "'b'")]
    assert "1 coroutine came to another end" in comparison.summary()
    assert "another end: late: 'a' in the first, 'b' in the second" in comparison.summary()
    assert napping(1.0).compare(napping(1.0)).unlike == []


def test_runs_of_different_programs_can_be_compared_and_are_said_to_be_different() -> None:
    comparison = run_of(sleepers(3)).compare(run_of(troubled))
    assert comparison.both == [] and "different programs" in comparison.summary()
    assert "times as fast" not in comparison.summary()
    part = run_of(sleepers(3)).compare(run_of(sleepers(5)))
    assert "3 in both, 0 in the first only, 2 in the second only" in part.summary()


def test_virtual_time_is_not_compared_with_real_time() -> None:
    said = run_of(sleepers(3)).compare(run_of(sleepers(3), clock="virtual"))
    assert said.ratio is None and "not to be compared" in said.summary()


def test_options_that_differ_are_named() -> None:
    one, other = run_of(sleepers(1)), run_of(sleepers(1))
    one.options, other.options = {"order": "fifo", "seed": None}, {"order": "random", "seed": 3}
    assert "options: order fifo and random, seed none and 3" in one.compare(other).summary()


def test_the_picture_has_both_timelines_and_is_a_png() -> None:
    comparison = run_of(sleepers(3)).compare(run_of(sleepers(2000)))
    data, about = comparison._repr_png_()
    assert data.startswith(b"\x89PNG")
    assert about["alt"] == f"{comparison.summary().splitlines()[0]}. Timelines of both runs"
    texts = [text.get_text() for text in comparison.picture().texts]
    assert any(text.startswith("first run, 3 coroutines") for text in texts)
    assert any(text.startswith("second run, 2,000 coroutines") for text in texts)
    assert repr(comparison) == comparison.summary()


def test_a_run_without_a_trace_and_a_baseline_can_be_compared_too() -> None:
    run = run_of(sleepers(3), threads(3, 0.1))
    assert run.compare(run_of(sleepers(3), trace=False)).apart == []
    assert run.baseline is not None
    assert run.compare(run.baseline)._repr_png_()


def test_names_are_one_bounded_line() -> None:
    evil = "<b>\n" + "x" * 1000
    summary = napping(1.0, name=evil).compare(napping(2.0, name=evil)).summary()
    assert "<b>\\n" in summary and max(map(len, summary.splitlines())) < 300
