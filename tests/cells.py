"""Running a cell without a kernel, in the test's own process."""

from __future__ import annotations

import ast
import textwrap
from dataclasses import dataclass
from typing import Any

import coro_magic.show  # noqa: F401  (tells a Run how it looks)
from coro_magic.engines.program import Program
from coro_magic.measure.conduct import run_program
from coro_magic.measure.options import Options
from coro_magic.measure.run import Run


@dataclass
class Cell:
    """A cell that has run: its Run, the names it left, and what it displayed."""

    run: Run
    names: dict[str, Any]
    shown: list[Any]

    @property
    def tasks(self) -> list[str]:
        """The names of the coroutines that were handed over, without the body."""
        return [task.name for task in self.run.tasks[1:]]

    @property
    def results(self) -> dict[str, Any]:
        return {name: value for name, value in self.run.results.items() if name != "cell"}

    @property
    def threads(self) -> dict[str, Any]:
        """The results of the baseline."""
        assert self.run.baseline is not None, self.run.baseline_note
        return {name: value for name, value in self.run.baseline.results.items() if name != "cell"}


def cell(
    source: str, names: dict[str, Any] | None = None, shown: str = "last_expr", progress: Any = None,
    **options: Any,
) -> Cell:  # fmt: skip
    """Run a cell, without a baseline unless it is asked for. Raises nothing for what coroutines did."""
    source = textwrap.dedent(source).strip("\n")
    names = {"__name__": "__main__"} if names is None else names
    program = Program(ast.parse(source, "<cell>"), source, "<cell>", shown=shown)
    values: list[Any] = []
    chosen = Options.of(**{"baseline": "off", **options})
    run = run_program(program, names, chosen, show=values.append, progress=progress)
    return Cell(run, names, values)


def on_both_sides(source: str, names: dict[str, Any] | None = None, **options: Any) -> Cell:
    """Run a cell on the scheduler and on threads."""
    return cell(source, names, baseline="threads", **options)
