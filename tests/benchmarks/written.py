"""The derived baseline against the same four programs as a person writes them with threads."""

from __future__ import annotations

import ast
import statistics
from collections.abc import Callable

from measuring import Row, timed

from coro_magic.measure.conduct import run_program
from coro_magic.measure.options import Options

_PIPELINE = (
    """
from coro_magic import Channel
first, second = Channel(10), Channel(10)
def make():
    for number in range(COUNT):
        yield first.put(number)
    first.close()
def double():
    for number in first:
        yield second.put(2 * number)
    second.close()
def add():
    total = 0
    for number in second:
        total += number
    return total
    yield
make()
double()
add()
""",
    """
import queue, threading
first, second = queue.Queue(10), queue.Queue(10)
END = object()
def make():
    for number in range(COUNT):
        first.put(number)
    first.put(END)
def double():
    while (number := first.get()) is not END:
        second.put(2 * number)
    second.put(END)
def add():
    total = 0
    while (number := second.get()) is not END:
        total += number
threads = [threading.Thread(target=each) for each in (make, double, add)]
""",
)
_FETCHES = (
    """
import time
from coro_magic import spawn
def fetch(number):
    time.sleep(0.02)
    return number
for number in range(COUNT):
    spawn(fetch, number)
""",
    """
import threading, time
def fetch(number):
    time.sleep(0.02)
threads = [threading.Thread(target=fetch, args=(number,)) for number in range(COUNT)]
""",
)
_COUNTER = (
    """
from coro_magic import Lock
lock = Lock()
counter = 0
def count():
    global counter
    for _ in range(COUNT):
        with (yield lock.acquire()):
            counter += 1
for _ in range(8):
    count()
""",
    """
import threading
lock = threading.Lock()
counter = 0
def count():
    global counter
    for _ in range(COUNT):
        with lock:
            counter += 1
threads = [threading.Thread(target=count) for _ in range(8)]
""",
)
_POOL = (
    """
from coro_magic import Channel
jobs, done = Channel(20), Channel(20)
def work():
    for number in jobs:
        yield done.put(sum(range(200 + number % 7)))
def give():
    for number in range(COUNT):
        yield jobs.put(number)
    jobs.close()
def take():
    for _ in range(COUNT):
        yield done.get()
for _ in range(8):
    work()
give()
take()
""",
    """
import queue, threading
jobs, done = queue.Queue(20), queue.Queue(20)
END = object()
def work():
    while (number := jobs.get()) is not END:
        done.put(sum(range(200 + number % 7)))
def give():
    for number in range(COUNT):
        jobs.put(number)
    for _ in range(8):
        jobs.put(END)
def take():
    for _ in range(COUNT):
        done.get()
threads = [threading.Thread(target=work) for _ in range(8)]
threads += [threading.Thread(target=each) for each in (give, take)]
""",
)
_PROGRAMS = (
    ("pipeline", _PIPELINE, 5_000), ("200 fetches at once", _FETCHES, 200),
    ("shared counter with a lock", _COUNTER, 5_000), ("pool of 8 workers", _POOL, 5_000),
)  # fmt: skip


def written(quick: bool, rounds: int) -> list[Row]:
    """Measure the baseline that is made of a program against the one that a person writes."""
    rows = []
    for name, (source, by_person), count in _PROGRAMS:
        size = count // 5 if quick and name != "200 fetches at once" else count
        derived = _derived(source.replace("COUNT", str(size)))
        by_hand = _by_hand(by_person.replace("COUNT", str(size)))
        pairs = [(derived(), by_hand()) for _ in range(rounds + 2)]
        ours, theirs = (statistics.median(pair[side] for pair in pairs) for side in (0, 1))
        ratio = statistics.median(mine / other for mine, other in pairs)
        rows.append(
            Row(f"baseline: {name}", f"{1e3 * ours:.1f} ms", f"written by hand, {1e3 * theirs:.1f} ms",
                f"{ratio:.2f} ×", "≤ 1.10 ×")
        )  # fmt: skip
    return rows


def _derived(source: str) -> Callable[[], float]:
    from coro_magic.engines.program import Program

    program = Program(ast.parse(source), source, "<derived>")
    options = Options.of(trace="off", baseline_budget=60)

    def once() -> float:
        run = run_program(program, {"__name__": "__main__"}, options)
        assert run.baseline is not None and run.baseline.complete, run.baseline_note
        return run.baseline.elapsed

    return once


_GO = """
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
"""


def _by_hand(source: str) -> Callable[[], float]:
    code = compile(source + _GO, "<by hand>", "exec")
    # The whole of it, as on the other side: that makes its threads while the clock runs, too.
    return lambda: timed(lambda: exec(code, {}))
