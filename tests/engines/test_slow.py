"""A step that holds the thread is named: who, at which line, in which call, for how long."""

from __future__ import annotations

import ctypes
import os
import signal
import sqlite3
import subprocess
import sys
import time
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from coro_magic.engines.events import BATCH, IDLE, WOKEN, YIELDED
from coro_magic.engines.longest import MOST, LongSteps
from coro_magic.engines.slow import Look, Sample, Seen, SlowStep, call_at, slow_steps
from coro_magic.language import in_thread, sleep, spawn

from .runs import python, run

_C = ctypes.CDLL(None)  # lets go of the GIL while a call goes on
_C_WITH_GIL = ctypes.PyDLL(None)  # does not
_LONG = 300_000  # µs: many times what is slow
usleep, usleep_with_gil = _C.usleep, _C_WITH_GIL.usleep


def slow(*targets: Any, **options: Any) -> list[SlowStep]:
    return run(*targets, **options).slow_steps()[0]


def named(steps: list[SlowStep], name: str) -> SlowStep:
    (step,) = (step for step in steps if step.name == name)
    return step


def line_in(function: Callable[..., Any], number: int) -> int:
    """The line so many below the `def` of a function."""
    return function.__code__.co_firstlineno + number


def blocks() -> Any:
    yield sleep(0)
    usleep(_LONG)
    yield sleep(0)


def keeps_the_gil() -> Any:
    yield sleep(0)
    usleep_with_gil(_LONG)
    yield sleep(0)


def computes() -> Any:
    yield sleep(0)
    until = time.thread_time() + 0.3
    while time.thread_time() < until:
        sum(range(1000))
    yield sleep(0)


@pytest.mark.parametrize("function", [blocks, keeps_the_gil])
def test_a_call_that_blocks_is_named_with_its_coroutine_its_line_and_its_text(function: Any) -> None:
    # On a busy machine the thread that looks may be late for a while.
    steps = (named(slow(function), function.__name__) for _ in range(10))
    step = next((step for step in steps if step.where is not None), None)
    assert step is not None and step.where is not None
    assert step.where.line == line_in(function, 2)
    assert step.call == step.text and step.call.endswith("(_LONG)")
    assert step.exact and step.seconds >= _LONG / 1e6


def test_a_database_that_is_locked_is_named(tmp_path: Any) -> None:
    holder = sqlite3.connect(tmp_path / "data", isolation_level=None)
    holder.execute("begin exclusive")
    other = sqlite3.connect(tmp_path / "data", timeout=0.3)

    def asks() -> Any:
        yield
        with pytest.raises(sqlite3.OperationalError):
            other.execute(
                "create table t(x)"
            )
        yield sleep(0)

    step = named(slow(asks), "asks")
    assert step.where is not None and step.where.line == line_in(asks, 3)
    assert step.call == 'other.execute( "create table t(x)" )' and step.inside == ""
    holder.close()
    other.close()


@pytest.mark.skipif(not hasattr(signal, "sigtimedwait"), reason="there is no sigtimedwait here")
def test_the_function_of_a_library_in_which_it_blocks_is_named_too() -> None:
    def waits() -> Any:
        yield sleep(0)
        Library().ask()

    code = compile("import signal\nclass Library:\n    def ask(self):\n"
                   "        signal.sigtimedwait([signal.SIGUSR2], 0.3)\n", "library.py", "exec")  # fmt: skip
    names: dict[str, Any] = {"__name__": "library"}
    exec(code, names)
    Library = names["Library"]
    step = named(slow(waits), "waits")
    assert (step.call, step.inside) == ("Library().ask()", "library.Library.ask")
    assert step.where is not None and step.where.line == line_in(waits, 2)


def test_computing_is_told_from_blocking() -> None:
    if not hasattr(time, "pthread_getcpuclockid"):
        pytest.skip("nobody can read another thread's processor time here")
    steps = slow(blocks, computes)
    computing, blocking = named(steps, "computes").busy, named(steps, "blocks").busy
    assert computing is not None and blocking is not None
    assert blocking < 0.3 and computing > 2 * blocking


def test_a_step_that_waits_as_a_coroutine_does_is_not_slow() -> None:
    def waits() -> Any:
        time.sleep(0.2)
        yield sleep(0.2)
        yield in_thread(usleep, _LONG)

    assert slow(waits) == []


def test_the_first_step_counts_and_what_a_plain_function_does() -> None:
    def plain() -> None:
        usleep(_LONG)

    assert named(slow(plain), "plain").call == "usleep(_LONG)"


def test_a_slow_step_among_thousands_that_are_timed_together_is_found() -> None:
    def quick() -> Any:
        for _ in range(3000):
            yield

    def one() -> Any:
        for number in range(3000):
            if number == 2000:
                usleep(_LONG)
            yield

    step = named(slow(quick, quick, one, quick), "one")
    assert step.call == "usleep(_LONG)" and not step.exact
    assert step.seconds > 0.05


@pytest.mark.parametrize("options", [{"trace": False}, {"clock": "virtual"}], ids=["no trace", "virtual"])
def test_what_cannot_be_measured_is_told_as_it_was_seen(options: dict[str, Any]) -> None:
    step = named(slow(blocks, **options), "blocks")
    assert not step.exact and step.call == "usleep(_LONG)"
    assert step.seconds > 0.05 and step.begin >= 0


def test_the_limit_is_an_option() -> None:
    assert slow(blocks, slow_step=1000.0) == []
    assert slow(blocks, slow_step=float("inf")) == []
    assert slow(blocks, slow_step=0.001)[0].name == "blocks"


def test_the_longest_come_first() -> None:
    def twice() -> Any:
        usleep(_LONG)
        yield sleep(0)
        usleep(2 * _LONG)
        yield sleep(0)

    steps, count = run(twice).slow_steps()
    assert [step.call for step in steps] == ["usleep(2 * _LONG)", "usleep(_LONG)"] and count == 2
    assert steps[0].begin > steps[1].begin + steps[1].seconds - 1e-9


# Nothing is left behind.


def test_the_thread_that_looks_is_gone_with_the_run_however_it_ends() -> None:
    import _thread

    def bad() -> Any:
        yield
        raise ValueError

    def interrupted() -> Any:
        yield
        os.kill(os.getpid(), signal.SIGINT)
        while True:
            yield

    before = _thread._count()
    for target in (blocks, bad, interrupted, lambda: None):
        for _ in range(3):
            run(target)
            assert _thread._count() == before


def test_where_no_thread_can_be_started_the_run_goes_on_and_lengths_are_known(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import _thread

    def refuse(*_: Any) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(_thread, "start_new_thread", refuse)
    # Steps that were timed together have equal shares where nobody looked.
    steps = [step for step in slow(blocks) if step.name == "blocks"]
    assert all(step.exact and step.where is None for step in steps)
    assert sum(step.seconds for step in steps) >= _LONG / 1e6


def test_ending_does_not_wait_for_the_next_look() -> None:
    begun = time.perf_counter()
    run(sleep_once, slow_step=3600.0)
    assert time.perf_counter() - begun < 600


def sleep_once() -> Any:
    yield sleep(0.01)


def test_what_a_slow_step_worked_with_is_not_kept() -> None:
    class Thing:
        pass

    found: list[Any] = []

    def works() -> Any:
        thing = Thing()
        found.append(weakref.ref(thing))
        usleep(_LONG)
        del thing
        # Gone at once: nobody else holds it.
        found.append(found[0]() is None)
        yield

    scheduler = run(works)
    assert found[1] and scheduler.slow_steps()[0]


def test_a_child_that_a_coroutine_forks_can_come_to_its_end() -> None:
    printed = python("""
        import os, sys, warnings
        warnings.simplefilter("ignore")
        import coro_magic

        def forks():
            yield
            child = os.fork()
            yield
            if child:
                assert os.waitpid(child, 0)[1] == 0
                return "parent"

        run = coro_magic.run(forks(), baseline="off")
        if run.results["forks"] == "parent":
            print("both ended")
    """)
    assert printed == "both ended\n"


def test_a_kernel_that_is_interrupted_in_a_slow_step_has_named_it() -> None:
    def blocked() -> Any:
        spawn(kill, daemon=True)
        yield
        usleep_with_gil(_LONG)
        raise KeyboardInterrupt

    def kill() -> None:
        pass

    for _ in range(10):
        scheduler = run(blocked)
        assert scheduler.interrupted
        # On a busy machine whoever watches may come too late; not every time.
        if named(scheduler.slow_steps()[0], "blocked").call:
            return
    raise AssertionError("nobody saw it")


# What was measured and what was seen, brought together.


def columns(*events: tuple[int, int, float, float]) -> tuple[Any, ...]:
    rows, codes, times, begins = zip(*events, strict=True)
    return np.array(rows), np.array(codes), np.array(times), np.array(begins)


def test_long_steps_and_batches_are_noted_exactly_and_nothing_else() -> None:
    long = LongSteps(0.5)
    long.add(*columns((0, YIELDED, 0.4, 0.0), (1, WOKEN, 3.0, 3.0), (1, YIELDED, 3.0, 0.4),
                      (2, BATCH, 4.0, 3.0), (0, IDLE, 9.0, 9.0)))  # fmt: skip
    assert long.steps() == [(1, 0.4, 2.6)] and long.batches() == [(3.0, 1.0)] and long.count == 1


def test_the_longest_are_kept_and_all_are_counted() -> None:
    long = LongSteps(0.5)
    for half in (0, 1):
        lengths = 1.0 + (np.arange(MOST) * 7919 % MOST) / MOST + half * 10
        long.add(*columns(*((n, YIELDED, length, 0.0) for n, length in enumerate(lengths))))
    assert long.count == 2 * MOST and len(long.steps()) == MOST
    assert min(seconds for _, _, seconds in long.steps()) >= 10


def seen(row: int, first: float, last: float, after: float, computing: float = 0.0) -> Seen:
    step = Seen(1, row, first, Look(first - 0.1, 0.0), Look(first, 0.0))
    step.last, step.after = Look(last, computing * (last - first)), after
    step.samples[Sample(blocks.__code__, 0, "")] = 1.0
    return step


def test_what_was_seen_belongs_to_the_step_of_the_same_row_and_time() -> None:
    long = LongSteps(0.5)
    long.add(*columns((0, YIELDED, 1.0, 0.0), (1, YIELDED, 2.0, 1.0), (0, YIELDED, 3.0, 2.0)))
    looks = [seen(1, 11.1, 11.9, 12.1), seen(0, 12.1, 12.9, 13.1, 1.0)]
    steps, count = slow_steps(str, long, looks, 0.5, 10.0)
    assert count == 3
    assert [(step.row, step.begin, step.busy) for step in sorted(steps, key=lambda step: step.begin)] == [
        (0, 0.0, None), (1, 1.0, 0.0), (0, 2.0, 1.0)]  # fmt: skip


def test_what_was_seen_and_measured_as_short_is_not_told() -> None:
    assert slow_steps(str, LongSteps(0.5), [seen(0, 10.1, 10.5, 10.7)], 0.5, 10.0) == ([], 0)


def test_the_text_of_a_call_is_exact_also_behind_letters_of_many_bytes(tmp_path: Any) -> None:
    path = tmp_path / "letters.py"
    path.write_text("def f(g):\n    é = 'ü' + g(\n        'ö')\n", encoding="utf-8")
    names: dict[str, Any] = {}
    exec(compile(path.read_text(encoding="utf-8"), str(path), "exec"), names)
    frames: list[tuple[Any, int]] = []

    def g(_: str) -> str:
        caller = sys._getframe(1)
        frames.append((caller.f_code, caller.f_lasti))
        return ""

    names["f"](g)
    assert call_at(Sample(*frames[0], "")) == "g( 'ö')"


BURNS = "import os\nos.sched_setaffinity(0, {int(os.environ['ON'])})\nprint(flush=True)\nwhile True: pass"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux tells that a thread waited")
def test_a_step_that_computes_and_has_no_processor_is_not_taken_for_one_that_is_blocked():
    before = os.sched_getaffinity(0)
    processor = min(before)
    environment = {**os.environ, "ON": str(processor)}
    burning = [
        subprocess.Popen([sys.executable, "-c", BURNS], env=environment, stdout=subprocess.PIPE)
        for _ in range(4)
    ]
    try:
        for process in burning:
            assert process.stdout is not None
            process.stdout.readline()
        os.sched_setaffinity(0, {processor})
        step = named(slow(computes), "computes")
    finally:
        os.sched_setaffinity(0, before)
        for process in burning:
            process.kill()
            process.communicate()
    # It had a fifth of a processor.
    assert step.busy is not None and step.busy > 0.7
