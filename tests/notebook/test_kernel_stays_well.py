"""While a hundred coroutines block, the kernel is as well as ever, and afterwards nothing is changed."""

from __future__ import annotations

import random
import time

import pytest

OFF = "%%coroutines --baseline off --picture off --summary off --panel off -o run\n"

# Who stands where, before the first run.
REMEMBER = """
from coro_magic.engines import switching
ORIGINALS = [(p.owner, p.attribute, vars(p.owner).get(p.attribute)) for p in switching.patches()]
def changed():
    return [f"{o}.{a}" for o, a, was in ORIGINALS if vars(o).get(a) is not was]
import logging, queue, select, socket, subprocess, threading, time
import concurrent.futures
from time import sleep
SLEEP = sleep
lock, items, event = threading.Lock(), queue.Queue(), threading.Event()
records = []
class Keeps(logging.Handler):
    def emit(self, record):
        records.append((record.threadName, record.getMessage()))
logger = logging.getLogger("mine")
logger.addHandler(Keeps())
"""

BLOCKS = """
def blocks(n):
    print("begins", n, flush=True)
    logger.warning("%d", n)
    kind = n % 5
    for _ in range(5):
        if kind == 0:
            time.sleep(0.1)
        elif kind == 1:
            with lock:
                time.sleep(0.002)
        elif kind == 2:
            select.select([], [], [], 0.1)
        elif kind == 3:
            try:
                items.get(timeout=0.1)
            except queue.Empty:
                pass
        else:
            event.wait(0.1)
    print("ends", n, flush=True)
    yield
all_of_them = [blocks(n) for n in range(100)]
"""


@pytest.fixture(scope="module", autouse=True)
def remembered(kernel):
    assert kernel.execute(REMEMBER).status == "ok"


@pytest.fixture(autouse=True)
def everything_is_the_original_again(kernel):
    yield
    assert kernel.value("changed()") == []
    assert kernel.value("(sleep is SLEEP, time.sleep is SLEEP, lock.locked())") == (True, True, False)


def test_output_arrives_while_it_runs_and_the_kernel_answers(kernel):
    request = kernel.begin(OFF + BLOCKS)
    kernel.wait_for("begins 99")
    assert kernel.ask_on_control() < 10
    assert kernel.beats()
    output = kernel.finish(request)
    assert output.status == "ok", output.traceback
    # The first lines were seen while it ran.
    assert "ends 99" in output.stdout
    assert kernel.value("len(run.tasks), {str(t.state) for t in run.tasks}") == (101, {"done"})


def test_logging_handlers_work_and_know_who_logs(kernel):
    kernel.execute("records.clear()")
    assert kernel.execute(OFF + BLOCKS).status == "ok"
    assert kernel.value("sorted(text for _, text in records) == sorted(str(n) for n in range(100))")
    assert kernel.value("len({name for name, _ in records})") == 100


def test_after_an_error_everything_is_the_original(kernel):
    fails = "\ndef fails():\n    time.sleep(0.05)\n    1 / 0\n    yield\nfails()"
    output = kernel.execute(OFF + BLOCKS + fails)
    assert "ZeroDivisionError" in output.error


def test_a_plain_thread_that_makes_the_same_calls_beside_the_run_is_not_touched(kernel):
    kernel.execute("""
seen = []
done = False
def beside():
    own = threading.Lock()
    while not done:
        begun = time.perf_counter()
        with own:
            time.sleep(0.002)
        queue.Queue().put(1)
        a, b = socket.socketpair()
        a.sendall(b"x"); b.recv(1); a.close(); b.close()
        subprocess.run(["true"])
        seen.append((threading.current_thread().name, type(threading.local()).__module__))
thread = threading.Thread(target=beside, name="beside")
thread.start()
""")
    assert kernel.execute(OFF + BLOCKS).status == "ok"
    kernel.execute("done = True\nthread.join()")
    assert kernel.value("set(seen)") == {("beside", "_thread")}
    assert kernel.value("len(seen) > 3")


def test_after_200_interrupts_at_random_moments_everything_is_the_original(kernel):
    chance = random.Random(1)
    for _ in range(200):
        request = kernel.begin(OFF + "print('ready', flush=True)" + BLOCKS)
        kernel.wait_for("ready")
        time.sleep(chance.uniform(0, 0.05))
        kernel.interrupt()
        output = kernel.finish(request)
        assert output.status == "error" and "KeyboardInterrupt" in output.error, output.traceback
        assert kernel.value("changed(), lock.locked(), threading.active_count() < 20") == ([], False, True)
