"""Measuring: sides in turns, the best of each, and a row of the table for what comes out."""

from __future__ import annotations

import gc
import resource
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import coro_magic

Side = Callable[[], float]


class Row(NamedTuple):
    """A line of the table: `ours` and `peer` in the unit of the row, the ratio, what is to be reached."""

    work: str
    ours: str
    peer: str
    ratio: str
    target: str


def best(*sides: Side, rounds: int) -> list[float]:
    """Measure the sides in turns and give the best of each, in seconds."""
    found = [float("inf")] * len(sides)
    for _ in range(rounds):
        for index, side in enumerate(sides):
            gc.collect()
            found[index] = min(found[index], side())
    return found


def ours(body: Callable[[], Any], **options: Any) -> float:
    """Run a body on the scheduler; seconds by the run's own clock."""
    return coro_magic.run(body, baseline="off", **options).elapsed


def timed(function: Callable[[], Any]) -> float:
    """Seconds that a call takes."""
    begun = time.perf_counter()
    function()
    return time.perf_counter() - begun


def resident() -> int:
    """Give the bytes of memory that this process has."""
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * resource.getpagesize()
