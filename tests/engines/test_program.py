"""A cell as a program: what is displayed, which names there are, where lines are."""

from __future__ import annotations

import pytest
from cells import cell, on_both_sides


@pytest.mark.parametrize("source, shown, values", [
    ("1\n2", "last_expr", [2]),
    ("1\nx = 2", "last_expr", []),
    ("1\nfor n in (2, 3): n", "last_expr", []),
    ("1\nfor n in (2, 3): n", "last", [2, 3]),
    ("1\n2\nif 1: 3", "all", [1, 2, 3]),
    ("1\n2", "none", []),
    ("None", "last_expr", []),
    ("'text'", "last_expr", ["text"]),
    ("def f():\n    5\nf()", "all", []),
    ("class C:\n    5", "all", []),
    ("", "last_expr", []),
])  # fmt: skip
def test_what_is_displayed(source, shown, values):
    assert cell(source, shown=shown).shown == values


def test_a_coroutine_is_handed_over_and_not_displayed():
    ran = cell("def f():\n    yield\nf()")
    assert ran.shown == [] and ran.tasks == ["f"]


def test_a_generator_that_was_begun_is_displayed_like_any_value():
    ran = cell("def f():\n    yield\ng = f()\nnext(g)\ng")
    assert ran.shown == [ran.names["g"]]


def test_a_docstring_stays_one():
    assert cell('"""What it is for."""\nx = 1').names.get("__doc__") == "What it is for."
    assert cell('def f():\n    """Says."""\n    yield').names["f"].__doc__ == "Says."


def test_the_bodys_result_is_the_last_value():
    assert cell("5\n6").run.results["cell"] == 6


def test_future_statements_in_the_cell_count():
    ran = cell("from __future__ import annotations\ndef f(x: undefined): yield\nf(1)")
    assert ran.run.error is None
    assert ran.names["f"].__annotations__ == {"x": "undefined"}


def test_globals_and_nested_scopes_are_the_namespaces():
    ran = cell("""
        total = 0
        def f(n):
            global total
            total += n
            yield
        for n in range(4): f(n)
        squares = [k * k for k in range(3)]
        names = sorted(name for name in globals() if not name.startswith("_"))
    """)
    assert ran.names["total"] == 6
    assert ran.names["squares"] == [0, 1, 4]
    assert ran.names["names"] == ["f", "n", "squares", "total"]


def test_the_body_is_a_coroutine_that_lets_the_others_run_when_it_waits():
    ran = cell("""
        import time
        log = []
        def f():
            log.append("f")
            yield
        f()
        log.append("before")
        time.sleep(0.01)
        log.append("after")
    """)
    assert ran.names["log"] == ["before", "f", "after"]


def test_top_level_await_works_on_both_sides():
    ran = on_both_sides("""
        from coro_magic import sleep
        async def f(n):
            await sleep(0.001)
            return n
        x = await f(3)
        async def g():
            return x
        g()
    """)
    assert ran.results == ran.threads == {"g": 3}


def test_functions_of_earlier_cells_are_wrapped_for_threads_only():
    names = {"__name__": "__main__"}
    cell("def f():\n    yield 1\n", names)
    before = names["f"]
    ran = on_both_sides("def g():\n    return next(f())\n    yield\ng()", names)
    assert names["f"] is before
    assert ran.threads == {"g": 1}


def test_lines_are_the_sources():
    ran = cell("def bad():\n    yield\n    1 / 0\n\n\nbad()")
    task = ran.run.tasks[1]
    assert (str(task.where), str(task.spawned_at)) == ("line 3", "line 6")
    trace = ran.run.error.__traceback__
    assert (trace.tb_frame.f_code.co_name, trace.tb_lineno, trace.tb_next) == ("bad", 3, None)
