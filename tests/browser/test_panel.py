"""The panel in a real JupyterLab: by keyboard, a run made again, a run that is stopped."""

from __future__ import annotations

import re
import time
from typing import Any

import ipykernel
import pytest

from .conftest import Server
from .driving import Driver

LOAD = "%load_ext coro_magic\nfrom coro_magic import Channel, sleep, spawn"
MANY = """%%coroutines --baseline off -o run
def nap(n):
    if n < 5:
        print("nap", n)
    yield sleep(0.001 * (n % 7))
    return n
for n in range(2000):
    nap(n)"""
LONG = """%%coroutines --baseline off -o long
import time
def worker(n):
    for _ in range(1000):
        time.sleep(0.02)
        yield
for n in range(20):
    worker(n)"""
STOP = ".coro-stop"


def text_when(locator: Any, holds: str, seconds: float = 20) -> str:
    """Wait until an element's text fits a pattern; give it."""
    late = time.monotonic() + seconds
    while time.monotonic() < late:
        text = str(locator.inner_text())
        if re.search(holds, text):
            return text
        time.sleep(0.05)
    raise AssertionError(f"{holds!r} did not appear in {locator.inner_text()!r}")


def test_the_table_is_walked_sorted_and_filtered_by_keyboard(page: Any, server: Server) -> None:
    server.notebook("table.ipynb", LOAD, MANY)
    driver = Driver(page, server, "table.ipynb", "lab")
    driver.run_all()
    # From tab to tab by the arrows.
    page.locator(".jupyter-widget-tab .lm-TabBar-tab").first.focus()
    for _ in range(2):
        page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    grid = page.locator(".coro-table [role=grid]")
    grid.wait_for()
    assert grid.get_attribute("aria-rowcount") == "2002"
    grid.focus()
    page.keyboard.press("End")
    text_when(page.locator(".coro-table .more"), r"^nap-2000: done .*1999")
    page.keyboard.press("PageUp")
    text_when(page.locator(".coro-table .more"), r"^nap-1987: ")
    page.keyboard.press("Home")
    text_when(page.locator(".coro-table .more"), r"^cell: ")
    # A head is a button: tab to it, and press it.
    page.locator(".coro-table .head button").nth(4).focus()
    page.keyboard.press("Enter")
    heads = page.locator(".coro-table [role=columnheader]")
    assert heads.nth(4).get_attribute("aria-sort") == "descending"
    # The arrow that says so is seen.
    assert heads.nth(4).locator("button").evaluate("one => one.scrollWidth <= one.clientWidth")
    page.keyboard.press("Enter")
    assert heads.nth(4).get_attribute("aria-sort") == "ascending"
    page.locator(".coro-table input").fill("nap-199")
    text_when(page.locator(".coro-table .found"), r"^11 of 2,001 rows$")


def test_a_run_is_made_again_and_shown_below_and_not_in_another_cell(page: Any, server: Server) -> None:
    server.notebook("again.ipynb", LOAD, MANY.replace("2000", "5"), "1 + 1")
    driver = Driver(page, server, "again.ipynb", "lab")
    driver.run_all()
    page.get_by_label("order", exact=True).select_option("random")
    page.get_by_role("button", name="Run again").click()
    page.locator("h4").get_by_text("The two runs compared").wait_for()
    page.get_by_role("status").get_by_text("The new run is below").wait_for()
    assert "order fifo and random" in page.locator("pre[aria-label=comparison]").inner_text()
    assert "nap 4" in page.locator("pre[aria-label=printed]").inner_text()
    last = page.locator(".jp-Notebook .jp-CodeCell").nth(2)
    assert last.locator(".jp-OutputArea-output").all_inner_texts() == ["2"]


def test_a_cell_that_runs_again_leaves_one_panel_in_the_kernel(page: Any, server: Server) -> None:
    load = LOAD + "\nimport ipywidgets\nruns = []"
    count = "print(len(runs), 'runs,', len(ipywidgets.widgets.widget._instances), 'widgets')"
    server.notebook("one.ipynb", load, MANY.replace("2000", "5"), "runs.append(run)", count)
    driver = Driver(page, server, "one.ipynb", "lab")
    driver.run_all()
    printed = page.locator(".jp-Notebook .jp-CodeCell").nth(3).locator(".jp-OutputArea-output")
    first = int(text_when(printed, r"^\d+ runs, [1-9]\d* widgets").split()[0])
    widgets = printed.inner_text().split()[2]
    for cell in (1, 1, 2, 3):
        driver.run_cell(cell)
    assert text_when(printed, rf"^(?!{first} )\d+ runs, [1-9]\d* widgets").split()[2] == widgets


@pytest.mark.skipif(int(ipykernel.__version__.split(".")[0]) < 7, reason="clicks arrive from ipykernel 7 on")
def test_the_stop_button_stops_a_run_and_nothing_of_it_is_left(page: Any, server: Server) -> None:
    server.notebook("stop.ipynb", LOAD, LONG)
    driver = Driver(page, server, "stop.ipynb", "lab")
    driver.run_all(STOP)
    bar = page.locator(STOP)
    text_when(bar, r"running for .* of 20 coroutines finished")
    page.get_by_role("button", name="Stop", exact=True).click()
    page.locator(".jupyter-widget-tab").wait_for()
    assert page.locator(STOP).count() == 0
    cell = page.locator(".jp-Notebook .jp-CodeCell").nth(1)
    text_when(cell, r"20 coroutines, 1 thread, .*, interrupted")
    assert "KeyboardInterrupt" in cell.inner_text()
    outputs = driver.saved()["cells"][1]["outputs"]
    shown = [kind for output in outputs for kind in output.get("data", ())]
    assert shown.count("image/png") == 1 and "running for" not in str(outputs)
