"""A run as plain data: what a JSON file of it holds, in numbered versions of one schema.

It is for others to read, and for `coro_magic.load`, which makes a run of it again that reads the same.
Version 2 is a dict with the keys below. Times are in seconds since the run's beginning, by its clock; an
index counts from 0; columns are lists, and those of one table are equally long. No number is nan or
infinite. Texts came from the user's program and may be anything. All of it has a bound, whatever the run
did: the constants here and in `outcomes`.

``format``, ``schema``, ``version``
    ``"coro_magic run"``; 2; the version of the package that wrote it.
``headline``, ``summary``
    The run in words: one line; several.
``unit``
    What a row is: ``"coroutine"``, ``"thread"``, ``"call"``, ``"task"`` or ``"greenlet"``.
``count``, ``elapsed``, ``switches``, ``throughput``, ``speedup``
    How many coroutines (the cell's body not counted); seconds; steps; steps per second; how many times
    as fast as the threads, or None.
``virtual``, ``has_body``, ``complete``, ``interrupted``, ``refused``
    Booleans: whether time was virtual; whether row 0 is the cell's body; whether the program came to its
    end; whether the user stopped it; whether the system refused to start one more thread.
``started``, ``wanted``
    Of a baseline: how many threads could be started, of how many.
``error``
    What the run failed with, or None: a dict of ``type``, ``message``, ``traceback`` (as Python prints it;
    empty where it is not told) and ``task``, the index of the entry of ``tasks`` whose error it is, or None.
    A group of errors also has ``errors``, a list of such dicts.
``never_started``, ``notes``, ``baseline_note``, ``output``
    Names; texts; why there is no baseline, a text; what was printed where it did not go to the notebook.
``options``
    The options by name.
``states``
    ``["ready", "running", "waiting", "done", "failed", "cancelled", "left over"]``.
``places``
    Lines of source code: dicts of ``file``, ``line`` (from 1) and ``text``, which may be empty.
``reasons``
    Why rows wait: dicts of ``verb`` (a text) and ``place``, an index into ``places`` or None. The first is
    no reason.
``rows``
    A table of the rows in the order in which they were spawned, with the columns ``name``, unique;
    ``number``, which the name ends with to be unique, 1 if none was needed; ``parent``, the row that spawned
    it, or -1; ``spawned``, an index into ``reasons``, which has the line; ``place``, an index into ``places``
    of where it waits or ended, or -1; ``state``, an index into ``states``, -1 if it has not ended;
    ``flags``, the sum of 1 (driven by hand), 2 (a daemon), 4 (the cell's body) and 8 (its error was seen);
    ``items``, how many it produced; and with a trace ``resumptions``, a number, ``running``, ``ready``,
    ``waiting`` and ``longest`` (its longest step), in seconds, and ``born`` and ``ended``, times.
``rows_left_out``
    How many rows there are beyond those.
``tasks``
    A table of the rows that are tasks, with the columns ``row``; ``state``, an index into ``states``; and
    ``value``, what it returned if that is plain JSON, else None. ``texts`` and ``errors`` are dicts whose
    keys are the numbers of entries, as text: results that are no JSON, as short text; and errors, dicts like
    ``error``. ``left_out`` says of how many entries, the last ones, the results are not told.
``marks``
    The notes on the timeline: dicts of ``time``, ``row`` (-1 for none) and ``text``.
``duration``, ``counted``
    Of the trace: seconds; the steps that it counted, those of generators driven by hand left out.
``timeline``
    None without a trace. Of a run with few enough events ``{"kind": "events"}``, with ``kinds``, a list of
    their names, and a table of them in the order in which they were written, with the columns ``row``,
    ``code`` and ``time``. The ``woken`` of a timer, written when the scheduler comes to it, has the time at
    which that was due. ``code % 16`` is an index into ``kinds``, and ``code // 16`` one into ``reasons``
    or, of ``"woken"``, the row that did it plus 1, 0 for nobody. A step (``yielded``, ``waits``, ``ended``)
    begins where the step before it ended, or at an ``idle`` in between; the row runs until its time, and
    then is ready, waits or has ended. ``born`` and ``woken`` make a row ready; ``resumed`` lets it run, and
    ``suspended`` wait; ``closed``, ``closed_waiting`` and ``stopped`` end one that was ready, waited or
    ran; with ``born_waiting`` one comes to be that waits.
    Of a longer run ``{"kind": "cells"}``: ``rows_per_group``; ``cells``, of shape (groups, bins, 3), the mean
    numbers of a group's rows that were ready, running and waiting, in bins that divide ``duration`` evenly;
    and ``resumptions``, how many there had been by so many moments, evenly apart from 0 to ``duration``.
``repeats``
    None, or how long both sides took when they ran again, in turns: a table with the columns ``coroutines``,
    ``threads``, ``coroutines_cpu`` and ``threads_cpu``, in seconds, one entry for each pair; ``wanted``, how
    many pairs were asked for; ``note``, why there are fewer, or nothing; and ``others``, by name what each
    other side took in the same turns.
``sweep``
    None, or what both sides took for many values of some names: ``names``; ``wanted``, how many points were
    asked for; ``note``, why there are fewer, or nothing; and ``points``, dicts of ``values``, one for each
    name, and of ``coroutines`` and ``threads``, each None or a dict of ``count``, ``seconds`` and ``cpu``
    (lists of one entry for each repeat), ``memory`` in bytes or None, ``switches``, and ``note``, why it did
    not come to its end, or nothing; and of ``others``, the same for each other side, by its name.
    ``other_notes`` says why one of those is missing, by its name.
``processes``
    The processes that it ran in, dicts of ``number`` (from 1), ``first`` and ``rows`` (which rows are its
    own), ``pid`` (0 for not known), ``begin`` and ``elapsed`` (seconds), ``cpu`` (seconds of processor time)
    and ``lost`` (why nothing came back, or empty). Of a run in one it is empty, or not there.
``printed``
    What was printed: a table with the columns ``time``, ``row`` (-1 for none) and ``text``; and ``lost``, how
    many more characters there were.
``functions``
    Functions on stacks: dicts of ``file`` and ``function``.
``stacks``
    Where rows stood that failed or had not ended by themselves: dicts of ``row`` and ``frames``, the
    outermost first: ``[function, line, locals]``, with an index into ``functions`` and, for each local name,
    the name and its value as short text.
``steps``
    What step mode has recorded, or None: ``truncated``, whether there were more; a table of switches with the
    columns ``row``, ``time``, ``switch`` (their number), ``state`` (a text) and ``frames``, as above; and
    ``sources``, dicts of ``function`` (an index), ``first`` (a line's number) and ``lines``.
``slow_steps``, ``slow_count``
    Steps that held the thread for long, see `slow_step`; how many there were.
``differences``
    Where the sides' results differ, or what shared names were bound to at the end: dicts of ``name``,
    ``coroutines``, ``threads`` and ``kind`` (``"result"`` or ``"name"``), all texts.
``hazards``
    Where what was read before others may have run is written after: dicts of ``name``, a text, and ``read``,
    ``switch`` and ``write``, indexes into ``places``.
``baseline``
    The same program on threads, a dict of the same kind without a baseline of its own, or None.
``others``
    The same program on what else it was compared with: dicts of ``name`` (``"asyncio"``, say); ``run``, a
    dict of the same kind, or None; and ``note``, why there is none, or nothing.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..engines.events import KIND_NAMES
from ..engines.restored import LARGE, Columns, columns_of
from ..engines.trace import STATE_CODES, STATES
from ..language import State, Where
from ..measure.repeats import TIMES, Repeats
from ..measure.sweep import Measured, Sweep
from .columns import row_flags
from .frames import Frames
from .outcomes import MOST_TEXT, RESULT, Results, described, text_of
from .text import error_text, one_line, short_repr
from .words import headline, summary

if TYPE_CHECKING:
    from ..engines.slow import SlowStep
    from ..engines.trace import Trace
    from ..language import Task
    from ..measure.run import Run

FORMAT = "coro_magic run"
SCHEMA = 2

MOST_ROWS = 1_000_000
MOST_EVENTS = 1_000_000
MOST_REASONS = 100_000
MOST_MARKS = 10_000
MOST_OUTPUT = 100_000  # characters
MOST_PRINTED = 1_000_000  # characters that are kept apart by row
MOST_TEXTS = 10_000  # notes, differences
_NAME = 1_000  # characters of a name
_FILE = 4_096  # characters of a file's name

COLUMNS = ("name", "state", "parent", "resumptions", "items", "running", "ready", "waiting", "longest",
           "born", "ended", "spawned_at", "where", "driven_by_hand", "result", "error")  # fmt: skip


def records(run: Run, most: int | None = None) -> Iterator[dict[str, Any]]:
    """Give one dict for each coroutine (or thread), in spawn order, the first `most` of them.

    Its keys are `COLUMNS`: ``running``, ``ready``, ``waiting``, ``longest`` (a step), ``born`` and
    ``ended`` are seconds, ``spawned_at`` and ``where`` a dict of ``file`` and ``line``. What is not
    known is None; without a trace these are all figures.
    """
    trace = run.trace
    tasks = {task.row: task for task in run.tasks}
    totals = {name: column.tolist() for name, column in trace.totals().items()} if trace.recording else {}
    for row in range(len(trace) if most is None else min(most, len(trace))):
        task = tasks.get(row)
        state = trace.final(row) or (task.state if task is not None else None)
        parent = trace.parent(row)
        failed = task is not None and task._error is not None
        yield {
            "name": trace.name(row)[:_NAME],
            "state": None if state is None else state.value,
            "parent": None if parent < 0 else trace.name(parent)[:_NAME],
            **{name: totals[name][row] if totals else None for name in COLUMNS[3:11]},
            "spawned_at": _known_place(trace.spawned_at(row)),
            "where": _known_place(trace.where(row) if task is None else task.where),
            "driven_by_hand": trace.driven_by_hand(row) and run.unit == "coroutine",
            "result": short_repr(task._value, RESULT) if task and state is State.DONE else None,
            "error": error_text(task._error) if task and failed and task._error else None,
        }


def slow_step(step: SlowStep) -> dict[str, Any]:
    """Give a step that held the thread for long as a dict.

    Its keys are ``name``, ``row``, ``begin``, ``seconds``, ``where`` (a dict of ``file`` and ``line``, or
    None), ``call``, ``inside``, ``text``, ``busy`` and ``exact``, as in `SlowStep`.
    """
    return {
        "name": text_of(step.name, _NAME),
        "row": step.row,
        "begin": _number(step.begin),
        "seconds": _number(step.seconds),
        "where": _known_place(step.where),
        "call": one_line(step.call, 200),
        "inside": one_line(step.inside, 200),
        "text": one_line(step.text, 200),
        "busy": None if step.busy is None else _number(step.busy),
        "exact": step.exact,
    }


def _place(where: Where) -> dict[str, Any]:
    return {"file": text_of(where.file, _FILE), "line": where.line}


def _known_place(where: Where | None) -> dict[str, Any] | None:
    return None if where is None else _place(where)


def to_dict(run: Run) -> dict[str, Any]:
    """Give the run as plain dicts, lists, numbers, strings, booleans and None, ready for JSON.

    Returns
    -------
    dict with the keys that this module tells of. Its size has a bound, whatever the run did.
    """
    from .. import __version__

    columns = columns_of(run.trace, MOST_ROWS, MOST_EVENTS, MOST_REASONS)
    places = _Places(run.trace)
    frames = Frames(places.number)
    tasks = [task for task in run.tasks if 0 <= task.row < MOST_ROWS]
    return {
        "format": FORMAT,
        "schema": SCHEMA,
        "version": __version__,
        "headline": headline(run),
        "summary": summary(run),
        "unit": run.unit,
        "count": run.count,
        "elapsed": _number(run.elapsed),
        "switches": run.switches,
        "throughput": _number(run.throughput),
        "speedup": None if run.speedup is None else _number(run.speedup),
        "virtual": run.virtual,
        "has_body": run.has_body,
        "complete": run.complete,
        "interrupted": run.interrupted,
        "refused": run.refused,
        "started": run.started,
        "wanted": run.wanted,
        "error": None if run.error is None else _run_error(run.error, tasks),
        "never_started": [text_of(name, _NAME) for name in run.never_started[:MOST_ROWS]],
        "notes": [text_of(note, MOST_TEXT) for note in run.notes[:MOST_TEXTS]],
        "baseline_note": text_of(run.baseline_note, MOST_TEXT),
        "output": text_of(run.output, MOST_OUTPUT),
        "options": {text_of(str(name), _NAME): _option(value) for name, value in run.options.items()},
        "states": [state.value for state in STATES],
        "tasks": _tasks(tasks),
        "rows": _rows(run, columns, places),
        "rows_left_out": columns.rows_left_out,
        "reasons": [
            {"verb": text_of(reason.verb, _NAME), "place": places.number(reason.where)}
            for reason in columns.reasons
        ],
        "marks": [
            {"time": _number(mark.time), "row": mark.row, "text": one_line(mark.text, 1000)}
            for mark in columns.marks[:MOST_MARKS]
            if mark.row < len(columns.names)
        ],
        "duration": _number(columns.duration),
        "counted": columns.switches,
        "timeline": _timeline(columns),
        "processes": [
            {**asdict(each), "lost": text_of(each.lost, MOST_TEXT)}
            for each in run.processes
            if each.first + each.rows <= len(columns.names)
        ],
        "printed": _printed(run, len(columns.names)),
        "stacks": frames.stacks(run.stacks, len(columns.names)),
        "steps": frames.steps(run.steps, len(columns.names)),
        "slow_steps": [slow_step(step) for step in run.slow_steps],
        "slow_count": run.slow_count,
        "differences": [
            {
                "name": text_of(one.name, _NAME),
                "coroutines": text_of(one.coroutines, _NAME),
                "threads": text_of(one.threads, _NAME),
                "kind": one.kind,
            }
            for one in run.differences[:MOST_TEXTS]
        ],
        "hazards": [
            {
                "name": text_of(one.name, _NAME),
                "read": places.number(one.read),
                "switch": places.number(one.switch),
                "write": places.number(one.write),
            }
            for one in run.hazards[:MOST_TEXTS]
        ],
        "repeats": None if run.repeats is None else _repeats(run.repeats),
        "sweep": None if run.sweep is None else _sweep(run.sweep),
        # Last, when all of them are known.
        "places": places.table(),
        "functions": frames.table(),
        "baseline": None if run.baseline is None else to_dict(run.baseline),
        "others": [
            *({"name": name, "run": to_dict(other), "note": ""} for name, other in run.others.items()),
            *(
                {"name": text_of(name, _NAME), "run": None, "note": text_of(note, MOST_TEXT)}
                for name, note in run.other_notes.items()
            ),
        ],
    }


def _repeats(repeats: Repeats) -> dict[str, Any]:
    return {
        "wanted": repeats.wanted,
        "note": text_of(repeats.note, MOST_TEXT),
        **{name: _numbers(getattr(repeats, name)) for name in TIMES},
        "others": {text_of(name, _NAME): _numbers(seconds) for name, seconds in repeats.others.items()},
    }


def _sweep(sweep: Sweep) -> dict[str, Any]:
    return {
        "names": [text_of(name, _NAME) for name in sweep.names],
        "wanted": sweep.wanted,
        "note": text_of(sweep.note, MOST_TEXT),
        "other_notes": {text_of(n, _NAME): text_of(why, MOST_TEXT) for n, why in sweep.other_notes.items()},
        "points": [
            {
                "values": [point.values[name] for name in sweep.names],
                "coroutines": _measured(point.coroutines),
                "threads": _measured(point.threads),
                "others": {text_of(name, _NAME): _measured(each) for name, each in point.others.items()},
            }
            for point in sweep.points
        ],
    }


def _measured(measured: Measured | None) -> dict[str, Any] | None:
    if measured is None:
        return None
    return {
        "count": measured.count,
        "seconds": _numbers(measured.seconds),
        "cpu": _numbers(measured.cpu),
        "memory": _number(measured.memory) if math.isfinite(measured.memory) else None,
        "switches": measured.switches,
        "note": text_of(measured.note, MOST_TEXT),
    }


# Plain values.


def _number(value: float) -> float:
    if math.isnan(value):
        return 0.0
    return min(max(float(value), -LARGE), LARGE)


def _numbers(column: NDArray[Any]) -> list[Any]:
    if column.dtype.kind == "f":
        column = column.astype(np.float64)
        if not np.all(np.abs(column) <= LARGE):
            column = np.clip(np.nan_to_num(column), -LARGE, LARGE)
    out: list[Any] = column.tolist()
    return out


def _option(value: Any) -> Any:
    """Give an option's value; an infinity as text."""
    if type(value) in (bool, int, str) or value is None:
        return text_of(value, _NAME) if type(value) is str else value
    if isinstance(value, float) and math.isfinite(value):
        return float(value)
    return short_repr(value)


# The parts.


class _Places:
    """Numbers lines of source code."""

    def __init__(self, trace: Trace) -> None:
        self._trace = trace
        self._numbers: dict[Where, int] = {}

    def number(self, where: Where | None) -> int | None:
        """Give the index of a place, None for none."""
        return None if where is None else self._numbers.setdefault(where, len(self._numbers))

    def table(self) -> list[dict[str, Any]]:
        """Give all of them."""
        return [
            {**_place(where), "text": text_of(self._trace.line_of(where))} for where in self._numbers
        ]


def _rows(run: Run, columns: Columns, places: _Places) -> dict[str, list[Any]]:
    count = len(columns.names)
    where: dict[int, Where | None] = dict(columns.places)
    for task in run.tasks:
        # Of one that has not ended only its engine knows.
        if task.row < count and task.row not in where:
            where[task.row] = task.where
    flags = row_flags(
        run, count, driven=columns.driven, daemons=columns.daemons, heeded=columns.heeded
    )
    items = np.zeros(count, np.int64)
    for row, produced in columns.items.items():
        items[row] = produced
    known: dict[str, str] = {}
    names = []
    for base, number in zip(columns.names, columns.numbers, strict=True):
        name = known.get(base)
        if name is None:
            # With room for the number.
            name = known[base] = text_of(base, _NAME)
        names.append(name if number == 1 else f"{name}-{number}")
    return {
        "name": names,
        "number": columns.numbers,
        "parent": columns.parents,
        "spawned": columns.spawned,
        "place": [-1 if (at := places.number(where.get(row))) is None else at for row in range(count)],
        "state": columns.final,
        "flags": flags.tolist(),
        "items": items.tolist(),
        **{name: _numbers(column) for name, column in (columns.totals or {}).items()},
    }


def _tasks(tasks: list[Task]) -> dict[str, Any]:
    results = Results()
    values = [results.value(task) for task in tasks]
    return {
        "row": [task.row for task in tasks],
        "state": [STATE_CODES[task.state] for task in tasks],
        "value": values,
        "texts": results.texts,
        "errors": results.errors,
        "left_out": results.left_out,
    }


def _run_error(error: BaseException, tasks: list[Task]) -> dict[str, Any]:
    failed = {id(task._error): number for number, task in reversed(list(enumerate(tasks))) if task._error}
    return described(error, True, failed)


def _printed(run: Run, rows: int) -> dict[str, Any]:
    room = MOST_PRINTED
    pieces = []
    for time, row, text in run.printed.pieces:
        room -= len(text)
        if room < 0:
            break
        pieces.append((_number(time), row if row < rows else -1, text_of(text)))
    return {
        "time": [time for time, _, _ in pieces],
        "row": [row for _, row, _ in pieces],
        "text": [text for _, _, text in pieces],
        "lost": run.printed.lost,
    }


def _timeline(columns: Columns) -> dict[str, Any] | None:
    if columns.events is not None:
        rows, codes, times = columns.events
        return {"kind": "events", "kinds": list(KIND_NAMES), "row": rows.tolist(),
                "code": codes.tolist(), "time": _numbers(times)}  # fmt: skip
    if columns.cells is not None:
        return {"kind": "cells", "rows_per_group": columns.cells.per_group,
                "cells": columns.cells.values.tolist(),
                "resumptions": columns.cells.resumptions.tolist()}  # fmt: skip
    return None
