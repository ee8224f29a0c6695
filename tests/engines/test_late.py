"""Whoever waited for a timer is ready from the moment on at which it was due, although another's step held
the thread."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from coro_magic.engines.late import Beginnings
from coro_magic.engines.restored import columns_of, restored
from coro_magic.engines.slices import slices_of
from coro_magic.engines.trace import STATES, WAITS, WOKEN, YIELDED, Trace
from coro_magic.language import Channel, gather, select, sleep, spawn, timeout

from .runs import run

READY, RUNNING, WAITING = range(3)


class Stopped:
    """A clock that stands still until a step says how long it takes."""

    def __init__(self) -> None:
        self.time = 1000.0

    def __call__(self) -> float:
        return self.time


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Stopped:
    stopped = Stopped()
    monkeypatch.setattr("coro_magic.engines.scheduler._time.perf_counter", stopped)
    return stopped


def stays(trace: Trace, name: str) -> list[tuple[int, float, float]]:
    """Give state, begin and end of each stay of some length, of the row that has the name."""
    row = [trace.name(each) for each in range(len(trace))].index(name)
    found = trace.intervals()
    mine = (found.row == row) & (found.end > found.begin)
    columns = (found.state[mine].tolist(), found.begin[mine].tolist(), found.end[mine].tolist())
    return list(zip(*columns, strict=True))


def held_up(clock: Stopped, waits: Callable[[], Any], steps: int = 4, seconds: float = 100.0) -> Any:
    """Give a body with one coroutine that waits, and one that holds the thread again and again.

    At the end of its step it is in the queue before the one whose time is over: that waits for two of them.
    """

    def sleeper() -> Iterator[Any]:
        yield from waits()

    def blocker() -> Iterator[Any]:
        for _ in range(steps):
            clock.time += seconds
            yield

    def body() -> Iterator[Any]:
        yield gather(spawn(sleeper, name="sleeper"), spawn(blocker, name="blocker"))

    return body


def two_naps() -> Iterator[Any]:
    yield sleep(10.0)
    yield sleep(30.0)


def test_a_sleep_is_over_when_its_time_is_over_and_what_follows_is_waiting_for_the_thread(
    clock: Stopped,
) -> None:
    trace = run(held_up(clock, two_naps)).trace
    assert stays(trace, "sleeper") == [
        (WAITING, 0.0, 10.0), (READY, 10.0, 200.0), (WAITING, 200.0, 230.0), (READY, 230.0, 400.0)
    ]  # fmt: skip


def test_so_is_a_call_that_blocks_in_the_middle_of_a_step(clock: Stopped) -> None:
    def waits() -> Iterator[Any]:
        sleep(10.0).wait()
        yield

    trace = run(held_up(clock, waits)).trace
    assert stays(trace, "sleeper")[:2] == [(WAITING, 0.0, 10.0), (READY, 10.0, 200.0)]


def test_so_is_a_wait_whose_time_is_limited(clock: Stopped) -> None:
    def limited() -> Iterator[Any]:
        with pytest.raises(TimeoutError), timeout(10.0):
            yield Channel().get()
        which, _ = yield select(Channel[int]().get(), sleep(30.0))
        assert which == 1

    trace = run(held_up(clock, limited)).trace
    assert stays(trace, "sleeper") == [
        (WAITING, 0.0, 10.0), (READY, 10.0, 200.0), (WAITING, 200.0, 230.0), (READY, 230.0, 400.0)
    ]  # fmt: skip


def test_nobody_is_ready_before_the_wait_has_begun(clock: Stopped) -> None:
    def computes_first() -> Iterator[Any]:
        with pytest.raises(TimeoutError), timeout(10.0):
            clock.time += 50.0
            yield Channel().get()

    trace = run(held_up(clock, computes_first)).trace
    # The time was over at 10 s, in the middle of its own step.
    first, *rest = stays(trace, "sleeper")
    assert first == (RUNNING, 0.0, 50.0)
    assert all(state == READY and begin == 50.0 for state, begin, _ in rest)
    assert trace.seconds(1, STATES[WAITING]) == 0.0


def test_whoever_waits_for_something_else_waits_until_it_comes(clock: Stopped) -> None:
    channel: Channel[int] = Channel(1)

    def taker() -> Iterator[Any]:
        yield channel.get()

    def giver() -> Iterator[Any]:
        clock.time += 100.0
        yield channel.put(1)

    def body() -> Iterator[Any]:
        yield gather(spawn(taker, name="taker"), spawn(giver, name="giver"))

    assert stays(run(body).trace, "taker") == [(WAITING, 0.0, 100.0)]


def test_whoever_sleeps_while_nobody_runs_waits_until_the_scheduler_looks_up() -> None:
    def body() -> Iterator[Any]:
        for _ in range(3):
            yield sleep(0.002)

    found = run(body).trace.intervals()
    # Nobody held the thread: however late it is, it is not ready before the thread is.
    woken = np.flatnonzero((found.state == READY) & (np.append(-1, found.state[:-1]) == WAITING))
    assert len(woken) == 3
    assert (found.begin[woken] == found.end[woken]).all()


@pytest.mark.parametrize("detail", [10**6, 0])
def test_totals_and_the_coarse_timeline_say_the_same(clock: Stopped, detail: int) -> None:
    trace = run(held_up(clock, two_naps), detail=detail).trace
    totals = trace.totals()
    assert (totals["waiting"][1], totals["ready"][1], totals["running"][1]) == (40.0, 360.0, 0.0)
    assert trace.occupancy(3, 1, 400.0)[1, 0] == pytest.approx([0.9, 0.0, 0.1], rel=1e-2)


def test_folding_in_between_changes_nothing(clock: Stopped, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = run(held_up(clock, two_naps)).trace
    monkeypatch.setattr("coro_magic.engines.journal.FOLD_AT", 3)
    monkeypatch.setattr("coro_magic.engines.journal.Journal.fold", folded_and_read)
    folded = run(held_up(clock, two_naps)).trace
    assert stays(folded, "sleeper") == stays(whole, "sleeper")
    assert folded.totals()["waiting"].tolist() == whole.totals()["waiting"].tolist()


def folded_and_read(trace: Trace, fold: Callable[[Trace], None] = Trace.fold) -> None:
    fold(trace)
    trace._bring_up_to_date()


def test_what_is_saved_and_read_back_says_the_same(clock: Stopped) -> None:
    trace = run(held_up(clock, two_naps)).trace
    again = restored(columns_of(trace, 100, 1000, 100))
    assert stays(again, "sleeper") == stays(trace, "sleeper")


def test_the_stays_of_a_row_follow_one_another(clock: Stopped) -> None:
    slices = slices_of(run(held_up(clock, two_naps)).trace, 400.0)
    same = np.diff(slices.row) == 0
    assert (np.diff(slices.begin)[same] >= 0).all() and (np.diff(slices.order)[same] > 0).all()
    assert (slices.end[:-1][same] == slices.begin[1:][same]).all()


# The beginnings of waits, by themselves.


def events(*those: tuple[int, int, float]) -> tuple[Any, Any, Any]:
    rows, codes, times = zip(*those, strict=True)
    return np.array(rows, np.int32), np.array(codes, np.int32), np.array(times)


def test_a_waking_is_not_before_the_wait_whichever_part_of_the_log_that_was_in() -> None:
    beginnings = Beginnings()
    first = events((0, WAITS, 5.0), (1, WAITS, 6.0), (1, WOKEN, 4.0), (1, WAITS, 7.0), (2, YIELDED, 9.0))
    assert beginnings.respected(*first, 3).tolist() == [5.0, 6.0, 6.0, 7.0, 9.0]
    second = events((0, WOKEN, 3.0), (1, WOKEN, 8.0), (1, WAITS, 9.0), (1, WOKEN, 8.5))
    assert beginnings.respected(*second, 3).tolist() == [5.0, 8.0, 9.0, 9.0]
