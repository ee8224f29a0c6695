"""Which coroutines a cell hands over, and which it leaves to those who hold them.

A coroutine that another one can reach may be meant to be driven by hand: through its arguments and
closure, or through a global that its code names, be it by way of functions of the user's that it
names. Such a one is left to its holder.
"""

from __future__ import annotations

import dis
import functools
import types
from collections.abc import Iterable, Iterator
from typing import Any

from ..language.coroutine import inner_coroutine, is_coroutine, is_unstarted

_CONTAINERS = (list, tuple, set, frozenset, dict)
_DEPTH = 2  # a list of lists is looked into, what is deeper is data


def bound_coroutines(
    before: dict[str, Any], namespace: dict[str, Any]
) -> list[tuple[str, Any]]:
    """Give the coroutines not started that names bound since `before` lead to, with a name each.

    A name leads to what it is bound to, directly or inside lists, tuples, sets and dicts.
    """
    found: dict[int, tuple[str, Any]] = {}
    missing = object()
    for name, value in list(namespace.items()):
        if value is before.get(name, missing):
            continue
        for path, each in _inside(name, value, _DEPTH):
            if is_coroutine(each) and id(each) not in found and is_unstarted(each):
                found[id(each)] = (path, each)
    return list(found.values())


def _inside(name: str, value: Any, depth: int) -> Iterator[tuple[str, Any]]:
    kind = type(value)
    if kind not in _CONTAINERS:
        yield name, value
    elif depth:
        items = value.items() if kind is dict else enumerate(value)
        for key, each in items:
            if type(each) in _CONTAINERS:
                yield from _inside(f"{name}[{key!r}]", each, depth - 1)
            elif is_coroutine(each):
                yield f"{name}[{key!r}]", each


def left_to_holders(
    candidates: list[Any], others: Iterable[Any], namespace: dict[str, Any]
) -> set[int]:
    """Give the ids of those candidates that another coroutine holds.

    Parameters
    ----------
    candidates:
        Coroutines not started.
    others:
        Coroutines that run already; what they hold is left to them.
    namespace:
        The globals in which names are looked up.

    Where candidates hold each other in a circle, the first of them is not left to anybody: somebody
    has to begin.
    """
    wanted = {id(each): each for each in candidates}
    reach = _Reach(wanted, namespace)
    held_by_others: set[int] = set()
    for each in others:
        held_by_others |= reach.of(each)
    holds = {key: reach.of(each) - {key} for key, each in wanted.items()}
    if not held_by_others and not any(holds.values()):
        return set()
    held = held_by_others.union(*holds.values())
    started = [key for key in wanted if key not in held]
    reached: set[int] = set()
    _spread([*held_by_others, *started], holds, reached)
    for key in wanted:
        if key not in reached:
            # A circle that nobody outside holds.
            started.append(key)
            _spread([key], holds, reached)
    return set(wanted) - set(started)


def reached(
    coroutines: Iterable[Any], wanted: Iterable[Any], namespace: dict[str, Any]
) -> list[set[int]]:
    """Give, for each of some coroutines, the ids of those of the `wanted` objects that it can reach."""
    reach = _Reach({id(each): each for each in wanted}, namespace)
    return [reach.of(each) for each in coroutines]


def _spread(begin: list[int], holds: dict[int, set[int]], reached: set[int]) -> None:
    waiting = list(begin)
    while waiting:
        key = waiting.pop()
        if key not in reached:
            reached.add(key)
            waiting.extend(holds.get(key, ()))


class _Reach:
    """Which of some objects (coroutines, say) a coroutine can reach."""

    def __init__(self, wanted: dict[int, Any], namespace: dict[str, Any]) -> None:
        self._wanted = wanted
        self._namespace = namespace
        self._by_code: dict[int, set[int]] = {}

    def of(self, coroutine: Any) -> set[int]:
        """Give the ids of the coroutines that `coroutine` can reach."""
        coroutine = inner_coroutine(coroutine)
        frame = getattr(coroutine, "gi_frame", None) or getattr(coroutine, "cr_frame", None)
        if frame is None:
            return set()
        found: set[int] = set()
        seen: set[int] = set()
        if frame.f_globals is self._namespace:
            found |= self._named_by(frame.f_code)
        for value in frame.f_locals.values():
            self._look(value, found, seen, _DEPTH)
        return found

    def _look(self, value: Any, found: set[int], seen: set[int], depth: int) -> None:
        key = id(value)
        if key in self._wanted:
            found.add(key)
        elif isinstance(value, types.FunctionType):
            if key not in seen and value.__globals__ is self._namespace:
                seen.add(key)
                found |= self._named_by(value.__code__)
                for cell in value.__closure__ or ():
                    try:
                        self._look(cell.cell_contents, found, seen, depth)
                    except ValueError:
                        continue  # a cell that is not filled yet
        elif isinstance(value, types.MethodType):
            self._look(value.__func__, found, seen, depth)
            self._look(value.__self__, found, seen, depth)
        elif isinstance(value, types.BuiltinMethodType):
            self._look(value.__self__, found, seen, depth)  # somebody's ``send``
        elif isinstance(value, functools.partial):
            for each in (value.func, *value.args, *value.keywords.values()):
                self._look(each, found, seen, depth)
        elif type(value) in _CONTAINERS and depth:
            for each in value.values() if type(value) is dict else value:
                self._look(each, found, seen, depth - 1)
        elif depth and key not in seen and type(value).__module__ == self._namespace.get("__name__"):
            # An object of a class of the user's: what it has, and what its methods name.
            seen.add(key)
            for each in (*_own(value), *_own(type(value))):
                self._look(each, found, seen, depth - 1)

    def _named_by(self, code: types.CodeType) -> set[int]:
        known = self._by_code.get(id(code))
        if known is None:
            # Entered first, empty: functions may name each other in a circle.
            known = self._by_code[id(code)] = set()
            for name in names_in(code):
                if name in self._namespace:
                    self._look(self._namespace[name], known, set(), _DEPTH)
        return known


def _own(value: Any) -> Iterable[Any]:
    try:
        return list(vars(value).values())
    except Exception:
        return ()  # it has none, or an odd way of giving them


def stored_in(code: types.CodeType, endings: tuple[str, ...] = ("_NAME", "_GLOBAL")) -> set[str]:
    """Give the globals that a cell binds or deletes: in its body, or in a function that says ``global``."""
    found = {
        instruction.argval
        for instruction in dis.get_instructions(code)
        if instruction.opname.startswith(("STORE_", "DELETE_")) and instruction.opname.endswith(endings)
    }
    inner = (each for each in code.co_consts if isinstance(each, types.CodeType))
    # What the body of a class binds is the class's own.
    return found.union(*(stored_in(each, ("_GLOBAL",)) for each in inner))


def names_in(code: types.CodeType) -> set[str]:
    """Give the global names that a piece of code mentions, functions nested in it included."""
    names = set(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            names |= names_in(constant)
    return names
