"""Generators driven by hand have a row, and stay what they are."""

from __future__ import annotations

import sys
import types
from pathlib import Path

import numpy as np
import pytest
from cells import cell
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from coro_magic.engines import journal, observe
from coro_magic.engines.events import READY, RUNNING, WAITING
from coro_magic.engines.journal import FOLD_AT

PROGRAMS = Path(__file__).parents[1] / "programs"


def rows(ran):
    trace = ran.run.trace
    return [trace.name(row) for row in range(len(trace))]


def state(ran, name):
    return str(ran.run.trace.final(rows(ran).index(name)))


DRIVEN = """
def counts():
    n = 0
    while True:
        n += (yield n)
c = counts()
"""

DRIVERS = {
    "the body": "next(c)\nfor _ in range(4): c.send(1)",
    "a function that the body calls": "def drive():\n    next(c)\n    for _ in range(4): c.send(1)\ndrive()",
    "a coroutine": "def drives():\n    next(c)\n    for _ in range(4):\n        c.send(1)\n"
                   "        yield\nd = drives()",
    "a coroutine that has it as an argument": "def drives(g):\n    next(g)\n    for _ in range(4):\n"
                                              "        g.send(1)\n"
    "        yield\nd = drives(c)",
    "a native coroutine": "async def drives():\n    next(c)\n    for _ in range(4): c.send(1)\nd = drives()",
    "a plain function that is spawned": "from coro_magic import spawn\ndef drives():\n    next(c)\n"
    "    for _ in range(4): c.send(1)\nspawn(drives)",
    "a coroutine that blocks in between": "import time\ndef drives():\n    next(c)\n    for _ in range(4):\n"
    "        time.sleep(0.001)\n        c.send(1)\n    yield\nd = drives()",
}


@pytest.mark.parametrize("driver", DRIVERS)
def test_one_driven_by_hand_has_a_row_and_can_be_driven_on(driver):
    ran = cell(DRIVEN + DRIVERS[driver])
    assert ran.run.error is None
    row = rows(ran).index("counts")
    assert ran.run.trace.resumptions(row) == 5
    assert state(ran, "counts") == "left over"
    generator = ran.names["c"]
    assert type(generator) is types.GeneratorType
    assert generator.send(10) == 14


def test_who_resumed_it_is_its_parent():
    ran = cell(DRIVEN + "def drives():\n    next(c)\n    yield\nd = drives()")
    trace, names = ran.run.trace, rows(ran)
    assert names[trace.parent(names.index("counts"))] == "drives"


def test_one_that_drives_another_is_driven_itself():
    ran = cell("""
        def inner():
            while True: yield
        def outer():
            i = inner()
            while True:
                next(i)
                yield
        o = outer()
        next(o)
        next(o)
    """)
    trace, names = ran.run.trace, rows(ran)
    assert names == ["cell", "outer", "inner"]
    assert names[trace.parent(2)] == "outer" and trace.resumptions(2) == 2


@pytest.mark.parametrize("end, expected", [
    ("next(c)\nlist(c)", "done"), ("next(c)\nc.close()", "cancelled"), ("next(c)", "left over"),
    ("next(c)\ntry:\n    c.throw(KeyError)\nexcept KeyError: pass", "failed"),
    ("try:\n    while True: next(c)\nexcept StopIteration: pass", "done"),
])  # fmt: skip
def test_how_it_ended_is_known(end, expected):
    ran = cell("def counts():\n    yield 1\n    yield 2\n    return 3\nc = counts()\n" + end)
    assert ran.run.error is None
    if expected == "failed" and not hasattr(sys, "monitoring"):
        expected = "cancelled"  # ended from outside: the interpreter does not tell how
    assert state(ran, "counts") == expected


def test_one_that_is_delegated_to_is_part_of_the_one_that_delegates():
    ran = cell(
        "def inner():\n    yield 1\n    yield 2\ndef outer():\n    yield from inner()\no = outer()\n"
        "next(o)\nnext(o)"
    )
    assert rows(ran) == ["cell", "outer"]


def test_coroutines_of_the_scheduler_have_one_row_each():
    ran = cell(DRIVEN + "def f():\n    yield\n    yield\nf()\ng = f()\nnext(c)")
    assert sorted(rows(ran)) == ["cell", "counts", "f", "f-2"]


def test_a_function_both_driven_and_handed_over_counts_each_for_itself():
    ran = cell("def f():\n    yield\n    yield\ng = f()\nnext(g)\nh = f()")
    assert sorted(rows(ran)) == ["cell", "f", "f-2"]
    assert [task.name for task in ran.run.tasks] == ["cell", "f-2"]
    assert state(ran, "f") == "left over" and state(ran, "f-2") == "done"


def test_a_library_that_uses_generators_is_not_observed():
    ran = cell("import contextlib, re\nwith contextlib.suppress(ValueError):\n"
               "    list(re.finditer('a', 'aaa'))\n"
               "@contextlib.contextmanager\ndef f():\n    yield 1\nwith f() as x: pass")  # fmt: skip
    assert ran.run.error is None and ran.names["x"] == 1


def test_profiling_and_monitoring_are_as_they_were():
    profile = sys.getprofile()
    tools = [sys.monitoring.get_tool(n) for n in range(6)] if hasattr(sys, "monitoring") else None
    for source in (
        DRIVEN + "next(c)",
        DRIVEN + "next(c)\n1 / 0",
        DRIVEN + DRIVERS["a coroutine that blocks in between"],
    ):
        cell(source)
        assert sys.getprofile() is profile
        assert tools is None or [sys.monitoring.get_tool(n) for n in range(6)] == tools


def test_somebody_elses_profile_function_is_left_alone():
    seen = []

    def profile(frame, event, argument):
        seen.append(event)

    sys.setprofile(profile)
    try:
        cell(DRIVEN + "next(c)")
        assert sys.getprofile() is profile
    finally:
        sys.setprofile(None)
    assert seen


def test_without_a_trace_nothing_is_observed():
    ran = cell(DRIVEN + "next(c)\nc.send(0)", trace="off")
    assert ran.run.error is None and ran.names["c"].send(1) == 1


def test_an_error_out_of_a_driven_generator_reaches_its_driver():
    ran = cell("def bad():\n    yield\n    1 / 0\ndef drives():\n    b = bad()\n    next(b)\n    try:\n"
               "        next(b)\n"
               "    except ZeroDivisionError:\n        return 'caught'\n    yield\nd = drives()")  # fmt: skip
    assert ran.results == {"drives": "caught"}
    assert state(ran, "bad") == "failed"


def test_a_generator_that_is_gone_through_is_no_coroutine_on_either_side():
    ran = cell("""
        def numbers(n):
            for i in range(n):
                yield i
        def squares(source):
            for x in source:
                yield x * x
        total = sum(squares(numbers(10)))
        listed = [x for x in squares(numbers(3))]
    """)
    assert rows(ran) == ["cell"]
    assert ran.run.count == 0 and "times as fast" not in ran.run.summary()


# What a generator does until somebody resumes it again, or a coroutine until its next step. A list is done by
# another generator, which is driven by hand or delegated to.
STEPS = st.recursive(
    st.sampled_from(["yield", "nap", "sleep", "close", "fail", "throw"]),
    lambda steps: st.tuples(
        st.sampled_from(["drives", "delegates", "goes through"]), st.lists(steps, max_size=5)
    ),
    max_leaves=12,
)
FOLLOWS = """
import time
from coro_magic import sleep, spawn

class Told(Exception): pass

def does(step, others):
    if step == "nap":
        time.sleep(0.0002)
    elif step == "fail":
        raise Told
    elif step == "close" and others:
        others.pop().close()
    elif step == "throw" and others:
        try:
            others.pop().throw(Told)
        except (Told, StopIteration): pass
    elif step[0] == "goes through":
        try:
            for _ in follows(step[1]): pass
        except Told: pass

def drives(other):
    try:
        while True:
            next(other)
            other.send(1)
            yield
    except (Told, StopIteration): pass

def follows(steps):
    others = []
    for step in steps:
        does(step, others)
        if step[0] == "drives":
            other = follows(step[1])
            others.append(other)
            yield from drives(other)
        elif step[0] == "delegates":
            try:
                yield from follows(step[1])
            except Told: pass
        else:
            yield

def coroutine(steps):
    others = []
    for step in steps:
        does(step, others)
        if step[0] in ("drives", "delegates"):
            for _ in drives(follows([step])):
                yield
        elif step == "sleep":
            yield sleep(0.0001)
        else:
            yield

for each in plan:
    spawn(coroutine(each))
"""


def check_that_one_row_runs_at_a_time(trace):
    totals = trace.totals()
    assert totals["running"].sum() <= trace.duration + 1e-9
    if not trace.detailed:
        assert np.all(trace.occupancy(1, 16)[:, :, 1] <= 1 + 1e-6)
        return
    found = trace.intervals()
    for code, name in ((READY, "ready"), (RUNNING, "running"), (WAITING, "waiting")):
        mine = found.state == code
        seconds = (found.end - found.begin)[mine]
        summed = np.bincount(found.row[mine], seconds, minlength=len(trace))
        np.testing.assert_allclose(summed, totals[name], atol=1e-6)
        if name == "running":
            longest = np.zeros(len(trace))
            np.maximum.at(longest, found.row[mine], seconds)
            np.testing.assert_allclose(longest, totals["longest"], atol=1e-6)
            for begin, end in ((found.begin, found.end), (found.turn, found.turn_end)):
                order = np.lexsort((end[mine], begin[mine]))
                assert np.all(end[mine][order][:-1] <= begin[mine][order][1:] + 1e-9)


@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.lists(st.lists(STEPS, max_size=5), min_size=1, max_size=4),
    st.sampled_from([0, 20, 3_000_000]),
    st.sampled_from([3, 60, FOLD_AT]),
)
def test_on_one_thread_one_row_runs_at_a_time(plan, detail, fold_at):
    with pytest.MonkeyPatch.context() as patch:
        for module in (journal, observe):
            patch.setattr(module, "FOLD_AT", fold_at)
        ran = cell(FOLLOWS, {"__name__": "__main__", "plan": plan}, detail=detail)
        check_that_one_row_runs_at_a_time(ran.run.trace)


def test_who_drives_another_waits_in_the_meantime():
    ran = cell(DRIVEN + "import time\ndef nap():\n    while True:\n        time.sleep(0.01)\n        yield\n"
               "n = nap()\nnext(n)\nnext(n)\nnext(c)")  # fmt: skip
    trace = ran.run.trace
    check_that_one_row_runs_at_a_time(trace)
    found, body = trace.intervals(), rows(ran).index("cell")
    waits = found.reason[(found.row == body) & (found.state == WAITING)]
    assert {trace.reasons[reason].verb for reason in waits} == {"send to nap", "sleep", "send to counts"}
    running = (found.state == RUNNING) & (found.row == rows(ran).index("nap"))
    assert set(found.waker[running]) == {body}
    # Asleep it does not run, and neither does the one that drives it.
    assert trace.totals()["running"].sum() <= trace.duration - 0.02
    assert trace.totals()["waiting"][rows(ran).index("nap")] >= 0.02


def test_among_coroutines_that_all_drive_one_it_is_known_who_drives_whom():
    ran = cell("""
        def driven():
            while True: yield
        def drives():
            d = driven()
            for _ in range(1000):
                next(d)
                yield
        for _ in range(3): drives()
    """)
    trace = ran.run.trace
    check_that_one_row_runs_at_a_time(trace)
    found, parents = trace.intervals(), trace.parents()
    driven = np.isin(found.row, trace.driven_rows()) & (found.state == RUNNING)
    assert np.count_nonzero(driven) >= 3000
    assert np.all(found.waker[driven] == parents[found.row[driven]])
    # And it was that one's step.
    for driver in set(found.waker[driven]):
        steps, its = (found.row == driver) & (found.state == RUNNING), driven & (found.waker == driver)
        assert np.all(np.isin(found.begin[its], found.end[steps]))
        assert np.all(np.isin(found.end[its], found.begin[steps]))
