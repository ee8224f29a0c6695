"""Which names the coroutines of a program share and may change: what is compared at the end of both sides."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Any

from ..engines.shared import CONTAINERS, Told
from .functions import Function, inside
from .run import Difference

_MOST_ENTRIES = 3  # of one dict that are named; of more the whole is
# What is asked of a container changes nothing in it.
_READING = {"copy", "count", "get", "index", "items", "keys", "most_common", "total", "values"}
# What makes it longer, and leaves what is in it as it was.
_GROWING = {"add", "append", "appendleft", "extend", "extendleft", "insert"}
_LOOKING = {
    "all", "any", "bool", "dict", "enumerate", "frozenset", "id", "isinstance", "len", "list", "max", "min",
    "print", "range", "repr", "reversed", "set", "sorted", "str", "sum", "tuple", "type", "zip",
}  # fmt: skip


def shared_names(functions: list[Function], namespace: dict[str, Any]) -> dict[str, bool]:
    """Give the globals that functions share and may have changed, in the order of their names.

    They are those that functions read and bind (``global counter``), and containers and objects of the
    user's classes with which functions do more than look.

    Returns
    -------
    For each name whether only its length tells anything: that of a list to which things are appended. Nothing
    that was appended is ever lost, and what it was depends on who came when.
    """
    read: set[str] = set()
    rebound: set[str] = set()
    changed: set[str] = set()
    grown: set[str] = set()
    for function in functions:
        if function.namespace is not namespace:
            continue
        bound = function.bound
        for node in inside(function.node):
            if isinstance(node, ast.Name) and bound.get(node.id, "global") == "global":
                if isinstance(node.ctx, ast.Load):
                    read.add(node.id)
                else:
                    rebound.add(node.id)
            if isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name):
                read.add(node.target.id)
        for names, found in zip(_may_change(function.node), (changed, grown), strict=True):
            for name in names:
                shared = function.passed.get(name, name if bound.get(name, "global") == "global" else "")
                found.add(shared)
                if name in function.passed:
                    read.add(shared)
    mutable = {name for name in read & namespace.keys() if _is_mutable(namespace[name], namespace)}
    found = (changed | grown) & mutable | (read & rebound & namespace.keys()) - mutable
    return {
        name: name not in changed | rebound and isinstance(namespace[name], CONTAINERS)
        for name in sorted(found)
    }


def _is_mutable(value: Any, namespace: dict[str, Any]) -> bool:
    own = type(value).__module__ == namespace.get("__name__") and not isinstance(value, type)
    return own or isinstance(value, CONTAINERS)


def _may_change(function: ast.AST) -> tuple[set[str], set[str]]:
    """Give the names of which a function uses what they are bound to for more than to look at it.

    Returns
    -------
    Those that it may change in any way, and those to which it adds.
    """
    only_looked_at: set[int] = set()
    for node in inside(function):
        if isinstance(node, ast.Subscript | ast.Attribute) and isinstance(node.ctx, ast.Load):
            only_looked_at.add(id(node.value))
        elif isinstance(node, ast.For | ast.comprehension):
            only_looked_at.add(id(node.iter))
        elif isinstance(node, ast.Compare):
            only_looked_at |= {id(each) for each in node.comparators}
        elif isinstance(node, ast.If | ast.While):
            only_looked_at.add(id(node.test))
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _LOOKING:
            only_looked_at |= {id(each) for each in node.args}
    changed = {
        node.id for node in inside(function)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and id(node) not in only_looked_at
    }  # fmt: skip
    grown: set[str] = set()
    for node in inside(function):
        if isinstance(node, ast.Subscript | ast.Attribute) and not isinstance(node.ctx, ast.Load):
            changed |= _root(node)
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            if node.func.attr in _GROWING and isinstance(node.func.value, ast.Name):
                grown.add(node.func.value.id)
            elif node.func.attr not in _READING:
                changed |= _root(node.func)
        elif isinstance(node, ast.Assign | ast.For):
            # A second name for what is in it: ``row = table[k]``.
            changed |= _root(node.value if isinstance(node, ast.Assign) else node.iter)
    return changed, grown


def _root(node: ast.AST) -> set[str]:
    while isinstance(node, ast.Subscript | ast.Attribute):
        node = node.value
    return {node.id} if isinstance(node, ast.Name) else set()


# How they differ.


def differing_names(
    ours: dict[str, dict[str, Told]], theirs: dict[str, dict[str, Told]]
) -> list[Difference]:
    """Give where two sides differ in what was told of their names, see `engines.shared.tell`."""
    return [
        Difference(label, one, other, "name")
        for name in ours
        if name in theirs
        for label, one, other in _differing(name, ours[name], theirs[name])
    ]


def _differing(
    name: str, ours: dict[str, Told], theirs: dict[str, Told]
) -> Iterator[tuple[str, str, str]]:
    differ = [label for label in ours if label in theirs and ours[label].digest != theirs[label].digest]
    parts = [label for label in differ if label != name]
    whole = name in differ and ours[name].size is not None
    if whole and ours[name].size != theirs[name].size:
        parts = []
    elif parts:
        values = [sorted(side[label].digest for label in parts) for side in (ours, theirs)]
        if values[0] == values[1]:
            return  # who came first has changed, and nothing else
        whole = whole and len(parts) > _MOST_ENTRIES
    elif whole and theirs[name].keyed and ours[name].total == theirs[name].total:
        return  # other keys: what is kept by thread, say
    for label in [name] if whole or not parts and differ else parts:
        yield label, *_texts(ours[label], theirs[label])


def _texts(one: Told, other: Told) -> tuple[str, str]:
    if one.size is None or other.size is None:
        return one.text, other.text if other.text != one.text else f"{other.text}, not quite the same"
    if one.size != other.size:
        return _items(one), _items(other)
    if one.total is not None and other.total is not None and one.total != other.total:
        return tuple(f"{_items(each)} with the sum {each.total:,}" for each in (one, other))  # type: ignore[return-value]
    if one.text != other.text:
        return one.text, other.text
    return _items(one), f"{_items(other)}, others among them"


def _items(told: Told) -> str:
    return f"{told.size:,} item" + ("" if told.size == 1 else "s")
