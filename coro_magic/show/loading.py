"""`load`: a run that was saved as JSON, read back.

A file may come from anywhere, so nothing in it is believed (see `checked`): it is data and never code, and
every number that refers to something is looked at before it is used.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable
from typing import Any, NoReturn

import numpy as np

from ..engines.events import KIND_NAMES, Mark, Reason
from ..engines.grid import BINS, GROUPS, Cells
from ..engines.printed import Printed
from ..engines.record import Step, Steps
from ..engines.restored import TOTALS, Columns, restored
from ..engines.slow import SlowStep
from ..engines.stacks import StackFrame
from ..engines.trace import STATES, UNITS, Trace
from ..language import State, Task, Where
from ..measure.baseline import NotCopied
from ..measure.hazards import Hazard
from ..measure.options import AGAINST, ONE_PROCESS
from ..measure.run import Difference, Process, Run
from ..measure.saved import SavedError, SavedErrors
from . import measurements
from .checked import MOST, Part
from .columns import BY_HAND, DAEMON, HEEDED
from .document import FORMAT, SCHEMA
from .outcomes import ERROR_LEFT_OUT, LEFT_OUT
from .text import number

_MOST_BYTES = 2 << 30
_LINE = 1 << 31


def load(path: str | os.PathLike[str]) -> Run:
    """Read a run that ``run.save("....json")`` wrote.

    What is read back can be shown, compared and saved as the run itself: `Run.summary`, `Run.picture`,
    `Run.results` and all others. Results that are no JSON come back as objects whose repr is that of the
    result, errors as `SavedError`. Of a run too large for a file (see `document`) what the file holds comes
    back.

    Parameters
    ----------
    path:
        The file.

    Raises
    ------
    ValueError
        If it is no such file, was cut off, was written by a newer version, or does not fit together; the
        message says what is wrong.
    OSError
        If it cannot be read.
    """
    name = os.fsdecode(path)
    try:
        return run_of(_parsed(name))
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None


def _parsed(name: str) -> Any:
    if os.path.getsize(name) > _MOST_BYTES:
        raise ValueError("it is too large")
    with open(name, "rb") as file:
        content = file.read()
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        raise ValueError("it is not JSON, but something binary") from None
    try:
        return json.loads(text, parse_constant=_no_number)
    except json.JSONDecodeError as error:
        whole = text.rstrip()
        cut = error.msg.startswith("Unterminated") or error.pos >= len(whole) - 6
        if whole.startswith("{") and cut:
            raise ValueError("it was cut off: its end is missing") from None
        raise ValueError(f"it is not JSON ({error})") from None
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is not a number that JSON has")


def run_of(data: Any) -> Run:
    """Make a run of what `document.to_dict` gave.

    Raises
    ------
    ValueError
        If it is something else, or does not fit together.
    """
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise ValueError(f"it is not a run that coro_magic saved{_instead(data)}")
    schema = data.get("schema")
    if type(schema) is not int or schema < 1:
        raise ValueError(f"its schema is {schema!r:.50}, which is not a number")
    if schema != SCHEMA:
        age = "a newer" if schema > SCHEMA else "an older"
        raise ValueError(
            f"it was written by {age} version of coro_magic (schema {schema}; this one reads schema {SCHEMA})"
        )
    return _Reader(data, "").run()


def _instead(data: Any) -> str:
    if isinstance(data, dict) and "traceEvents" in data:
        return "; it is a trace for Perfetto: save it with the suffix .json to load it"
    if isinstance(data, dict) and data.get("schema") == 1 and "headline" in data:
        return " with this version's schema: an older one wrote it"
    return ""


class _Keeper:
    """Whom tasks that were read back belong to."""

    def __init__(self, trace: Trace) -> None:
        self.trace = trace


class _Task(Task):
    """A task of a run that was read back."""

    __slots__ = ("_was",)

    def __init__(self, keeper: _Keeper, row: int, state: State) -> None:
        super().__init__(None, keeper, row)
        self._was = state

    def _present_state(self) -> State:
        return self._was


class _Reader(Part):
    """The document of one side."""

    def run(self) -> Run:
        """Make the run."""
        self.places = [
            Where(place.text("file"), place.integer("line", -1, _LINE)) for place in self.parts("places")
        ]
        self.functions = [(one.text("file"), one.text("function")) for one in self.parts("functions")]
        columns = self._columns()
        self.count = len(columns.names)
        self._timeline(columns)
        trace = restored(columns)
        tasks = self._tasks(trace)
        slow = [self._slow_step(step) for step in self.parts("slow_steps")]
        baseline = self.get("baseline", dict, type(None))
        if baseline is not None and self.name:
            raise ValueError("a baseline cannot have a baseline")
        others, notes = self._others()
        run = Run(
            tasks=tasks,
            trace=trace,
            elapsed=self.real("elapsed", 0.0),
            switches=self.integer("switches"),
            error=self._run_error(tasks),
            interrupted=self.boolean("interrupted"),
            virtual=self.boolean("virtual"),
            output=self.text("output"),
            never_started=list(self.texts("never_started")),
            baseline=None if baseline is None else _Reader(baseline, "baseline").run(),
            baseline_note=self.text("baseline_note"),
            others=others,
            other_notes=notes,
            complete=self.boolean("complete"),
            started=self.integer("started", -1),
            wanted=self.integer("wanted", -1),
            refused=self.boolean("refused"),
            differences=[_difference(one) for one in self.parts("differences")],
            hazards=[
                Hazard(one.text("name"), *(self._at(one, key) for key in ("read", "switch", "write")))
                for one in self.parts("hazards")
            ],
            notes=list(self.texts("notes")),
            slow_steps=slow,
            slow_count=self.integer("slow_count"),
            options=self._options(),
            has_body=self.boolean("has_body"),
            printed=self._printed(),
            stacks={
                one.integer("row", 0, self.count): self._stack(one.get("frames", list))
                for one in self.parts("stacks")
            },
            steps=self._steps(),
            repeats=measurements.repeats(self),
            sweep=measurements.sweep(self),
            processes=self._processes(),
        )
        if columns.rows_left_out:
            whole = number(columns.rows_left_out + self.count)
            run.notes.append(f"the file had room for {number(self.count)} of {whole} {run.unit}s")
        return run

    def _others(self) -> tuple[dict[str, Run], dict[str, str]]:
        """Give the other sides by name, and why some of them are missing."""
        runs: dict[str, Run] = {}
        notes: dict[str, str] = {}
        for one in self.parts("others"):
            name = one.text("name")
            if self.name:
                raise ValueError(f"{one.name}: only the run itself has others to compare with")
            if name not in (*AGAINST[1:], ONE_PROCESS) or name in runs or name in notes:
                raise ValueError(f"{one.name}.name is not that of a side, or is there twice")
            if one.get("run", dict, type(None)) is None:
                notes[name] = one.text("note")
            else:
                runs[name] = _Reader(one.get("run", dict), f"{one.name}.run").run()
        return runs, notes

    def _processes(self) -> list[Process]:
        # Files of earlier versions have none.
        if "processes" not in self.data:
            return []
        return [
            Process(
                each.integer("number", 1), each.integer("first", 0, self.count + 1),
                each.integer("rows", 0, self.count + 1), each.integer("pid"), each.real("begin", 0.0),
                each.real("elapsed", 0.0), each.text("lost"), each.real("cpu", 0.0),
            )
            for each in self.parts("processes")
        ]  # fmt: skip

    # The trace.

    def _columns(self) -> Columns:
        rows = self.part("rows")
        names = list(rows.texts("name"))
        count = len(names)
        numbers = rows.integers("number", 1, _LINE, count)
        for at, each in enumerate(numbers):
            if each > 1:
                end = f"-{each}"
                if not names[at].endswith(end):
                    raise ValueError(f"rows.name[{at}] must end with its number, {each}")
                names[at] = names[at][: -len(end)]
        flags = rows.integers("flags", 0, 16, count)
        unit = self.text("unit")
        if unit not in UNITS:
            raise ValueError(f"unit must be one of {', '.join(UNITS)}")

        def flagged(flag: int) -> set[int]:
            return {row for row, each in enumerate(flags) if each & flag}

        reasons = [
            Reason(reason.text("verb"), self._place(reason, "place")) for reason in self.parts("reasons")
        ]
        places = rows.integers("place", -1, len(self.places), count)
        items = rows.integers("items", 0, MOST, count)
        return Columns(
            unit=unit,
            recording=self.get("timeline", dict, type(None)) is not None,
            duration=self.real("duration", 0.0),
            switches=self.integer("counted"),
            names=names,
            numbers=numbers,
            parents=rows.integers("parent", -1, count, count),
            spawned=rows.integers("spawned", 0, len(reasons), count),
            final=rows.integers("state", -1, len(STATES), count),
            places={row: self.places[at] for row, at in enumerate(places) if at >= 0},
            items={row: each for row, each in enumerate(items) if each},
            # Every thread, and every call, is driven by its engine.
            driven=set(range(count)) if unit in ("thread", "call") else flagged(BY_HAND),
            daemons=flagged(DAEMON),
            heeded=flagged(HEEDED),
            reasons=reasons,
            lines=dict(
                zip(self.places, (place.text("text") for place in self.parts("places")), strict=True)
            ),
            marks=[
                Mark(mark.real("time"), mark.integer("row", -1, count), mark.text("text"))
                for mark in self.parts("marks")
            ],
            rows_left_out=self.integer("rows_left_out"),
        )

    def _timeline(self, columns: Columns) -> None:
        if not columns.recording:
            return
        rows, timeline = self.part("rows"), self.part("timeline")
        columns.totals = {name: rows.reals(name, length=self.count) for name in TOTALS[1:]}
        columns.totals["resumptions"] = np.array(
            rows.integers("resumptions", 0, MOST, self.count), np.int64
        )
        kind = timeline.text("kind")
        if kind == "cells":
            columns.cells = _cells(timeline)
        elif kind == "events":
            if timeline.texts("kinds") != list(KIND_NAMES):
                raise ValueError("timeline.kinds are not those of this schema")
            which = timeline.integers("row", 0, max(self.count, 1))
            columns.events = (
                np.array(which, np.int64),
                np.array(timeline.integers("code", 0, 1 << 35, len(which)), np.int64),
                timeline.reals("time", length=len(which)),
            )
        else:
            raise ValueError("timeline.kind must be 'events' or 'cells'")

    def _place(self, part: Part, key: str) -> Where | None:
        at = part.get(key, int, type(None))
        return None if at is None else self._at(part, key)

    def _at(self, part: Part, key: str) -> Where:
        return self.places[part.integer(key, 0, len(self.places))]

    # What tasks came to.

    def _tasks(self, trace: Trace) -> list[Task]:
        part = self.part("tasks")
        rows = part.integers("row", 0, self.count)
        if len(set(rows)) != len(rows):
            raise ValueError("tasks.row has a row twice")
        states = part.integers("state", 0, len(STATES), len(rows))
        values = part.get("value", list)
        if len(values) != len(rows):
            raise ValueError(f"tasks.value has {len(values)} items, not {len(rows)}")
        texts = self._numbered(part, "texts", len(rows), lambda texts, key: NotCopied(texts.text(key)))
        errors = self._numbered(
            part, "errors", len(rows), lambda errors, key: self._error(errors.part(key), None)
        )
        kept = len(rows) - part.integer("left_out", 0, len(rows) + 1)
        keeper = _Keeper(trace)
        tasks: list[Task] = []
        for at, (row, code, value) in enumerate(zip(rows, states, values, strict=True)):
            state = STATES[code]
            task = _Task(keeper, row, state)
            if state is State.FAILED:
                task.end(state, error=errors.get(at, ERROR_LEFT_OUT) if at < kept else ERROR_LEFT_OUT)
            elif state is State.DONE:
                task.end(state, texts.get(at, value) if at < kept else LEFT_OUT)
            elif state.final:
                task.end(state)
            tasks.append(task)
        return tasks

    def _numbered(
        self, part: Part, key: str, count: int, make: Callable[[Part, str], Any]
    ) -> dict[int, Any]:
        table = part.part(key)
        out: dict[int, Any] = {}
        for each in table.data:
            at = int(each) if each.isascii() and each.isdigit() and len(each) < 12 else -1
            if not 0 <= at < count:
                raise ValueError(f"{table.name}: {each!r:.50} is not the number of a task")
            out[at] = make(table, each)
        return out

    def _error(self, part: Part, tasks: list[Task] | None) -> SavedError:
        """Give an error; of a run, that of a task where it says so."""
        at = part.get("task", int, type(None))
        if tasks is not None and at is not None:
            error = tasks[part.integer("task", 0, len(tasks))]._error
            if isinstance(error, SavedError) and error is not ERROR_LEFT_OUT:
                return error
        told = part.text("type"), part.text("message"), part.text("traceback")
        if "errors" not in part.data:
            return SavedError(*told)
        errors = [self._error(each, tasks) for each in part.parts("errors") if "errors" not in each.data]
        if not errors:
            raise ValueError(f"{part.name}.errors must have one error at least")
        return SavedErrors(*told, errors)

    def _run_error(self, tasks: list[Task]) -> SavedError | None:
        return None if self.get("error", dict, type(None)) is None else self._error(self.part("error"), tasks)

    # The rest.

    def _options(self) -> dict[str, Any]:
        options = self.part("options")
        out = {}
        for key in options.data:
            value = options.get(key, str, int, float, bool, type(None))
            out[key] = math.inf if value == "inf" else value
        if type(out.get("slow_step", 1.0)) not in (int, float):
            raise ValueError("options.slow_step must be a number")
        return out

    def _slow_step(self, step: Part) -> SlowStep:
        where = step.get("where", dict, type(None))
        place = None if where is None else step.part("where")
        return SlowStep(
            name=step.text("name"),
            row=step.integer("row", -1, max(self.count, 1)),
            begin=step.real("begin"),
            seconds=step.real("seconds", 0.0),
            where=None if place is None else Where(place.text("file"), place.integer("line", -1, _LINE)),
            call=step.text("call"),
            inside=step.text("inside"),
            text=step.text("text"),
            busy=None if step.get("busy", int, float, type(None)) is None else step.real("busy"),
            exact=step.boolean("exact"),
        )

    def _printed(self) -> Printed:
        part = self.part("printed")
        texts = part.texts("text")
        rows = part.integers("row", -1, self.count, len(texts))
        times = part.reals("time", length=len(texts)).tolist()
        printed = Printed(zip(times, rows, texts, strict=True))
        printed.lost = part.integer("lost")
        return printed

    def _stack(self, frames: Any) -> list[StackFrame]:
        if not isinstance(frames, list):
            raise ValueError("a stack must be a list of frames")
        return [self._frame(frame) for frame in frames]

    def _frame(self, frame: Any) -> StackFrame:
        if not (isinstance(frame, list) and len(frame) == 3 and type(frame[1]) is int):
            raise ValueError("a frame must be a function, a line and local names")
        function, line, names = frame
        if type(function) is not int or not 0 <= function < len(self.functions):
            raise ValueError("a frame's function must be one of the functions")
        if not (isinstance(names, list) and all(map(_is_pair, names))):
            raise ValueError("a frame's local names must be pairs of texts")
        if not -1 <= line < _LINE:
            raise ValueError("a frame's line must be the number of a line")
        file, name = self.functions[function]
        return StackFrame(name, file, line, tuple((local, text) for local, text in names))

    def _steps(self) -> Steps | None:
        if self.get("steps", dict, type(None)) is None:
            return None
        part = self.part("steps")
        rows = part.integers("row", 0, self.count)
        count = len(rows)
        stacks = [tuple(self._stack(stack)) for stack in part.column("frames", list, length=count)]
        columns = (
            rows,
            part.reals("time", length=count).tolist(),
            part.integers("switch", 0, MOST, count),
            part.texts("state", count),
            stacks,
        )
        steps = [Step(*step) for step in zip(*columns, strict=True)]
        sources = {}
        for source in part.parts("sources"):
            file, name = self.functions[source.integer("function", 0, len(self.functions))]
            sources[file, name, source.integer("first", 0, _LINE)] = source.texts("lines")
        return Steps(steps, part.boolean("truncated"), sources)


def _difference(part: Part) -> Difference:
    found = Difference(*(part.text(key) for key in ("name", "coroutines", "threads", "kind")))
    if found.kind not in ("result", "name"):
        raise ValueError(f"{part.name}.kind must be 'result' or 'name'")
    return found


def _is_pair(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(type(text) is str for text in value)


def _cells(timeline: Part) -> Cells:
    groups = timeline.column("cells", list)
    bins = len(groups[0]) if groups else 0
    # Before there is an array of it: its shape must be that of one.
    if not (0 < len(groups) <= GROUPS and 0 < bins <= BINS) or any(len(group) != bins for group in groups):
        raise ValueError(f"timeline.cells must be 1 to {GROUPS} lists of equally many lists, 1 to {BINS}")
    single = [cell for group in groups for cell in group]
    if any(type(cell) is not list or len(cell) != 3 for cell in single):
        raise ValueError("timeline.cells must have lists of three numbers")
    flat = Part({"cells": [share for cell in single for share in cell]}, "timeline").reals("cells", 0.0)
    counts = timeline.integers("resumptions", 0, MOST)
    return Cells(
        timeline.integer("rows_per_group", 1, _LINE),
        flat.reshape(len(groups), bins, 3),
        np.array(counts, np.int64),
    )
