"""The kernel's interrupt, while coroutines run.

`KeyboardInterrupt` may strike between any two instructions. In a coroutine's own code that is what
its author expects; in the scheduler's it could leave a queue half changed. So for the length of a
run the signal is looked at first: in a coroutine's step it is raised there, elsewhere it is noted,
and the scheduler stops at the next occasion.
"""

from __future__ import annotations

import signal
import sys
import threading
import types
from typing import Any, Protocol

from .frames import ours

_INSISTING = 3  # interrupts in one run


class Stoppable(Protocol):
    def request_interrupt(self) -> None: ...


# Files of this package that are called in the middle of the user's code, at any line of it: what
# watches generators. An interrupt that finds us there is meant for the code around.
_transparent: set[str] = set()


def transparent(file: str) -> None:
    """Mark a file as one whose functions are called in the middle of the user's code."""
    _transparent.add(file)


# Functions of this package that call the user's code. What is nearer than they are is the user's.
_gates: set[types.CodeType] = set()


def gate(function: Any) -> Any:
    """Mark a function as one that calls the user's code."""
    _gates.add(function.__code__)
    return function


class Interrupts:
    """For the length of a ``with`` block, an interrupt stops `run` in good order."""

    def __init__(self, run: Stoppable) -> None:
        self._run = run
        self._previous: Any = None
        self._count = 0

    def __enter__(self) -> None:
        if threading.current_thread() is threading.main_thread():
            previous = signal.getsignal(signal.SIGINT)
            # Whoever ignores the signal, or has it outside of Python, keeps it.
            if callable(previous):
                self._previous = previous
                signal.signal(signal.SIGINT, self._handle)

    def __exit__(self, *exc_info: object) -> None:
        if self._previous is not None:
            signal.signal(signal.SIGINT, self._previous)

    def _handle(self, signum: int, frame: types.FrameType | None) -> None:
        self._run.request_interrupt()
        if (
            not hasattr(sys, "monitoring")
            and frame is not None
            and frame.f_code.co_filename in _transparent
        ):
            # An error raised in a profile function hangs CPython 3.11. Watching ends here, so that the
            # next interrupt finds the code that is watched.
            sys.setprofile(None)
            return
        self._count += 1
        # Who insists is heard, wherever that finds us: better a queue half changed than a dead kernel.
        if in_user_code(frame) or self._count >= _INSISTING:
            raise KeyboardInterrupt


def in_user_code(frame: types.FrameType | None) -> bool:
    """Say whether the innermost frame was called, directly or not, by a step of a coroutine."""
    innermost = frame
    while frame is not None:
        code = frame.f_code
        if code in _gates:
            return frame is not innermost
        if ours(code) and code.co_filename not in _transparent:
            return False
        frame = frame.f_back
    return False
