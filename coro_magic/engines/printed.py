"""What was printed, and by whom: kept apart per coroutine, up to a bound."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

MOST = 200_000  # characters that are kept


Piece = tuple[float, int, str]
Write = Callable[[Any], Any]


class Printed:
    """The output of a run.

    Parameters
    ----------
    pieces:
        What was written already.

    Attributes
    ----------
    lost:
        How many characters more there were.
    raw, left:
        What was written, as it came, and for how many characters more there is room: for whoever notes
        it where every call counts, and does what `note` does.
    """

    def __init__(self, pieces: Iterable[Piece] = ()) -> None:
        self.raw = list(pieces)
        self.left = MOST
        self.lost = 0

    def note(self, time: float, row: int, text: str) -> None:
        """Keep a piece of output, as far as there is room for it."""
        if len(text) > self.left:
            self.lost += len(text) - self.left
            text = text[: self.left]
        if text:
            self.left -= len(text)
            self.raw.append((time, row, text))

    @property
    def pieces(self) -> list[Piece]:
        """What was written, in order: when (seconds since the run began), in which row (-1 for none of
        them), and the text. A line is one piece, though `print` writes its end by itself.
        """
        out: list[Piece] = []
        # Where the line is that a row has begun and not ended.
        open_at: dict[int, int] = {}
        for time, row, text in self.raw:
            begun = open_at.pop(row, None)
            if begun is None:
                begun = len(out)
                out.append((time, row, text))
            else:
                out[begun] = (out[begun][0], row, out[begun][2] + text)
            if not text.endswith("\n"):
                open_at[row] = begun
        return out

    def rows(self) -> list[int]:
        """Give the rows that printed something, in the order of their first word."""
        return list(dict.fromkeys(row for _, row, _ in self.raw))

    def text(self, row: int | None = None) -> str:
        """Give what a row printed; what all printed, for None."""
        return "".join(text for _, who, text in self.raw if row is None or row == who)

    def __bool__(self) -> bool:
        return bool(self.raw)


def line_by_line(streams: Iterable[Iterable[Piece]]) -> list[Piece]:
    """Merge what several processes printed, each in its own order, by the times at which their lines began.

    `print` writes its arguments, the spaces and the line's end one by one: merged by the time of each,
    the words of two processes would mix.
    """
    placed: list[tuple[float, Piece]] = []
    for stream in streams:
        begun: float | None = None
        for piece in stream:
            if begun is None:
                begun = piece[0]
            placed.append((begun, piece))
            if piece[2].endswith("\n"):
                begun = None
    # It is stable: pieces of one moment stay as their process wrote them.
    placed.sort(key=lambda each: each[0])
    return [piece for _, piece in placed]


class _Noting:
    """Stands in for a stream: what is written to it goes through `write`."""

    def __init__(self, stream: Any, write: Write) -> None:
        self._stream = stream
        self.write = write

    def writelines(self, lines: Iterable[str]) -> None:
        """Write one after the other."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextmanager
def noted(noting: Callable[[Write], Write]) -> Iterator[None]:
    """Let what is printed in a ``with`` block be noted, to standard output and to standard error.

    Parameters
    ----------
    noting:
        Given a stream's ``write``, gives what notes a text and writes it.
    """
    before = sys.stdout, sys.stderr
    out, err = (None if stream is None else _Noting(stream, noting(stream.write)) for stream in before)
    sys.stdout, sys.stderr = out, err
    try:
        yield
    finally:
        if sys.stdout is out:
            sys.stdout = before[0]
        if sys.stderr is err:
            sys.stderr = before[1]
