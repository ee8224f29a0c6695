"""What comes back from several processes, gathered into one `Run`."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np

from ..engines.longest import MOST
from ..engines.merged import Band, merged, nothing_of
from ..engines.own_classes import OwnClasses
from ..engines.part import Part, machine
from ..engines.printed import Piece, Printed, line_by_line
from ..engines.trace import STATES
from ..language import State, Task
from .baseline import NotCopied
from .options import Options
from .process import first_line
from .run import Process, Run

_AFTER = 1 << 40  # the place of a task that no body handed over: after all that one did
_NAMED = 8  # names that a note tells


class Lost(RuntimeError):
    """A coroutine was in a process that is gone; the message says why."""


def offset(sent: float, began: float, ended: float, received: float) -> tuple[float, float]:
    """Give by how much a worker's clock is behind this one, and how far that may be wrong; seconds.

    Parameters
    ----------
    sent, received:
        When the work was sent, and its answer received, by the clock here.
    began, ended:
        When it began and ended by the clock there.

    As in the Network Time Protocol: neither way takes less than no time, so the difference lies between
    two bounds, and the middle of them is taken.
    """
    low, high = sent - began, received - ended
    return (low + high) / 2, (high - low) / 2


class DifferingBodies(RuntimeError):
    """The cell's body did something else in one process than in another; the message says what."""


class Gathered:
    """What came of the shares of a run.

    Parameters
    ----------
    of:
        How many there are.
    namespace:
        Where the user's classes live here.
    options:
        The run's.
    """

    def __init__(self, of: int, namespace: dict[str, Any], options: Options) -> None:
        self._of = of
        self._namespace = namespace
        self._options = options
        # Classes that only the workers have: one for all results, whichever process they come from.
        self._classes: dict[str, type] = {}
        self._parts: list[Part] = []
        self._behind: dict[int, float] = {}
        self._lost: dict[int, tuple[str, float, tuple[list[str], list[int]] | None]] = {}
        self._notes: list[str] = []
        self._failed_bodies: set[str] = set()

    def add(self, part: Part, sent: float, received: float) -> None:
        """Take what came of one, which was sent and received at these times."""
        self._parts.append(part)
        self._parts.sort(key=lambda each: each.process)
        self._behind[part.process] = 0.0
        if part.machine != machine():
            self._behind[part.process], wrong = offset(sent, part.began, part.ended, received)
            self._notes.append(
                f"process {part.process + 1} ran on another machine: its times may be wrong by "
                f"{1000 * wrong:.0f} ms"
            )

    def lose(
        self, process: int, why: str, when: float, known: tuple[list[str], list[int]] | None = None
    ) -> None:
        """Nothing comes of a process. What is `known` are the names and numbers of its coroutines."""
        self._lost[process] = why, when, known

    def shown(self) -> Iterator[Any]:
        """Give what the cell displays: the first process's body does."""
        for part in self._parts[:1]:
            for each in part.shown:
                yield self._load(each)

    def run(self, defined: set[str]) -> Run:
        """Make the run. What the names in `defined` are bound to is here, too."""
        with _no_collection():
            return self._run(defined)

    def _run(self, defined: set[str]) -> Run:
        parts, virtual = self._parts, self._options.clock == "virtual"
        begins = {part.process: part.origin + self._behind[part.process] for part in parts}
        origin = min([*begins.values()] or [when for _, when, _ in self._lost.values()])
        shifts = {process: 0.0 if virtual else begin - origin for process, begin in begins.items()}
        run = Run(tasks=[], trace=None, elapsed=0.0, switches=0)  # type: ignore[arg-type]
        bands: list[Band] = []
        tasks: list[Task] = []
        places: list[int] = []
        first: dict[int, int] = {}
        row = 0
        for part in parts:
            first[part.process] = row
            numbers = np.full(len(part.columns.names), -1, np.int32)
            numbers[np.asarray(part.tasks, np.int64)] = np.asarray(part.numbers, np.int32)
            bands.append(Band(part.columns, shifts[part.process], numbers, part.has_body))
            self._add_tasks(run, part, row, tasks, places)
            run.processes.append(
                Process(part.process + 1, row, len(numbers), part.pid, shifts[part.process], part.elapsed,
                        "", part.cpu)
            )  # fmt: skip
            row += len(numbers)
        # Last, because the first row is the body's.
        for process, (why, when, known) in sorted(self._lost.items()):
            names, of_lost = self._known_of(process) if known is None else known
            at = 0.0 if virtual else max(0.0, when - origin)
            nothing = nothing_of(names, [1] * len(names), at, self._options.trace == "on")
            bands.append(Band(nothing, 0.0, np.array(of_lost, np.int32), False))
            for place, number in enumerate(of_lost):
                task = Task(None, run, row + place)
                task.end(State.FAILED, None, Lost(f"process {process + 1} was lost: {why}"))
                tasks.append(task)
                places.append(number)
            run.processes.append(Process(process + 1, row, len(names), 0, 0.0, 0.0, why))
            row += len(names)
        run.trace = merged(bands)
        run.tasks = [tasks[at] for at in np.argsort(np.array(places, np.int64), kind="stable").tolist()]
        run.elapsed = max((shifts[part.process] + part.elapsed for part in parts), default=0.0)
        run.switches = sum(part.switches for part in parts)
        run.has_body = bool(parts) and parts[0].has_body
        run.interrupted = any(part.interrupted for part in parts)
        run.virtual = virtual
        run.options = self._options.as_dict()
        run.complete = not self._lost
        self._fill(run, first, shifts)
        run.started = run.wanted = run.count
        run.notes = [
            *self._notes_on_lost(), *self._note_on_output(run), *self._note_on_names(defined), *self._notes,
        ]  # fmt: skip
        run.error = self._error()
        return run

    def _error(self) -> BaseException | None:
        """Give what the run fails with where no coroutine tells: there are results missing."""
        if not self._parts and self._lost:
            return Lost("; ".join(self._notes_on_lost()))
        parts = [part for part in self._parts if part.has_body]
        if any(part.interrupted or part.body_error for part in parts):
            return None
        counts = {part.process: len(part.handed) for part in parts}
        if len(set(counts.values())) < 2:
            return None
        told = ", ".join(f"{count:,} in process {process + 1}" for process, count in counts.items())
        return DifferingBodies(
            f"the cell's body did not hand over the same coroutines in every process ({told}), so that some "
            "ran nowhere; what it reads or draws by lot must be the same in all of them"
        )

    # Tasks.

    def _load(self, pickled: bytes) -> Any:
        return OwnClasses(pickled, self._namespace, self._classes).load()

    def _add_tasks(self, run: Run, part: Part, first: int, tasks: list[Task], places: list[int]) -> None:
        """Add the tasks of one process, and for each its place among all."""
        if part.has_body:
            error = self._load(part.body_error)[0] if part.body_error else None
            # It mostly fails in all processes for the same reason, which is told once.
            kind = type(error).__name__
            if part is self._parts[0] or (error is not None and kind not in self._failed_bodies):
                self._failed_bodies.add(kind)
                body = Task(None, run, first)
                code = part.columns.final[0]
                body._final, body._value = (STATES[code] if code >= 0 else State.CANCELLED), error
                tasks.append(body)
                places.append(part.process - self._of)
        values, errors = self._loaded(part, part.values), self._loaded(part, part.errors)
        for row, code in zip(part.tasks, part.states, strict=True):
            task = Task(None, run, first + row)
            task._final = STATES[code]
            if values:
                task._value = values.get(row)
            tasks.append(task)
        places += [number if number >= 0 else _AFTER for number in part.numbers]
        if not (errors or part.texts or State.FAILED in map(STATES.__getitem__, set(part.states))):
            return
        for task in tasks[len(tasks) - len(part.tasks) :]:
            row = task.row - first
            if task._final is State.FAILED:
                task._value = errors.get(row) or RuntimeError("its error could not be copied back")
            elif row in part.texts:
                task._value = NotCopied(part.texts[row])
                self._notes.append(
                    f"a result of process {part.process + 1} could not be copied back: {part.texts[row]}"
                )

    def _loaded(self, part: Part, pickled: bytes) -> dict[int, Any]:
        try:
            found: dict[int, Any] = self._load(pickled)
            return found
        except Exception as error:
            self._notes.append(
                f"results of process {part.process + 1} could not be copied back: {first_line(error)}"
            )
            return {}

    def _known_of(self, process: int) -> tuple[list[str], list[int]]:
        """Give the names and numbers of those who were in a process, as far as another one knows."""
        if not self._parts:
            return [], []
        knows = self._parts[0]
        handed = np.asarray(knows.handed)
        others = np.flatnonzero(handed != knows.process)
        mine = np.flatnonzero(handed[others] == process)
        return [knows.names_elsewhere[at] for at in mine.tolist()], others[mine].tolist()

    # What is kept by row, and notes.

    def _fill(self, run: Run, first: dict[int, int], shifts: dict[int, float]) -> None:
        printed: list[list[Piece]] = []
        for part in self._parts:
            row, shift = first[part.process], shifts[part.process]
            printed.append(
                [(at + shift, who + row if who >= 0 else -1, text) for at, who, text in part.printed]
            )
            run.slow_steps += [
                replace(step, row=step.row + row, begin=step.begin + shift,
                        name=run.trace.name(step.row + row))
                for step in part.slow_steps
                if step.row >= 0
            ]  # fmt: skip
            run.slow_count += part.slow_count
            run.stacks.update((who + row, stack) for who, stack in part.stacks.items())
        run.slow_steps.sort(key=lambda step: -step.seconds)
        del run.slow_steps[MOST:]
        run.printed = Printed(line_by_line(printed))
        run.printed.lost = sum(part.lost_output for part in self._parts)
        if self._parts:
            # Who drives one may be in another process.
            run.never_started = [
                name
                for name in self._parts[0].never_started
                if all(name in part.never_started for part in self._parts)
            ]

    def _notes_on_lost(self) -> list[str]:
        return [
            f"process {process + 1} was lost: {why}" for process, (why, _, _) in sorted(self._lost.items())
        ]

    def _note_on_output(self, run: Run) -> list[str]:
        lost = run.printed.lost
        return [f"printed and not kept: {lost:,} more characters"] if lost else []

    def _note_on_names(self, defined: set[str]) -> list[str]:
        changed = (name for part in self._parts for name in part.changed if name not in defined)
        names = list(dict.fromkeys(changed))
        if not names:
            return []
        more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
        listed = ", ".join(names[:_NAMED]) + more
        return [f"bound or changed in the processes' own copies, and not here: {listed}"]


@contextmanager
def _no_collection() -> Iterator[None]:
    """Keep the collector from looking at a million tasks again and again while they are made."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
