"""What could not be switched is named, as the user of a notebook sees it."""

from __future__ import annotations

CELL = """\
%%coroutines --baseline off --panel off -o run
import sqlite3
from coro_magic import sleep
holder = sqlite3.connect("data.db", isolation_level=None)
holder.execute("begin exclusive")
database = sqlite3.connect("data.db", timeout=0.5)

def writer():
    yield sleep(0)
    try:
        database.execute("create table t(x)")
    except sqlite3.OperationalError:
        pass

def ticker():
    for _ in range(5):
        yield sleep(0.01)

writer()
ticker()
"""


def test_the_summary_names_the_line_of_the_cell_as_the_user_counts_it(kernel):
    output = kernel.execute(CELL)
    assert output.status == "ok", output.traceback
    number = 1 + CELL.splitlines().index('        database.execute("create table t(x)")')
    (line,) = (line for line in output.text.splitlines() if line.startswith(f"line {number}:"))
    assert line.startswith(f'line {number}: database.execute("create table t(x)") held the thread for ')
    assert "in writer" in line and "in_thread(...)" in line
    assert kernel.value("[step.name for step in run.slow_steps]") == ["writer"]


def test_the_body_of_the_cell_is_named_too(kernel):
    output = kernel.execute("%%coroutines --baseline off --panel off\nimport ctypes\n\n"
                            "ctypes.CDLL(None).usleep(400_000)")  # fmt: skip
    assert "line 4: ctypes.CDLL(None).usleep(400_000) held the thread for " in output.text
    assert ", in cell" in output.text


def test_the_limit_is_an_option_of_the_magic(kernel):
    cell = "import ctypes\nctypes.CDLL(None).usleep(300_000)"
    never = kernel.execute(f"%%coroutines --slow-step inf --baseline off --panel off\n{cell}")
    assert "usleep" not in never.text
    soon = kernel.execute(f"%%coroutines --slow-step 200 --baseline off --panel off\n{cell}")
    assert "usleep" in soon.text


def test_no_thread_stays_in_the_kernel(kernel):
    kernel.execute("%%coroutines --baseline off\ndef f():\n    yield\nf()")
    before = kernel.value("__import__('_thread')._count()")
    for _ in range(5):
        kernel.execute("%%coroutines --baseline off\ndef f():\n    yield\nf()")
    assert kernel.value("__import__('_thread')._count()") <= before
