"""What a coroutine can ask for, said with yield, with await, and by a blocking call."""

from __future__ import annotations

import asyncio
import contextlib
import math
import socket
from collections.abc import Callable
from typing import Any

import pytest

from coro_magic.language import (
    Cancelled,
    Channel,
    ChannelClosed,
    Event,
    Lock,
    Semaphore,
    State,
    Task,
    gather,
    in_thread,
    mark,
    now,
    readable,
    select,
    sleep,
    spawn,
    timeout,
    writable,
)

from .runs import result_of, run


def by_yield(make: Callable[[], Any]) -> Any:
    def body() -> Any:
        return (yield make())

    return body


def by_await(make: Callable[[], Any]) -> Any:
    async def body() -> Any:
        return await make()

    return body


def by_blocking_call(make: Callable[[], Any]) -> Any:
    def deeper(depth: int) -> Any:
        return deeper(depth - 1) if depth else make().wait()

    def body() -> Any:
        yield
        return deeper(5)

    return body


WAYS = [by_yield, by_await, by_blocking_call]


def filled(*items: Any) -> Channel[Any]:
    channel: Channel[Any] = Channel(len(items))
    for item in items:
        channel._items.append(item)
    return channel


def later(action: Callable[[], Any], seconds: float = 1) -> None:
    def worker() -> Any:
        yield sleep(seconds)
        action()

    spawn(worker())


def woken_by(action: Callable[[Any], Any], made: Any, request: Callable[[Any], Any]) -> Any:
    later(lambda: action(made))
    return request(made)


def answer() -> Any:
    yield
    return 42


def taken() -> Lock:
    lock = Lock()
    lock._permits = 0
    return lock


def put_later(channel: Channel[Any], item: Any) -> None:
    def worker() -> Any:
        yield sleep(1)
        yield channel.put(item)

    spawn(worker())


def get_waits() -> Any:
    channel: Channel[Any] = Channel()
    put_later(channel, 7)
    return channel.get()


def put_waits() -> Any:
    channel: Channel[Any] = Channel()

    def taker() -> Any:
        yield sleep(1)
        yield channel.get()

    spawn(taker())
    return channel.put(1)


SOCKETS: list[socket.socket] = []


def pipe_is_readable() -> Any:
    ours, theirs = socket.socketpair()
    SOCKETS.extend([ours, theirs])
    theirs.send(b"x")
    return readable(ours)


ASKED: dict[str, tuple[Callable[[], Any], Any]] = {
    "sleep": (lambda: sleep(2), None),
    "sleep, not at all": (lambda: sleep(0), None),
    "get": (lambda: filled(1, 2).get(), 1),
    "get, waits": (get_waits, 7),
    "put": (lambda: Channel(1).put(1), None),
    "put, waits": (put_waits, None),
    "event": (lambda: woken_by(Event.set, Event(), Event.wait), None),
    "lock, waits": (lambda: woken_by(Lock.release, taken(), Lock.acquire), ...),
    "semaphore": (lambda: gather(Semaphore(2).acquire()), ...),
    "gather": (lambda: gather(answer(), sleep(1), spawn(answer)), [42, None, 42]),
    "gather, nothing": (lambda: gather(), []),
    "select": (lambda: select(sleep(3), sleep(1), get_waits()), (1, None)),
    "readable": (pipe_is_readable, True),
    "in_thread": (lambda: in_thread(math.sqrt, 4), 2.0),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("asked", ASKED)
def test_every_request_can_be_said_in_every_way(asked: str, way: Any) -> None:
    make, expected = ASKED[asked]
    value = result_of(way(make))
    if expected is not ...:
        assert value == expected
    while SOCKETS:
        SOCKETS.pop().close()


@pytest.mark.parametrize("way", WAYS)
def test_an_error_comes_out_where_the_request_was_made(way: Any) -> None:
    closed: Channel[Any] = Channel()
    closed.close()
    with pytest.raises(ChannelClosed):
        result_of(way(closed.get))
    with pytest.raises(ZeroDivisionError):
        result_of(way(lambda: in_thread(lambda: 1 / 0)))


def test_a_task_is_waited_for_with_yield_await_and_result() -> None:
    def body() -> Any:
        task = spawn(answer)
        first = yield task

        async def other() -> Any:
            return await task

        second = yield other()
        third = yield answer()
        return [first, second, third, task.result(), task.wait()]

    assert result_of(body) == [42] * 5


@pytest.mark.parametrize("seconds, error", [(-1, ValueError), ("x", TypeError), (math.nan, ValueError),
                                            (None, TypeError)])  # fmt: skip
def test_a_senseless_time_is_refused_where_it_is_said(seconds: Any, error: Any) -> None:
    for ask in (sleep, timeout):
        with pytest.raises(error, match=ask.__name__):
            ask(seconds)


def test_a_request_is_good_for_one_use() -> None:
    for make in (lambda: sleep(1), lambda: Channel(3).put(1), lambda: filled(1, 2).get(),
                 lambda: Lock().acquire(), lambda: in_thread(int), lambda: gather(sleep(0))):  # fmt: skip
        request = make()

        def body(request: Any = request) -> Any:
            yield request
            yield request

        with pytest.raises(RuntimeError, match="was used before"):
            result_of(body)


def test_requests_outside_of_a_run_say_where_they_belong() -> None:
    for attempt in (lambda: sleep(1).wait(), now, lambda: mark("x"), lambda: timeout(1).__enter__()):
        with pytest.raises(RuntimeError, match="only inside a run"):
            attempt()
    coroutine = answer()
    with pytest.raises(RuntimeError, match="only inside a run"):
        spawn(coroutine)


def test_senseless_arguments_are_refused() -> None:
    for attempt in (
        lambda: readable("x"), lambda: writable(None), lambda: in_thread(3), lambda: Channel("1"),  # type: ignore[arg-type]
        lambda: Channel(True), lambda: select(), lambda: gather(3),
    ):  # fmt: skip
        with pytest.raises(TypeError):
            attempt()
    for attempt in (lambda: Channel(-1), lambda: Semaphore(-1), lambda: readable(-1)):
        with pytest.raises(ValueError):
            attempt()


# Channels.


def test_a_rendezvous_waits_for_the_other_side() -> None:
    channel: Channel[int] = Channel()
    seen: list[Any] = []

    def producer() -> Any:
        for number in range(3):
            yield channel.put(number)
            seen.append(("put", number, now()))
        channel.close()

    def body() -> Any:
        spawn(producer())
        while True:
            yield sleep(1)
            try:
                seen.append((yield channel.get()))
            except ChannelClosed:
                return

    result_of(body)
    assert [what for what in seen if isinstance(what, int)] == [0, 1, 2]
    assert [what for what in seen if isinstance(what, tuple)] == [
        ("put", 0, 1.0), ("put", 1, 2.0), ("put", 2, 3.0)]  # fmt: skip


def test_a_channel_can_be_iterated_over_in_both_ways_until_it_is_closed() -> None:
    channel: Channel[int] = Channel(2)

    def producer() -> Any:
        for number in range(10):
            yield channel.put(number)
        channel.close()

    async def consumer() -> list[int]:
        return [item async for item in channel]

    def other_consumer() -> Any:
        yield
        return list(channel)

    def body() -> Any:
        spawn(producer())
        return (yield gather(consumer(), other_consumer()))

    first, second = result_of(body)
    assert sorted(first + second) == list(range(10)) and first and second


def test_closing_wakes_those_who_wait_and_keeps_what_lies_there() -> None:
    channel: Channel[int] = Channel(1)

    def putter() -> Any:
        yield channel.put(1)
        try:
            yield channel.put(2)
        except ChannelClosed:
            return "refused"

    def body() -> Any:
        task = spawn(putter())
        yield sleep(1)
        channel.close()
        channel.close()
        return [(yield task), (yield channel.get()), (yield from attempt())]

    def attempt() -> Any:
        try:
            yield channel.get()
        except ChannelClosed:
            return "empty"

    assert result_of(body) == ["refused", 1, "empty"]


def test_who_polls_a_channel_leaves_nothing_behind_in_it() -> None:
    channel: Channel[int] = Channel()
    event, lock = Event(), taken()

    def poller() -> Any:
        for _ in range(100):
            yield select(channel.get(), event.wait(), lock.acquire(), sleep(0.01))

    def body() -> Any:
        yield gather(poller(), poller(), poller())
        return len(channel._getters), len(event._waiting), len(lock._waiting)

    assert result_of(body) == (0, 0, 0)


def test_who_puts_and_gets_at_once_meets_himself_and_goes_on_once() -> None:
    channel: Channel[int] = Channel()
    turns = 0

    def body() -> Any:
        nonlocal turns
        both = yield gather(channel.get(), channel.put(5))
        turns += 1
        first = yield select(channel.get(), channel.put(6))
        turns += 1
        yield sleep(1)
        turns += 1
        return both, first

    assert result_of(body) == ([5, None], (0, 6))
    assert turns == 3


# Several at once.


def test_select_takes_nothing_from_the_channels_it_does_not_choose() -> None:
    a, b = filled(1), filled(2)

    def body() -> Any:
        first = yield select(a.get(), b.get())
        return first, len(a), len(b)

    assert result_of(body) == ((0, 1), 0, 1)


def test_gather_raises_the_first_error_at_once_and_the_others_go_on() -> None:
    def bad() -> Any:
        yield sleep(1)
        raise ValueError("bad")

    def slow() -> Any:
        yield sleep(5)
        return "slow"

    def body() -> Any:
        task = spawn(slow())
        try:
            yield gather(bad(), task)
        except ValueError:
            return now(), (yield task), now()

    assert result_of(body) == (1.0, "slow", 5.0)


# Event, Semaphore, Lock.


def test_a_semaphore_lets_as_many_in_as_it_has_permits_in_the_order_in_which_they_came() -> None:
    semaphore = Semaphore(2)
    inside: list[int] = []
    most = 0
    order: list[int] = []

    def worker(me: int) -> Any:
        nonlocal most
        with (yield semaphore.acquire()):
            order.append(me)
            inside.append(me)
            most = max(most, len(inside))
            yield sleep(1)
            inside.remove(me)

    def body() -> Any:
        yield gather(*(worker(me) for me in range(7)))

    result_of(body)
    assert most == 2 and order == list(range(7))


def test_a_lock_that_nobody_holds_cannot_be_released() -> None:
    with pytest.raises(RuntimeError, match="nobody holds"):
        Lock().release()


def test_a_lock_given_to_somebody_who_is_cancelled_at_that_moment_is_not_lost() -> None:
    lock = Lock()

    def holder() -> Any:
        with (yield lock.acquire()):
            yield sleep(1)
        task.cancel()

    def waiter() -> Any:
        with (yield lock.acquire()):
            yield sleep(1)

    def body() -> Any:
        nonlocal task
        spawn(holder())
        yield
        task = spawn(waiter())
        yield sleep(3)
        return lock.locked(), task.state

    task: Any = None
    assert result_of(body) == (False, State.CANCELLED)


# Timeouts.


def test_the_nearest_of_nested_deadlines_counts_and_the_others_stand() -> None:
    def body() -> Any:
        seen = []
        try:
            with timeout(3):
                try:
                    with timeout(1):
                        yield sleep(10)
                except TimeoutError:
                    seen.append(now())
                with timeout(10):
                    yield sleep(10)
        except TimeoutError:
            seen.append(now())
        yield sleep(10)
        return seen

    assert result_of(body) == [1.0, 3.0]


@pytest.mark.parametrize("way", WAYS)
def test_a_deadline_ends_every_kind_of_wait(way: Any) -> None:
    for make in (lambda: sleep(10), lambda: Channel().get(), lambda: Channel().put(1), lambda: Event().wait(),
                 lambda: taken().acquire(), lambda: gather(sleep(10)), lambda: select(Channel().get()),
                 lambda: spawn(by_yield(lambda: sleep(20)))):  # fmt: skip
        def body(make: Any = make) -> Any:
            with timeout(2):
                try:
                    yield way(make)()
                except TimeoutError:
                    return now()

        assert result_of(body) == 2.0


def test_a_deadline_that_passes_while_nothing_waits_is_told_at_the_next_yield() -> None:
    def body() -> Any:
        with timeout(0):
            for turns in range(1000):
                try:
                    yield
                except TimeoutError:
                    return turns

    assert result_of(body) < 1000


def test_a_deadline_that_was_kept_says_nothing() -> None:
    def body() -> Any:
        with timeout(1):
            yield sleep(0.5)
        yield sleep(5)
        return "quiet"

    assert result_of(body) == "quiet"


# Cancelling.


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("make", [
    lambda: sleep(10), lambda: Channel().get(), lambda: Channel().put(1), lambda: Event().wait(),
    lambda: taken().acquire(), lambda: gather(sleep(10), Channel().get()), lambda: select(sleep(10)),
    lambda: spawn(by_yield(lambda: sleep(20))), lambda: in_thread(int),
])  # fmt: skip
def test_every_kind_of_wait_can_be_cancelled(make: Any, way: Any) -> None:
    cleaned = []

    def worker() -> Any:
        try:
            yield from inner()
        finally:
            cleaned.append(now())

    def inner() -> Any:
        if way is by_blocking_call:
            make().wait()
        yield make()

    def body() -> Any:
        task = spawn(worker())
        yield
        yield
        assert task.cancel()
        yield
        yield
        assert task.state is State.CANCELLED and not task.cancel()
        return cleaned

    assert result_of(body) == [0.0]


def test_a_coroutine_that_was_not_started_is_cancelled_without_running() -> None:
    ran = []

    async def worker() -> None:
        ran.append(1)

    def body() -> Any:
        task = spawn(worker())
        task.cancel()
        yield
        return task.state, ran

    assert result_of(body) == (State.CANCELLED, [])


@pytest.mark.parametrize("yields", [None, 5, "sleep", "wait"])
def test_a_coroutine_can_cancel_itself_and_ends_at_its_next_yield(yields: Any) -> None:
    reached = []

    def worker() -> Any:
        me().cancel()
        reached.append(1)
        if yields == "wait":
            sleep(1).wait()
        yield sleep(1) if yields == "sleep" else yields
        reached.append(2)
        yield
        reached.append(3)

    def me() -> Task:
        return tasks[0]

    tasks: list[Task] = []

    def body() -> Any:
        tasks.append(spawn(worker()))
        yield
        yield
        yield
        return tasks[0].state, reached

    assert result_of(body) == (State.CANCELLED, [1])


@pytest.mark.parametrize("then", ["bare", "item", "request", "blocking"])
def test_an_answer_that_is_there_is_taken_before_the_cancellation(then: str) -> None:
    channel: Channel[int] = Channel()
    got = []

    def worker() -> Any:
        if then == "blocking":
            got.append(channel.get().wait())
        else:
            got.append((yield channel.get()))
        while True:
            yield {"bare": None, "item": 3, "request": sleep(1), "blocking": None}[then]

    def body() -> Any:
        task = spawn(worker())
        yield
        yield channel.put(9)
        task.cancel()
        task.cancel()
        for _ in range(4):
            yield
        return got, task.state

    got_then, state = result_of(body)
    assert got_then == [9] and state is State.CANCELLED


def test_who_swallows_a_cancellation_goes_on() -> None:
    def worker() -> Any:
        try:
            yield sleep(10)
        except Cancelled:
            yield sleep(1)
            return "all the same"

    def body() -> Any:
        task = spawn(worker())
        yield
        task.cancel()
        return (yield task), task.state

    assert result_of(body) == ("all the same", State.DONE)


def test_a_cancellation_is_no_exception_that_except_exception_swallows() -> None:
    def worker() -> Any:
        while True:
            with contextlib.suppress(Exception):
                yield sleep(1)

    def body() -> Any:
        task = spawn(worker())
        yield
        task.cancel()
        yield
        return task.cancelled()

    assert result_of(body) is True


# Awaiting what is not ours.


def test_awaiting_something_of_asyncio_says_what_to_use_instead() -> None:
    async def sleeper() -> None:
        await asyncio.sleep(1)

    async def waiter() -> None:
        loop = asyncio.new_event_loop()
        try:
            await loop.create_future()
        finally:
            loop.close()

    for body in (sleeper, waiter):
        with pytest.raises(RuntimeError) as caught:
            result_of(body)
        told = str(caught.value) + "".join(getattr(caught.value, "__notes__", []))
        assert "asyncio event loop" in told and "Channel" in told


def test_a_yielded_value_that_asks_for_nothing_is_an_item() -> None:
    def worker() -> Any:
        yield 1
        yield "two"
        yield (number for number in range(3))
        yield [sleep(1)]
        yield

    scheduler = run(worker)
    assert scheduler.tasks[0].items == 4
    assert scheduler.tasks[0].resumptions == 6


def test_a_mark_is_on_the_timeline_of_who_made_it() -> None:
    def body() -> Any:
        yield sleep(2)
        mark("here")

    scheduler = run(body, clock="virtual")
    assert [(mark.time, mark.row, mark.text) for mark in scheduler.trace.marks] == [(2.0, 0, "here")]
