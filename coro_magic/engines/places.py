"""Where things happen: the lines at which coroutines wait and are spawned, as numbers for the trace."""

from __future__ import annotations

import sys
from types import FrameType, GeneratorType
from typing import Any, Protocol

from ..language import State, Where
from .frames import ended_at, home_of, innermost, ours, user_line
from .trace import WAITS, Trace

_UNKNOWN = ""

# By the identity of code: the verb and the code of the wait, by instruction.
_Known = dict[int, tuple[dict[int, tuple[str, int]], object]]


class Placed(Protocol):
    """A task, as far as it is known here: `places` is where it waited so far, None at first."""

    row: int
    coroutine: Any
    places: dict[int, tuple[str, int]] | None


class Places:
    """Gives the same number for the same line, and looks at the line only once.

    Parameters
    ----------
    trace:
        Where the lines get their numbers.
    kind:
        What kind of event a wait is there.
    """

    def __init__(self, trace: Trace, kind: int = WAITS) -> None:
        self._trace = trace
        self._kind = kind
        # By identity: to hash a code object takes longer than all the rest. It is kept alive.
        self._waits: _Known = {}
        # Of those who block, by row: the file that their code comes from, and what is known about it. In a
        # slot of every task it would cost those who never block.
        self._homes: dict[int, str | None] = {}
        self._at_home: dict[int, _Known] = {}
        self._files: dict[str | None, _Known] = {}
        self._returns: dict[int, tuple[int, object]] = {}
        self._spawns: dict[tuple[int, int], tuple[int, object]] = {}

    def wait(self, task: Placed, verb: str) -> int:
        """Give the code of the wait of a suspended coroutine."""
        places = task.places
        if places is not None:
            # The commonest way by far, and the shortest. An instruction that delegates is not known here:
            # it always does.
            known = places.get(task.coroutine.gi_frame.f_lasti)
            if known is not None and known[0] is verb:
                return known[1]
        return self._look(task, verb)

    def _look(self, task: Placed, verb: str) -> int:
        coroutine = task.coroutine
        direct = type(coroutine) is GeneratorType and coroutine.gi_yieldfrom is None
        frame = coroutine.gi_frame if direct else innermost(coroutine)
        if frame is None:
            return self._trace.code(self._kind, verb, None)
        places = self._of(frame)
        if direct:
            task.places = places
        known = places.get(frame.f_lasti)
        if known is None or known[0] is not verb:
            code = self._trace.code(self._kind, verb, Where(frame.f_code.co_filename, frame.f_lineno))
            # One instruction may ask for one thing now and for another then; the latest is kept.
            known = places[frame.f_lasti] = (verb, code)
        return known[1]

    def _of(self, frame: FrameType) -> dict[int, tuple[str, int]]:
        """Give what is known about the code of a frame: the verb and the code of the wait, by instruction."""
        known = self._waits.get(id(frame.f_code))
        if known is None:
            known = self._waits[id(frame.f_code)] = ({}, frame.f_code)
        return known[0]

    def blocking_wait(self, task: Placed, verb: str, frame: FrameType | None) -> int:
        """Give the code of the wait of a task in the middle of a step.

        `frame` is where the call is, if that is known. If not, it is looked for from the caller's caller on.
        """
        if frame is not None:
            at_home = self._at_home.get(task.row)
            known = None if at_home is None else at_home.get(id(frame.f_code))
            if known is not None:
                code = known[0].get(frame.f_lasti)
                if code is not None and code[0] is verb:
                    return code[1]
        return self._look_blocking(task, verb, sys._getframe(2) if frame is None else frame)

    def _look_blocking(self, task: Placed, verb: str, frame: FrameType) -> int:
        home = self._homes.get(task.row, _UNKNOWN)
        if home is _UNKNOWN:
            home = self._homes[task.row] = home_of(task.coroutine)
        at: FrameType | None = frame
        while at is not None and ours(at.f_code):
            at = at.f_back
        if at is None or (home is not None and at.f_code.co_filename != home):
            # A library's line, and whose it is depends on who called the library.
            return self._trace.code(self._kind, verb, user_line(frame, task.coroutine))
        places = self._of(at)
        # All that come from one file have one table of the code that is found there.
        at_home = self._at_home[task.row] = self._files.setdefault(home, {})
        at_home[id(at.f_code)] = (places, at.f_code)
        known = places.get(at.f_lasti)
        if known is None or known[0] is not verb:
            code = self._trace.code(self._kind, verb, Where(at.f_code.co_filename, at.f_lineno))
            known = places[at.f_lasti] = (verb, code)
        return known[1]

    def returned(self, coroutine: Any) -> int:
        """Give the number of the ending of a coroutine that has returned; see `Trace.ending`."""
        code = coroutine.gi_code if type(coroutine) is GeneratorType else coroutine.cr_code
        known = self._returns.get(id(code))
        if known is None:
            number = self._trace.ending(State.DONE, ended_at(None, coroutine))
            known = self._returns[id(code)] = (number, code)
        return known[0]

    def spawn(self, frame: FrameType | None) -> int:
        """Give the reason whose line is the one that calls `spawn`; 0 if there is none.

        `frame` is where the call is, if that is known. If not, it is looked for from the caller's caller on.
        """
        if frame is None:
            frame = sys._getframe(2)
        known = self._spawns.get((id(frame.f_code), frame.f_lasti))
        return self._look_spawning(frame) if known is None else known[0]

    def _look_spawning(self, at: FrameType) -> int:
        frame: FrameType | None = at
        while frame is not None and ours(frame.f_code):
            frame = frame.f_back
        if frame is None:
            return 0
        reason = self._trace.reason("spawn", Where(frame.f_code.co_filename, frame.f_lineno))
        if frame is at:
            self._spawns[id(frame.f_code), frame.f_lasti] = (reason, frame.f_code)
        return reason
