"""What shared names are bound to at the end of a run, told so that two processes can compare it.

A value itself cannot travel: it may be huge, or not pickle, and an object of the user's classes that
came back would be equal to nothing. So each side tells of its own: a short text, a digest of what the
value consists of, and how much it is. What two runs may rightly do differently is left out of the digest:
the order of what is in a list (who is done first is first in it), floats inside containers and numbers with
a point in texts there (measured times), and whatever is no plain data, such as locks and channels.
"""

from __future__ import annotations

import hashlib
import re
from array import array
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from .texts import short_repr

_TEXT = 60  # characters of a value that are shown
_DEPTH = 4  # containers in containers; what is deeper is not compared
_MOST_ITEMS = 200_000  # all names together; of a container beyond it only the length is compared
_MOST_ENTRIES = 200  # of a dict, up to which each is told of by itself
_MOST_TOLD = 2_000

_SCALARS = (bool, int, str, bytes, type(None), complex)
_EXACT = {("decimal", "Decimal"), ("fractions", "Fraction")}
_SEQUENCES = (list, deque, array)
_FRACTION = re.compile(r"\d+\.\d+")

CONTAINERS = (dict, set, frozenset, bytearray, *_SEQUENCES)


@dataclass(frozen=True)
class Told:
    """What is told of a value.

    Attributes
    ----------
    text:
        Its repr as one short line; an int with separators.
    digest:
        The same for values that count as equal.
    size:
        The number of items of a container, else None.
    total:
        What its items add up to, where all of them are ints, else None.
    keyed:
        Whether it is a dict.
    """

    text: str
    digest: bytes
    size: int | None = None
    total: int | None = None
    keyed: bool = False


def tell(namespace: dict[str, Any], names: Mapping[str, bool]) -> dict[str, dict[str, Told]]:
    """Tell what names are bound to, as far as that can be compared.

    Parameters
    ----------
    names:
        The names, and of each whether only its length is to be told.

    Returns
    -------
    For each name what is told by label: ``counter`` for a value as a whole, ``account.balance`` for an
    attribute of an object, ``counts['a']`` for an entry of a dict.
    """
    teller = _Teller(namespace.get("__name__"))
    found: dict[str, dict[str, Told]] = {}
    for name, only_length in names.items():
        if name not in namespace or sum(map(len, found.values())) > _MOST_TOLD:
            continue
        try:
            value = namespace[name]
            found[name] = {name: _length(value)} if only_length else dict(teller.labelled(name, value))
        except Exception:
            continue  # it changes still, or has an odd way of giving what it has
    return found


class _Unknown(Exception):
    """A value that is not compared."""


class _Teller:
    def __init__(self, module: str | None) -> None:
        self._module = module
        self._room = _MOST_ITEMS

    def labelled(self, name: str, value: Any) -> Iterator[tuple[str, Told]]:
        """Tell of a value, and of its attributes or entries one by one."""
        yield from self._told(name, value)
        if self._is_own(value):
            for attribute, held in list(vars(value).items()):
                yield from self._told(f"{name}.{attribute}", held)
        elif isinstance(value, dict) and len(value) <= _MOST_ENTRIES:
            for key, held in list(value.items()):
                if isinstance(key, _SCALARS) and not isinstance(held, float):
                    yield from self._told(f"{name}[{short_repr(key, _TEXT)}]", held)

    def _is_own(self, value: Any) -> bool:
        """Say whether it is an object of a class of the user's, and no container."""
        kind = type(value)
        own = kind.__module__ == self._module and not issubclass(kind, CONTAINERS)
        return own and hasattr(value, "__dict__")

    def _told(self, label: str, value: Any) -> Iterator[tuple[str, Told]]:
        if self._is_own(value):
            return
        try:
            yield label, self._of(value)
        except _Unknown:
            return

    def _of(self, value: Any) -> Told:
        if isinstance(value, float):
            # A measured time is hardly ever an amount with two decimals.
            amount = round(value, 2)
            if not abs(value - amount) < 1e-6:
                raise _Unknown
            return Told(f"{amount:,}", _digest(repr(amount + 0.0)))
        if not isinstance(value, CONTAINERS):
            return Told(_text(value), _digest(self._plain(value, 0)))
        size = len(value)
        if size > self._room:
            return _length(value)
        digest = _digest(self._plain(value, 0))
        return Told(_text(value), digest, size, _total(value), isinstance(value, dict))

    def _plain(self, value: Any, depth: int) -> str:
        """Give a text that is the same for what counts as equal.

        Raises
        ------
        _Unknown
            If it is not compared at all; inside a container it is passed over.
        """
        if isinstance(value, int) and not isinstance(value, bool):
            return hex(value)
        if isinstance(value, str) and depth:
            return repr(_FRACTION.sub("#", value))
        kind = type(value)
        if isinstance(value, _SCALARS) or (kind.__module__, kind.__name__) in _EXACT:
            return repr(value)
        if depth > _DEPTH:
            raise _Unknown
        if isinstance(value, bytearray):
            return repr(bytes(value))
        if isinstance(value, tuple):
            return f"({','.join(self._items(value, depth))})"
        if isinstance(value, dict):
            entries = (
                f"{key}:{held}"
                for key, held in zip(
                    self._items(dict.keys(value), depth), self._items(dict.values(value), depth), strict=True
                )
            )
            return f"{{{','.join(sorted(entries))}}}"
        if isinstance(value, CONTAINERS):
            return f"[{','.join(sorted(self._items(value, depth)))}]"
        if self._is_own(value):
            return f"{kind.__name__}({','.join(self._items(vars(value).values(), depth))})"
        raise _Unknown

    def _items(self, values: Iterable[Any], depth: int) -> Iterator[str]:
        for value in list(values):
            self._room -= 1
            try:
                yield self._plain(value, depth + 1) if self._room > 0 else "?"
            except _Unknown:
                yield "?"


def _length(value: Any) -> Told:
    return Told(_text(value), _digest(str(len(value))), len(value))


def _digest(text: str) -> bytes:
    return hashlib.blake2b(text.encode("utf-8", "backslashreplace"), digest_size=16).digest()


def _text(value: Any) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        bits = value.bit_length()
        return f"{value:,}" if bits < 200 else f"an int of {bits:,} bits"
    return short_repr(value, _TEXT)


def _total(value: Any) -> int | None:
    items = value.values() if isinstance(value, dict) else value
    # A flag is no amount.
    if isinstance(value, bytearray) or not len(value) or any(type(each) is not int for each in items):
        return None
    total = sum(items)
    return total if total.bit_length() < 200 else None
