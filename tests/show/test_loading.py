"""A saved run is read back, and reads the same; what is no saved run is refused, with the reason."""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cells import cell
from hypothesis import given, settings
from hypothesis import strategies as st

import coro_magic
from coro_magic.engines.stacks import stack_of_error
from coro_magic.language import Channel, State, Where, sleep, spawn
from coro_magic.measure.hazards import Hazard
from coro_magic.measure.repeats import Repeats
from coro_magic.measure.run import Difference, Run
from coro_magic.measure.saved import SavedError
from coro_magic.show import document, export, outcomes, perfetto
from coro_magic.show import panel as panel_of
from coro_magic.show.loading import load
from coro_magic.show.loading import run_of as read
from coro_magic.show.source import Source

from .programs import WORKERS, body_of
from .runs import run_of, sleepers, swept, threads, troubled


def again(run: Run) -> Run:
    """Write a run as JSON, and read it."""
    return read(json.loads(json.dumps(run.to_dict(), allow_nan=False)))


def assert_same(run: Run, other: Run) -> None:
    """Whatever can be asked of both gives the same."""
    assert other.to_dict() == run.to_dict()
    assert other.summary() == run.summary()
    assert repr(other) == repr(run)
    assert len(other.trace) == len(run.trace)
    assert list(document.records(other)) == list(document.records(run))
    for name, column in run.trace.totals().items():
        np.testing.assert_array_equal(other.trace.totals()[name], column)
    if run.trace.detailed and run.trace.recording:
        ours, theirs = run.trace.intervals(), other.trace.intervals()
        for name in ours.__dataclass_fields__:
            np.testing.assert_array_equal(getattr(theirs, name), getattr(ours, name), err_msg=name)
        assert other.trace.log() == run.trace.log()
    if run.baseline is not None:
        assert other.baseline is not None
        assert_same(run.baseline, other.baseline)


@settings(max_examples=60, deadline=None)
@given(
    workers=WORKERS,
    clock=st.sampled_from(["real", "virtual"]),
    detail=st.sampled_from([0, 10, 100_000]),
    trace=st.booleans(),
    record=st.booleans(),
)
def test_a_run_that_is_read_back_is_the_run(
    workers: Any, clock: str, detail: int, trace: bool, record: bool
) -> None:
    run = run_of(
        body_of(workers), threads(3, 0.02), clock=clock, seed=1, detail=detail, trace=trace, record=record
    )
    run.options = {"slow_step": math.inf, "order": "fifo", "seed": None}
    run.error = next((task._error for task in run.tasks if task._error is not None), None)
    assert_same(run, again(run))


@pytest.mark.parametrize("suffix", export.SUFFIXES)
def test_what_was_read_back_can_be_saved_as_everything(tmp_path: Path, suffix: str) -> None:
    if suffix == ".html":
        pytest.importorskip("coro_magic.show.page")
    run = run_of(troubled, threads(3, 0.02))
    run.save(tmp_path / "run.json")
    loaded = coro_magic.load(tmp_path / "run.json")
    for which, each in (("ours", run), ("theirs", loaded)):
        each.save(tmp_path / f"{which}{suffix}")
    ours, theirs = ((tmp_path / f"{which}{suffix}").read_bytes() for which in ("ours", "theirs"))
    assert ours == theirs or suffix in (".pdf", ".png", ".svg", ".html")
    assert len(theirs) > 100


def test_figures_are_drawn_of_what_was_read_back() -> None:
    for run in (run_of(troubled, threads(3, 0.02)), run_of(sleepers(60, 20), detail=10)):
        loaded = again(run)
        assert loaded.picture().axes and loaded.timeline().axes and loaded.throughput_plot().axes
        assert loaded.speedup == run.speedup


def test_results_come_back_as_they_were_or_as_their_text() -> None:
    def body():
        for value in ({"a": [1, 2.5, None]}, (1, 2), object):
            spawn(giving(value))
        yield

    def giving(value):
        yield
        return value

    results = again(run_of(body)).results
    assert results["giving"] == {"a": [1, 2.5, None]}
    assert repr(results["giving-2"]) == "(1, 2)" and repr(results["giving-3"]) == "<class 'object'>"


def test_errors_come_back_as_what_they_said() -> None:
    run = run_of(troubled)
    run.error = run.tasks[1]._error
    loaded = again(run)
    task = loaded.tasks[1]
    assert task.state is State.FAILED and task.done()
    with pytest.raises(SavedError, match=r"line\none <b>"):
        task.result()
    error = task.exception()
    assert isinstance(error, SavedError) and error.type == "ValueError"
    assert "Traceback (most recent call last)" in error.traceback and "raise ValueError" in error.traceback
    assert loaded.error is error
    assert [task.state for task in loaded.tasks] == [task.state for task in run.tasks]
    assert loaded.tasks[2] in loaded.left_over and loaded.tasks[2].cancelled()


def test_a_group_of_errors_stays_one_with_the_tasks_own_errors_in_it() -> None:
    def body():
        for text in ("one", "two"):
            spawn(failing(text))
        spawn(failing_with_group())
        yield

    def failing(text):
        yield
        raise KeyError(text)

    def failing_with_group():
        yield
        raise ExceptionGroup("both", [ValueError("a"), TypeError("b")])

    run = run_of(body)
    errors = [task._error for task in run.tasks[1:]]
    run.error = ExceptionGroup("3 coroutines failed", errors)
    loaded = again(run)
    assert isinstance(loaded.error, ExceptionGroup)
    assert list(loaded.error.exceptions) == [task._error for task in loaded.tasks[1:]]
    assert [each.type for each in loaded.tasks[3]._error.exceptions] == ["ValueError", "TypeError"]
    assert_same(run, loaded)


def test_repeats_come_back_and_pairs_that_took_no_time_are_refused() -> None:
    run = run_of(sleepers(3), threads(3, 0.5))
    run.repeats = Repeats(3, *(np.array([0.5, 0.25]) + at for at in range(4)), note="interrupted")
    run.repeats.others["asyncio"] = np.array([1.0, 2.0])
    loaded = again(run)
    assert loaded.repeats.beside("asyncio").median == run.repeats.beside("asyncio").median
    assert loaded.repeats.median == run.repeats.median and loaded.repeats.note == "interrupted"
    assert_same(run, loaded)
    document = run.to_dict()
    document["repeats"]["coroutines"][0] = 0
    with pytest.raises(ValueError, match="repeats.coroutines has numbers that are out of range"):
        read(document)


def test_a_sweep_comes_back() -> None:
    run = run_of(sleepers(3))
    run.sweep = swept(3, stopped_at=2)
    run.sweep.points[1].others["asyncio"] = run.sweep.points[0].coroutines
    run.sweep.other_notes["gevent"] = "it is not installed"
    loaded = again(run)
    assert_same(run, loaded)
    assert loaded.sweep.summary() == run.sweep.summary()
    assert loaded.sweep.sides == ("coroutines", "threads", "asyncio")
    document = run.to_dict()
    document["sweep"]["points"][0]["threads"]["seconds"] = []
    with pytest.raises(ValueError, match=r"threads.seconds must not be empty"):
        read(document)


def test_hand_driven_generators_and_all_that_a_whole_run_has_come_back() -> None:
    run = coro_magic.run(*(worker(at) for at in range(3)), slow_step=5, record="on", baseline="off")
    run.differences = [Difference("a", "1", "2"), Difference("n", "1", "2", "name")]
    run.hazards = [Hazard("n", *(Where("<cell>", line) for line in (5, 6, 7)))]
    run.notes.append("a note\nof two lines")
    assert run.slow_steps and run.steps is not None
    loaded = again(run)
    assert_same(run, loaded)
    assert loaded.slow_steps == run.slow_steps and loaded.differences == run.differences
    assert loaded.hazards == run.hazards
    assert loaded.stacks == run.stacks and loaded.options == run.options
    assert loaded.printed.pieces == run.printed.pieces
    assert loaded.steps == run.steps


def test_a_long_run_of_generators_driven_by_hand_comes_back_with_its_drivers() -> None:
    run = cell(
        """
        def counts():
            n = 0
            while True:
                n = yield n
        def drives():
            c = counts()
            next(c)
            for n in range(20_000):
                c.send(n)
                if n % 7 == 0:
                    yield
        drives()
        drives()
        """,
        baseline="off",
    ).run
    assert_same(run, again(run))


def worker(number):
    print("number", number)
    yield sleep(0.001)
    if number == 1:
        end = coro_magic.now() + 0.02
        while coro_magic.now() < end:
            pass
    if number == 2:
        yield Channel().get()


def test_a_run_of_the_real_thing_comes_back_with_its_threads(tmp_path: Path) -> None:
    run = coro_magic.run(*(napping(at) for at in range(4)))
    assert run.baseline is not None, run.baseline_note
    run.save(tmp_path / "run.json")
    assert_same(run, coro_magic.load(str(tmp_path / "run.json")))


def napping(number):
    for _ in range(3):
        yield sleep(0.001)
    return number


def test_source_lines_come_with_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = run_of(troubled)
    loaded = again(run)
    waits = [reason for reason in loaded.trace.reasons if reason.verb == "sleep"]
    monkeypatch.setattr("linecache.getline", lambda *where: "")
    texts = [loaded.trace.line_of(reason.where).strip() for reason in waits]
    assert "yield sleep(0.001)" in texts and "yield sleep(100)" in texts


def test_beyond_the_bound_on_events_there_are_cells(monkeypatch: pytest.MonkeyPatch) -> None:
    run = run_of(sleepers(30, 20))
    whole = run.to_dict()["timeline"]
    assert whole["kind"] == "events"
    monkeypatch.setattr(document, "MOST_EVENTS", 100)
    loaded = again(run)
    assert not loaded.trace.detailed and loaded.trace.recording
    assert loaded.to_dict()["timeline"] == run.to_dict()["timeline"]
    with pytest.raises(ValueError, match="use occupancy"):
        loaded.trace.intervals()
    for groups, bins, until in ((4, 16, None), (1, 500, None), (31, 100, 2 * run.trace.duration)):
        ours = run.trace.occupancy(groups, bins, until)
        theirs = loaded.trace.occupancy(groups, bins, until)
        seconds = run.trace.duration if until is None else until
        for state in range(3):
            total = ours[:, :, state].sum() * seconds / ours.shape[1]
            assert theirs[:, :, state].sum() * seconds / theirs.shape[1] == pytest.approx(
                total, rel=0.01, abs=1e-4
            )
    assert loaded.trace.progress(100)[1][-1] == run.trace.progress(100)[1][-1]
    assert loaded.picture().axes


def test_beyond_the_bound_on_rows_the_first_come_back_and_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(document, "MOST_ROWS", 10)
    loaded = again(run_of(sleepers(30)))
    assert len(loaded.trace) == 10 and len(loaded.tasks) == 10
    assert "the file had room for 10 of 31 coroutines" in loaded.summary()


def test_beyond_the_bound_on_results_they_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outcomes, "MOST_RESULTS", 30)
    run = run_of(sleepers(30))
    loaded = again(run)
    assert loaded.to_dict() == run.to_dict()
    assert loaded.results["nap"] == 0 and "no room" in repr(loaded.results["nap-30"])


def test_the_interactive_timeline_of_what_was_read_back_is_that_of_the_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with_error = run_of(troubled, threads(3, 0.02), record=True)
    error = with_error.tasks[1]._error
    assert error is not None
    with_error.stacks[1] = stack_of_error(error)
    for run in (with_error, run_of(sleepers(60, 20), detail=10)):
        ours, our_buffers = Source(run).first(everything=True)
        loaded = again(run)
        # It may be read where the program's file is not.
        with monkeypatch.context() as patch:
            patch.setattr("linecache.getline", lambda *where: "")
            theirs, their_buffers = Source(loaded).first(everything=True)
        for side in (side for meta in (ours, theirs) for side in meta["sides"]):
            # A grid is kept coarser in the file.
            assert ("cells" in side) == (not run.trace.detailed)
        if run.trace.detailed:
            assert without_blank_lines(theirs) == without_blank_lines(ours)
            assert their_buffers == our_buffers


def without_blank_lines(meta: dict[str, Any]) -> dict[str, Any]:
    """Blank lines around a line of a stack are not kept in a file."""
    meta = copy.deepcopy(meta)
    for card in meta["cards"].values():
        for frame in card["stack"]:
            frame["source"] = [line for line in frame["source"] if line["text"]]
    return meta


def test_the_panel_of_what_was_read_back_can_be_made() -> None:
    panel = panel_of(again(run_of(troubled, threads(3, 0.02))))
    assert panel.children


# What is no such file.


def saved() -> dict[str, Any]:
    run = run_of(troubled, threads(2, 0.02), record=True)
    run.slow_steps = [document_slow_step()]
    return json.loads(json.dumps(run.to_dict()))


def document_slow_step() -> Any:
    from coro_magic.engines.slow import SlowStep
    from coro_magic.language import Where

    return SlowStep("troubled", 0, 0.001, 0.1, Where("x.py", 3), "f()", "", "f()", 0.5)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "not JSON"),
        (b"hello", "not JSON"),
        (b"\x89PNG\r\n\x1a\n\xff", "binary"),
        (b"[1, 2]", "not a run that coro_magic saved"),
        (b"{}", "not a run that coro_magic saved"),
        (b'{"traceEvents": []}', "a trace for Perfetto"),
        (b'{"schema": 1, "headline": ""}', "an older one wrote it"),
        (b'{"format": "coro_magic run", "schema": 3}', "written by a newer version of coro_magic .schema 3"),
        (b'{"format": "coro_magic run", "schema": "2"}', "schema"),
        (b'{"format": "coro_magic run", "schema": 2}', "places is missing"),
        (b'{"format": "coro_magic run", "elapsed": NaN}', "NaN"),
        (b'{"format": "coro_magic run", "elapsed": 1' + b"0" * 5000 + b"}", "not JSON|digits"),
        (b"[" * 100_000, "too deep|not JSON"),
    ],
)
def test_a_file_that_is_something_else_is_refused_with_the_reason(
    tmp_path: Path, content: bytes, said: str
) -> None:
    path = tmp_path / "it.json"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=said) as caught:
        load(path)
    assert str(path) in str(caught.value)


def test_a_file_that_was_cut_off_is_called_so(tmp_path: Path) -> None:
    text = json.dumps(saved())
    path = tmp_path / "it.json"
    for share in (0.1, 0.5, 0.9, 0.999):
        path.write_text(text[: int(len(text) * share)])
        with pytest.raises(ValueError, match="cut off"):
            load(path)


def test_a_file_that_is_not_there_is_an_oserror(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "nowhere.json")


def put(*path: Any) -> Callable[[dict[str, Any]], None]:
    """Give what replaces one value of a document, the last of `path`."""
    *keys, last, value = path

    def change(data: dict[str, Any]) -> None:
        inner: Any = data
        for key in keys:
            inner = inner[key]
        inner[last] = value

    return change


def cells(**changes: Any) -> Callable[[dict[str, Any]], None]:
    """Give what replaces the events of a document by cells with something wrong in them."""
    right = {"kind": "cells", "rows_per_group": 1, "cells": [[[0, 0, 0]]], "resumptions": [0, 1]}
    return put("timeline", {**right, **changes})


@pytest.mark.parametrize(
    "change",
    [
        put("elapsed", -1.0), put("elapsed", "1"), put("elapsed", True), put("elapsed", 10**400),
        put("unit", "process"), put("rows", []), put("rows", "name", 0, 5), put("rows", "number", 0, -1),
        put("rows", "number", 0, 7), put("rows", "parent", 0, 10**9), put("rows", "parent", 0, -2),
        put("rows", "spawned", 0, 99), put("rows", "place", 0, 99), put("rows", "state", 0, 7),
        put("rows", "flags", 0, -1), put("rows", "running", 0, None), put("rows", "running", []),
        put("rows", "running", 0, 1e308), put("rows", "items", 0, 1 << 80),
        put("rows", "resumptions", 0, 0.5),
        put("tasks", "row", 0, -1), put("tasks", "row", 0, 1), put("tasks", "state", 0, 99),
        put("tasks", "value", []), put("tasks", "texts", {"99": "x"}), put("tasks", "texts", {"²": "x"}),
        put("tasks", "texts", {"-1": "x"}), put("tasks", "left_out", 99), put("tasks", "left_out", -1),
        put("tasks", "errors", "1", {}), put("tasks", "errors", "1", "errors", []),
        put("timeline", "kind", "other"), put("timeline", "kinds", []), put("timeline", "row", 0, 99),
        put("timeline", "row", 0, -1), put("timeline", "code", 0, -1), put("timeline", "code", 0, 15),
        put("timeline", "code", 0, 6), put("timeline", "code", 0, 1 + (999 << 4)),
        put("timeline", "code", 0, 1 << 70),
        put("timeline", "code", 0, 4 + (99 << 4)), put("timeline", "time", 0, "0"),
        put("timeline", "time", [1.0]),
        cells(cells=[]), cells(rows_per_group=0), cells(cells=[[[0, 0, -1]]]), cells(cells=[[[0, 0]]]),
        cells(cells=[[[0] * 3], []]), cells(cells=[[0]]), cells(cells=[[["0"] * 3]]),
        cells(resumptions=[2, 1]), cells(resumptions=[0]), cells(cells=[[[0] * 3]] * 300),
        cells(cells=[[[0] * 3] * 600]),
        put("reasons", []), put("reasons", 0, "verb", "sleep"), put("reasons", 1, "place", 99),
        put("places", 0, "line", -5), put("places", 0, "file", None), put("marks", 0, "row", 99),
        put("marks", 0, "time", None), put("slow_steps", 0, "row", -7), put("slow_steps", 0, "seconds", -1),
        put("slow_steps", 0, "where", []), put("printed", "row", [0]), put("printed", {}),
        put("stacks", [{"row": 99, "frames": []}]), put("stacks", [{"row": 0, "frames": {}}]),
        put("stacks", [{"row": 0, "frames": [[999, 1, []]]}]),
        put("stacks", [{"row": 0, "frames": [[0, 1, [1]]]}]),
        put("steps", "row", 0, -1), put("steps", "frames", 0, [[]]), put("steps", "state", []),
        put("steps", "sources", [{"function": -1, "first": 1, "lines": []}]),
        put("differences", [{}]), put("hazards", [{"name": "n", "read": 99, "switch": 0, "write": 0}]),
        put("differences", [{"name": "n", "coroutines": "1", "threads": "2", "kind": "odd"}]),
        put("notes", [1]), put("options", []), put("options", "slow_step", "soon"),
        put("options", "x", []), put("error", []), put("error", {"type": "X"}), put("duration", -1),
        put("counted", -1),
        put("baseline", 5), put("baseline", "rows", {}), put("baseline", "baseline", {}), put("has_body", 1),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_a_value_error_that_says_what(change: Callable[[dict[str, Any]], None]) -> None:
    data = saved()
    read(copy.deepcopy(data))
    change(data)
    with pytest.raises(ValueError) as caught:
        read(data)
    assert len(str(caught.value)) < 300


_JUNK = st.sampled_from([None, True, -1, 0, 3, 1 << 40, 1 << 70, -0.5, 1e305, "", "x", [], [0], {}, {"a": 1}])


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_a_document_with_anything_wrong_in_it_loads_or_is_refused(data: st.DataObject) -> None:
    tree = copy.deepcopy(_SAVED)
    inner: Any = tree
    while True:
        keys = sorted(inner) if isinstance(inner, dict) else list(range(len(inner)))
        key = data.draw(st.sampled_from(keys))
        if isinstance(inner[key], list | dict) and inner[key] and data.draw(st.integers(0, 3)):
            inner = inner[key]
            continue
        inner[key] = data.draw(_JUNK)
        break
    try:
        run = read(tree)
    except ValueError:
        return
    # What was taken can be used.
    run.summary()
    assert json.dumps(run.to_dict(), allow_nan=False)
    "".join(perfetto.lines_of(run))


_SAVED = saved()


def test_the_package_says_load_only_when_asked() -> None:
    assert "load" not in coro_magic.__all__ and coro_magic.load is load
