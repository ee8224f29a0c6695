"""`time.sleep` for coroutines."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from ...language import sleep
from . import Patch, coroutine_here


def _sleep(original: Callable[[float], None]) -> Callable[..., Any]:
    def cooperative(seconds: float, /) -> None:
        try:
            request = sleep(seconds)
            if seconds == float("inf"):
                raise OverflowError
        except (TypeError, ValueError, OverflowError):
            # Let the original say it in its own words.
            original(seconds)
            raise
        here = coroutine_here()
        assert here is not None
        here.wait(request)

    return cooperative


PATCHES = [Patch(time, "sleep", "sleep", _sleep)]
