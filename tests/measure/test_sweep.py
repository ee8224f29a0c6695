"""A program for many values of a name, on both sides."""

from __future__ import annotations

import contextlib
import time

import numpy as np
import pytest
from cells import cell, on_both_sides

import coro_magic
from coro_magic.measure import process
from coro_magic.measure.options import Options

TURNS = """
n = 3
def turns():
    for _ in range(4):
        yield
for _ in range(n): turns()
"""


@pytest.fixture(scope="module")
def swept():
    return on_both_sides(TURNS, sweep="n=1,5,20")


def test_every_value_is_measured_on_both_sides_and_the_run_that_is_shown_keeps_its_own(swept):
    sweep = swept.run.sweep
    assert sweep.names == ("n",)
    assert [point.values for point in sweep.points] == [{"n": 1}, {"n": 5}, {"n": 20}]
    assert swept.run.count == 3 and swept.names["n"] == 3
    for side in ("coroutines", "threads"):
        assert sweep.column(side, "count").tolist() == [1, 5, 20]
        assert (sweep.column(side, "seconds") > 0).all()
    assert sweep.points[2].coroutines.switches > 4 * 20
    assert np.isfinite(sweep.ratios).all() and not sweep.note and not sweep.limits


def test_a_name_that_nobody_binds_has_a_value_to_be_seen(swept):
    ran = cell(TURNS.replace("n = 3\n", ""), sweep="n=1,90,1000", baseline="off")
    assert ran.run.count == 90 == ran.names["n"]
    assert ran.run.sweep.column("coroutines", "count").tolist() == [1, 90, 1000]
    assert all(point.threads is None for point in ran.run.sweep.points)


def test_two_names_make_a_grid():
    names = {"__name__": "__main__", "n": 1, "m": 1}
    ran = on_both_sides("def f(): yield\nfor _ in range(n * m): f()", names, sweep="n=1,2 m=1,3")
    assert ran.run.sweep.column("coroutines", "count").tolist() == [1, 3, 2, 6]


def test_threads_that_were_stopped_at_one_point_are_not_tried_at_a_larger_one(monkeypatch):
    ask, asked = process.ask, []

    def stopped_at_five(job):
        asked.append((job.engine, job.values["n"]))
        report = ask(job)
        report.complete = job.engine == "coroutines" or job.values["n"] < 5
        return report

    monkeypatch.setattr("coro_magic.measure.sweep.ask", stopped_at_five)
    sweep = on_both_sides(TURNS, sweep="n=1,5,20").run.sweep
    assert ("threads", 20) not in asked and ("coroutines", 20) in asked
    assert [point.values["n"] for point in sweep.limits] == [5]
    assert np.isnan(sweep.ratios).tolist() == [False, True, True]
    assert "threads were stopped after" in sweep.summary() and "not tried" in sweep.summary()


def test_an_interrupt_keeps_the_points_that_are_done(monkeypatch):
    ask = process.ask

    def interrupted(job):
        if job.values["n"] == 20:
            raise KeyboardInterrupt
        return ask(job)

    monkeypatch.setattr("coro_magic.measure.sweep.ask", interrupted)
    run = on_both_sides(TURNS, sweep="n=1,5,20").run
    assert len(run.sweep.points) == 2 and run.sweep.wanted == 3 and run.sweep.note == "interrupted"
    assert not run.interrupted and run.baseline.complete
    assert "2 of 3 points were measured: interrupted" in run.summary()


def test_an_interrupt_of_a_sweep_from_python_is_raised_with_the_points_that_are_done(monkeypatch):
    ask = process.ask

    def interrupted(job):
        if job.program.calls[0].kwargs["n"] == 4:
            raise KeyboardInterrupt
        return ask(job)

    monkeypatch.setattr("coro_magic.measure.sweep.ask", interrupted)
    with pytest.raises(KeyboardInterrupt) as caught:
        coro_magic.sweep(many, {"n": [1, 4, 9]})
    sweep = caught.value.sweep
    assert [point.values["n"] for point in sweep.points] == [1] and sweep.note == "interrupted"


def holding(n):
    while n > 1:
        pass
    yield


def swallowing(n):
    while n > 1:
        with contextlib.suppress(Exception):
            time.sleep(0.01)
            yield
    yield


@pytest.mark.parametrize("function", [holding, swallowing])
def test_coroutines_that_never_end_are_stopped_when_their_budget_is_over_and_end_the_sweep(function):
    sweep = coro_magic.sweep(function, {"n": [1, 2, 3]}, baseline="off", baseline_budget=0.5)
    assert [point.values["n"] for point in sweep.points] == [1, 2] and sweep.wanted == 3
    assert sweep.points[0].coroutines.whole
    assert sweep.points[1].coroutines.note.startswith("were stopped after ")
    assert sweep.note.startswith("n = 2: the coroutines were stopped after ")
    assert "2 of 3 points were measured: n = 2: the coroutines were stopped" in sweep.summary()


def test_with_repeats_every_point_is_a_median():
    sweep = coro_magic.sweep(many, {"n": [1, 4]}, repeat=3)
    assert [point.threads.seconds.shape for point in sweep.points] == [(3,), (3,)]
    assert sweep.column("threads", "seconds")[0] == np.median(sweep.points[0].threads.seconds)
    assert "medians of 3 untraced runs" in sweep.summary()


def test_the_other_sides_are_measured_at_every_point_and_those_that_cannot_say_why():
    sweep = coro_magic.sweep(handing_on, {"n": [1, 3]}, against="threads,asyncio,sequential")
    assert sweep.sides == ("coroutines", "threads", "asyncio")
    assert (sweep.column("asyncio", "seconds") > 0).all()
    assert np.isnan(sweep.column("sequential", "seconds")).all()
    assert "one after another cannot" in sweep.other_notes["sequential"]
    first, one, *_ = sweep.summary().splitlines()
    assert "; asyncio " in one and "sequential: not measured: " in sweep.summary()


def handing_on(n):
    channel = coro_magic.Channel()
    task = coro_magic.spawn(taking(channel, n))
    for each in range(n):
        yield channel.put(each)
    yield task


def taking(channel, n):
    for _ in range(n):
        yield channel.get()


def many(n):
    for _ in range(n):
        coro_magic.spawn(one())
    yield


def one():
    yield


def test_memory_is_known_on_linux_and_grows_with_what_a_program_holds():
    sweep = coro_magic.sweep(holding, {"n": [1, 40]}, baseline="off")
    small, large = sweep.column("coroutines", "memory")
    if np.isnan(small):
        pytest.skip("this system does not tell how large a process was")
    assert large > 30_000_000 > small


def test_memory_is_what_a_point_needs_whatever_was_measured_before_it():
    for numbers in ([60_000, 300_000], [300_000, 60_000]):
        found = coro_magic.sweep(keeping, {"n": numbers}, repeat=2).column("coroutines", "memory")
        if np.isnan(found).any():
            pytest.skip("this system does not tell how large a process was")
        # What was freed before is used again: in one process the last would have needed next to nothing.
        assert min(found) > 2_000_000 and max(found) > 20_000_000


def keeping(n):
    kept = [[each] for each in range(n)]
    yield
    return len(kept)


def test_a_cell_in_which_nobody_finishes_is_not_compared():
    sweep = on_both_sides("""
        from coro_magic import Channel
        n = 1
        c = Channel()
        def waiter(): yield c.get()
        for _ in range(n): waiter()
    """, sweep="n=1,3").run.sweep  # fmt: skip
    assert "waited for messages, all of them" in sweep.note and not np.isfinite(sweep.ratios).any()


def test_a_point_may_be_measured_by_the_other_sides_alone():
    ran = on_both_sides(TURNS, sweep="n=1,5", against="asyncio")
    assert all(point.threads is None and point.others["asyncio"].whole for point in ran.run.sweep.points)


def holding(n):
    kept = bytearray(n * 1_000_000)
    yield
    return len(kept)


def test_a_coroutine_that_fails_ends_the_sweep_with_a_note():
    sweep = coro_magic.sweep(failing, {"n": [1, 2, 3]}, baseline="off")
    assert len(sweep.points) == 2 and "n = 2: the coroutines failed" in sweep.note


def failing(n):
    yield
    if n == 2:
        raise ValueError


@pytest.mark.parametrize(
    ("options", "message"),
    [({"clock": "virtual"}, "needs --clock real"), ({"record": "on"}, "needs --record off")],
)
def test_a_sweep_measures_time_and_says_so(options, message):
    with pytest.raises(ValueError, match=message):
        Options.of(sweep="n=1,2", **options)


def test_functions_are_swept_over_their_arguments_and_not_over_names():
    with pytest.raises(ValueError, match=r"coro_magic\.sweep"):
        coro_magic.run(one, sweep="n=1,2")
    with pytest.raises(TypeError):
        coro_magic.sweep(3, {"n": [1]})
    for wrong, kind, message in (
        ({"n": 5}, TypeError, "a list of numbers for n, not 5"), ({"n": "abc"}, TypeError, "not 'abc'"),
        ({"n": ["1"]}, TypeError, "'1' is none"), ({"m": [1]}, TypeError, "with m"),
        ([1], TypeError, "a dict"),
        ({"n": [1, 2, 1]}, ValueError, "has 1 twice"),
    ):  # fmt: skip
        with pytest.raises(kind, match=message):
            coro_magic.sweep(many, wrong)
    with pytest.raises(ValueError, match="none"):
        coro_magic.sweep(many, {})


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("def f(): yield\nf()", "does not use n"),
        ("def f(): yield\nfor n in range(3): f()", "changes n itself"),
        ("n = 1\nn += 1\ndef f(): yield n\nf()", "changes n itself"),
        ("def f():\n    global n\n    n = 3\n    yield\nf()", "changes n itself"),
        ("(n := 3)\ndef f(): yield n\nf()", "changes n itself"),
    ],
)
def test_a_sweep_that_would_change_nothing_is_an_error_that_says_so(source, message):
    with pytest.raises(ValueError, match=message):
        cell(source, sweep="n=1,2")


def test_a_name_that_python_has_is_not_swept():
    with pytest.raises(ValueError, match="Python's own"):
        cell("def f(): yield sum([])\nf()", sweep="sum=1,2")


def test_a_name_that_only_an_earlier_function_reads_can_be_swept():
    names = cell("def many():\n    for _ in range(n): yield").names
    ran = cell("many()", names, sweep="n=1,3", baseline="off")
    assert ran.run.sweep.points[1].coroutines.switches > ran.run.sweep.points[0].coroutines.switches


def test_an_error_that_somebody_sees_to_does_not_end_a_sweep():
    source = (
        "from coro_magic import spawn\ndef bad():\n    yield\n    raise ValueError\n"
        "def f():\n    for _ in range(n):\n        try:\n            yield spawn(bad())\n"
        "        except ValueError: pass\nf()"
    )
    assert len(on_both_sides(source, sweep="n=1,2").run.sweep.points) == 2


def test_a_body_that_fails_is_not_counted_as_one_of_nobody():
    ran = on_both_sides("if n > 2: raise ValueError", {"__name__": "__main__", "n": 1}, sweep="n=1,5")
    assert ran.run.sweep.note == "n = 5: the coroutines failed"
