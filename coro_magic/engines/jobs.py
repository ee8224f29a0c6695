"""What is carried to a worker process, and what it answers: jobs, reports, and names with their values."""

from __future__ import annotations

import io
import os
import pickle
import sys
import types
from collections.abc import Collection
from dataclasses import dataclass, field, replace
from typing import Any

from ..language import State
from .calls import Calls
from .pickling import pickled
from .printed import Printed
from .program import Program
from .shared import Told
from .trace import Trace


def _where() -> str:
    """Give the working directory, ``""`` if it is no more."""
    try:
        return os.getcwd()
    except OSError:
        return ""


@dataclass(frozen=True)
class Job:
    """What the worker is to do.

    Attributes
    ----------
    program:
        A cell, or calls of functions.
    carried:
        The names it refers to with what they are bound to, pickled (cloudpickle).
    modules:
        What the kernel had imported already of what the program imports: done before the clock
        starts here, too.
    budget:
        Seconds after which it is stopped.
    detail:
        How many events to keep in detail.
    recording:
        Whether to record what happens.
    engine:
        Who runs it, a key of `performing.ENGINES`.
    figures_only:
        Whether only the figures are wanted, and not what was printed, nor any result.
    shared:
        The names whose values at the end are to be told, see `shared.tell`.
    options:
        For the scheduler: ``order``, ``seed`` and ``on_error``.
    values:
        What some names are bound to, whatever was carried.
    path, cwd, argv, environ:
        Where to import from, where to be, and what else a program finds in its process: as they are when the
        job is made, which is before the coroutines run.
    """

    program: Program | Calls
    carried: bytes
    modules: tuple[str, ...]
    budget: float
    detail: int
    recording: bool
    engine: str = "threads"
    figures_only: bool = False
    shared: dict[str, bool] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)
    values: dict[str, Any] = field(default_factory=dict)
    path: list[str] = field(default_factory=lambda: list(sys.path))
    cwd: str = field(default_factory=_where)
    argv: list[str] = field(default_factory=lambda: list(sys.argv))
    environ: dict[str, str] = field(default_factory=lambda: dict(os.environ))

    def measuring(self, engine: str, budget: float | None = None) -> Job:
        """Give the same job on an engine, untraced and for its figures only; `budget` is None for its own."""
        budget = self.budget if budget is None else budget
        return replace(self, engine=engine, budget=budget, figures_only=True, recording=False)


@dataclass
class Result:
    """What one coroutine came to: its value pickled, or its text if it does not pickle.

    Of an error there are the name of its class, its message, and its traceback, the latter within bounds.
    """

    row: int
    state: State
    value: bytes | None = None
    text: str = ""
    error: tuple[str, str, str] = ("", "", "")


@dataclass
class Report:
    """What the worker answers.

    Attributes
    ----------
    elapsed, cpu:
        Seconds by the clock, and seconds of processor time of the whole process.
    memory:
        How many bytes the process grew by while it ran, at most; None where that is not known.
    complete:
        Whether the program came to its end, rather than to the end of its budget.
    started:
        How many coroutines, or threads, were started, the body among them.
    refused:
        Whether the system refused to start one more.
    states:
        How many came to which end; the body is one of them.
    has_body:
        Whether there was a cell's body, which is the first.
    shared:
        What `shared.tell` tells of the job's shared names.
    notes:
        What the user should know of this engine's run, a sentence each.
    spent:
        Whether the process is not fit for another job.
    """

    trace: Trace
    results: list[Result]
    elapsed: float
    switches: int
    complete: bool
    started: int
    refused: bool
    output: str
    printed: Printed
    cpu: float = 0.0
    memory: int | None = None
    states: dict[State, int] = field(default_factory=dict)
    has_body: bool = False
    never_started: list[str] = field(default_factory=list)
    shared: dict[str, dict[str, Told]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    spent: bool = False

    @property
    def count(self) -> int:
        """How many coroutines or threads there were, the body not counted."""
        return self.started - self.has_body

    @property
    def shortfall(self) -> str:
        """Why its figures are none to compare, to be said of coroutines or threads; nothing if they are."""
        if self.refused:
            return f"could not all be started: the system gave {self.count:,}"
        if not self.complete:
            return f"were stopped after {self.elapsed:.1f} s"
        if self.states.get(State.FAILED):
            # The body is not counted, and may be the one that failed.
            failed = self.states[State.FAILED]
            return f"failed: {failed:,} of {self.count:,}" if failed <= self.count else "failed"
        if self.count and self.states.get(State.LEFT_OVER) == self.count:
            return "waited for messages, all of them, and nobody was left to send one"
        return ""


class Cannot(Exception):
    """The engine that a job names cannot run its program; the message says why, in words for the user."""


@dataclass
class Failure:
    """Why there is no report; `expected` if the engine `Cannot`, and nothing went wrong."""

    message: str
    expected: bool = False


def pack(namespace: dict[str, Any], names: dict[str, Any], leave_out: Collection[Any] = ()) -> bytes:
    """Pickle the values of `names`, so that functions among them share one namespace again.

    Functions defined in a notebook are pickled by value, and those pickled together share their
    globals. A function without names of its own is sent along, to carry those globals.

    Parameters
    ----------
    leave_out:
        Objects that are not sent, wherever they are referred to.
    """
    carrier = types.FunctionType(_carrier.__code__, namespace)
    carrier.__module__ = "__main__"
    return pickled((carrier, names), leave_out)


def _carrier() -> None: ...


class LeftOut:
    """Stands for what was not sent, because the program makes it anew before it uses it."""


class _Unpickler(pickle.Unpickler):
    def persistent_load(self, _: Any) -> LeftOut:
        return LeftOut()


def unpack(carried: bytes) -> dict[str, Any]:
    """Give the namespace that `pack` packed."""
    carrier, names = _Unpickler(io.BytesIO(carried)).load()
    namespace: dict[str, Any] = carrier.__globals__
    namespace.update(names)
    namespace.setdefault("__name__", "__main__")
    namespace.setdefault("__builtins__", __builtins__)
    return namespace
