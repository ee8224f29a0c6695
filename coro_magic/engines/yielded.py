"""What a value stands for that a coroutine yields to the scheduler."""

from __future__ import annotations

from typing import Any

from ..language import Request
from ..language.coroutine import is_coroutine
from .scheduled import ITEM, HandOver, Refuse, ScheduledTask
from .trace import Trace

NO_ASYNCIO = (
    "this awaits something of asyncio's, and there is no asyncio event loop here. "
    "Use coro_magic's own: sleep() for asyncio.sleep(), Channel for asyncio.Queue, "
    "gather() for asyncio.gather(), spawn() for asyncio.create_task()"
)


def request_for(value: Any, task: ScheduledTask, trace: Trace) -> Request:
    """Give the request that a yielded value stands for. Anything unknown is an item."""
    as_request = getattr(type(value), "as_request", None)
    if as_request is not None:
        return as_request(value)  # type: ignore[no-any-return]
    if is_coroutine(value):
        return HandOver(value)
    if getattr(type(value), "_asyncio_future_blocking", None) is not None:
        value._asyncio_future_blocking = False
        return Refuse(NO_ASYNCIO)
    trace.produced(task.row)
    return ITEM
