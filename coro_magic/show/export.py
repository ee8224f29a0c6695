"""A run as plain data, and as files. A file is written whole, or not at all."""

from __future__ import annotations

import csv
import io
import json
import math
import os
import secrets
import shutil
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, BinaryIO

from ..language import State, Where
from .text import error_text, one_line, short_repr
from .words import headline, summary

if TYPE_CHECKING:
    from ..engines.slow import SlowStep
    from ..measure.run import Run

SCHEMA = 1
SUFFIXES = (".png", ".svg", ".pdf", ".json", ".csv")
MOST_INTERVALS = 100_000
MOST_MARKS = 10_000
MOST_OUTPUT = 100_000  # characters
GRID = (64, 256)  # groups of rows by bins of time, where intervals would be too many
_RESULT = 200  # characters of a result

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
            "name": trace.name(row)[:1000],
            "state": None if state is None else state.value,
            "parent": None if parent < 0 else trace.name(parent)[:1000],
            **{name: totals[name][row] if totals else None for name in COLUMNS[3:11]},
            "spawned_at": _place(trace.spawned_at(row)),
            "where": _place(trace.where(row) if task is None else task.where),
            "driven_by_hand": trace.driven_by_hand(row) and run.unit == "coroutine",
            "result": short_repr(task._value, _RESULT) if task and state is State.DONE else None,
            "error": error_text(task._error) if task and failed and task._error else None,
        }


def slow_step(step: SlowStep) -> dict[str, Any]:
    """Give a step that held the thread for long as a dict.

    Its keys are ``name``, ``row``, ``begin``, ``seconds``, ``where`` (a dict of ``file`` and ``line``, or
    None), ``call``, ``inside``, ``text``, ``busy`` and ``exact``, as in `SlowStep`.
    """
    return {
        "name": step.name[:1000],
        "row": step.row,
        "begin": step.begin,
        "seconds": step.seconds,
        "where": _place(step.where),
        "call": one_line(step.call, 200),
        "inside": one_line(step.inside, 200),
        "text": one_line(step.text, 200),
        "busy": step.busy,
        "exact": step.exact,
    }


def _place(where: Where | None) -> dict[str, Any] | None:
    return None if where is None else {"file": where.file, "line": where.line}


def to_dict(run: Run) -> dict[str, Any]:
    """Give the run as plain dicts, lists, numbers, strings, booleans and None, ready for JSON.

    Returns
    -------
    dict with the keys ``schema`` (1), ``headline``, ``summary``, ``unit``, ``count``, ``elapsed``
    (s), ``virtual``, ``switches``, ``throughput`` (per s), ``complete``, ``interrupted``,
    ``started``, ``wanted``, ``error``, ``never_started``, ``notes``, ``options``, ``output``,
    ``tasks`` (see `records`), ``marks`` (``time``, ``name``, ``text``), ``timeline``,
    ``slow_steps`` (see `slow_step`), ``slow_count``, ``differences``, ``speedup``,
    ``baseline_note``, and ``baseline``, a dict of the same kind or None.

    ``timeline`` is None without a trace. ``{"kind": "intervals"}`` has the columns ``row`` (an index
    into ``tasks``), ``state``, ``begin``, ``end`` (s) and ``reason``, an index into ``reasons``
    (``verb`` and ``where``). ``{"kind": "occupancy"}``, of a longer run, has ``cells``: for groups
    of neighbouring rows, for bins of time, the mean numbers of rows in ``states``.
    """
    trace = run.trace
    return {
        "schema": SCHEMA,
        "headline": headline(run),
        "summary": summary(run),
        "unit": run.unit,
        "count": run.count,
        "has_body": run.has_body,
        "elapsed": run.elapsed,
        "virtual": run.virtual,
        "switches": run.switches,
        "throughput": run.throughput,
        "complete": run.complete,
        "interrupted": run.interrupted,
        "started": run.started,
        "wanted": run.wanted,
        "error": None if run.error is None else error_text(run.error),
        "never_started": list(run.never_started),
        "notes": list(run.notes),
        "options": {str(name): _plain(value) for name, value in run.options.items()},
        "output": run.output[:MOST_OUTPUT],
        "tasks": list(records(run)),
        "marks": [
            {
                "time": mark.time,
                "name": trace.name(mark.row) if mark.row >= 0 else None,
                "text": one_line(mark.text, 1000),
            }
            for mark in trace.marks[:MOST_MARKS]
        ],  # fmt: skip
        "timeline": _timeline(run),
        "slow_steps": [slow_step(step) for step in run.slow_steps],
        "slow_count": run.slow_count,
        "differences": [
            {"name": one.name, "coroutines": one.coroutines, "threads": one.threads}
            for one in run.differences
        ],
        "speedup": run.speedup,
        "baseline_note": run.baseline_note,
        "baseline": None if run.baseline is None else to_dict(run.baseline),
    }


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    return short_repr(value)


def _timeline(run: Run) -> dict[str, Any] | None:
    trace = run.trace
    if not trace.recording:
        return None
    # Each switch is at most two intervals; each coroutine begins with one.
    if trace.detailed and 2 * trace.switches + len(trace) <= MOST_INTERVALS:
        intervals = trace.intervals()
        return {
            "kind": "intervals",
            "states": ["ready", "running", "waiting"],
            "reasons": [{"verb": reason.verb, "where": _place(reason.where)} for reason in trace.reasons],
            **{
                name: getattr(intervals, name).tolist() for name in ("row", "state", "begin", "end", "reason")
            },
        }
    cells = trace.occupancy(*GRID).round(6)
    return {"kind": "occupancy", "states": ["ready", "running", "waiting"],
            "seconds": trace.duration, "cells": cells.tolist()}  # fmt: skip


# Files.


def save(run: Run, path: str | os.PathLike[str]) -> None:
    """Write the run to a file: whole, or not at all.

    Parameters
    ----------
    path:
        Its suffix says what: .png, .svg and .pdf the picture, .json all of `to_dict`, .csv one line
        per coroutine of both sides.

    Raises
    ------
    ValueError
        If the suffix is another one.
    OSError
        If it cannot be written; what was there before stays as it was.
    """
    name = os.fspath(path)
    suffix = os.path.splitext(name)[1].lower()
    if suffix not in SUFFIXES:
        what = repr(suffix) if suffix else "a file without a suffix"
        raise ValueError(f"cannot save as {what}: use one of {', '.join(SUFFIXES)}")
    # A link is followed, so that it stays a link.
    target = os.path.realpath(name)
    folder, base = os.path.split(target)
    temporary = os.path.join(folder, f".{base[:100]}.{secrets.token_hex(6)}.tmp")
    try:
        # "x": it is ours or it is an error, so that it is ours to remove.
        with open(temporary, "xb") as file:
            _write(run, file, suffix)
            file.flush()
            os.fsync(file.fileno())
        if os.path.exists(target):
            shutil.copymode(target, temporary)
        os.replace(temporary, target)
    except FileExistsError:
        raise
    except BaseException:
        # The disk is full, or the user interrupted: nothing stays behind.
        if os.path.lexists(temporary):
            os.remove(temporary)
        raise


def _write(run: Run, file: BinaryIO, suffix: str) -> None:
    if suffix == ".json":
        text = json.dumps(to_dict(run), allow_nan=False)
        file.write(text.encode("ascii") + b"\n")
    elif suffix == ".csv":
        file.write(_csv(run).encode("utf-8", "backslashreplace"))
    else:
        from .figures import picture
        from .sheet import write

        write(picture(run), file, suffix[1:])


def _csv(run: Run) -> str:
    out = io.StringIO(newline="")
    lines = csv.writer(out)
    lines.writerow(("unit", *COLUMNS))
    for side in [run] if run.baseline is None else [run, run.baseline]:
        for record in records(side):
            for name in ("spawned_at", "where"):
                place = record[name]
                record[name] = None if place is None else f"{place['file']}:{place['line']}"
            lines.writerow((side.unit, *(record[name] for name in COLUMNS)))
    return out.getvalue()
