"""``--against``: the same program in other ways, beside coroutines and threads."""

from __future__ import annotations

import pytest
from cells import cell

from coro_magic.measure.options import Options
from coro_magic.show.card import card

PROGRAM = """
from coro_magic import sleep
def f(n):
    yield sleep(0.001)
    return n
for n in range(3): f(n)
"""


def test_each_side_is_a_run_under_its_name_in_the_order_given():
    run = cell(PROGRAM, baseline="threads", against="asyncio,threads,sequential").run
    assert list(run.others) == ["asyncio", "sequential"]
    assert {other.unit for other in run.others.values()} == {"task", "call"}
    assert run.baseline is not None and run.baseline.unit == "thread"
    for other in run.others.values():
        assert other.complete and other.count == 3 and other.elapsed > 0
        assert other.results == run.baseline.results


def test_an_error_on_another_side_has_its_own_name_and_the_line_where_it_was_raised():
    run = cell(
        """
        def f():
            yield
            raise ValueError("no")
        f()
        """,
        baseline="threads", against="threads,asyncio,sequential", on_error="continue",
    ).run  # fmt: skip
    for side in (run.baseline, *run.others.values()):
        (task,) = (task for task in side.tasks if task._error is not None)
        told = card(side, task.row, None)["traceback"]
        assert "\nValueError: no" in told and "line 3, in f" in told
        assert "coro_magic" not in told and "RuntimeError" not in told


def test_without_threads_in_the_list_there_is_no_baseline():
    run = cell(PROGRAM, baseline="threads", against="threadpool").run
    assert run.baseline is None and run.baseline_note == "switched off"
    assert list(run.others) == ["threadpool"]


def test_without_a_baseline_the_others_are_run_all_the_same():
    run = cell(PROGRAM, baseline="off", against="threads,sequential").run
    assert run.baseline is None and list(run.others) == ["sequential"]


def test_a_side_that_cannot_run_the_program_says_why_and_the_next_one_is_run():
    run = cell(
        """
        from coro_magic import Channel
        c = Channel()
        def put():
            yield c.put(1)
        def get():
            return (yield c.get())
        put()
        get()
        """,
        baseline="off", against="sequential,asyncio",
    ).run  # fmt: skip
    assert "line 4 waits for room" in run.other_notes["sequential"]
    assert list(run.others) == ["asyncio"] and run.others["asyncio"].results["get"] == 1
    assert "sequential: no run to compare with: one after another cannot" in run.summary()


def test_results_that_differ_are_told_with_the_name_of_the_side():
    run = cell(
        """
        import asyncio
        def f():
            yield
            try:
                asyncio.get_running_loop()
            except RuntimeError:
                return "no loop"
            return "a loop"
        f()
        """,
        baseline="off", against="asyncio",
    ).run  # fmt: skip
    (difference,) = run.others["asyncio"].differences
    assert (difference.coroutines, difference.threads) == ("'no loop'", "'a loop'")
    assert "different result: f: 'no loop' with coroutines, 'a loop' with asyncio" in run.summary()


def test_what_gevent_has_patched_is_not_there_in_the_next_run():
    pytest.importorskip("gevent")
    run = cell(
        """
        import time
        def f():
            yield
            return type(time.sleep).__name__, getattr(time.sleep, "__module__", "")
        f()
        """,
        baseline="off", against="gevent,asyncio", trace="off",
    ).run  # fmt: skip
    assert run.others["gevent"].results["f"] != run.others["asyncio"].results["f"]


def test_where_time_cannot_be_compared_no_other_side_is_run():
    run = cell(PROGRAM, baseline="threads", against="asyncio", clock="virtual").run
    assert not run.others and "virtual time" in run.other_notes["asyncio"]


def test_the_list_is_checked():
    assert Options.of(against=" asyncio, threads ").sides == ("asyncio", "threads")
    for wrong in ("curio", "asyncio,asyncio", "", "threads,,asyncio"):
        with pytest.raises(ValueError, match="against"):
            Options.of(against=wrong)
    with pytest.raises(ValueError, match="--against"):
        Options.of(against="asyncio", repeat=3)
