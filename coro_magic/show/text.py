"""Text that people read: numbers, durations, and what came from the user's program.

Names, results and error messages may be anything: `one_line` makes a bounded single line of
printable characters of them, and nothing in this room shows them in any other way.
"""

from __future__ import annotations

import math
import reprlib
from typing import Any

from ..measure.saved import type_name


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


def number(value: float) -> str:
    """Give a count as people write it: ``23,111``; a fraction keeps three digits at most."""
    if value >= 100 or float(value).is_integer():
        return f"{round(value):,}"
    return f"{value:.3g}"


def count(value: int, noun: str, plural: str = "") -> str:
    """Give a number with its noun in the right form: ``1 coroutine``, ``2 coroutines``."""
    return f"{number(value)} {noun if value == 1 else plural or noun + 's'}"


def duration(seconds: float) -> str:
    """Give a duration in the unit that suits it: ``0.31 s``, ``12.5 ms``, ``340 µs``."""
    if not math.isfinite(seconds):
        return "an unknown time"
    if seconds <= 0:
        return "0 s"
    if seconds >= 99.5:
        return f"{seconds:,.0f} s"
    if seconds >= 0.0995:
        return f"{seconds:.3g} s" if seconds >= 0.995 else f"{seconds:.2f} s"
    for unit, scale in (("ms", 1e3), ("µs", 1e6)):
        if seconds * scale >= 0.9995:
            return f"{seconds * scale:.3g} {unit}"
    return f"{seconds * 1e9:.0f} ns"


def times(ratio: float) -> str:
    """Give a ratio: ``1.4 times``, ``41 times``."""
    return f"{ratio:.1f} times" if ratio < 9.95 else f"{number(round(ratio))} times"


def error_text(error: BaseException) -> str:
    """Give an error as ``ValueError: message``, one bounded line."""
    name, message = one_line(type_name(error), 200), one_line(error, 160)
    return f"{name}: {message}" if message else name


def percent(share: float) -> str:
    """Give a share as a percentage; a little is never shown as nothing, nor almost all as all."""
    if 0 < share < 0.01:
        return "under 1 %"
    if 0.99 < share < 1:
        return "over 99 %"
    return f"{share:.0%}".replace("%", " %")
