"""A notebook in a browser, as somebody at the keyboard uses it."""

from __future__ import annotations

import json
import time
from typing import Any

from .conftest import Server

# Where an open notebook is found: JupyterLab (one document) and Notebook 7.
FRONT_ENDS = {"lab": "doc/tree", "notebook": "notebooks"}
CANVAS = "[data-testid=coro-canvas]"
_PATIENCE = 5  # seconds in which nothing went on


# The middle of a row's longest bar, in pixels of the canvas.
_MIDDLE = """(() => {
  const name = %s, state = %d, rows = view.rows[0], side = rows.side, bars = side.bars;
  const row = [...Array(side.rows).keys()].find(one => side.name(one) === name);
  let best = -1;
  const length = i => bars.end[i] - bars.begin[i];
  for (let i = bars.start[row]; i < bars.start[row + 1]; i++)
    if (bars.state[i] === state && (best < 0 || length(i) > length(best))) best = i;
  const moment = (bars.begin[best] + bars.end[best]) / 2;
  const line = [...rows.lines.rows].indexOf(row);
  return [view.plotX + (moment - view.x0) / (view.x1 - view.x0) * view.plotW,
          rows.box.plotY + (line + 0.5 - rows.top) * rows.lh];
})()"""


class Driver:
    """One open notebook."""

    def __init__(self, page: Any, server: Server, name: str, front_end: str) -> None:
        self.page = page
        self._path = server.folder / name
        self._url = f"{server.url}/{FRONT_ENDS[front_end]}/{name}"
        self.open()

    @classmethod
    def of(cls, page: Any) -> Driver:
        """Give one for a page that is open and no notebook."""
        driver = cls.__new__(cls)
        driver.page = page
        return driver

    def open(self) -> None:
        """Open it, or load it again."""
        self.page.goto(self._url)
        self.page.wait_for_selector(".jp-Notebook .jp-Cell")
        # A kernel that is not there yet would not run what is asked for.
        self.page.wait_for_function(
            "() => { const one = document.querySelector('.jp-Notebook-ExecutionIndicator');"
            " return one && one.dataset.status === 'idle' }"
        )

    def run_all(self, wait_for: str = CANVAS) -> None:
        """Run all cells, and wait until something is there."""
        from playwright.sync_api import TimeoutError

        for _ in range(4):
            self._run_cells()
            try:
                self.page.wait_for_selector(wait_for, timeout=20_000)
                return
            except TimeoutError:
                continue  # the first kernel of a server may lose what it is sent as it starts
        raise AssertionError(f"{wait_for} did not come")

    def choose(self, menu: str, item: str) -> None:
        """Choose from a menu of JupyterLab."""
        self.page.locator(".lm-MenuBar-itemLabel").get_by_text(menu, exact=True).click()
        self.page.locator(".lm-Menu-itemLabel").get_by_text(item, exact=True).click()

    def run_to_the_end(self, seconds: float = 300) -> None:
        """Run all cells by the menu, and wait until every one of them has run, or one has failed."""
        late = time.monotonic() + seconds
        before: list[str] | None = None  # not asked yet
        quiet, stops = 0.0, 0
        while time.monotonic() < late:
            prompts, idle = self._prompts(), self.status() == "idle"
            if before and idle and all(prompt.isdigit() for prompt in prompts):
                return
            quiet = quiet + 0.25 if idle and prompts == before else 0.0
            if quiet >= _PATIENCE and prompts[0].isdigit() and "*" not in prompts:
                stops += 1
                if stops == 2:
                    return  # a cell has failed, and those after it do not run
            # What is sent to a kernel that is not really there yet gets lost. Nothing goes on: ask again.
            if before is None or quiet >= _PATIENCE:
                self.choose("Run", "Run All Cells")
                quiet = 0.0
            before = prompts
            self.page.wait_for_timeout(250)
        raise AssertionError(f"cells that have not run: {self._prompts()}")

    def status(self) -> str:
        """Give what the kernel does, as the notebook's circle has it: idle, busy and so on."""
        return str(self.page.locator(".jp-Notebook-ExecutionIndicator").first.get_attribute("data-status"))

    def _prompts(self) -> list[str]:
        """Give what stands beside the code cells: a number after they have run."""
        shown = self.page.locator(".jp-Notebook .jp-CodeCell .jp-InputArea-prompt").all_text_contents()
        return [text.strip("[ ]:") for text in shown]

    def _run_cells(self) -> None:
        for number in range(self.page.locator(".jp-Notebook .jp-CodeCell").count()):
            self.run_cell(number)

    def run_cell(self, number: int) -> None:
        """Run a code cell: until the kernel has begun it."""
        for _ in range(20):
            cell = self.ask_for_cell(number)
            # What comes before the kernel is really there gets lost, even after a star was shown, and
            # so may a key.
            if self._stays_begun(cell):
                break

    def ask_for_cell(self, number: int) -> Any:
        """Press the keys that run a code cell; gives the cell."""
        cell = self.page.locator(".jp-Notebook .jp-CodeCell").nth(number)
        cell.locator(".jp-InputArea-editor").click()
        self.page.keyboard.press("Shift+Enter")
        return cell

    def _stays_begun(self, cell: Any) -> bool:
        for _ in range(6):
            self.page.wait_for_timeout(250)
            # (`inner_text` leaves out what is not in view, and a panel may have moved it there.)
            shown = str(cell.locator(".jp-InputPrompt").first.text_content()).strip("[ ]:")
            if shown.isdigit() or not shown:
                return bool(shown)
        return True

    def tab(self, title: str) -> None:
        """Look at a tab of the panel."""
        self.page.locator(".lm-TabBar-tab").get_by_text(title, exact=True).first.click()

    def canvas(self) -> Any:
        """Give the timeline's canvas, in view."""
        found = self.page.locator(CANVAS).first
        found.scroll_into_view_if_needed()
        return found

    def timeline(self, expression: str) -> Any:
        """Give the value of a JavaScript expression over `view`, the timeline's own object."""
        return self.page.evaluate(
            "(text) => { const view = [...document.querySelectorAll('*')].find(one => one.__coro).__coro;"
            " return (new Function('view', 'return ' + text))(view) }",
            expression,
        )

    def middle_of(self, name: str, state: int) -> tuple[float, float]:
        """Give where on the canvas the longest bar is that a coroutine has in a state (an index)."""
        x, y = self.timeline(_MIDDLE % (json.dumps(name), state))
        return x, y

    def saved(self) -> dict[str, Any]:
        """Save it, and give what is in the file."""
        before = self._path.stat().st_mtime_ns
        self.page.keyboard.press("Control+s")
        late = time.monotonic() + 30
        while True:
            time.sleep(0.1)
            written = self._path.stat().st_mtime_ns != before
            try:
                content: dict[str, Any] = json.loads(self._path.read_text())
            except json.JSONDecodeError:  # it is being written just now
                assert time.monotonic() < late
                continue
            if written or time.monotonic() > late:
                return content
