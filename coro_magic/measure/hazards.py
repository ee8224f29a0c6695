"""The hazard that remains on one thread: what was read before others ran is written back after.

``balance = counter``, then a ``yield``, then ``counter = balance + 1``: what others have written to
`counter` in between is lost, and on one thread, too. A ``yield`` shows where that can happen, so it can be
read from the source. Each function is followed statement by statement (see `following`), through both arms of
an ``if`` and twice through a loop.

Nothing is said where it would be wrong: of values that were read again after the switch, of a read and a
write inside one lock, of what only one coroutine writes.
"""

from __future__ import annotations

import ast
from collections import Counter
from dataclasses import dataclass

import numpy as np

from ..engines.trace import Trace
from ..language import Where
from .following import follow, name_of, written_by
from .functions import Function, inside

_MOST = 100


@dataclass(frozen=True)
class Hazard:
    """A coroutine that may undo what others wrote.

    Attributes
    ----------
    name:
        The shared name: ``counter``, ``account.balance``, ``counts[key]``.
    read, switch, write:
        The line that reads it, the first one after it at which others may run, and the one that writes
        what was computed from what was read.
    """

    name: str
    read: Where
    switch: Where
    write: Where


def hazards_of(functions: list[Function], trace: Trace, rows: int) -> list[Hazard]:
    """Find the hazards in the functions of a program that has run.

    Parameters
    ----------
    trace:
        What happened: at which lines without a ``yield`` it really switched, and who ran. Without
        recording, nothing but ``yield`` and ``await`` counts as a switch.
    rows:
        How many coroutines there were.
    """
    switched = {
        reason.where for reason in trace.reasons if reason.where is not None and reason.verb != "spawn"
    }
    given, which, _ = trace.name_columns()
    names = dict(zip(given, np.bincount(which, minlength=len(given)).tolist(), strict=True))
    driven = {given[which[row]] for row in trace.driven_rows()}
    blocking = _blocking(functions, switched)
    writers = Counter(root for function in functions for root in written_by(function))
    found: dict[Hazard, None] = {}
    for function in functions:
        name = function.node.name
        if name in driven:
            continue  # who drives it decides who runs in between
        for undone in follow(function, switched, blocking):
            # Alone it cannot undo what another one wrote.
            if names.get(name, rows) > 1 or writers[undone.root] > 1:
                lines = (Where(function.file, each) for each in (undone.read, undone.switch, undone.write))
                found[Hazard(undone.name, *lines)] = None
    return list(found)[:_MOST]


def _blocking(functions: list[Function], switched: set[Where]) -> set[str]:
    """Give the names of plain functions in which a call has switched, or that call one of them."""
    calls: dict[str, set[str]] = {}
    found: set[str] = set()
    for function in functions:
        nodes = list(inside(function.node))
        if isinstance(function.node, ast.AsyncFunctionDef) or any(
            isinstance(node, ast.Yield | ast.YieldFrom) for node in nodes
        ):
            continue  # a call of it makes a coroutine, and runs nothing of it
        name = function.node.name
        calls[name] = {
            called for node in nodes if isinstance(node, ast.Call) for called in [name_of(node)] if called
        }
        lines = range(function.node.lineno, (function.node.end_lineno or function.node.lineno) + 1)
        if any(where.file == function.file and where.line in lines for where in switched):
            found.add(name)
    while more := {name for name, called in calls.items() if called & found} - found:
        found |= more
    return found
