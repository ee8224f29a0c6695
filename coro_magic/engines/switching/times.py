"""`time.sleep` for coroutines, and the clocks where time is virtual."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from ...language import sleep
from .. import switching
from ..scheduled import ITEM as TURN
from . import Patch, coroutine_here

_get_ident = threading.get_ident
_NUMBERS = (float, int)


def _sleep(original: Callable[[float], None]) -> Callable[..., Any]:
    def cooperative(seconds: float, /) -> None:
        # It asks by itself who is calling: `coroutine_here`, written out.
        here = switching._running
        if here is None or not here.stepping or _get_ident() != here.thread or here.hub.busy:
            original(seconds)
            return
        if seconds.__class__ in _NUMBERS and seconds == 0:
            here.wait(TURN)
            return
        try:
            request = sleep(seconds)
            if seconds == float("inf"):
                raise OverflowError
        except (TypeError, ValueError, OverflowError):
            # Let the original say it in its own words.
            original(seconds)
            raise
        here.wait(request)

    return cooperative


def _clock(per_second: int | float) -> Callable[[Any], Callable[..., Any]]:
    """Make a clock of the standard library tell the run's time, where that is a virtual one."""

    def make(original: Callable[[], Any]) -> Callable[..., Any]:
        begun = original()

        def cooperative() -> Any:
            here = coroutine_here()
            assert here is not None
            return begun + type(begun)(here.now() * per_second)

        return cooperative

    return make


# Deadlines are reckoned with these, in libraries and in programs: with real time beside virtual
# sleeps, they would be waited for over and over again.
VIRTUAL = [
    Patch(time, name, "", _clock(1e9 if name.endswith("_ns") else 1.0))
    for name in ("time", "time_ns", "monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns")
]

PATCHES = [Patch(time, "sleep", "sleep", _sleep, everywhere=True)]
