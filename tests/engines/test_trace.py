"""What the trace says about a run agrees with itself, detailed or coarse."""

from __future__ import annotations

import random
from array import array
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from coro_magic.engines.grid import Grid
from coro_magic.engines.trace import STATES, YIELDED
from coro_magic.language import Channel, State, gather, sleep, spawn

from .runs import run


def mixture(seed: int) -> Any:
    dice = random.Random(seed)
    channel: Channel[int] = Channel(2)

    def worker(turns: int) -> Any:
        for _ in range(turns):
            yield dice.choice([None, None, 5, sleep(dice.random() * 0.002), channel.put(1), channel.get()])

    def body() -> Any:
        for _ in range(30):
            spawn(worker(dice.randrange(60)), daemon=True)
        yield sleep(0.03)

    return body


@pytest.mark.parametrize("seed", range(5))
def test_totals_are_the_sums_of_the_intervals(seed: int) -> None:
    trace = run(mixture(seed)).trace
    totals, intervals = trace.totals(), trace.intervals()
    for code, name in enumerate(("ready", "running", "waiting")):
        assert STATES[code].value == name
        mine = intervals.state == code
        seconds = (intervals.end - intervals.begin)[mine]
        summed = np.bincount(intervals.row[mine], seconds, minlength=len(trace))
        np.testing.assert_allclose(summed, totals[name], atol=1e-9)
    assert totals["resumptions"].sum() == trace.switches
    steps = sum(line.split()[2] in ("yields", "waits", "ends:") for line in trace.log().splitlines())
    assert steps == trace.switches


@pytest.mark.parametrize("seed", range(3))
def test_occupancy_is_what_the_intervals_say(seed: int) -> None:
    trace = run(mixture(seed)).trace
    intervals, bins = trace.intervals(), 16
    width = trace.duration / bins
    grid = trace.occupancy(1, bins)
    for code in range(3):
        mine = intervals.state == code
        for bin in range(bins):
            low, high = np.maximum(intervals.begin[mine], bin * width), np.minimum(
                intervals.end[mine], (bin + 1) * width)  # fmt: skip
            assert grid[0, bin, code] == pytest.approx(np.maximum(high - low, 0).sum() / width, abs=0.1)


@pytest.mark.parametrize("clock", ["virtual"])
def test_the_coarse_timeline_tells_the_same_as_the_detailed_one(clock: str) -> None:
    fine, coarse = (run(mixture(1), clock=clock, detail=detail).trace for detail in (10**6, 0))
    assert fine.detailed and not coarse.detailed
    for name, column in fine.totals().items():
        np.testing.assert_allclose(coarse.totals()[name], column, atol=1e-9)
    assert coarse.occupancy(1, 1)[0, 0, 2] == pytest.approx(fine.occupancy(1, 1)[0, 0, 2], rel=0.1)
    with pytest.raises(ValueError, match="occupancy"):
        coarse.intervals()


def test_a_coarse_timeline_that_ends_within_its_last_bin_counts_all_resumptions() -> None:
    grid = Grid(rows=1, bins=4, fixed=(1, 4.0))
    times = np.array([0.5, 1.5, 2.5, 3.25])
    grid.pour(np.zeros(4, np.int64), np.full(4, YIELDED), times, times - 0.125)
    assert grid.progress(np.array([0.0, 2.0, 3.25])).tolist() == [0, 2, 4]


def test_states_are_right_after_the_run() -> None:
    scheduler = run(mixture(2))
    finals = scheduler.trace.final_codes()
    assert [STATES[code] for code in finals] == [task.state for task in scheduler.tasks]
    assert State.READY not in {task.state for task in scheduler.tasks}


def test_a_ready_interval_says_who_woke_it() -> None:
    channel: Channel[int] = Channel()

    def get() -> Iterator[Any]:
        yield channel.get()

    def put() -> Iterator[Any]:
        yield
        yield channel.put(1)

    def blocking() -> Iterator[Any]:
        yield
        channel.put(2).wait()

    def body() -> Iterator[Any]:
        waiting = [spawn(get()), spawn(get())]
        spawn(put())
        spawn(blocking())
        yield gather(*waiting)
        yield sleep(0.001)

    trace = run(body).trace
    intervals = trace.intervals()
    wakers = {
        (trace.name(row), trace.name(waker))
        for row, waker in zip(intervals.row.tolist(), intervals.waker.tolist(), strict=True)
        if waker >= 0
    }
    assert {("get", "put"), ("get-2", "blocking")} <= wakers
    # Whoever ends wakes those who wait for that; a timer is nobody.
    assert any(name == "body" and waker.startswith("get") for name, waker in wakers)
    assert "(woken by put)" in trace.log()
    assert len(wakers) == 3


def test_batches_are_poured_as_their_steps_would_be() -> None:
    dice = np.random.default_rng(1)
    batches = [array("i", dice.permutation(50)[:length].tolist()) for length in (2, 7, 50, 7)]
    which = dice.integers(0, len(batches), 300)
    begins = np.sort(dice.integers(0, 40, 300)) + dice.uniform(0.0, 0.5, 300)
    ends = begins + 0.4
    whole, written_out = (Grid(8, 10, fixed=(50, 40.0)) for _ in range(2))
    same_bin = whole.bins_of(begins) == whole.bins_of(ends)
    which, begins, ends = which[same_bin], begins[same_bin], ends[same_bin]
    whole.pour_batches(batches, which, begins, ends)
    for number, begin, end in zip(which.tolist(), begins, ends, strict=True):
        rows = np.array(batches[number])
        times = np.linspace(begin, end, len(rows) + 1)
        written_out.pour(rows, np.full(len(rows), YIELDED), times[1:], times[:-1])
    np.testing.assert_allclose(whole.read(50, 8, 10, 40.0), written_out.read(50, 8, 10, 40.0))
    moments = np.linspace(0.0, 40.0, 11)
    assert whole.progress(moments).tolist() == written_out.progress(moments).tolist()
