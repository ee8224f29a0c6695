"""The scheduler against a reference that is simple enough to be right."""

from __future__ import annotations

import random
from collections import deque
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from coro_magic.language import Channel, Event, State, now, sleep, spawn, timeout

from .reference import perform, play
from .runs import run

few = st.integers(0, 2)
index = st.integers(0, 6)
simple_requests = st.one_of(
    st.tuples(st.just("sleep"), st.integers(0, 4)),
    st.tuples(st.just("get"), few),
    st.tuples(st.just("put"), few, st.integers(1, 9)),
    st.tuples(st.just("join"), index),
    st.tuples(st.just("acquire")),
)
requests = st.one_of(
    simple_requests,
    st.tuples(st.just("gather"), simple_requests, simple_requests),
    st.tuples(st.just("select"), simple_requests, simple_requests),
)
ops = st.one_of(
    st.tuples(st.sampled_from(["yield", "item", "release"])),
    requests,
    st.tuples(st.just("limited"), st.integers(1, 3), simple_requests),
    st.tuples(st.just("close"), few),
    st.tuples(st.just("cancel"), index),
    st.tuples(st.sampled_from(["yield"])),
)
leaf = st.lists(ops, max_size=6)
with_end = st.tuples(leaf, st.booleans()).map(
    lambda pair: pair[0] + ([("raise",)] if pair[1] and len(pair[0]) > 2 else [])
)
program = st.lists(st.one_of(ops, ops, st.tuples(st.just("spawn"), with_end)), max_size=8)


@settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(program, min_size=1, max_size=5), st.booleans(), st.booleans())
def test_programs_go_as_on_the_reference(programs: Any, swallows: bool, trace: bool) -> None:
    expected_log, expected_ends = play(programs, swallows)
    log, ends, _ = perform(programs, swallows, clock="virtual", trace=trace)
    assert log == expected_log
    assert ends == expected_ends


@pytest.mark.parametrize("trace", [True, False])
@pytest.mark.parametrize("count", [1, 2, 3, 5, 64, 127, 128, 129, 255, 256, 257, 1000])
def test_the_order_is_first_come_first_served(count: int, trace: bool) -> None:
    """Random mixtures of steps by the real clock, where lines are as long as time allows."""
    for seed in range(12 if count < 10 else 2):
        dice = random.Random(seed * 7919 + count)
        length = max(4, min(400, 8000 // count))
        busy = dice.choice([0.0, 0.02, 0.2, 0.9])

        def some_op(depth: int, dice: Any = dice, busy: float = busy, length: int = length) -> Any:
            roll = dice.random()
            if roll > busy:
                return ("yield",)
            if depth and roll < busy * 0.2:
                # Spawned ones spawn too: longer, they would be most of the test.
                return ("spawn", [some_op(depth - 1) for _ in range(dice.randrange(min(length, 40)))])
            kind = dice.choice(["item", "put", "get", "acquire", "release", "join", "cancel", "sleep"])
            return {"item": ("item",), "put": ("put", dice.randrange(3), 1),
                    "get": ("get", dice.randrange(3)), "join": ("join", dice.randrange(50)),
                    "cancel": ("cancel", dice.randrange(9999)),
                    "sleep": ("sleep", 0)}.get(kind, (kind,))  # fmt: skip

        programs = [[some_op(2) for _ in range(dice.randrange(length))] for _ in range(count)]
        expected_log, expected_ends = play(programs, True)
        log, ends, _ = perform(programs, True, trace=trace)
        assert log == expected_log
        assert ends == expected_ends


@pytest.mark.parametrize("count", [1, 2, 3, 100, 128, 300])
def test_bare_yields_go_round_in_turn(count: int) -> None:
    seen: list[int] = []

    def worker(me: int, turns: int) -> Any:
        for _ in range(turns):
            seen.append(me)
            yield

    turns = [1 + (me * 7) % 40 for me in range(count)]

    def body() -> Any:
        for me in range(count):
            spawn(worker(me, turns[me]))
        yield

    run(body)
    expected, left = [], deque((me, turns[me]) for me in range(count))
    while left:
        me, more = left.popleft()
        expected.append(me)
        if more > 1:
            left.append((me, more - 1))
    assert seen == expected


@pytest.mark.parametrize("order", ["fifo", "lifo", "random"])
def test_no_order_starves_anybody(order: str) -> None:
    turns = [0] * 20

    def spinner(me: int) -> Any:
        while not done.is_set():
            turns[me] += 1
            yield

    def waker() -> Any:
        for _ in range(2000):
            yield
        done.set()

    done = Event()

    def body() -> Any:
        for me in range(20):
            spawn(spinner(me))
        spawn(waker())
        yield

    run(body, order=order, seed=1)
    assert min(turns) > 500


@pytest.mark.parametrize("order", ["lifo", "random"])
def test_a_newcomer_gets_its_turn_among_those_who_spawn_for_ever(order: str) -> None:
    count = 0

    def chain() -> Any:
        nonlocal count
        count += 1
        if not reached.is_set():
            spawn(chain())
            spawn(chain()) if count < 50 else None
        yield

    def patient() -> Any:
        for _ in range(20):
            yield
        reached.set()

    reached = Event()

    def body() -> Any:
        spawn(patient())
        spawn(chain())
        yield

    run(body, order=order, seed=3)
    assert reached.is_set() and count < 100_000


def test_last_come_first_served_goes_in_rounds() -> None:
    seen: list[str] = []

    def worker(name: str) -> Any:
        for _ in range(2):
            seen.append(name)
            yield

    def body() -> Any:
        for name in "abc":
            spawn(worker(name))
        yield

    run(body, order="lifo")
    # The body, woken last, goes first in its round; it only ends there.
    assert "".join(seen) == "cba" + "".join(seen[3:]) and sorted(seen[3:]) == ["a", "b", "c"]


def jumbled() -> Any:
    channel: Channel[int] = Channel(2)

    def producer(me: int) -> Any:
        for number in range(5):
            yield sleep(0.1 * me)
            yield channel.put(number)
            yield

    def consumer() -> Any:
        for _ in range(15):
            yield channel.get()

    for me in range(3):
        spawn(producer(me))
    spawn(consumer())
    yield


@pytest.mark.parametrize("order", ["fifo", "lifo", "random"])
def test_the_same_seed_gives_the_same_log_byte_for_byte(order: str) -> None:
    logs = {run(jumbled, clock="virtual", order=order, seed=5).trace.log() for _ in range(4)}
    assert len(logs) == 1
    assert "producer-2" in logs.pop()


def test_those_who_wait_at_every_step_take_turns_with_those_who_only_yield() -> None:
    """Long enough for the lines to be lively, and calm again."""
    seen: list[str] = []
    channel: Channel[int] = Channel()

    def producer() -> Any:
        for number in range(20_000):
            seen.append("p")
            yield channel.put(number)

    def consumer() -> Any:
        for number in range(20_000):
            seen.append("c")
            assert (yield channel.get()) == number

    def bystander() -> Any:
        for _ in range(40_000):
            seen.append("b")
            yield

    def body() -> Any:
        for function in (producer, consumer, bystander):
            spawn(function())
        yield

    scheduler = run(body)
    assert all(task.state is State.DONE for task in scheduler.tasks)
    # In each round the others make one step each, at most.
    between = "".join(seen).split("b")
    assert max(map(len, between)) <= 2
    assert scheduler.trace.totals()["resumptions"].sum() == scheduler.trace.switches


def test_a_lively_run_with_a_virtual_clock_gives_the_same_log_byte_for_byte() -> None:
    def body() -> Any:
        channel: Channel[int] = Channel()

        def producer() -> Any:
            for number in range(3000):
                yield channel.put(number)
                yield sleep(0.5) if number % 100 == 0 else None

        def consumer() -> Any:
            for _ in range(3000):
                yield channel.get()

        spawn(producer())
        yield spawn(consumer())

    assert len({run(body, clock="virtual").trace.log() for _ in range(3)}) == 1


def test_another_seed_gives_another_order() -> None:
    logs = {run(jumbled, clock="virtual", order="random", seed=seed).trace.log() for seed in range(5)}
    assert len(logs) > 1


def test_the_order_of_a_lineful_survives_a_task_that_spawns_many() -> None:
    seen: list[int] = []

    def child(me: int) -> Any:
        seen.append(me)
        yield
        seen.append(-me)

    def body() -> Any:
        for me in range(1, 3001):
            spawn(child(me))
        yield

    scheduler = run(body)
    assert seen == [*range(1, 3001), *range(-1, -3001, -1)]
    assert all(task.state is State.DONE for task in scheduler.tasks)


def test_thousands_of_timers_go_off_in_the_order_of_their_moments_also_when_many_are_called_off() -> None:
    dice = random.Random(4)
    naps = [[dice.randrange(1, 50) for _ in range(3)] for _ in range(1500)]
    seen: list[tuple[float, int]] = []

    def napper(me: int) -> Any:
        for nap in naps[me]:
            with timeout(1000 + me):
                yield sleep(nap)
            seen.append((now(), me))

    def body() -> Any:
        for me in range(len(naps)):
            spawn(napper(me))
        yield

    run(body, clock="virtual")
    moments = [moment for moment, _ in seen]
    assert moments == sorted(moments)
    expected = [(float(sum(mine[: n + 1])), me) for me, mine in enumerate(naps) for n in range(3)]
    assert sorted(seen) == sorted(expected)
    # Those of one moment go on in the order in which they asked.
    first = [me for moment, me in seen if moment == 1.0]
    assert first == sorted(first)
