"""What ``send`` costs on a generator that is driven by hand."""

from __future__ import annotations

import ast
from typing import Any

from measuring import Row, best, timed

from coro_magic.engines.program import Program
from coro_magic.measure.conduct import run_program
from coro_magic.measure.options import Options

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
            f"{there / off:.0f} × as fast", "≥ 500 ×"),
        Row("`send` by hand, observed", f"{on * ns:.0f} ns", f"plain Python, {bare * ns:.0f} ns",
            f"{on / bare:.1f} ×", "≤ 25 × (≤ 10 × from 3.12 on)"),
        # The run's own beginning and end are in it: the fewer are sent, the more of them.
        Row("`send` by hand, `--trace off`", f"{off * ns:.0f} ns", f"plain Python, {bare * ns:.0f} ns",
            f"{off / bare:.1f} ×", "1 ×"),
    ]  # fmt: skip
