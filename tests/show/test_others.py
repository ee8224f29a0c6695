"""More than two sides: in the picture, in words, and in a file."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from coro_magic import show
from coro_magic.language import State, Task
from coro_magic.measure.repeats import Repeats
from coro_magic.measure.run import Run
from coro_magic.measure.saved import SavedError
from coro_magic.show import palette
from coro_magic.show.lives import waits_plot
from coro_magic.show.loading import run_of as loaded
from coro_magic.show.meaning import sections
from coro_magic.show.others import about_others, what_they_mean
from coro_magic.show.side import sides_of

from .runs import run_of, sleepers, threads

NAMES = ("threadpool", "sequential", "asyncio", "gevent")


def many_sides(seconds: float = 0.05, **other: Any) -> Run:
    """Give a run of few coroutines with a baseline and four other sides, written by hand."""
    run = run_of(sleepers(3), baseline=threads(3, seconds))
    for name in NAMES:
        side = threads(3, seconds, **other)
        side.trace.unit = {"sequential": "call", "asyncio": "task", "gevent": "greenlet"}.get(name, "thread")
        run.others[name] = side
    return run


def written(figure: Any) -> list[str]:
    return [text.get_text() for text in figure.texts]


def test_every_side_has_a_band_with_its_name() -> None:
    figure = show.picture(many_sides())
    for caption in ("3 coroutines, 1 thread: ", "3 threads, one per coroutine: ",
                    "3 calls on a pool of threads: ", "3 calls, one after another: ",
                    "3 asyncio tasks, 1 thread: ", "3 greenlets, 1 thread: "):  # fmt: skip
        assert any(text.startswith(caption) for text in written(figure)), caption


def test_every_side_has_a_curve_of_its_own_colour_and_dashes() -> None:
    run = many_sides()
    figure = show.throughput_plot(run)
    curves = [line for line in figure.axes[0].lines if line.get_marker() == "None"]
    assert len({line.get_color() for line in curves}) == len(curves) == 6
    assert len({palette.LINES[side.name][1] for side in sides_of(run)}) == 6
    assert [text.split(":")[0] for text in written(figure) if "per second" in text] == [
        "coroutines", "threads", *NAMES
    ]  # fmt: skip


def test_another_side_that_was_repeated_is_compared_by_its_repeats() -> None:
    run = many_sides(seconds=5.0)
    ones = np.ones(6)
    run.repeats = Repeats(6, ones, 2 * ones, ones, ones, others={"asyncio": 3 * ones, "gevent": ones / 4})
    said = "\n".join(about_others(run))
    assert "3 asyncio tasks, 3 s; the coroutines were 3.0 times as fast (3.0 to 3.0, median of 6" in said
    assert "3 greenlets, 0.25 s; 4.0 times as fast as the coroutines (4.0 to 4.0, median of 6" in said
    assert "threadpool, sequential: run once, and traced" in said


def test_two_sides_look_as_they_do_without_others() -> None:
    run = many_sides()
    several = show.picture(run).get_size_inches()[1]
    run.others.clear()
    two = show.picture(run).get_size_inches()[1]
    assert two < several < 3 * two


def test_a_side_that_was_stopped_shows_where() -> None:
    run = many_sides()
    run.others["gevent"] = threads(3, 0.2, complete=False)
    figure = show.picture(run)
    assert any("stopped after" in text.get_text() for axes in figure.axes for text in axes.texts)
    assert "gevent: 3 greenlets, more than 0.20 s (stopped)" in run.summary()


@pytest.mark.parametrize(
    ("elapsed", "said"),
    [(1000.0, "the coroutines were "), (1e-4, " as fast as the coroutines"), (0.0, "")],
)
def test_a_side_has_a_line_with_its_count_its_time_and_who_was_faster(elapsed: float, said: str) -> None:
    run = many_sides()
    run = replace(run, elapsed=10.0)
    run.others = {"asyncio": replace(run.others["asyncio"], elapsed=elapsed, notes=["a note"])}
    (line,) = (line for line in run.summary().splitlines() if line.startswith("asyncio: 3 asyncio tasks, "))
    assert said in line and line.endswith("; a note")


def test_where_more_have_failed_nobody_is_called_faster() -> None:
    run = replace(many_sides(), elapsed=10.0)
    failed = Task(None, run.others["asyncio"], 0)
    failed.end(State.FAILED, error=ValueError("no"))
    run.others = {"asyncio": replace(run.others["asyncio"], elapsed=1000.0, tasks=[failed])}
    (line,) = (line for line in run.summary().splitlines() if line.startswith("asyncio: "))
    assert "1 failed" in line and "as fast" not in line


def test_a_document_has_the_others_and_they_are_read_back() -> None:
    run = many_sides()
    del run.others["sequential"]
    run.other_notes["sequential"] = "it cannot"
    data = show.to_dict(run)
    assert [(each["name"], each["run"] is None) for each in data["others"]] == [
        ("threadpool", False), ("asyncio", False), ("gevent", False), ("sequential", True)
    ]  # fmt: skip
    back = loaded(data)
    assert list(back.others) == list(run.others) and back.other_notes == run.other_notes
    assert back.summary() == run.summary()
    assert [side.name for side in sides_of(back)] == [side.name for side in sides_of(run)]


@pytest.mark.parametrize(
    "others",
    [[{"name": "curio", "run": None, "note": ""}], [{"name": "asyncio", "run": {}, "note": ""}], {}, [1],
     [{"name": "asyncio", "run": None, "note": ""}] * 2, [{"name": "asyncio", "run": None}]],
)  # fmt: skip
def test_others_that_do_not_fit_are_a_value_error(others: Any) -> None:
    data = show.to_dict(run_of(sleepers(1)))
    data["others"] = others
    with pytest.raises(ValueError, match="others"):
        loaded(data)


def asyncio_beside(coroutines: float, seconds: float, pairs: float = 0.0, **more: Any) -> Run:
    """Give a run with one other side; with `pairs` it was repeated and took so many times as long there."""
    run = replace(run_of(sleepers(3)), elapsed=coroutines)
    run.others = {"asyncio": replace(threads(3, seconds), elapsed=seconds, **more)}
    if pairs:
        ones = np.ones(6)
        run.repeats = Repeats(6, ones, ones, ones, ones, others={"asyncio": pairs * ones})
    return run


_MEDIANS = "(the medians of 6 untraced pairs)"


@pytest.mark.parametrize(
    ("run", "said"),
    [
        (asyncio_beside(1, 3), "took 3 s, and the coroutines 1 s: the coroutines were 3.0 times as fast."),
        (asyncio_beside(3, 1), "took 1 s, and the coroutines 3 s: it was 3.0 times as fast."),
        (asyncio_beside(1, 1.01), "took 1.01 s, and the coroutines 1 s: neither was faster."),
        (asyncio_beside(1, 1.2), "one run of each cannot tell which is faster."),
        (asyncio_beside(1, 9, pairs=2.0),
         f"took 2 s, and the coroutines 1 s {_MEDIANS}: the coroutines were 2.0 times as fast."),
        (asyncio_beside(1, 9, pairs=1.0),
         f"took 1 s, and the coroutines 1 s {_MEDIANS}: the difference is within the noise."),
        (asyncio_beside(1, 9, complete=False),
         "had not ended after 9 s, when that was stopped: the coroutines were more than 9.0 times as fast."),
        (asyncio_beside(9, 1, complete=False),
         "stopped, before it had taken as long as the coroutines: nobody knows which is faster."),
        (asyncio_beside(1, 3, wanted=7), "cannot be compared: the system would not start more than 3 of 7."),
    ],
)  # fmt: skip
def test_what_it_means_has_a_sentence_for_each_side_by_the_rules_of_the_headline(run: Run, said: str) -> None:
    (sentence,) = what_they_mean(run)
    assert sentence.startswith("asyncio ") and sentence.endswith(said)
    section = next(each for each in sections(run) if each.heading == "How the others did")
    assert section.sentences == (sentence,)


def test_repeats_are_named_where_they_can_tell_more_and_only_there() -> None:
    run = asyncio_beside(1, 1.2)
    run.others["one process"] = run.others["asyncio"]
    run.baseline = threads(3, 1.2)
    ends = [sentence.endswith(" faster (--repeat 10 can).") for sentence in what_they_mean(run)]
    assert ends == [True, False]


def test_what_it_means_says_what_failed_on_a_side_and_why_one_is_missing() -> None:
    run = asyncio_beside(1, 3)
    failed = Task(None, run.others["asyncio"], 1)
    failed.end(State.FAILED, error=SavedError("KeyError", "'k'"))
    run.others["asyncio"].tasks = [failed]
    run.other_notes["gevent"] = "gevent cannot: line 3 awaits."
    assert what_they_mean(run) == [
        "asyncio cannot be compared: nap failed there with KeyError: 'k'.",
        "There is no run of gevent to compare with: gevent cannot: line 3 awaits.",
    ]


def test_without_other_sides_nothing_is_said_of_them() -> None:
    run = run_of(sleepers(3), threads(3, 0.1))
    assert "How the others did" not in [each.heading for each in sections(run)]


def test_single_waits_have_a_curve_and_a_line_for_each_side_and_say_whose_are_not_known() -> None:
    run = many_sides()
    run.others["gevent"] = replace(threads(3, 0.05), trace=run_of(sleepers(2), detail=0).trace)
    figure = waits_plot(run)
    for name in ("coroutines", "threads", "threadpool", "sequential", "asyncio"):
        assert any(text.startswith(f"{name}: 3, ") or text.startswith(f"{name}: 4, ") or
                   text.startswith(f"{name}: 9, ") for text in written(figure)), name  # fmt: skip
    assert any(text.startswith("gevent: single waits are not known") for text in written(figure))
    (axes,) = figure.axes
    assert len({patch.get_edgecolor() for patch in axes.patches}) == 5


def test_the_throughput_tab_names_a_side_that_is_missing() -> None:
    pytest.importorskip("ipywidgets")
    from coro_magic.show.tabs import throughput

    run = run_of(sleepers(2))
    run.other_notes["asyncio"] = "line 3 waits in a <plain> call"
    said = "There is no run of asyncio to compare with: line 3 waits in a &lt;plain&gt; call."
    assert said in throughput(run)


def test_table_and_output_have_every_side_by_its_name() -> None:
    pytest.importorskip("anywidget")
    from coro_magic.show.printing import Printing
    from coro_magic.show.table import Table

    run = many_sides()
    table = Table(run)
    assert [side["name"] for side in table.sides] == ["coroutines", "threads", *NAMES]
    assert table.answer({"kind": "rows", "id": 1, "side": 5, "count": 9})["found"] == 4
    shown = Printing(run).shown.value
    assert all(f"<h4>{name}</h4>" in shown for name in ("coroutines", "threads", *NAMES))
