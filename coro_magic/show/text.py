"""Text that people read: numbers, durations, and what came from the user's program.

Names, results and error messages may be anything: `one_line` makes a bounded single line of
printable characters of them, and nothing in this room shows them in any other way.
"""

from __future__ import annotations

import math
import re
import textwrap

from ..engines.texts import one_line, short_repr
from ..language import Deadlock
from ..measure.saved import type_name

__all__ = [
    "count",
    "duration",
    "error_text",
    "is_deadlock",
    "number",
    "one_line",
    "percent",
    "short_repr",
    "times",
    "wrapped",
]

_WIDTH = 100  # characters
# A number stays with its unit, and what stands in parentheses at the end of a line together.
_HELD = re.compile(r"(?<=\d) (?=(?:%|s|ns|µs|ms)(?!\w))| (?=[^()]{0,90}\)$)")


def wrapped(text: str) -> str:
    """Break long lines between words; what belongs to the line before is indented.

    JupyterLab breaks the lines of an output where its window ends, within words.
    """
    return "\n".join(line if len(line) <= _WIDTH else _broken(line) for line in text.split("\n"))


def _broken(line: str) -> str:
    lines = textwrap.wrap(
        _HELD.sub("\u00a0", line),
        _WIDTH,
        subsequent_indent="    ",
        break_long_words=False,
        break_on_hyphens=False,
    )
    return "\n".join(lines).replace("\u00a0", " ")


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


def factor(ratio: float) -> str:
    """Give a ratio as a number: ``0.95``, ``1.4``, ``41``."""
    if ratio < 0.995:
        return f"{ratio:.2g}"
    return f"{ratio:.1f}" if ratio < 9.95 else number(round(ratio))


def times(ratio: float) -> str:
    """Give a ratio: ``1.4 times``, ``41 times``."""
    return f"{factor(ratio)} times"


def is_deadlock(error: BaseException | None) -> bool:
    """Say whether an error is our `Deadlock`, or was before the run was saved."""
    return error is not None and type_name(error) == Deadlock.__name__


def error_text(error: BaseException) -> str:
    """Give an error as ``ValueError: message``, one bounded line."""
    name, message = one_line(type_name(error), 200), one_line(error, 160)
    if is_deadlock(error):
        # It has a line for everyone who waits.
        first, *waits = (line.strip() for line in str(error).splitlines())
        message = one_line(f"{first} {'; '.join(waits)}", 500)
    return f"{name}: {message}" if message else name


def percent(share: float) -> str:
    """Give a share as a percentage; a little is never shown as nothing, nor almost all as all."""
    if 0 < share < 0.01:
        return "under 1 %"
    if 0.99 < share < 1:
        return "over 99 %"
    return f"{share:.0%}".replace("%", " %")
