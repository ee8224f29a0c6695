"""Runs in several processes while they go on: what is seen of them, and how they are stopped."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest
from cells import Cell, cell

from coro_magic import State
from coro_magic.engines.glimpse import GROUPS, Glimpse, grouped
from coro_magic.engines.trace import Trace
from coro_magic.measure.underway import Underway

ENDLESS = """
    import time
    def quick(n):
        yield
    def sleeps(n):
        while True:
            time.sleep(0.01)
            yield
    def computes(n):
        while True:
            yield
    for n in range(4):
        quick(n)
    for n in range(4):
        sleeps(n)
    for n in range(2):
        computes(n)
"""


def going(source: str, until: Any, **options: Any) -> tuple[Cell, list[list[Glimpse | None]]]:
    """Run a cell until something is true of what is seen of it, then stop it as a button does."""
    seen: list[list[Glimpse | None]] = []

    def progress(underway: Underway) -> float:
        seen.append(underway.glimpses())
        if until(seen):
            # Clicks come on another thread.
            threading.Thread(target=underway.request_interrupt).start()
        return 0.1

    return cell(source, progress=progress, **{"processes": 2, **options}), seen


def has_grown(seen: list[list[Glimpse | None]]) -> bool:
    """Say whether all rows were seen of both processes, at two times."""
    known = [[each for each in column if each and each.grouped] for column in zip(*seen, strict=True)]
    return all(each and each[-1].at > each[0].at for each in known)


def test_both_processes_tell_how_far_they_are_and_a_click_stops_both():
    made, seen = going(ENDLESS, has_grown)
    assert [(each.there, each.ended, each.failed) for each in seen[-1] if each] == [(5, 2, 0)] * 2
    for process in range(2):
        first, last = (
            next(glimpses[process] for glimpses in order if glimpses[process] and glimpses[process].grouped)
            for order in (seen, reversed(seen))
        )
        assert last.switches > first.switches > 0
        assert last.grouped.seconds.shape == (5, 3) and last.grouped.per_group == 1
        # The row of those that only sleep, and the one that computes: ready, running, waiting.
        assert last.grouped.seconds[2, 2] > last.grouped.seconds[2, 1]
        assert last.grouped.seconds[4, 1] > last.grouped.seconds[4, 2]
        assert (last.grouped.seconds - first.grouped.seconds)[2:].sum() > 0
    assert made.run.interrupted and isinstance(made.run.error, KeyboardInterrupt)
    assert [task.state for task in made.run.tasks[1:]] == [State.DONE] * 4 + [State.CANCELLED] * 6


def test_a_step_that_goes_on_for_ever_is_seen_and_stopped_too():
    made, seen = going(
        """
        def stubborn(n):
            while True:
                pass
            yield
        for n in range(2):
            stubborn(n)
        """,
        lambda seen: all(seen[-1]),
    )
    assert [(each.there, each.ended) for each in seen[-1] if each] == [(1, 0)] * 2
    assert [task.state for task in made.run.tasks[1:]] == [State.CANCELLED] * 2


def test_without_a_trace_numbers_are_seen_and_nothing_else():
    _, seen = going(ENDLESS, lambda seen: all(each and each.switches for each in seen[-1]), trace="off")
    assert all(each is not None and each.grouped is None for each in seen[-1])


@pytest.mark.parametrize(
    ("rows", "groups"), [(0, 0), (1, 1), (GROUPS, GROUPS), (GROUPS + 1, 51), (1600, 100)]
)
def test_neighbours_are_summed_up_in_a_bounded_number_of_groups(rows: int, groups: int) -> None:
    trace = Trace()
    for _ in range(rows + 1):
        trace.born("w", -1, 0, 0.0)
    trace.duration = 2.0
    known = grouped(trace, first=1)
    assert known.rows == rows and known.seconds.shape == (groups, 3)
    # All of them were ready all the time.
    assert np.allclose(known.seconds.sum(axis=0), [2.0 * rows, 0.0, 0.0])
