"""Processes against one process: one command, one table of ratios, all measured in this run.

    python tests/benchmarks/processes.py [--quick]

Sides are measured in turns, and ratios are of one round: others may use the machine in one round more than in
the next. Where two processes do not have two processors to themselves, times mean little, and processor time
more: what two processes of plain Python reach is measured beside.
"""

from __future__ import annotations

import argparse
import ast
import gc
import statistics
import sys
import time
from array import array
from concurrent.futures import wait
from typing import Any

import coro_magic.show  # noqa: F401  (tells a Run how it looks)
from coro_magic.engines.part import Work
from coro_magic.engines.processes import carry_out, header_of_this
from coro_magic.engines.program import Program
from coro_magic.measure import baseline
from coro_magic.measure.conduct import run_program
from coro_magic.measure.options import Options
from coro_magic.measure.pool import pool
from coro_magic.measure.run import Run

COMPUTING = """
def compute(n):
    total = 0
    for _ in range({steps}):
        for k in range(20_000):
            total += k * n
        yield
    return total
for n in range(1, 17):
    compute(n)
"""
MANY = """
def turn():
    yield
for _ in range({count}):
    turn()
"""
# What a share cannot do without: the body makes the coroutines of the other process, too.
MADE = """
def turn():
    yield
for _ in range({count}):
    turn()
    turn().close()
"""
SWITCHES = """
def turns(n):
    for _ in range(n):
        yield
for _ in range(1000):
    turns({steps})
"""


def program(source: str) -> Program:
    """Give a cell."""
    return Program(ast.parse(source, "<cell>"), source, "<cell>")


def timed(cell: Program, **options: Any) -> tuple[float, Run]:
    """Run a cell; gives the seconds until its Run is there, and the Run."""
    gc.collect()
    begun = time.perf_counter()
    run = run_program(cell, {"__name__": "__main__"}, Options.of(baseline="off", **options))
    return time.perf_counter() - begun, run


def plainly(numbers: range, steps: int) -> None:
    """Compute what these coroutines compute, without any."""
    for n in numbers:
        total = 0
        for _ in range(steps):
            for k in range(20_000):
                total += k * n


def seconds_of_plain(of: int, steps: int) -> float:
    """Let so many processes compute it all, each its share."""
    begun = time.perf_counter()
    numbers = range(1, 17)
    wait([pool.submit(at, plainly, numbers[at::of], steps) for at in range(of)])
    return time.perf_counter() - begun


def computing(quick: bool, rounds: int) -> None:
    """Measure coroutines that compute, and beside them what the machine makes of two processes at all."""
    steps = 20 if quick else 80
    cell = program(COMPUTING.format(steps=steps))
    found = []
    for _ in range(rounds):
        # The same engine in a process like the others: of one share there is one.
        one, two = (timed(cell, processes=of)[1] for of in (1, 2))
        cpu = [sum(each.cpu for each in run.processes) for run in (one, two)]
        plain = [seconds_of_plain(of, steps) for of in (1, 2)]
        found.append((one.elapsed / two.elapsed, plain[0] / plain[1], cpu[1] / cpu[0], two.elapsed))
    ratio, plain_ratio, cpus, seconds = (statistics.median(column) for column in zip(*found, strict=True))
    print(f"16 coroutines that compute, {seconds:.2f} s in two processes: {ratio:.2f} × as fast as one (to "
          f"reach ≥ 1.9); without coroutines the same work {plain_ratio:.2f} ×; processor time of two "
          f"against one {100 * (cpus - 1):+.0f} % (medians of {rounds} rounds)")  # fmt: skip


def halves(cell: Program) -> tuple[float, float, float]:
    """Let two processes run a cell each, at the same time.

    Gives the seconds until all is back, those of the longer run, and the processor time of both.
    """
    import pickle

    import cloudpickle

    carried = baseline.carry(cell, {"__name__": "__main__"})
    work = Work(cell, carried, (), 0, 1, array("i"), "robin", "", None, list(sys.path), None, "", {})
    message = cloudpickle.dumps(work)
    gc.collect()
    begun = time.perf_counter()
    futures = [pool.submit(number, carry_out, header_of_this(), message) for number in range(2)]
    wait(futures)
    seconds = time.perf_counter() - begun
    parts = [pickle.loads(future.result()[1]) for future in futures]
    return seconds, max(part.elapsed for part in parts), sum(part.cpu for part in parts)


def million(quick: bool, rounds: int) -> None:
    """Measure very many coroutines against two processes that have half of them each."""
    count = 100_000 if quick else 1_000_000
    whole, half = program(MANY.format(count=count)), program(MANY.format(count=count // 2))
    made = program(MADE.format(count=count // 2))
    found = []
    for _ in range(rounds):
        back, ran, cpu = halves(half)
        made_back, made_ran, made_cpu = halves(made)
        seconds, run = timed(whole, processes=2)
        assert run.count == count and run.error is None
        whole_cpu = sum(each.cpu for each in run.processes)
        # Ratios within a round: others may use this machine, and more in one round than in the next.
        found.append((run.elapsed / ran, made_ran / ran, whole_cpu / cpu, made_cpu / cpu,
                      seconds / back, made_back / back))  # fmt: skip
        del run
    elapsed, made_elapsed, cpus, made_cpus, all_back, made_all_back = (
        f"{100 * (statistics.median(column) - 1):+.0f} %" for column in zip(*found, strict=True)
    )
    print(f"{count:,} coroutines, two shares against two halves: {elapsed} (to reach < +10 %), of which the "
          f"body, that makes all of them, takes {made_elapsed}; processor time {cpus}, of which {made_cpus}; "
          f"until all was back {all_back}, of which {made_all_back}")  # fmt: skip


def start(rounds: int) -> None:
    """Measure what it takes to run next to nothing."""
    cell = program("def f():\n    yield\nf()\nf()")
    taken = [timed(cell, processes=2) for _ in range(5 * rounds)]
    print(f"start of a warm pool, run of two coroutines, and end: {1000 * min(t for t, _ in taken):.0f} ms, "
          f"median {1000 * statistics.median(t for t, _ in taken):.0f} ms (to reach ≤ 50)")  # fmt: skip


def trace(quick: bool, rounds: int) -> None:
    """Measure what the trace of a million switches takes to come back."""
    cell = program(SWITCHES.format(steps=100 if quick else 1000))
    found = []
    for _ in range(rounds):
        seconds, run = timed(cell, processes=2)
        found.append((seconds - run.elapsed, run.switches, run.trace.detailed))
    least, switches, detailed = min(found)
    how = " in detail" if detailed else ""
    print(f"{switches:,} switches{how}: back {least:.2f} s after they ended (to reach ≤ 1)")


def main() -> None:
    """Measure it all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer steps and rounds")
    quick = parser.parse_args().quick
    rounds = 2 if quick else 5
    pool.get_ready(2)
    computing(quick, rounds)
    million(quick, rounds)
    start(rounds)
    trace(quick, rounds)


if __name__ == "__main__":
    main()
