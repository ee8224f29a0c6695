"""Waiting for other processes, for coroutines.

`subprocess` and `multiprocessing` wait with `os.waitpid`, and read the pipes with what `files` and
`polls` make switch.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any

from . import Patch
from .waits import in_thread, look_until, ready

_NOHANG: int = getattr(os, "WNOHANG", 0)


def _wait_for(pid: int) -> bool:
    """Wait for the end of a process by a descriptor; False if that is not to be had."""
    if not hasattr(os, "pidfd_open") or pid <= 0:
        return False
    try:
        descriptor = os.pidfd_open(pid)
    except OSError:
        return False
    try:
        ready(descriptor, False, "process")
    finally:
        os.close(descriptor)
    return True


def _waiting(pid_at: int, options_at: int) -> Callable[[Any], Callable[..., Any]]:
    """Make the cooperative form of a function that takes a process and options at these arguments."""

    def make(original: Any) -> Callable[..., Any]:
        def cooperative(*args: Any) -> Any:
            if len(args) <= options_at or args[options_at] & _NOHANG:
                return original(*args)
            look = (*args[:options_at], args[options_at] | _NOHANG)
            found: list[Any] = []

            def attempt() -> bool:
                ended = original(*look)
                if ended[0] == 0:
                    return False
                found.append(ended)
                return True

            pid = args[pid_at] if pid_at >= 0 else -1
            if attempt():
                return found[0]
            # A pid of one's own child can be waited for; stops and the like show when one looks.
            if args[options_at] == 0 and _wait_for(pid) and attempt():
                return found[0]
            look_until(attempt, None, "process", "the end of a process")
            return found[0]

        return cooperative

    return make


def _wait(original: Any) -> Callable[..., Any]:
    waitpid = _waiting(0, 1)(os.waitpid)
    return lambda: waitpid(-1, 0)


def _process_pool_lock(original: Any) -> Callable[..., Any]:
    """Make a semaphore that processes share switch: it announces nothing, and has to be looked at."""

    def cooperative(semaphore: Any, block: bool = True, timeout: float | None = None) -> bool:
        if not block:
            return original(semaphore, block, timeout)  # type: ignore[no-any-return]
        seconds = None if timeout is None else max(0.0, timeout)
        return look_until(lambda: original(semaphore, False), seconds, "semaphore",
                          "a lock of several processes")  # fmt: skip

    return cooperative


def _enter(original: Any) -> Callable[..., Any]:
    def cooperative(semaphore: Any) -> bool:
        return bool(semaphore.acquire())

    return cooperative


def _file_lock(original: Any) -> Callable[..., Any]:
    """Make a lock on a file switch, which another coroutine may hold as well as another process."""
    import fcntl

    def cooperative(fd: Any, operation: int, /, *args: Any) -> None:
        if operation & (fcntl.LOCK_NB | fcntl.LOCK_UN):
            original(fd, operation, *args)
            return

        def attempt() -> bool:
            try:
                original(fd, operation | fcntl.LOCK_NB, *args)
            except (BlockingIOError, PermissionError):
                return False
            return True

        look_until(attempt, None, "file lock", "a lock on a file")

    return cooperative


def _connection(name: str, default: str) -> Callable[[Any], Callable[..., Any]]:
    """Let a method of a connection use the `os` function of now, not the one it was defined with."""

    def make(original: Any) -> Callable[..., Any]:
        def cooperative(connection: Any, what: Any) -> Any:
            return original(connection, what, getattr(os, default))

        return cooperative

    return make


def patches() -> list[Patch]:
    """Give the patches for what this platform has, and for what is imported of `multiprocessing`."""
    rows: list[tuple[Any, str, str, Any]] = [
        (os, "waitpid", "process", _waiting(0, 1)),
        (os, "wait4", "process", _waiting(0, 1)),
        (os, "wait3", "process", _waiting(-1, 0)),
        (os, "wait", "process", _wait),
        (os, "system", "process", in_thread("process")),
    ]
    try:
        import fcntl
    except ImportError:
        pass
    else:
        rows += [(fcntl, name, "file lock", _file_lock) for name in ("flock", "lockf")]
    found = [Patch(*row) for row in rows if hasattr(*row[:2])]
    try:
        import _multiprocessing  # type: ignore[import-not-found]
    except ImportError:
        return found
    semaphore = _multiprocessing.SemLock
    found += [
        Patch(semaphore, "acquire", "semaphore", _process_pool_lock, recorded=False),
        Patch(semaphore, "__enter__", "semaphore", _enter, recorded=False),
    ]
    # Imported later, it takes hold of what stands in for `os.read` then.
    connection = getattr(sys.modules.get("multiprocessing.connection"), "Connection", None)
    if connection is not None:
        found += [
            Patch(connection, "_send", "write", _connection("_send", "write"), recorded=False),
            Patch(connection, "_recv", "read", _connection("_recv", "read"), recorded=False),
        ]
    return found
