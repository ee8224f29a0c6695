"""Coroutines given to `coro_magic.run` as a program: kept as the calls that made them.

A coroutine cannot be copied to another process, but the call that made it can, as long as it was
not started: its frame holds nothing but the arguments.
"""

from __future__ import annotations

import gc
import pickle
import sys
import types
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from ..language import Task
from ..language.coroutine import as_coroutine
from .frames import code_of
from .program import wrap_generator_functions


@dataclass(frozen=True)
class Call:
    """A function and the local variables of its frame before the first line."""

    function: Callable[..., Any]
    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = field(default_factory=dict)


def call_of(coroutine: Any) -> Call:
    """Give the call that makes a coroutine again.

    Parameters
    ----------
    coroutine:
        A generator or native coroutine that was not started, or a function.
    """
    code = code_of(coroutine)
    if code is None:
        return Call(coroutine)
    frame = getattr(coroutine, "gi_frame", None) or coroutine.cr_frame
    values = dict(frame.f_locals)
    # The cells themselves: coroutines that share a variable must share it in the copy. A frame has
    # them after all its other variables.
    cells = [each for each in gc.get_referents(coroutine) if isinstance(each, types.CellType)]
    closure = tuple(cells[len(cells) - len(code.co_freevars) :])
    function = types.FunctionType(code, frame.f_globals, code.co_name, None, closure)
    function.__qualname__ = coroutine.__qualname__
    function.__module__ = frame.f_globals.get("__name__", "__main__")
    positional = code.co_varnames[: code.co_argcount]
    keywords = code.co_varnames[code.co_argcount : code.co_argcount + code.co_kwonlyargcount]
    after = code.co_argcount + code.co_kwonlyargcount
    args = tuple(values[name] for name in positional)
    if code.co_flags & 0x04:  # *args
        args += tuple(values[code.co_varnames[after]])
        after += 1
    kwargs = {name: values[name] for name in keywords}
    if code.co_flags & 0x08:  # **kwargs
        kwargs |= values[code.co_varnames[after]]
    return Call(function, args, kwargs)


@dataclass(frozen=True)
class Calls:
    """A program that is a number of calls, each a coroutine.

    Attributes
    ----------
    pickled:
        Of those that are `frozen`, what they come back from when they are unpickled.
    """

    calls: tuple[Call, ...]
    pickled: bytes | None = field(default=None, repr=False)
    has_body: ClassVar[bool] = False

    def frozen(self) -> Calls:
        """Give the same calls, which travel as they are now: to run them may change what they refer to.

        Raises
        ------
        Exception
            What cloudpickle raises of what cannot be pickled.
        """
        import cloudpickle

        return replace(self, pickled=cloudpickle.dumps(self))

    def __reduce__(self) -> tuple[Any, ...]:
        if self.pickled is None:
            return Calls, (self.calls,)
        return pickle.loads, (self.pickled,)

    def names(self) -> list[str]:
        """Give what the coroutines are called."""
        return [getattr(call.function, "__name__", type(call.function).__name__) for call in self.calls]

    def imports(self) -> set[str]:
        """Functions bring what their modules import."""
        return set()

    def remember_source(self) -> None:
        """Nothing to remember: functions bring their file's name."""

    def execution(
        self,
        namespace: dict[str, Any],
        show: Callable[[Any], None],
        wrap: Callable[[Any], Any] | None = None,
        coroutines: tuple[Any, ...] | None = None,
    ) -> CallsExecution:
        """Give one going of it. `coroutines` are the very ones to run, instead of new ones."""
        return CallsExecution(self, wrap, coroutines)


@dataclass
class CallsExecution:
    """One going of a number of calls."""

    calls: Calls
    wrap: Callable[[Any], Any] | None = None
    coroutines: tuple[Any, ...] | None = None
    never_started: list[str] = field(default_factory=list)
    body: Task | None = None

    def get_ready(self) -> None:
        """Nothing to do beforehand."""

    def begin(self, engine: Any) -> None:
        """Hand all of them over."""
        made = self.coroutines
        if made is None:
            for call in self.calls.calls:
                own = getattr(call.function, "__globals__", {})
                module = sys.modules.get(own.get("__name__", ""))
                # Only what was pickled by value is ours to change; a module's functions are not.
                if self.wrap is not None and (vars(module) is not own if module is not None else own):
                    wrap_generator_functions(own, self.wrap)
            made = tuple(as_coroutine(c.function, *c.args, **c.kwargs) for c in self.calls.calls)
        for coroutine in made:
            engine.spawn(as_coroutine(coroutine))

    def end(self) -> None:
        """Nothing to take back."""
