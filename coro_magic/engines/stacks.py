"""A coroutine's own stack, as text: every frame of it, at which line, with its local names.

A suspended generator keeps its frame, and those of the generators it delegates to. A step that is
parked in a blocking call keeps a whole stack of calls on its greenlet. Both are read here, from the
coroutine's own function inwards, our own frames left out.
"""

from __future__ import annotations

import inspect
import types
from collections.abc import Callable, Iterable
from itertools import islice
from traceback import walk_tb
from typing import Any, NamedTuple

from .frames import delegated, machinery_of, ours
from .texts import one_line, short_repr

MOST_FRAMES = 40
MOST_LOCALS = 30
_LENGTH = 100  # characters of a value
_PLAIN = (type(None), bool, int, float, complex, str, bytes)


class StackFrame(NamedTuple):
    """One call on a coroutine's stack.

    Attributes
    ----------
    function, file, line:
        Where it stands; `line` is a number as the user sees it.
    locals:
        The names and short texts of what they are bound to, `MOST_LOCALS` at most.
    """

    function: str
    file: str
    line: int
    locals: tuple[tuple[str, str], ...]


def stack_of(coroutine: Any, parked: Any = None) -> list[StackFrame]:
    """Give the stack of a suspended coroutine, the outermost call first.

    Parameters
    ----------
    parked:
        The greenlet in which its step is parked; None if it is suspended at a ``yield`` or ``await``.
    """
    return of_frames(frames_of(coroutine, parked))


def frames_of(coroutine: Any, parked: Any = None) -> list[types.FrameType]:
    """Give the frames of which `stack_of` tells."""
    return delegated(coroutine) if parked is None else called_from(parked.gr_frame)


def stack_of_error(error: BaseException, plain: bool = False) -> list[StackFrame]:
    """Give the calls that an error went through, the outermost first.

    Parameters
    ----------
    plain:
        Whether to give only the kind of a value whose repr is not Python's own. While a run goes on nobody
        else's code is called for this: it may take long, or block.
    """
    places = ((frame, line) for frame, line in walk_tb(error.__traceback__) if not ours(frame.f_code))
    return _texts(places, _plain_text if plain else _text)


def of_frames(frames: Iterable[types.FrameType]) -> list[StackFrame]:
    """Give frames as texts, in the order in which they come."""
    return _texts((frame, frame.f_lineno) for frame in frames)


def called_from(frame: types.FrameType | None) -> list[types.FrameType]:
    """Give a frame and those that called it, the outermost first, as far as the engine that steps them."""
    found: list[types.FrameType] = []
    while frame is not None:
        if not ours(frame.f_code):
            found.append(frame)
        elif frame.f_code.co_name == "_work":
            break
        frame = frame.f_back
    return found[::-1]


def _text(value: Any) -> str:
    return short_repr(value, _LENGTH)


def _plain_text(value: Any) -> str:
    return _text(value) if type(value) in _PLAIN else f"<{one_line(type(value).__name__, 40)}>"


def _texts(
    places: Iterable[tuple[types.FrameType, int]], text: Callable[[Any], str] = _text
) -> list[StackFrame]:
    known = list(places)
    if len(known) > MOST_FRAMES:
        # A recursion: its beginning and its end.
        known = known[: MOST_FRAMES // 2] + known[-MOST_FRAMES // 2 :]
    return [
        StackFrame(frame.f_code.co_name, frame.f_code.co_filename, line or 0, _locals(frame, text))
        for frame, line in known
    ]


def _locals(frame: types.FrameType, text: Callable[[Any], str]) -> tuple[tuple[str, str], ...]:
    if not frame.f_code.co_flags & inspect.CO_OPTIMIZED:
        return ()  # a cell's body: its names are everybody's
    if machinery_of(frame.f_code.co_filename):
        return ()  # nobody has asked how a notebook works
    values = dict(frame.f_locals)
    return tuple(
        (one_line(name, 40), text(value))
        for name, value in islice(values.items(), MOST_LOCALS)
    )
