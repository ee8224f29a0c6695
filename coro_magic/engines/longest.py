"""Which steps took long: exact, bounded in number, found when the trace's log is read."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .events import BATCH, KIND_MASK, Floats, Ints

MOST = 1000  # steps that are kept, and batches


class LongSteps:
    """The longest steps of a run, and of the batches of steps that were timed together.

    Parameters
    ----------
    least:
        How long a step must take to count, in seconds.

    Attributes
    ----------
    count:
        How many steps took so long, also beyond the `MOST` that are kept. Of a batch nobody knows
        here whose step it was.
    """

    def __init__(self, least: float = float("inf")) -> None:
        self.least = least
        self.count = 0
        self._steps: NDArray[Any] = np.empty((0, 3))
        self._batches: NDArray[Any] = np.empty((0, 3))

    def add(self, rows: Ints, codes: Ints, times: Floats, begins: Floats) -> None:
        """Add events. Where one is no step, `begins` is its own time."""
        seconds = times - begins
        at = np.flatnonzero(seconds >= self.least)
        if not len(at):
            return
        batch = (codes[at] & KIND_MASK) == BATCH
        found = np.stack([rows[at], begins[at], seconds[at]], axis=1)
        self.count += int(np.count_nonzero(~batch))
        self._steps = _longest(np.concatenate([self._steps, found[~batch]]))
        self._batches = _longest(np.concatenate([self._batches, found[batch]]))

    def steps(self) -> list[tuple[int, float, float]]:
        """Give row, begin and length of each, in the order in which they took place; in seconds."""
        return [(int(row), begin, seconds) for row, begin, seconds in self._steps.tolist()]

    def batches(self) -> list[tuple[float, float]]:
        """Give begin and length of each batch, in seconds."""
        return [(begin, seconds) for _, begin, seconds in self._batches.tolist()]


def _longest(found: NDArray[Any]) -> NDArray[Any]:
    if len(found) <= MOST:
        return found
    kept = np.argpartition(found[:, 2], -MOST)[-MOST:]
    return found[np.sort(kept)]
