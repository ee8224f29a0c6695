"""The same program in the worker process: what goes there, what comes back, what is left."""

from __future__ import annotations

import gc
import importlib
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time

import psutil
import pytest
from cells import cell, on_both_sides

import coro_magic
from coro_magic import Channel
from coro_magic.engines.calls import Calls, call_of
from coro_magic.measure import baseline, process

TRIVIAL = "def f():\n    yield\n    return 1\nf()"


def workers() -> list[psutil.Process]:
    return [
        child for child in psutil.Process().children()
        if child.status() != psutil.STATUS_ZOMBIE and "engines.worker" in " ".join(child.cmdline())
    ]  # fmt: skip


def test_results_are_compared_and_a_difference_is_shown():
    run = on_both_sides("""
        import os, threading
        def f():
            yield
            return threading.get_native_id() == os.getpid()
        def same():
            yield
            return 5
        f()
        same()
    """).run
    assert [(each.name, each.coroutines, each.threads) for each in run.differences] == [
        ("f", "True", "False")
    ]
    assert "differ" in run.summary()


def test_a_data_race_shows_as_a_difference():
    run = on_both_sides("""
        import time
        count = 0
        def adds():
            global count
            yield
            before = count
            for _ in range(20000): pass
            if __import__("threading").get_native_id() != __import__("os").getpid():
                time.sleep(0.01)
            count = before + 1
        def watches():
            while True:
                yield
                if count == 10: return count
                if all(task.done() for task in tasks): return count
        from coro_magic import spawn
        tasks = [spawn(adds()) for _ in range(10)]
        watches()
    """).run
    assert [each.name for each in run.differences] == ["count", "watches"]


def test_results_that_came_in_another_order_are_no_difference():
    run = on_both_sides("""
        import itertools, os, threading
        numbers = itertools.count()
        def f(pause):
            if threading.get_native_id() != os.getpid():
                time.sleep(pause)
            yield
            return next(numbers)
        import time
        f(0.06)
        f(0.03)
        f(0)
    """).run
    assert run.baseline.results != run.results
    assert run.differences == []


def test_output_is_kept_and_not_shown(capfd):
    run = on_both_sides("""
        import sys
        def f():
            print("hello")
            print("there", file=sys.stderr)
            yield
        f()
        "shown"
    """).run
    # The thread may print before or after the body displays its last value.
    assert sorted(run.baseline.output.splitlines()) == ["'shown'", "hello", "there"]
    captured = capfd.readouterr()
    assert (captured.out, captured.err) == ("hello\n", "there\n")


def test_very_much_output_is_kept_up_to_a_limit():
    output = on_both_sides(
        "def f():\n    for _ in range(3000): print('x' * 1000)\n    yield\nf()"
    ).run.baseline.output
    assert len(output) < 1_100_000 and "characters more" in output


def test_the_namespace_is_not_touched_twice():
    names = {"__name__": "__main__", "kept": []}
    ran = on_both_sides("def f(n):\n    yield\n    kept.append(n)\n    return list(kept)\nf(1)\nf(2)", names)
    assert names["kept"] == [1, 2]
    assert ran.threads["f-2"] in ([1, 2], [2])


def test_what_calls_refer_to_is_copied_before_the_coroutines_change_it():
    def sends(messages: Channel[str], begun: list[str]):
        begun.append("once")
        for text in begun:
            yield messages.put(text)
        messages.close()
        return len(begun)

    def receives(messages: Channel[str]):
        return [item for item in messages]
        yield

    messages: Channel[str] = Channel()
    run = coro_magic.run(sends(messages, []), receives(messages), repeat=2)
    assert run.baseline.error is None and not run.differences
    assert run.baseline.results == run.results == {"sends": 1, "receives": ["once"]}
    assert len(run.repeats.threads) == 2


CALLS = """
import functools, os, time
from time import sleep as snooze
import coro_magic
from coro_magic import sleep, spawn

@functools.lru_cache
def known(n):
    return n if n < 2 else known(n - 1) + known(n - 2)

def kid():
    yield
    yield sleep(0.001)
    return 2

def parent():
    return (yield spawn(kid()))

def knows():
    yield
    return known(20)

def pair():
    done = False
    def sets():
        nonlocal done
        yield sleep(0.005)
        done = True
    def spins():
        while not done:
            yield sleep(0.001)
    return sets(), spins()

def snoozes():
    snooze(0.1)

def moves():
    os.chdir("there")
    os.environ["SEEN"] = os.environ.get("SEEN", "") + "x"
    yield
    return os.environ["SEEN"]

if __name__ == "__main__":
    os.mkdir("there")
    many = coro_magic.run(parent(), parent(), parent(), knows(), baseline_budget=30)
    print(many.count, many.baseline.count, many.baseline.complete, many.differences)
    print(many.results["knows"], many.baseline.results["knows"])
    shared = coro_magic.run(*pair(), baseline_budget=30)
    print(shared.baseline.complete, shared.baseline.error)
    slept = coro_magic.run(snoozes).baseline.trace.totals()
    print(slept["waiting"].sum() > 0.09)
    for _ in range(2):
        moved = coro_magic.run(moves())
        print(moved.baseline.error, moved.differences)
        os.chdir("..")
"""


def test_a_script_s_calls_are_the_same_program_on_threads(tmp_path):
    (tmp_path / "script.py").write_text(CALLS)
    done = subprocess.run(
        [sys.executable, "script.py"], cwd=tmp_path, capture_output=True, text=True, timeout=120,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip
    assert done.stderr == ""
    assert done.stdout.splitlines() == [
        "7 7 True []", "6765 6765", "True None", "True", "None []", "None []"
    ]  # fmt: skip


def test_a_coroutine_of_a_module_has_the_module_s_globals_on_threads_too(tmp_path, monkeypatch):
    (tmp_path / "kept_results.py").write_text(textwrap.dedent("""
        from coro_magic import sleep
        results = []
        def record(one):
            results.append(one)
        def worker():
            for one in range(3):
                record(one)
                yield sleep(0.001)
            return len(results)
    """))
    monkeypatch.syspath_prepend(tmp_path)
    kept_results = importlib.import_module("kept_results")
    run = coro_magic.run(kept_results.worker())
    assert run.baseline.results == run.results == {"worker": 3}


def test_what_cannot_be_copied_of_calls_is_named_with_what_to_do():
    lock, locks_of_all = threading.Lock(), [threading.Lock()]

    def locks(lock: object, number: int):
        yield number

    def reads():
        yield len(locks_of_all)

    for coroutine, said in ((locks(lock, 5), "lock (lock: "), (reads(), "locks_of_all (list: ")):
        note = coro_magic.run(coroutine).baseline_note
        assert said in note and "number" not in note and 'baseline="off"' in note


def test_what_is_imported_here_already_is_not_paid_for_by_the_threads_alone():
    def imports():
        import xml.dom.minidom
        yield
        return xml.dom.minidom

    assert "xml.dom.minidom" in Calls((call_of(imports()),)).imports()


def test_functions_share_their_globals_in_the_worker():
    names = {"__name__": "__main__"}
    cell("count = 0\ndef add():\n    global count\n    count += 1\ndef get():\n    return count", names)
    ran = on_both_sides("def f():\n    add()\n    add()\n    yield\n    return get(), count\nf()", names)
    assert ran.threads == ran.results == {"f": (2, 2)}


def test_classes_and_dataclasses_of_the_cell_and_of_earlier_cells():
    names = {"__name__": "__main__"}
    cell(
        "class Early:\n    def __init__(self, n): self.n = n\n    def __eq__(self, o): return self.n == o.n",
        names,
    )
    ran = on_both_sides("""
        from dataclasses import dataclass
        import enum
        @dataclass
        class Point:
            x: int
            y: int = 0
        class Colour(enum.Enum):
            RED = 1
        def f():
            yield
            return Point(1), Colour.RED, Early(3).n, isinstance(Point(2), Point)
        def g():
            yield
            return Point(1)
        def h():
            yield
            return Early(3)
        f()
        g()
        h()
    """, names)  # fmt: skip
    assert ran.run.baseline is not None, ran.run.baseline_note
    assert ran.threads == ran.results
    assert type(ran.threads["g"]) is names["Point"] and type(ran.threads["h"]) is names["Early"]
    assert ran.run.differences == []


@pytest.mark.parametrize("value", ["open('/dev/null', 'w')", "threading.Lock()", "socket.socket()",
                                   "(n for n in [1])",
                                   "[threading.Lock()]", "sys._getframe()"])  # fmt: skip
def test_what_cannot_be_copied_is_named(value):
    names = {"__name__": "__main__"}
    cell(f"import threading, socket, sys\nculprit = {value}\ninnocent = {value}", names)
    run = on_both_sides("def f():\n    yield\n    culprit\nf()", names).run
    assert run.baseline is None
    assert "culprit (" in run.baseline_note and "innocent" not in run.baseline_note
    assert "--baseline off" in run.baseline_note
    assert run.error is None


def test_what_a_function_of_an_earlier_cell_refers_to_is_named_and_not_the_function():
    names = {"__name__": "__main__"}
    cell("import threading\nguard = threading.Lock()\ndef helper():\n    return guard.locked()", names)
    note = on_both_sides("def f():\n    yield\n    return helper()\nf()", names).run.baseline_note
    assert "guard (lock" in note and "helper" not in note


def test_what_the_cell_makes_anew_need_not_be_copied():
    source = """
        import threading
        guard = threading.Lock()
        def waits():
            with guard:
                yield 1
        w = waits()
        kept = [waits()]
        def f():
            return next(w), len(kept)
            yield
        f()
    """
    names = {"__name__": "__main__"}
    first, second = on_both_sides(source, names), on_both_sides(source, names)
    assert first.threads["f"] == second.threads["f"] == (1, 1)


def test_a_name_that_is_read_before_it_is_bound_is_carried_or_named():
    names = {"__name__": "__main__", "n": 1, "guard": threading.Lock()}
    ran = on_both_sides("n = n + 1\ndef f():\n    yield\n    return n\nf()", names)
    assert ran.threads["f"] == 2
    note = on_both_sides("guard = guard or 1\n" + TRIVIAL, names).run.baseline_note
    assert "guard (lock" in note


def test_a_result_that_does_not_pickle_is_told_as_text():
    run = on_both_sides("import threading\ndef f():\n    yield\n    return threading.Lock()\nf()").run
    assert run.baseline.complete
    assert "lock" in repr(run.baseline.results["f"])
    assert any("could not be copied back" in note for note in run.baseline.notes)
    assert run.differences == []


def test_a_result_that_does_not_unpickle_is_told_as_text():
    run = on_both_sides("""
        class Odd:
            def __reduce__(self):
                return (int, ("no number",))
        def f():
            yield
            return Odd()
        def g():
            yield
            return 1
        f()
        g()
    """).run
    assert run.baseline.results["g"] == 1
    assert "does not unpickle" in repr(run.baseline.results["f"])


def test_a_result_whose_comparison_or_repr_raises_does_no_harm():
    run = on_both_sides("""
        class Odd:
            def __eq__(self, other): raise ValueError
            def __repr__(self): raise ValueError
        def f():
            yield
            return Odd()
        f()
    """).run
    assert run.baseline.complete and run.differences == []


def test_items_are_forgiven_what_a_result_itself_would_be():
    class Own:
        pass

    def of(value: float):
        yield
        return [{"nan": float("nan"), "own": Own(), "error": ValueError("a")}, (1, value)]

    def differs(own: int):
        yield
        return [own == os.getpid()]

    run = coro_magic.run(of(2.0), of(3.0), differs(os.getpid()))
    assert [each.name for each in run.differences] == ["differs"]


def test_results_of_numpy_are_compared():
    run = on_both_sides("import numpy as np\ndef f():\n    yield\n    return np.arange(3), 1\n"
                        "def g():\n    yield\n    return np.arange(3)\nf()\ng()").run  # fmt: skip
    assert run.differences == []


def test_the_body_that_fails_on_threads_only_is_shown():
    run = on_both_sides(
        "import os, threading\nif threading.get_native_id() != os.getpid(): 1 / 0\n" + TRIVIAL
    ).run
    assert run.error is None
    assert str(run.baseline.tasks[0].state) == "failed"


def test_the_program_cannot_read_or_write_what_the_worker_talks_through():
    ran = on_both_sides("""
        import os, sys
        def f():
            os.write(1, b"xxxxxxxxxxxxxxxxx")
            os.write(2, b"y")
            yield
            return len(sys.stdin.read()) if threading.get_native_id() != os.getpid() else 0
        import threading
        f()
    """)
    assert ran.threads == {"f": 0}


@pytest.mark.parametrize("end", ["os._exit(3)", "os.kill(os.getpid(), 9)"])
def test_a_worker_that_dies_in_mid_run_is_told_and_the_next_run_has_a_new_one(end):
    run = on_both_sides(f"""
        import os, threading
        def f():
            if threading.get_native_id() != os.getpid():
                {end}
            yield
        f()
    """).run
    assert run.error is None and run.baseline is None
    assert "died" in run.baseline_note and (
        "status 3" in run.baseline_note or "signal 9" in run.baseline_note
    )
    assert on_both_sides(TRIVIAL).threads == {"f": 1}


def test_a_worker_that_exits_by_sys_exit_in_the_body_does_no_harm():
    run = on_both_sides(
        "import os, sys, threading\nif threading.get_native_id() != os.getpid(): sys.exit(3)\n"
        + TRIVIAL
    ).run
    assert run.error is None and str(run.baseline.tasks[0].state) == "failed"


def test_a_worker_killed_from_outside_in_mid_run_is_told():
    def kill():
        time.sleep(0.3)
        for worker in workers():
            worker.kill()

    on_both_sides(TRIVIAL)
    killer = threading.Thread(target=kill)
    killer.start()
    run = on_both_sides("import os, threading, time\ndef f():\n"
                        "    if threading.get_native_id() != os.getpid(): time.sleep(20)\n"
                        "    yield\nf()",
                        baseline_budget=30).run  # fmt: skip
    killer.join()
    assert "died (signal 9)" in run.baseline_note


def test_a_worker_killed_between_two_runs_is_replaced():
    on_both_sides(TRIVIAL)
    (worker,) = workers()
    worker.kill()
    worker.wait(5)
    assert on_both_sides(TRIVIAL).threads == {"f": 1}


def test_a_worker_that_is_stopped_between_finding_it_and_using_it_is_replaced(monkeypatch):
    on_both_sides(TRIVIAL)
    (worker,) = workers()
    original = process.write_frame

    def killed_first(stream, payload):
        if worker.is_running():
            worker.kill()
            worker.wait(5)
        original(stream, payload)

    monkeypatch.setattr(process, "write_frame", killed_first)
    assert on_both_sides(TRIVIAL).threads == {"f": 1}


def test_there_is_no_process_but_one_idle_worker_after_a_run():
    # Other tests may have servers of theirs.
    others = set(psutil.Process().children(recursive=True)) - set(workers())
    for _ in range(3):
        on_both_sides(TRIVIAL)
    assert len(workers()) == 1
    assert set(psutil.Process().children(recursive=True)) <= others | set(workers())


def test_no_descriptors_or_threads_are_left_by_runs():
    on_both_sides(TRIVIAL)
    gc.collect()
    descriptors, threads = len(os.listdir("/proc/self/fd")), threading.active_count()
    for _ in range(10):
        on_both_sides(TRIVIAL)
        on_both_sides("import os, threading\ndef f():\n    yield\n"
                      "    threading.get_native_id() == os.getpid() or os._exit(1)\n"
                      "f()")  # fmt: skip
    on_both_sides(TRIVIAL)
    assert len(os.listdir("/proc/self/fd")) <= descriptors and threading.active_count() <= threads


SCRIPT = """
    import sys, threading
    sys.path.insert(0, {tests!r})
    from cells import on_both_sides
    from coro_magic.engines import worker
    {more}
    print("ready", flush=True)
    import time
    time.sleep(60)
"""


def process_with_worker(more: str) -> subprocess.Popen[str]:
    tests = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    program = textwrap.dedent(SCRIPT).format(tests=tests, more=more)
    environment = {**os.environ, "PYTHONPATH": os.path.dirname(os.path.dirname(baseline.__file__)) + "/.."}
    return subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, env=environment
    )


def wait_until_gone(process: psutil.Process) -> bool:
    return process in psutil.wait_procs([process], timeout=20)[0]


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_the_idle_worker_goes_with_the_process_that_started_it(how):
    process = process_with_worker(f"on_both_sides({TRIVIAL!r})")
    assert process.stdout.readline() == "ready\n"
    (worker,) = psutil.Process(process.pid).children()
    process.send_signal(how)
    process.wait(10)
    assert wait_until_gone(worker)


def test_the_worker_goes_in_the_middle_of_a_job_when_its_starter_is_killed():
    source = ("import os, threading, time\ndef f():\n"
              "    if threading.get_native_id() != os.getpid():\n"
              "        time.sleep(60)\n    yield\nprint('ready', flush=True)\nf()")  # fmt: skip
    process = process_with_worker(f"on_both_sides({source!r}, baseline_budget=60)")
    assert process.stdout.readline() == "ready\n"
    deadline = time.monotonic() + 10
    while not (children := psutil.Process(process.pid).children()) and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.5)
    process.kill()
    process.wait(10)
    assert wait_until_gone(children[0])


def test_the_worker_ends_by_itself_when_it_was_idle_for_long():
    program = "import sys; from coro_magic.engines import worker; worker.IDLE_SECONDS = 0.2; worker.main()"
    root = os.path.dirname(os.path.dirname(os.path.dirname(baseline.__file__)))
    process = subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                               env={**os.environ, "PYTHONPATH": root})  # fmt: skip
    assert process.wait(20) == 0


def test_switched_off_or_virtual_there_is_none_and_a_note_says_so():
    assert cell(TRIVIAL).run.baseline_note == "switched off"
    run = on_both_sides("import time\ndef f():\n    time.sleep(3600)\n    yield\nf()", clock="virtual").run
    assert run.baseline is None and "virtual" in run.baseline_note
    assert run.speedup is None


def test_the_baseline_sees_the_working_directory_and_the_path_of_now(tmp_path, monkeypatch):
    (tmp_path / "freshly_written.py").write_text("value = 42")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    ran = on_both_sides(
        "import os, freshly_written\ndef f():\n    yield\n    return os.getcwd(), freshly_written.value\nf()"
    )
    assert ran.threads == ran.results


def test_a_program_of_many_threads_comes_back_whole():
    run = on_both_sides("def f(n):\n    yield\n    return n\nfor n in range(500): f(n)").run
    assert run.baseline.started == 500
    assert run.baseline.results == run.results


def test_a_large_result_comes_back():
    ran = on_both_sides("def f():\n    yield\n    return 'x' * 5_000_000\nf()")
    assert len(ran.threads["f"]) == 5_000_000


def test_a_large_value_is_carried():
    names = {"__name__": "__main__", "pages": ["x" * 1000] * 1 + ["y" * 10_000_000]}
    assert on_both_sides("def f():\n    yield\n    return len(pages[1])\nf()", names).threads == {
        "f": 10_000_000
    }
