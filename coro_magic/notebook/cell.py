"""From a cell's text to a `Program`, as IPython itself would read the cell."""

from __future__ import annotations

import ast
import io
import sys
import tokenize
from typing import Any

from ..engines.program import Program


def program_of(shell: Any, cell: str, lines_before: int = 1) -> Program:
    """Give the program that a cell is.

    Parameters
    ----------
    shell:
        The running InteractiveShell: its transforms, its cached file name, its compiler flags.
    cell:
        The text below the magic's line.
    lines_before:
        How many lines of the notebook's cell come before that text, so that line numbers in
        reports and tracebacks are those that the user sees.

    Raises
    ------
    SyntaxError
        As IPython raises it, at the right line.
    """
    source = "\n" * lines_before + shell.transform_cell(cell)
    filename = shell.compile.cache(source, _cell_number(shell), raw_code=cell)
    tree = shell.transform_ast(shell.compile.ast_parse(source, filename))
    if not lines_before:
        _separate(tree)
    shown = shell.ast_node_interactivity
    if shown == "last_expr_or_assign":
        _name_what_is_assigned(tree)
        shown = "last_expr"
    if _ends_with_semicolon(source):
        shown = "none"
    program = Program(tree, source, filename, shell.compile.flags, shown)
    # Some mistakes (a return outside a function) show only now: before anything runs.
    program.compile()
    return program


def _separate(tree: ast.Module) -> None:
    """Make ``%coroutines worker(1), worker(2)`` two statements instead of a tuple."""
    if len(tree.body) == 1 and isinstance(tree.body[0], ast.Expr):
        value = tree.body[0].value
        if isinstance(value, ast.Tuple):
            tree.body = [ast.copy_location(ast.Expr(each), each) for each in value.elts]


def _name_what_is_assigned(tree: ast.Module) -> None:
    """Add the name that the last statement assigns to, to be displayed."""
    last = tree.body[-1] if tree.body else None
    targets = last.targets if isinstance(last, ast.Assign) else [getattr(last, "target", None)]
    if isinstance(last, ast.Assign | ast.AugAssign | ast.AnnAssign) and len(targets) == 1:
        target = targets[0]
        if isinstance(target, ast.Name):
            name = ast.copy_location(ast.Name(target.id, ast.Load()), target)
            tree.body.append(ast.copy_location(ast.Expr(name), target))


def _cell_number(shell: Any) -> int:
    """Give the number that IPython shows for the running cell in a traceback.

    When the count goes up has changed between versions, so it is taken from the cell's own frame.
    """
    numbers = getattr(shell.compile, "_filename_map", {})
    frame = sys._getframe(1)
    while frame is not None:
        if frame.f_globals is shell.user_ns and frame.f_code.co_filename in numbers:
            return int(numbers[frame.f_code.co_filename])
        frame = frame.f_back  # type: ignore[assignment]
    return int(shell.execution_count)


def _ends_with_semicolon(source: str) -> bool:
    """Say whether the last thing in the source is a semicolon, which means: do not display."""
    last = ""
    try:
        for token in tokenize.generate_tokens(io.StringIO(source).readline):
            if token.type == tokenize.OP or token.type in (tokenize.NAME, tokenize.NUMBER, tokenize.STRING):
                last = token.string
    except (tokenize.TokenError, SyntaxError):
        return False  # the compiler will say what is wrong, in its own words
    return last == ";"
