"""What a run leaves in a notebook is small, however long the run was."""

from __future__ import annotations

import json

import pytest

MOST = 300_000  # bytes

NAPS = """
import random
from coro_magic import sleep
def nap(n):
    for _ in range(20):
        yield sleep(random.random() * 0.02)
for n in range({count}):
    nap(n)
"""
FAILS = """
def deep(n):
    if n:
        return deep(n - 1)
    raise ValueError("x" * 100_000)
def bad():
    yield
    deep(50)
for n in range(1000):
    bad()
"""
GRID = """
def turn():
    for _ in range(m):
        yield
turns = [turn() for _ in range(n)]
"""
NAMES = """
from coro_magic import Channel, mark, spawn
def waits(channel):
    yield channel.get()
for n in range(2000):
    mark("m" * 10_000)
    spawn(waits(Channel()), name=str(n) * 1000)
"""


@pytest.mark.parametrize(("options", "code"), [
    ("--against threads,threadpool,asyncio,sequential --baseline-budget 2", NAPS.format(count=300)),
    ("--baseline-budget 1", NAPS.format(count=2000)),
    ("--baseline off", "def turn():\n    for _ in range(5000): yield\nfor _ in range(100): turn()"),
    ("--sweep n=1,2,3,4,5,6,7,8;m=1,2,3,4,5,6", GRID),
    ("--baseline off", FAILS),
    ("--baseline off", NAMES),
], ids=["against many", "random", "500,000 switches", "grid", "1,000 long errors", "long names"])  # fmt: skip
def test_what_stands_under_a_cell_takes_less_than_300_kb(kernel, options, code):
    output = kernel.execute(f"%%coroutines {options}\n{code}", timeout=120)
    assert any("image/png" in data for data in output.displays), output.traceback
    kept = json.dumps(output.displays) + output.stdout + output.stderr + output.traceback + output.error
    assert len(kept.encode()) < MOST
