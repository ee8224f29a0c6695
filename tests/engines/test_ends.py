"""How runs and coroutines end: errors, deadlocks, left over, interrupts."""

from __future__ import annotations

import gc
import re
import sys
import time
import traceback
from typing import Any

import pytest

import coro_magic
from coro_magic.language import Channel, Deadlock, Event, Lock, Request, State, now, sleep, spawn, timeout
from coro_magic.language.request import PENDING

from .runs import python, result_of, run


def test_an_error_is_told_with_the_users_lines_and_the_coroutines_name() -> None:
    def worker() -> Any:
        yield
        raise ValueError("bad")

    def body() -> Any:
        spawn(worker())
        yield sleep(1)

    task = run(body, clock="virtual").tasks[1]
    error = task.exception()
    assert task.state is State.FAILED and isinstance(error, ValueError)
    assert {frame.filename for frame in traceback.extract_tb(error.__traceback__)} == {__file__}
    assert "in coroutine worker" in "".join(error.__notes__)


def test_an_error_that_a_joiner_got_is_heeded() -> None:
    def worker() -> Any:
        raise ValueError("bad")
        yield

    def body() -> Any:
        spawn(worker())
        with pytest.raises(ValueError):
            yield spawn(worker())

    tasks = run(body).tasks
    assert [task.heeded for task in tasks] == [False, False, True]


def test_on_error_cancel_cancels_the_others() -> None:
    def bad() -> Any:
        yield
        raise ValueError

    def other() -> Any:
        yield sleep(100)

    tasks = run(bad, other, on_error="cancel", clock="virtual").tasks
    assert [task.state for task in tasks] == [State.FAILED, State.CANCELLED]


def test_who_waits_for_more_is_left_over_and_who_waits_for_a_lock_is_in_a_deadlock() -> None:
    lock, channel = Lock(), Channel[int]()

    def consumer() -> Any:
        yield channel.get()

    def holder() -> Any:
        with (yield lock.acquire()):
            yield spawn(waiter())

    def waiter() -> Any:
        with (yield lock.acquire()):
            pass

    def body() -> Any:
        spawn(consumer())
        yield

    left = run(body)
    assert left.deadlock is None and left.tasks[1].state is State.LEFT_OVER
    stuck = run(holder)
    assert isinstance(stuck.deadlock, Deadlock)
    assert "waits for the end of waiter" in str(stuck.deadlock)
    assert re.search(r"waiter, at line \d+, waits for a lock that holder took", str(stuck.deadlock))
    assert run(consumer).deadlock is not None
    assert run(consumer, has_body=False).deadlock is None


def test_all_done_callbacks_are_called_although_one_raises() -> None:
    called = []

    def body() -> Any:
        task = spawn(lambda: 5)
        task.add_done_callback(lambda task: 1 / 0)
        task.add_done_callback(lambda task: called.append(task.result()))
        yield task

    run(body)
    assert called == [5]


def test_200_interrupts_at_random_moments_leave_everything_in_order() -> None:
    told = python(
        """
        import os, random, signal, socket, threading, time
        from coro_magic.engines.scheduler import Scheduler
        from coro_magic.language import Channel, sleep, spawn, in_thread
        def body():
            channel = Channel(1)
            def yielder():
                while True: yield
            def busy():
                while True:
                    sum(range(1000)); yield 1
            def producer():
                for n in range(10**9): yield channel.put(n)
            def consumer():
                while True: yield channel.get()
            def blocker():
                while True:
                    time.sleep(0.0001); yield
            kind = random.randrange(4)
            for f in ([yielder], [busy, producer, consumer], [blocker, blocker],
                      [yielder, producer, consumer, blocker])[kind]:
                spawn(f())
            while True: yield sleep(0.001)
        original, before = time.sleep, None
        unclean = 0
        for n in range(200):
            random.seed(n)
            s = Scheduler()
            pause = random.uniform(0.002, 0.01)
            def strike():
                original(pause)
                os.kill(os.getpid(), signal.SIGINT)
            striker = threading.Thread(target=strike)
            try:
                striker.start()
                s.run(lambda s: s.spawn(body()))
                assert s.interrupted and all(t.done() for t in s.tasks)
            except KeyboardInterrupt as error:
                # Before the run has begun an interrupt is the caller's.
                assert not s.tasks
                unclean += 1
            striker.join()
            assert time.sleep is original and "recv" not in vars(socket.socket)
            assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
            now = len(os.listdir("/proc/self/fd")), threading.active_count()
            before = before or now
            assert now == before, (now, before)
        print("fine", unclean)
        """
    )
    assert told.startswith("fine")
    assert int(told.split()[1]) < 50


def test_a_time_that_is_over_is_over_for_every_wait_in_the_block() -> None:
    def body() -> Any:
        tries, begun = 0, now()
        with timeout(1):
            while tries < 5:
                try:
                    with timeout(3):
                        yield sleep(60)
                except TimeoutError:
                    tries += 1
        yield sleep(1)
        return tries, now() - begun

    assert result_of(body, clock="virtual") == (5, 2)


def test_a_cancellation_is_not_lost_when_what_was_waited_for_ends_at_the_same_moment() -> None:
    went_on = []

    def body() -> Any:
        event = Event()

        def waited_for() -> Any:
            yield event.wait()

        def waits(task: Any) -> None:
            task.result()
            went_on.append(True)

        waiter = spawn(waits, spawn(waited_for))
        yield sleep(1)
        event.set()
        waiter.cancel()
        yield sleep(1)
        return waiter.state

    assert result_of(body, clock="virtual") is State.CANCELLED and not went_on


def test_a_cancelled_coroutine_ended_where_it_waited() -> None:
    def waits() -> Any:
        yield sleep(60)  # here
        return 1

    def body() -> Any:
        task = spawn(waits)
        yield
        task.cancel()
        yield
        return task.where.line - waits.__code__.co_firstlineno

    assert result_of(body, clock="virtual") == 1


@pytest.mark.parametrize("own", [False, True])
def test_the_garbage_collector_is_patient_with_many_and_as_it_was_afterwards(own: bool) -> None:
    before = gc.get_threshold()
    during = before

    def child() -> Any:
        yield

    def body() -> Any:
        nonlocal during
        for _ in range(40_000):
            spawn(child())
        during = gc.get_threshold()
        if own:
            gc.set_threshold(1234, 5, 6)
        yield

    try:
        run(body)
        assert during[0] > before[0] and during[1:] == before[1:]
        # What the user's code has set meanwhile stays.
        assert gc.get_threshold() == ((1234, 5, 6) if own else before)
    finally:
        gc.set_threshold(*before)


class Sleepy:
    def __del__(self) -> None:
        time.sleep(0.001)


def test_what_dies_with_the_error_that_ended_a_coroutine_makes_nobodys_step(monkeypatch):
    lost, done = [], []
    monkeypatch.setattr(sys, "unraisablehook", lost.append)

    # Nothing but the loop holds on to it.
    def enough():
        error = coro_magic.Cancelled("enough")
        error.last = Sleepy()
        return error

    def ends(turns):
        for _ in range(turns):
            yield
        raise enough()

    def goes_on(n):
        for _ in range(100):
            yield
        done.append(n)

    coro_magic.run(*(each for n in range(5) for each in (ends(3 * n), goes_on(n))), baseline="off")
    assert done == [0, 1, 2, 3, 4]
    assert not lost


class Asks(Request):
    """A request during which something dies whose end blocks, as the collector may have it."""

    __slots__ = ("asked",)
    verb = "ask"

    def __init__(self, asked: list[Any]) -> None:
        self.asked = asked

    def begin(self, waiter: Any) -> Any:
        self.asked.append(waiter)
        Sleepy()
        return PENDING


def test_what_dies_while_a_request_is_begun_blocks_and_the_answer_comes_all_the_same() -> None:
    asked: list[Any] = []

    def asks() -> Any:
        return (yield Asks(asked))

    def answers() -> Any:
        while not asked:
            yield
        asked.pop().wake("the answer")

    ended = coro_magic.run(asks(), answers(), baseline="off")
    assert [task.result() for task in ended.tasks] == ["the answer", None]
