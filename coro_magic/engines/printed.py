"""What was printed, and by whom: kept apart per coroutine, up to a bound."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

MOST = 200_000  # characters that are kept


class Printed:
    """The output of a run.

    Attributes
    ----------
    pieces:
        What was written, in order: when (seconds since the run began), in which row (-1 for none of
        them), and the text.
    lost:
        How many characters more there were.
    """

    def __init__(self) -> None:
        self.pieces: list[tuple[float, int, str]] = []
        self.lost = 0
        self._left = MOST
        # Where the line is that a row has begun and not ended: `print` writes the end by itself.
        self._open: dict[int, int] = {}

    def note(self, time: float, row: int, text: str) -> None:
        """Keep a piece of output."""
        if len(text) > self._left:
            self.lost += len(text) - self._left
            text = text[: self._left]
        if not text:
            return
        self._left -= len(text)
        begun = self._open.pop(row, None)
        if begun is None:
            begun = len(self.pieces)
            self.pieces.append((time, row, text))
        else:
            self.pieces[begun] = (self.pieces[begun][0], row, self.pieces[begun][2] + text)
        if not text.endswith("\n"):
            self._open[row] = begun

    def rows(self) -> list[int]:
        """Give the rows that printed something, in the order of their first word."""
        return list(dict.fromkeys(row for _, row, _ in self.pieces))

    def text(self, row: int | None = None) -> str:
        """Give what a row printed; what all printed, for None."""
        return "".join(text for _, who, text in self.pieces if row is None or row == who)

    def __bool__(self) -> bool:
        return bool(self.pieces)


Write = Callable[[Any], Any]


class _Noting:
    """Stands in for a stream: whoever wants to know of what is written passes it on."""

    def __init__(self, stream: Any, passing: Callable[[Write, str], Any]) -> None:
        self._stream = stream
        self._passing = passing

    def write(self, text: str) -> Any:
        """Write `text`, and let it be noted."""
        write = self._stream.write
        return self._passing(write, text) if type(text) is str else write(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Write one after the other."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextmanager
def noted(passing: Callable[[Write, str], Any]) -> Iterator[None]:
    """Let what is printed in a ``with`` block be noted, to standard output and to standard error.

    Parameters
    ----------
    passing:
        Called with a stream's ``write`` and the text, to note the text and to write it.
    """
    before = sys.stdout, sys.stderr
    out, err = (None if stream is None else _Noting(stream, passing) for stream in before)
    sys.stdout, sys.stderr = out, err
    try:
        yield
    finally:
        if sys.stdout is out:
            sys.stdout = before[0]
        if sys.stderr is err:
            sys.stderr = before[1]
