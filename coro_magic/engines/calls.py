"""Coroutines given to `coro_magic.run` as a program: kept as the calls that made them.

A coroutine cannot be copied to another process, but the call that made it can, as long as it was
not started: its frame holds nothing but the arguments.
"""

from __future__ import annotations

import dis
import gc
import inspect
import pickle
import sys
import types
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from ..language import Task
from ..language.coroutine import as_coroutine
from .frames import code_of
from .pickling import pickled
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
    function = _of_its_module(code, frame.f_globals, coroutine.__qualname__)
    if function is None:
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


def _of_its_module(code: types.CodeType, namespace: dict[str, Any], name: str) -> types.FunctionType | None:
    """Give the function of a module that has this code, if its name still stands for it.

    A module's function travels by its name. One made of its code would have a copy of the module's globals
    there, while all that it calls has the module's own.
    """
    found: Any = sys.modules.get(namespace.get("__name__", ""))
    for part in name.split("."):
        found = inspect.getattr_static(found, part, None)
    return found if isinstance(found, types.FunctionType) and found.__code__ is code else None


def _shared_cells(calls: tuple[Call, ...]) -> list[list[tuple[int, int]]]:
    """Give the variables that functions of several calls share: where each has it in its closure."""
    places: dict[int, list[tuple[int, int]]] = {}
    for number, call in enumerate(calls):
        # (A method tells of its function's closure, too, and is more than that function.)
        closure = call.function.__closure__ if isinstance(call.function, types.FunctionType) else None
        for at, cell in enumerate(closure or ()):
            places.setdefault(id(cell), []).append((number, at))
    return [each for each in places.values() if len(each) > 1]


def _linked(calls: tuple[Call, ...], shared: list[list[tuple[int, int]]]) -> Calls:
    """Give calls that were copied; cloudpickle gives each function variables of its own."""
    cells = {number: list(calls[number].function.__closure__ or ()) for each in shared for number, _ in each}
    for (first, at), *others in shared:
        for number, there in others:
            cells[number][there] = cells[first][at]
    linked = {number: _with_cells(calls[number].function, tuple(own)) for number, own in cells.items()}
    return Calls(tuple(
        replace(call, function=linked.get(number, call.function)) for number, call in enumerate(calls)
    ))  # fmt: skip


def _with_cells(function: Any, closure: tuple[Any, ...]) -> types.FunctionType:
    made = types.FunctionType(
        function.__code__, function.__globals__, function.__name__, function.__defaults__, closure
    )
    made.__kwdefaults__ = function.__kwdefaults__
    made.__qualname__, made.__module__ = function.__qualname__, function.__module__
    return made


def _imported_in(code: types.CodeType) -> set[str]:
    found = {
        str(each.argval) for each in dis.get_instructions(code) if each.opname == "IMPORT_NAME"
    }
    return found.union(*(_imported_in(each) for each in code.co_consts if isinstance(each, types.CodeType)))


def _is_of_module(namespace: dict[str, Any]) -> bool:
    """Say whether these are the globals of a module, rather than what was pickled by value."""
    module = sys.modules.get(namespace.get("__name__", ""))
    return module is not None and vars(module) is namespace


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
        return replace(self, pickled=pickled(self))

    def __reduce__(self) -> tuple[Any, ...]:
        if self.pickled is None:
            return _linked, (self.calls, _shared_cells(self.calls))
        return pickle.loads, (self.pickled,)

    def names(self) -> list[str]:
        """Give what the coroutines are called."""
        return [getattr(call.function, "__name__", type(call.function).__name__) for call in self.calls]

    def imports(self) -> set[str]:
        """Give the modules that the functions import as they run; what their modules do, these bring."""
        codes = (getattr(call.function, "__code__", None) for call in self.calls)
        # A hundred thousand calls may be of one function.
        once = {id(code): code for code in codes if code is not None}
        return set().union(*map(_imported_in, once.values()))

    def own_globals(self) -> list[dict[str, Any]]:
        """Give the globals of functions that were pickled by value: no module's, and ours to change."""
        each = (getattr(call.function, "__globals__", {}) for call in self.calls)
        distinct = {id(own): own for own in each}.values()
        return [own for own in distinct if own and not _is_of_module(own)]

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
            if self.wrap is not None:
                for own in self.calls.own_globals():
                    wrap_generator_functions(own, self.wrap)
            made = tuple(as_coroutine(c.function, *c.args, **c.kwargs) for c in self.calls.calls)
        for coroutine in made:
            engine.spawn(as_coroutine(coroutine))

    def end(self) -> None:
        """Nothing to take back."""
