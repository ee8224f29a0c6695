"""The table of coroutines: sorting, filtering, windows."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from coro_magic.language import spawn
from coro_magic.show import table as table_module
from coro_magic.show.listing import COLUMNS, KEYS, Listing
from coro_magic.show.table import Table

from .runs import run_of, sleepers, threads, troubled


def ask(table: Table, **request: Any) -> dict[str, Any]:
    return table.answer({"kind": "rows", "id": 1, "count": 200, **request})


def names(answer: dict[str, Any]) -> list[str]:
    return [row["cells"][0] for row in answer["rows"]]


@pytest.fixture(scope="module")
def table() -> Table:
    return Table(run_of(sleepers(120), threads(5, 0.1)))


def test_the_first_rows_are_there_before_anybody_asks(table: Table) -> None:
    assert names(table.beginning)[:3] == ["body", "nap", "nap-2"]
    assert table.beginning["found"] == 121 and len(table.beginning["rows"]) == 40


def test_names_sort_by_their_number(table: Table) -> None:
    assert names(ask(table, sort="name"))[:4] == ["body", "nap", "nap-2", "nap-3"]
    assert names(ask(table, sort="name", descending=True))[:2] == ["nap-120", "nap-119"]


@pytest.mark.parametrize("column", KEYS)
@pytest.mark.parametrize("descending", [False, True])
def test_every_column_sorts_both_ways_and_loses_nobody(table: Table, column: str, descending: bool) -> None:
    answer = ask(table, sort=column, descending=descending)
    assert answer["found"] == 121 and len(set(names(answer))) == 121


def test_times_sort_by_their_value_and_not_by_their_text() -> None:
    run = run_of(sleepers(30))
    waiting = run.trace.totals()["waiting"]
    rows = [row["row"] for row in ask(Table(run), sort="waiting", descending=True)["rows"]]
    assert [waiting[row] for row in rows] == sorted(waiting, reverse=True)


def test_equal_ones_stay_in_the_order_in_which_they_were_spawned(table: Table) -> None:
    assert names(ask(table, sort="items", descending=True)) == names(ask(table))


def test_a_filter_by_name_is_part_of_it_in_any_case(table: Table) -> None:
    assert names(ask(table, text="AP-11")) == ["nap-11", *(f"nap-{n}" for n in range(110, 120))]
    assert ask(table, text="nobody")["rows"] == []


def test_a_filter_by_state_gives_those_who_ended_in_it() -> None:
    table = Table(run_of(troubled))
    assert dict(table.sides[0]["states"]) == {"done": 1, "failed": 1, "cancelled": 1, "left over": 1}
    assert names(ask(table, state="failed")) == ["bad"]
    assert names(ask(table, state="left over", text="LO")) == ["lost"]


def test_both_sides_can_be_chosen(table: Table) -> None:
    assert [side["name"] for side in table.sides] == ["coroutines", "threads"]
    answer = ask(table, side=1)
    assert answer["found"] == 6 and answer["side"] == 1


def test_threads_that_were_stopped_are_unfinished() -> None:
    table = Table(run_of(sleepers(3), threads(3, 0.1, complete=False)))
    assert dict(table.sides[1]["states"]) == {"unfinished": 4}
    assert len(names(ask(table, side=1, state="unfinished"))) == 4


def test_errors_and_results_are_in_the_row_and_in_the_sentence_about_it() -> None:
    table = Table(run_of(troubled))
    (row,) = ask(table, state="failed")["rows"]
    assert row["cells"][-1] == "ValueError: line\\none <b>$x_1$</b>"
    assert row["more"].startswith("bad: failed at line ") and "spawned by troubled at line" in row["more"]
    assert ask(Table(run_of(sleepers(2))), text="nap-2")["rows"][0]["cells"][-1] == "1"


def test_a_window_is_cut_out_of_the_order(table: Table) -> None:
    answer = ask(table, sort="name", first=100, count=5)
    assert names(answer) == [f"nap-{n}" for n in range(100, 105)]
    # Past the end there is still something to see.
    assert names(ask(table, first=10_000, count=5)) == ["nap-120"]


def test_no_answer_is_larger_than_a_window() -> None:
    table = Table(run_of(sleepers(1000)))
    assert len(ask(table, count=10**9)["rows"]) == table_module.MOST_ROWS


def test_names_and_results_are_bounded() -> None:
    def body():
        spawn(long(), name="n" * 10**6)
        yield

    def long():
        yield
        return "r" * 10**6

    (row,) = ask(Table(run_of(body)), text="nnn")["rows"]
    assert max(map(len, row["cells"])) <= 300 and len(row["more"]) < 1000


@pytest.mark.parametrize("asked", [
    {}, {"kind": "nonsense"}, {"kind": "rows", "sort": "nonsense"}, {"kind": "rows", "state": "nonsense"},
    {"kind": "rows", "side": 9}, {"kind": "rows", "side": "x"}, {"kind": "rows", "first": "x"},
    {"kind": "rows", "count": None},
])  # fmt: skip
def test_nonsense_is_answered_with_an_error(table: Table, asked: dict[str, Any]) -> None:
    answer = table.answer({"id": 5, **asked})
    assert answer["kind"] == "error" and answer["id"] == 5 and len(answer["message"]) <= 500


def test_a_message_of_the_page_is_answered_with_its_number(monkeypatch: pytest.MonkeyPatch) -> None:
    table = Table(run_of(sleepers(2)))
    sent: list[Any] = []
    monkeypatch.setattr(table, "send", sent.append)
    table._asked(table, {"kind": "rows", "id": 7, "count": 1}, [])
    table._asked(table, "nonsense", [])
    assert [answer["id"] for answer in sent] == [7]


def test_a_run_without_a_trace_has_names_and_ends() -> None:
    answer = ask(Table(run_of(sleepers(2), trace=False)), sort="running")
    assert names(answer) == ["body", "nap", "nap-2"]
    assert answer["rows"][1]["cells"][1:3] == ["done", ""] and answer["rows"][1]["shares"] is None


def test_a_hundred_thousand_rows_are_sorted_and_shown_at_once() -> None:
    run = run_of(sleepers(100_000, 1))
    table = Table(run)
    for column, _, _ in COLUMNS:
        table.answer({"kind": "rows", "id": 1, "sort": column, "descending": True, "count": 70})
        begun = time.perf_counter()
        answer = table.answer({"kind": "rows", "id": 1, "sort": column, "first": 50_000, "count": 70})
        # Some 10 ms where nothing else is going on.
        assert time.perf_counter() - begun < 1.0
        assert len(answer["rows"]) == 70


def test_a_listing_knows_its_states_and_its_size() -> None:
    listing = Listing(run_of(sleepers(3)))
    assert len(listing) == 4 and listing.states() == [("done", 4)]


def test_the_page_makes_text_and_never_markup() -> None:
    script = Path(table_module.__file__).with_name("table.js").read_text()
    for word in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "http"):
        assert word not in script
