"""The kernel's interrupt, while coroutines run.

`KeyboardInterrupt` may strike between any two instructions. In a coroutine's own code that is what
its author expects; in the scheduler's it could leave a queue half changed. So for the length of a
run the signal is looked at first: in a coroutine's step it is raised there, elsewhere it is noted,
and the scheduler stops at the next occasion.
"""

from __future__ import annotations

import signal
import threading
import types
from typing import Any, Protocol

from .frames import ours


class Stoppable(Protocol):
    def request_interrupt(self) -> None: ...


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
        if in_user_code(frame):
            raise KeyboardInterrupt


def in_user_code(frame: types.FrameType | None) -> bool:
    """Say whether the innermost frame was called, directly or not, by a step of a coroutine."""
    innermost = frame
    while frame is not None:
        if ours(frame.f_code):
            return frame is not innermost and frame.f_code in _gates
        frame = frame.f_back
    return False
