"""What tasks came to, as plain data: what they returned as far as it is JSON, and their errors as text."""

from __future__ import annotations

import math
import traceback
from types import TracebackType
from typing import Any

from ..engines.frames import ours
from ..language import State, Task
from ..measure.baseline import NotCopied
from ..measure.saved import SavedError, type_name
from .text import one_line, short_repr

MOST_TRACEBACKS = 100  # of one side
MOST_GROUPED = 1_000  # errors of a group
MOST_RESULTS = 20_000_000  # characters of all results of one side
MOST_RESULT = 10_000  # characters of one result as JSON
RESULT = 200  # characters of a result as text
MOST_TEXT = 20_000  # characters of a traceback, or of a note
_MESSAGE = 2_000  # characters
_DEEP = 20  # levels of a result

# What stands for results in a run that was read back, where the file had no room for them.
LEFT_OUT = NotCopied("(the file had no room for it)")
ERROR_LEFT_OUT = SavedError("Error", "(the file had no room for it)")

def text_of(text: str, limit: int | None = None) -> str:
    """Give the first `limit` characters of a text; half a surrogate pair, which is none, as ``\\ud800``."""
    text = text[:limit]
    if text.isascii():
        return text
    return text.encode("utf-8", "backslashreplace").decode("utf-8")[:limit]


class TooMuch(Exception):
    """It is no plain JSON, or there is too much of it."""


def plain(value: Any, room: int) -> tuple[Any, int]:
    """Give a copy of what is plain JSON already, and how many characters it takes about.

    Raises
    ------
    TooMuch
        If it is something else, or takes more than `room` characters.
    """
    return _plain(value, room, 0)


def _plain(value: Any, room: int, level: int) -> tuple[Any, int]:
    kind = type(value)
    if value is None or kind is bool:
        return value, 5
    if kind is int:
        # Longer ones are not read by everybody, and take long to write.
        if value.bit_length() > 1024:
            raise TooMuch
        return value, 3 + value.bit_length() // 3
    if kind is float:
        if not math.isfinite(value):
            raise TooMuch
        return value, 24
    if kind is str:
        if len(value) > room or text_of(value) != value:
            raise TooMuch
        return value, len(value) + 2
    if kind not in (list, dict) or len(value) > room or level > _DEEP:
        raise TooMuch
    used = 2
    out: list[Any] = []
    for item in value if kind is list else value.items():
        if kind is dict:
            if type(item[0]) is not str:
                raise TooMuch
            used += _plain(item[0], room - used, level)[1]
            inner, size = _plain(item[1], room - used, level + 1)
            out.append((item[0], inner))
        else:
            inner, size = _plain(item, room - used, level + 1)
            out.append(inner)
        used += size + 2
        if used > room:
            raise TooMuch
    return (out if kind is list else dict(out)), used


class Results:
    """What tasks returned, or failed with, up to a bound."""

    def __init__(self) -> None:
        self.texts: dict[str, str] = {}
        self.errors: dict[str, dict[str, Any]] = {}
        self.left_out = 0
        self._count = 0
        self._left = MOST_RESULTS

    def value(self, task: Task) -> Any:
        """Give the value of the next task."""
        number = str(self._count)
        self._count += 1
        if self.left_out or task._value is LEFT_OUT or task._value is ERROR_LEFT_OUT:
            self.left_out += 1
            return None
        if task._error is not None:
            kept = len(self.errors) < MOST_TRACEBACKS
            error = self.errors[number] = described(task._error, kept)
            self._left -= len(error["message"]) + len(error["traceback"])
        elif task.state is State.DONE and task._value is not None:
            try:
                value, size = plain(task._value, MOST_RESULT)
            except TooMuch:
                value, text = None, short_repr(task._value, RESULT)
                self.texts[number] = text
                size = len(text)
            self._left -= size
            if self._left >= 0:
                return value
        if self._left < 0:
            self.texts.pop(number, None)
            self.errors.pop(number, None)
            self.left_out += 1
        return None


def described(
    error: BaseException, with_traceback: bool, tasks: dict[int, int] | None = None
) -> dict[str, Any]:
    """Give an error as a dict, see the key ``error`` of a document.

    Parameters
    ----------
    with_traceback:
        Whether to give the traceback; it is empty otherwise.
    tasks:
        The indices of the tasks that failed with an error, by its identity.
    """
    known = tasks or {}
    number = known.get(id(error))
    out = {**_said(error, with_traceback and number is None), "task": number}
    if isinstance(error, BaseExceptionGroup):
        # Of a task's own group it is not told whose errors are in it.
        known = known if number is None else {}
        out["errors"] = [
            {**_said(each, False), "task": known.get(id(each))} for each in error.exceptions[:MOST_GROUPED]
        ]
    return out


def _said(error: BaseException, with_traceback: bool) -> dict[str, Any]:
    try:
        message = str(error)
    except Exception as raised:
        message = f"<no text: {type(raised).__name__}>"
    return {
        "type": one_line(type_name(error), 200),
        "message": text_of(message, _MESSAGE),
        "traceback": traceback_of(error) if with_traceback else "",
    }


def traceback_of(error: BaseException) -> str:
    """Give an error's traceback as Python prints it, bounded; of one that was read back, as it was.

    It begins in the program that ran: how a notebook came to run a cell is not in it.
    """
    if isinstance(error, SavedError):
        return error.traceback
    try:
        text = text_of("".join(traceback.format_exception(type(error), error, _of_the_program(error))))
    except Exception as raised:  # what the user's classes do in between
        return f"<no traceback: {type(raised).__name__}>"
    if len(text) <= MOST_TEXT:
        return text
    half = MOST_TEXT // 2 - 10
    return f"{text[:half]}\n  ...\n{text[-half:]}"


def _of_the_program(error: BaseException) -> TracebackType | None:
    # A run takes our own frames out. As its error is raised to whoever asked for the run, it gets theirs
    # and ours in front.
    at = first = error.__traceback__
    while at is not None:
        if ours(at.tb_frame.f_code):
            first = at.tb_next
        at = at.tb_next
    return first or error.__traceback__
