"""The panel's tabs."""

from __future__ import annotations

import pytest

from coro_magic import show
from coro_magic.language import spawn
from coro_magic.show import tabs

from .runs import run_of, sleepers, threads, troubled


def test_the_tabs_are_there_and_the_first_shows_the_picture_that_was_given() -> None:
    tab = show.panel(run_of(sleepers(2), threads(2, 0.1)), b"the picture")
    assert list(tab.titles) == ["Timeline", "Throughput", "Coroutines", "Threads' output"]
    assert tab.children[0].children[0].value == b"the picture"


def test_a_tab_is_made_when_it_is_first_looked_at_and_once() -> None:
    tab = show.panel(run_of(sleepers(2)), b"png")
    assert tab.children[1].children == ()
    tab.selected_index = 1
    first = tab.children[1].children[0]
    assert bytes(first.value).startswith(b"\x89PNG")
    tab.selected_index = 0
    tab.selected_index = 1
    assert tab.children[1].children[0] is first


def test_without_a_picture_the_timeline_is_drawn() -> None:
    image = show.panel(run_of(sleepers(2))).children[0].children[0]
    assert bytes(image.value).startswith(b"\x89PNG")


def test_names_errors_and_output_are_never_markup() -> None:
    evil = "<img src=x onerror=alert(1)>\"'"

    def body():
        spawn(bad(), name=evil)
        yield

    def bad():
        yield
        raise ValueError(evil)

    run = run_of(body, threads(1, 0.1, output=evil))
    run.baseline_note = evil
    for page in (tabs.table(run), tabs.threads_output(run)):
        assert "<img" not in page and "&lt;img" in page
        assert "\"'" not in page
    run.baseline = None
    assert "<img" not in tabs.threads_output(run)


def test_the_table_has_the_first_rows_in_spawn_order_and_says_how_many_more_there_are() -> None:
    page = tabs.table(run_of(sleepers(500)))
    assert page.count("<tr>") == 1 + tabs.MOST_ROWS
    assert page.index(">nap-7<") < page.index(">nap-8<")
    assert "and 301 more" in page


def test_a_failed_coroutine_stands_out_in_the_table() -> None:
    assert '<td class="text failed" title="ValueError: ' in tabs.table(run_of(troubled))


def test_an_error_in_making_a_tab_shows_in_that_tab_only(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(run: object) -> str:
        raise RuntimeError("<b>broken</b>")

    monkeypatch.setattr(tabs, "table", fail)
    tab = show.panel(run_of(sleepers(2)), b"png")
    tab.selected_index = 2
    shown = tab.children[2].children[0].value
    assert "RuntimeError: &lt;b&gt;broken" in shown
    tab.selected_index = 3
    assert "No threads ran" in tab.children[3].children[0].value


def test_long_output_is_bounded() -> None:
    run = run_of(sleepers(1), threads(1, 0.1, output="x" * 10**6))
    page = tabs.threads_output(run)
    assert len(page) < 30_000 and "980,000 more characters" in page
