"""Execute notebooks and write them back as they are committed.

``python -m tests.tutorials.execute [NOTEBOOK ...]``, without names all of ``notebooks/``.

What a committed notebook must not have is taken out: the state of widgets, for which GitHub shows nothing
of a whole notebook, and their views, which are dead without a kernel. The text that a view has beside it
stays. Of every notebook a small picture is put into ``notebooks/pictures/``, for the index: that of the cell
tagged ``index``, or the last one.
"""

from __future__ import annotations

import base64
import io
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient
from PIL import Image

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
WIDTH = 420  # pixels of a picture in the index
_TIMEOUT = 120  # seconds, for one cell


def numbered() -> list[Path]:
    """Give the notebooks in the order in which they are read."""
    return sorted(NOTEBOOKS.glob("[0-9][0-9]_*.ipynb"))


def execute(path: Path) -> None:
    """Execute a notebook from top to bottom, in its own folder, and write it back.

    Raises
    ------
    nbclient.exceptions.CellExecutionError
        If a cell fails. Nothing is written then.
    """
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(
        notebook,
        timeout=_TIMEOUT,
        kernel_name="python3",
        resources={"metadata": {"path": str(path.parent)}},
        store_widget_state=False,
        record_timing=False,
    )
    if any(cell.cell_type == "code" for cell in notebook.cells):
        client.execute()
    strip(notebook)
    nbformat.validate(notebook)
    nbformat.write(notebook, path)
    picture = index_picture(notebook)
    if picture is not None:
        _shrink(picture, path.parent / "pictures" / f"{path.stem}.png")


def strip(notebook: Any) -> None:
    """Take out what only a live kernel can show, and what differs from machine to machine."""
    notebook.metadata.pop("widgets", None)
    notebook.metadata["language_info"] = {"name": "python"}
    for cell in notebook.cells:
        for output in cell.get("outputs", ()):
            output.get("data", {}).pop(WIDGET_VIEW, None)


def pictures(cells: Sequence[Any]) -> Iterator[bytes]:
    """Give the PNGs that cells show, in order."""
    for cell in cells:
        for output in cell.get("outputs", ()):
            png = output.get("data", {}).get("image/png")
            if png is not None:
                yield base64.b64decode(png)


def index_picture(notebook: Any) -> bytes | None:
    """Give the picture that stands for a notebook, a PNG; None if it has none."""
    tagged = [cell for cell in notebook.cells if "index" in cell.metadata.get("tags", ())]
    found = list(pictures(tagged)) or list(pictures(notebook.cells))
    return found[-1] if found else None


def _shrink(png: bytes, path: Path) -> None:
    drawn = Image.open(io.BytesIO(png)).convert("RGBA")
    # Its corners are transparent.
    image = Image.new("RGBA", drawn.size, "white")
    image.alpha_composite(drawn)
    image = image.convert("RGB")
    height = round(image.height * WIDTH / image.width)
    path.parent.mkdir(exist_ok=True)
    image.resize((WIDTH, height), Image.Resampling.LANCZOS).quantize(256).save(path, optimize=True)


def main(arguments: Sequence[str]) -> None:
    for path in [Path(each) for each in arguments] or numbered():
        execute(path)
        print(path.name)


if __name__ == "__main__":
    main(sys.argv[1:])
