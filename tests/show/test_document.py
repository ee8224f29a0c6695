"""A run as plain data: everything that is known of it, bounded, and nothing that JSON has not."""

from __future__ import annotations

import json
import math
import re
import time
from typing import Any

import pytest

from coro_magic import show
from coro_magic.engines.trace import Trace
from coro_magic.language import Channel, mark, sleep, spawn
from coro_magic.measure.run import Run
from coro_magic.show import document, outcomes
from coro_magic.show.outcomes import TooMuch, plain, text_of

from .runs import run_of, sleepers, threads, troubled


def dict_of(run: Run) -> dict[str, Any]:
    """Give a run as plain data that went through JSON, which must change nothing."""
    data = show.to_dict(run)
    assert json.loads(json.dumps(data, allow_nan=False)) == data
    return data


def test_every_key_is_told_of_in_the_documentation_and_the_other_way_round() -> None:
    data = dict_of(run_of(troubled, threads(2, 0.02), record=True))
    heads = re.findall(r"^(``.*``)$", document.__doc__ or "", re.MULTILINE)
    told = [key for head in heads for key in re.findall(r"``(\w+)``", head)]
    assert sorted(told) == sorted(data)
    for table in ("rows", "tasks", "printed", "steps", "timeline"):
        for key in data[table]:
            assert re.search(f'["`]{key}["`]', document.__doc__ or ""), (table, key)


def test_it_has_every_coroutine_of_both_sides_with_names_states_and_places() -> None:
    data = dict_of(run_of(troubled, threads(3, 0.02)))
    assert (data["format"], data["schema"]) == ("coro_magic run", 2)
    rows = data["rows"]
    states = {name: data["states"][code] for name, code in zip(rows["name"], rows["state"], strict=True)}
    assert states == {"troubled": "done", "bad": "failed", "lost": "left over", "slow": "cancelled"}
    assert data["places"][rows["place"][1]]["text"].strip().startswith("raise ValueError")
    assert data["baseline"]["unit"] == "thread" and len(data["baseline"]["rows"]["name"]) == 4
    assert data["baseline"]["baseline"] is None
    assert data["marks"][0]["row"] == 0 and data["marks"][0]["text"] == "here $\\frac{1}$"
    assert len({len(column) for column in rows.values()}) == 1
    assert [rows["name"][parent] for parent in rows["parent"][1:]] == ["troubled"] * 3


def test_an_error_has_its_type_message_and_traceback() -> None:
    error = dict_of(run_of(troubled))["tasks"]["errors"]["1"]
    assert error["type"] == "ValueError" and error["message"] == "line\none <b>$x_1$</b>"
    assert "Traceback (most recent call last)" in error["traceback"] and "in bad" in error["traceback"]


def test_events_can_be_read_by_what_the_documentation_says() -> None:
    """Sums each row's time in each state from the events, as somebody else would, and finds the totals."""
    data = dict_of(run_of(sleepers(5, 4)))
    line = data["timeline"]
    assert line["kind"] == "events"
    count = len(data["rows"]["name"])
    state: list[str | None] = [None] * count
    since = [0.0] * count
    sums = {name: [0.0] * count for name in ("ready", "running", "waiting")}

    def enter(row: int, new: str | None, moment: float) -> None:
        if state[row] is not None:
            sums[state[row]][row] += moment - since[row]  # type: ignore[index]
        state[row], since[row] = new, moment

    boundary = 0.0
    after = {"born": "ready", "yielded": "ready", "woken": "ready", "waits": "waiting", "ended": None,
             "closed": None, "closed_waiting": None}  # fmt: skip
    woken = 0
    for row, code, moment in zip(line["row"], line["code"], line["time"], strict=True):
        kind = line["kinds"][code % 16]
        if kind in ("yielded", "waits", "ended"):
            enter(row, "running", boundary)
        if kind in ("yielded", "waits", "ended", "idle"):
            boundary = moment
        if kind == "waits":
            assert data["reasons"][code // 16]["verb"]
        woken += kind == "woken"
        if kind != "idle":
            enter(row, after[kind], moment)
    assert woken == 20
    for name, column in sums.items():
        assert column == pytest.approx(data["rows"][name], abs=2e-4), name


def test_a_long_runs_timeline_is_cells_of_a_bounded_number() -> None:
    data = dict_of(run_of(sleepers(1000, 50), clock="virtual", detail=1000))
    line = data["timeline"]
    assert line["kind"] == "cells"
    assert len(line["cells"]) <= 256 and len(line["cells"][0]) <= 512
    assert len(line["cells"]) == math.ceil(len(data["rows"]["name"]) / line["rows_per_group"])
    assert line["resumptions"][-1] == pytest.approx(data["counted"], rel=0.01)


def test_results_that_are_json_stay_and_all_others_become_bounded_text() -> None:
    class Hostile:
        def __repr__(self) -> str:
            raise RuntimeError("no")

    values = [Hostile(), "x" * 10**6, math.nan, [[]] * 10**6, {"a": [1, "b", None, True, 0.5]}, -0.0,
              {1: 2}, (1,), "\ud800", 10**400, "plain"]  # fmt: skip

    def body():
        for value in values:
            spawn(giving(value))
        yield

    def giving(value):
        yield
        return value

    tasks = dict_of(run_of(body))["tasks"]
    kept = [{"a": [1, "b", None, True, 0.5]}, -0.0]
    assert tasks["value"][1:] == [None] * 4 + kept + [None] * 4 + ["plain"]
    assert sorted(map(int, tasks["texts"])) == [1, 2, 3, 4, 7, 8, 9, 10]
    assert all(len(text) <= 200 for text in tasks["texts"].values())
    assert "Hostile" in tasks["texts"]["1"] and tasks["texts"]["8"] == "(1,)"


def test_a_result_is_copied_and_never_followed_for_ever() -> None:
    value: list[Any] = [1, {"a": []}]
    copy, size = plain(value, 1000)
    assert copy == value and copy is not value and copy[1]["a"] is not value[1]["a"]  # type: ignore[index]
    assert size < 100
    value.append(value)
    begun = time.perf_counter()
    for endless in (value, [value] * 100):
        with pytest.raises(TooMuch):
            plain(endless, 10_000)
    assert time.perf_counter() - begun < 1


def test_results_have_a_bound_in_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outcomes, "MOST_RESULTS", 5_000)

    def body():
        for _ in range(100):
            spawn(giving("x" * 900))
        yield

    def giving(value):
        yield
        return value

    tasks = dict_of(run_of(body))["tasks"]
    assert 90 < tasks["left_out"] < 101
    assert sum(value is not None for value in tasks["value"]) == 100 - tasks["left_out"]
    assert len(tasks["row"]) == 101


def test_everything_about_a_run_has_a_bound() -> None:
    def body():
        for _ in range(20_000):
            mark("m" * 5000)
        print("p" * 10**6)
        spawn(bad(), name="n" * 10**5)
        yield

    def bad():
        yield
        raise ValueError("e" * 10**6)

    run = run_of(body)
    run.output = "o" * 10**7
    run.notes = ["n" * 10**6] * 10
    run.options = {"x": "y" * 10**6}
    size = len(json.dumps(dict_of(run)))
    # 10,000 marks of 1,000 characters are the most of it.
    assert size < 12_000_000


def test_no_number_is_nan_or_infinite() -> None:
    trace = Trace()
    trace.born("x", -1, 0, 1e308)
    trace.marked(0, "m", math.inf)
    trace.close(1.0, 1)
    run = Run(tasks=[], trace=trace, elapsed=math.inf, switches=1)
    run.options = {"slow_step": math.inf, "n": math.nan}
    data = dict_of(run)
    assert data["timeline"]["time"] == [1e300] and data["marks"][0]["time"] == 1e300
    assert data["options"] == {"slow_step": "inf", "n": "nan"}
    assert data["elapsed"] == 1e300


def test_halves_of_surrogate_pairs_are_told_as_text() -> None:
    assert text_of("a\ud83d\ude00b") == "a\\ud83d\\ude00b"
    assert text_of("käse", 2) == "kä"
    halves = text_of("\ud800" * 10, 20)
    assert len(halves) == 20 and text_of(halves, 20) == halves

    def body():
        spawn(sleepers(0)(), name="\ud83d\ude00")
        yield

    assert dict_of(run_of(body))["rows"]["name"][1] == "\\ud83d\\ude00"


def test_a_run_without_a_trace_has_what_is_known() -> None:
    data = dict_of(run_of(sleepers(2), trace=False))
    assert data["timeline"] is None and "running" not in data["rows"]
    assert [data["states"][code] for code in data["rows"]["state"]] == ["done"] * 3
    assert data["tasks"]["value"] == [None, 0, 1]


def test_what_was_printed_is_told_apart_by_row() -> None:
    def body():
        print("the body")
        spawn(says("one"))
        spawn(says("two"))
        yield

    def says(word):
        print(word)
        yield
        print(word, "again")

    printed = dict_of(run_of(body))["printed"]
    by_row = {row: "" for row in printed["row"]}
    for row, text in zip(printed["row"], printed["text"], strict=True):
        by_row[row] += text
    assert by_row == {0: "the body\n", 1: "one\none again\n", 2: "two\ntwo again\n"}


def test_the_stacks_of_those_who_had_not_ended_are_told() -> None:
    def outer():
        here = 5
        yield from inner()
        return here

    def inner():
        yield Channel().get()

    def body():
        spawn(outer())
        yield sleep(0.001)

    data = dict_of(run_of(body))
    (stack,) = data["stacks"]
    functions = [data["functions"][function]["function"] for function, _, _ in stack["frames"]]
    assert stack["row"] == 1 and functions == ["outer", "inner"]
    assert ["here", "5"] in stack["frames"][0][2]


def test_a_million_events_are_plain_data_and_json_in_a_few_seconds() -> None:
    trace = Trace(detail=2_000_000)

    class Row:
        def __init__(self, row: int) -> None:
            self.row = row

    rows = [Row(trace.born(f"w{number % 7}", -1, 0, 0.0)) for number in range(1000)]
    for turn in range(990):
        for part in range(0, 1000, 250):
            begin = 0.001 * turn + 0.0002 * part / 250
            trace.ran(rows[part : part + 250], begin, begin + 0.0001)
    trace.close(1.0, 990_000)
    run = Run(tasks=[], trace=trace, elapsed=1.0, switches=990_000)
    begun = time.perf_counter()
    text = json.dumps(show.to_dict(run), allow_nan=False)
    assert time.perf_counter() - begun < 10
    assert text.count(",") > 990_000 and len(text) < 60_000_000
