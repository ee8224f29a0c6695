"""A run in several processes while it goes on: how far they are, and the wish to stop them."""

from __future__ import annotations

import threading
import time
from pathlib import Path

from ..engines.glimpse import Glimpse, file_of, glimpse_in


class Underway:
    """Shares of a run that go on.

    Parameters
    ----------
    board:
        The folder that they share with this process.
    of:
        How many there are.

    Attributes
    ----------
    stopping:
        Set when it is to be stopped.
    begun:
        When it began, by `time.perf_counter`.
    """

    def __init__(self, board: str, of: int) -> None:
        self.of = of
        self.begun = time.perf_counter()
        self.stopping = threading.Event()
        self._board = board

    def now(self) -> float:
        """Give the seconds since it began."""
        return time.perf_counter() - self.begun

    def glimpses(self) -> list[Glimpse | None]:
        """Give what each of the processes has said last; None for one that has said nothing."""
        return [glimpse_in(file_of(self._board, process)) for process in range(self.of)]

    def request_interrupt(self) -> None:
        """Stop all of them. Fit for other threads."""
        # They look for it by themselves, and need not wait until somebody here looks.
        Path(self._board, "stop").touch()
        self.stopping.set()
