"""Every notebook, opened in a real JupyterLab and run to its end, with its exercises solved."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from tutorials.execute import NOTEBOOKS, numbered
from tutorials.solutions import EXERCISES, answered

from .conftest import Server, watched
from .driving import Driver

FOLDER = "tutorials"  # in that of the server
RUNNABLE = [path.stem for path in numbered() if path.stem != "00_index"]
# What there is to be seen of each code cell. (`innerText` would leave out what is not in view.)
_SEEN = """cells => cells.map(cell => ({
    pictures: [...cell.querySelectorAll(".jp-RenderedImage img")]
        .filter(image => image.naturalWidth > 500).length,
    panels: cell.querySelectorAll(".coro-tabs").length,
    said: cell.querySelector(".jp-Cell-outputArea").textContent.trim(),
}))"""


def looks_of(source: str) -> tuple[int, int]:
    """Say how many pictures and panels a cell is to show: each run has one, and a sweep a second picture."""
    first = source.split("\n")[0]
    return (1 + ("--sweep" in first), 1) if first.startswith("%%coroutines") else (0, 0)


def shown_of(page: Any, wanted: list[tuple[int, int]]) -> list[dict[str, Any]]:
    """Give what code cells show, when the browser has drawn what is wanted of each."""
    late = time.monotonic() + 60
    while True:
        seen: list[dict[str, Any]] = page.locator(".jp-Notebook .jp-CodeCell").evaluate_all(_SEEN)
        there = [(cell["pictures"], cell["panels"]) for cell in seen]
        if there == wanted:
            return seen
        assert time.monotonic() < late, (there, wanted)
        page.wait_for_timeout(200)


@pytest.fixture(scope="module")
def page(browser: Any) -> Iterator[Any]:
    """One page for all of them: JupyterLab is fetched once."""
    with watched(browser) as page:
        yield page


@pytest.fixture(scope="module")
def folder(server: Server) -> Path:
    """The notebooks with what lies beside them, where the server finds them: solved, and not run yet."""
    copies = server.folder / FOLDER
    shutil.copytree(NOTEBOOKS, copies)
    for name in RUNNABLE:
        path = copies / f"{name}.ipynb"
        notebook = nbformat.read(path, as_version=4)
        for cell in notebook.cells:
            if cell.cell_type == "code":
                cell.outputs, cell.execution_count = [], None
            for number, exercise in EXERCISES.get(name, {}).items():
                if cell.id == f"exercise-{number}":
                    cell.source = answered(cell.source, exercise.right)
        nbformat.write(notebook, path)
    return copies


def test_the_index_shows_a_picture_of_every_notebook(page: Any, server: Server, folder: Path) -> None:
    Driver(page, server, f"{FOLDER}/00_index.ipynb", "lab")
    page.wait_for_function(
        "count => count === [...document.querySelectorAll('.jp-RenderedMarkdown img')]"
        ".filter(image => image.naturalWidth > 100).length",
        arg=len(RUNNABLE),
    )


@pytest.mark.parametrize("name", RUNNABLE)
def test_a_notebook_runs_to_its_end_and_shows_what_it_says(
    page: Any, server: Server, folder: Path, name: str
) -> None:
    notebook = Driver(page, server, f"{FOLDER}/{name}.ipynb", "lab")
    notebook.run_to_the_end()
    cells = [cell for cell in notebook.saved()["cells"] if cell["cell_type"] == "code"]
    for cell in cells:
        said = [output for output in cell["outputs"] if output["output_type"] == "error"]
        assert not said or "raises-exception" in cell["metadata"].get("tags", ()), said
        assert cell["execution_count"], cell["source"]
    seen = shown_of(page, [looks_of("".join(cell["source"])) for cell in cells])
    for cell, shown in zip(cells, seen, strict=True):
        if cell["id"].startswith("check-"):
            assert shown["said"] == "right", cell["source"]
    notebook.choose("Kernel", "Shut Down Kernel")
