"""Both sides again and again, in turns, in the worker process."""

from __future__ import annotations

import contextlib

import numpy as np
import pytest
from cells import on_both_sides
from hypothesis import given
from hypothesis import strategies as st

import coro_magic
from coro_magic import sleep
from coro_magic.measure import process
from coro_magic.measure.options import Options
from coro_magic.measure.repeats import ENOUGH, Repeats

SLEEPERS = """
import time
calls = []
def nap(n):
    for _ in range(3):
        time.sleep(0.001)
        calls.append(n)
        yield
    return len(calls)
for n in range(5): nap(n)
"""


def test_every_repeat_is_a_pair_and_finds_the_names_as_the_first_run_did():
    ran = on_both_sides(SLEEPERS, repeat=4)
    repeats = ran.run.repeats
    assert len(repeats) == repeats.wanted == 4 and repeats.note == ""
    assert repeats.coroutines.shape == repeats.threads_cpu.shape == (4,)
    assert (repeats.coroutines > 0).all() and (repeats.threads_cpu >= 0).all()
    assert ran.run.speedup == repeats.median
    low, high = repeats.spread
    assert low <= repeats.median <= high
    assert len(ran.names["calls"]) == 15


def test_repeats_are_untraced_and_bring_no_results(monkeypatch):
    reports = []
    ask = process.ask

    def noting(job):
        reports.append((job, ask(job)))
        return reports[-1][1]

    monkeypatch.setattr("coro_magic.measure.repeats.ask", noting)
    on_both_sides(SLEEPERS, repeat=2)
    assert [job.engine for job, _ in reports] == ["coroutines", "threads", "threads", "coroutines"]
    for _, report in reports:
        assert not report.results and not report.trace.recording and report.complete


@pytest.mark.parametrize(
    ("source", "note"),
    [
        ("def f():\n    yield\n    raise ValueError\nf()", "the coroutines did not come to their end"),
        ("import threading, os\ndef f():\n    yield\n"
         "    if threading.get_native_id() != os.getpid(): raise ValueError\nf()",
         "the threads did not come to their end"),
    ],
)  # fmt: skip
def test_a_side_that_failed_once_is_not_repeated(source, note):
    repeats = on_both_sides(source, repeat=3).run.repeats
    assert len(repeats) == 0 and repeats.note == note


def test_an_interrupt_keeps_the_repeats_that_are_done(monkeypatch):
    ask, asked = process.ask, []

    def interrupted_at_the_fourth(job):
        asked.append(job)
        if len(asked) == 4:
            raise KeyboardInterrupt
        return ask(job)

    monkeypatch.setattr("coro_magic.measure.repeats.ask", interrupted_at_the_fourth)
    repeats = on_both_sides(SLEEPERS, repeat=5).run.repeats
    assert len(repeats) == 1 and repeats.note == "interrupted" and repeats.wanted == 5


def interrupted_after(done, where, monkeypatch):
    """Let an interrupt strike when so many jobs were done by the worker process."""
    ask, asked = process.ask, []

    def interrupted(job):
        asked.append(job)
        if len(asked) > done:
            raise KeyboardInterrupt
        return ask(job)

    monkeypatch.setattr(where, interrupted)


def sleeper():
    yield sleep(0.001)


def refused():
    yield
    raise ValueError("no")


def test_an_interrupt_of_what_is_measured_after_a_run_is_raised_with_what_is_done(monkeypatch):
    interrupted_after(3, "coro_magic.measure.repeats.ask", monkeypatch)
    with pytest.raises(KeyboardInterrupt) as caught:
        coro_magic.run(sleeper, repeat=5)
    run = caught.value.run
    assert len(run.repeats) == 1 and run.repeats.note == "interrupted"
    assert run.baseline is not None and run.error is None and not run.interrupted


def test_whoever_looks_out_for_errors_does_not_swallow_an_interrupt(monkeypatch):
    interrupted_after(0, "coro_magic.measure.baseline.ask", monkeypatch)
    rounds = 0
    with pytest.raises(KeyboardInterrupt) as caught:
        while rounds < 3:
            rounds += 1
            with contextlib.suppress(ValueError):
                coro_magic.run(refused)
    assert rounds == 1 and isinstance(caught.value.__cause__, ValueError)
    assert caught.value.run.baseline_note == "interrupted"


def test_a_run_that_is_made_again_and_interrupted_is_not_given_as_if_it_were_whole(monkeypatch):
    run = coro_magic.run(sleeper)
    interrupted_after(0, "coro_magic.measure.repeats.ask", monkeypatch)
    with pytest.raises(KeyboardInterrupt) as caught:
        run.again(repeat=2)
    assert caught.value.run.repeats.note == "interrupted" and caught.value.run is not run


def test_the_other_sides_are_repeated_in_the_same_turns():
    run = on_both_sides(SLEEPERS, repeat=3, against="threads,asyncio,threadpool").run
    assert sorted(run.repeats.others) == ["asyncio", "threadpool"]
    assert all(seconds.shape == (3,) and (seconds > 0).all() for seconds in run.repeats.others.values())
    assert run.repeats.beside("asyncio").median > 0 and run.repeats.beside("gevent") is None


def test_a_side_that_cannot_run_the_program_is_not_repeated_and_the_others_are():
    source = """
        from coro_magic import Channel
        c = Channel()
        def one(): yield c.get()
        def other(): yield c.put(1)
        one(); other()
    """
    run = on_both_sides(source, repeat=2, against="threads,sequential,asyncio").run
    assert list(run.repeats.others) == ["asyncio"] and len(run.repeats) == 2


def test_a_failure_that_somebody_sees_to_does_not_keep_a_program_from_being_repeated():
    source = """
    from coro_magic import spawn
    def bad():
        yield
        raise ValueError
    def f():
        try:
            yield spawn(bad())
        except ValueError:
            return 1
    f()"""
    assert len(on_both_sides(source, repeat=2).run.repeats) == 2


@pytest.mark.parametrize(
    "others", [{"baseline": "off"}, {"clock": "virtual"}, {"record": "on"}], ids=lambda each: next(iter(each))
)
def test_to_repeat_what_cannot_be_compared_is_an_error_that_says_so(others):
    with pytest.raises(ValueError, match="repeat: compares the time of both sides"):
        Options.of(repeat=3, **others)


def test_functions_of_a_module_are_repeated_too():
    run = coro_magic.run(pause, repeat=2)
    assert len(run.repeats) == 2


def pause():
    yield coro_magic.sleep(0.001)


def test_where_there_are_only_generators_driven_by_hand_they_are_repeated():
    source = "def gen():\n    while True: yield\ng = gen()\nfor _ in range(5): next(g)"
    ran = on_both_sides(source, repeat=2)
    assert ran.run.count == 1 and not ran.run.nobody_finished
    assert len(ran.run.repeats) == 2


def test_the_interval_holds_the_median_as_often_as_it_says():
    chance = np.random.default_rng(1)
    held = 0
    for _ in range(400):
        times = chance.lognormal(size=15)
        low, high = Repeats(15, np.ones(15), times, np.ones(15), times).interval
        held += low <= 1.0 <= high
    assert held / 400 > 0.94


@given(st.lists(st.floats(0.1, 10), min_size=1, max_size=60))
def test_the_interval_is_made_of_pairs_and_lies_around_their_median(times):
    ones, times = np.ones(len(times)), np.array(times)
    repeats = Repeats(len(times), ones, times, ones, times)
    low, high = repeats.interval
    assert low <= repeats.median <= high
    assert {low, high} <= set(repeats.ratios.tolist())
    if len(times) < ENOUGH:
        assert (low, high) == (times.min(), times.max())
