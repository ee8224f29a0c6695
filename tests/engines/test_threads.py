"""The baseline: everything a coroutine can say is carried out on threads, with the same results."""

from __future__ import annotations

import textwrap
import threading

import pytest
from cells import on_both_sides

from coro_magic.language import State

SAME = {
    "a rendezvous": """
        from coro_magic import Channel
        c = Channel()
        def producer():
            for n in range(20):
                yield c.put(n)
            c.close()
        def consumer():
            got = []
            try:
                while True:
                    got.append((yield c.get()))
            except Exception as error:
                return got, type(error).__name__
        producer()
        consumer()
    """,
    "a channel with room for one": """
        from coro_magic import Channel
        c = Channel(1)
        def producer():
            for n in range(20):
                yield c.put(n)
        def consumer():
            got = []
            for _ in range(20):
                got.append((yield c.get()))
            return got
        producer()
        consumer()
    """,
    "a channel with room for many, filled by several": """
        from coro_magic import Channel
        c = Channel(100)
        def producer(n):
            for m in range(50):
                yield c.put(n + m)
        def consumer():
            total = 0
            for _ in range(200):
                total += yield c.get()
            return total
        for n in range(4): producer(1000 * n)
        consumer()
    """,
    "an item of None": """
        from coro_magic import Channel
        c = Channel()
        def producer():
            yield c.put(None)
        def consumer():
            return [(yield c.get())]
        producer()
        consumer()
    """,
    "for loops over a channel": """
        from coro_magic import Channel
        c = Channel(3)
        async def producer():
            for n in range(5):
                await c.put(n)
            c.close()
        async def consumer():
            return [item async for item in c]
        producer()
        consumer()
    """,
    "putting into a closed channel": """
        from coro_magic import Channel, ChannelClosed
        def f():
            c = Channel(1)
            c.close()
            try:
                yield c.put(1)
            except ChannelClosed:
                return "closed"
        f()
    """,
    "select, with a timeout that is over first": """
        from coro_magic import Channel, select, sleep
        def f():
            return (yield select(Channel().get(), sleep(0.01)))
        f()
    """,
    "select, with an item that is there": """
        from coro_magic import Channel, select, sleep
        def f():
            c = Channel(1)
            yield c.put("item")
            return (yield select(sleep(30), c.get()))
        f()
    """,
    "select between two channels": """
        from coro_magic import Channel, select
        a, b = Channel(), Channel()
        def feeds(channel, items):
            for item in items:
                yield channel.put(item)
        def takes():
            got = []
            for _ in range(10):
                which, item = yield select(a.get(), b.get())
                got.append((which, item))
            return sorted(got)
        feeds(a, range(5))
        feeds(b, range(5))
        takes()
    """,
    "select on both ends of a rendezvous": """
        from coro_magic import Channel, select
        a, b, never = Channel(), Channel(), Channel()
        def puts():
            done = []
            for n in range(3):
                done.append((yield select(never.put(0), a.put(n))))
            return done
        def takes():
            got = []
            for _ in range(3):
                got.append((yield select(b.get(), a.get())))
            return got
        puts()
        takes()
    """,
    "gather": """
        from coro_magic import gather, sleep
        def w(n):
            yield sleep(0.01)
            return n
        def f():
            return (yield gather(w(1), w(2), sleep(0)))
        f()
    """,
    "gather of nothing": """
        from coro_magic import gather
        def f():
            return (yield gather())
        f()
    """,
    "an event": """
        from coro_magic import Event, sleep
        e = Event()
        def setter():
            yield sleep(0.02)
            e.set()
        def waiter(n):
            yield e.wait()
            return e.is_set()
        setter()
        for n in range(3): waiter(n)
    """,
    "a semaphore lets so many in": """
        from coro_magic import Semaphore, sleep
        s = Semaphore(2)
        inside, most = [], []
        def f(n):
            with (yield s.acquire()):
                inside.append(n)
                most.append(len(inside))
                yield sleep(0.01)
                inside.remove(n)
        def check():
            yield sleep(0)
            tasks = [spawn(f(n)) for n in range(6)]
            for task in tasks:
                yield task
            return max(most) == 2
        from coro_magic import spawn
        check()
    """,
    "a lock": """
        from coro_magic import Lock
        lock, count = Lock(), 0
        async def f():
            global count
            for _ in range(50):
                async with lock:
                    before = count
                    await_something = [0] * 100
                    count = before + 1
            return "done"
        f()
        f()
    """,
    "the body waits for tasks": """
        from coro_magic import spawn, sleep
        def f(n):
            yield sleep(0.01)
            return n
        tasks = [spawn(f, n) for n in range(3)]
        total = sum(task.result() for task in tasks)
        def g():
            yield
            return total
        g()
    """,
    "join gives what was returned": """
        from coro_magic import spawn
        def f():
            yield
            return "value"
        def g():
            task = spawn(f())
            return [(yield task), (yield task), (yield f())]
        g()
    """,
    "join raises what was raised": """
        from coro_magic import spawn
        def bad():
            yield
            raise ValueError("no")
        def g():
            task = spawn(bad())
            try:
                yield task
            except ValueError as error:
                return str(error), type(task.exception()).__name__, str(task.state)
        g()
    """,
    "cancelling one that runs on": """
        from coro_magic import spawn, sleep
        from concurrent.futures import CancelledError
        def runs():
            while True:
                yield
        def g():
            task = spawn(runs())
            yield sleep(0.02)
            task.cancel()
            try:
                yield task
            except CancelledError:
                return task.cancelled()
        g()
    """,
    "a timeout ends a wait": """
        from coro_magic import timeout, sleep, Channel
        def f():
            try:
                with timeout(0.01):
                    yield Channel().get()
            except TimeoutError:
                return "over"
        def g():
            with timeout(20):
                yield sleep(0.01)
            return "in time"
        def h():
            try:
                with timeout(20):
                    with timeout(0.01):
                        yield sleep(30)
            except TimeoutError:
                return "inner"
        f()
        g()
        h()
    """,
    "in_thread": """
        from coro_magic import in_thread
        def f():
            try:
                yield in_thread(int, "x")
            except ValueError:
                return (yield in_thread(pow, 2, 10))
        f()
    """,
    "readable and writable": """
        import socket
        from coro_magic import readable, writable
        def f():
            a, b = socket.socketpair()
            with a, b:
                yield writable(a)
                a.send(b"x")
                yield readable(b)
                return b.recv(10)
        f()
    """,
    "a nested plain function waits": """
        from coro_magic import Channel, sleep
        c = Channel()
        def take():
            return c.get().wait()
        def f():
            yield
            return take()
        def g():
            yield
            sleep(0.01).wait()
            c.put("item").wait()
        f()
        g()
    """,
    "native coroutines": """
        from coro_magic import sleep, spawn
        async def f(n):
            await sleep(0.001)
            return n
        async def g():
            task = spawn(f(1))
            return await task, await f(2)
        g()
    """,
    "yield from and return values": """
        def inner():
            x = yield 1
            return "inner"
        def outer():
            value = yield from inner()
            return value
        outer()
    """,
    "items": """
        def f():
            for n in range(5):
                yield n
            return "items"
        f()
    """,
    "marks and the time": """
        from coro_magic import mark, now, sleep
        def f():
            mark("begin")
            before = now()
            yield sleep(0.01)
            return now() - before >= 0.01
        f()
    """,
    "a function that makes a coroutine is spawned": """
        from coro_magic import spawn
        def f(n):
            yield
            return n
        class C:
            def g(self, n):
                yield
                return n
        def all_of_them():
            tasks = [spawn(f, 1), spawn(lambda: f(2)), spawn(C().g, 3), spawn(lambda: 4)]
            return [task.result() for task in tasks]
            yield
        all_of_them()
    """,
    "a callback when done": """
        from coro_magic import spawn
        log = []
        def f():
            yield
        def g():
            task = spawn(f())
            task.add_done_callback(lambda t: log.append(t.name))
            yield task
            return log
        g()
    """,
    "blocking calls of the standard library": """
        import time, socket
        def f():
            time.sleep(0.01)
            yield
            a, b = socket.socketpair()
            with a, b:
                a.sendall(b"hello")
                return b.recv(5)
        f()
    """,
    "a request that is no good": """
        from coro_magic import sleep
        def f():
            try:
                yield sleep(-1)
            except ValueError as error:
                return str(error)
        def g():
            request = sleep(0)
            yield request
            try:
                yield request
            except RuntimeError:
                return "used before"
        f()
    """,
    "a finished coroutine": """
        from coro_magic import spawn
        def f():
            yield
        def g():
            one = f()
            for _ in one: pass
            try:
                yield one
            except ValueError as error:
                return str(error)
        g()
    """,
    "one's own context": """
        import contextvars
        v = contextvars.ContextVar("v", default=0)
        def f(n):
            v.set(n)
            yield
            return v.get()
        f(1)
        f(2)
    """,
}


# What is not written down goes a shorter way.
TRACES = pytest.mark.parametrize("trace", ["on", "off"])


@TRACES
@pytest.mark.parametrize("what", SAME)
def test_threads_come_to_the_same_results(what, trace):
    ran = on_both_sides(SAME[what], trace=trace)
    assert ran.run.error is None
    assert ran.results, "nothing was compared"
    assert ran.threads == ran.results
    assert ran.run.differences == []
    assert ran.run.baseline.complete


def test_generators_driven_by_hand_live_on_threads_of_their_own():
    ran = on_both_sides("""
        import threading
        def con():
            me = threading.get_ident()
            got = []
            try:
                while True:
                    got.append((yield threading.get_ident() == me))
            except KeyError:
                got.append("thrown")
            yield got
        def pro(c):
            me, first = threading.get_ident(), next(c)
            for n in range(3):
                assert c.send(n)
            got = c.throw(KeyError)
            c.close()
            return got, first
            yield
        c = con()
        p = pro(c)
    """)
    assert ran.results == ran.threads == {"pro": ([0, 1, 2, "thrown"], True)}
    run = ran.run.baseline
    assert [run.trace.name(row) for row in range(len(run.trace))] == ["cell", "pro", "con"]
    assert run.started == 2


def test_a_hand_driven_generator_behaves_as_one():
    ran = on_both_sides("""
        def squares(n):
            for m in range(n):
                yield m * m
            return "over"
        def f():
            g = squares(3)
            seen = [next(g), list(g), next(g, "none left"), sum(squares(4)), [*squares(2)]]
            h = squares(1)
            next(h)
            try:
                next(h)
            except StopIteration as stop:
                seen.append(stop.value)
            i = squares(1)
            try:
                i.throw(ValueError("early"))
            except ValueError as error:
                seen.append(str(error))
            try:
                squares(1).send(5)
            except TypeError as error:
                seen.append(str(error))
            seen.append((yield from squares(2)))
            j = squares(2)
            seen.append(j.gi_frame is not None)
            j.close()
            j.close()
            seen.append(next(j, "closed"))
            import inspect
            seen.append(inspect.isgenerator(squares(1)))
            seen.append(inspect.isgeneratorfunction(squares))
            return seen
            yield
        f()
    """)
    assert ran.run.error is None
    assert ran.threads == ran.results


def test_what_each_thread_did_is_written_down():
    run = on_both_sides("""
        import time
        from coro_magic import sleep
        def f():
            time.sleep(0.03)
            yield
            yield sleep(0.03)
            yield 1
        f()
    """).run.baseline
    task = run.tasks[1]
    assert run.unit == "thread"
    assert task.waiting >= 0.05
    assert task.resumptions >= 2 and task.items == 1
    assert task.state is State.DONE
    assert str(task.spawned_at) == "line 8"


def test_a_request_that_is_answered_at_once_counts_as_a_resumption():
    run = on_both_sides("""
        from coro_magic import Channel
        def f():
            c = Channel(100)
            for n in range(100):
                yield c.put(n)
            for n in range(100):
                yield c.get()
        f()
    """).run
    (ours, theirs) = (each.tasks[1] for each in (run, run.baseline))
    assert ours.resumptions == theirs.resumptions == 201


def test_a_thread_that_only_lets_others_run_does_not_sleep():
    # On Linux `time.sleep(0)` takes some 60 µs though nobody wants the GIL: that would flatter coroutines.
    run = on_both_sides("""
        import time
        def f():
            bare, asleep = [], []
            for _ in range(100):
                begun = time.perf_counter()
                for _ in range(5):
                    yield
                between = time.perf_counter()
                for _ in range(5):
                    time.sleep(0.00001)
                bare.append(between - begun)
                asleep.append(time.perf_counter() - between)
            return min(bare), min(asleep)
        f()
    """, trace="off").run  # fmt: skip
    bare, asleep = run.baseline.tasks[1].result()
    assert bare < asleep


def test_an_error_in_a_thread_is_told_with_its_result():
    run = on_both_sides("def bad():\n    yield\n    1 / 0\nbad()").run.baseline
    assert run.tasks[1].state is State.FAILED
    error = run.tasks[1].exception()
    assert error.type == "ZeroDivisionError" and "line 3, in bad" in error.traceback


@TRACES
@pytest.mark.parametrize(
    "get, put", [("yield c.get()", "yield c.put(n)"), ("q.get()\nyield", "q.put(n)\nyield")]
)
def test_consumers_that_wait_for_more_are_left_over_and_the_run_ends(get, put, trace):
    get, put = (textwrap.indent(text, 16 * " ").lstrip() for text in (get, put))
    run = on_both_sides(f"""
        import queue
        from coro_magic import Channel
        c, q = Channel(), queue.Queue()
        def consumer():
            while True:
                {get}
        def producer():
            for n in range(3):
                {put}
        consumer()
        producer()
    """, baseline_budget=30, trace=trace).run.baseline  # fmt: skip
    assert run.complete and run.elapsed < 20
    assert [str(task.state) for task in run.tasks] == ["done", "left over", "done"]


def test_a_thread_that_waits_hears_of_its_cancellation_when_its_wait_is_over():
    ran = on_both_sides("""
        from coro_magic import Channel, spawn, sleep
        from concurrent.futures import CancelledError
        log = []
        def waits():
            try:
                yield sleep(0.1)
            finally:
                log.append("cleaned up")
        def g():
            task = spawn(waits())
            yield sleep(0.02)
            task.cancel()
            try:
                yield task
            except CancelledError:
                return log, str(task.state)
        g()
    """)
    assert ran.threads == ran.results == {"g": (["cleaned up"], "cancelled")}
    assert ran.run.elapsed < ran.run.baseline.elapsed


def test_daemons_are_not_waited_for():
    run = on_both_sides("""
        from coro_magic import spawn, sleep
        def ticks():
            while True:
                yield sleep(0.01)
        def f():
            yield sleep(0.03)
            return "done"
        spawn(ticks(), daemon=True)
        f()
    """, baseline_budget=30).run.baseline  # fmt: skip
    assert run.complete
    assert [str(task.state) for task in run.tasks] == ["done", "cancelled", "done"]


def test_a_deadlock_on_threads_ends_at_the_budget():
    ran = on_both_sides("""
        from coro_magic import Channel
        def f():
            yield Channel().put(1)
        f()
    """, baseline_budget=0.3)  # fmt: skip
    assert "Deadlock" in type(ran.run.error).__name__
    assert not ran.run.baseline.complete
    assert ran.run.baseline.elapsed >= 0.3


def test_past_its_budget_the_baseline_is_a_bound():
    run = on_both_sides("""
        import os, threading, time
        def f():
            if threading.get_native_id() != os.getpid():
                time.sleep(60)
            yield
        f()
    """, baseline_budget=0.3).run  # fmt: skip
    assert not run.baseline.complete
    assert 0.3 <= run.baseline.elapsed < 30
    assert run.speedup >= 0.3 / run.elapsed
    assert "more than" in run.summary()


def test_after_threads_were_left_behind_the_next_baseline_is_a_clean_one():
    on_both_sides("import os, threading\nevent = threading.Event()\ndef f():\n    "
                  "if threading.get_native_id() != os.getpid(): event.wait()\n"
                  "    yield\nf()",
                  baseline_budget=0.2)  # fmt: skip
    ran = on_both_sides("import threading\ndef f():\n    yield\n    return threading.active_count() < 6\nf()")
    assert ran.threads == {"f": True}


def test_threads_that_the_system_refuses_are_a_result():
    run = on_both_sides("""
        import os, threading
        def worker(n):
            if threading.get_native_id() != os.getpid() and n == 0:
                def refuse(self, original=threading.Thread.start):
                    if threading.active_count() > 5:
                        raise RuntimeError("can't start new thread")
                    original(self)
                threading.Thread.start = refuse
            yield
            if threading.get_native_id() != os.getpid():
                time.sleep(0.2)
        import time
        worker(0)
        time.sleep(0.05)
        for n in range(1, 20):
            worker(n)
    """).run  # fmt: skip
    assert run.error is None
    assert run.baseline.refused
    assert 0 < run.baseline.started < run.baseline.wanted == 20
    assert "could be started" in run.summary()


def test_the_runs_own_process_starts_no_threads_for_the_baseline():
    before = threading.active_count()
    on_both_sides("def f():\n    yield\nfor _ in range(20): f()")
    assert threading.active_count() == before


def test_coroutines_shared_by_a_closure_of_a_decorated_function_work():
    ran = on_both_sides("""
        import functools
        def logged(function):
            @functools.wraps(function)
            def wrapper(*args):
                return function(*args)
            return wrapper
        @logged
        def f(n):
            yield
            return n
        f(1)
        g = [f(2)]
    """)
    assert ran.threads == ran.results == {"f": 1, "f-2": 2}


def test_generator_methods_and_nested_generator_functions_work():
    ran = on_both_sides("""
        class Counter:
            def __init__(self): self.n = 0
            def count(self, times):
                for _ in range(times):
                    self.n += 1
                    yield
                return self.n
            @staticmethod
            def fixed():
                yield
                return 7
            @classmethod
            def named(cls):
                yield
                return cls.__name__
            def __iter__(self):
                yield from range(3)
        def outer():
            def inner(n):
                x = yield n
                return x
            i = inner(5)
            first = next(i)
            try:
                i.send("sent")
            except StopIteration as stop:
                return first, stop.value
            yield
        Counter().count(3)
        Counter.fixed()
        Counter.named()
        outer()
        def over():
            yield
            return list(Counter())
        over()
    """)
    assert ran.run.error is None
    assert ran.threads == ran.results
    assert len(ran.results) == 5
