"""What to run: a cell as a program, and the way it gets going on an engine.

A `Program` is what both sides get: the kernel runs it on the scheduler, and the worker process runs
the same one again on threads. Compiling it changes two things in the cell's own syntax tree, none
of which a user can see: a bare expression statement of the cell's body is passed through
`Execution.statement`, so that ``worker(1)`` hands a coroutine over; and on threads generator
functions are wrapped, so that a generator driven by hand lives on a thread of its own.
"""

from __future__ import annotations

import ast
import copy
import functools
import inspect
import linecache
import types
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Protocol

from ..language import Task
from ..language.coroutine import as_coroutine, is_coroutine, is_unstarted
from .frames import forget_home, set_home
from .handover import bound_coroutines, left_to_holders
from .interrupts import gate

# What the rewritten body calls. In the user's namespace for the length of a run only.
STATEMENT = "__coroutines_statement__"
WRAP = "__coroutines_wrap__"

BODY_NAME = "cell"


class ProgramEngine(Protocol):
    """What a program needs of an engine."""

    tasks: list[Any]

    def spawn(self, coroutine: Any, name: str | None = None, daemon: bool = False) -> Any: ...

    def was_handed_over(self, coroutine: Any) -> bool: ...


@dataclass(frozen=True)
class Program:
    """A cell, ready to be compiled.

    Attributes
    ----------
    tree:
        Its syntax tree, with line numbers as the user sees them.
    source:
        Its text, for tracebacks.
    filename:
        What the code calls its file; tracebacks find the source under it.
    flags:
        Compiler flags, for future statements made in earlier cells.
    shown:
        Which of the body's expression statements are displayed, as in IPython: ``"last_expr"``,
        ``"last"`` (those inside a last ``for`` or ``if`` too), ``"all"`` or ``"none"``.
    """

    tree: ast.Module
    source: str
    filename: str
    flags: int = 0
    shown: str = "last_expr"
    has_body: ClassVar[bool] = True

    def compile(self, threads: bool = False) -> types.CodeType:
        """Compile the cell, rewritten as this module's opening says."""
        tree = _Rewriter(self.tree, self.shown, threads).rewritten()
        flags = self.flags | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
        code: types.CodeType = compile(tree, self.filename, "exec", flags, dont_inherit=True)
        return code

    def execution(
        self,
        namespace: dict[str, Any],
        show: Callable[[Any], None],
        wrap: Callable[[Any], Any] | None = None,
    ) -> Execution:
        """Give one going of it; `wrap` wraps generator functions, for threads."""
        return Execution(self, namespace, show, wrap)

    def define(self, namespace: dict[str, Any]) -> None:
        """Run the cell's imports and definitions of functions and classes, and nothing else of it.

        One that fails, because it needs more than that, is left out.
        """
        flags = self.flags | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
        for statement in self.tree.body:
            if isinstance(statement, _DEFINITIONS):
                code = compile(ast.Module([statement], []), self.filename, "exec", flags, dont_inherit=True)
                with suppress(Exception):
                    exec(code, namespace)

    def defined(self) -> set[str]:
        """Give the names that `define` binds."""
        found = set()
        for statement in self.tree.body:
            if isinstance(statement, ast.Import | ast.ImportFrom):
                found |= {(alias.asname or alias.name).partition(".")[0] for alias in statement.names}
            elif isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                found.add(statement.name)
        return found

    def imports(self) -> set[str]:
        """Give the modules that the cell imports, in its body and in its functions."""
        found = set()
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                found |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                found.add(node.module)
        return found

    def with_values(self, values: Mapping[str, Any]) -> Program:
        """Give the same program for other values of some names: what its body assigns to them is left out.

        Only an assignment to that one name is (``n = 100``), at the top level of the cell.
        """
        tree = copy.deepcopy(self.tree)
        tree.body = [node for node in tree.body if _assigned(node) not in values] or [ast.Pass()]
        return replace(self, tree=ast.fix_missing_locations(tree))

    def assigns(self, name: str) -> bool:
        """Say whether the cell's body assigns to a name, in a statement of its own."""
        return any(_assigned(node) == name for node in self.tree.body)

    def remember_source(self) -> None:
        """Let tracebacks find the source, in a process that did not read it from a cell."""
        linecache.cache[self.filename] = (
            len(self.source), None, self.source.splitlines(keepends=True), self.filename,
        )  # fmt: skip


def _assigned(node: ast.stmt) -> str | None:
    """Give the one name that a statement assigns to, if that is all that it does."""
    if isinstance(node, ast.Assign) and len(node.targets) == 1:
        target: ast.expr = node.targets[0]
    elif isinstance(node, ast.AnnAssign) and node.value is not None:
        target = node.target
    else:
        return None
    return target.id if isinstance(target, ast.Name) else None


_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Import, ast.ImportFrom)
_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)


class _Rewriter(ast.NodeTransformer):
    def __init__(self, tree: ast.Module, shown: str, threads: bool) -> None:
        self._tree = copy.deepcopy(tree)
        self._threads = threads
        self._shown = shown
        self._show = False

    def rewritten(self) -> ast.Module:
        body = self._tree.body
        for index, statement in enumerate(body):
            last = index == len(body) - 1
            self._show = self._shown == "all" or last and (
                self._shown == "last"
                or self._shown == "last_expr" and isinstance(statement, ast.Expr)
            )
            body[index] = self.visit(statement)
        return ast.fix_missing_locations(self._tree)

    def visit_Expr(self, node: ast.Expr) -> ast.AST:
        if isinstance(node.value, ast.Constant) and not self._show:
            return node  # a docstring, say: never a coroutine
        self.generic_visit(node)
        arguments = [node.value, ast.Constant(self._show)]
        call = ast.Call(ast.Name(STATEMENT, ast.Load()), arguments, keywords=[])
        return ast.copy_location(ast.Expr(ast.copy_location(call, node.value)), node)

    def _function(self, node: Any) -> Any:
        # Inside a function, statements are the function's own business; nested ones are wrapped.
        if self._threads:
            for child in ast.walk(node):
                if isinstance(child, ast.FunctionDef) and _is_generator(child):
                    child.decorator_list.append(ast.Name(WRAP, ast.Load()))
            ast.fix_missing_locations(node)
        return node

    visit_FunctionDef = visit_AsyncFunctionDef = visit_ClassDef = _function

    def visit_Lambda(self, node: ast.Lambda) -> ast.AST:
        return node


def _is_generator(function: ast.FunctionDef) -> bool:
    def yields(node: ast.AST) -> bool:
        return any(
            isinstance(child, ast.Yield | ast.YieldFrom)
            or (not isinstance(child, _SCOPES) and yields(child))
            for child in ast.iter_child_nodes(node)
        )

    return any(
        isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Yield | ast.YieldFrom)
        or (not isinstance(statement, _SCOPES) and yields(statement))
        for statement in function.body
    )  # fmt: skip


@dataclass
class Execution:
    """One going of a program on one engine.

    Attributes
    ----------
    namespace:
        Where the cell's names live.
    show:
        What displays a value, as the prompt does.
    left:
        The coroutines that were left to their holders, with the names they are bound to.
    """

    program: Program
    namespace: dict[str, Any]
    show: Callable[[Any], None]
    wrap: Callable[[Any], Any] | None = None
    left: list[tuple[str, Any]] = field(default_factory=list)
    # Takes a value that is a coroutine for somebody else, or says that it is not: see `engines.share`.
    passes_over: Callable[[Any], bool] | None = None
    body: Task | None = None
    _before: dict[str, Any] = field(default_factory=dict)
    _value: Any = None
    _wrapped: Any = None

    @functools.cached_property
    def code(self) -> types.CodeType:
        """The cell, compiled: the functions that it defines have the code objects in here."""
        return self.program.compile(threads=self.wrap is not None)

    def get_ready(self) -> None:
        """Do beforehand what is not part of the run."""
        self.code  # noqa: B018

    def begin(self, engine: ProgramEngine) -> None:
        """Hand the cell's body over to `engine`, as the first coroutine."""
        self._engine = engine
        code = self.code
        self._before = dict(self.namespace)
        self.namespace[STATEMENT] = self.statement
        if self.wrap is not None:
            self.namespace[WRAP] = self.wrap
            wrap_generator_functions(self.namespace, self.wrap)
        if code.co_flags & inspect.CO_COROUTINE:
            body: Any = self._async_body(code)
        else:
            body = self._plain_body(code)
        body.__name__ = BODY_NAME
        set_home(body, self.program.filename)
        self._wrapped = body
        self.body = engine.spawn(body, BODY_NAME)

    def end(self) -> None:
        """Take back what `begin` put into the namespace."""
        self.namespace.pop(STATEMENT, None)
        self.namespace.pop(WRAP, None)
        # By id: another coroutine may get it, once this one is gone.
        forget_home(self._wrapped)

    def _plain_body(self, code: types.CodeType) -> Any:
        exec(code, self.namespace)
        self._hand_over_bound()
        return self._value
        yield

    async def _async_body(self, code: types.CodeType) -> Any:
        await eval(code, self.namespace)
        self._hand_over_bound()
        return self._value

    def statement(self, value: Any, show: bool) -> None:
        """Take the value of an expression statement: hand a coroutine over, show what is to be shown."""
        if self.passes_over is not None and self.passes_over(value):
            return
        if is_coroutine(value) and is_unstarted(value):
            # A plain generator is what it is: a million of them are not looked at twice.
            self._engine.spawn(value if type(value) is types.GeneratorType else as_coroutine(value))
        elif show:
            self._value = value
            if value is not None:
                self.show(value)

    def _hand_over_bound(self) -> None:
        """Hand over what the cell created and left unstarted, but for what another coroutine holds."""
        found = [
            (name, coroutine)
            for name, coroutine in bound_coroutines(self._before, self.namespace)
            if not self._engine.was_handed_over(coroutine)
        ]
        self._before = {}
        if not found:
            return
        # Those that another process runs hold what they hold here, too.
        tasks = [*self._engine.tasks, *getattr(self._engine, "holders", ())]
        others = [task.coroutine for task in tasks if task.coroutine is not None]
        held = left_to_holders([each for _, each in found], others, self.namespace)
        self.left = [(name, each) for name, each in found if id(each) in held]
        for _, coroutine in found:
            if id(coroutine) not in held:
                self._engine.spawn(coroutine)

    @property
    def never_started(self) -> list[str]:
        """The names of coroutines that were left to holders who did not start them."""
        return [name for name, coroutine in self.left if is_unstarted(coroutine)]


def wrap_generator_functions(namespace: dict[str, Any], wrap: Callable[[Any], Any]) -> None:
    """Wrap the generator functions that live in `namespace` already."""
    for name, value in list(namespace.items()):
        if inspect.isgeneratorfunction(value) and value.__globals__ is namespace:
            namespace[name] = wrap(value)


for _function in (Execution._plain_body, Execution._async_body, Execution.statement):
    gate(_function)
