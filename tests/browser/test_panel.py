"""The panel in a real JupyterLab: by keyboard, a run made again, its files, a run that is stopped."""

from __future__ import annotations

import csv
import json
import re
import time
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import ipykernel
import pytest
from PIL import Image

import coro_magic

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
# A picture of the cell's own, and one that another cell shows of the same run.
PICTURED = """%%coroutines --baseline off -o run
from IPython.display import Image, display
from matplotlib.figure import Figure
from coro_magic.show.sheet import png
display(Image(png(Figure(figsize=(1, 1)))))
def nap(n):
    yield sleep(0.001 * n)
for n in range(3):
    nap(n)"""
SWEPT = """%%coroutines --baseline off --panel off --sweep many=1,2,3
def nap():
    yield sleep(0.001)
for _ in range(many):
    nap()"""
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
        # (`inner_text` leaves out what is not in view.)
        text = str(locator.text_content())
        if re.search(holds, text):
            return text
        time.sleep(0.05)
    raise AssertionError(f"{holds!r} did not appear in {locator.text_content()!r}")


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
    driver.run_to_the_end()
    page.get_by_label("order", exact=True).select_option("random")
    page.get_by_role("button", name="Run again").click()
    page.locator("h4").get_by_text("The two runs compared").wait_for()
    page.get_by_role("status").get_by_text("The new run is below").wait_for()
    assert "order fifo and random" in page.locator("pre[aria-label=comparison]").inner_text()
    assert "nap 4" in page.locator("pre[aria-label=printed]").inner_text()
    last = page.locator(".jp-Notebook .jp-CodeCell").nth(2)
    assert last.locator(".jp-OutputArea-output").all_text_contents() == ["2"]


def test_a_cell_that_runs_again_leaves_one_panel_in_the_kernel(page: Any, server: Server) -> None:
    load = LOAD + "\nimport ipywidgets\nruns = []"
    count = "print(len(runs), 'runs,', len(ipywidgets.widgets.widget._instances), 'widgets')"
    server.notebook("one.ipynb", load, MANY.replace("2000", "5"), "runs.append(run)", count)
    driver = Driver(page, server, "one.ipynb", "lab")
    driver.run_all()
    printed = page.locator(".jp-Notebook .jp-CodeCell").nth(3).locator(".jp-OutputArea-output")
    first, _, widgets = text_when(printed, r"^\d+ runs, [1-9]\d* widgets").split()[:3]
    for cell in (1, 1, 2, 3):
        driver.run_cell(cell)
    assert text_when(printed, rf"^(?!{first} )\d+ runs, [1-9]\d* widgets").split()[2] == widgets


def valid(kind: str, path: Path) -> None:
    """Read a downloaded file as those do whom it is for."""
    if kind == "PNG":
        assert Image.open(path).load() is not None
    elif kind == "SVG":
        assert ElementTree.parse(path).getroot().tag.endswith("svg")
    elif kind == "PDF":
        assert path.read_bytes().startswith(b"%PDF") and b"%%EOF" in path.read_bytes()[-32:]
    elif kind == "CSV":
        assert len(list(csv.DictReader(path.open(newline="")))) == 2001
    elif kind == "JSON":
        assert coro_magic.load(path).count == 2000
    elif kind == "Perfetto":
        assert json.loads(path.read_text())["traceEvents"]
    else:
        assert path.read_text().rstrip().endswith("</html>")


def test_one_click_downloads_the_file_in_every_format(page: Any, server: Server, tmp_path: Path) -> None:
    server.notebook("files.ipynb", LOAD, MANY)
    driver = Driver(page, server, "files.ipynb", "lab")
    driver.run_all()
    before = set(server.folder.iterdir())
    button = page.get_by_role("button", name="Download")
    said = page.locator(".coro-download[role=status][aria-live=polite]")
    assert said.inner_text() == ""
    page.get_by_label("file", exact=True).fill("mine")
    for kind in ("PNG", "SVG", "PDF", "CSV", "JSON", "Perfetto", "HTML"):
        suffix = ".perfetto.json" if kind == "Perfetto" else f".{kind.lower()}"
        page.get_by_label("save as").select_option(kind)
        with page.expect_download() as started:
            if kind == "CSV":  # ... or one key: the button is next to the choice of formats
                page.get_by_label("save as").focus()
                page.keyboard.press("Tab")
                page.keyboard.press("Enter")
            else:
                button.click()
        assert started.value.suggested_filename == f"mine{suffix}"
        path = tmp_path / started.value.suggested_filename
        started.value.save_as(path)
        valid(kind, path)
        assert f"mine{suffix}, {path.stat().st_size:,} bytes, went to" in said.inner_text()
        assert button.evaluate("one => one === document.activeElement")
    # The link stays, for where a page may not begin downloads.
    with page.expect_download() as started:
        said.get_by_role("link").click()
    assert started.value.suggested_filename == "mine.html"
    assert set(server.folder.iterdir()) == before


def test_that_there_is_no_kernel_to_make_the_file_is_said(page: Any, server: Server) -> None:
    server.notebook("gone.ipynb", LOAD, MANY.replace("2000", "3"))
    driver = Driver(page, server, "gone.ipynb", "lab")
    driver.run_all()
    page.get_by_role("button", name="Download").wait_for()
    driver.choose("Kernel", "Shut Down Kernel")
    page.wait_for_function(
        "() => document.querySelector('.jp-Notebook-ExecutionIndicator').dataset.status !== 'idle'"
    )
    page.get_by_role("button", name="Download").click()
    text_when(page.locator(".coro-download"), "no kernel|busy, or gone")


@pytest.mark.parametrize("front_end", ["lab", "notebook"])
def test_all_our_pictures_have_alternative_text_and_others_are_left_alone(
    page: Any, server: Server, front_end: str
) -> None:
    if front_end == "notebook":
        pytest.importorskip("notebook", reason="Notebook 7 is not installed")
    name = f"described-{front_end}.ipynb"
    # From pyplot's first figure on, IPython draws all figures as pyplot is set up to.
    drawn = "import matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.show()\nrun.picture()"
    server.notebook(name, LOAD, PICTURED, SWEPT, drawn, "run.compare(run)", "run.throughput_plot()")
    driver = Driver(page, server, name, front_end)
    driver.run_all(".jp-CodeCell:nth-child(6) .jp-RenderedImage img")
    page.locator("[data-testid=coro-canvas]").wait_for()
    cells = page.locator(".jp-Notebook .jp-CodeCell")
    pictures = [cells.nth(number).locator(".jp-RenderedImage img") for number in range(1, 6)]
    ours = pictures[0].and_(page.locator("[alt^='3 coroutines, 1 thread']"))
    ours.wait_for()
    assert ours.evaluate("image => image.naturalWidth") > 500
    pictures[4].and_(page.locator("[alt^='Resumptions against time. 3 coroutines']")).wait_for()
    alternatives = "all => all.map(one => one.getAttribute('alt') || '')"
    said = [each.evaluate_all(alternatives) for each in pictures]
    # The first in two of the cells is the cell's own.
    assert [len(each) for each in said] == [2, 2, 2, 1, 1]
    there = [False, True, True, True, False, True, True, True]
    assert [bool(text) for each in said for text in each] == there
    assert "many" in said[1][1] and said[3][0].startswith("first run")
    # It is set again when the picture is shown anew.
    ours.evaluate("image => { const other = image.cloneNode(); other.removeAttribute('alt');"
                  " image.replaceWith(other) }")  # fmt: skip
    ours.wait_for()
    # Nothing in the panel is without words, or it is said to be none.
    for title in ("Throughput", "Timeline"):
        driver.tab(title)
        page.wait_for_timeout(300)
    page.locator(".coro-panel .picture img").first.wait_for(state="attached")
    bare = page.locator(".coro-tabs :is(img, canvas, svg)").evaluate_all(
        "all => all.filter(one => !(one.getAttribute('alt') || one.getAttribute('aria-label')"
        " || one.closest('[aria-hidden=true]'))).map(one => one.outerHTML.slice(0, 100))"
    )
    assert bare == []


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
