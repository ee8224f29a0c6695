"""What an engine can drive: which values are coroutines, how one is made, and whether it has begun."""

from __future__ import annotations

import functools
import inspect
import types
from collections.abc import Callable
from typing import Any


def inner_coroutine(value: Any) -> Any:
    """Give the coroutine that `value` stands in for, or `value` itself.

    An engine may wrap coroutines for those who drive them by hand; a wrapper has it as
    ``__coroutine__``.
    """
    return getattr(type(value), "__coroutine__", None) and value.__coroutine__ or value


def is_coroutine(value: Any) -> bool:
    """Say whether `value` is something that an engine can drive. A generator expression is data."""
    if type(value) is types.GeneratorType:
        return value.gi_code.co_name != "<genexpr>"
    value = inner_coroutine(value)
    if isinstance(value, types.GeneratorType):
        return value.gi_code.co_name != "<genexpr>"
    return isinstance(value, types.CoroutineType)


def check_target(target: Any, who: str = "spawn()") -> None:
    """Check that `who` can make a coroutine of `target`. Raises TypeError if not, with what it takes."""
    given = inner_coroutine(target)
    if isinstance(given, types.GeneratorType | types.CoroutineType):
        return
    if not callable(given) or isinstance(given, type):
        raise TypeError(f"{who} takes a coroutine or a function, not {type(given).__name__}")


def as_coroutine(target: Any, *args: Any, **kwargs: Any) -> Any:
    """Give the coroutine that `target` is or makes when it is called with `args`.

    A plain function becomes a coroutine that calls it.

    Raises
    ------
    TypeError
        If `target` is neither, or arguments come with a coroutine that has its own.
    ValueError
        If it is a coroutine that has begun or ended already.
    """
    target = inner_coroutine(target)
    if isinstance(target, types.GeneratorType | types.CoroutineType):
        if args or kwargs:
            raise TypeError("spawn() got arguments for a coroutine that has its own already")
        check_unstarted(target)
        return target
    check_target(target)
    plain = target.func if isinstance(target, functools.partial) else target
    if inspect.isgeneratorfunction(plain) or inspect.iscoroutinefunction(plain):
        return target(*args, **kwargs)
    coroutine = calling(target, args, kwargs)
    coroutine.__name__ = getattr(plain, "__name__", type(plain).__name__)
    return coroutine


def calling(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Make a plain function a coroutine. What it returns, if that is a coroutine, is carried on with."""
    result = function(*args, **kwargs)
    if is_coroutine(result):
        result = yield from result if isinstance(result, types.GeneratorType) else result.__await__()
    return result
    yield


_PROBE = object()


def has_ended(coroutine: Any) -> bool:
    """Say whether a generator or native coroutine that is not under way has ended."""
    # To look at its frame would make a frame object that stays, and costs as much as the generator. Who
    # has not begun refuses a value, and that leaves it as it is.
    try:
        coroutine.send(_PROBE)
    except TypeError:
        return False
    except (StopIteration, RuntimeError):
        pass
    return True


def is_unstarted(coroutine: Any) -> bool:
    """Say whether a generator or native coroutine has not begun."""
    if type(coroutine) is not types.GeneratorType:
        coroutine = inner_coroutine(coroutine)
    if isinstance(coroutine, types.GeneratorType):
        begun = coroutine.gi_suspended or coroutine.gi_running
    else:
        begun = coroutine.cr_suspended or coroutine.cr_running
    if begun:
        return False
    return not has_ended(coroutine)


def check_unstarted(coroutine: Any) -> None:
    """Raise ValueError if a coroutine cannot be handed over, because it has begun or ended."""
    if is_unstarted(coroutine):
        return
    is_generator = isinstance(coroutine, types.GeneratorType)
    state: str = (inspect.getgeneratorstate if is_generator else inspect.getcoroutinestate)(coroutine)
    if not state.endswith("_CREATED"):
        what = {"RUNNING": "is running", "SUSPENDED": "was started already", "CLOSED": "has ended"}
        raise ValueError(
            f"{coroutine.__name__} {what[state.rpartition('_')[2]]}: "
            "only a coroutine that was not started can be handed over; make a new one"
        )
