"""Reading frames: which line of the user's a coroutine is at, and tracebacks without our own lines."""

from __future__ import annotations

import os
import re
import sys
import types
from typing import Any

from ..language import Where

_OURS = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep


_is_ours: dict[str, bool] = {}


def ours(code: types.CodeType) -> bool:
    """Say whether a piece of code belongs to this package."""
    file = code.co_filename
    known = _is_ours.get(file)
    if known is None:
        known = _is_ours[file] = file.startswith(_OURS)
    return known


_MACHINERY = re.compile(r"[\\/](?:site|dist)-packages[\\/](IPython|ipykernel)[\\/]")


def machinery_of(file: str) -> str | None:
    """Give the package, if a file is of the notebook's own machinery, which shows what a cell displays."""
    found = _MACHINERY.search(file)
    return None if found is None else found[1]


def user_line(frame: types.FrameType | None, coroutine: Any) -> Where | None:
    """Give the line that a call comes from, as its author would name it.

    Parameters
    ----------
    frame:
        Where the call is; None for the caller's own.
    coroutine:
        Whose step it is in, or None. The nearest line of the module that the coroutine comes from
        is preferred to a library's that it called.
    """
    frame = sys._getframe(1) if frame is None else frame
    home = None if coroutine is None else home_of(coroutine)
    nearest: Where | None = None
    while frame is not None:
        code = frame.f_code
        if not ours(code):
            if home is None or code.co_filename == home:
                return Where(code.co_filename, frame.f_lineno)
            nearest = nearest or Where(code.co_filename, frame.f_lineno)
        frame = frame.f_back
    return nearest


def home_of(coroutine: Any) -> str | None:
    """Give the file that a coroutine's code comes from."""
    code = code_of(coroutine)
    if code is None:
        return None
    if ours(code):
        # A plain function or a cell's body, wrapped: they say where they come from.
        frame = getattr(coroutine, "gi_frame", None)
        function = None if frame is None else frame.f_locals.get("function")
        code = getattr(function, "__code__", None)
        return _HOMES.get(id(coroutine)) if code is None else code.co_filename
    return code.co_filename


# Which file a wrapped coroutine (see `home_of`) stands for, while it lives.
_HOMES: dict[int, str] = {}


def set_home(coroutine: Any, file: str) -> None:
    """Say which file a coroutine made by this package stands for."""
    _HOMES[id(coroutine)] = file


def forget_home(coroutine: Any) -> None:
    """Forget what `set_home` said."""
    _HOMES.pop(id(coroutine), None)


def code_of(coroutine: Any) -> types.CodeType | None:
    """Give the code of a generator or native coroutine."""
    return getattr(coroutine, "gi_code", None) or getattr(coroutine, "cr_code", None)


def is_running(coroutine: Any) -> bool:
    """Say whether a coroutine is in the middle of a step."""
    return bool(getattr(coroutine, "gi_running", False) or getattr(coroutine, "cr_running", False))


def innermost(coroutine: Any) -> types.FrameType | None:
    """Give the innermost frame of the user's at which a suspended coroutine stands.

    That is its own, or that of a generator to which it delegates with ``yield from`` or ``await``.
    """
    # As `delegated`, the last of them: written out, because waits ask for it, and a list takes half as
    # long again.
    found = None
    while coroutine is not None:
        if isinstance(coroutine, types.GeneratorType):
            frame, inner = coroutine.gi_frame, coroutine.gi_yieldfrom
        elif isinstance(coroutine, types.CoroutineType):
            frame, inner = coroutine.cr_frame, coroutine.cr_await
        else:
            break
        if frame is not None and not ours(frame.f_code):
            found = frame
        coroutine = inner
    return found


def delegated(coroutine: Any) -> list[types.FrameType]:
    """Give the user's frames of a suspended coroutine and of those it delegates to, the outermost first."""
    found = []
    while coroutine is not None:
        if isinstance(coroutine, types.GeneratorType):
            frame, inner = coroutine.gi_frame, coroutine.gi_yieldfrom
        elif isinstance(coroutine, types.CoroutineType):
            frame, inner = coroutine.cr_frame, coroutine.cr_await
        else:
            break
        if frame is not None and not ours(frame.f_code):
            found.append(frame)
        coroutine = inner
    return found


def standing(coroutine: Any) -> Where | None:
    """Give the line of the user's at which a suspended coroutine stands."""
    frame = innermost(coroutine)
    return None if frame is None else Where(frame.f_code.co_filename, frame.f_lineno)


def ended_at(error: BaseException | None, coroutine: Any) -> Where | None:
    """Give the line at which a coroutine ended, where that can be told.

    With an error it is the deepest line of the coroutine's own file in the traceback. Without one
    it is the line of the only ``return`` (or the end) of its function, if there is but one.
    """
    code = code_of(coroutine)
    if error is None:
        return None if code is None or ours(code) else _only_exit(code)
    home, found = home_of(coroutine), None
    tb = error.__traceback__
    while tb is not None:
        if tb.tb_frame.f_code.co_filename == home or (found is None and not ours(tb.tb_frame.f_code)):
            found = Where(tb.tb_frame.f_code.co_filename, tb.tb_lineno)
        tb = tb.tb_next
    return found


# By identity, as everywhere: to hash a code object takes longer than all the rest.
_exits: dict[int, tuple[types.CodeType, Where | None]] = {}


def _only_exit(code: types.CodeType) -> Where | None:
    known = _exits.get(id(code))
    if known is not None:
        return known[1]
    import dis

    lines = set()
    line = None
    for instruction in dis.get_instructions(code):
        position = instruction.positions
        line = (position.lineno if position is not None else None) or line
        if instruction.opname in ("RETURN_VALUE", "RETURN_CONST"):
            lines.add(line)
    only = lines.pop() if len(lines) == 1 else None
    if len(_exits) > 1000:
        _exits.clear()
    where = None if only is None else Where(code.co_filename, only)
    _exits[id(code)] = (code, where)
    return where


def strip(error: BaseException) -> None:
    """Take this package's own lines out of a traceback; if there are no others it stays."""
    kept = []
    tb = error.__traceback__
    while tb is not None:
        if not ours(tb.tb_frame.f_code):
            kept.append(tb)
        tb = tb.tb_next
    if kept:
        for here, following in zip(kept, [*kept[1:], None], strict=True):
            here.tb_next = following
        error.__traceback__ = kept[0]
