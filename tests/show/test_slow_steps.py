"""How steps that held the thread are told and drawn."""

from __future__ import annotations

import json
from typing import Any

import pytest
from matplotlib.collections import PolyCollection

from coro_magic import show
from coro_magic.engines.slow import SlowStep
from coro_magic.language import Channel, Event, Semaphore, Where, mark, sleep, spawn
from coro_magic.measure.run import Run
from coro_magic.show import figures
from coro_magic.show.sheet import png

from .runs import run_of, sleepers, threads
from .test_pictures import texts

HERE = Where("<cell>", 7)


def held(*steps: SlowStep, count: int = 3, baseline: Run | None = None, **options: Any) -> Run:
    """A run of some sleepers in which these steps are said to have held the thread."""
    run = run_of(sleepers(count), baseline, **options)
    run.slow_steps, run.slow_count = list(steps), len(steps)
    return run


def step(seconds: float = 1.2, busy: float | None = 0.0, row: int = 1, **more: Any) -> SlowStep:
    given: dict[str, Any] = {"where": HERE, "call": "database.execute(query)", **more}
    return SlowStep(f"worker-{row}", row, 0.001 * row, seconds, busy=busy, **given)


def told(*steps: SlowStep) -> list[str]:
    lines = show.summary(held(*steps)).splitlines()
    return [line for line in lines if "held the thread" in line or "computed for" in line]


def test_a_call_that_blocked_is_told_with_line_call_length_name_and_what_to_do() -> None:
    assert told(step()) == [
        "line 7: database.execute(query) held the thread for 1.2 s, in worker-1 "
        "(it blocked, and could not be switched: in_thread(...) around the call lets the others run)"
    ]


def test_computing_is_told_apart_and_gets_no_advice_to_use_a_thread() -> None:
    assert told(step(busy=0.98, call="", text="for n in range(10**7):")) == [
        "line 7: for n in range(10**7): computed for 1.2 s without a switch, in worker-1"
    ]


def test_some_of_both_is_told_with_the_share() -> None:
    (line,) = told(step(busy=0.5))
    assert line.endswith("held the thread for 1.2 s, in worker-1 (for 50 % of it by computing)")


def test_what_was_only_seen_is_called_about() -> None:
    assert "for about 1.2 s" in told(step(exact=False))[0]


def test_a_function_of_a_library_is_named_beside_the_line() -> None:
    assert "database.execute(query) (in driver.Connection.send) held" in told(
        step(inside="driver.Connection.send"))[0]  # fmt: skip


def test_a_step_at_which_nobody_looked_is_told_all_the_same() -> None:
    assert told(step(where=None, call="")) == [
        "worker-1 held the thread for 1.2 s, nobody saw at which line"
    ]


def test_one_line_that_does_it_again_and_again_is_told_once() -> None:
    (line,) = told(*(step(0.1, row=1 + n % 2) for n in range(40)))
    assert "held the thread for 4 s in 40 steps, in 2 coroutines, worker-1 among them" in line


def test_the_three_worst_are_told_and_how_many_more_there_were() -> None:
    steps = [step(2 - n / 10, where=Where("<cell>", n)) for n in range(1, 9)]
    run = held(*steps)
    run.slow_count = 1234
    lines = show.summary(run).splitlines()
    at = next(number for number, line in enumerate(lines) if line.startswith("line 1:"))
    assert [line.split(":")[0] for line in lines[at : at + 3]] == ["line 1", "line 2", "line 3"]
    assert lines[at + 3] == "and 1,231 more steps that held the thread for 50 ms or longer"


def test_hostile_text_is_one_bounded_line() -> None:
    (line,) = told(step(call="f(\x00'" + "x" * 10_000 + "')", inside="m.\n" * 100))
    assert len(line) < 400 and line.isprintable()


def test_a_run_without_slow_steps_says_nothing_of_them_and_draws_none() -> None:
    run = held()
    assert told() == []
    assert not any("held the thread" in text for text in texts(show.picture(run)))


@pytest.mark.parametrize("count", [3, 300])
def test_slow_steps_are_hatched_labelled_and_in_the_legend(count: int) -> None:
    run = held(step(0.003), step(0.002, row=2), count=count, baseline=threads(count, 0.05))
    figure = show.picture(run)
    hatched = [part for part in figure.axes[0].collections + figure.axes[1].collections
               if isinstance(part, PolyCollection) and part.get_hatch()]  # fmt: skip
    assert hatched
    assert {"held the thread for 50 ms or longer", "3 ms: database.execute(query)"} <= set(texts(figure))


@pytest.mark.parametrize("slow", [0, 1])
@pytest.mark.parametrize("with_threads", [False, True])
@pytest.mark.parametrize("waits", range(4))
@pytest.mark.parametrize(("fails", "marks"), [(False, False), (False, True), (True, False), (True, True)])
def test_no_entry_of_the_legend_goes_beyond_the_picture(
    monkeypatch: pytest.MonkeyPatch, fails: bool, marks: bool, waits: int, with_threads: bool, slow: int
) -> None:
    # Letters are not all as wide: what fits cannot be told by their number.
    monkeypatch.setattr(figures, "_wait_label", lambda verb: f"WAITING: {verb.upper()}")

    def body() -> Any:
        yield from sleepers(2)()
        channel, event, semaphore = Channel[int](), Event(), Semaphore(0)
        if fails:
            spawn(failing())
        if marks:
            mark("here")
        for wait in (channel.get, event.wait, semaphore.acquire)[:waits]:
            spawn(one(wait))
        yield sleep(0.003)

    def failing() -> Any:
        yield
        raise ValueError

    def one(wait: Any) -> Any:
        yield wait()

    run = run_of(body, threads(3, 0.02) if with_threads else None)
    run.slow_steps, run.slow_count = [step(0.003)] * slow, slow
    figure = show.picture(run)
    figure.canvas.draw()
    (legend,) = figure.legends
    assert len(legend.get_texts()) >= 3
    ends = {text.get_text(): text.get_window_extent().x1 for text in legend.get_texts()}
    assert all(end <= figure.bbox.x1 for end in ends.values()), ends


@pytest.mark.parametrize("options", [{}, {"clock": "virtual"}, {"trace": False}])
def test_there_is_a_picture_with_thousands_of_slow_steps(options: dict[str, Any]) -> None:
    run = held(*(step(0.0001, row=1 + n % 3) for n in range(1000)), **options)
    assert len(png(show.picture(run))) < 300_000


def test_labels_of_slow_steps_and_of_marks_do_not_lie_on_one_another() -> None:
    def body() -> Any:
        for n in range(5):
            mark(f"mark {n}")
        yield from sleepers(3)()

    run = run_of(body)
    run.slow_steps, run.slow_count = [step(0.0003, row=n) for n in range(3)], 3
    figure = show.timeline(run)
    figure.canvas.draw()
    shown = [text for text in figure.axes[0].texts if text.get_text().startswith(("mark", "300 µs"))]
    assert len(shown) >= 4
    boxes = [text.get_window_extent() for text in shown]
    for number, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in boxes[number + 1 :])


def test_slow_steps_are_exported() -> None:
    data = show.to_dict(held(step(exact=False, inside="m.f", text="database.execute(query)")))
    assert json.loads(json.dumps(data, allow_nan=False)) == data
    assert data["slow_count"] == 1 and data["slow_steps"] == [
        {"name": "worker-1", "row": 1, "begin": 0.001, "seconds": 1.2, "where": {"file": "<cell>", "line": 7},
         "call": "database.execute(query)", "inside": "m.f", "text": "database.execute(query)",
         "busy": 0.0, "exact": False}
    ]  # fmt: skip
