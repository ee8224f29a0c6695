"""`queue.SimpleQueue` for coroutines. The other queues are Python code over locks: see `locks`."""

from __future__ import annotations

import queue
from collections.abc import Callable
from typing import Any

from . import Patch
from .waits import Sign, signal, until

KIND: Any = queue.SimpleQueue
_get_now: Callable[[Any], Any] = KIND.get_nowait
_is_empty: Callable[[Any], bool] = KIND.empty


def _get(original: Any) -> Callable[..., Any]:
    def cooperative(items: Any, block: bool = True, timeout: float | None = None) -> Any:
        if not block or (timeout is not None and not timeout > 0):
            return original(items, block, timeout)
        taken: list[Any] = []

        def attempt() -> bool:
            try:
                taken.append(_get_now(items))
            except queue.Empty:
                return False
            return True

        def request(left: float | None) -> Sign:
            return Sign(items, lambda: not _is_empty(items), left, "queue.get", announced=True,
                        outside=True, left_over=True, words="an item from a queue")  # fmt: skip

        if not until(attempt, request, None if timeout is None else float(timeout)):
            raise queue.Empty
        return taken[0]

    return cooperative


def _put(original: Any) -> Callable[..., Any]:
    def announced(items: Any, *args: Any, **kwargs: Any) -> None:
        original(items, *args, **kwargs)
        signal(items)

    return announced


def patches() -> list[Patch]:
    """Give the patches; none where SimpleQueue is Python code over locks."""
    if KIND.__module__ != "_queue":
        return []
    return [
        Patch(KIND, "get", "queue.get", _get, recorded=False),
        Patch(KIND, "put", "queue.put", _put, everywhere=True, recorded=False),
        Patch(KIND, "put_nowait", "queue.put", _put, everywhere=True, recorded=False),
    ]
