"""Where things happen: the lines at which coroutines wait and are spawned, as numbers for the trace."""

from __future__ import annotations

from types import GeneratorType
from typing import Any

from ..language import Where
from .frames import caller, innermost, user_line
from .trace import WAITS, Trace


class Places:
    """Gives the same number for the same line, and looks at the line only once."""

    def __init__(self, trace: Trace) -> None:
        self._trace = trace
        # By identity: to hash a code object takes longer than all the rest. It is kept alive.
        self._waits: dict[tuple[int, int, str], tuple[int, object]] = {}
        self._spawns: dict[tuple[int, int], tuple[int, object]] = {}

    def wait(self, coroutine: Any, verb: str) -> int:
        """Give the code of the wait of a suspended coroutine."""
        if type(coroutine) is GeneratorType and coroutine.gi_yieldfrom is None:
            frame = coroutine.gi_frame
        else:
            frame = innermost(coroutine)
        if frame is None:
            return self._trace.code(WAITS, verb, None)
        key = (id(frame.f_code), frame.f_lasti, verb)
        known = self._waits.get(key)
        if known is None:
            code = self._trace.code(WAITS, verb, Where(frame.f_code.co_filename, frame.f_lineno))
            known = self._waits[key] = (code, frame.f_code)
        return known[0]

    def blocking_wait(self, coroutine: Any, verb: str) -> int:
        """Give the code of the wait of a coroutine whose step calls this."""
        return self._trace.code(WAITS, verb, user_line(None, coroutine))

    def spawn(self) -> int:
        """Give the reason whose line is the one that calls `spawn`; 0 if there is none."""
        frame = caller()
        if frame is None:
            return 0
        key = (id(frame.f_code), frame.f_lasti)
        known = self._spawns.get(key)
        if known is None:
            reason = self._trace.reason("spawn", Where(frame.f_code.co_filename, frame.f_lineno))
            known = self._spawns[key] = (reason, frame.f_code)
        return known[0]
