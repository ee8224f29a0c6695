"""Generators driven by hand have a row, and stay what they are."""

from __future__ import annotations

import sys
import types
from pathlib import Path

import pytest
from cells import cell

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
