"""`coro_magic.run`: what it takes, what it gives, and how it fails."""

from __future__ import annotations

import ctypes
import functools
import threading

import pytest
from cells import cell

import coro_magic
from coro_magic import OPTIONS, State, run, sleep, spawn


def worker(n, *more, by=1, **named):
    yield
    return n * by, more, named


async def native(n):
    await sleep(0)
    return n


def plain():
    return "plain"


class Shop:
    def __init__(self, price):
        self.price = price

    def sell(self, n):
        yield
        return n * self.price


def quiet(*coroutines, **options):
    return run(*coroutines, **{"baseline": "off", **options})


@pytest.mark.parametrize("given, result", [
    (lambda: worker(2, 3, by=4, x=5), (8, (3,), {"x": 5})),
    (lambda: native(1), 1),
    (lambda: plain, "plain"),
    (lambda: functools.partial(worker, 2, by=3), (6, (), {})),
    (lambda: Shop(3).sell(2), 6),
    (lambda: functools.partial(Shop(3).sell, 2), 6),
    (lambda: native, TypeError),
])  # fmt: skip
def test_it_takes_coroutines_and_functions_and_runs_the_same_on_threads(given, result):
    if isinstance(result, type):
        with pytest.raises(result):
            run(given())
        return
    ran = run(given())
    assert list(ran.results.values()) == [result]
    assert ran.baseline is not None, ran.baseline_note
    assert list(ran.baseline.results.values()) == [result]


def test_closures_are_made_again_for_the_baseline():
    offset = [10]

    def adds(n):
        yield
        offset.append(n)
        return offset[0] + n

    ran = run(adds(1), adds(2))
    assert ran.results == ran.baseline.results == {"adds": 11, "adds-2": 12}
    assert offset == [10, 1, 2]


def test_coroutines_that_share_an_object_share_it_in_the_baseline_too():
    channel = coro_magic.Channel()

    def puts():
        yield channel.put("item")

    def gets():
        return (yield channel.get())

    ran = run(puts(), gets())
    assert ran.results == ran.baseline.results == {"puts": None, "gets": "item"}


def test_arguments_that_were_changed_before_the_run_are_as_they_are_now():
    given = []

    def f(values):
        yield
        return list(values)

    coroutine = f(given)
    given.append(1)
    assert quiet(coroutine).results == {"f": [1]}


def test_what_cannot_be_copied_costs_the_baseline_only():
    lock = threading.Lock()

    def f():
        yield
        return lock.locked()

    ran = run(f())
    assert ran.results == {"f": False}
    assert ran.baseline is None and "cannot be copied" in ran.baseline_note


def test_an_error_is_raised_with_the_run():
    def bad():
        yield
        raise KeyError("x")

    with pytest.raises(KeyError) as caught:
        quiet(bad())
    assert caught.value.run.tasks[0].state is State.FAILED
    assert any("in coroutine bad" in note for note in caught.value.__notes__)


def test_several_errors_are_a_group_with_the_run():
    def bad(n):
        yield
        raise ValueError(n)

    with pytest.raises(ExceptionGroup) as caught:
        quiet(bad(1), bad(2))
    assert [str(error) for error in caught.value.exceptions] == ["1", "2"]
    assert len(caught.value.run.tasks) == 2


def test_an_error_that_somebody_saw_to_is_not_raised():
    def bad():
        yield
        raise ValueError

    def sees_to_it():
        try:
            yield spawn(bad())
        except ValueError:
            return "seen"

    assert quiet(sees_to_it()).results == {"sees_to_it": "seen"}


@pytest.mark.parametrize("given, error, said", [
    ((), TypeError, "got none"),
    ((5,), TypeError, "not int"),
    ((int,), TypeError, "not type"),
])  # fmt: skip
def test_what_is_no_coroutine_is_refused(given, error, said):
    with pytest.raises(error, match=said):
        run(*given)


def test_one_that_has_begun_is_refused():
    begun = worker(1)
    next(begun)
    with pytest.raises(ValueError, match="was started already"):
        run(begun)
    twice = worker(1)
    with pytest.raises(ValueError, match="handed over"):
        run(twice, twice)


@pytest.mark.parametrize("options, error, said", [
    ({"order": "sideways"}, ValueError, "order: 'sideways' is not one of fifo, lifo, random"),
    ({"seed": "x"}, ValueError, "seed: must be a whole number, and is 'x'"),
    ({"baseline_budget": 0}, ValueError, "baseline_budget: must be more than 0"),
    ({"baseline_budget": "much"}, ValueError, "must be a number"),
    ({"baseline_budget": float("nan")}, ValueError, "must be more than 0"),
    ({"detail": -1}, ValueError, "0 or more"),
    ({"colour": "red"}, TypeError, "no option 'colour'"),
])  # fmt: skip
def test_an_unknown_option_or_value_is_refused_in_words(options, error, said):
    with pytest.raises(error, match=said):
        run(plain, **options)


def blocking():
    yield
    ctypes.CDLL(None).usleep(300_000)


def test_a_run_has_the_steps_that_held_the_thread_and_how_many():
    seen = quiet(blocking(), slow_step=100)
    (step,) = seen.slow_steps
    assert (step.name, step.row, seen.slow_count) == ("blocking", 0, 1)
    assert step.where.line == blocking.__code__.co_firstlineno + 2
    assert quiet(blocking(), slow_step=1e6).slow_steps == []


def test_on_and_off_can_be_said_with_booleans():
    assert quiet(plain, trace=False).options["trace"] == "off"
    assert quiet(plain, trace=True).options["trace"] == "on"


def test_every_option_has_a_default_that_it_accepts():
    for option in OPTIONS:
        assert option.checked(option.default) == option.default


def test_the_same_seed_gives_the_same_order():
    def orders(seed):
        log = []

        def f(n):
            for _ in range(3):
                log.append(n)
                yield

        quiet(*(f(n) for n in range(5)), order="random", seed=seed)
        return log

    assert orders(1) == orders(1) != orders(2)


def test_it_cannot_be_called_from_another_thread():
    said = []

    def other():
        try:
            run(plain)
        except RuntimeError as error:
            said.append(str(error))

    thread = threading.Thread(target=other)
    thread.start()
    thread.join()
    assert "main thread" in said[0]


def test_what_a_run_knows():
    def parent():
        yield
        return (yield spawn(worker(1), name="child"))

    ran = quiet(parent(), native(2))
    parent_task, native_task, child = ran.tasks
    assert [task.name for task in ran.tasks] == ["parent", "native", "child"]
    assert child.parent == "parent" and parent_task.parent is None
    assert ran.elapsed > 0 and ran.switches == sum(task.resumptions for task in ran.tasks)
    assert ran.throughput == pytest.approx(ran.switches / ran.elapsed)
    assert ran.speedup is None and ran.baseline_note == "switched off"
    assert native_task.state is State.DONE and ran.left_over == []
    assert "3 coroutines" in ran.summary() and "3 coroutines" in repr(ran)
    assert {"parent", "native", "child"} <= set(ran.results)


def test_left_over_consumers_are_named():
    channel = coro_magic.Channel()

    def consumer():
        while True:
            yield channel.get()

    ran = quiet(plain, consumer())
    assert [task.name for task in ran.left_over] == ["consumer"]
    assert "consumer" in ran.summary()


def test_a_run_without_a_trace_has_its_results():
    ran = run(worker(1), trace="off")
    assert list(ran.results) == ["worker"] and ran.baseline.results == ran.results


def test_the_modules_generator_functions_are_what_they_were():
    before = worker
    run(worker(1))
    assert worker is before and globals()["worker"] is before


def test_virtual_time_makes_an_hour_short():
    def f():
        yield sleep(3600)

    ran = quiet(f(), clock="virtual")
    assert ran.virtual and ran.elapsed == 3600


def test_speedup_is_how_many_times_as_long_the_threads_took():
    ran = run(worker(1))
    assert ran.speedup == pytest.approx(ran.baseline.elapsed / ran.elapsed)


def test_names_are_made_unique_whatever_they_are():
    def f():
        yield

    ran = cell(
        "from coro_magic import spawn\ndef f():\n    yield\nspawn(f(), name='f-2')\nf()\nf()\n"
        "spawn(f(), name=5)"
    )
    assert len(set(ran.tasks)) == 4


def test_a_run_of_calls_is_made_again_from_its_calls() -> None:
    def count(to: int):
        for _ in range(to):
            yield
        return to

    first = coro_magic.run(count(3), count(5), baseline="off")
    again = first.again(order="lifo")
    assert again.results == first.results == {"count": 3, "count-2": 5}
    assert again.options == {**first.options, "order": "lifo"}


def test_a_run_that_is_made_again_and_fails_has_its_error_and_raises_nothing() -> None:
    tries: list[int] = []

    def fails():
        yield
        tries.append(1)
        if len(tries) > 1:
            raise ValueError("the second time")

    again = coro_magic.run(fails, baseline="off").again()
    assert isinstance(again.error, ValueError)


@pytest.mark.parametrize(("wrong", "said"), [
    (lambda: run(5), r"run\(\) takes a coroutine or a function, not int"),
    (lambda: run([worker(1)]), r"run\(\*coroutines\) takes a coroutine or a function, not list"),
    (lambda: quiet(worker(1)).compare(5), r"compare\(\) takes another Run, not int"),
])  # fmt: skip
def test_what_is_given_by_mistake_is_told_with_what_would_be_right(wrong, said):
    with pytest.raises(TypeError, match=said):
        wrong()
