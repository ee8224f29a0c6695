"""coro_magic: see coroutines work.

``%load_ext coro_magic`` and a cell that begins with ``%%coroutines``: its generator functions run as
coroutines on an embedded scheduler, on one thread; a blocking call switches to another coroutine; and the
notebook shows what each was doing when, and how threads did on the same program.

    %%coroutines -o run
    from coro_magic import Channel, sleep

    shelf = Channel(capacity=2)

    def baker():
        for bun in range(5):
            yield sleep(0.1)
            yield shelf.put(bun)
        shelf.close()

    def eater():
        for bun in shelf:
            yield sleep(0.2)

    baker()
    eater()

What a coroutine can say is imported from here: ``from coro_magic import sleep, spawn, Channel``. `run` does
for coroutines of any module what the magic does for a cell, `sweep` measures a function for many values,
and `load` reads a run back that was saved as JSON.

The reference:

- `coro_magic.language`: what a coroutine can say, request by request
- `coro_magic.notebook.magic`: ``%%coroutines``, its options and examples (in a notebook: ``%%coroutines?``)
- `coro_magic.measure.conduct.run`, `coro_magic.measure.sweep.sweep` and `coro_magic.show.loading.load`: the
  same without a notebook
- `coro_magic.measure.run.Run`: everything that is known about a run
- `coro_magic.engines.switching`: which blocking calls switch, and which do not
- `coro_magic.engines.threads`: the baseline, what it is and what it is not
- `coro_magic.show.document`: what stands in a saved run
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .language import (
    Cancelled,
    Channel,
    ChannelClosed,
    Deadlock,
    Event,
    Lock,
    Request,
    Semaphore,
    State,
    Task,
    Where,
    gather,
    in_thread,
    mark,
    now,
    readable,
    select,
    sleep,
    spawn,
    timeout,
    writable,
)

if TYPE_CHECKING:
    from .measure.conduct import run as run
    from .measure.options import OPTIONS as OPTIONS
    from .measure.run import Run as Run
    from .measure.sweep import sweep as sweep
    from .show.loading import load as load

__version__ = "0.1.0"
__docformat__ = "numpy"  # of the docstrings, for pdoc

# What needs the engines (and so greenlet and numpy) is loaded when it is first asked for: whoever
# only speaks the language, in a module of functions, say, does not pay for it.
_LATER = {
    "run": "measure.conduct",
    "OPTIONS": "measure.options",
    "Run": "measure.run",
    "load": "show.loading",
    "sweep": "measure.sweep",
}

# What coroutines say, and nothing else: `run` would take the place of a Run that a cell bound to that
# name, `load` that of a function of the user's, and they and `Run` load the engines.
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


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module 'coro_magic' has no attribute {name!r}")
    from importlib import import_module

    # The room that knows how a run looks tells `Run` when it is imported.
    import_module(".show", __name__)
    value = getattr(import_module(f".{_LATER[name]}", __name__), name)
    globals()[name] = value
    return value


def load_ipython_extension(shell: Any) -> None:
    """Register ``%%coroutines`` and ``%coroutines``. Puts nothing into the user's namespace."""
    from .notebook.magic import load

    load(shell)
