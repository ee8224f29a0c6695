"""The picture: what can be seen in it. Where colours are asked for, they are looked for in the pixels."""

from __future__ import annotations

import io
import itertools
import subprocess
import sys
from typing import Any

import matplotlib
import numpy as np
import pytest
from matplotlib.collections import PolyCollection
from matplotlib.colors import to_rgb

from coro_magic import show
from coro_magic.engines.trace import Trace
from coro_magic.language import mark, sleep, spawn
from coro_magic.measure.run import Run
from coro_magic.show import palette
from coro_magic.show.rows import flags, mixed_colours, stacked_colours
from coro_magic.show.sheet import png
from coro_magic.show.side import OTHER, read, sides_of, waits_of

from .runs import run_of, sleepers, threads, troubled


def pixels(figure: Any) -> np.ndarray:
    return np.round(matplotlib.image.imread(io.BytesIO(png(figure)))[:, :, :3] * 255).astype(int)


def has(figure: Any, colour: str, least: int = 5) -> bool:
    """Say whether so many pixels of the first timeline, legend and texts left out, have a colour."""
    image = pixels(figure)
    box = figure.axes[0].get_window_extent().padded(6)
    high = image.shape[0]
    inside = image[int(high - box.y1) : int(high - box.y0), int(box.x0) : int(box.x1)]
    wanted = np.round(np.array(to_rgb(colour)) * 255)
    return int((np.abs(inside - wanted).max(axis=2) <= 6).sum()) >= least


def texts(figure: Any) -> list[str]:
    found = [text.get_text() for text in figure.texts]
    for axes in figure.axes:
        found += [text.get_text() for text in axes.texts]
    for legend in figure.legends:
        found += [text.get_text() for text in legend.get_texts()]
    return found


def artists(figure: Any) -> int:
    return len(figure.findobj(include_self=False))


def test_importing_the_room_loads_neither_matplotlib_nor_ipywidgets() -> None:
    code = (
        "import sys, coro_magic.show\n"
        "loaded = {'matplotlib', 'ipywidgets'} & set(sys.modules)\n"
        "raise SystemExit(f'{loaded} came in' if loaded else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_headline_is_the_title() -> None:
    run = run_of(sleepers(3), threads(3, 0.02))
    # A long one is broken into lines.
    assert show.headline(run) in " ".join(texts(show.picture(run)))


def test_few_coroutines_have_their_names_in_spawn_order_from_the_top() -> None:
    figure = show.picture(run_of(sleepers(3)))
    shown = [text for text in figure.axes[0].texts if text.get_text().startswith(("body", "nap"))]
    assert [text.get_text() for text in shown] == ["body", "nap", "nap-2", "nap-3"]
    figure.canvas.draw()
    heights = [text.get_window_extent().y0 for text in shown]
    assert heights == sorted(heights, reverse=True)


def test_running_ready_and_waiting_are_seen_in_their_colours() -> None:
    def body():
        for _ in range(3):
            spawn(busy())
        yield

    def busy():
        for _ in range(2):
            sum(range(200_000))
            yield
        yield sleep(0.01)

    figure = show.timeline(run_of(body))
    for colour in (palette.RUNNING, palette.READY, palette.WAITS[0]):
        assert has(figure, colour, 50), colour
    assert "waiting: sleep" in texts(figure)


def test_a_step_of_a_microsecond_in_a_long_run_is_still_seen() -> None:
    figure = show.timeline(run_of(sleepers(3, 20), clock="virtual"))
    # The legend's own patch has some hundred pixels of this colour too.
    dark = np.abs(pixels(figure)[100:] - np.round(np.array(to_rgb(palette.RUNNING)) * 255)).max(axis=2) < 60
    assert dark.sum() > 200


def test_both_sides_have_the_same_time_axis() -> None:
    run = run_of(sleepers(3))
    # Longer, whatever the machine has to do.
    run.baseline = threads(3, 1.5 * run.elapsed)
    assert {axes.get_xlim() for axes in show.picture(run).axes} == {(0.0, run.baseline.elapsed)}


def test_a_side_that_is_much_shorter_is_shown_a_second_time_magnified() -> None:
    run = run_of(sleepers(3), threads(3, 5.0))
    figure = show.picture(run)
    assert any("magnified" in text for text in texts(figure))
    assert any(axes.get_xlim()[1] == pytest.approx(run.elapsed) for axes in figure.axes)


def test_the_legend_says_that_a_thread_may_only_wait_for_the_gil() -> None:
    figure = show.picture(run_of(sleepers(3), threads(3, 0.02)))
    assert any("waiting for the GIL" in text for text in texts(figure))
    assert has(show.timeline(threads(3, 0.02)), palette.ACTIVE, 1000)
    assert not any("GIL" in text for text in texts(show.picture(run_of(sleepers(3)))))


def test_a_baseline_that_was_stopped_shows_where() -> None:
    def lines(complete: bool) -> list[str]:
        return texts(show.picture(run_of(sleepers(3), threads(3, 0.05, complete=complete))))

    assert "stopped after 50 ms" in lines(False)
    assert not any("stopped after" in text for text in lines(True))


def test_a_failed_a_cancelled_and_a_left_over_coroutine_are_marked() -> None:
    figure = show.timeline(run_of(troubled))
    assert {"failed", "cancelled", "left over, still waiting", "mark"} <= set(texts(figure))
    assert has(figure, palette.FAILED, 25)
    assert not has(show.timeline(run_of(sleepers(3))), palette.FAILED, 1)


def test_a_failure_among_thousands_is_seen() -> None:
    def body():
        for number in range(2000):
            spawn(maybe(number))
        yield

    def maybe(number):
        yield
        if number == 1234:
            raise ValueError

    figure = show.timeline(run_of(body))
    assert has(figure, palette.FAILED, 15)


def test_dollars_and_markup_in_names_and_marks_are_only_text() -> None:
    def body():
        spawn(sleepers(0)(), name="$\\frac{1$ <img onerror=x>")
        mark("$\\broken")
        yield

    figure = show.picture(run_of(body))
    assert png(figure)
    assert "$\\broken" in texts(figure)


def test_marks_beyond_a_bound_are_counted_not_written() -> None:
    def body():
        for number in range(500):
            mark(f"number {number}")
            yield

    figure = show.picture(run_of(body))
    assert sum(text.startswith("number") for text in texts(figure)) <= 12
    assert any("more marks" in text for text in texts(figure))
    assert artists(figure) < 3000


@pytest.mark.parametrize("count", [0, 1, 3, 50, 1000, 20_000])
def test_a_picture_of_any_number_of_coroutines_has_a_bounded_number_of_parts_and_bytes(count: int) -> None:
    run = run_of(sleepers(count, 1), threads(min(count, 1000), 0.05))
    figure = show.picture(run)
    assert artists(figure) < 2000
    assert len(png(figure)) < 150_000
    width, height = figure.get_size_inches()
    assert width == 6.4 and 3 < height < 8


def test_many_steps_of_few_coroutines_are_an_image_not_bars() -> None:
    def body():
        for _ in range(3):
            spawn(steps())
        yield

    def steps():
        for _ in range(20_000):
            yield

    # None of them is long, and marked as that.
    figure = show.picture(run_of(body, slow_step=60))
    assert not [part for part in figure.axes[0].collections if isinstance(part, PolyCollection)]
    assert len(figure.axes[0].images) == 1


def test_a_run_longer_than_its_detail_has_a_picture() -> None:
    run = run_of(sleepers(100, 20), detail=500)
    assert not run.trace.detailed
    figure = show.picture(run)
    assert has(figure, palette.WAITS[0], 100)
    assert "waiting" in texts(figure)


def test_shares_of_the_intervals_and_of_the_traces_own_grid_agree() -> None:
    run = run_of(sleepers(300, 3), clock="virtual")
    side = read(run)
    waits = waits_of([side])
    ours = side.shares(waits, 20, 50)
    theirs = run.trace.occupancy(20, 50)
    rows = np.bincount(np.arange(side.rows) * 20 // side.rows)
    assert np.allclose((ours[:, :, 2:].sum(axis=2) * rows[:, None]).sum(axis=0), theirs[:, :, 2].sum(axis=0))


def test_only_the_largest_waits_have_colours_of_their_own() -> None:
    trace = Trace(unit="thread")
    from coro_magic.engines.trace import BORN_WAITING, RESUMED, STOPPED, SUSPENDED

    row = trace.born("t", -1, 0, 0.0, BORN_WAITING)
    time = 0.0
    for seconds, verb in enumerate(("a", "b", "c", "d", "e"), start=1):
        trace.write((row, RESUMED, time))
        trace.write((row, trace.code(SUSPENDED, verb, None), time))
        time += seconds
    trace.write((row, RESUMED, time))
    trace.write((row, STOPPED, time))
    trace.close(time, 6)
    side = read(Run(tasks=[], trace=trace, elapsed=time, switches=6))
    waits = waits_of([side])
    assert waits.verbs == ("e", "d", "c", OTHER)
    assert len(set(waits.colours())) == 4


def test_a_tiny_share_of_running_is_visible_in_a_cell_of_many_rows() -> None:
    shares = np.zeros((10, 10, 3))
    shares[:, :, 0] = 1.0
    plain = mixed_colours(shares, [palette.READY, palette.RUNNING, palette.WAITS[0]], 1000)
    shares[4, 4, 1] = 1e-6
    shown = mixed_colours(shares, [palette.READY, palette.RUNNING, palette.WAITS[0]], 1000)
    assert np.abs(shown[4, 4, :3] - plain[4, 4, :3]).max() > 0.3
    assert np.allclose(np.delete(shown.reshape(100, 4), 44, 0), np.delete(plain.reshape(100, 4), 44, 0))


def test_a_named_rows_height_is_divided_as_its_time_is() -> None:
    shares = np.array([[[0.5, 0.25, 0.25]]])
    column = stacked_colours(shares, ["#ff0000", "#0000ff", "#00ff00"])[:, 0, :3]
    assert [int((column == colour).all(axis=1).sum()) for colour in np.eye(3)[[0, 2, 1]]] == [6, 3, 3]


@pytest.mark.parametrize("draw", [show.picture, show.timeline, show.throughput_plot])
def test_a_run_without_a_trace_or_without_anything_says_so(draw: Any) -> None:
    empty = Run(tasks=[], trace=Trace(), elapsed=0.0, switches=0)
    for run in (run_of(sleepers(3), trace=False), empty, run_of(sleepers(3), threads(3, 0.1), trace=False)):
        assert png(draw(run)).startswith(b"\x89PNG")
    assert any("without a trace" in text for text in texts(show.picture(run_of(sleepers(2), trace=False))))


def test_the_users_style_is_neither_used_nor_changed() -> None:
    run = run_of(sleepers(3))
    plain = pixels(show.picture(run))
    dark = {"figure.facecolor": "black", "font.family": "monospace", "axes.spines.bottom": False}
    with matplotlib.rc_context(dark):
        image = pixels(show.picture(run))
        assert matplotlib.rcParams["figure.facecolor"] == "black"
    assert image.shape == plain.shape and (image == plain).all()


def test_no_figure_is_made_through_pyplot() -> None:
    show.picture(run_of(sleepers(3)))
    pyplot = sys.modules.get("matplotlib.pyplot")
    assert pyplot is None or not pyplot.get_fignums()


def test_a_figure_displays_itself_as_a_png() -> None:
    run = run_of(sleepers(3))
    data, about = show.timeline(run)._repr_png_()
    assert data.startswith(b"\x89PNG")
    assert about == {"alt": f"{run.summary().splitlines()[0]}. Timelines of coroutines"}
    says = show.displayed(show.picture(run))[1]["alt"]
    assert says.endswith("and below them their resumptions against time")


def test_flags_of_marks_near_the_right_edge_are_not_printed_over_one_another() -> None:
    def ends(number: int) -> Any:
        yield sleep(0.02 * number)
        mark("done")

    def body() -> Any:
        for number in (18, 19, 20):
            spawn(ends(number))
        yield

    run = run_of(body, clock="virtual")
    (side,) = sides_of(run)
    placed = flags(side, side.seconds, 4.0)
    assert len(placed) >= 2
    for one, other in itertools.combinations(placed, 2):
        assert one[1] != other[1] or abs(one[0] - other[0]) >= 0.38
