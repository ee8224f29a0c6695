"""What --sweep says."""

from __future__ import annotations

import pytest

from coro_magic.measure.values import values_of


@pytest.mark.parametrize(
    ("said", "values"),
    [
        ("n=1,10,100", {"n": [1, 10, 100]}),
        ("n=1:100000:log", {"n": [1, 10, 100, 1000, 10_000, 100_000]}),
        ("n=3:500:log", {"n": [3, 10, 100, 500]}),
        ("n=1:1000:log:4", {"n": [1, 10, 100, 1000]}),
        ("n=0:100:5", {"n": [0, 25, 50, 75, 100]}),
        ("n=1:3", {"n": [1, 2, 3]}),
        ("n=1:1e3:log", {"n": [1, 10, 100, 1000]}),
        ("s=0.5,1.5", {"s": [0.5, 1.5]}),
        ("s=0:1:3", {"s": [0, 1]}),
        ("s=0.0:1:3", {"s": [0.0, 0.5, 1.0]}),
        ("n=1,2 m=3", {"n": [1, 2], "m": [3]}),
        ("n=1,2;m=3", {"n": [1, 2], "m": [3]}),
    ],
)
def test_values_ranges_and_grids_are_understood(said, values):
    assert values_of(said) == values


@pytest.mark.parametrize(
    "said",
    ["", "n", "n=", "n=a", "1=2", "for=1", "n=1,,2", "n=nan", "n=2:1", "n=1:2:3:4", "n=0:10:log", "n=1:9:odd",
     "n=1:9:log:1", "n=1 n=2", "n=1:2000:2000", "n=1:100:100 m=1:100:100", "n=1:inf"],
)  # fmt: skip
def test_nonsense_is_refused_with_a_reason(said):
    with pytest.raises(ValueError, match=r"must|has"):
        values_of(said)


def test_a_magics_line_keeps_its_quotes():
    assert values_of('"n=1,2 m=3"') == {"n": [1, 2], "m": [3]}
