"""Which process a coroutine belongs to: round robin, in blocks, or as a function of its arguments says."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from ..language.coroutine import calling
from .calls import call_of
from .frames import code_of

SPLITS = ("robin", "blocks")


def by_turns(number: int, of: int) -> int:
    """Give the process of the coroutine with this number, of `of` processes: each in its turn."""
    return number % of


def in_blocks(number: int, count: int, of: int) -> int:
    """Give the process of one of `count` coroutines: neighbours stay together."""
    return number * of // count


def by_arguments(function: Callable[..., Any], coroutine: Any, of: int) -> int:
    """Give the process that a user's function of a coroutine's arguments says, modulo `of`.

    Raises
    ------
    TypeError
        If it gives no int.
    """
    args, kwargs = arguments_of(coroutine)
    found = function(*args, **kwargs)
    try:
        return operator.index(found) % of
    except TypeError:
        name = getattr(function, "__name__", "the function")
        raise TypeError(
            f"--split-by takes a function that gives an int, and {name} gave {type(found).__name__}"
        ) from None


def arguments_of(coroutine: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Give the arguments with which a coroutine that was not started was made."""
    if code_of(coroutine) is calling.__code__:
        # A plain function that was made a coroutine.
        held = coroutine.gi_frame.f_locals
        return held["args"], held["kwargs"]
    call = call_of(coroutine)
    return call.args, call.kwargs
