"""`threading.Lock` and `threading.RLock` for coroutines, and with them all that is built on the two.

Conditions, events, semaphores, barriers and queues are Python code over these two types. Locks are
objects of C types that the whole interpreter shares, made before the run or in it; what changes for
the length of a run is the types' methods (see `methods`): a coroutine that finds a lock taken waits
without stopping the thread, and every release, on whatever thread, tells who waits.

A release that does not come this way (C code, or a bound method taken before the run) is found by
looking now and then.

The owner of an RLock is the coroutine. The interpreter knows only the thread, which is the same for
all of them, so who owns what is written down here as long as it is owned.
"""

from __future__ import annotations

import queue
import sys
import threading
import time
import types
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from ...language import Cancelled, sleep
from . import Patch, Switcher, closing_here, coroutine_here, writing_here
from .waits import Sign, is_awaited, signal, until
from .waits import forget as forget_waits

_PATIENCE = 1.0  # seconds for other threads to release locks when the run is over
_MOMENT = 0.1  # seconds in which a thread has written what it has to write
_patience = [_PATIENCE]  # what is left of it

LOCK: Any = type(threading.Lock())
RLOCK: Any = type(threading.RLock())

# The originals, bound before anything is patched.
_try: Callable[..., bool] = LOCK.acquire
_locked: Callable[[Any], bool] = LOCK.locked
_try_r: Callable[..., bool] = RLOCK.acquire

# What functions of the standard library that wait for a lock are called in the timeline.
_CALLS = {
    "Queue.get": "queue.get", "Queue.put": "queue.put", "Queue.join": "queue.join",
    "Event.wait": "event", "Thread.join": "join", "Future.result": "result",
    "Future.exception": "result", "wait": "futures", "as_completed": "futures",
    "Barrier.wait": "barrier", "Semaphore.acquire": "semaphore", "Condition.wait": "condition",
    "Thread.start": "start",
}  # fmt: skip
_LIBRARY = ("threading", "queue", "concurrent.futures._base", "multiprocessing.queues")
# Who waits only for more to do when all else has ended was simply left over.
_FOR_MORE = {"queue.get"}


def reason_of(frame: types.FrameType | None) -> str:
    """Give what a lock is waited for: the outermost call of the standard library that led to it."""
    found = ""
    while frame is not None:
        module = frame.f_globals.get("__name__", "")
        if module in _LIBRARY:
            found = _CALLS.get(frame.f_code.co_qualname, found)
        elif not module.startswith("coro_magic."):
            break
        frame = frame.f_back
    return found or "lock"


def _wait_for(
    lock: Any, attempt: Callable[[], bool], free: Callable[[], bool], timeout: float | None
) -> bool:
    verb = reason_of(sys._getframe(2))

    def request(left: float | None) -> Sign:
        return Sign(lock, free, left, verb, announced=True, outside=True, left_over=is_for_more(verb),
                    words="" if verb != "lock" else "a lock that is held")  # fmt: skip

    return until(attempt, request, timeout, is_awaited(lock))


def _in_closing(lock: Any) -> bool:
    """Acquire for a coroutine that is being closed: another one that holds it will not go on any more."""
    if _try(lock, False):
        return True
    # A thread may hold it for a moment. All coroutines together have so much patience, and no more.
    begun = time.monotonic()
    try:
        if _patience[0] > 0 and _try(lock, True, _patience[0]):
            return True
    finally:
        _patience[0] -= time.monotonic() - begun
    raise Cancelled("the run is being closed, and what this waits for will not come any more")


def _for_a_stream(run: Switcher, lock: Any) -> bool:
    """Acquire a stream's own lock, to write: if a thread has it, in a moment, without a switch.

    If a coroutine has it and is parked, a torn line is better than to wait for ever.
    """
    if _try(lock, True, _MOMENT):
        return True
    busy, run.hub.busy = run.hub.busy, False
    try:
        return _acquire_as_coroutine(lock, None)
    finally:
        run.hub.busy = busy


def _acquire_as_coroutine(lock: Any, seconds: float | None) -> bool:
    return _wait_for(lock, lambda: _try(lock, False), lambda: not _locked(lock), seconds)


def _acquire_again(lock: Any, attempt: Callable[[], bool], free: Callable[[], bool]) -> None:
    """Acquire a lock that whoever waits for a condition has given up, whatever happens meanwhile.

    The code around believes that it has it: a cancellation comes afterwards.
    """

    def request(left: float | None) -> Sign:
        return Sign(lock, free, None, "condition", announced=True, outside=True, shielded=True)

    try:
        until(attempt, request, None)
    except Cancelled:
        # Only the end of the run gets through.
        if not attempt():
            _in_closing(lock)
        raise


def _seconds(blocking: bool, timeout: float) -> float | None | bool:
    """Give the seconds to wait, None for no limit; False if these arguments are the original's affair."""
    if not blocking or timeout == 0 or not timeout <= threading.TIMEOUT_MAX:
        return False
    if timeout < 0:
        return None if timeout == -1 else False
    return float(timeout)


# Locks.


def _acquire(original: Callable[..., bool]) -> Callable[..., bool]:
    def everywhere(lock: Any, blocking: bool = True, timeout: float = -1) -> bool:
        if coroutine_here() is None:
            if blocking and timeout == -1:
                if closing_here():
                    return _in_closing(lock)
                if (run := writing_here()) is not None:
                    return _for_a_stream(run, lock)
            return original(lock, blocking, timeout)
        seconds = _seconds(blocking, timeout)
        if seconds is False:
            return original(lock, blocking, timeout)
        # A lock that others wait for is not taken past them by whoever has just released it.
        if not is_awaited(lock) and _try(lock, False):
            return True
        return _acquire_as_coroutine(lock, seconds)

    return everywhere


def _enter(original: Callable[..., bool]) -> Callable[..., bool]:
    acquire = _acquire(_try)

    def everywhere(lock: Any) -> bool:
        return acquire(lock)

    return everywhere


def _release(original: Callable[..., None]) -> Callable[..., None]:
    def announced(lock: Any, *exc_info: Any) -> None:
        original(lock, *exc_info)
        signal(lock)

    return announced


# RLocks.


class _Owned:
    """An RLock that a coroutine owns."""

    __slots__ = ("count", "lock", "owner")

    def __init__(self, lock: Any, owner: Any) -> None:
        self.lock = lock
        self.owner = owner
        self.count = 0


_owned: dict[int, _Owned] = {}


def _is_free(lock: Any) -> bool:
    # How often it was acquired is nowhere to be read on 3.11 but in its repr.
    return " count=0 " in repr(lock)


def _owner_of(lock: Any) -> _Owned | None:
    """Give who owns a lock, if it is a coroutine."""
    entry = _owned.get(id(lock))
    if entry is not None and _is_free(lock):
        # It was released by a way that does not lead past us.
        del _owned[id(lock)]
        return None
    return entry


def _try_as(lock: Any, owner: Any) -> bool:
    """Acquire for a coroutine, or a step's own thread, without waiting."""
    entry = _owned.get(id(lock))
    if entry is not None and entry.owner is not owner:
        entry = _owner_of(lock)
        if entry is not None:
            return False
    if not _try_r(lock, False):
        return False
    if entry is None:
        entry = _owned[id(lock)] = _Owned(lock, owner)
    entry.count += 1
    return True


def _acquire_r(original: Callable[..., bool]) -> Callable[..., bool]:
    def cooperative(lock: Any, blocking: bool = True, timeout: float = -1) -> bool:
        here = coroutine_here()
        assert here is not None
        owner = here.current
        seconds = _seconds(blocking, timeout)
        if seconds is False:
            if blocking and timeout != 0:
                return original(lock, blocking, timeout)  # which refuses these arguments
            if timeout not in (-1, 0) or (not blocking and timeout != -1):
                return original(lock, blocking, timeout)
            return _try_as(lock, owner)
        entry = _owned.get(id(lock))
        mine = entry is not None and entry.owner is owner
        if (mine or not is_awaited(lock)) and _try_as(lock, owner):
            return True
        return _wait_for(lock, lambda: _try_as(lock, owner), lambda: _may_try(lock), seconds)

    return cooperative


def _may_try(lock: Any) -> bool:
    # One that is held by another thread shows as held; one that another coroutine owns is written down.
    return _is_free(lock) or id(lock) not in _owned and f"owner={_get_ident()} " in repr(lock)


_get_ident = threading.get_ident


def _enter_r(original: Callable[..., bool]) -> Callable[..., bool]:
    acquire = _acquire_r(_try_r)

    def cooperative(lock: Any) -> bool:
        return acquire(lock)

    return cooperative


def _release_r(original: Callable[..., None]) -> Callable[..., None]:
    def announced(lock: Any, *exc_info: Any) -> None:
        entry = _owned.get(id(lock)) if _owned else None
        here = None if entry is None else coroutine_here()
        if entry is not None and here is not None:
            if entry.owner is not here.current:
                raise RuntimeError("cannot release un-acquired lock")
            original(lock, *exc_info)
            entry.count -= 1
            if not entry.count:
                _owned.pop(id(lock), None)
        else:
            original(lock, *exc_info)
        signal(lock)

    return announced


def _is_owned(original: Callable[[Any], bool]) -> Callable[[Any], bool]:
    def cooperative(lock: Any) -> bool:
        entry = _owned.get(id(lock))
        here = coroutine_here()
        assert here is not None
        return original(lock) and (entry is None or entry.owner is here.current)

    return cooperative


def _release_save(original: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def announced(lock: Any) -> Any:
        here = coroutine_here()
        entry = _owned.get(id(lock)) if here is not None else None
        if entry is not None and here is not None and entry.owner is not here.current:
            raise RuntimeError("cannot release un-acquired lock")
        state = original(lock)
        if entry is not None:
            _owned.pop(id(lock), None)
        signal(lock)
        return state

    return announced


def _acquire_restore(original: Callable[[Any, Any], None]) -> Callable[[Any, Any], None]:
    def cooperative(lock: Any, state: tuple[int, int]) -> None:
        here = coroutine_here()
        assert here is not None
        owner = here.current
        _acquire_again(lock, lambda: _try_as(lock, owner), lambda: _may_try(lock))
        for _ in range(state[0] - 1):
            _try_as(lock, owner)

    return cooperative


# Conditions made before the run have the bound methods of their lock as attributes of their own.

_BOUND = ("acquire", "release", "_release_save", "_acquire_restore", "_is_owned")
_rebound: list[tuple[dict[str, Any], str, Any]] = []


def _restore_condition(original: Callable[[Any, Any], None]) -> Callable[[Any, Any], None]:
    def cooperative(condition: Any, state: Any) -> None:
        lock = condition._lock
        if type(lock) is not LOCK:
            original(condition, state)
            return
        _acquire_again(lock, lambda: _try(lock, False), lambda: not _locked(lock))

    return cooperative


def _refreshed(original: Callable[..., Any]) -> Callable[..., Any]:
    def cooperative(condition: Any, *args: Any, **kwargs: Any) -> Any:
        own = vars(condition)
        lock = own.get("_lock")
        if type(lock) in (LOCK, RLOCK):
            for name in _BOUND:
                bound = own.get(name)
                if type(bound) is types.BuiltinMethodType and bound.__self__ is lock:
                    _rebound.append((own, name, bound))
                    own[name] = getattr(lock, name)
        return original(condition, *args, **kwargs)

    return cooperative


def forget() -> None:
    """The run is over: nobody waits, nobody owns, conditions have what they had."""
    forget_waits()
    _owned.clear()
    _patience[0] = _PATIENCE
    while _rebound:
        own, name, bound = _rebound.pop()
        own[name] = bound


# Threads, where they have something else than a lock to join on (CPython 3.13).


def _join(original: Callable[..., None]) -> Callable[..., None]:
    from .waits import look_until

    def cooperative(handle: Any, timeout: float | None = None) -> None:
        # It was never started, or is the caller's own: the original says so at once.
        original(handle, 0)
        if not handle.is_done():
            seconds = None if timeout is None or timeout < 0 else timeout
            if not look_until(handle.is_done, seconds, "join", "the end of a thread"):
                return
        original(handle, 0 if timeout is not None else timeout)

    return cooperative


def _release_semaphore(original: Callable[..., None]) -> Callable[..., None]:
    """Let those who wait go first, whom the interpreter would let in between on threads."""

    def cooperative(semaphore: Any, n: int = 1) -> None:
        awaited = bool(semaphore._cond._waiters)
        original(semaphore, n)
        here = coroutine_here()
        if awaited and here is not None:
            here.wait(sleep(0))

    return cooperative


def waits() -> list[Patch]:
    """Give the calls in which a thread is seen to wait, for the baseline: nothing is replaced but for that.

    The locks themselves are left alone there: the baseline must not pay for being watched.
    """
    rows = [
        (queue.Queue, "get", "queue.get"), (queue.Queue, "put", "queue.put"),
        (queue.Queue, "join", "queue.join"), (queue.SimpleQueue, "get", "queue.get"),
        (threading.Event, "wait", "event"), (threading.Condition, "wait", "condition"),
        (threading.Barrier, "wait", "barrier"), (threading.Semaphore, "acquire", "semaphore"),
        (threading.Thread, "join", "join"), (Future, "result", "result"),
    ]  # fmt: skip
    return [Patch(owner, name, verb, lambda original: original) for owner, name, verb in rows]


def is_for_more(verb: str) -> bool:
    """Say whether who waits for this when all else has ended was simply left over."""
    return verb in _FOR_MORE


def patches() -> list[Patch]:
    """Give the patches."""
    rows = [
        Patch(LOCK, "acquire", "lock", _acquire, everywhere=True),
        Patch(LOCK, "acquire_lock", "lock", _acquire, everywhere=True),
        Patch(LOCK, "__enter__", "lock", _enter, everywhere=True),
        Patch(LOCK, "release", "lock", _release, everywhere=True),
        Patch(LOCK, "release_lock", "lock", _release, everywhere=True),
        Patch(LOCK, "__exit__", "lock", _release, everywhere=True),
        Patch(RLOCK, "acquire", "lock", _acquire_r),
        Patch(RLOCK, "__enter__", "lock", _enter_r),
        Patch(RLOCK, "release", "lock", _release_r, everywhere=True),
        Patch(RLOCK, "__exit__", "lock", _release_r, everywhere=True),
        Patch(RLOCK, "_is_owned", "lock", _is_owned),
        Patch(RLOCK, "_release_save", "lock", _release_save, everywhere=True),
        Patch(RLOCK, "_acquire_restore", "lock", _acquire_restore),
        Patch(threading.Semaphore, "release", "semaphore", _release_semaphore),
        Patch(threading.BoundedSemaphore, "release", "semaphore", _release_semaphore),
        Patch(threading.Condition, "__enter__", "condition", _refreshed),
        Patch(threading.Condition, "wait", "condition", _refreshed),
        Patch(threading.Condition, "_acquire_restore", "condition", _restore_condition),
        Patch(threading.Condition, "notify", "condition", _refreshed),
    ]
    handle: Any = getattr(__import__("_thread"), "_ThreadHandle", None)
    if handle is not None:
        rows.append(Patch(handle, "join", "join", _join))
    return [row._replace(recorded=False) for row in rows]
