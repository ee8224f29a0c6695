"""The functions of a program as syntax trees: what is asked of a program before or beside its run.

They are those of the cell, and of those that earlier cells defined the ones that the program reaches by
name, methods included. Of `coro_magic.run` they are the given functions, and what those reach.
"""

from __future__ import annotations

import ast
import functools
import inspect
import textwrap
import types
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from ..engines.calls import Calls
from ..engines.program import Program

AnyFunction = ast.FunctionDef | ast.AsyncFunctionDef
SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)
_NAMED = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.ExceptHandler, ast.MatchAs, ast.MatchStar)

_MOST = 500  # functions that are looked at


@dataclass(frozen=True)
class Function:
    """A function as its source says it.

    Attributes
    ----------
    node:
        Its syntax tree, with line numbers as the user sees them. Functions inside it are told of apart.
    file:
        What its code calls its file.
    namespace:
        Its globals.
    owner:
        The class that it is a method of, by name; or nothing.
    passed:
        By argument, the global name whose object is passed as that argument wherever it is called, where
        that is one that several coroutines can get at. To a method, `itself` is passed.
    enclosing:
        The local names of the functions around it.
    """

    node: AnyFunction
    file: str
    namespace: dict[str, Any] = field(repr=False)
    owner: str = ""
    passed: dict[str, str] = field(default_factory=dict)
    enclosing: frozenset[str] = frozenset()

    @property
    def arguments(self) -> list[str]:
        """The names of its positional arguments."""
        return [each.arg for each in (*self.node.args.posonlyargs, *self.node.args.args)]

    @property
    def itself(self) -> str:
        """What a method calls the object that it is a method of; nothing for another function."""
        return self.arguments[0] if self.owner and self.arguments else ""

    @functools.cached_property
    def bound(self) -> dict[str, str]:
        """Its names that are no globals, ``"local"`` or ``"nonlocal"``, and those declared ``"global"``."""
        arguments = self.node.args
        every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
        every += [each for each in (arguments.vararg, arguments.kwarg) if each is not None]
        found = {each.arg: "local" for each in every}
        declared: dict[str, str] = {}
        for node in inside(self.node):
            if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
                found[node.id] = "local"
            elif isinstance(node, ast.Import | ast.ImportFrom):
                found |= {(each.asname or each.name).split(".")[0]: "local" for each in node.names}
            elif isinstance(node, _NAMED):
                found[str(node.name)] = "local"
            elif isinstance(node, ast.Global | ast.Nonlocal):
                kind = "global" if isinstance(node, ast.Global) else "nonlocal"
                declared |= dict.fromkeys(node.names, kind)
        return dict.fromkeys(self.enclosing, "nonlocal") | found | declared


def inside(function: ast.AST) -> Iterator[ast.AST]:
    """Give the nodes of a function's body, but not those of functions and classes in it."""
    waiting = list(getattr(function, "body", ()))
    while waiting:
        node = waiting.pop()
        yield node
        if not isinstance(node, SCOPES):
            waiting.extend(ast.iter_child_nodes(node))


def functions_of(program: Program | Calls, namespace: dict[str, Any]) -> list[Function]:
    """Give the functions of a program that has run, those of the cell first, as they stand in it."""
    found: list[Function] = []
    reached = _Reached(found)
    if isinstance(program, Program):
        found += _in_tree(program.tree, program.filename, namespace)
        reached.known_file = program.filename
        reached.names(_names(program.tree), namespace)
    else:
        for call in program.calls:
            reached.value(call.function, None)
    body = program.tree if isinstance(program, Program) else None
    return _with_passed(found[:_MOST], body)


def _in_tree(
    tree: ast.AST,
    file: str,
    namespace: dict[str, Any],
    owner: str = "",
    enclosing: frozenset[str] = frozenset(),
) -> Iterator[Function]:
    for child in ast.iter_child_nodes(tree):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            function = Function(child, file, namespace, owner, enclosing=enclosing)
            yield function
            own = {name for name, kind in function.bound.items() if kind != "global"}
            yield from _in_tree(child, file, namespace, enclosing=frozenset(own))
        elif isinstance(child, ast.ClassDef):
            yield from _in_tree(child, file, namespace, child.name, enclosing)
        else:
            yield from _in_tree(child, file, namespace, owner, enclosing)


def _names(tree: ast.AST) -> list[str]:
    names = (node.id for node in ast.walk(tree) if isinstance(node, ast.Name))
    return list(dict.fromkeys(names))


class _Reached:
    """Follows names to the functions and classes of the user's that they are bound to."""

    def __init__(self, found: list[Function]) -> None:
        self._found = found
        self._seen: set[int] = set()
        self.known_file: str | None = None

    def names(self, names: list[str], namespace: dict[str, Any]) -> None:
        for name in names:
            if name in namespace:
                self.value(namespace[name], namespace)

    def value(self, value: Any, namespace: dict[str, Any] | None, owner: str = "") -> None:
        """Look at what a name is bound to; `namespace` is where it must live, None for anywhere."""
        if isinstance(value, functools.partial):
            value = value.func
        if isinstance(value, types.MethodType | staticmethod | classmethod):
            value = value.__func__
        if isinstance(value, property):
            value = value.fget
        if id(value) in self._seen or len(self._found) >= _MOST:
            return
        if isinstance(value, type):
            if namespace is not None and value.__module__ == namespace.get("__name__"):
                self._seen.add(id(value))
                for held in list(vars(value).values()):
                    self.value(held, namespace, value.__name__)
            return
        if isinstance(value, types.FunctionType) or type(value).__module__ == "functools":
            try:
                value = inspect.unwrap(value)
            except ValueError:
                return  # it wraps itself
        if not isinstance(value, types.FunctionType) or id(value) in self._seen:
            return
        if namespace is not None and value.__globals__ is not namespace:
            return
        self._seen.add(id(value))
        if value.__code__.co_filename == self.known_file:
            return
        tree = _tree_of(value)
        if tree is not None:
            code = value.__code__
            around = frozenset(code.co_freevars)
            self._found.extend(_in_tree(tree, code.co_filename, value.__globals__, owner, around))
            self.names(_names(tree), value.__globals__)


def _tree_of(function: types.FunctionType) -> ast.AST | None:
    """Give the syntax tree of a function, where its source is still there."""
    try:
        lines, first = inspect.getsourcelines(function)
        tree = ast.parse(textwrap.dedent("".join(lines)))
    except (OSError, SyntaxError, ValueError, TypeError, IndexError, RecursionError):
        return None
    return ast.increment_lineno(tree, first - 1)


# What is passed to them.


def _with_passed(functions: list[Function], body: ast.Module | None) -> list[Function]:
    """Tell of each function which shared objects are passed to it."""
    anew = _bound_anew(body) if body is not None else set()
    calls: dict[str, list[list[ast.expr]]] = {}
    for tree in ([] if body is None else [body]) + [function.node for function in functions]:
        # Those inside a function come with the function.
        nodes = ast.walk(tree) if tree is body else inside(tree)
        for node in nodes:
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                calls.setdefault(node.func.id, []).append(node.args)
                if node.func.id == "spawn" and node.args and isinstance(node.args[0], ast.Name):
                    calls.setdefault(node.args[0].id, []).append(node.args[1:])
    return [replace(each, passed=_passed(each, calls.get(each.node.name, []), anew)) for each in functions]


def _passed(function: Function, calls: list[list[ast.expr]], anew: set[str]) -> dict[str, str]:
    namespace = function.namespace
    found = {}
    rebound = _stored(inside(function.node))
    if function.owner:
        own = namespace.get(function.owner)
        shared = [name for name, each in list(namespace.items()) if type(each) is own and name not in anew]
        return {function.itself: shared[0]} if shared and function.itself not in rebound else {}
    for at, argument in enumerate(function.arguments):
        given = {ast.unparse(args[at]) if at < len(args) else "" for args in calls}
        name = given.pop() if len(given) == 1 else ""
        if name in namespace and name not in anew and argument not in rebound:
            found[argument] = name
    return found


def _bound_anew(body: ast.Module) -> set[str]:
    """Give the names that a loop of the cell's body binds: to another object each time round."""
    loops = [node for node in inside(body) if isinstance(node, ast.For | ast.While)]
    return set[str]().union(*(_stored(ast.walk(loop)) for loop in loops))


def _stored(nodes: Iterable[ast.AST]) -> set[str]:
    return {
        node.id for node in nodes if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load)
    }
