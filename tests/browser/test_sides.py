"""More than two sides in the interactive timeline: in a notebook, and in the page that is saved from it."""

from __future__ import annotations

from typing import Any

from .conftest import Server
from .driving import CANVAS, Driver

LOAD = "%load_ext coro_magic\nfrom coro_magic import sleep"
SIDES = """%%coroutines --against threads,sequential,asyncio -o run
def nap(n):
    for _ in range(3):
        yield sleep(0.01)
for n in range(5):
    nap(n)"""
SAVED = "run.save('sides.html')"
BESIDE = "[data-testid=coro-beside]"


def bands(driver: Driver) -> Any:
    return driver.timeline("view.bands.map(rows => rows.side.called)")


def test_every_side_has_a_band_and_one_can_be_chosen_to_stand_beside_the_coroutines(
    page: Any, server: Server
) -> None:
    server.notebook("sides.ipynb", LOAD, SIDES, SAVED)
    notebook = Driver(page, server, "sides.ipynb", "lab")
    notebook.run_to_the_end()
    notebook.canvas()
    look_at(notebook, page)
    # The card of another side's row is that side's.
    x, y = notebook.timeline("[20, view.middle(view.rows[2], 1)]")
    notebook.canvas().click(position={"x": x, "y": y})
    page.wait_for_selector("[data-testid=coro-card] .coro-state")
    assert notebook.timeline("view.selected") == {"side": 2, "row": 1}
    # And it goes with its band.
    page.select_option(BESIDE, label="threads")
    assert notebook.timeline("view.card.hidden")

    page.goto(f"file://{server.folder / 'sides.html'}")
    page.wait_for_selector(CANVAS)
    look_at(Driver.of(page), page)

    # A page that was cut on its way says so.
    whole = (server.folder / "sides.html").read_text()
    end = whole.index("</script>", whole.index('id="coro-data"'))
    (server.folder / "cut.html").write_text(whole[: end - 400] + whole[end:])
    page.goto(f"file://{server.folder / 'cut.html'}")
    page.get_by_text("is damaged, and cannot be read").wait_for()


def look_at(driver: Driver, page: Any) -> None:
    everybody = ["coroutines", "threads", "sequential", "asyncio"]
    assert bands(driver) == everybody
    captions = driver.timeline("view.bands.map(rows => view.caption(rows.side)[0])")
    assert captions == ["5 coroutines, 1 thread", "5 threads, one per coroutine",
                        "5 calls, one after another", "5 asyncio tasks, 1 thread"]  # fmt: skip
    # One over the other, on one axis, which is as long as the slowest needs.
    places = driver.timeline("view.bands.map(rows => [rows.box.plotY, rows.box.plotY + rows.box.plotH])")
    assert all(low < high for (_, low), (high, _) in zip(places, places[1:], strict=False))
    whole = driver.timeline("view.full()")
    assert whole >= driver.timeline("view.sides[2].seconds")
    x, y = driver.timeline("[view.plotX + 1, view.middle(view.rows[3], 2)]")
    driver.canvas().hover(position={"x": x, "y": y})
    page.wait_for_function("() => !document.querySelector('[data-testid=coro-tip]').hidden")
    assert page.locator("[data-testid=coro-tip] b").inner_text() == "nap-2"
    page.select_option(BESIDE, label="asyncio")
    assert bands(driver) == ["coroutines", "asyncio"]
    assert driver.timeline("view.x1") == driver.timeline("view.full()") < whole
    page.select_option(BESIDE, label="all")
    assert bands(driver) == everybody and driver.timeline("view.x1") == whole
