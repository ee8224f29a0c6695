"""What a coroutine can say: requests, `Channel`, `Event`, `Semaphore`, `Lock`, `Task`.

A coroutine is a generator function or an ``async def``, or a plain function given to `spawn`. It asks for
something with a *request*, and goes on when it has it; meanwhile the others run. Every request can be said
in three ways, with the same result and the same errors:

| where | how |
|---|---|
| in a generator | ``item = yield channel.get()`` |
| in an ``async def`` | ``item = await channel.get()`` |
| in a plain function, however deep a coroutine has called it | ``item = channel.get().wait()`` |

A request is good for one use. To make one does nothing yet: ``channel.put(1)`` without ``yield``, ``await``
or ``.wait()`` puts nothing.

| request | is done when | gives | may raise |
|---|---|---|---|
| ``yield`` | everybody else who is ready has run | None | |
| ``yield value`` (no request) | the same; one item produced, counted in `Task.items` | None | |
| `sleep` | the time is over | None | ValueError, TypeError |
| `Channel.get` | there is an item | the item | `ChannelClosed` |
| `Channel.put` | there is room; with capacity 0, when the item was taken | None | `ChannelClosed` |
| a `Task` | it has ended | what it returned | what it failed with; ``CancelledError`` |
| a generator or native coroutine | it has ended: it is handed over first | the same | the same |
| `gather` | all are done | a list, in the order asked | the first error |
| `select` | the first is done | ``(index, value)`` | its error |
| `Event.wait` | the flag is up | None | |
| `Semaphore.acquire`, `Lock` | there is a permit | the semaphore, for ``with`` | |
| `readable`, `writable` | the descriptor can be read, takes data | True | |
| `in_thread` | the function has returned, in a helper thread | what it returned | what it raised |

What is not waited for, and works everywhere in a coroutine: `spawn` hands a coroutine over and gives its
`Task`; ``task.cancel()`` ends it where it waits; `timeout` limits what happens in a ``with`` block; `mark`
writes on the timeline; `now` reads the run's clock; ``channel.close()``, ``event.set()``,
``semaphore.release()``.

    from coro_magic import Channel, in_thread, select, sleep, spawn, timeout

    def fetch(url, pages):
        page = yield in_thread(slow_library.get, url)
        yield pages.put(page)

    def program(urls):
        pages = Channel(capacity=10)
        fetching = [spawn(fetch, url, pages) for url in urls]
        with timeout(30):
            for _ in urls:
                which, page = yield select(pages.get(), sleep(5))
                if which == 1:
                    break                       # nothing came for 5 s
        for task in fetching:
            task.cancel()

**Errors.** What a coroutine raises and nobody asks for fails the run at its end; the others go on. Whoever
asks (``yield task``, ``task.result()``) gets it raised there instead. A cancelled coroutine has `Cancelled`
raised at the place where it waits, so that its ``finally`` blocks run. When nothing can go on any more,
whoever only waits for more (an item, somebody's message) is left over, and any other wait is a `Deadlock`
that says who waits for whom.

**On threads.** The same requests carry the baseline, each with what the standard library has for it: see
`coro_magic.engines.threads`.

This room imports nothing from the others. It says what is wanted; engines carry it out. A new request is a
subclass of `coro_magic.language.request.Request`, and no engine changes for it.
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
