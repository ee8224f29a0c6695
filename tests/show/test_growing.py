"""The growing timeline of a run that goes on."""

from __future__ import annotations

import io
import time

import numpy as np
import pytest
from matplotlib.image import imread

from coro_magic.engines.glimpse import Glimpse, Grouped
from coro_magic.engines.scheduler import Scheduler
from coro_magic.engines.trace import Trace
from coro_magic.measure.underway import Underway
from coro_magic.show import growing, palette

from .runs import sleepers


def pixels(png: bytes) -> np.ndarray:
    return (imread(io.BytesIO(png), format="png")[:, :, :3] * 255).round().astype(int)


def has(colour: str, image: np.ndarray) -> bool:
    return bool((np.abs(image - growing._rgb(colour)).sum(axis=2) < 6).any())


@pytest.mark.parametrize(("count", "naps"), [(3, 30), (200, 20), (5000, 20)])
def test_it_is_a_png_that_shows_who_waited_at_any_moment_of_a_run(count: int, naps: int) -> None:
    pictures: list[bytes] = []

    def tick() -> float:
        pictures.append(growing.png(scheduler.trace, scheduler.now()))
        return 0.02

    scheduler = Scheduler(tick=tick)
    scheduler._next_tick = 0.0
    scheduler.run(lambda engine: engine.spawn(sleepers(count, naps)()))
    scheduler.trace.duration = scheduler.elapsed
    pictures.append(growing.png(scheduler.trace, scheduler.elapsed))
    image = pixels(pictures[-1])
    assert image.shape[1] == 840 and image.shape[0] <= 250
    below_the_legend = image[growing._TOP : -growing._AXIS]
    assert (below_the_legend != 255).mean() > 0.2
    assert has(palette.FAINT_INK, image)


def test_it_is_bounded_in_size_and_takes_some_milliseconds_for_any_number_of_rows() -> None:
    trace = Trace()
    for _ in range(100_000):
        trace.born("w", -1, 0, 0.0)
    trace.duration, trace.switches = 1.0, 10**6
    growing.png(trace, 1.0)
    begun = time.perf_counter()
    picture = growing.png(trace, 2.0)
    assert time.perf_counter() - begun < 0.5
    assert len(picture) < 100_000


def test_nothing_has_happened_yet() -> None:
    assert growing.png(Trace(), 0.0).startswith(b"\x89PNG")
    assert growing.png(Trace(recording=False), 1.0).startswith(b"\x89PNG")


def test_columns_are_joined_when_there_are_many_and_keep_the_time() -> None:
    history = growing.History()
    trace = Trace()
    trace.born("w", -1, 0, 0.0)
    for moment in range(1, 1000):
        trace.duration = moment / 10
        history.add(trace, moment / 10)
    assert len(history.columns) <= 256 and history.edges[-1] == 99.9
    # One row that was ready all the time.
    assert np.allclose(history.cells(1, 50)[0], [1.0, 0.0, 0.0])


# Several processes.


class Told(Underway):
    """Processes that have said what they are told to have."""

    def __init__(self, *glimpses: Glimpse | None) -> None:
        super().__init__("nowhere", len(glimpses))
        self.told = list(glimpses)

    def glimpses(self) -> list[Glimpse | None]:
        return self.told


def glimpse(underway: Underway, at: float, seconds: list[list[float]], begin: float = 0.0) -> Glimpse:
    known = Grouped(1, len(seconds), np.array(seconds))
    return Glimpse(underway.begun + begin, len(seconds), 0, 0, 1000, underway.begun + at, known)


def bands(picture: np.ndarray, of: int) -> list[np.ndarray]:
    """Give what is drawn of each process, without its caption."""
    every = (picture.shape[0] - growing._TOP - growing._AXIS) // of
    return [
        picture[growing._TOP + at * every + growing._CAPTION : growing._TOP + (at + 1) * every - growing._GAP]
        for at in range(of)
    ]


def test_each_process_has_a_band_that_goes_as_far_as_it_was_seen():
    underway = Told(None, None, None)
    growing.png_of_processes(underway)
    for at in (1.0, 2.0):
        # Who only computes, from the middle on; who only waits; and one that says nothing.
        underway.told = [
            glimpse(underway, at + 1.0, [[0.0, at, 0.0]], begin=1.0),
            glimpse(underway, at, [[0.0, 0.0, at]]),
            None,
        ]
        png = growing.png_of_processes(underway)
    first, second, third = bands(pixels(png), 3)
    half, quarter = first.shape[1] // 2, first.shape[1] // 4
    assert has(palette.RUNNING, first[:, half:]) and not has(palette.RUNNING, first[:, :quarter])
    assert has(palette.WAITS[0], second[:, :half]) and not has(palette.WAITS[0], second[:, -quarter:])
    assert has(palette.LANE, third)
    assert not has(palette.WAITS[0], third) and not has(palette.RUNNING, third)


@pytest.mark.parametrize("of", [1, 2, 8, 16, 17, 64, 300])
def test_any_number_of_processes_is_drawn_and_kept_to_a_size(of: int) -> None:
    underway = Told(*[None] * of)
    underway.told = [glimpse(underway, 1.0, [[0.0, 1.0, 0.0]] * 3) for _ in range(of)]
    picture = pixels(growing.png_of_processes(underway))
    assert picture.shape[1] == 840 and 100 < picture.shape[0] < 700
    assert has(palette.RUNNING, picture)


def test_processes_without_coroutines_or_a_trace_are_drawn_as_well():
    underway = Told(None, None)
    underway.told = [
        Glimpse(underway.begun, 0, 0, 0, 1, underway.begun + 1, Grouped(1, 0, np.zeros((0, 3)))),
        Glimpse(underway.begun, 3, 1, 1, 10, 0.0, None),
    ]
    assert growing.png_of_processes(underway).startswith(b"\x89PNG")
