"""Who was faster, where that can be said."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from coro_magic.language import Channel, spawn
from coro_magic.measure.repeats import Repeats
from coro_magic.measure.run import Run
from coro_magic.show.verdict import Verdict, judged

from .runs import run_of, sleepers, threads


def made(ours: float, theirs: float, pairs: list[tuple[float, float]] | None = None) -> Run:
    run = run_of(sleepers(10), threads(10, theirs))
    run.elapsed = ours
    if pairs is not None:
        coroutines, others = (np.array([pair[side] for pair in pairs]) for side in (0, 1))
        run.repeats = Repeats(len(pairs), coroutines, others, coroutines, others)
    return run


@pytest.mark.parametrize(
    ("ours", "theirs", "verdict"),
    [
        (1.0, 2.0, Verdict.COROUTINES), (2.0, 1.0, Verdict.THREADS), (1.0, 1.02, Verdict.SAME),
        (1.0, 1.2, Verdict.CHANCE), (0.001, 0.002, Verdict.SHORT), (0.001, 0.0011, Verdict.CHANCE),
    ],
)  # fmt: skip
def test_one_run_of_each_side_tells_who_was_faster_only_if_chance_cannot_explain_it(ours, theirs, verdict):
    assert judged(made(ours, theirs)).verdict is verdict


PAIRS = [(1.0, 1.2), (1.1, 1.3), (1.0, 1.25), (1.0, 1.15), (1.0, 1.2), (1.0, 1.2)]


def test_repeats_tell_where_a_single_run_could_not():
    run = made(0.5, 0.6, PAIRS)
    assert judged(run).verdict is Verdict.COROUTINES
    headline, *lines = run.summary().splitlines()
    assert headline.endswith("1.2 times as fast (1.1 to 1.2, median of 6 untraced pairs)")
    assert any(line.startswith("6 pairs, untraced and in turns") for line in lines)
    assert run.speedup == pytest.approx(1.2)


def test_repeats_that_are_sure_of_next_to_nothing_call_neither_side_faster():
    run = made(1.0, 1.01, [(1.0, 1.01 + at / 1000) for at in range(10)])
    assert judged(run).verdict is Verdict.SAME
    assert "about the same" in run.summary().splitlines()[0]


def test_of_a_single_pair_no_range_is_told():
    headline = made(0.5, 0.6, [(1.0, 0.99)]).summary().splitlines()[0]
    assert headline.endswith("too few pairs to tell (0.99 in 1 untraced pair)")


def test_the_headline_has_the_times_that_its_ratio_is_made_of():
    headline, *lines = made(0.5, 0.9, PAIRS).summary().splitlines()
    assert "10 coroutines, 1 thread, 1 s; 10 threads, 1.2 s; 1.2 times as fast" in headline
    said = "what the picture shows is one more run of each side, traced: coroutines 0.50 s, threads 0.90 s"
    assert said in lines


def test_repeats_between_which_equal_times_may_lie_are_noise_whatever_the_picture_shows():
    run = made(1.0, 5.0, [(1.0, 1.2), (1.3, 1.1), (1.0, 1.3), (1.2, 1.0), (1.0, 1.1), (1.1, 1.0)])
    assert judged(run).verdict is Verdict.NOISE
    assert "within the noise" in run.summary().splitlines()[0]
    assert "5.0 times" not in run.summary()


def test_more_pairs_tell_what_fewer_could_not_though_single_ones_are_as_far_apart_as_before():
    some = [(1.0, 1.0 + each) for each in (-0.1, 0.1, 0.1, 0.2, -0.05, 0.1, 0.15, 0.1)]
    assert judged(made(1.0, 1.0, some)).verdict is Verdict.NOISE
    assert judged(made(1.0, 1.0, 10 * some)).verdict is Verdict.COROUTINES


def test_a_few_repeats_tell_what_a_single_run_could_and_no_more():
    assert judged(made(1.0, 1.2, [(1.0, 1.2), (1.0, 1.2)])).verdict is Verdict.FEW
    assert judged(made(1.0, 1.0, 2 * [(1.0, 3.0)])).verdict is Verdict.COROUTINES
    assert judged(made(1.0, 1.0, [(1.0, 3.0), (1.0, 0.9)])).verdict is Verdict.FEW
    # Nor do they where what they are apart is a moment, however many times the other it is.
    assert judged(made(0.001, 0.003, 2 * [(0.001, 0.003)])).verdict is Verdict.FEW
    assert judged(made(0.001, 0.003, 6 * [(0.001, 0.003)])).verdict is Verdict.COROUTINES


def test_threads_of_which_some_failed_are_nobody_to_compare_with():
    def bad() -> Iterator[Any]:
        yield
        raise ValueError

    def body() -> Iterator[Any]:
        spawn(bad())
        yield

    baseline = run_of(body)
    baseline.elapsed, baseline.error = 10.0, None  # somebody saw to it; or the whole went on
    baseline.started = baseline.wanted = 1
    run = run_of(sleepers(1), baseline)
    assert judged(run).verdict is Verdict.NONE and run.speedup is None
    headline = run.summary().splitlines()[0]
    assert "1 failed" in headline and "times as fast" not in headline


def test_repeats_of_which_none_was_made_leave_a_single_run_called_one():
    run = made(1.0, 2.0, [])
    assert "each side ran once, and was traced: a measurement, not a benchmark" in run.summary().splitlines()


def test_where_each_waits_for_the_other_nobody_is_called_faster():
    def body() -> Iterator[Any]:
        one, other = Channel[int](), Channel[int]()

        def first() -> Iterator[Any]:
            yield one.get()
            yield other.put(1)

        def second() -> Iterator[Any]:
            yield other.get()
            yield one.put(1)

        spawn(first())
        spawn(second())
        yield

    run = run_of(body, threads(2, 1.0))
    headline, *lines = run.summary().splitlines()
    assert "nobody finished" in headline and "times as fast" not in headline
    assert any("deadlock" in line for line in lines)
    assert judged(run).verdict is Verdict.NONE


def test_a_consumer_that_was_left_over_is_told_in_the_headline_and_compared_all_the_same():
    def body() -> Iterator[Any]:
        items = Channel[int]()

        def consumer() -> Iterator[Any]:
            while True:
                yield items.get()

        def producer() -> Iterator[Any]:
            yield items.put(1)

        spawn(consumer())
        spawn(producer())
        yield

    headline = run_of(body, threads(2, 1.0)).summary().splitlines()[0]
    assert "1 left over" in headline and "times as fast" in headline
