"""How far a run is, while it goes on, as one line of text in a terminal."""

from __future__ import annotations

import sys
from typing import Any

from ..engines.budget import Budget
from ..engines.scheduler import Scheduler
from ..measure.underway import Underway
from ..show.going import how_far, so_far


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

    def progress(self, going: Scheduler | Underway) -> float:
        """Say how far it is; give the seconds until the next time."""
        if not self.seen:
            return float("inf")
        words = so_far(how_far(going), going.now())
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
