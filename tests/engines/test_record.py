"""Step mode and stacks: what is kept of a coroutine's own stack, and of what it printed."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

from cells import cell

from coro_magic.engines import record
from coro_magic.engines.printed import MOST, Printed
from coro_magic.engines.switching import locks
from coro_magic.language import Channel, gather, sleep, spawn

from .runs import run


def inner(depth: int) -> Iterator[Any]:
    if depth:
        yield from inner(depth - 1)
    else:
        yield
        yield


def test_every_switch_is_recorded_with_the_line_and_the_locals_of_who_ran() -> None:
    def counter(first: int) -> Iterator[Any]:
        for number in range(first, first + 2):
            yield
            del number

    scheduler = run(lambda: counter(10), lambda: counter(20), record=True)
    assert scheduler.recorder is not None
    steps = scheduler.recorder.record.steps
    assert [step.row for step in steps] == [0, 1, 0, 1, 0, 1]
    assert [step.switch for step in steps] == [1, 2, 3, 4, 5, 6]
    # The innermost call is last, and the wrapping of a plain function is not seen.
    assert dict(steps[2].stack[-1].locals)["number"] == "11"
    assert steps[0].state == "ready" and steps[-1].state == "done" and not steps[-1].stack


def test_a_stack_has_every_frame_through_yield_from_and_the_source_of_each_function() -> None:
    scheduler = run(inner(2), record=True)
    assert scheduler.recorder is not None
    kept = scheduler.recorder.record
    assert [frame.locals for frame in kept.steps[0].stack] == [
        (("depth", "2"),), (("depth", "1"),), (("depth", "0"),),
    ]  # fmt: skip
    ((_, name, first), lines), *_ = kept.sources.items()
    assert name == "inner" and lines[0].startswith("def inner") and len(lines) == 6
    assert first == inner.__code__.co_firstlineno


def test_a_stack_in_a_blocking_call_has_the_calls_down_to_it() -> None:
    def nap(seconds: float) -> None:
        time.sleep(seconds)

    def blocks() -> Iterator[Any]:
        nap(0.001)
        yield

    scheduler = run(blocks(), record=True)
    assert scheduler.recorder is not None
    first = scheduler.recorder.record.steps[0]
    assert [frame.function for frame in first.stack] == ["blocks", "nap"]
    assert first.state == "waiting"


def test_of_the_notebooks_own_machinery_a_stack_has_neither_names_nor_source(tmp_path: Any) -> None:
    file = tmp_path / "site-packages" / "IPython" / "display.py"
    file.parent.mkdir(parents=True)
    file.write_text("def display(what):\n    return repr(what)\n")
    names: dict[str, Any] = {}
    exec(compile(file.read_text(), str(file), "exec"), names)

    class Slow:
        def __repr__(self) -> str:
            mine = "my own"
            time.sleep(0.001)
            return mine

    def shows() -> Iterator[Any]:
        names["display"](Slow())
        yield

    scheduler = run(shows(), record=True)
    assert scheduler.recorder is not None
    kept = scheduler.recorder.record
    stack = kept.steps[0].stack
    assert [frame.function for frame in stack] == ["shows", "display", "__repr__"]
    assert stack[1].locals == () and ("mine", "'my own'") in stack[2].locals
    assert {function for _, function, _ in kept.sources} == {"shows", "__repr__"}


def test_a_record_is_bounded_and_says_so(monkeypatch: Any) -> None:
    monkeypatch.setattr(record, "MOST_STEPS", 3)

    def many() -> Iterator[Any]:
        for _ in range(10):
            yield

    scheduler = run(many(), record=True)
    assert scheduler.recorder is not None
    assert len(scheduler.recorder.record.steps) == 3 and scheduler.recorder.record.truncated


def test_the_order_of_steps_is_the_same_with_and_without_the_record() -> None:
    def order(**options: Any) -> list[int]:
        seen = []
        channel: Channel[int] = Channel(1)

        def put() -> Iterator[Any]:
            for number in range(5):
                yield channel.put(number)
                seen.append(number)

        def get() -> Iterator[Any]:
            for _ in range(5):
                seen.append(10 + (yield channel.get()))
                yield

        def body() -> Iterator[Any]:
            spawn(put())
            spawn(get())
            yield sleep(0.001)

        run(body, **options)
        return seen

    assert order(record=True) == order()


def test_who_is_left_over_or_deadlocked_keeps_the_stack_at_which_it_stood() -> None:
    channel: Channel[int] = Channel()

    def waits(what: str) -> Iterator[Any]:
        yield channel.get()

    scheduler = run(waits("in vain"))
    (frame,) = scheduler.stacks[0]
    assert frame.function == "waits" and ("what", "'in vain'") in frame.locals


def test_who_was_cancelled_keeps_the_stack_at_which_it_stood_and_nobody_is_asked_for_a_repr() -> None:
    asked: list[str] = []

    class Asked:
        def __repr__(self) -> str:
            asked.append("repr")
            return "asked"

    def waits(what: str) -> Iterator[Any]:
        mine = Asked()
        yield from nap()
        del mine

    def nap() -> Iterator[Any]:
        yield sleep(60)

    def blocks() -> None:
        time.sleep(60)

    def body() -> Iterator[Any]:
        tasks = [spawn(waits, "in vain"), spawn(blocks)]
        yield sleep(0.001)
        for task in tasks:
            task.cancel()

    scheduler = run(body)
    known = {task.name: scheduler.stacks.get(task.row, []) for task in scheduler.tasks}
    assert [frame.function for frame in known["waits"]] == ["waits", "nap"]
    assert ("what", "'in vain'") in known["waits"][0].locals
    assert ("mine", "<Asked>") in known["waits"][0].locals and not asked
    assert [frame.function for frame in known["blocks"]] == ["blocks"]
    assert not known["body"]


def test_what_is_printed_is_kept_apart_per_coroutine() -> None:
    def says(text: str) -> Iterator[Any]:
        print(text, end="")
        yield
        print("!")
        print("to stderr", file=sys.stderr)

    before = sys.stdout, sys.stderr
    scheduler = run(says("a"), says("b"))
    assert (sys.stdout, sys.stderr) == before
    assert scheduler.printed.rows() == [0, 1]
    assert scheduler.printed.text(0) == "a!\nto stderr\n"
    assert scheduler.printed.text(1) == "b!\nto stderr\n"


def test_what_is_kept_of_the_output_is_bounded_and_what_is_not_is_counted() -> None:
    printed = Printed()
    printed.note(0.0, 0, "x" * MOST)
    printed.note(0.0, 1, "more")
    assert len(printed.text()) == MOST and printed.lost == 4


class _Locked:
    """A stream with a lock of its own, as a notebook's is, which another thread holds now and then."""

    def __init__(self) -> None:
        self.text = ""
        self.lock = threading.Lock()

    def write(self, text: str) -> int:
        with self.lock:
            self.text += text
        return len(text)

    def flush(self) -> None: ...


def test_a_stream_that_has_to_wait_for_its_lock_does_not_tear_lines_apart(monkeypatch: Any) -> None:
    stream = _Locked()
    monkeypatch.setattr(sys, "stdout", stream)
    # The machine may have other things to do.
    monkeypatch.setattr(locks, "_MOMENT", 60)

    def holds() -> None:
        for _ in range(20):
            with stream.lock:
                time.sleep(0.002)
            time.sleep(0.0005)

    def says(name: str) -> Iterator[Any]:
        for number in range(20):
            print(name, number, "end")
            yield

    def body() -> Iterator[Any]:
        thread = threading.Thread(target=holds)
        thread.start()
        yield gather(*[spawn(says(name)) for name in "abc"])
        thread.join()

    scheduler = run(body)
    assert not any(reason.verb == "lock" for reason in scheduler.trace.reasons)
    lines = stream.text.splitlines()
    assert len(lines) == 60 and all(len(line.split()) == 3 for line in lines)


def test_a_stream_whose_lock_a_parked_coroutine_has_does_not_stop_the_run(monkeypatch: Any) -> None:
    stream = _Locked()
    monkeypatch.setattr(sys, "stdout", stream)

    def says(name: str) -> Iterator[Any]:
        for number in range(2):
            print(name, number, "end")
            with stream.lock:
                # As a stream does that is flushed to a slow place.
                time.sleep(0.001)
            yield

    def body() -> Iterator[Any]:
        yield gather(*[spawn(says(name)) for name in "abc"])

    run(body)
    words = [word for name in "abc" for number in "01" for word in (name, number, "end")]
    assert sorted(stream.text.split()) == sorted(words)


def test_the_time_that_recording_takes_is_nobody_s(monkeypatch: Any) -> None:
    copies = record.of_frames
    taken = 0.0

    def slowly(frames: Any) -> Any:
        nonlocal taken
        begun = time.perf_counter()
        while time.perf_counter() - begun < 0.01:
            pass
        taken += time.perf_counter() - begun
        return copies(frames)

    monkeypatch.setattr(record, "of_frames", slowly)
    begun = time.perf_counter()
    ran = cell("""
        def driven():
            while True:
                yield
        def drives():
            d = driven()
            for _ in range(5):
                next(d)
                yield
        drives()
        drives()
    """, record="on", slow_step=5)  # fmt: skip
    whole = time.perf_counter() - begun
    trace = ran.run.trace
    assert len(ran.run.steps.steps) > 20 and taken >= 0.2
    assert ran.run.elapsed <= whole - taken
    assert sum(trace.totals()["running"]) <= ran.run.elapsed
    assert sum(step.seconds for step in ran.run.slow_steps) <= whole - taken
