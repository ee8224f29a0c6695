"""What was measured besides a run, read back: pairs of runs, and sweeps.

As everything that is loaded it is looked at before it is used; what does not fit raises ValueError.
"""

from __future__ import annotations

import math

from ..measure.options import AGAINST
from ..measure.repeats import SIDES, TIMES, Repeats
from ..measure.sweep import Measured, Point, Sweep
from .checked import Part

_LEAST_TIME = 1e-9  # seconds; what a pair took is divided by


def repeats(document: Part) -> Repeats | None:
    """Give the pairs of runs that were made to compare both sides, where there were any."""
    if document.get("repeats", dict, type(None)) is None:
        return None
    table = document.part("repeats")
    pairs = len(table.reals("coroutines"))
    # Times are divided by each other.
    times = {name: table.reals(name, _LEAST_TIME, pairs) for name in ("coroutines", "threads")}
    cpu = {name: table.reals(name, 0.0, pairs) for name in TIMES if name not in times}
    beside = table.part("others") if "others" in table.data else Part({}, "")
    others = {side: beside.reals(side, _LEAST_TIME, pairs) for side in _sides_in(beside)}
    return Repeats(
        wanted=table.integer("wanted"), note=table.text("note"), others=others, **times, **cpu
    )


def sweep(document: Part) -> Sweep | None:
    """Give the sweep, where there was one."""
    if document.get("sweep", dict, type(None)) is None:
        return None
    table = document.part("sweep")
    names = tuple(table.texts("names"))
    if not names:
        raise ValueError("sweep.names must not be empty")
    points = []
    for one in table.parts("points"):
        values = one.column("values", int, float, length=len(names))
        one.reals("values")
        ours, theirs = (_measured(one, side) for side in SIDES)
        point = Point(dict(zip(names, values, strict=True)), ours, theirs)
        # Files of earlier versions have no others.
        others = one.part("others") if "others" in one.data else Part({}, "")
        for side in _sides_in(others):
            measured = _measured(others, side)
            if measured is not None:
                point.others[side] = measured
        points.append(point)
    missing = table.part("other_notes") if "other_notes" in table.data else Part({}, "")
    notes = {side: missing.text(side) for side in _sides_in(missing)}
    return Sweep(names, points, table.integer("wanted"), table.text("note"), notes)


def _measured(point: Part, side: str) -> Measured | None:
    if point.get(side, dict, type(None)) is None:
        return None
    part = point.part(side)
    seconds = part.reals("seconds", _LEAST_TIME)
    if not len(seconds):
        raise ValueError(f"{part.name}.seconds must not be empty")
    return Measured(
        count=part.integer("count"),
        seconds=seconds,
        cpu=part.reals("cpu", 0.0, len(seconds)),
        memory=math.nan if part.get("memory", int, float, type(None)) is None else part.real("memory", 0.0),
        switches=part.integer("switches"),
        note=part.text("note"),
    )


def _sides_in(part: Part) -> list[str]:
    """Give the names of a dict, which must be those of other sides."""
    for name in part.data:
        if name not in AGAINST[1:]:
            raise ValueError(f"{part.name} has {name!r:.60}, which is not a side")
    return list(part.data)
