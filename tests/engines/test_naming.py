"""Names with numbers: many at once are numbered as if one after another."""

from __future__ import annotations

import random

import pytest

from coro_magic.engines import naming
from coro_magic.engines.naming import Naming

MANY = 3000


def numbers(given: list[str], passed: list[tuple[str, int]], known: tuple[int, ...] = ()) -> list[int]:
    made = Naming(given, known)
    made.passed += [name for name, _ in passed]
    made.passed_before.extend(before for _, before in passed)
    for row in (1, len(given) // 2, len(given)):
        found = made.numbers(row)
    return found


@pytest.mark.parametrize(
    ("given", "passed"),
    [
        (["w"] * MANY, []),
        (["cell", *["w"] * MANY], [("w", row) for row in range(1, MANY)]),
        (["cell", *["w"] * MANY], [("w", row) for row in range(1, MANY, 7) for _ in range(3)]),
        (["cell", *["w"] * MANY], [("other", 9), *(("w", row) for row in range(20, MANY))]),
        (["w-30", *["w"] * MANY], []),
        (["cell", *["w"] * MANY], [("w-2000", 3)]),
        (["cell", *["w-1"] * MANY], []),
        (random.Random(1).choices(["a", "b", "a-2"], k=MANY), [("a", 7), ("a-2", 1000)]),
        (["w"] * 2000 + ["v"] * 2000, [("w", 100), ("v", 100), ("v", 3000)]),
    ],
    ids=["alone", "in turns", "three of four", "another before", "numbered", "numbered elsewhere",
         "all numbered", "mixed", "blocks"],
)  # fmt: skip
def test_many_are_numbered_as_one_after_another(
    monkeypatch: pytest.MonkeyPatch, given: list[str], passed: list[tuple[str, int]]
) -> None:
    at_once = numbers(given, passed)
    monkeypatch.setattr(naming, "_MANY", 10**9)
    assert at_once == numbers(given, passed)
    names = [f"{name}-{number}" if number > 1 else name for name, number in zip(given, at_once, strict=True)]
    assert len(set(names)) == len(names)


def test_the_last_of_very_many_has_the_last_number():
    made = Naming(["cell", *["w"] * MANY])
    made.passed += ["w"] * MANY
    made.passed_before.extend(range(1, MANY + 1))
    assert made.name(MANY) == f"w-{2 * MANY}" and made.name(1) == "w-2"
