"""Short texts of anything: what came from the user's program, as bounded single lines.

Names, results and error messages may be anything: `one_line` makes a line of printable characters of
them, and no room shows them in any other way.
"""

from __future__ import annotations

import reprlib
from typing import Any


def one_line(text: object, limit: int = 80) -> str:
    """Make one line of at most `limit` printable characters of a text; line ends become ``\\n``."""
    try:
        given = text if type(text) is str else str(text)
    except Exception as error:
        given = f"<no text: {type(error).__name__}>"
    # Twice the limit is enough to look at, however long it is.
    shown = "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode("ascii")
        for char in given[: 2 * limit]
    )
    return shown if len(shown) <= limit else shown[: limit - 1] + "…"


def short_repr(value: Any, limit: int = 80) -> str:
    """Give the repr of anything as one bounded line, also where its repr fails or is huge."""
    # Of a container only the beginning is looked at: a list may have a million items.
    short = reprlib.Repr()
    short.maxlist = short.maxtuple = short.maxdict = short.maxset = short.maxfrozenset = short.maxdeque = 20
    short.maxarray, short.maxlevel = 20, 4
    short.maxstring = short.maxlong = short.maxother = limit
    try:
        return one_line(short.repr(value), limit)
    except Exception as error:
        return f"<{type(value).__name__}, whose repr raised {type(error).__name__}>"
