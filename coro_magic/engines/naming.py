"""Names that are unique: given ones with a number behind them where there are several of the same."""

from __future__ import annotations

import re
from array import array
from collections.abc import Sequence

import numpy as np

from .events import Ints

_NUMBERED = re.compile(r"(.*)-(\d+)")
_MANY, _FEW = 1000, 8  # rows


class Naming:
    """Numbers the names of rows, when somebody asks: a million coroutines should not pay for a name each.

    Parameters
    ----------
    given:
        The names as they were given, one for each row; others may be appended to it later.
    numbers:
        The numbers of the first of them, where they are known.
    """

    def __init__(self, given: list[str], numbers: Sequence[int] = ()) -> None:
        self._given = given
        self._numbers = array("i", numbers)
        self._counts: dict[str, int] = {}
        # Names that are taken by no row of these, and before which row each of them comes. Whoever has
        # many of them appends to both.
        self.passed: list[str] = []
        self.passed_before = array("i")
        self._passed_seen = 0

    def name(self, row: int) -> str:
        """Give the name of a row, unique among them."""
        self._number(row + 1)
        number = self._numbers[row]
        return self._given[row] if number == 1 else f"{self._given[row]}-{number}"

    def numbers(self, count: int) -> list[int]:
        """Give the numbers of the first `count` rows, 1 for a name that needs none."""
        self._number(count)
        return self._numbers[:count].tolist()

    def columns(self) -> tuple[list[str], Ints, Ints]:
        """Give the different names, each row's as an index into them, and each row's number.

        Both columns have shape (rows,).
        """
        self._number(len(self._given))
        index: dict[str, int] = {}
        which = np.fromiter(
            (index.setdefault(name, len(index)) for name in self._given), np.int32, len(self._given)
        )
        return list(index), which, np.array(self._numbers, np.int32)

    def _number(self, count: int) -> None:
        begin = len(self._numbers)
        if count - begin > _MANY:
            # The first may be the cell's body. After a few it is known what the others may be like.
            self._number(begin + _FEW)
            self._number_alike(count)
        for base in self._given[len(self._numbers) : count]:
            if self._passed_seen < len(self.passed):
                self._number_passed(len(self._numbers))
            self._numbers.append(self._take(base))

    def _number_alike(self, count: int) -> None:
        """Number very many rows at once, if all of them have the same name, as have those passed over."""
        begin, seen = len(self._numbers), self._passed_seen
        base = self._given[begin]
        own, passed = self._given[begin:count], self.passed[seen:]
        alike = own.count(base) == len(own) and passed.count(base) == len(passed)
        if not alike or not self._counts.get(base) or any(n.startswith(base + "-") for n in self._counts):
            return
        rows = np.arange(begin, count)
        before = np.searchsorted(np.array(self.passed_before[seen:], np.int64), rows, side="right")
        numbers = self._counts[base] + before + np.arange(1, len(rows) + 1)
        self._numbers.frombytes(numbers.astype(np.int32).tobytes())
        self._counts[base] = int(numbers[-1])
        self._passed_seen = seen + int(before[-1])

    def _number_passed(self, row: int) -> None:
        seen = self._passed_seen
        while seen < len(self.passed) and self.passed_before[seen] <= row:
            self._take(self.passed[seen])
            seen += 1
        self._passed_seen = seen

    def _take(self, base: str) -> int:
        number = self._counts.get(base, 0) + 1
        # A given name may look like a numbered one ("f-2"), and come before it or after it.
        given = _NUMBERED.fullmatch(base) if number == 1 else None
        if given and self._counts.get(given[1], 0) >= int(given[2]):
            number = 2
        while number > 1 and f"{base}-{number}" in self._counts:
            number += 1
        self._counts[base] = number
        return number
