"""Stacks, and what step mode has recorded, as plain data: the keys ``stacks`` and ``steps`` of `document`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ..engines.record import Steps
from ..engines.stacks import StackFrame
from ..language import Where
from .outcomes import text_of

MOST_STACKS = 1_000
MOST_FRAMES = 100  # of one stack
MOST_STEPS = 10_000
_MOST_LOCALS = 5_000_000  # characters of local names and values in all
_MOST_LINES = 100_000
_AROUND = 2  # lines before and after that of a frame
_SHORT = 1_000  # characters of any one text


class Frames:
    """Numbers functions, and gives stacks as lists that refer to them.

    Parameters
    ----------
    place:
        Called with the lines that stacks are shown with, for their text to be kept.
    """

    def __init__(self, place: Callable[[Where], object]) -> None:
        self._place = place
        self._functions: dict[tuple[str, str], int] = {}
        self._left = _MOST_LOCALS

    def function(self, file: str, function: str) -> int:
        """Give the number of a function."""
        key = text_of(file, 4 * _SHORT), text_of(function, _SHORT)
        return self._functions.setdefault(key, len(self._functions))

    def table(self) -> list[dict[str, str]]:
        """Give the functions."""
        return [{"file": file, "function": function} for file, function in self._functions]

    def stack(self, frames: Iterable[StackFrame]) -> list[list[Any]]:
        """Give a stack. When all the room for local names is used, it has none."""
        return [
            [self.function(frame.file, frame.function), frame.line, self._locals(frame)]
            for frame in list(frames)[:MOST_FRAMES]
        ]

    def _locals(self, frame: StackFrame) -> list[list[str]]:
        out = [[text_of(name, _SHORT), text_of(value, _SHORT)] for name, value in frame.locals]
        self._left -= sum(len(name) + len(value) for name, value in out)
        return out if self._left >= 0 else []

    def stacks(self, stacks: Mapping[int, list[StackFrame]], rows: int) -> list[dict[str, Any]]:
        """Give the stacks of rows, of those below `rows`."""
        known = [(row, stack) for row, stack in stacks.items() if row < rows][:MOST_STACKS]
        for _, stack in known:
            for frame in stack[:MOST_FRAMES]:
                for line in range(max(frame.line - _AROUND, 1), frame.line + _AROUND + 1):
                    self._place(Where(frame.file, line))
        return [{"row": row, "frames": self.stack(stack)} for row, stack in known]

    def steps(self, steps: Steps | None, rows: int) -> dict[str, Any] | None:
        """Give what step mode has recorded, of rows below `rows`."""
        if steps is None:
            return None
        kept = [step for step in steps.steps[:MOST_STEPS] if step.row < rows]
        room = _MOST_LINES
        sources = []
        for (file, function, first), lines in steps.sources.items():
            room -= len(lines)
            if room < 0:
                break
            sources.append({"function": self.function(file, function), "first": first,
                            "lines": [text_of(line, _SHORT) for line in lines]})  # fmt: skip
        return {
            "truncated": steps.truncated or len(kept) < len(steps.steps),
            "row": [step.row for step in kept],
            "time": [float(step.time) for step in kept],
            "switch": [step.switch for step in kept],
            "state": [step.state for step in kept],
            "frames": [self.stack(step.stack) for step in kept],
            "sources": sources,
        }
