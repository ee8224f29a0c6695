"""One command, one table: every row a ratio of two things measured in this run.

    python tests/benchmarks/table.py [--quick]

Each side is measured several times in turns, and the best of each is taken: what disturbs a
measurement only ever makes it slower. Peers that are not installed are left out.
"""

from __future__ import annotations

import argparse
import ast
import asyncio
import gc
import importlib.util
import platform
import queue
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import coro_magic
from coro_magic import Channel, spawn
from coro_magic.engines.program import Program
from coro_magic.measure.conduct import run_program
from coro_magic.measure.options import Options

Side = Callable[[], float]


class Row(NamedTuple):
    """A line of the table: `ours` and `peer` in the unit of the row, the ratio, what is to be reached."""

    work: str
    ours: str
    peer: str
    ratio: str
    target: str


def best(*sides: Side, rounds: int) -> list[float]:
    """Measure the sides in turns and give the best of each, in seconds."""
    found = [float("inf")] * len(sides)
    for _ in range(rounds):
        for index, side in enumerate(sides):
            gc.collect()
            found[index] = min(found[index], side())
    return found


def ours(body: Callable[[], Any], **options: Any) -> float:
    """Run a body on the scheduler; seconds by the run's own clock."""
    return coro_magic.run(body, baseline="off", **options).elapsed


def timed(function: Callable[[], Any]) -> float:
    """Seconds that a call takes."""
    begun = time.perf_counter()
    function()
    return time.perf_counter() - begun


# Switches.


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
        Row("switch, `--trace off`", f"{off * ns:.0f} ns", peer, f"{off / limit:.2f} ×", "≤ 2.2 ×"),
        Row("switch, traced", f"{on * ns:.0f} ns", peer, f"{on / limit:.2f} ×", "≤ 4 ×"),
    ]


# Messages.


def messages(quick: bool, rounds: int) -> list[Row]:
    """Measure a message from one coroutine to another."""
    count = 20_000 if quick else 100_000
    rows = []
    for capacity in (1, 0, 100):

        def channel(capacity: int = capacity, trace: str = "on") -> float:
            def body() -> Any:
                passed: Channel[int] = Channel(capacity)

                def producer() -> Any:
                    for number in range(count):
                        yield passed.put(number)

                def consumer() -> Any:
                    for _ in range(count):
                        yield passed.get()

                spawn(producer())
                yield spawn(consumer())

            return ours(body, trace=trace)

        # None of the peers has a rendezvous; their nearest is room for one.
        room = max(capacity, 1)
        sides: dict[str, Side] = {
            "asyncio.Queue": lambda room=room: timed(lambda: asyncio.run(_asyncio(room, count)))
        }
        if importlib.util.find_spec("gevent"):
            sides["gevent.queue.Queue"] = lambda room=room: timed(lambda: _gevent(room, count))
        # Threads hand over so slowly that a share of the messages has to do.
        sides["queue.Queue, threads"] = lambda room=room: 20 * timed(lambda: _threads(room, count // 20))
        mine, off, *theirs = best(channel, lambda: channel(trace="off"), *sides.values(), rounds=rounds)
        targets = {"asyncio.Queue": "≥ 8 ×"} if capacity < 100 else {}
        for name, seconds in zip(sides, theirs, strict=True):
            rows.append(
                Row(
                    f"message, capacity {capacity}",
                    f"{mine / count * 1e9:.0f} ns ({off / count * 1e9:.0f} untraced)",
                    f"{name} {seconds / count * 1e9:,.0f} ns",
                    f"{seconds / mine:.1f} × as fast ({seconds / off:.1f} untraced)",
                    targets.get(name, ""),
                )
            )
    return rows


async def _asyncio(room: int, count: int) -> None:
    passed: asyncio.Queue[int] = asyncio.Queue(room)

    async def producer() -> None:
        for number in range(count):
            await passed.put(number)

    async def consumer() -> None:
        for _ in range(count):
            await passed.get()

    await asyncio.gather(producer(), consumer())


def _gevent(room: int, count: int) -> None:
    import gevent
    import gevent.queue

    passed = gevent.queue.Queue(room)
    producer = gevent.spawn(lambda: [passed.put(number) for number in range(count)])
    consumer = gevent.spawn(lambda: [passed.get() for _ in range(count)])
    gevent.joinall([producer, consumer])


def _threads(room: int, count: int) -> None:
    passed: queue.Queue[int] = queue.Queue(room)

    def produce() -> None:
        for number in range(count):
            passed.put(number)

    producer = threading.Thread(target=produce)
    producer.start()
    for _ in range(count):
        passed.get()
    producer.join()


# Many coroutines.

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
begun = time.perf_counter()
run = coro_magic.run(body, baseline="off")
print(time.perf_counter() - begun, suspended - before, len(run.tasks))
"""


def many(quick: bool, rounds: int) -> list[Row]:
    """Measure what a coroutine costs, a million of them spawned, switched once and finished."""
    count = 100_000 if quick else 1_000_000
    seconds, size, tasks = float("inf"), 0.0, 0
    for _ in range(max(1, rounds // 3)):
        command = [sys.executable, "-c", _MANY, str(count)]
        out = subprocess.run(command, capture_output=True, text=True, check=True)
        found, octets, tasks = (float(text) for text in out.stdout.split())
        seconds, size = min(seconds, found), octets
    generators = []
    before = _resident()
    for _ in range(100_000):
        generator = turns(1)
        next(generator)
        generators.append(generator)
    bare = (_resident() - before) / 100_000
    del generators
    return [
        Row(f"{count:,} coroutines: spawned, switched, finished", f"{seconds / count * 1e6:.2f} µs each", "",
            f"{tasks - 1:,.0f} done", "without trouble"),
        Row(f"{count:,} coroutines: suspended", f"{size / count:.0f} bytes each",
            f"a bare generator, {bare:.0f} bytes", f"{size / count / bare:.1f} ×", "≤ 600 bytes"),
    ]  # fmt: skip


def _resident() -> int:
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * resource.getpagesize()


# Driven by hand.

_BY_HAND = """
def consumer():
    while True:
        bun = yield

def producer(count):
    con = consumer()
    next(con)
    for number in range(count):
        con.send(number)
    yield

producer({count})
"""


def by_hand(quick: bool, rounds: int) -> list[Row]:
    """Measure ``send`` on a generator that is driven by hand."""
    count = 20_000 if quick else 100_000
    source = _BY_HAND.format(count=count)

    def plain() -> float:
        namespace: dict[str, Any] = {}
        exec(source.rpartition("producer(")[0], namespace)
        return timed(lambda: next(namespace["producer"](count)))

    def cell(trace: str) -> float:
        program = Program(ast.parse(source), source, "<by hand>")
        return run_program(program, {}, Options.of(baseline="off", trace=trace)).elapsed

    few = count // 20

    def threads() -> float:
        source_few = _BY_HAND.format(count=few)
        program = Program(ast.parse(source_few), source_few, "<by hand>")
        run = run_program(program, {"__name__": "__main__"}, Options.of(baseline_budget=60))
        assert run.baseline is not None and run.baseline.complete, run.baseline_note
        return run.baseline.elapsed * count / few

    bare, on, off, there = best(plain, lambda: cell("on"), lambda: cell("off"), threads, rounds=rounds)
    ns = 1e9 / count
    return [
        Row("`send` by hand, observed", f"{on * ns:.0f} ns", f"a thread each, {there * ns:,.0f} ns",
            f"{there / on:.0f} × as fast", "≥ 50 ×"),
        Row("`send` by hand, `--trace off`", f"{off * ns:.0f} ns", f"a thread each, {there * ns:,.0f} ns",
            f"{there / off:.0f} × as fast", ""),
        Row("`send` by hand, observed", f"{on * ns:.0f} ns", f"plain Python, {bare * ns:.0f} ns",
            f"{on / bare:.1f} ×", "≤ 25 ×, from 3.12 on ≤ 10 ×"),
    ]  # fmt: skip


# In a notebook.

_LOADING = """
import time
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance()
begun = time.perf_counter()
shell.run_line_magic("load_ext", "coro_magic")
print(time.perf_counter() - begun)
"""



def notebook(quick: bool, rounds: int) -> list[Row]:
    """Measure loading the extension, and a trivial cell with its picture, in a kernel."""
    loads = []
    for _ in range(rounds):
        out = subprocess.run([sys.executable, "-c", _LOADING], capture_output=True, text=True, check=True)
        loads.append(float(out.stdout.split()[-1]))
    rows = [Row("loading the extension, beyond IPython", f"{min(loads) * 1e3:.0f} ms", "", "", "≤ 100 ms")]
    if importlib.util.find_spec("ipykernel") and importlib.util.find_spec("jupyter_client"):
        rows.append(_trivial_cell(rounds))
    return rows


def _trivial_cell(rounds: int) -> Row:
    from jupyter_client.manager import start_new_kernel

    manager, client = start_new_kernel(kernel_name="python3")
    try:

        def execute(code: str) -> float:
            begun = time.perf_counter()
            reply = client.execute_interactive(code, output_hook=lambda message: None, timeout=120)
            assert reply["content"]["status"] == "ok", reply["content"]
            return time.perf_counter() - begun

        execute("%load_ext coro_magic")
        execute("%%coroutines\n1")
        seconds = min(execute("%%coroutines\n1") for _ in range(max(rounds, 3)))
        empty = min(execute("1") for _ in range(max(rounds, 3)))
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
    return Row("a trivial cell with picture, panel and threads, warm", f"{seconds * 1e3:.0f} ms",
               f"the cell without the magic, {empty * 1e3:.0f} ms", "", "≤ 500 ms")  # fmt: skip


def main() -> None:
    """Measure everything and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="smaller counts, fewer rounds")
    quick = parser.parse_args().quick
    rounds = 2 if quick else 5
    rows = [
        row for part in (switches, messages, many, by_hand, notebook) for row in part(quick, rounds)
    ]
    print(f"CPython {platform.python_version()}, {platform.system()} {platform.machine()}\n")
    print("| work | coro_magic | against | ratio | to reach |")
    print("|---|---|---|---|---|")
    for row in rows:
        print("| " + " | ".join(row) + " |")


if __name__ == "__main__":
    main()
