"""Whatever goes wrong in a cell, the next one works and nothing is left behind."""

from __future__ import annotations

import re
import time

import psutil
import pytest

OFF = "%%coroutines --baseline off --picture off --summary off --panel off\n"
# What has to be true after every run, however it ended.
CLEAN = """[
    'recv' in vars(__import__('socket').socket),
    type(__import__('time').sleep).__name__,
    type(__import__('sys').stdout).__name__,
    __import__('sys').getprofile() is None,
    __import__('signal').getsignal(2) is __import__('signal').default_int_handler,
    [name for name in list(globals()) if name.startswith('__coroutines')],
    __import__('coro_magic.engines.switching', fromlist=['running']).running(),
]"""


@pytest.fixture(autouse=True)
def nothing_is_left_behind(kernel):
    yield
    output = kernel.execute("%%coroutines -o after --picture off --panel off\nimport time\ndef f():\n"
                            "    time.sleep(0.001)\n"
                            "    yield\n    return 'works'\nf()\nprint('the next cell')")  # fmt: skip
    assert output.status == "ok", output.traceback
    assert output.stdout == "the next cell\n"
    assert kernel.value("after.results['f']") == "works"
    assert kernel.value("after.baseline.results['f'] if after.baseline else after.baseline_note") == "works"
    assert kernel.value(CLEAN) == [False, "builtin_function_or_method", "OutStream", True, True, [], False]
    assert len(kernel.children()) == 1
    assert kernel.files() == []


def interrupted(kernel, code, when="ready", after=0.1):
    request = kernel.begin(code)
    kernel.wait_for(when)
    time.sleep(after)
    kernel.interrupt()
    output = kernel.finish(request, 30)
    assert output.status == "error" and "KeyboardInterrupt" in output.error, output
    return output


LONG = "bound = 'kept'\nlog = []\nimport time\n"


def test_interrupt_while_the_body_computes(kernel):
    output = interrupted(kernel, OFF + LONG + "print('ready', flush=True)\nwhile True: pass")
    assert "while True" in output.traceback
    assert kernel.value("bound") == "kept"


def test_interrupt_during_a_step(kernel):
    interrupted(
        kernel,
        "%%coroutines -o run --baseline off\n"
        + LONG
        + """
def computes():
    try:
        print('ready', flush=True)
        while True: pass
        yield
    finally:
        log.append('computes')
def waits():
    try:
        time.sleep(60)
        yield
    finally:
        log.append('waits')
waits()
computes()
""",
    )
    assert sorted(kernel.value("log")) == ["computes", "waits"]
    assert kernel.value("bound") == "kept"
    assert kernel.value("(run.interrupted, [str(t.state) for t in run.tasks])") == (
        True, ["done", "cancelled", "cancelled"]
    )  # fmt: skip


@pytest.mark.parametrize("after", [0.05 + 0.017 * n for n in range(8)])
def test_interrupt_while_a_generator_is_driven_by_hand_without_end(kernel, after):
    output = interrupted(
        kernel,
        "%%coroutines -o run --baseline off\n"
        + LONG
        + """
def numbers():
    while True: yield
x = numbers()
print('ready', flush=True)
while True: next(x)
""",
        after=after,
    )
    assert "next(x)" in output.traceback or "yield" in output.traceback
    assert kernel.value("(run.interrupted, bound)") == (True, "kept")


def test_interrupt_while_coroutines_switch(kernel):
    interrupted(
        kernel,
        OFF
        + LONG
        + """
def turns():
    try:
        while True: yield
    finally:
        log.append(1)
turns()
turns()
print('ready', flush=True)
""",
    )
    assert kernel.value("log") == [1, 1]


def test_interrupt_while_all_wait(kernel):
    output = interrupted(
        kernel,
        "%%coroutines\n"
        + LONG
        + """
from coro_magic import sleep, Channel
def sleeps():
    try:
        yield sleep(60)
    finally:
        log.append('sleeps')
def blocks():
    try:
        time.sleep(60)
        yield
    finally:
        log.append('blocks')
def waits():
    try:
        yield Channel().get()
    finally:
        log.append('waits')
sleeps()
blocks()
waits()
print('ready', flush=True)
""",
        after=0.3,
    )
    assert sorted(kernel.value("log")) == ["blocks", "sleeps", "waits"]
    # What was measured so far is shown.
    assert "image/png" in output.displays[0]
    assert "interrupt" in output.text


def test_interrupt_while_the_body_waits(kernel):
    interrupted(kernel, OFF + LONG + "print('ready', flush=True)\ntime.sleep(60)")
    assert kernel.value("bound") == "kept"


def test_interrupt_during_the_baseline(kernel):
    output = interrupted(
        kernel,
        "%%coroutines -o run --baseline-budget 60\n"
        + LONG
        + """
import os, threading
def f():
    yield
    if threading.get_native_id() != os.getpid():
        time.sleep(60)
    log.append('done')
f()
print('ready', flush=True)
""",
        after=0.7,
    )
    assert kernel.value("log") == ["done"]
    assert kernel.value("run.baseline_note") == "interrupted"
    assert kernel.value("run.tasks[1].state.value") == "done"
    assert any("image/png" in data for data in output.displays)


def test_interrupt_during_drawing(kernel):
    kernel.execute("import coro_magic.show as show_room, time\noriginal = show_room.picture\n"
                   "def slow(run):\n    print('drawing', flush=True)\n    time.sleep(60)\n"
                   "show_room.picture = slow")  # fmt: skip
    try:
        interrupted(
            kernel,
            "%%coroutines -o drawn --baseline off\nbound = 'drawn'\ndef f():\n    yield\nf()",
            when="drawing",
        )
    finally:
        kernel.execute("show_room.picture = original")
    assert kernel.value("bound") == "drawn"
    assert kernel.value("[str(task.state) for task in drawn.tasks]") == ["done", "done"]


def test_interrupt_during_a_refresh_of_the_picture(kernel):
    kernel.execute("import coro_magic.show.growing as growing, time\noriginal = growing.png\n"
                   "def slow(*given):\n    print('drawing', flush=True)\n    time.sleep(0.5)\n"
                   "    return original(*given)\ngrowing.png = slow")  # fmt: skip
    try:
        interrupted(kernel, "%%coroutines -o drawn --baseline off\nimport time\nbound = 'refreshed'\n"
                            "log = []\n"
                    "def f():\n    try:\n        time.sleep(20)\n        yield\n    finally:\n"
                    "        log.append(1)\nf()",
                    when="drawing")  # fmt: skip
    finally:
        kernel.execute("growing.png = original")
    assert kernel.value("(bound, log)") == ("refreshed", [1])


def test_an_interrupt_that_a_coroutine_swallows_stops_the_run_nevertheless(kernel):
    interrupted(
        kernel,
        OFF
        + """
import re
import time
def stubborn():
    while True:
        try:
            print('ready', flush=True)
            while True: pass
        except KeyboardInterrupt:
            pass
        yield
stubborn()
""",
    )


def test_a_second_interrupt_during_clean_up_gets_through(kernel):
    request = kernel.begin(
        OFF
        + """
def f():
    try:
        print('ready', flush=True)
        while True: yield
    finally:
        print('cleaning', flush=True)
        while True: pass
f()
"""
    )
    kernel.wait_for("ready")
    kernel.interrupt()
    kernel.wait_for("cleaning")
    time.sleep(0.1)
    kernel.interrupt()
    assert kernel.finish(request, 30).status == "error"


def test_a_run_inside_a_run_is_refused_and_the_outer_one_goes_on(kernel):
    output = kernel.execute(
        OFF
        + """
log = []
def f():
    yield
    try:
        get_ipython().run_cell_magic("coroutines", "", "log.append('inner')")
    except Exception as error:
        log.append(str(error))
    yield
    log.append("outer")
f()
"""
    )
    assert output.status == "ok", output.traceback
    log = kernel.value("log")
    assert log[1] == "outer" and "a run inside a run is not possible" in log[0]


def test_run_inside_a_run_is_refused(kernel):
    output = kernel.execute(
        OFF + "import coro_magic\ndef f():\n    yield\n    coro_magic.run(lambda: 1)\nf()"
    )
    assert output.error.startswith("RuntimeError: a run is going on already")


def test_a_run_from_another_thread_is_refused(kernel):
    output = kernel.execute("""
        import threading, coro_magic
        said = []
        def other():
            for start in (lambda: coro_magic.run(lambda: 1),
                          lambda: get_ipython().run_cell_magic("coroutines", "", "1")):
                try:
                    start()
                except Exception as error:
                    said.append(str(error))
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
    """)
    assert output.status == "ok"
    said = kernel.value("said")
    assert len(said) == 2 and all("main thread" in each for each in said)


@pytest.mark.parametrize("code, said", [
    ("from coro_magic import sleep\ndef f():\n    yield sleep(-1)\nf()", "ValueError: "),
    ("from coro_magic import sleep\ndef f():\n    yield sleep('x')\nf()", "TypeError: "),
    ("import time\ndef f():\n    time.sleep(-1)\n    yield\n"
     "f()", "ValueError: sleep length must be non-negative"),
    ("import time\ndef f():\n    time.sleep('x')\n    yield\nf()", "TypeError: "),
    ("from coro_magic import spawn\ndef f():\n    yield\ng = f()\nspawn(g)\n"
     "spawn(g)", "ValueError: f was handed over already"),
    ("from coro_magic import spawn\ndef f():\n    yield\ng = f()\nlist(g)\n"
     "spawn(g)", "ValueError: f has ended"),
    ("from coro_magic import spawn\nspawn(5)", "TypeError: spawn() takes a coroutine or a function, not int"),
    ("from coro_magic import sleep\ndef f():\n    s = sleep(0)\n    yield s\n    yield s\n"
     "f()", "RuntimeError: this request"),
    ("from coro_magic import Lock\ndef f():\n    lock = Lock()\n    yield lock.acquire()\n"
     "    yield lock.acquire()\nf()",
     "Deadlock: nothing can go on"),
    ("import asyncio\nawait asyncio.sleep(1)", "RuntimeError: "),
    ("import asyncio\nasync def f():\n    await asyncio.sleep(1)\nf()", "RuntimeError: "),
    ("def f():\n    yield\n    raise SystemExit(3)\nf()", ""),
    ("raise SystemExit(3)", ""),
    ("def f():\n    yield\n    raise GeneratorExit\nf()\nraise KeyError('x')", "KeyError: 'x'"),
    ("def f():\n    yield\n    f()\n    return f()\nf()\nundefined", "NameError: "),
    ("def f():\n    return f() + 1\nf()", "RecursionError"),
    ("def f():\n    yield\n    f.__code__ = 5\nf()", "TypeError"),
])  # fmt: skip
def test_a_mistake_in_a_coroutine_is_told_in_words(kernel, code, said):
    output = kernel.execute("%%coroutines --panel off --baseline-budget 0.5\nbound = 7\n" + code)
    assert output.status == "error" or not said
    assert output.error.startswith(said), output.error
    assert kernel.value("bound") == 7


@pytest.mark.parametrize("yielded", ["object()", "'text'", "print", "Ellipsis", "[1]", "int", "{}",
                                     "float('nan')", "type('T', (), {'__eq__': None})()"])  # fmt: skip
def test_something_odd_that_is_yielded_is_an_item(kernel, yielded):
    output = kernel.execute(
        f"%%coroutines -o run --picture off --panel off --baseline off\ndef f():\n    got = yield {yielded}\n"
        f"    return got\nf()"
    )
    assert output.status == "ok", output.traceback
    assert kernel.value("(run.tasks[1].items, run.results['f'])") == (1, None)


def test_a_worker_that_dies_costs_the_baseline_only(kernel):
    output = kernel.execute("%%coroutines -o run\nimport threading, os\ndef f():\n    yield\n"
                            "    if threading.get_native_id() != os.getpid(): os._exit(7)\n"
                            "    return 1\nf()")  # fmt: skip
    assert output.status == "ok"
    assert kernel.value("run.results['f']") == 1
    assert "died (status 7)" in output.text


def test_thousands_of_cells_worth_of_leaks_would_show(kernel):
    process = psutil.Process(kernel.pid)
    cell = "%%coroutines --panel off\nimport time\ndef f():\n    time.sleep(0.001)\n    yield\nf()\nf()"
    for _ in range(3):
        kernel.execute(cell)
    before = process.num_fds(), process.num_threads()
    for _ in range(30):
        assert kernel.execute(cell).status == "ok"
    assert process.num_fds() <= before[0] and process.num_threads() <= before[1]


def test_the_worker_goes_with_the_kernel(fresh_kernel):
    fresh_kernel.execute("%%coroutines --picture off --panel off\ndef f():\n    yield\nf()")
    (worker,) = fresh_kernel.children()
    psutil.Process(fresh_kernel.pid).kill()
    assert worker in psutil.wait_procs([worker], timeout=20)[0]


@pytest.mark.parametrize(("code", "shown", "name"), [
    ("from coro_magic import Lock\ndef f():\n    lock = Lock()\n    yield lock.acquire()\n"
     "    yield lock.acquire()\nf()", "f, at line 6, waits for a lock", "Deadlock"),
    ("import os, signal\ndef f():\n    os.kill(os.getpid(), signal.SIGINT)\n    yield\n    yield\nf()",
     "KeyboardInterrupt", "KeyboardInterrupt"),
    ("def f():\n    yield\n    1 / 0\nf()", "in f()", "ZeroDivisionError"),
    ("1 / 0", "----> 2 1 / 0", "ZeroDivisionError"),
])  # fmt: skip
def test_an_error_is_shown_with_the_users_calls_and_none_of_ours(kernel, code, shown, name):
    output = kernel.execute("%%coroutines --picture off --panel off --baseline off\n" + code)
    assert output.error.startswith(name) and shown in output.traceback
    assert not re.search(r"coro_magic/|run_cell_magic|hidden|spawned at line \d{3}", output.traceback)
