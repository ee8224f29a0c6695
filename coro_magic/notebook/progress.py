"""How far a run is, while it goes on: how often it may be said, and the line of text in a terminal."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

from ..engines.scheduler import Scheduler
from ..show.words import so_far

SHORTEST_PAUSE = 0.2  # seconds between two refreshes: at most 5 a second
SHARE = 0.03  # of the run's time, which all refreshes together may take


class Budget:
    """Keeps what refreshes cost below a share of the run's time.

    Parameters
    ----------
    expected:
        The kinds of refreshes, and what the first of each is thought to take, in seconds; later ones are
        thought to take as long as the last one did.
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
            self._expected[kind] = self._clock() - begun
            self.spent += self._expected[kind]

    def next(self) -> float:
        """Give the seconds until it is worth trying again."""
        return max(SHORTEST_PAUSE, min(map(self.pause, self._expected)))


class Line:
    """One line of text in a terminal, rewritten in place; nothing where nobody sees that.

    In a file or a log a rewritten line is a flood, and times make every log another one.
    """

    def __init__(self, stream: Any = None) -> None:
        self._stream = sys.stderr if stream is None else stream
        self._length = 0
        self._budget = Budget({"line": 0.002})

    @property
    def seen(self) -> bool:
        """Whether the stream is a terminal."""
        try:
            return bool(self._stream.isatty())
        except (AttributeError, ValueError):
            return False

    def progress(self, scheduler: Scheduler) -> float:
        """Say how far it is; give the seconds until the next time."""
        if not self.seen:
            return float("inf")
        words = so_far(scheduler.trace, scheduler.now(), has_body=scheduler.body is not None)
        self._budget.spend("line", lambda: self._write(words))
        return self._budget.next()

    def clear(self) -> None:
        """Take the line away."""
        if self._length:
            self._write("")
            self._length = 0

    def _write(self, words: str) -> None:
        # A line that wraps could not be rewritten.
        words = words[:100]
        self._stream.write("\r" + words.ljust(self._length) + ("" if words else "\r"))
        self._stream.flush()
        self._length = len(words)
