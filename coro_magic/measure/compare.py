"""Do two runs come to the same results, and where do they differ in time?

Between the coroutines and the threads of one program a different result is what a data race looks like.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from ..language import State, Task
from .baseline import NotCopied
from .run import Difference, Run
from .saved import type_name

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_LONG = 200  # characters of a result that are kept
_MOST_APART = 8  # coroutines that a comparison names


@dataclass(frozen=True)
class Apart:
    """A coroutine of both runs, and how long it was in each, from its beginning to its end, in seconds.

    Attributes
    ----------
    states:
        For ``"running"``, ``"ready"`` and ``"waiting"``, the seconds in the one run and in the other.
    """

    name: str
    one: float
    other: float
    states: dict[str, tuple[float, float]]


@dataclass(frozen=True)
class Unlike:
    """A coroutine that came to different ends in two runs: results, errors or states, as short text."""

    name: str
    one: str
    other: str


class Comparison:
    """Two runs beside each other. Coroutines are matched by name, so that it works for any two runs.

    Attributes
    ----------
    one, other:
        The two runs.
    """

    def __init__(self, one: Run, other: Run) -> None:
        self.one, self.other = one, other

    @cached_property
    def _rows(self) -> tuple[dict[str, int], dict[str, int]]:
        one, other = (
            {run.trace.name(row): row for row in range(int(run.has_body), len(run.trace))}
            for run in (self.one, self.other)
        )
        return one, other

    @cached_property
    def both(self) -> list[str]:
        """The names of the coroutines that are in both runs, in the order of the first."""
        ours, theirs = self._rows
        return [name for name in ours if name in theirs]

    @property
    def only_one(self) -> int:
        """How many coroutines are in the first run only."""
        return len(self._rows[0]) - len(self.both)

    @property
    def only_other(self) -> int:
        """How many coroutines are in the second run only."""
        return len(self._rows[1]) - len(self.both)

    @property
    def options(self) -> dict[str, tuple[Any, Any]]:
        """The options in which they differ, by name."""
        one, other = self.one.options, self.other.options
        names = [name for name in one if name in other and one[name] != other[name]]
        return {name: (one[name], other[name]) for name in names}

    @property
    def repeated(self) -> bool:
        """Whether both ran again and again untraced, with ``--repeat``."""
        return all(run.repeats is not None and len(run.repeats) for run in (self.one, self.other))

    @property
    def seconds(self) -> tuple[float, float]:
        """The seconds that each took; where both were `repeated`, the medians of their untraced runs."""
        one, other = (
            float(np.median(run.repeats.coroutines)) if self.repeated and run.repeats else run.elapsed
            for run in (self.one, self.other)
        )
        return one, other

    @property
    def ratio(self) -> float | None:
        """How many times as fast the second run was as the first; None where that means nothing."""
        one, other = self.seconds
        return None if self.one.virtual or self.other.virtual or min(one, other) <= 0 else one / other

    @cached_property
    def apart(self) -> list[Apart]:
        """Give the coroutines whose times differ most, the most first; none without a trace of both."""
        if not (self.one.trace.recording and self.other.trace.recording and self.both):
            return []
        ours, theirs = self._rows
        rows = [np.array([side[name] for name in self.both]) for side in (ours, theirs)]
        totals = [self.one.trace.totals(), self.other.trace.totals()]
        lives = [each["ended"][at] - each["born"][at] for each, at in zip(totals, rows, strict=True)]
        most = np.argsort(-np.abs(lives[0] - lives[1]), kind="stable")[:_MOST_APART]
        return [
            Apart(
                self.both[at],
                float(lives[0][at]),
                float(lives[1][at]),
                {
                    state: (float(totals[0][state][rows[0][at]]), float(totals[1][state][rows[1][at]]))
                    for state in ("running", "ready", "waiting")
                },
            )
            for at in most.tolist()
        ]

    @cached_property
    def unlike(self) -> list[Unlike]:
        """Give the coroutines of both runs that came to different ends."""
        sides = [
            {task.name: task for task in run.tasks[int(run.has_body) :]} for run in (self.one, self.other)
        ]
        found = []
        for name in self.both:
            one, other = (side.get(name) for side in sides)
            if one is None or other is None:
                continue
            same_state = one.state is other.state
            if same_state and (one.state is not State.DONE or _equal(one._value, other._value)):
                continue
            found.append(Unlike(name, _end_of(one), _end_of(other)))
        return found

    def summary(self) -> str:
        """Give the comparison in words."""
        return Run.views().compared_in_words(self)

    def picture(self) -> Figure:
        """Draw both timelines on one time axis; a matplotlib Figure."""
        return Run.views().compared(self)

    def _repr_png_(self) -> tuple[bytes, dict[str, str]]:
        return Run.views().displayed(self.picture())

    def __repr__(self) -> str:
        return self.summary()


def _end_of(task: Task) -> str:
    if task._error is not None:
        return f"{task.state.value}, {type_name(task._error)}"
    return _short(task._value) if task.state is State.DONE else task.state.value


def differences(coroutines: Run, threads: Run) -> list[Difference]:
    """Give the results that differ, of coroutines that are done on both sides.

    Coroutines are matched by name. Where the same results stand under other names, because threads
    were started in another order, that is no difference.
    """
    theirs = {task.name: task for task in threads.tasks if task.state is State.DONE}
    found = []
    # A body's value is what the cell displays, and no result of a coroutine.
    for task in coroutines.tasks[int(coroutines.has_body) :]:
        other = theirs.get(task.name)
        if task.state is not State.DONE or other is None or isinstance(other._value, NotCopied):
            continue
        if not _equal(task._value, other._value):
            found.append((task.name, task._value, other._value))
    if found and _same_in_another_order([a for _, a, _ in found], [b for _, _, b in found]):
        return []
    return [Difference(name, _short(ours), _short(others)) for name, ours, others in found]


def _equal(one: Any, other: Any, depth: int = 5) -> bool:
    if type(one) is not type(other):
        return False
    if one is other or not _can_be_told_apart(one):
        return True
    try:
        equal = one == other
        if equal is False and one != one and other != other:
            return True  # not a number, on both sides
        # Arrays and frames compare by element.
        if bool(equal.all() if hasattr(equal, "all") else equal):
            return True
    except Exception:
        if type(one) not in (list, tuple, dict):
            return _short(one) == _short(other)
    if depth and type(one) in (list, tuple):
        pairs: Iterable[tuple[Any, Any]] = zip(one, other, strict=False)
    elif depth and type(one) is dict and one.keys() == other.keys():
        pairs = ((value, other[key]) for key, value in one.items())
    else:
        return False
    # Its items are forgiven what it would be itself.
    return len(one) == len(other) and all(_equal(a, b, depth - 1) for a, b in pairs)


def _can_be_told_apart(value: Any) -> bool:
    """Say whether a value and its copy from another process may be equal: mere objects never are."""
    return any("__eq__" in vars(kind) for kind in type(value).__mro__ if kind is not object)


def _same_in_another_order(ours: list[Any], theirs: list[Any]) -> bool:
    if len(ours) > 1000:
        # Pair by text: comparing everything with everything would take too long.
        return sorted(map(_short, ours)) == sorted(map(_short, theirs))
    left = list(theirs)
    for one in ours:
        for index, other in enumerate(left):
            if _equal(one, other):
                del left[index]
                break
        else:
            return False
    return True


def _short(value: Any) -> str:
    try:
        text = repr(value)
    except Exception as error:
        return f"<{type(value).__name__}, whose repr raises {type(error).__name__}>"
    return text if len(text) <= _LONG else text[: _LONG - 3] + "..."
