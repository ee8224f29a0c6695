"""A %%coroutines cell in a real kernel: plain Python stays plain Python."""

from __future__ import annotations

from pathlib import Path

import pytest

PROGRAMS = Path(__file__).parents[1] / "programs"
BARE = "%%coroutines --baseline off --picture off --summary off --panel off\n"


def test_the_bun_program_prints_what_it_prints_as_plain_python(kernel):
    program = (PROGRAMS / "buns.py").read_text()
    expected = (PROGRAMS / "buns.txt").read_text()
    assert kernel.execute(program).stdout == expected
    output = kernel.execute("%%coroutines -o run\n" + program)
    assert output.stdout == expected
    assert output.status == "ok"
    assert kernel.value("run.baseline_note") == ""
    assert kernel.value("run.baseline.output") == expected
    assert kernel.value("[run.trace.name(row) for row in range(len(run.trace))]") == [
        "cell", "consumer", "consumer-2"
    ]  # fmt: skip


def test_generators_driven_by_hand_are_there_afterwards_and_go_on(kernel):
    kernel.execute(BARE + (PROGRAMS / "buns.py").read_text())
    assert kernel.value("[type(each).__name__ for each in (con, con2)]") == ["generator"] * 2
    output = kernel.execute("import inspect\nprint(inspect.getgeneratorstate(con))\ncon.send(6)\ncon.close()")
    assert output.stdout == "GEN_SUSPENDED\nC1 Eat No.6 Bun\n"


def test_profiling_is_as_it_was(kernel):
    kernel.execute(BARE + (PROGRAMS / "buns.py").read_text())
    assert kernel.value("__import__('sys').getprofile() is None")
    assert (
        kernel.value(
            "[__import__('sys').monitoring.get_tool(n) for n in range(6)] "
            "if hasattr(__import__('sys'), 'monitoring') else [None] * 6"
        )
        == [None] * 6
    )


def test_the_last_expression_is_displayed_and_kept(kernel):
    output = kernel.execute(BARE + "x = 20\nx + 22")
    assert output.result["text/plain"] == "42"
    assert kernel.value("_") == 42
    count = kernel.value("len(Out)")
    assert kernel.execute("_ + 1").result["text/plain"] == "43"
    assert kernel.value("len(Out)") == count + 1


@pytest.mark.parametrize("code", ["x = 1", "42;", "42;  # quiet", "None", "def f(): pass", "print(end='')"])
def test_what_an_ordinary_cell_does_not_display_is_not_displayed(kernel, code):
    assert kernel.execute(BARE + code).result is None


@pytest.mark.parametrize("code", ["5", "'a'\n'b'", "if 1:\n    3", "for n in (1, 2):\n    n", "...",
                                  "(1,\n 2)", "'a;'", "1;2", "x = 5\nx"])  # fmt: skip
@pytest.mark.parametrize("mode", ["last_expr", "last", "all", "none", "last_expr_or_assign"])
def test_what_is_displayed_is_what_an_ordinary_cell_displays(kernel, code, mode):
    kernel.execute(f"get_ipython().ast_node_interactivity = {mode!r}")
    try:
        plain, magic = kernel.execute(code), kernel.execute(BARE + code)
        assert magic.order == plain.order
    finally:
        kernel.execute("get_ipython().ast_node_interactivity = 'last_expr'")


def test_top_level_await_for_and_with(kernel):
    output = kernel.execute(
        BARE
        + """
from coro_magic import sleep, Lock
async def double(n):
    await sleep(0.001)
    return 2 * n
async def numbers():
    for n in range(3):
        await sleep(0)
        yield n
lock = Lock()
async with lock:
    print(await double(21))
async for n in numbers():
    print(n)
print([n async for n in numbers()])
await double(4)
"""
    )
    assert output.status == "ok", output.traceback
    assert output.stdout == "42\n0\n1\n2\n[0, 1, 2]\n"
    assert output.result["text/plain"] == "8"


def test_magic_and_shell_lines_work_inside_a_cell(kernel):
    output = kernel.execute(BARE + "%who_ls int\nfiles = !echo one\n!echo two\nprint(files)\n%time x = 3")
    assert "['one']" in output.stdout and "two" in output.stdout
    assert kernel.value("x") == 3


def test_a_cell_magic_line_does_not_expand_variables(kernel):
    kernel.execute("order = 'lifo'")
    output = kernel.execute("%%coroutines --order $order\n1")
    assert "UsageError" in output.error + output.stderr


def test_functions_and_classes_of_earlier_cells_are_coroutines_too(kernel):
    kernel.execute("""
        def worker(n):
            yield
            return n + offset
        class Shop:
            def __init__(self): self.sold = 0
            def clerk(self, n):
                for _ in range(n):
                    self.sold += 1
                    yield self.sold
        offset = 100
    """)
    output = kernel.execute(
        "%%coroutines -o run --picture off --panel off\nworker(1)\nshop = Shop()\n"
        "clerks = [shop.clerk(2) for _ in range(3)]"
    )
    assert output.status == "ok", output.traceback
    assert kernel.value("run.results") == {
        "cell": None,
        "worker": 101,
        "clerk": None,
        "clerk-2": None,
        "clerk-3": None,
    }
    assert kernel.value("run.baseline.results['worker']") == 101
    assert kernel.value("shop.sold") == 6


def test_a_sleep_imported_in_an_earlier_cell_switches_and_is_the_original_afterwards(kernel):
    kernel.execute("import time\nfrom time import sleep\noriginal = sleep\nlog = []\n"
                   "def nap(name, seconds):\n    sleep(seconds)\n    log.append(name)\n"
                   "    yield")  # fmt: skip
    kernel.execute(BARE + "nap('long', 0.05)\nnap('short', 0.01)")
    assert kernel.value("log") == ["short", "long"]
    assert (
        kernel.value("sleep is time.sleep and sleep is original and type(sleep).__name__")
        == "builtin_function_or_method"
    )


def test_a_sleep_imported_in_the_cell_switches_and_is_the_original_afterwards(kernel):
    kernel.execute(BARE + "from time import sleep as doze\nlog = []\ndef nap(name, seconds):\n"
                   "    doze(seconds)\n    log.append(name)\n    yield\nnap('long', 0.05)\n"
                   "nap('short', 0.01)")  # fmt: skip
    assert kernel.value("log") == ["short", "long"]
    assert kernel.value("type(doze).__name__") == "builtin_function_or_method"


def test_names_of_the_magics_own_are_never_left(kernel):
    kernel.execute(BARE + "ours = [name for name in globals() if 'coroutines' in name]")
    kernel.execute(BARE + "1 / 0")
    assert kernel.value("[name for name in globals() if name.startswith('__coroutines')]") == []


def test_nothing_is_put_into_the_namespace_by_loading(kernel):
    assert (
        kernel.value("[name for name in ('spawn', 'Channel', 'coro_magic', 'gather') if name in globals()]")
        == []
    )


# Lines and tracebacks.


def test_lines_are_those_of_the_notebooks_cell(kernel):
    output = kernel.execute("""%%coroutines -o run --baseline off --picture off --panel off
from coro_magic import Channel
never = Channel()
def waits():
    yield never.get()
waits()
""")
    assert output.status == "ok"
    task = "run.tasks[1]"
    assert kernel.value(f"({task}.where.line, {task}.spawned_at.line, str({task}.state))") == (
        5,
        6,
        "left over",
    )
    assert kernel.value(f"{task}.where.file == waits.__code__.co_filename")


def test_a_failing_coroutines_traceback_shows_the_cells_lines_and_its_name(kernel):
    output = kernel.execute("""%%coroutines --baseline off --picture off --panel off
def helper(x):
    return 1 / x
def bad():
    yield
    helper(0)
bad()
""")
    assert output.error == "ZeroDivisionError: division by zero"
    assert "----> 3     return 1 / x" in output.traceback or "return 1 / x" in output.traceback
    assert "helper(0)" in output.traceback
    assert "in coroutine bad, spawned at line 7" in output.traceback
    assert "coro_magic/" not in output.traceback
    assert "line 3" in output.traceback and "line 6" in output.traceback


def test_a_body_that_fails_shows_its_line_and_the_others_go_on(kernel):
    output = kernel.execute(BARE + "log = []\ndef f():\n    yield\n    log.append(1)\nf()\n1 / 0\nlog = 5")
    assert output.error == "ZeroDivisionError: division by zero"
    assert "1 / 0" in output.traceback and "coro_magic/" not in output.traceback
    assert "line 7" in output.traceback
    assert kernel.value("log") == [1]


def test_several_failures_are_a_group(kernel):
    output = kernel.execute(BARE + "def bad(n):\n    yield\n    raise ValueError(n)\nbad(1)\nbad(2)")
    assert output.error.startswith("ExceptionGroup: 2 coroutines failed")
    for said in ("ValueError: 1", "ValueError: 2", "in coroutine bad,", "in coroutine bad-2,", "line 4"):
        assert said in output.traceback
    assert "coro_magic/" not in output.traceback


def test_on_error_cancel_stops_the_others(kernel):
    output = kernel.execute("%%coroutines -o run --on-error cancel --baseline off --picture off --panel off\n"
                            "import time\ndef bad():\n    yield\n    1 / 0\ndef long():\n"
                            "    time.sleep(60)\n    yield\n"
                            "bad()\nlong()")  # fmt: skip
    assert output.error.startswith("ZeroDivisionError")
    assert kernel.value("[str(task.state) for task in run.tasks]") == ["done", "failed", "cancelled"]


@pytest.mark.parametrize("code", ["1 +", "def f(:", "x = 1\n  y = 2", "return 5", "'abc", "for",
                                  "yield 5", "f(**)", "await = 1"])  # fmt: skip
def test_a_syntax_error_is_ipythons_own_at_the_right_line(kernel, code):
    plain, magic = kernel.execute("# here\n" + code), kernel.execute("%%coroutines\n" + code)
    if plain.status == "ok":
        pytest.skip("fine here")
    assert magic.status == "error"
    assert magic.error.partition(":")[0] == plain.error.partition(":")[0]
    assert "coro_magic" not in magic.traceback
    at = f"line {plain.traceback.partition('line ')[2].split()[0]}"
    assert at in magic.traceback and code.splitlines()[-1].strip() in magic.traceback


def test_the_run_is_bound_also_when_the_cell_fails(kernel):
    kernel.execute(
        "%%coroutines -o failed --panel off --baseline off\ndef bad():\n    yield\n    1 / 0\nb = bad()"
    )
    assert kernel.value("[str(task.state) for task in failed.tasks]") == ["done", "failed"]
    assert kernel.value("type(failed.error).__name__") == "ZeroDivisionError"


def test_a_name_that_cannot_be_copied_does_not_matter_if_the_cell_does_not_use_it(kernel):
    kernel.execute("import threading, socket\nunrelated = threading.Lock()\nbusy = socket.socket()")
    kernel.execute("%%coroutines -o run --picture off --panel off\ndef f():\n    yield\n    return 1\nf()")
    assert kernel.value("run.baseline is not None")
    output = kernel.execute("%%coroutines -o run\ndef f():\n    yield\n    return busy.fileno()\nf()")
    note = kernel.value("run.baseline_note")
    assert "busy (socket" in note and "unrelated" not in note
    assert note[:40] in output.text
    kernel.execute("busy.close()")


def test_nothing_is_written_to_the_working_directory(kernel):
    kernel.execute("%%coroutines\ndef f():\n    yield\nf()")
    assert kernel.files() == []


def test_the_manual_is_shown_by_a_question_mark(kernel):
    for question in ("%%coroutines?", "%coroutines?"):
        output = kernel.execute(question)
        for said in ("Run a cell's coroutines", "--order", "--baseline-budget SECONDS", "-o NAME"):
            assert said in output.pages, output.pages


# The line magic.


def test_the_line_magic_runs_expressions(kernel):
    kernel.execute("def w(n):\n    yield\n    return n")
    output = kernel.execute("%coroutines -o run --order lifo --picture off --panel off w(1), w(2)")
    assert output.status == "ok", output.traceback
    assert kernel.value("run.results") == {"cell": None, "w": 1, "w-2": 2}
    assert kernel.value("run.baseline.results") == {"cell": None, "w": 1, "w-2": 2}
    assert kernel.value("run.options['order']") == "lifo"


@pytest.mark.parametrize(
    "line", ["-w(1)", "--order=fifo w(1)", "[w(n) for n in range(3)]", "w(n=1)", "*[w(1)],"]
)
def test_the_line_magic_takes_any_expression(kernel, line):
    kernel.execute("class N(int):\n    def __neg__(self): return 5\ndef w(n):\n    yield\n    return n")
    output = kernel.execute("%coroutines --picture off --panel off --baseline off " + line)
    if line.startswith("-w"):
        assert "TypeError" in output.error  # and no usage error: it is the minus of an expression
    else:
        assert output.status == "ok", output.error


# Usage.


@pytest.mark.parametrize("line, said", [
    ("--order sideways", "invalid choice: 'sideways'"),
    ("--nonsense", "unrecognized arguments: --nonsense"),
    ("--seed x", "seed: must be a whole number, and is 'x'"),
    ("--baseline-budget much", "must be a number"),
    ("--baseline-budget 0", "must be more than 0"),
    ("--detail=-5", "must be 0 or more"),
    ("--slow-step 0", "must be more than 0"),
    ("-o 1x", "-o takes the name of a variable"),
    ("-o for", "-o takes the name of a variable"),
    ("-o", "expected one argument"),
    ("stray", "unrecognized arguments: stray"),
])  # fmt: skip
def test_an_unknown_option_or_value_gives_a_usage_line(kernel, line, said):
    output = kernel.execute(f"%%coroutines {line}\nprint('ran')")
    shown = output.error + output.stderr
    assert output.status == "error" and "UsageError" in shown
    assert said in shown
    assert "ran" not in output.stdout
    assert "Traceback" not in output.traceback + output.stderr


@pytest.mark.parametrize(
    "cell", ["%%coroutines\n", "%%coroutines\n\n   \n", "%coroutines", "%coroutines --order lifo"]
)
def test_nothing_to_run_is_said(kernel, cell):
    output = kernel.execute(cell)
    assert "UsageError" in output.error + output.stderr
    assert output.status == "error"


def test_a_cell_of_comments_only_runs(kernel):
    assert kernel.execute(BARE + "# nothing yet").status == "ok"
