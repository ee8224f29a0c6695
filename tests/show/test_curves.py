"""A sweep, drawn and told."""

from __future__ import annotations

import numpy as np
import pytest

import coro_magic.show  # noqa: F401  (tells a Run how it looks)
from coro_magic.measure.sweep import Sweep

from .runs import run_of, sleepers, swept


def texts(sweep: Sweep) -> str:
    figure = sweep.picture()
    return "\n".join(text.get_text() for text in [*figure.texts, *(t for a in figure.axes for t in a.texts)])


def test_four_plots_have_a_line_for_each_side_on_axes_in_powers_of_ten():
    figure = swept(5).picture()
    assert len(figure.axes) == 4
    for axes in figure.axes:
        assert len(axes.lines) == 2 and axes.get_xscale() == axes.get_yscale() == "log"
        for line in axes.lines:
            assert len(line.get_xdata()) == 5


def test_where_threads_could_not_go_on_it_is_marked_and_their_line_ends_before():
    sweep = swept(5, stopped_at=3)
    time = sweep.picture().axes[1]
    lengths = sorted(len(line.get_xdata()) for line in time.lines)
    assert lengths == [2, 3, 5]  # the mark, the threads, the coroutines
    assert "at n = 1,000 the threads were stopped after 2.0 s" in texts(sweep)


def test_why_larger_points_are_missing_stands_in_the_picture_too():
    sweep = swept(3, stopped_at=2)
    sweep.note = "n = 1,000: the coroutines were stopped after 60.0 s"
    assert f"at n = 100 the threads were stopped after 2.0 s\n{sweep.note}\n" in texts(sweep)


def test_each_other_side_has_a_curve_a_name_and_a_place_in_the_words():
    sweep = swept(4)
    for side in ("threadpool", "sequential", "asyncio", "gevent"):
        for point in sweep.points:
            point.others[side] = point.coroutines
    said = texts(sweep)
    assert all(side in said for side in sweep.sides[2:]) and len(sweep.sides) == 6
    for axes in sweep.picture().axes:
        assert len(axes.lines) == 6
    assert "; asyncio 1.5 ms; gevent 1.5 ms" in sweep.summary()
    sweep.other_notes["gevent"] = "it is not installed"
    assert "gevent: not measured: it is not installed" in sweep.summary()


def test_a_line_of_words_for_every_point_says_who_was_how_fast():
    said = swept(3, stopped_at=2).summary().splitlines()
    assert said[0].startswith("a sweep over n: 20 times as fast as threads at n = 1;")
    assert said[1] == "n = 1: coroutines 1.5 ms, threads 30 ms: 20 ×"
    assert "threads were stopped after 2.0 s" in said[3] and "×" not in said[3]


@pytest.mark.parametrize(
    "sweep", [Sweep(("n",)), swept(1), swept(1, stopped_at=0), swept(3, names=("n", "$m"))]
)
def test_little_much_and_odd_names_can_be_drawn(sweep):
    data, about = sweep._repr_png_()
    assert about["alt"] == sweep.summary().splitlines()[0]
    assert data.startswith(b"\x89PNG") and len(data) < 300_000
    assert sweep.summary()


def test_the_summary_of_a_run_has_its_sweep():
    run = run_of(sleepers(3))
    run.sweep = swept(3)
    assert run.sweep.summary() in run.summary()


def test_throughput_is_the_steps_of_the_program_by_the_time_of_each_side():
    sweep = swept(2)
    np.testing.assert_allclose(
        sweep.column("coroutines", "throughput"), 20 * sweep.column("threads", "throughput")
    )
