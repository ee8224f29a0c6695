"""What a switch costs, and what it costs to write ten million of them down."""

from __future__ import annotations

import subprocess
import sys
import time
from typing import Any

from measuring import Row, best

import coro_magic
from coro_magic import spawn


def turns(count: int) -> Any:
    """A coroutine that does nothing, `count` times."""
    for _ in range(count):
        yield


def switches(quick: bool, rounds: int) -> list[Row]:
    """Measure a switch against the barest round robin there is."""
    coroutines, steps = 1000, 200 if quick else 1000
    total = coroutines * steps

    def bare() -> float:
        generators = [turns(steps + 1) for _ in range(coroutines)]
        begun = time.perf_counter()
        for _ in range(steps):
            for generator in generators:
                next(generator)
        return time.perf_counter() - begun

    def scheduled(trace: str) -> float:
        begun = 0.0

        def body() -> Any:
            nonlocal begun
            for _ in range(coroutines):
                spawn(turns(steps))
            yield
            begun = time.perf_counter()

        coro_magic.run(body, baseline="off", trace=trace)
        return time.perf_counter() - begun

    limit, off, on = best(bare, lambda: scheduled("off"), lambda: scheduled("on"), rounds=rounds)
    ns = 1e9 / total
    peer = f"`for g in gens: next(g)` {limit * ns:.0f} ns"
    return [
        Row("switch, `--trace off`", f"{off * ns:.0f} ns", peer, f"{off / limit:.2f} ×", "≤ 1.9 ×"),
        Row("switch, traced", f"{on * ns:.0f} ns", peer, f"{on / limit:.2f} ×", "≤ 3.5 ×"),
    ]


_LONG = """
import resource, sys, time
import coro_magic
from coro_magic import Channel, spawn

work, count, trace = sys.argv[1], int(sys.argv[2]), sys.argv[3]

def turns(count):
    for _ in range(count):
        yield

def yields():
    for _ in range(1000):
        spawn(turns(count // 1000))
    yield

def messages():
    channel = Channel()

    def producer():
        for number in range(count // 2):
            yield channel.put(number)

    def consumer():
        for _ in range(count // 2):
            yield channel.get()

    spawn(producer())
    yield spawn(consumer())

coro_magic.run(lambda: None, baseline="off")
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
begun = time.process_time()
coro_magic.run(yields if work == "yields" else messages, baseline="off", trace=trace)
spent = time.process_time() - begun
print(spent, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def long_runs(quick: bool, rounds: int) -> list[Row]:
    """Measure what the trace takes of a long run: bare yields, and waits at every step."""
    count = 1_000_000 if quick else 10_000_000
    rows = []
    for work in ("yields", "messages"):
        spent, memory = {"on": float("inf"), "off": float("inf")}, 0.0
        for _ in range(max(1, rounds // 2)):
            for trace in spent:
                command = [sys.executable, "-c", _LONG, work, str(count), trace]
                out = subprocess.run(command, capture_output=True, text=True, check=True)
                seconds, kilobytes = map(float, out.stdout.split())
                spent[trace] = min(spent[trace], seconds)
                memory = max(memory, kilobytes)
        rows.append(
            Row(
                f"trace of {count:,} switches, {work}",
                f"{spent['on'] / count * 1e9:.0f} ns, {memory / 1e3:.0f} MB",
                f"untraced {spent['off'] / count * 1e9:.0f} ns",
                f"{spent['on'] / spent['off']:.2f} ×",
                "≤ 1.8 ×, ≤ 200 MB",
            )
        )
    return rows
