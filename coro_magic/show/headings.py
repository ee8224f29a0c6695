"""The heading of a figure: a headline, broken into lines that fit the sheet."""

from __future__ import annotations

import textwrap

from .sheet import Sheet

_TITLE = 64  # characters of the headline in a line
_LEFT = 0.15


def draw(sheet: Sheet, text: str) -> float:
    """Write the headline, which is what the sheet says; gives the height that it takes, in inches."""
    sheet.says = text
    lines = lines_of(text)
    size = min(11.0, 11.0 * _TITLE / max(len(line) for line in lines))
    for number, line in enumerate(lines):
        sheet.say_at(_LEFT, 0.12 + 0.22 * number, line, fontsize=size, fontweight="bold")
    return 0.18 + 0.22 * len(lines)


def lines_of(text: str) -> list[str]:
    """Break the headline where it must be, between its parts if it can, rather than write it smaller."""
    if len(text) <= 1.15 * _TITLE:
        return [text]
    lines = [""]
    for part in text.replace("; ", ";\n").split("\n"):
        if len(lines[-1]) + 1 + len(part) > _TITLE:
            lines.append(part)
        else:
            lines[-1] = f"{lines[-1]} {part}".lstrip()
    return [piece for line in lines for piece in textwrap.wrap(line, _TITLE)]
