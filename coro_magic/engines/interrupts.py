"""The kernel's interrupt, while coroutines run.

`KeyboardInterrupt` may strike between any two instructions. In a coroutine's own code that is what
its author expects; in the scheduler's it could leave a queue half changed. So for the length of a
run the signal is looked at first: in a coroutine's step it is raised there, elsewhere it is noted,
and the scheduler stops at the next occasion.

Between the two is code of ours that a coroutine's step has called: what watches generators, say. The
scheduler's next occasion may never come, because the step need not end; and nothing may be raised
in there. So the signal is given again, a moment later, until it finds the user's code or the
scheduler has heard of it.
"""

from __future__ import annotations

import _thread
import dis
import signal
import sys
import threading
import time
import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from .frames import ours

_INSISTING = 3  # interrupts in one run
_AGAIN_AFTER = 0.001  # seconds
_PATIENCE = 20  # times to look for a better moment
_thread_sleep = time.sleep  # bound before a run replaces it


class Stoppable(Protocol):
    interrupted: bool

    def request_interrupt(self) -> None: ...

    def end_line(self) -> None: ...


# Functions of this package that call the user's code, and the line at which they do; 0 for any line.
# What is nearer than they are is the user's.
_gates: dict[types.CodeType, int] = {}


def gate(function: Any, at: str = "") -> Any:
    """Mark a function as one that calls the user's code, at the first line that has the name `at`.

    What it calls elsewhere is a finalizer, which Python calls when it likes: no step of a coroutine.
    """
    code = function.__code__
    _gates[code] = _line_of(code, at) if at else 0
    return function


def _line_of(code: types.CodeType, name: str) -> int:
    return next(
        each.positions.lineno
        for each in dis.get_instructions(code)
        if each.argval == name and each.positions is not None and each.positions.lineno is not None
    )


def _handled_by(handler: Callable[[int, types.FrameType | None], object]) -> Any:
    """Let interrupts be handled by `handler`; gives what did that before, None where nothing is changed."""
    if threading.current_thread() is not threading.main_thread():
        return None
    previous = signal.getsignal(signal.SIGINT)
    # Whoever ignores the signal, or has it outside of Python, keeps it.
    if not callable(previous):
        return None
    signal.signal(signal.SIGINT, handler)
    return previous


class Interrupts:
    """For the length of a ``with`` block, an interrupt stops `run` in good order."""

    def __init__(self, run: Stoppable) -> None:
        self._run = run
        self._previous: Any = None
        self._count = 0
        # Whether it has to be given again, and whether it just was.
        self._owed = self._again = False
        self._patience = _PATIENCE
        # Held by the thread that gives the signal again.
        self._giving = _thread.allocate_lock()
        self._over = False

    def __enter__(self) -> None:
        self._previous = _handled_by(self._handle)

    def __exit__(self, *exc_info: object) -> None:
        self._over = True
        if self._previous is not None:
            # The last signal given again must not find the handler of whoever comes after us.
            with self._giving:
                pass
            signal.signal(signal.SIGINT, self._previous)

    def _handle(self, signum: int, frame: types.FrameType | None) -> None:
        self._run.request_interrupt()
        again, self._again = self._again, False
        self._count += not again
        # Who insists is heard, wherever that finds us: better a queue half changed than a dead kernel.
        in_step = in_user_code(frame)
        if in_step and self._patience and not self._run.interrupted and _is_bad_moment(frame):
            # The scheduler's next occasion comes first, if this step ends at all.
            self._patience -= 1
            in_step = False
        if in_step or (self._count >= _INSISTING and not again):
            self._owed = False
            if in_step:
                # It may be caught and come to nothing, and then this step must be the last.
                self._run.end_line()
            raise KeyboardInterrupt
        self._owed = True
        if self._may_give_again() and self._giving.acquire(blocking=False):
            # Not `threading.Thread`: its locks may be held by what was interrupted.
            _thread.start_new_thread(self._give_again, ())

    def _may_give_again(self) -> bool:
        return self._owed and not self._over and not self._run.interrupted

    def _give_again(self) -> None:
        try:
            while self._may_give_again():
                _thread_sleep(_AGAIN_AFTER)
                # One at a time: of two that came before the first was heard the second would be taken for
                # somebody's who insists, on a machine that has other things to do.
                if self._may_give_again() and not self._again:
                    self._again = True
                    _thread.interrupt_main()
        finally:
            self._giving.release()


@contextmanager
def told_of_interrupts(tell: Callable[[], object]) -> Iterator[None]:
    """For the length of a ``with`` block, let interrupts be told of instead of raising anything."""
    previous = _handled_by(lambda signum, frame: tell())
    try:
        yield
    finally:
        if previous is not None:
            signal.signal(signal.SIGINT, previous)


_JUMP_BACK = dis.opmap.get("JUMP_BACKWARD")


# Between taking a lock and the ``try`` that gives it back nothing must be raised, and there may be such
# a moment at any line of the first; what is raised in the others, called by the collector, is lost.
_DELICATE = (
    "logging", "queue", "threading", "concurrent.futures._base", "concurrent.futures.thread",
    "weakref", "_weakrefset",
)  # fmt: skip


def _is_bad_moment(frame: types.FrameType | None) -> bool:
    """Say whether an error raised here may pass a ``finally`` by, or leave a lock taken."""
    if frame is None or frame.f_lasti < 0:
        return False
    if frame.f_globals.get("__name__") in _DELICATE:
        return True
    # Before CPython 3.13 the jump back to the head of a loop is not covered by the ``try`` around the
    # loop, and it is where interrupts are looked for: in ``try: while True: yield``, most of them.
    code = frame.f_code
    return (
        sys.version_info < (3, 13)
        and bool(code.co_exceptiontable)
        and code.co_code[frame.f_lasti] == _JUMP_BACK
    )


def in_user_code(frame: types.FrameType | None) -> bool:
    """Say whether the innermost frame was called, directly or not, by a step of a coroutine."""
    innermost = frame
    while frame is not None:
        code = frame.f_code
        line = _gates.get(code)
        if line is not None:
            return frame is not innermost and line in (0, frame.f_lineno)
        if ours(code):
            return False
        frame = frame.f_back
    return False
