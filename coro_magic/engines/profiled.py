"""An iterator whose steps are watched by a profile function, which slows every call in them down."""

from __future__ import annotations

import sys
from typing import Any

from .interrupts import gate


class Profiled:
    """An iterator whose every step is watched, for a task's `iterator`."""

    def __init__(self, iterator: Any, profile: Any) -> None:
        self._iterator = iterator
        self._profile = profile

    def __next__(self) -> Any:
        return self._step(next, self._iterator)

    def send(self, value: Any) -> Any:
        return self._step(self._iterator.send, value)

    def throw(self, error: BaseException) -> Any:
        return self._step(self._iterator.throw, error)

    def _step(self, function: Any, argument: Any) -> Any:
        sys.setprofile(self._profile)
        try:
            return function(argument)
        finally:
            sys.setprofile(None)


# What is called from here is the user's: an interrupt may strike there.
gate(Profiled._step)
