"""Our pictures on a page: with alternative text, and the same wherever they stand.

Once a notebook has drawn a figure with pyplot, IPython draws all figures as that is set up to: cropped, in
other colours, and without words. Ours are drawn by ourselves.
"""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import Any

from .panels import cell_of

_OURS = (
    ("coro_magic.show.sheet", "Sheet"),
    ("coro_magic.measure.compare", "Comparison"),
    ("coro_magic.measure.scaling", "Scaling"),
    ("coro_magic.measure.sweep", "Sweep"),
)
_NOT_OURS = ("image/svg+xml", "image/jpeg", "application/pdf")


def show_ours(shell: Any) -> None:
    """Have a shell show our pictures as we draw them. Loads nothing: they are known by name."""
    formatters = shell.display_formatter.formatters
    for module, name in _OURS:
        formatters["image/png"].for_type_by_name(module, name, partial(drawn, shell))
        for kind in _NOT_OURS:
            formatters[kind].for_type_by_name(module, name, lambda picture: None)


def drawn(shell: Any, picture: Any) -> tuple[bytes, dict[str, str]]:
    """Give one of our pictures as IPython displays it, and have the page say what it shows."""
    png, about = picture._repr_png_()
    described = described_on(shell)
    if described is not None:
        described.add(png, about["alt"])
    return png, about


def described_on(shell: Any) -> Any:
    """Give what sets alternative text on the page; None where there is no such page, or no widgets.

    JupyterLab and Notebook 7 need it, and say which cell they run. Who runs a notebook without a page
    (nbconvert) does not, and would keep it in the notebook.
    """
    if not cell_of(shell):
        return None
    with suppress(ImportError):
        from ..show.described import of_this_kernel

        return of_this_kernel()
    return None
