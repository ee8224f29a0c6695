"""The other sides come to the scheduler's results: a pool of threads, one after another, asyncio, gevent.

Each engine runs all programs in one process of its own: gevent patches the standard library for good.
"""

from __future__ import annotations

import json
import textwrap
from functools import cache
from typing import Any

import pytest

from .runs import python
from .test_threads import SAME

MORE = {
    "spawning in a coroutine": """
        from coro_magic import spawn, sleep
        def leaf(n):
            yield sleep(0.001 * n)
            return n
        def branch(n):
            tasks = [spawn(leaf(n + m)) for m in range(3)]
            got = []
            for task in tasks:
                got.append((yield task))
            return got
        def root():
            return [(yield branch(0)), (yield branch(10))]
        root()
    """,
    "one that fails, and one that does not": """
        from coro_magic import sleep
        def bad():
            yield sleep(0.001)
            raise ValueError("no")
        def good():
            yield
            return 1
        bad()
        good()
    """,
    "cancelling one that waits": """
        from coro_magic import spawn, sleep, Event
        log = []
        def waits():
            try:
                yield sleep(0.05)
            finally:
                log.append("cleaned up")
        def g():
            task = spawn(waits())
            yield sleep(0.005)
            task.cancel()
            yield sleep(0.1)
            return task.cancelled(), len(log) <= 1
        g()
    """,
    "one that waits for more items is left over": """
        from coro_magic import Channel, sleep
        c = Channel(5)
        def put():
            for n in range(3):
                yield c.put(n)
            yield sleep(0.002)
            return "put"
        def get():
            while True:
                yield c.get()
        put()
        get()
    """,
    "a daemon": """
        from coro_magic import spawn, sleep
        def goes_on():
            while True:
                yield sleep(0.001)
        def g():
            spawn(goes_on(), daemon=True)
            yield sleep(0.005)
            return "ended"
        g()
    """,
    "by hand": """
        def gen():
            x = yield 1
            yield x + 1
        def g():
            it = gen()
            first = next(it)
            yield
            return first, it.send(5)
        g()
    """,
    "queues of the standard library": """
        import queue, time
        q = queue.Queue()
        def put():
            for n in range(5):
                time.sleep(0.001)
                q.put(n)
                yield
        def get():
            out = []
            for n in range(5):
                while q.empty():
                    yield
                out.append(q.get())
            return out
        put()
        get()
    """,
}
PROGRAMS = SAME | MORE

LOCKS = """
    from coro_magic import Lock
    a, b = Lock(), Lock()
    def f(x, y):
        yield x.acquire()
        yield
        yield y.acquire()
    f(a, b)
    f(b, a)
"""
STARVING = """
    from coro_magic import Channel
    c = Channel()
    def get():
        return (yield c.get())
    def put():
        yield c.put(1)
    for _ in range(100): get()
    for _ in range(100): put()
"""
BLOCKING = """
    import time
    def f():
        for _ in range(3):
            time.sleep(0.01)
            yield
    for _ in range(4): f()
"""
CANCELLED_IN_A_CALL = """
    import time
    from coro_magic import spawn, sleep
    def blocks():
        time.sleep(1000)
        yield
    def g():
        task = spawn(blocks())
        yield sleep(0.01)
        task.cancel()
        try:
            yield task
        except BaseException as error:
            return type(error).__name__
    g()
"""
# What is of interest on one engine only.
SPECIAL = {
    "coroutines": {},
    "threadpool": {"starving": STARVING},
    "sequential": {"locks": LOCKS},
    "asyncio": {"locks": LOCKS, "blocking": BLOCKING},
    "gevent": {"locks": LOCKS, "blocking": BLOCKING, "cancelled in a call": CANCELLED_IN_A_CALL},
}

# What cannot be done in this way, with a word of what is said about it.
NEEDS_ANOTHER = "only another coroutine can"
IN_A_PLAIN_CALL = "in a plain call"
CANNOT = {
    "sequential": {
        "a rendezvous": NEEDS_ANOTHER,
        "a channel with room for one": NEEDS_ANOTHER,
        "a channel with room for many, filled by several": NEEDS_ANOTHER,
        "an item of None": NEEDS_ANOTHER,
        "for loops over a channel": NEEDS_ANOTHER,
        "select between two channels": NEEDS_ANOTHER,
        "select on both ends of a rendezvous": NEEDS_ANOTHER,
        "a nested plain function waits": NEEDS_ANOTHER,
    },
    "asyncio": {
        "the body waits for tasks": IN_A_PLAIN_CALL,
        "a nested plain function waits": IN_A_PLAIN_CALL,
        "a function that makes a coroutine is spawned": IN_A_PLAIN_CALL,
    },
}
# Two are never inside at once.
OTHERWISE = {("sequential", "a semaphore lets so many in"), ("threadpool", "a semaphore lets so many in")}

RUN_ALL = """
import ast, json, os, pickle, sys
import numpy as np
from coro_magic.engines.jobs import Cannot, Job, pack
from coro_magic.engines.performing import perform
from coro_magic.engines.program import Program

def wrong(intervals, totals):
    # By how many seconds two rows ran at once, a state was left before it was entered, or the states
    # are not the whole life; the most.
    running = intervals.state == 1
    order = np.argsort(intervals.begin[running])
    begin, end = intervals.begin[running][order], intervals.end[running][order]
    together = (end[:-1] - begin[1:]).max(initial=(intervals.begin - intervals.end).max(initial=0.0))
    states = totals["running"] + totals["ready"] + totals["waiting"]
    return max(together, abs(states - (totals["ended"] - totals["born"])).max(initial=0.0))

engine, budget = sys.argv[1], float(sys.argv[2])
for what, source in json.load(sys.stdin).items():
    program = Program(ast.parse(source, "<cell>"), source, "<cell>")
    job = Job(program, pack({"__name__": "__main__"}, {}), (), budget, 10_000_000, True, engine=engine)
    try:
        report, spent = perform(job)
    except Cannot as reason:
        print(json.dumps([what, {"cannot": str(reason)}]))
        continue
    trace = report.trace
    names = {each.row: trace.name(each.row) for each in report.results}
    print(json.dumps([what, {
        "cannot": "",
        "complete": report.complete,
        "spent": spent,
        "states": {names[each.row]: each.state.value for each in report.results},
        "results": {
            names[each.row]: each.text if each.value is None else repr(pickle.loads(each.value))
            for each in report.results
        },
        "switches": report.switches,
        "elapsed": report.elapsed,
        "reasons": sorted({reason.verb for reason in trace.reasons}),
        "occupied": float(trace.occupancy(10, 10).sum()),
        "wrong": wrong(trace.intervals(), trace.totals()),
        "notes": report.notes,
    }]), flush=True)
sys.stdout.flush()
os._exit(0)  # as the worker does: threads may be left
"""


def perform_all(engine: str, programs: dict[str, str], budget: float = 20.0) -> dict[str, Any]:
    """Run programs on an engine, in a process of its own; give what each came to."""
    if engine == "gevent":
        pytest.importorskip("gevent")
    sources = {what: textwrap.dedent(source).strip() + "\n" for what, source in programs.items()}
    lines = python(RUN_ALL, engine, str(budget), given=json.dumps(sources)).splitlines()
    return dict(json.loads(line) for line in lines)


@cache
def on(engine: str) -> dict[str, Any]:
    return perform_all(engine, PROGRAMS | SPECIAL[engine])


@pytest.mark.parametrize("engine", ["threadpool", "sequential", "asyncio", "gevent"])
@pytest.mark.parametrize("what", PROGRAMS)
def test_every_side_comes_to_the_results_of_the_scheduler_or_says_why_it_cannot(what, engine):
    theirs, ours = on(engine)[what], on("coroutines")[what]
    expected = CANNOT.get(engine, {}).get(what)
    if expected is not None:
        assert expected in theirs["cannot"]
        return
    assert theirs["cannot"] == "" and theirs["complete"]
    if (engine, what) not in OTHERWISE:
        assert theirs["results"] == ours["results"]
        assert theirs["states"] == ours["states"]
    assert theirs["switches"] and theirs["occupied"]


@pytest.mark.parametrize("engine", ["asyncio", "gevent"])
def test_on_one_thread_one_runs_at_a_time_and_the_states_are_the_whole_life(engine):
    assert max(each.get("wrong", 0.0) for each in on(engine).values()) < 1e-6


@pytest.mark.parametrize("engine", ["sequential", "asyncio", "gevent"])
def test_where_nothing_can_go_on_it_is_said_who_waits_at_which_line(engine):
    said = on(engine)["locks"]["cannot"]
    assert "line 6" in said or "line 4 waits for a lock" in said


def test_a_pool_whose_threads_all_wait_for_those_without_one_is_noticed():
    said = on("threadpool")["starving"]["cannot"]
    assert "threads of the pool wait for coroutines that have no thread yet" in said and "line 4" in said


def test_calls_that_block_hold_asyncio_and_this_is_noted():
    came_to = on("asyncio")["blocking"]
    assert came_to["elapsed"] >= 12 * 0.01
    assert "held the event loop" in came_to["notes"][0] and "sleep" in came_to["notes"][0]


def test_calls_that_block_switch_on_gevent_and_are_seen_as_waits():
    came_to = on("gevent")["blocking"]
    assert "sleep" in came_to["reasons"] and came_to["spent"]


def test_that_channels_are_not_gevents_own_is_noted_where_there_are_any():
    assert "queues" in on("gevent")["a rendezvous"]["notes"][0]
    assert on("gevent")["blocking"]["notes"] == []


def test_a_call_that_blocks_is_cancelled_on_gevent():
    assert on("gevent")["cancelled in a call"]["results"]["g"] == "'CancelledError'"


FOR_EVER = {
    "in a call": "import time\ndef f():\n    yield\n    time.sleep(1000)\nf()",
    "computing": "def f():\n    while True: yield\nf()",
}


@pytest.mark.parametrize("engine", ["threadpool", "sequential", "asyncio", "gevent"])
def test_the_budget_ends_what_does_not_end_and_the_process_is_not_used_again(engine):
    for came_to in perform_all(engine, FOR_EVER, budget=0.2).values():
        assert not came_to["complete"] and came_to["spent"]
        assert came_to["states"]["f"] == "cancelled"


def test_without_gevent_it_is_said_how_to_get_it():
    said = python("""
        import sys
        sys.modules["gevent"] = None
        from coro_magic.engines.gevent_guest import patch
        from coro_magic.engines.jobs import Cannot
        try:
            patch()
        except Cannot as reason:
            print(reason)
    """)
    assert "pip install gevent" in said
