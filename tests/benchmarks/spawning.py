"""What it costs to spawn a coroutine, by how many there are."""

from __future__ import annotations

import subprocess
import sys

from measuring import Row, resident
from switches import turns

_MANY = """
import gc, resource, sys, time
import coro_magic
from coro_magic import spawn

count = int(sys.argv[1])

def once():
    yield

def memory():
    return int(open("/proc/self/statm").read().split()[1]) * resource.getpagesize()

def body():
    global before, suspended
    before = memory()
    for _ in range(count):
        spawn(once())
    yield
    suspended = memory()

coro_magic.run(lambda: None, baseline="off")
best = 1e9
# A few coroutines take no longer than the clock can tell: again and again.
for again in range(max(1, 200_000 // count)):
    begun = time.process_time()
    run = coro_magic.run(body, baseline="off")
    best = min(best, time.process_time() - begun)
    size = suspended - before if not again else size
print(best, size, len(run.tasks))
"""


def _many(count: int, rounds: int) -> list[Row]:
    seconds, size, tasks = float("inf"), 0.0, 0
    for _ in range(max(1, rounds // 3)):
        command = [sys.executable, "-c", _MANY, str(count)]
        out = subprocess.run(command, capture_output=True, text=True, check=True)
        found, octets, tasks = (float(text) for text in out.stdout.split())
        seconds, size = min(seconds, found), octets
    generators = []
    before = resident()
    for _ in range(100_000):
        generator = turns(1)
        next(generator)
        generators.append(generator)
    bare = (resident() - before) / 100_000
    del generators
    return [
        Row(f"{count:,} coroutines: spawned, switched, finished",
            f"{seconds / count * 1e6:.2f} µs CPU each", "", f"{tasks - 1:,.0f} done", "≤ 1.5 µs"),
        Row(f"{count:,} coroutines: suspended", f"{size / count:.0f} bytes each",
            f"a bare generator, {bare:.0f} bytes", f"{size / count / bare:.1f} ×", "≤ 500 bytes"),
    ]  # fmt: skip


def many(quick: bool, rounds: int) -> list[Row]:
    """Measure what a coroutine costs that is spawned, switched once and finished, among many and few."""
    rows = []
    for count in (1_000, 10_000, 100_000) if quick else (1_000, 10_000, 100_000, 1_000_000):
        rows += _many(count, rounds)
    return rows
