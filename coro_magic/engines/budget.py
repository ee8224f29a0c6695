"""How often it may be looked at a run while it goes on: the run is not to be slowed down by that."""

from __future__ import annotations

import time
from collections.abc import Callable

SHORTEST_PAUSE = 0.2  # seconds between two refreshes: at most 5 a second
SHARE = 0.03  # of the run's time, which all refreshes together may take


class Budget:
    """Keeps what refreshes cost below a share of the run's time.

    Parameters
    ----------
    expected:
        The kinds of refreshes, and what the first of each is thought to take, in seconds; later ones are
        thought to take as long as the last one, or almost as long as a slow one lately.
    clock:
        Gives the time in seconds.

    Attributes
    ----------
    spent:
        Seconds that refreshes of all kinds took so far.
    """

    def __init__(
        self, expected: dict[str, float], clock: Callable[[], float] = time.perf_counter
    ) -> None:
        self._clock = clock
        self._began = clock()
        self._expected = dict(expected)
        self.spent = 0.0

    def pause(self, kind: str) -> float:
        """Give the seconds until one more refresh can be afforded; not above 0 where it can be now."""
        return (self.spent + self._expected[kind]) / SHARE - (self._clock() - self._began)

    def spend(self, kind: str, refresh: Callable[[], None]) -> None:
        """Refresh if that can be afforded, and count what it takes."""
        if self.pause(kind) > 0:
            return
        begun = self._clock()
        try:
            refresh()
        finally:
            took = self._clock() - begun
            self.spent += took
            # One that was quick says little about the next one.
            self._expected[kind] = max(took, 0.8 * self._expected[kind])

    def next(self) -> float:
        """Give the seconds until it is worth trying again."""
        return max(SHORTEST_PAUSE, min(map(self.pause, self._expected)))
