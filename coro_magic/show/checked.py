"""A document that may come from anywhere: what is asked of it is checked, and what does not fit is named.

Nothing in it is believed. Each entry is asked for with the type and the bounds that it must have, and a
ValueError says which one has not, by its name in the document.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..engines.restored import LARGE

MOST = 1 << 53  # numbers up to it are the same for everybody who reads JSON


class Part:
    """A dict of a document, whose entries are checked as they are asked for.

    Every method raises ValueError for an entry that is missing, or is not as it must be.
    """

    def __init__(self, data: Any, name: str) -> None:
        if not isinstance(data, dict):
            raise ValueError(f"{name or 'it'} must be an object")
        self.data: dict[Any, Any] = data
        self.name = name

    def _called(self, key: str) -> str:
        return f"{self.name}.{key}" if self.name else key

    def get(self, key: str, *kinds: type) -> Any:
        """Give an entry that has one of these types."""
        if key not in self.data:
            raise ValueError(f"{self._called(key)} is missing")
        value = self.data[key]
        # A bool is an int for isinstance.
        if type(value) not in kinds:
            names = " or ".join("null" if kind is type(None) else kind.__name__ for kind in kinds)
            raise ValueError(f"{self._called(key)} must be of type {names}, not {type(value).__name__}")
        return value

    def text(self, key: str) -> str:
        """Give a text."""
        return str(self.get(key, str))

    def boolean(self, key: str) -> bool:
        """Give a boolean."""
        return bool(self.get(key, bool))

    def integer(self, key: str, low: int = 0, high: int = MOST) -> int:
        """Give a whole number from `low` to `high` - 1."""
        value: int = self.get(key, int)
        if not low <= value < high:
            raise ValueError(f"{self._called(key)} must be from {low} to {high - 1}")
        return value

    def real(self, key: str, least: float = -math.inf) -> float:
        """Give a number that is `least` or more, and not too large to reckon with."""
        value = self.get(key, int, float)
        try:
            real = float(value)
        except OverflowError:
            real = math.inf
        if not (abs(real) <= LARGE and real >= least):
            raise ValueError(f"{self._called(key)} is out of range")
        return real

    def part(self, key: str) -> Part:
        """Give an entry that is a dict."""
        return Part(self.get(key, dict), self._called(key))

    def parts(self, key: str) -> list[Part]:
        """Give a list of dicts."""
        called = self._called(key)
        return [Part(item, f"{called}[{at}]") for at, item in enumerate(self.get(key, list))]

    def column(self, key: str, *kinds: type, length: int | None = None) -> list[Any]:
        """Give a list whose items have one of these types."""
        values: list[Any] = self.get(key, list)
        wrong = set(map(type, values)).difference(kinds)
        if wrong:
            raise ValueError(f"{self._called(key)} must not have items of type {wrong.pop().__name__}")
        if length is not None and len(values) != length:
            raise ValueError(f"{self._called(key)} has {len(values)} items, not {length}")
        return values

    def texts(self, key: str, length: int | None = None) -> list[str]:
        """Give a list of texts."""
        return self.column(key, str, length=length)

    def integers(self, key: str, low: int, high: int, length: int | None = None) -> list[int]:
        """Give a list of whole numbers from `low` to `high` - 1."""
        values = self.column(key, int, length=length)
        if values and not (low <= min(values) and max(values) < high):
            raise ValueError(f"{self._called(key)} must have numbers from {low} to {high - 1}")
        return values

    def reals(self, key: str, least: float = -math.inf, length: int | None = None) -> NDArray[np.float64]:
        """Give a list of numbers as an array of shape (items,); their bounds are those of `real`."""
        values = self.column(key, int, float, length=length)
        try:
            out = np.array(values, np.float64)
        except OverflowError:
            out = np.array([math.inf])
        if not (np.all(np.abs(out) <= LARGE) and np.all(out >= least)):
            raise ValueError(f"{self._called(key)} has numbers that are out of range")
        return out
