"""What a run can be saved as, by the end of the file's name."""

from __future__ import annotations

import os

SUFFIXES = (".png", ".svg", ".pdf", ".html", ".json", ".perfetto.json", ".csv")


def suffix_of(path: str) -> str | None:
    """Give the one of `SUFFIXES` that a file's name ends with, in whatever case, None for none."""
    base = os.path.basename(path).lower()
    # A dot at the beginning hides a file, and begins no suffix.
    fitting = [suffix for suffix in SUFFIXES if base.endswith(suffix) and base != suffix]
    return max(fitting, key=len, default=None)
