"""What ``--sweep`` says: names with their values, ``n=1,10,100`` or ``n=1:100000:log``."""

from __future__ import annotations

import keyword
import math
import re

_MOST = 1000  # points: more would be a slip of the finger
_STEPS = 10  # values of a range that does not say how many


def values_of(text: str) -> dict[str, list[float]]:
    """Read what a sweep goes over.

    Parameters
    ----------
    text:
        ``n=1,10,100`` (these values), ``n=1:100000:log`` (the powers of ten from 1 to 100,000),
        ``n=1:1000:log:7`` (seven values, each by the same factor larger than the one before),
        ``n=0:100:5`` (five values, evenly apart). Several names, with spaces or ``;`` between them, make a
        grid. Whole numbers stay whole.

    Raises
    ------
    ValueError
        If it is none of these.
    """
    found: dict[str, list[float]] = {}
    text = text.strip().strip("\"'")  # a magic's line keeps its quotes
    for part in re.split(r"[;\s]+", text.strip()):
        name, equals, said = part.partition("=")
        if not equals or not name.isidentifier() or keyword.iskeyword(name):
            raise ValueError(f"must be like n=1,10,100 or n=1:100000:log, and is {text!r}")
        if name in found:
            raise ValueError(f"has {name} twice")
        found[name] = _range(said) if ":" in said else [_number(each) for each in said.split(",")]
    for name, values in found.items():
        check_different(name, values)
    points = math.prod(len(values) for values in found.values())
    if points > _MOST:
        raise ValueError(f"has {points:,} points, and {_MOST:,} is the most")
    return found


def check_different(name: str, values: list[float]) -> None:
    """See to it that no value is there twice: a point more would tell nothing more.

    Raises
    ------
    ValueError
        If one is.
    """
    twice = [value for at, value in enumerate(values) if value in values[:at]]
    if twice:
        raise ValueError(f"has {twice[0]:g} twice for {name} (--repeat measures a point again)")


def _number(text: str) -> float:
    try:
        return int(text)
    except ValueError:
        pass
    try:
        value = float(text)
    except ValueError:
        raise ValueError(f"must have numbers, and has {text!r}") from None
    if not math.isfinite(value):
        raise ValueError(f"must have finite numbers, and has {text!r}")
    # 1e3 is a way to write a whole number, and 0.5 or 1.0 is none.
    return int(value) if value.is_integer() and "." not in text else value


def _range(said: str) -> list[float]:
    # Here and not above: to load the extension must not cost it.
    import numpy as np

    first, last, *how = said.split(":")
    low, high = _number(first), _number(last)
    if not low < high:
        raise ValueError(f"has a range from {first} to {last}, which must go up")
    log = how[:1] == ["log"]
    rest = how[1:] if log else how
    if len(rest) > 1 or (rest and not rest[0].isdigit()) or (rest and not 2 <= int(rest[0]) <= _MOST):
        raise ValueError(f"has {':'.join(how)!r} behind a range, which is log, a number of values, or both")
    if not log:
        values = np.linspace(low, high, int(rest[0]) if rest else _STEPS)
    elif low <= 0:
        raise ValueError(f"has a range with log from {first}, which must be more than 0")
    elif rest:
        values = np.geomspace(low, high, int(rest[0]))
    else:
        tens = 10.0 ** np.arange(math.floor(math.log10(low)) + 1, math.ceil(math.log10(high)))
        values = np.array([low, *tens[(tens > low) & (tens < high)], high])
    if isinstance(low, int) and isinstance(high, int):
        return list(dict.fromkeys(int(round(each)) for each in values.tolist()))
    return [float(each) for each in values.tolist()]
