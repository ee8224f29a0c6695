"""Which coroutines run by themselves, and which are left to those who hold them."""

from __future__ import annotations

import types

import pytest
from cells import cell

WORKER = """
done = []
def worker(n):
    yield
    done.append(n)
"""


@pytest.mark.parametrize("statement", [
    "worker(1)",
    "if True:\n    worker(1)",
    "for n in [1]:\n    worker(n)",
    "with open('/dev/null'):\n    worker(1)",
    "try:\n    worker(1)\nfinally:\n    pass",
    "while not done:\n    worker(1)\n    break",
    "match 1:\n    case n:\n        worker(n)",
    "(lambda: worker(1))()",
])  # fmt: skip
def test_a_bare_expression_of_the_body_hands_a_coroutine_over(statement):
    assert cell(WORKER + statement).names["done"] == [1]


@pytest.mark.parametrize("binding", [
    "w = worker(1)",
    "w = [worker(1)]",
    "w = (worker(1), 2)",
    "w = {worker(1)}",
    "w = frozenset({worker(1)})",
    "w = {'a': worker(1)}",
    "w = [[worker(1)]]",
    "w = {'a': [worker(1)]}",
    "if (w := worker(1)): pass",
    "w = v = worker(1)",
    "w = worker(1); v = [w]",
])  # fmt: skip
def test_a_coroutine_bound_at_the_end_runs_once(binding):
    ran = cell(WORKER + binding)
    assert ran.names["done"] == [1]
    assert ran.tasks == ["worker"]


def test_a_statement_inside_a_function_is_the_functions_own_business():
    ran = cell(WORKER + "def f():\n    worker(1)\nf()")
    assert ran.tasks == []


def test_native_coroutines_are_handed_over_like_generators():
    ran = cell("""
        from coro_magic import sleep
        async def w(n):
            await sleep(0)
            return n
        w(1)
        kept = [w(2)]
    """)
    assert ran.results == {"w": 1, "w-2": 2}


def test_a_generator_expression_is_data():
    ran = cell("squares = (n * n for n in range(3))\n(n for n in [1])\n")
    assert ran.tasks == []
    assert list(ran.names["squares"]) == [0, 1, 4]


def test_objects_stay_what_they_are():
    names = cell(WORKER + "w = worker(1)\nis_generator = type(w).__name__\nv = worker\n").names
    assert type(names["w"]) is types.GeneratorType
    assert type(names["v"]) is types.FunctionType
    assert names["is_generator"] == "generator"


@pytest.mark.parametrize("holder", [
    "def holder(one):\n    yield\n    next(one)\nh = holder(w)",
    "def holder(*ones):\n    yield\n    next(ones[0])\nh = holder(w)",
    "def holder(ones):\n    yield\n    next(ones['w'])\nh = holder({'w': w})",
    "def made(one):\n    def holder():\n        yield\n        next(one)\n    return holder()\nh = made(w)",
    "def holder():\n    yield\n    next(w)\nh = holder()",
    "def drive():\n    next(w)\ndef holder():\n    yield\n    drive()\nh = holder()",
    "drive = lambda: next(w)\ndef holder(f):\n    yield\n    f()\nh = holder(drive)",
    "all_of_them = [w]\ndef holder():\n    yield\n    next(all_of_them[0])\nh = holder()",
    "import functools\ndef holder(f):\n    yield\n    f()\nh = holder(functools.partial(next, w))",
    "def holder(f):\n    yield\n    f(None)\nh = holder(w.send)",
    "async def holder(one):\n    next(one)\nh = holder(w)",
    "def holder(one):\n    yield\n    next(one)\nholder(w)",
    "def holder():\n    yield\n    def nested():\n        return next(w)\n    nested()\nh = holder()",
])  # fmt: skip
def test_a_coroutine_that_another_one_holds_is_left_to_it(holder):
    ran = cell("begun = []\ndef worker():\n    begun.append(1)\n    yield 1\n    begun.append(2)\n"
               "w = worker()\n"
               + holder)  # fmt: skip
    assert ran.run.error is None
    assert ran.names["begun"] == [1]
    assert ran.tasks == ["holder"]
    assert ran.run.never_started == []


def test_an_object_that_a_coroutine_is_a_method_of_holds_what_it_has():
    ran = cell("""
        class Kitchen:
            def __init__(self, cook):
                self.cook = cook
            def open(self):
                yield
                self.dish = next(self.cook)
        def cook():
            yield "soup"
        c = cook()
        k = Kitchen(c)
        opened = k.open()
    """)
    assert ran.run.error is None
    assert ran.names["k"].dish == "soup"
    assert ran.tasks == ["open"]


def test_one_that_was_driven_by_the_body_is_left_alone():
    ran = cell(WORKER + "w = worker(1)\nnext(w)\n")
    assert ran.tasks == [] and ran.names["done"] == []
    assert next(ran.names["w"], "over") == "over"


def test_one_that_nobody_started_is_named():
    ran = cell(WORKER + "w = worker(1)\ndef holder():\n    yield\n    print if w else 0\nh = holder()\n")
    assert ran.run.never_started == ["w"]
    assert "w" in ran.run.summary()
    assert ran.names["done"] == []


def test_of_two_that_hold_each_other_the_first_runs():
    ran = cell("""
        def ping():
            yield
            log.append(next(b))
        def pong():
            yield "pong"
            a
        log = []
        a, b = ping(), pong()
    """)
    assert ran.tasks == ["ping"]
    assert ran.names["log"] == ["pong"]


def test_a_coroutine_that_names_itself_still_runs():
    assert cell("def f():\n    yield\n    return type(w).__name__\nw = f()").results == {"f": "generator"}


def test_asking_the_scheduler_for_a_held_coroutine_hands_it_over():
    ran = cell("""
        from coro_magic import spawn
        def worker(n):
            yield
            return n * 2
        def by_yield(one):
            return (yield one)
        def by_spawn(one):
            return (yield spawn(one, name="spawned"))
        w, v = worker(1), worker(2)
        a, b = by_yield(w), by_spawn(v)
    """)
    assert ran.results == {"by_yield": 2, "by_spawn": 4, "worker": 2, "spawned": 4}


def test_handing_over_twice_is_an_error_that_names_it():
    ran = cell(WORKER + "from coro_magic import spawn\nw = worker(1)\nspawn(w)\nspawn(w)")
    assert "worker" in str(ran.run.error) and "already" in str(ran.run.error)
    assert ran.names["done"] == [1]


def test_one_spawned_and_bound_runs_once():
    ran = cell(WORKER + "from coro_magic import spawn\nw = worker(1)\nt = spawn(w)\n")
    assert ran.names["done"] == [1]


def test_a_name_that_was_there_before_is_not_handed_over_again():
    names = {"__name__": "__main__"}
    cell(WORKER + "def holder():\n    yield\n    w\nw = worker(1)\nh = holder()", names)
    assert cell("x = 1", names).tasks == []


def test_names_stay_after_an_error_and_the_magics_own_never_do():
    ran = cell(WORKER + "w = worker(1)\nx = 5\n1 / 0\ny = 6")
    assert isinstance(ran.run.error, ZeroDivisionError)
    assert ran.names["x"] == 5 and "y" not in ran.names
    assert [name for name in ran.names if name.startswith("__coroutines")] == []


def test_others_go_on_when_the_body_fails():
    ran = cell(WORKER + "worker(1)\n1 / 0")
    assert ran.names["done"] == [1]
    assert isinstance(ran.run.error, ZeroDivisionError)


def test_a_value_of_ones_own_that_shows_up_as_a_statement_is_no_coroutine():
    ran = cell("class G:\n    __name__ = 'g'\nG()\n3")
    assert ran.tasks == [] and ran.shown == [3]


def test_objects_whose_equality_is_odd_do_no_harm():
    ran = cell("""
        class Odd:
            def __eq__(self, other): raise RuntimeError
            def __hash__(self): raise RuntimeError
            def __bool__(self): raise RuntimeError
            def __iter__(self): raise RuntimeError
            def __getattr__(self, name): raise RuntimeError
        odd = Odd()
        more = [odd, (odd,)]
        odd
    """)
    assert ran.run.error is None
