"""What can go wrong in a coroutine's conversation with its engine."""

from __future__ import annotations


class Cancelled(BaseException):
    """Thrown into a coroutine that was cancelled, at the place where it waits.

    A ``BaseException``, like `asyncio.CancelledError`, so that ``except Exception`` does not
    swallow it. Let it pass once you have cleaned up.
    """


class ChannelClosed(Exception):
    """Raised by `Channel.get` when the channel is closed and empty, by `Channel.put` when it is closed."""


class Deadlock(RuntimeError):
    """Nothing can go on any more, and somebody waits for what cannot come.

    The message says who waits for whom, on what, at which line.
    """
