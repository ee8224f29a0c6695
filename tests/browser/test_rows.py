"""A timeline alone, in a saved page: marks, the life of a row, keys, narrow pages, step mode."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import coro_magic
from coro_magic import Event, mark, sleep, spawn

from .driving import CANVAS, Driver

TIP, LIVE, CARD = (f"[data-testid=coro-{name}]" for name in ("tip", "live", "card"))
# Over how many lines an element's text goes.
LINES = """one => {
  const range = document.createRange();
  range.selectNodeContents(one);
  return range.getClientRects().length;
}"""
# Makes every ready bar a third of a pixel wide, and the step after it a fifth, on the border of two pixels;
# gives how many there are, and how many pixels have the colour of ready ones then.
MADE_NARROW = """(() => {
  const READY = 0, { side, raster } = view.rows[0], bars = side.bars;
  const pixel = (view.x1 - view.x0) / raster.width;
  let made = 0;
  for (let i = 1; i + 2 < bars.start[1]; i++) {
    if (bars.state[i] !== READY) continue;
    const border = view.x0 + (Math.round((bars.begin[i] - view.x0) / pixel) + 0.5) * pixel;
    bars.end[i - 1] = bars.begin[i] = border - 0.45 * pixel;
    bars.end[i] = bars.begin[i + 1] = border - 0.1 * pixel;
    bars.end[i + 1] = bars.begin[i + 2] = border + 0.1 * pixel;
    made++;
  }
  view.drawBase();
  const ready = view.colours[side.index].states[READY];
  return [made, raster.pixels.filter(one => one === ready).length];
})()"""
# What is written on the timeline's canvas.
WRITTEN = """(() => {
  const texts = [], before = view.context.fillText;
  view.context.fillText = (...what) => { texts.push(what[0]); before.call(view.context, ...what); };
  view.drawBase();
  delete view.context.fillText;
  return texts;
})()"""
Show = Callable[..., Driver]


@pytest.fixture
def show(page: Any, tmp_path: Path) -> Show:
    """Give what runs a coroutine in virtual time, saves its page and opens it."""

    def opened(body: Callable[[], Any], **options: Any) -> Driver:
        path = tmp_path / "rows.html"
        coro_magic.run(body(), clock="virtual", baseline="off", **options).save(str(path))
        page.goto(f"file://{path}")
        page.wait_for_selector(CANVAS)
        return Driver.of(page)

    return opened


def marking(name: str) -> Any:
    yield sleep(1)
    mark(f"{name} was here")
    yield sleep(1)


def two_that_mark() -> Any:
    spawn(marking("left"), name="left")
    spawn(marking("right"), name="right")
    yield sleep(2)


def test_the_hover_text_has_the_marks_of_its_own_row(show: Show) -> None:
    driver = show(two_that_mark)
    for line, name in ((1, "left"), (2, "right")):
        x, y = driver.timeline(f"[view.px(1), view.middle(view.rows[0], {line})]")
        driver.canvas().hover(position={"x": x, "y": y})
        driver.page.wait_for_function(
            f"name => document.querySelector('{TIP} b').textContent === name", arg=name
        )
        assert [text for text in driver.page.locator(TIP).inner_text().split("\n") if "mark" in text] == [
            f"mark: {name} was here"
        ]


def sleeper() -> Any:
    for _ in range(20):
        yield sleep(1)


def test_a_stay_narrower_than_a_pixel_does_not_cover_the_step_beside_it(show: Show) -> None:
    assert show(sleeper).timeline(MADE_NARROW) == [19, 0]


def test_marks_of_rows_that_are_filtered_out_are_not_drawn(show: Show) -> None:
    driver = show(two_that_mark)
    assert driver.timeline("view.rows[0].marks.map(one => one.text)") == ["left was here", "right was here"]
    driver.page.fill("[data-testid=coro-filter]", "right")
    assert driver.timeline("view.rows[0].marks.map(one => one.text)") == ["right was here"]
    # What is only folded away is there still.
    driver.page.fill("[data-testid=coro-filter]", "")
    driver.page.select_option("[data-testid=coro-order]", "tree")
    driver.timeline("view.fold(view.rows[0], 0)")
    assert driver.timeline("[view.rows[0].lines.count, view.rows[0].marks.length]") == [1, 2]


def yielding() -> Any:
    for _ in range(3):
        yield
    yield sleep(1)
    event = Event()
    spawn(setting(event), name="a_setter_with_a_name_as_long_as_names_of_functions_are")
    yield event.wait()


def setting(event: Event) -> Any:
    yield sleep(1)
    event.set()


def test_a_life_leaves_out_who_was_ready_for_no_time_and_nobodys_doing(show: Show) -> None:
    driver = show(yielding)
    driver.timeline("view.openCard(0, 0, false)")
    rows = driver.page.locator(f"{CARD} tbody tr")
    rows.first.wait_for()
    cells = [[cell.strip() for cell in text.split("\t")] for text in rows.all_inner_texts()]
    ready = [why for _, _, state, why in cells if state == "ready"]
    assert ready == ["by a_setter_with_a_name_as_long_as_names_of_functions_are"]
    assert sum(state == "running" for _, _, state, _ in cells) > 4
    # However narrow the card is, a state is one word.
    driver.page.set_viewport_size({"width": 340, "height": 900})
    words = driver.page.locator(f"{CARD} td.coro-word")
    assert {words.nth(at).evaluate(LINES) for at in range(words.count())} == {1}


def test_a_row_of_the_tree_is_folded_by_keyboard_and_what_keys_show_is_read_out(show: Show) -> None:
    driver = show(two_that_mark)
    page, live = driver.page, driver.page.locator(LIVE)
    page.select_option("[data-testid=coro-order]", "tree")
    driver.canvas().focus()
    page.keyboard.press("ArrowDown")
    assert "2 below it, unfolded" in live.inner_text()
    for count, said in ((1, "folded"), (3, "unfolded")):
        page.keyboard.press(" ")
        assert driver.timeline("view.rows[0].lines.count") == count
        assert f"2 below it, {said}" in live.inner_text()
    # A row without children is not one to fold.
    page.keyboard.press("ArrowDown")
    page.keyboard.press(" ")
    assert driver.timeline("view.rows[0].lines.count") == 3
    for key, said in (
        ("a", "Arrows: shown"),
        ("a", "Arrows: hidden"),
        ("c", "Critical path: shown"),
        ("c", "Critical path: hidden"),
    ):
        page.keyboard.press(key)
        assert live.inner_text() == said
    assert page.locator(".coro-help").get_by_text("fold and unfold the row").count() == 1


def test_narrow_tools_keep_their_names(show: Show) -> None:
    driver = show(two_that_mark)
    driver.page.set_viewport_size({"width": 360, "height": 900})
    labels = driver.page.locator(".coro-tools label")
    assert (
        labels.evaluate_all("all => all.map(one => parseFloat(getComputedStyle(one).fontSize) >= 10)")
        == [True] * labels.count()
    )
    assert driver.page.locator(".coro-tools").evaluate("one => one.scrollWidth <= one.clientWidth")


def crowded() -> Any:
    for n in range(20):
        yield sleep(1)
        mark(f"a mark whose text takes more room than there is until the next, number {n}")


def test_how_many_flags_found_no_room_is_said(show: Show) -> None:
    driver = show(crowded)

    def written() -> tuple[int, list[str]]:
        texts = driver.timeline(WRITTEN)
        return sum(text.startswith("a mark") for text in texts), [
            text for text in texts if "more" in text[:9]
        ]

    flags, more = written()
    assert 0 < flags < 20 and more == [f"+{20 - flags} more"]
    # Where there is room for all, nothing is said.
    driver.timeline("view.setView(0.5, 2.5)")
    assert written() == (2, [])


def deep(n: int) -> Any:
    if n:
        yield from deep(n - 1)
    else:
        yield


def recursive() -> Any:
    yield from deep(13)


def test_many_frames_of_a_recursion_are_one_line_in_step_mode(show: Show) -> None:
    driver = show(recursive, record="on")
    column = driver.page.locator(".coro-column")
    assert [text for text in column.inner_text().split("\n") if "more" in text] == [
        "… 12 more frames of deep"
    ]
    # The outermost of them is shown, and where it stands.
    lit = column.locator(".coro-lit").all_inner_texts()
    assert ["deep(13)" in lit[0], "deep(n - 1)" in lit[1], lit[2].split("\n")[-1].strip()] == [
        True,
        True,
        "yield",
    ]
    assert len(lit) == 3
