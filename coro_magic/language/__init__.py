"""What a coroutine can say: requests, `Channel`, `Event`, `Semaphore`, `Lock`, `Task`.

This room imports nothing from the others. It says what is wanted; engines carry it out.
"""

from .channel import Channel
from .errors import Cancelled, ChannelClosed, Deadlock
from .outside import in_thread, readable, writable
from .request import Request
from .several import gather, select
from .sync import Event, Lock, Semaphore
from .task import State, Task, Where, spawn
from .timing import mark, now, sleep, timeout

__all__ = [
    "Cancelled",
    "Channel",
    "ChannelClosed",
    "Deadlock",
    "Event",
    "Lock",
    "Request",
    "Semaphore",
    "State",
    "Task",
    "Where",
    "gather",
    "in_thread",
    "mark",
    "now",
    "readable",
    "select",
    "sleep",
    "spawn",
    "timeout",
    "writable",
]
