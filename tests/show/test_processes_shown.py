"""A run in several processes, in words, in the picture and in files."""

from __future__ import annotations

import pytest
from cells import cell

import coro_magic
from coro_magic import show
from coro_magic.measure.run import Run
from coro_magic.show.meaning import sections
from coro_magic.show.source import Source

SOURCE = """
    def worker(n):
        for k in range(3):
            yield sum(range(20_000))
        return n
    for n in range({count}):
        worker(n)
"""


@pytest.fixture(scope="module")
def few() -> Run:
    return cell(SOURCE.replace("{count}", "6"), processes=2, baseline="threads").run


def texts(run: Run) -> list[str]:
    figure = show.picture(run)
    return [text.get_text() for axes in figure.axes for text in axes.texts] + [
        text.get_text() for text in figure.texts
    ]


def test_the_interactive_timeline_says_in_how_many_processes_they_ran(few):
    ours, theirs, one_process = Source(few).first()[0]["sides"]
    assert ours["who"] == "6 coroutines, 2 processes"
    assert theirs["who"] == "6 threads, one per coroutine"
    assert one_process["who"] == "6 coroutines, 1 process"


def test_the_picture_has_a_band_for_each_process_and_one_process_beside_it(few):
    said = texts(few)
    assert [text for text in said if text.startswith("process ")] == ["process 1", "process 2"]
    captions = [text.partition(":")[0] for text in said]
    for caption in ("6 coroutines, 2 processes", "6 coroutines, 1 process", "6 threads, one per coroutine"):
        assert caption in captions


def test_many_coroutines_have_bands_too():
    many = cell(SOURCE.replace("{count}", "100"), processes=2).run
    assert [text for text in texts(many) if text.startswith("process ")] == ["process 1", "process 2"]


@pytest.mark.parametrize(
    ("count", "processes", "labels"),
    [(16, 8, ["process", *"12345678"]), (30, 30, ["30 processes"])],
)
def test_bands_without_room_for_words_have_numbers(count: int, processes: int, labels: list[str]) -> None:
    figure = show.picture(cell(SOURCE.replace("{count}", str(count)), processes=processes).run)
    at_the_right = [text for axes in figure.axes for text in axes.texts if text.get_position()[0] > 1]
    assert sorted(text.get_text() for text in at_the_right) == sorted(labels)


def test_the_words_tell_of_processes(few):
    assert few.summary().startswith("6 coroutines, 2 processes, ")
    assert "\none process: " in few.summary() and list(few.others) == ["one process"]
    assert few.others["one process"].results == {**few.results, "cell": None}
    assert "The 2 processes were taken for" in sections(few)[0].sentences[0]


def test_a_saved_run_has_its_processes(few, tmp_path):
    few.save(tmp_path / "run.json")
    read = coro_magic.load(tmp_path / "run.json")
    assert read.processes == few.processes and read.count == 6
    assert read.trace.log() == few.trace.log()
    assert texts(read)[:2] == texts(few)[:2]


@pytest.mark.parametrize("suffix", ["html", "svg", "perfetto.json", "csv"])
def test_it_can_be_saved_as_anything(few, tmp_path, suffix):
    few.save(tmp_path / f"run.{suffix}")
    assert (tmp_path / f"run.{suffix}").stat().st_size > 0
