"""From the end of a run of 1,000,000 intervals to its panel, drawn in a browser.

    python -m tests.benchmarks.drawn [rounds]

Seconds on this machine, so nothing that a test can hold to. Beside them, in the same page, stands what it
cannot be faster than: a widget of ipywidgets that shows a text.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

from ..browser.conftest import Server, _chromium
from ..browser.driving import CANVAS, Driver

_GET_READY = """
%load_ext coro_magic
import time
from coro_magic.notebook.outputs import Outputs
ended = []
finished = Outputs.finished
def noting(self, run):
    ended.append(time.time())
    finished(self, run)
Outputs.finished = noting
"""
_RUN = """
%%coroutines --baseline off -o run
def turns():
    for _ in range(5_000):
        yield
for _ in range(100):
    turns()
"""
_TOLD = "print('INTERVALS', len(run.trace.intervals().row), 'ENDED', *ended)"
_WIDGET = """
import ipywidgets
print('BEGUN', time.time())
display(ipywidgets.HTML('<b class=there>there</b>'))
"""
# When the timeline's canvas has been painted: the frame after the one in which it had its data.
_DRAWN = """() => new Promise((done) => {
  const look = () => {
    const shown = [...document.querySelectorAll('CANVAS')].some((one) => {
      if (one === window.before || !one.width || !one.height) return false;
      const line = one.getContext('2d').getImageData(0, one.height >> 1, one.width, 1).data;
      if (new Set(line).size <= 4) return false;
      window.seen = one;
      return true;
    });
    if (shown) requestAnimationFrame(() => done(Date.now() / 1000));
    else requestAnimationFrame(look);
  };
  look();
})""".replace("CANVAS", CANVAS)
_THERE = """() => new Promise((done) => {
  const look = () => document.querySelector('.there')
    ? requestAnimationFrame(() => done(Date.now() / 1000)) : requestAnimationFrame(look);
  look();
})"""


def _printed(driver: Driver, number: int, word: str) -> list[str]:
    cell = driver.page.locator(".jp-Notebook .jp-CodeCell").nth(number)
    cell.get_by_text(word).first.wait_for()
    text: str = cell.locator(".jp-OutputArea-output").first.inner_text()
    return text.split()


def measured(page: Any, server: Server, name: str) -> tuple[float, float, float, int]:
    """Measure once, in a kernel of its own.

    Gives the seconds to the panel of the first run, those to the panel of the second, those to a plain
    widget, and how many intervals there were. matplotlib and ipywidgets are loaded before the first run
    begins: that takes its time too, but is no part of these.
    """
    server.notebook(name, *(source.strip() for source in (_GET_READY, _RUN, _TOLD, _WIDGET)))
    driver = Driver(page, server, name, "lab")
    driver.run_cell(0)
    driver.ask_for_cell(1)
    drawn = [page.evaluate(_DRAWN)]
    page.wait_for_timeout(1000)
    page.evaluate("window.before = window.seen")
    driver.ask_for_cell(1)
    drawn.append(page.evaluate(_DRAWN))
    driver.ask_for_cell(2)
    told = _printed(driver, 2, "INTERVALS")
    driver.ask_for_cell(3)
    there = page.evaluate(_THERE)
    begun = float(_printed(driver, 3, "BEGUN")[-1])
    first, second = (each - float(ended) for each, ended in zip(drawn, told[3:], strict=True))
    return first, second, there - begun, int(told[1])


def main() -> None:
    """Measure some rounds, each in a kernel of its own, and say the medians."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    found = []
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        server = Server(Path(folder))
        browser = playwright.chromium.launch(
            executable_path=_chromium(), args=["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
        )
        try:
            for number in range(rounds):
                page = browser.new_page(viewport={"width": 1200, "height": 2400})
                page.set_default_timeout(60_000)
                found.append(measured(page, server, f"drawn{number}.ipynb"))
                page.close()
                print("{:.2f} s to the first panel, {:.2f} s to the second, {:.2f} s to a plain widget, "
                      "{:,} intervals".format(*found[-1]))  # fmt: skip
        finally:
            browser.close()
            server.stop()
    first, second, plain = (statistics.median(one[at] for one in found) for at in range(3))
    print(f"medians of {rounds}: {first:.2f} s to the first panel of a kernel, {second:.2f} s to the second, "
          f"{plain:.2f} s to a plain widget")  # fmt: skip


if __name__ == "__main__":
    main()
