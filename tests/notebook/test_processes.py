"""``%%coroutines --processes`` in a kernel."""

from __future__ import annotations

import time

PLAIN = """
%%coroutines --processes 2 --baseline off --panel off -o run
import os
def worker(n):
    yield
    print("from", n)
    return os.getpid()
for n in range(4):
    worker(n)
"""


def test_a_cell_runs_in_processes_and_shows_one_picture(kernel):
    output = kernel.execute(PLAIN)
    assert output.status == "ok", output.traceback
    assert "4 coroutines, 2 processes" in output.text
    assert sum("image/png" in data for data in output.displays) == 1
    assert sorted(output.stdout.split("\n")[:-1]) == [f"from {n}" for n in range(4)]
    assert kernel.value("len({task.result() for task in run.tasks[1:]} - {__import__('os').getpid()})") == 2


def test_what_does_not_travel_is_one_line(kernel):
    kernel.execute("import threading\nlock = threading.Lock()")
    output = kernel.execute("%%coroutines --processes 2\ndef f():\n    with lock:\n        yield\nf()")
    assert output.status == "error" and "UsageError" in output.stderr and "lock" in output.stderr
    assert output.traceback == ""


def test_a_cell_that_needs_ipython_is_refused_in_one_sentence(kernel):
    output = kernel.execute("%%coroutines --processes 2\n%time\ndef f():\n    yield\nf()")
    assert output.stderr.startswith("UsageError: the cell uses IPython itself") and output.traceback == ""


def test_an_interrupt_ends_the_run_in_all_processes_and_the_kernel_goes_on(kernel):
    kernel.execute(PLAIN)
    request = kernel.begin("""
        %%coroutines --processes 2 --baseline off --panel off -o run
        def worker(n):
            while True:
                pass
            yield
        for n in range(4):
            worker(n)
    """)
    time.sleep(1.0)
    kernel.interrupt()
    output = kernel.finish(request)
    assert output.error.startswith("KeyboardInterrupt"), output.error
    assert kernel.value("[str(task.state) for task in run.tasks[1:]]") == ["cancelled"] * 4
    assert kernel.execute(PLAIN).status == "ok"
    # The workers have nothing to do.
    workers = [child for child in kernel.children() if child.cpu_percent() is not None]
    time.sleep(0.5)
    assert all(child.cpu_percent() < 50 for child in workers)


ENDLESS = """
%%coroutines --processes 2 --baseline off {options} -o run
def worker(n):
    while True:
        yield
for n in range(4):
    worker(n)
"""


def test_processes_that_go_on_show_a_picture_that_grows_and_how_far_they_are(kernel):
    request = kernel.begin(ENDLESS.format(options="--panel off"))
    pictures, words = set(), ""
    while len(pictures) < 2 or "2 processes" not in words:
        data = kernel._client.get_iopub_msg(timeout=60)["content"].get("data", {})
        pictures |= {data["image/png"]} if "image/png" in data else set()
        words = data.get("text/plain", "") if "press i twice" in data.get("text/plain", "") else words
    assert "in 2 processes: 0 of 4 coroutines finished" in words
    kernel.interrupt()
    output = kernel.finish(request)
    assert output.error.startswith("KeyboardInterrupt") and "press i twice" not in output.text


def test_the_stop_button_stops_all_processes(kernel):
    # The click comes on a thread of its own, as one from a page does.
    kernel.execute("""
        import threading, time
        from coro_magic.show.stop import Stop
        def click():
            while not made:
                time.sleep(0.05)
            made[0]._told(made[0], {"kind": "stop"}, [])
        made, begin = [], Stop.__init__
        def noted(self, *args, **kwargs):
            begin(self, *args, **kwargs)
            made.append(self)
        Stop.__init__ = noted
        threading.Thread(target=click, daemon=True).start()
    """)
    output = kernel.execute(ENDLESS.format(options=""))
    assert output.error.startswith("KeyboardInterrupt"), output.error
    assert kernel.value("[str(task.state) for task in run.tasks[1:]]") == ["cancelled"] * 4
