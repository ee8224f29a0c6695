"""The data of the interactive timeline: what is sent, what is asked, and how it agrees with the trace."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import coro_magic
from coro_magic.engines.frames import machinery_of
from coro_magic.engines.record import Step, Steps
from coro_magic.engines.stacks import StackFrame
from coro_magic.language import Channel, gather, sleep, spawn
from coro_magic.measure.run import Run
from coro_magic.show import source
from coro_magic.show.columns import of_library
from coro_magic.show.critical import critical_path
from coro_magic.show.edges import KINDS, edge_columns
from coro_magic.show.levels import Levels, View
from coro_magic.show.source import Source, steps_data

from .runs import run_of, sleepers, threads, troubled

_TYPES = {"i8": "i1", "u8": "u1", "i32": "i4", "f32": "f4", "f64": "f8"}


def column(side: dict[str, Any], buffers: list[bytes], name: str) -> np.ndarray:
    told = side["columns"][name]
    return np.frombuffer(buffers[told["buffer"]], _TYPES[told["type"]])


def pipeline() -> Iterator[Any]:
    channel: Channel[int] = Channel()

    def put() -> Iterator[Any]:
        for number in range(3):
            yield sleep(0.001)
            yield channel.put(number)

    def get() -> Iterator[Any]:
        for _ in range(3):
            yield channel.get()

    yield gather(spawn(put()), spawn(get()))


def test_a_short_run_is_sent_whole_and_its_bars_are_the_intervals_of_the_trace() -> None:
    run = run_of(pipeline, threads(2, 0.01))
    meta, buffers = Source(run).first()
    json.dumps(meta, allow_nan=False)
    ours, theirs = meta["sides"]
    assert (ours["mode"], ours["unit"], theirs["unit"]) == ("bars", "coroutine", "thread")
    intervals = run.trace.intervals()
    for name, expected in (("row", intervals.row), ("begin", intervals.begin), ("end", intervals.end),
                           ("sbegin", intervals.turn), ("send", intervals.turn_end)):  # fmt: skip
        assert column(ours, buffers, f"bar.{name}").tolist() == expected.tolist()
    names = [ours["names"][base] for base in column(ours, buffers, "row.base")]
    assert names == ["pipeline", "put", "get"]
    assert column(ours, buffers, "row.flags").tolist() == [4, 0, 0]
    reasons = {reason["verb"] for reason in ours["reasons"]}
    assert {"sleep", "get", "gather"} <= reasons
    assert any("channel.get()" in reason["text"] for reason in ours["reasons"])


def test_counted_in_switches_the_steps_follow_one_another_without_a_gap() -> None:
    trace = run_of(sleepers(5)).trace
    intervals = trace.intervals()
    steps = sorted(intervals.turn[intervals.state == 1].tolist())
    assert steps == list(range(trace.switches))
    assert (intervals.turn_end >= intervals.turn).all()


def test_who_woke_whom_is_told_with_its_kind() -> None:
    trace = run_of(pipeline).trace
    edges = edge_columns(trace, trace.intervals())
    told = {
        (trace.name(by), trace.name(to), KINDS[kind])
        for by, to, kind in zip(edges["from"], edges["to"], edges["kind"], strict=True)
    }
    assert ("put", "get", "message") in told
    assert ("pipeline", "put", "spawn") in told and ("pipeline", "get", "spawn") in told
    assert any(to == "pipeline" and kind == "join" for _, to, kind in told)
    assert (np.diff(edges["time"]) >= 0).all()


def test_the_critical_path_leads_from_the_beginning_to_the_end_without_a_gap() -> None:
    run = run_of(pipeline)
    path = critical_path(run.trace.intervals(), run.trace.parents())
    assert path["begin"][0] == 0.0
    assert path["begin"][1:].tolist() == path["end"][:-1].tolist()
    ended = run.trace.totals()["ended"].max()
    assert path["end"][-1] == pytest.approx(ended, abs=1e-3)
    # The time went into the sleeps of the one that puts.
    longest = int(np.argmax(path["end"] - path["begin"]))
    assert run.trace.name(int(path["row"][longest])) == "put"


def test_cells_are_the_shares_of_time_that_the_bars_say() -> None:
    run = run_of(sleepers(20))
    trace, seconds = run.trace, run.elapsed
    intervals = trace.intervals(seconds)
    levels = Levels(trace, intervals, seconds)
    view = View(0.1 * seconds, 0.7 * seconds, False, 3, 15, 4, 7)
    cells = levels.cells(view) / 255
    edges = np.linspace(view.begin, view.end, view.bins + 1)
    for line in range(4):
        rows = range(3 + 3 * line, 6 + 3 * line)
        for at in range(7):
            low, high = edges[at], edges[at + 1]
            for channel in range(3):
                here = np.isin(intervals.row, rows) & (intervals.state == channel)
                inside = np.clip(np.minimum(intervals.end, high) - np.maximum(intervals.begin, low), 0, None)
                # Of those that take turns: the time in which one of them ran.
                share = inside[here].sum() / (high - low) / (1 if channel == 1 else 3)
                assert cells[line, at, channel] == pytest.approx(share, abs=1.01 / 255)


def test_cells_of_a_run_without_detail_are_those_of_the_rows_that_they_stand_for() -> None:
    def body() -> Iterator[Any]:
        # Row by row four neighbours that wait and four that end at once; four are kept as one.
        for row in range(1, 513):
            spawn(nap(row // 4 % 2))
        yield sleep(0.02)

    def nap(idle: int) -> Iterator[Any]:
        if idle:
            yield sleep(0.02)

    run = run_of(body, detail=0, clock="virtual")
    waits = run.trace.totals()["waiting"] > 0.01
    view = View(0.0, run.elapsed, False, 4, 513, 509, 1)
    cells = Levels(run.trace, None, run.elapsed).cells(view)
    assert (cells[:, 0, 2] > 127).tolist() == waits[4:].tolist()


def test_a_long_run_is_sent_as_a_first_view_and_a_closer_look_gives_its_bars(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(source, "WHOLE", 10)
    run = run_of(sleepers(50))
    asked = Source(run)
    meta, buffers = asked.first()
    (side,) = meta["sides"]
    assert side["mode"] == "cells" and "bar.row" not in side["columns"]
    first = side["cells"]
    assert len(buffers[first["buffer"]]) == first["lines"] * first["bins"] * (2 + len(meta["waits"]))
    request = {"id": 7, "kind": "cells", "side": 0, "axis": "time", "from": 0.0, "to": run.elapsed,
               "bins": 100, "top": 0, "bottom": 2, "lines": 2}  # fmt: skip
    reply, _ = asked.answer(request)
    assert (reply["id"], reply["kind"]) == (7, "bars")
    monkeypatch.setattr("coro_magic.show.levels.FEW_BARS", 1)
    reply, (cells,) = asked.answer({**request, "bottom": 1000})
    assert reply["kind"] == "cells" and reply["bottom"] == 51
    assert len(cells) == reply["lines"] * reply["bins"] * 3


def test_rows_are_shown_in_the_order_that_was_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("coro_magic.show.levels.FEW_BARS", 0)
    run = run_of(sleepers(3))
    asked = Source(run)
    request = {"kind": "cells", "side": 0, "axis": "switches", "from": 0, "to": run.switches, "bins": 50,
               "top": 0, "bottom": 4, "lines": 4}  # fmt: skip
    before = np.frombuffer(asked.answer(request)[1][0], np.uint8).reshape(4, 50, 3)
    order = np.array([3, 2, 1, 0], np.int32)
    assert asked.answer({"kind": "order", "side": 0, "lines": 4}, [order.tobytes()])[0]["kind"] == "order"
    after = np.frombuffer(asked.answer(request)[1][0], np.uint8).reshape(4, 50, 3)
    assert (after == before[::-1]).all()
    # Two rows at one line are averaged, and a hidden one is nowhere.
    asked.answer({"kind": "order", "side": 0, "lines": 1}, [np.array([-1, 0, 0, -1], np.int32).tobytes()])
    (one,) = np.frombuffer(asked.answer(request)[1][0], np.uint8).reshape(1, 50, 3).astype(int)
    both = before[1].astype(int) + before[2]
    assert abs(one - both / 2)[:, [0, 2]].max() <= 1
    # Only one of them ran at a time: the times in which they did add up.
    assert abs(one - np.minimum(both, 255))[:, 1].max() <= 2


@pytest.mark.parametrize(
    "request_",
    [
        {},
        {"kind": "cells"},
        {"kind": "cells", "side": 9},
        {"kind": "cells", "from": float("nan"), "to": 1, "top": 0, "bottom": 1, "lines": 1, "bins": 1},
        {"kind": "cells", "side": 0, "from": 0, "to": 1, "top": 5, "bottom": 1, "lines": 1, "bins": 1},
        {"kind": "card", "side": 0, "row": 10**9},
        {"kind": "card", "side": -1, "row": 0},
        {"kind": "order", "side": 0, "lines": 1},
        {"kind": "edges", "side": 0, "row": "x"},
        {"kind": ["cells"]},
        "nonsense",
        None,
    ],
)
def test_nonsense_is_answered_with_what_is_wrong_with_it(request_: Any) -> None:
    reply, buffers = Source(run_of(sleepers(2))).answer(request_)
    assert reply["kind"] == "error" and reply["message"] and buffers == []


def test_a_view_of_any_size_is_answered_within_bounds() -> None:
    reply, (cells,) = Source(run_of(sleepers(2), detail=0)).answer(
        {"kind": "cells", "side": 0, "from": -1e9, "to": 1e9, "top": -5, "bottom": 10**9, "lines": 10**9,
         "bins": 10**9}  # fmt: skip
    )
    assert len(cells) == reply["lines"] * reply["bins"] * 3 < 10**6


def test_a_card_has_the_life_the_output_and_the_stack_of_a_coroutine() -> None:
    def body() -> Iterator[Any]:
        inside = "value <b>"
        print("said", inside)
        yield sleep(0.001)
        raise ValueError(inside)

    run = run_of(body)
    card = Source(run).answer({"kind": "card", "side": 0, "row": 0})[0]["card"]
    json.dumps(card)
    assert card["state"] == "failed" and card["output"] == "said value <b>\n"
    states = [stretch["state"] for stretch in card["life"]]
    assert states == ["ready", "running", "waiting", "ready", "running"]
    assert card["life"][2]["why"].startswith("sleep, line ")
    assert "ValueError: value <b>" in card["traceback"]
    (frame,) = card["stack"]
    assert frame["function"] == "body" and ["inside", "'value <b>'"] in frame["locals"]
    assert any("raise ValueError" in line["text"] for line in frame["source"])


def test_the_traceback_of_a_card_begins_in_the_program_and_not_with_who_asked_for_the_run() -> None:
    def inner() -> Iterator[Any]:
        yield
        raise ValueError("broke")

    def fails() -> Iterator[Any]:
        yield from inner()

    def asks_for_the_run() -> None:
        coro_magic.run(fails(), baseline="off")

    with pytest.raises(ValueError) as caught:
        asks_for_the_run()
    run = caught.value.run  # type: ignore[attr-defined]
    row = next(task.row for task in run.tasks if task.name == "fails")
    said = Source(run).answer({"kind": "card", "side": 0, "row": row})[0]["card"]["traceback"]
    assert [line.split(", in ")[1] for line in said.splitlines() if ", in " in line] == ["fails", "inner"]
    assert "ValueError: broke" in said


def test_a_card_of_one_that_waits_in_vain_shows_where_it_stands() -> None:
    run = run_of(troubled)
    cards = [Source(run).answer({"kind": "card", "side": 0, "row": row})[0]["card"] for row in range(4)]
    lost = next(card for card in cards if card["name"] == "lost")
    assert lost["state"] == "left over" and lost["stack"][0]["function"] == "lost"


def test_everything_comes_with_the_cards_for_a_page_that_cannot_ask() -> None:
    meta, _ = Source(run_of(sleepers(3), threads(3, 0.1))).first(everything=True)
    assert set(meta["cards"]) == {f"{side}:{row}" for side in (0, 1) for row in range(4)}


@pytest.mark.parametrize("options", [{"trace": False}, {"detail": 0}, {"clock": "virtual"}])
def test_every_kind_of_run_has_a_first_view_or_says_why_not(options: dict[str, Any]) -> None:
    meta, _ = Source(run_of(sleepers(3), **options)).first()
    (side,) = meta["sides"]
    assert side["empty"] or side["mode"] == "bars" or "cells" in side
    assert bool(side["empty"]) is (options.get("trace") is False)


def test_a_run_of_nobody_is_fine() -> None:
    meta, _ = Source(Run([], run_of(sleepers(0)).trace, 0.0, 0)).first()
    assert meta["sides"][0]["rows"] == 1


def test_step_mode_is_sent_with_the_lines_of_the_functions() -> None:
    run = run_of(sleepers(2), record=True)
    meta, _ = Source(run).first()
    steps = meta["steps"]
    json.dumps(steps)
    assert len(steps["steps"]) == run.switches
    code, line, _ = steps["steps"][1]["frames"][-1]
    told = steps["codes"][code]
    assert "yield" in told["lines"][line - told["first"]]


def test_frames_of_the_notebooks_machinery_are_counted_on_the_card_and_named_for_step_mode() -> None:
    packages = "/x/lib/python3.13/site-packages"
    stack = tuple(
        StackFrame(function, file, 2, ())
        for function, file in (
            ("mine", "/home/x/work.py"), ("display", f"{packages}/IPython/display.py"),
            ("flush", f"{packages}/ipykernel/iostream.py"), ("wait", "/x/lib/python3.13/threading.py"),
            ("__repr__", "/home/x/work.py"), ("get", f"{packages}/requests/api.py"),
        )
    )  # fmt: skip
    run = run_of(sleepers(1), record=True)
    run.stacks = {1: list(stack)}
    told = Source(run).answer({"kind": "card", "side": 0, "row": 1}, [])[0]["card"]["stack"]
    assert [frame.get("function") for frame in told] == ["mine", None, "__repr__", "get"]
    # What a library does for it is its as well.
    assert told[1] == {"folded": 3, "of": ["IPython", "ipykernel"]}
    codes = steps_data(Steps([Step(1, 0.0, 1, "waiting", stack)]))["codes"]
    # Though their lines were not kept.
    assert [(code["name"], code["engine"]) for code in codes] == [
        ("mine", ""), ("display", "IPython"), ("flush", "ipykernel"), ("wait", ""), ("__repr__", ""),
        ("get", ""),
    ]  # fmt: skip


@pytest.mark.parametrize(("file", "machinery"), [
    ("/x/site-packages/ipykernel/iostream.py", "ipykernel"),
    ("/x/dist-packages/IPython/core/x.py", "IPython"),
    ("C:\\Python\\Lib\\site-packages\\IPython\\core\\x.py", "IPython"), ("/tmp/ipykernel_12/345.py", None),
    ("/home/x/ipykernel/work.py", None), ("/x/site-packages/ipykernel_launcher.py", None),
])  # fmt: skip
def test_a_cell_is_not_taken_for_the_notebooks_machinery(file: str, machinery: str | None) -> None:
    assert machinery_of(file) == machinery


@pytest.mark.parametrize(("file", "library"), [
    ("/usr/lib/python3.13/threading.py", True),
    ("/home/x/venv/lib/python3.13t/site-packages/requests/api.py", True),
    ("C:\\Python\\Lib\\site-packages\\requests\\api.py", True),
    ("<frozen importlib._bootstrap>", True),
    ("<decorator-gen-7>", True),
    ("/tmp/ipykernel_12/345.py", False),
    ("/home/x/lib/pipeline.py", False),
    ("/home/x/python3/work.py", False),
])  # fmt: skip
def test_the_users_files_are_told_from_those_of_libraries(file: str, library: bool) -> None:
    assert of_library(file) is library


def test_every_side_has_a_band_with_its_name_and_a_missing_one_its_reason() -> None:
    run = run_of(sleepers(3), threads(3, 0.1))
    run.others = {name: threads(3, 0.1) for name in ("threadpool", "asyncio")}
    run.others["asyncio"].trace.unit = "task"
    run.others["threadpool"].complete = False
    run.other_notes["gevent"] = "gevent is not installed"
    meta, _ = Source(run).first(everything=True)
    assert [(side["name"], side["who"]) for side in meta["sides"]] == [
        ("coroutines", "3 coroutines, 1 thread"), ("threads", "3 threads, one per coroutine"),
        ("threadpool", "3 calls on a pool of threads"), ("asyncio", "3 asyncio tasks, 1 thread"),
    ]  # fmt: skip
    assert [side["takes_turns"] for side in meta["sides"]] == [True, False, False, True]
    assert [side["complete"] for side in meta["sides"]] == [True, True, False, True]
    assert meta["missing"] == [{"name": "gevent", "why": "gevent is not installed"}]
    assert "3:0" in meta["cards"]
    reply, _ = Source(run).answer({"kind": "card", "side": 3, "row": 1})
    assert reply["card"]["unit"] == "task"


def test_other_sides_do_not_cost_coroutines_and_threads_their_bars(monkeypatch: pytest.MonkeyPatch) -> None:
    run = run_of(sleepers(3), threads(3, 0.1))
    two = sum(len(side.trace.intervals()) for side in (run, run.baseline) if side is not None)
    monkeypatch.setattr(source, "WHOLE", two)
    run.others = {"gevent": threads(3, 0.1)}
    assert [side["mode"] for side in Source(run).first()[0]["sides"]] == ["bars", "bars", "cells"]
    monkeypatch.setattr(source, "WHOLE", two - 1)
    assert [side["mode"] for side in Source(run).first()[0]["sides"]] == ["cells", "cells", "cells"]
