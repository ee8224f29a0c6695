"""Who am I: what keeps threads apart in library code keeps coroutines apart.

In a coroutine `threading.get_ident` gives a number of its own, `threading.current_thread` an object
with its name, and a `threading.local` that is made in the run has values of its own for each. The
cell's body stays what it is, the main thread.
"""

from __future__ import annotations

import _thread
import _threading_local
import signal
import threading
import time
from collections.abc import Callable
from typing import Any

from . import Patch, coroutine_here


class CoroutineThread(threading.Thread):
    """What `threading.current_thread` gives in a coroutine: its name and number, as a thread's."""

    def __init__(self, task: Any) -> None:
        super().__init__(name=task.name, daemon=False)
        self._task = task
        # As for any thread that the interpreter did not start: it is there.
        self._started.set()  # type: ignore[attr-defined]
        # Nobody has to wait for it when the interpreter ends.
        threading._dangling.discard(self)  # type: ignore[attr-defined]

    @property
    def ident(self) -> int:
        """The number that `threading.get_ident` gives."""
        return id(self._task)

    def is_alive(self) -> bool:
        """Say whether the coroutine has not ended."""
        return not self._task.done()

    def join(self, timeout: float | None = None) -> None:
        """Wait for the coroutine's end."""
        if threading.current_thread() is self:
            raise RuntimeError("cannot join current thread")
        try:
            self._task.exception(timeout)
        except Exception:
            return  # as with a thread: its error is not the joiner's


# By the task's id, as long as the run lasts.
_threads: dict[int, CoroutineThread] = {}


def _apart() -> Any:
    """Give the task of the coroutine that the caller is in, if it is to be kept apart."""
    here = coroutine_here()
    task = None if here is None else here.current
    return None if here is None or task is here.body else task


def _get_ident(original: Callable[[], int]) -> Callable[[], int]:
    def cooperative() -> int:
        task = _apart()
        if task is None:
            return original()
        _given_out.add(id(task))
        return id(task)

    return cooperative


# The numbers that were given out as a thread's, as long as the run lasts.
_given_out: set[int] = set()


def _of_thread(original: Callable[..., Any]) -> Callable[..., Any]:
    """Make a function that takes a thread's number understand a coroutine's: the thread's it runs on."""

    def everywhere(thread_id: int, *args: Any) -> Any:
        if thread_id in _given_out:
            thread_id = threading.main_thread().ident or 0
        return original(thread_id, *args)

    return everywhere


def _current_thread(original: Callable[[], threading.Thread]) -> Callable[[], threading.Thread]:
    def cooperative() -> threading.Thread:
        task = _apart()
        if task is None:
            # Not ours to change, but what it looks up must be the thread's own number.
            return threading._active.get(_thread_ident()) or original()  # type: ignore[attr-defined]
        known = _threads.get(id(task))
        if known is None:
            known = _threads[id(task)] = CoroutineThread(task)
        return known

    return cooperative


_thread_ident = _thread.get_ident
_thread_local: Any = threading.local


class _Kind(type(_threading_local.local)):  # type: ignore[misc]
    """Makes the interpreter's own `threading.local` for whoever is not a coroutine."""

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        if cls is Local and coroutine_here() is None:
            return _thread_local(*args, **kwargs)
        return super().__call__(*args, **kwargs)

    def __instancecheck__(cls, instance: Any) -> bool:
        return super().__instancecheck__(instance) or (cls is Local and isinstance(instance, _thread_local))


class Local(_threading_local.local, metaclass=_Kind):
    """`threading.local` whose values belong to a coroutine, or to a thread where there is none."""


Local.__module__ = _thread_local.__module__


def forget() -> None:
    """The run is over."""
    _threads.clear()
    _given_out.clear()


def patches() -> list[Patch]:
    """Give the patches."""
    takers = [(signal, "pthread_kill"), (time, "pthread_getcpuclockid")]
    return [
        *(
            Patch(module, name, "", _of_thread, everywhere=True, recorded=False)
            for module, name in takers
            if hasattr(module, name)
        ),
        Patch(_thread, "get_ident", "", _get_ident, recorded=False),
        Patch(threading, "current_thread", "", _current_thread, recorded=False),
        Patch(_threading_local, "current_thread", "", _current_thread, recorded=False),
        Patch(threading, "local", "", lambda original: Local, everywhere=True, recorded=False),
    ]
