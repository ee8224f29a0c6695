"""One function, followed statement by statement.

All along, this is known of its local names: which shared value each was computed from, and whether others may
have run since that was read. What that is good for, `hazards` says.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import count
from typing import Any, NamedTuple

from ..language import Where
from .functions import SCOPES, Function, inside

_PURE = {"abs", "float", "int", "len", "max", "min", "print", "range", "round", "sorted", "str", "sum"}
_MOST_STEPS = 5_000  # statements that are followed in one function: loops in loops double them each time
_PASSES = 2  # through a loop: what the first leaves behind, the second meets

Root = tuple[str, str]  # the class whose ``self`` it is, or nothing; and the name


def root_of(function: Function, node: ast.expr) -> Root | None:
    """Give what is shared of which an expression is a part, or None if that is not known to be shared."""
    inner: ast.expr = node
    attribute = ""
    while isinstance(inner, ast.Attribute | ast.Subscript):
        attribute = inner.attr if isinstance(inner, ast.Attribute) else attribute
        inner = inner.value
    if not isinstance(inner, ast.Name):
        return None
    name = inner.id
    # A variable of the function around it may be every coroutine's own.
    if function.bound.get(name, "global") == "global":
        return ("", name)
    if inner is not node and name in function.passed:
        # The same for every object of its class: whose method it is, is not known.
        return (function.owner, attribute) if name == function.itself else ("", function.passed[name])
    return None


def written_by(function: Function) -> set[Root]:
    """Give what a function writes of what is shared."""
    found: set[Root] = set()
    for node in inside(function.node):
        if isinstance(node, ast.Name | ast.Attribute | ast.Subscript) and isinstance(node.ctx, ast.Store):
            root = root_of(function, node)
            if root is not None:
                found.add(root)
    return found


@dataclass(frozen=True)
class _Read:
    """One reading of a shared value."""

    number: int
    key: str
    line: int
    locks: frozenset[int]


_Reads = frozenset[_Read]
_NOTHING: _Reads = frozenset()


@dataclass
class _State:
    """What is known at one point of a function.

    Attributes
    ----------
    values:
        By local name, the readings from which its value was computed.
    since:
        By the number of a reading, the line of the first switch after it; None before one.
    locks:
        By the text of a lock that is held, the number of its acquisition.
    """

    values: dict[str, _Reads] = field(default_factory=dict)
    since: dict[int, int | None] = field(default_factory=dict)
    locks: dict[str, int] = field(default_factory=dict)

    def copy(self) -> _State:
        return _State(dict(self.values), dict(self.since), dict(self.locks))


def _merged(states: Iterable[_State | None]) -> _State | None:
    """Give what is known where several ways meet; None if nobody comes there."""
    merged: _State | None = None
    for state in states:
        if state is None:
            continue
        if merged is None:
            merged = state.copy()
            continue
        for name, reads in state.values.items():
            merged.values[name] = merged.values.get(name, _NOTHING) | reads
        for number, line in state.since.items():
            merged.since[number] = merged.since.get(number) or line
        # Held for certain only if held on every way.
        merged.locks = {
            lock: number for lock, number in merged.locks.items() if state.locks.get(lock) == number
        }
    if merged is not None:
        # Of what no value was computed from, nobody asks any more.
        kept = {each.number for reads in merged.values.values() for each in reads}
        merged.since = {number: line for number, line in merged.since.items() if number in kept}
    return merged


class _TooLong(Exception):
    """A function that takes too long to follow."""


def name_of(call: ast.Call) -> str:
    """Give the name of what a call calls, without what stands before it; empty where it has none."""
    if isinstance(call.func, ast.Name):
        return call.func.id
    return call.func.attr if isinstance(call.func, ast.Attribute) else ""


class Undone(NamedTuple):
    """A shared name, and the lines of a function that read it, let others run, and write it back."""

    name: str
    read: int
    switch: int
    write: int
    root: Root


def follow(function: Function, switched: set[Where], blocking: set[str]) -> list[Undone]:
    """Follow a function; gives what may be undone, in the order in which it was found.

    Parameters
    ----------
    switched:
        The lines at which a coroutine has switched.
    blocking:
        The names of plain functions in which one has.
    """
    follower = _Follower(function, switched, blocking)
    # Who writes nothing undoes nothing. What is nested too deeply is followed up to there.
    if follower.written:
        with suppress(RecursionError, _TooLong):
            follower.body(function.node.body, _State())
    return follower.found


class _Follower:
    """Follows one function."""

    def __init__(self, function: Function, switched: set[Where], blocking: set[str]) -> None:
        self._function = function
        self._bound = function.bound
        self.written = written_by(function)
        self._lines = {where.line for where in switched if where.file == function.file}
        self._blocking = blocking
        self._numbers = count()
        self._steps = 0
        # By identity, with the node, whose identity another one would else get.
        self._texts: dict[int, tuple[ast.expr, str]] = {}
        self._breaks: list[list[_State]] = []
        self._continues: list[list[_State]] = []
        self.found: list[Undone] = []

    # Statements.

    def body(self, statements: list[ast.stmt], state: _State | None) -> _State | None:
        """Follow statements; gives what is known after them, None if nobody comes there."""
        for statement in statements:
            if state is None:
                return None
            self._steps += 1
            if self._steps > _MOST_STEPS:
                raise _TooLong
            method = getattr(self, f"_{type(statement).__name__.lower()}", None)
            state = self._other(statement, state) if method is None else method(statement, state)
        return state

    def _other(self, statement: ast.stmt, state: _State) -> _State | None:
        if not isinstance(statement, SCOPES):
            for child in ast.iter_child_nodes(statement):
                if isinstance(child, ast.expr):
                    self._value(child, state)
        return state

    def _assign(self, statement: ast.Assign, state: _State) -> _State:
        self._give(statement.targets, statement.value, state)
        return state

    def _annassign(self, statement: ast.AnnAssign, state: _State) -> _State:
        if statement.value is not None:
            self._give([statement.target], statement.value, state)
        return state

    def _give(self, targets: list[ast.expr], value: ast.expr, state: _State) -> None:
        if isinstance(value, ast.Tuple):
            each = [self._value(one, state) for one in value.elts]
            for target in targets:
                if isinstance(target, ast.Tuple) and len(target.elts) == len(each):
                    for one, reads in zip(target.elts, each, strict=True):
                        self._store(one, reads, state)
                else:
                    self._store(target, _NOTHING.union(*each), state)
            return
        reads = self._value(value, state)
        for target in targets:
            self._store(target, reads, state)

    def _augassign(self, statement: ast.AugAssign, state: _State) -> _State:
        # The old value is read before the rest is computed.
        reads = self._value(statement.target, state)
        self._store(statement.target, reads | self._value(statement.value, state), state)
        return state

    def _return(self, statement: ast.Return | ast.Raise, state: _State) -> None:
        self._other(statement, state)

    _raise = _return

    def _break(self, _: ast.Break, state: _State) -> None:
        if self._breaks:
            self._breaks[-1].append(state)

    def _continue(self, _: ast.Continue, state: _State) -> None:
        if self._continues:
            self._continues[-1].append(state)

    def _if(self, statement: ast.If, state: _State) -> _State | None:
        self._value(statement.test, state)
        return _merged([self.body(statement.body, state.copy()), self.body(statement.orelse, state)])

    def _match(self, statement: ast.Match, state: _State) -> _State | None:
        self._value(statement.subject, state)
        return _merged([*(self.body(case.body, state.copy()) for case in statement.cases), state])

    def _while(self, statement: ast.While, state: _State) -> _State | None:
        endless = isinstance(statement.test, ast.Constant) and bool(statement.test.value)
        return self._loop(statement, None if endless else statement.test, state, endless)

    def _for(self, statement: ast.For | ast.AsyncFor, state: _State) -> _State | None:
        self._value(statement.iter, state)
        return self._loop(statement, None, state, False)

    _asyncfor = _for

    def _loop(
        self, loop: ast.While | ast.For | ast.AsyncFor, test: ast.expr | None, state: _State, endless: bool
    ) -> _State | None:
        ends: list[_State | None] = []
        self._breaks.append([])
        at: _State | None = state
        for _ in range(_PASSES):
            if at is None:
                break
            if test is not None:
                self._value(test, at)
            if not endless:
                ends.append(at.copy())
            if isinstance(loop, ast.For | ast.AsyncFor):
                if isinstance(loop, ast.AsyncFor) or loop.iter.lineno in self._lines:
                    self._switch(loop.iter.lineno, at)
                self._store(loop.target, _NOTHING, at)
            self._continues.append([])
            after = self.body(loop.body, at)
            at = _merged([after, *self._continues.pop()])
        if not endless:
            ends.append(at)
        after_all = self.body(loop.orelse, _merged(ends))
        return _merged([after_all, *self._breaks.pop()])

    def _try(self, statement: Any, state: _State) -> _State | None:
        before = state.copy()
        after = self.body(statement.body, state)
        # An error may come from anywhere inside: before the first line, or after the last that was followed.
        failed = _merged([before, state])
        assert failed is not None
        ways = [self.body(statement.orelse, after)]
        ways += [self.body(handler.body, failed.copy()) for handler in statement.handlers]
        together = _merged(ways)
        if together is None:
            self.body(statement.finalbody, failed)
            return None
        return self.body(statement.finalbody, together)

    _trystar = _try

    def _with(self, statement: ast.With | ast.AsyncWith, state: _State) -> _State | None:
        entered: list[str] = []
        for item in statement.items:
            held = set(state.locks)
            self._value(item.context_expr, state)
            if isinstance(statement, ast.AsyncWith) or self._waits_at(item.context_expr):
                self._switch(item.context_expr.lineno, state)
            if item.optional_vars is not None:
                self._store(item.optional_vars, _NOTHING, state)
            if held == set(state.locks) and self._is_lock(item.context_expr):
                self._acquire(ast.unparse(item.context_expr), state)
            entered += set(state.locks) - held
        after = self.body(statement.body, state)
        for lock in entered if after is not None else ():
            after.locks.pop(lock, None)  # type: ignore[union-attr]
        return after

    _asyncwith = _with

    # Locks.

    def _is_lock(self, node: ast.expr) -> bool:
        text = ast.unparse(node)
        if any(word in text.lower() for word in ("lock", "mutex", "semaphore")):
            return True
        value = self._function.namespace.get(text) if isinstance(node, ast.Name) else None
        return hasattr(type(value), "acquire")

    def _acquire(self, lock: str, state: _State) -> None:
        state.locks[lock] = next(self._numbers)

    # Expressions: each gives the readings that its value was computed from.

    def _value(self, node: ast.expr, state: _State) -> _Reads:
        if isinstance(node, ast.Name):
            if self._bound.get(node.id, "global") == "local":
                return state.values.get(node.id, _NOTHING)
            return self._read(node, node.lineno, state)
        if isinstance(node, ast.Attribute | ast.Subscript):
            inner = node.value
            # What stands before the point or the bracket is looked through, and not read.
            reads = _NOTHING
            if not (isinstance(inner, ast.Name) and root_of(self._function, inner)):
                reads = self._value(inner, state)
            if isinstance(node, ast.Subscript):
                self._value(node.slice, state)
            return reads | self._read(node, node.lineno, state)
        if isinstance(node, ast.Yield | ast.YieldFrom | ast.Await):
            if node.value is not None:
                self._value(node.value, state)
            self._switch(node.lineno, state)
            return _NOTHING
        if isinstance(node, ast.Call):
            return self._call(node, state)
        if isinstance(node, ast.NamedExpr):
            reads = self._value(node.value, state)
            self._store(node.target, reads, state)
            return reads
        if isinstance(node, ast.IfExp):
            self._value(node.test, state)
            return self._value(node.body, state) | self._value(node.orelse, state)
        if isinstance(node, ast.Lambda):
            return _NOTHING
        parts = []
        for child in ast.iter_child_nodes(node):
            inner_ones = (child.iter, *child.ifs) if isinstance(child, ast.comprehension) else (child,)
            parts += [self._value(each, state) for each in inner_ones if isinstance(each, ast.expr)]
        # A comparison gives yes or no, which nobody adds to.
        return _NOTHING if isinstance(node, ast.Compare) else _NOTHING.union(*parts)

    def _call(self, node: ast.Call, state: _State) -> _Reads:
        reads = _NOTHING
        called = node.func
        of_shared = isinstance(called, ast.Attribute) and root_of(self._function, called) is not None
        if isinstance(called, ast.Attribute) and not of_shared:
            reads = self._value(called.value, state)
        reads = reads.union(
            *(self._value(each, state) for each in node.args),
            *(self._value(each.value, state) for each in node.keywords),
        )
        if isinstance(called, ast.Attribute):
            if called.attr == "acquire":
                self._acquire(ast.unparse(called.value), state)
            elif called.attr == "release":
                state.locks.pop(ast.unparse(called.value), None)
            elif called.attr == "get" and node.args and self._is_dict(called.value):
                # ``counts.get(key, 0)`` reads what ``counts[key]`` does.
                entry = ast.Subscript(called.value, node.args[0], ast.Load())
                reads |= self._read(entry, node.lineno, state)
        if self._waits_at(node):
            self._switch(node.lineno, state)
        return reads

    def _is_dict(self, node: ast.expr) -> bool:
        return isinstance(node, ast.Name) and isinstance(self._function.namespace.get(node.id), dict)

    def _waits_at(self, node: ast.expr) -> bool:
        """Say whether others ran at this expression, though it has no ``yield``."""
        if isinstance(node, ast.Call) and name_of(node) in self._blocking:
            return True
        # A call may have several lines, and the trace knows one of them.
        lines = range(node.lineno, (node.end_lineno or node.lineno) + 1)
        if self._lines.isdisjoint(lines):
            return False
        if any(isinstance(each, ast.Yield | ast.YieldFrom | ast.Await) for each in ast.walk(node)):
            return False
        return not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _PURE)

    def _text(self, node: ast.expr) -> str:
        if isinstance(node, ast.Name):
            return node.id
        if id(node) not in self._texts:
            self._texts[id(node)] = (node, ast.unparse(node))
        return self._texts[id(node)][1]

    # What happens.

    def _switch(self, line: int, state: _State) -> None:
        for number, since in state.since.items():
            if since is None:
                state.since[number] = line

    def _read(self, node: ast.expr, line: int, state: _State) -> _Reads:
        if root_of(self._function, node) not in self.written:
            return _NOTHING
        key = self._text(node)
        # Who reads it again knows what others wrote.
        for name, reads in state.values.items():
            old = [each for each in reads if each.key == key and state.since.get(each.number) is not None]
            if old:
                state.values[name] = reads.difference(old)
        read = _Read(next(self._numbers), key, line, frozenset(state.locks.values()))
        state.since[read.number] = None
        return frozenset((read,))

    def _store(self, target: ast.expr, reads: _Reads, state: _State) -> None:
        if isinstance(target, ast.Tuple | ast.List):
            for each in target.elts:
                self._store(each, reads, state)
            return
        if isinstance(target, ast.Starred):
            self._store(target.value, reads, state)
            return
        if isinstance(target, ast.Subscript):
            self._value(target.slice, state)
        if isinstance(target, ast.Name) and self._bound.get(target.id, "global") == "local":
            state.values[target.id] = reads
            self._forget(target.id, state)
            return
        root = root_of(self._function, target)
        if root is not None:
            self._write(target, root, reads, state)

    def _forget(self, name: str, state: _State) -> None:
        """Forget the readings whose text means something else, now that a name of theirs is bound anew."""
        for other, reads in state.values.items():
            stale = [each for each in reads if each.key != name and name in _words(each.key)]
            if stale:
                state.values[other] = reads.difference(stale)

    def _write(self, target: ast.expr, root: Root, reads: _Reads, state: _State) -> None:
        key = self._text(target)
        before = [each for each in reads if each.key == key]
        held = set(state.locks.values())
        lines = [state.since.get(each.number) for each in before]
        # Who adds to what it reads now undoes nothing.
        if None in lines:
            return
        for read, line in zip(before, lines, strict=True):
            if line is not None and not read.locks & held:
                self.found.append(Undone(key, read.line, line, target.lineno, root))


@lru_cache(1000)
def _words(text: str) -> set[str]:
    return {node.id for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Name)}
