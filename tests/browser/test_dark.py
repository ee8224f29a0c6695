"""The panel in JupyterLab's dark theme, and when the theme is changed under it."""

from __future__ import annotations

from typing import Any

from .conftest import Server
from .driving import Driver

LOAD = "%load_ext coro_magic\nfrom coro_magic import sleep"
NAPS = """%%coroutines --baseline off
def nap(n):
    yield sleep(0.001 * n)
for n in range(3):
    nap(n)"""

# How bright the paper of an image is, and how opaque its corner, each from 0 to 255.
LOOKS = """async image => {
  await image.decode();
  const canvas = document.createElement('canvas');
  canvas.width = image.naturalWidth; canvas.height = image.naturalHeight;
  const context = canvas.getContext('2d');
  context.drawImage(image, 0, 0);
  return [context.getImageData(200, 4, 1, 1).data[0], context.getImageData(0, 0, 1, 1).data[3]];
}"""
PICTURES = ".coro-panel .picture img"
# Whether every picture of the panel that is there is bright, or dark.
ALL = f"""async bright => {{
  const looks = {LOOKS}, all = [...document.querySelectorAll('{PICTURES}')];
  const papers = await Promise.all(all.map(async image => {{
    try {{ return (await looks(image))[0] }} catch {{ return -1 }}  // it is being exchanged just now
  }}));
  return papers.length >= 3 && papers.every(paper => paper >= 0 && (paper > 200) === bright);
}}"""


def choose_theme(page: Any, name: str) -> None:
    page.locator(".lm-MenuBar-itemLabel").get_by_text("Settings", exact=True).click()
    page.locator(".lm-Menu-itemLabel").get_by_text("Theme", exact=True).hover()
    page.locator(".lm-Menu-itemLabel").get_by_text(f"JupyterLab {name}", exact=True).click()
    page.wait_for_function(
        "light => document.body.dataset.jpThemeLight === light", arg=str(name == "Light").lower()
    )


def test_the_pictures_in_the_panel_follow_the_theme(page: Any, server: Server) -> None:
    server.notebook("dark.ipynb", LOAD, NAPS)
    driver = Driver(page, server, "dark.ipynb", "lab")
    choose_theme(page, "Dark")
    try:
        driver.run_all()
        driver.tab("Throughput")
        page.wait_for_function(ALL, arg=False)
        # What lies above the panel cannot know: it is a light card with round corners.
        assert page.locator(".jp-RenderedImage img").first.evaluate(LOOKS) == [255, 0]
        choose_theme(page, "Light")
        page.wait_for_function(ALL, arg=True)
        choose_theme(page, "Dark")
        page.wait_for_function(ALL, arg=False)
        assert page.locator(PICTURES).evaluate_all("all => all.every(one => one.alt.length > 20)")
        # So do those of a run that the panel makes.
        page.get_by_role("button", name="Run again").click()
        page.locator("h4").get_by_text("The two runs compared").wait_for()
        page.wait_for_function(f"() => document.querySelectorAll('{PICTURES}').length === 5")
        page.wait_for_function(ALL, arg=False)
        # And the timeline's words and bars are those for the dark.
        assert driver.timeline("view.theme.ink") == "#eceff1"
    finally:
        # The server remembers the theme, and the tests after this one look at a light page.
        choose_theme(page, "Light")
        page.wait_for_timeout(500)
