"""The panel and the picture in a real notebook, in JupyterLab and in Notebook 7."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import Any

import pytest

from .conftest import Server
from .driving import CANVAS, Driver

LOAD = "%load_ext coro_magic\nfrom coro_magic import Channel, mark, sleep, spawn\nimport coro_magic"

PIPELINE = """%%coroutines -o run
import time

channel = Channel(2)

def producer(count):
    for number in range(count):
        yield sleep(0.005)
        yield channel.put(number)
        print("put", number)

def consumer(name):
    for _ in range(4):
        item = yield channel.get()
        time.sleep(0.003)
    return name, item

def fails():
    wrong = "<b>bold</b>"
    yield sleep(0.01)
    raise ValueError(wrong)

producer(8)
consumer("one")
consumer("two")
spawn(fails(), name="<img src=x onerror=document.title='hacked'>")
mark("begun")"""

STEPS = """%%coroutines --record on
def counter(first):
    for number in range(first, first + 3):
        yield

counter(10)
counter(20)"""


CROWD = """%%coroutines --record on
from coro_magic import sleep
def waits():
    yield sleep(60)
def ends():
    for _ in range(5):
        yield
tasks = [spawn(waits) for _ in range({})]
def stops():
    for _ in range(30):
        yield
    for task in tasks:
        task.cancel()
ends()
ends()
stops()"""

# What the tip says of each bar of somebody who is ready.
READY_BARS = """(() => {
  const side = view.sides[0], bars = [...Array(side.bars.length).keys()];
  return bars.filter(i => side.bars.state[i] === 0)
    .map(i => view.toldBar(side, side.bars, i).map(part => part.textContent).join('; '));
})()"""

# As if the slider was drawn there.
GO = "(slider, step) => { slider.value = step; slider.dispatchEvent(new Event('input')) }"


EVENT = """%%coroutines --record on
import threading
event = threading.Event()
def waits():
    event.wait()
    yield
def sets():
    yield
    event.set()
waits()
sets()"""

STANDING = """%%coroutines --record on --clock virtual
from IPython.display import display
import time
channel = Channel()
class Slow:
    def __repr__(self):
        time.sleep(0.001)
        return "slow"
def puts():
    yield channel.put(1)
def gets():
    yield sleep(0.001)
    yield channel.get()
    yield
def shows():
    display(Slow())
    yield
def driven():
    yield
def drives():
    d = driven()
    next(d)
    yield
puts()
gets()
shows()
drives()"""


@pytest.fixture(params=["lab", "notebook"])
def front_end(request: pytest.FixtureRequest) -> str:
    if request.param == "notebook":
        pytest.importorskip("notebook", reason="Notebook 7 is not installed")
    return str(request.param)


def test_a_run_can_be_looked_at_and_is_still_there_when_the_notebook_is_loaded_again(
    page: Any, server: Server, front_end: str
) -> None:
    server.notebook(f"{front_end}.ipynb", LOAD, PIPELINE)
    notebook = Driver(page, server, f"{front_end}.ipynb", front_end)
    notebook.run_all()

    # The picture, and the panel under it with words for who cannot see it.
    picture = page.locator(".jp-RenderedImage img").first
    assert picture.evaluate("image => image.naturalWidth") > 500
    canvas = notebook.canvas()
    assert "4 coroutines, 1 thread" in canvas.get_attribute("aria-label")
    box = canvas.bounding_box()
    whole = notebook.timeline("[view.x0, view.x1]")

    # Zoom in at the pointer, and fit.
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 80)
    page.mouse.wheel(0, -600)
    page.wait_for_timeout(300)
    closer = notebook.timeline("[view.x0, view.x1]")
    assert closer[1] - closer[0] < 0.8 * (whole[1] - whole[0])
    page.locator("[data-testid=coro-fit]").first.click()
    page.wait_for_timeout(300)
    assert notebook.timeline("[view.x0, view.x1]") == pytest.approx(whole)

    # Hover: who, in which state, why, at which line.
    x, y = notebook.middle_of("producer", 2)
    box = notebook.canvas().bounding_box()
    page.mouse.move(box["x"] + x - 1, box["y"] + y)
    page.mouse.move(box["x"] + x, box["y"] + y)
    tip = page.locator("[data-testid=coro-tip]").first
    tip.wait_for(state="visible")
    said = tip.inner_text()
    assert "producer" in said and "sleep" in said and "yield sleep(0.005)" in said

    # Click: its card, with what it printed.
    page.mouse.click(box["x"] + x, box["y"] + y)
    card = page.locator("[data-testid=coro-card]").first
    card.wait_for(state="visible")
    page.locator("[data-testid=coro-card]").get_by_text("put 7").first.wait_for()
    # What came later in its life is seen to come later.
    begun = card.locator("tbody tr", has_text="waiting").locator("td:first-child").all_inner_texts()
    assert len(set(begun)) == len(begun) > 4 and len({text.split()[-1] for text in begun}) == 1, begun
    page.keyboard.press("Escape")
    card.wait_for(state="hidden")

    # Counted in switches; arrows and the critical path by keyboard.
    page.locator("[data-testid=coro-axis]").first.select_option("switches")
    for name in ("coro-arrows", "coro-critical"):
        page.locator(f"[data-testid={name}]").first.press("Enter")
        assert page.locator(f"[data-testid={name}]").first.get_attribute("aria-pressed") == "true"

    # The table sorts, and a hostile name is text.
    notebook.tab("Coroutines")
    grid = page.locator(".coro-table [role=grid]").first
    grid.wait_for(state="visible")
    page.locator(".coro-table .head button").get_by_text("name").first.click()
    page.wait_for_timeout(500)
    names = page.locator(".coro-table .rows .line .first").all_inner_texts()
    assert len(names) == 5 and names == sorted(names, key=str.lower)
    assert any("<img src=x" in name for name in names)

    notebook.tab("Output")
    page.get_by_text("put 7").first.wait_for()
    notebook.tab("What this means")
    page.get_by_text("Where the time went").first.wait_for()
    assert page.title() != "hacked"

    content = notebook.saved()
    outputs = content["cells"][1]["outputs"]
    assert sum("image/png" in output.get("data", {}) for output in outputs) == 1
    assert "widgets" not in content["metadata"]
    notebook.open()
    again = page.locator(".jp-RenderedImage img").first
    again.wait_for()
    assert again.evaluate("image => image.naturalWidth") > 500


def test_step_mode_plays_forward_and_back_with_the_lines_and_the_locals(
    page: Any, server: Server
) -> None:
    server.notebook("steps.ipynb", LOAD, STEPS)
    Driver(page, server, "steps.ipynb", "lab").run_all("[data-testid=coro-steps]")
    where, columns = (page.locator(f"[data-testid={name}]").first for name in ("coro-step", "coro-columns"))
    first = where.inner_text()
    assert first.startswith("step 1 of ") and "ran to its end" in columns.inner_text()
    forward = page.locator("[data-testid=coro-step-forward]").first
    for _ in range(4):
        forward.click()
    assert where.inner_text() != first
    said = columns.inner_text()
    assert "counter" in said and "yield" in said and "number" in said and "11" in said
    page.locator("[data-testid=coro-step-back]").first.press("Enter")
    page.locator("[data-testid=coro-play]").first.click()
    page.wait_for_timeout(3_000)
    assert page.locator("[data-testid=coro-slider]").first.input_value() == str(
        int(page.locator("[data-testid=coro-slider]").first.get_attribute("max"))
    )


def test_step_mode_shows_all_who_have_not_ended_and_says_how_many_have_no_room(
    page: Any, server: Server
) -> None:
    server.notebook("crowd.ipynb", LOAD, CROWD.format(7))
    driver = Driver(page, server, "crowd.ipynb", "lab")
    driver.run_all("[data-testid=coro-steps]")
    columns = page.locator("[data-testid=coro-columns]").first
    others = page.locator("[data-testid=coro-others]").first
    slider = page.locator("[data-testid=coro-slider]").first
    # All had their turn, and since then one has run for long: the others stand where they stood.
    slider.evaluate(GO, 35)
    names = columns.locator("article header b").all_inner_texts()
    assert {"waits", *(f"waits-{at}" for at in range(2, 8)), "ends-2"} <= set(names)
    assert not others.inner_text()

    server.notebook("crowd.ipynb", LOAD, CROWD.format(20))
    driver.open()
    driver.run_all("[data-testid=coro-steps]")
    slider.evaluate(GO, 50)
    assert columns.locator("article").count() == 12
    assert others.inner_text() == "9 more coroutines that ran longer ago and have not ended"


def test_step_mode_counts_switches_and_tells_of_a_librarys_calls_in_a_line(page: Any, server: Server) -> None:
    server.notebook("library.ipynb", LOAD, EVENT)
    driver = Driver(page, server, "library.ipynb", "lab")
    driver.run_all("[data-testid=coro-steps]")
    assert page.locator("[data-testid=coro-axis]").first.input_value() == "switches"
    columns, forward = (page.locator(f"[data-testid={name}]").first
                        for name in ("coro-columns", "coro-step-forward"))  # fmt: skip
    while "… in" not in columns.inner_text():
        forward.click(timeout=5_000)  # until it is disabled, which fails
    said = columns.inner_text()
    assert "… in wait, " in said and "threading.py" in said and "event.wait()" in said
    assert "waiter" not in said


def test_step_mode_says_of_everybody_what_the_trace_knows_and_counts_the_notebooks_own_frames(
    page: Any, server: Server
) -> None:
    server.notebook("standing.ipynb", LOAD, STANDING)
    driver = Driver(page, server, "standing.ipynb", "lab")
    driver.run_all("[data-testid=coro-steps]")
    columns, slider = (page.locator(f"[data-testid={name}]").first
                       for name in ("coro-columns", "coro-slider"))  # fmt: skip
    seen, folded = [], 0
    for step in range(int(slider.get_attribute("max")) + 1):
        slider.evaluate(GO, step)
        heads = columns.locator("article header").evaluate_all(
            "all => all.map(one => [...one.children].map(part => part.textContent))"
        )
        seen.append(dict(heads))
        part = columns.locator(".coro-folded")
        if part.count():
            folded += 1
            # Its author's code called display, and that called its author's code again.
            assert re.fullmatch(r"… \d+ frames of IPython( and ipykernel)?", part.inner_text())
            shown = columns.locator("article", has=page.locator(".coro-folded")).inner_text()
            assert "display(Slow())" in shown and "formatters" not in shown and "… in " not in shown
            assert ("__repr__" in shown) is ("time.sleep(0.001)" in shown) is ("ipykernel" not in shown)
    assert folded
    puts = [each["puts"] for each in seen if "puts" in each]
    # Its wait was over when the other had received, before it had its next turn: it was still said to wait.
    assert list(dict.fromkeys(puts)) == [
        "ran, now waits: put", "waits: put", "ready, woken by gets", "ran to its end", "has ended",
    ]  # fmt: skip
    gets = list(dict.fromkeys(each["gets"] for each in seen if "gets" in each))
    assert gets[:2] == ["ran, now waits: sleep", "waits: sleep"] and "ran, is ready again" in gets
    drives = {each["drives"] for each in seen if "drives" in each}
    assert {"ran, now waits: send to driven", "ran, is ready again"} <= drives
    assert "waits: its driver" in {each["driven"] for each in seen if "driven" in each}
    # So does the timeline of those who are ready, where it guessed.
    told = driver.timeline(READY_BARS)
    for why in ("woken by gets", "its first turn is still to come", "it let the others run",
                "its wait is over: sleep"):  # fmt: skip
        assert any(each.endswith(why) for each in told), (why, told)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_saved_page_needs_no_kernel_and_no_network(page: Any, tmp_path: Any, theme: str) -> None:
    program = tmp_path / "program.py"
    lines = PIPELINE.splitlines()[1:]
    text = "\n".join(lines).replace("raise ValueError(wrong)", "pass")
    program.write_text(f"from coro_magic import *\n{text}")
    saved = tmp_path / "run.html"
    subprocess.run([sys.executable, "-m", "coro_magic", "run", str(program), "--save", str(saved)],
                   check=True, capture_output=True, timeout=120)  # fmt: skip
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.emulate_media(color_scheme=theme)
    page.goto(saved.as_uri())
    page.wait_for_selector(CANVAS)
    notebook = Driver.of(page)
    x, y = notebook.middle_of("producer", 2)
    box = page.locator(CANVAS).bounding_box()
    page.mouse.click(box["x"] + x, box["y"] + y)
    page.locator("[data-testid=coro-card]").get_by_text("put 7").first.wait_for()
    assert page.title() != "hacked"
    assert [url for url in asked if not url.startswith(("file:", "data:", "blob:"))] == []


@pytest.mark.parametrize(("to", "suffix"), [("html", "html"), ("markdown", "md")])
def test_nbconvert_keeps_the_picture(tmp_path: Any, to: str, suffix: str) -> None:
    pytest.importorskip("nbconvert", reason="nbconvert is not installed")
    notebook = tmp_path / "one.ipynb"
    Server.notebook(type("Folder", (), {"folder": tmp_path})(), "one.ipynb", LOAD, STEPS)  # type: ignore[arg-type]
    subprocess.run([sys.executable, "-m", "jupyter", "nbconvert", "--execute", f"--to={to}", str(notebook)],
                   check=True, capture_output=True, timeout=180)  # fmt: skip
    text = notebook.with_suffix(f".{suffix}").read_text()
    if to == "html":
        assert "data:image/png;base64," in text and "2 coroutines, 1 thread" in text
    else:
        (picture,) = tmp_path.glob("one_files/*.png")
        assert picture.stat().st_size > 5_000 and "one_files/" in text


def test_where_a_page_takes_it_the_picture_has_the_headline_as_alternative_text(tmp_path: Any) -> None:
    # Of what there is, nbconvert's classic template does; JupyterLab, Notebook 7 and nbconvert's lab do not.
    pytest.importorskip("nbconvert", reason="nbconvert is not installed")
    notebook = tmp_path / "one.ipynb"
    Server.notebook(type("Folder", (), {"folder": tmp_path})(), "one.ipynb", LOAD, STEPS)  # type: ignore[arg-type]
    subprocess.run([sys.executable, "-m", "jupyter", "nbconvert", "--execute", "--to=html",
                    "--template=classic", str(notebook)],
                   check=True, capture_output=True, timeout=180)  # fmt: skip
    pictures = re.findall("<img[^>]*>", notebook.with_suffix(".html").read_text())
    assert pictures and all(re.search('alt="2 coroutines, 1 thread', each) for each in pictures)


def test_the_panel_says_the_same_in_the_dark_and_in_a_narrow_window(page: Any, server: Server) -> None:
    server.notebook("narrow.ipynb", LOAD, PIPELINE)
    page.set_viewport_size({"width": 620, "height": 1000})
    notebook = Driver(page, server, "narrow.ipynb", "lab")
    page.evaluate("() => document.body.setAttribute('data-jp-theme-light', 'false')")
    notebook.run_all()
    box = notebook.canvas().bounding_box()
    assert box["width"] > 250
    cut = "all => all.filter(one => one.scrollWidth > one.clientWidth + 1).map(one => one.textContent)"
    assert page.locator(".coro-tabs .lm-TabBar-tabLabel").evaluate_all(cut) == []
    coroutines, threads = notebook.timeline("view.sides.map(side => view.caption(side)[1])")
    assert "switch" in coroutines and "resumption" in threads
    # Names that differ at their end are told apart where they are cut.
    long = "['one', 'two'].map(end => view.shortened('a_name_that_is_much_too_long_' + end, 90, 12))"
    ends = notebook.timeline(long)
    assert [text[-3:] for text in ends] == ["one", "two"] and all("…" in text for text in ends)
    # On the narrowest, too: nothing sticks out of the window, no title is cut, and the axis has a scale.
    for width in (620, 330):
        page.set_viewport_size({"width": width, "height": 1000})
        page.wait_for_function("view => document.querySelector(view).clientWidth < innerWidth", arg=CANVAS)
        assert page.evaluate(
            "() => [...document.querySelectorAll('[data-testid=coro-timeline] *')]"
            ".every(one => one.getBoundingClientRect().right <= window.innerWidth + 1)"
        )
        assert page.locator(".coro-tabs .lm-TabBar-tabLabel").evaluate_all(cut) == []
        assert len(notebook.timeline("view.ticks().values")) >= 2
    # A picture of letters too small to be read scrolls instead.
    notebook.tab("Throughput")
    drawn = page.locator(".coro-panel .picture img").first
    drawn.wait_for()
    drawn.evaluate("image => image.decode()")
    assert drawn.evaluate("image => image.clientWidth > image.parentElement.clientWidth")
    assert drawn.evaluate("image => image.clientWidth") >= 500
