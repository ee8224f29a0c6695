"""Reading and writing descriptors for coroutines: pipes, terminals, sockets. Regular files stay as they are.

`os.read` and `os.write`, and the methods of `io.FileIO` on which all other files are built: a
``Popen.stdout`` is a buffered reader over one.
"""

from __future__ import annotations

import io
import os
import select
import stat
from collections.abc import Callable
from typing import Any

from . import Patch, coroutine_here
from .waits import is_ready, ready

# As much can be written to a pipe that shows as writable, without waiting.
_CHUNK: int = getattr(select, "PIPE_BUF", 512)
_STANDARD = (1, 2)


def _may_block(descriptor: Any) -> bool:
    """Say whether reading or writing waits for somebody else."""
    if not isinstance(descriptor, int) or descriptor < 0:
        return False
    try:
        mode = os.fstat(descriptor).st_mode
        waits = stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) or stat.S_ISCHR(mode)
        return waits and os.get_blocking(descriptor)
    except OSError:
        return False


def _wait_to_read(descriptor: Any) -> None:
    if _may_block(descriptor):
        while not is_ready(descriptor, False):
            ready(descriptor, False, "read")


def _reading(original: Any) -> Callable[..., Any]:
    def cooperative(descriptor: Any, *args: Any, **kwargs: Any) -> Any:
        _wait_to_read(descriptor)
        return original(descriptor, *args, **kwargs)

    return cooperative


def _write(original: Any) -> Callable[..., Any]:
    def cooperative(fd: Any, data: Any, /) -> int:
        if not _may_block(fd):
            return original(fd, data)  # type: ignore[no-any-return]
        return _write_all(fd, data, lambda octets: original(fd, octets))

    return cooperative


def _writev(original: Any) -> Callable[..., Any]:
    def cooperative(fd: Any, buffers: Any, /) -> int:
        if not _may_block(fd):
            return original(fd, buffers)  # type: ignore[no-any-return]
        return _write_all(fd, b"".join(buffers), lambda octets: original(fd, [octets]))

    return cooperative


def _write_all(descriptor: int, data: Any, write: Callable[[Any], int]) -> int:
    """Write all of it, as a call that blocks does, as much at a time as cannot block."""
    with memoryview(data) as view, view.cast("B") as octets:
        written = 0
        while True:
            while not is_ready(descriptor, True):
                ready(descriptor, True, "write")
            written += write(octets[written : written + _CHUNK])
            if written >= len(octets):
                return written


def _descriptor_of(file: Any) -> int:
    try:
        return int(file.fileno())
    except ValueError:
        return -1  # closed, or never opened: the original says it


def _file_reading(original: Any) -> Callable[..., Any]:
    def cooperative(file: Any, *args: Any) -> Any:
        _wait_to_read(_descriptor_of(file))
        return original(file, *args)

    return cooperative


def _file_readall(original: Any) -> Callable[..., Any]:
    def cooperative(file: Any) -> Any:
        descriptor = _descriptor_of(file)
        if not _may_block(descriptor):
            return original(file)
        parts = []
        while part := file.read(65536):
            parts.append(part)
        return b"".join(parts)

    return cooperative


def _file_read(original: Any) -> Callable[..., Any]:
    def cooperative(file: Any, size: int | None = -1, /) -> Any:
        if size is None or size < 0:
            return file.readall()
        _wait_to_read(_descriptor_of(file))
        return original(file, size)

    return cooperative


def _file_write(original: Any) -> Callable[..., Any]:
    def cooperative(file: Any, data: Any, /) -> Any:
        descriptor = _descriptor_of(file)
        # What everybody prints to is shared: nobody must find it in the middle of another's line.
        if descriptor in _STANDARD or not _may_block(descriptor):
            return original(file, data)
        return _write_all(descriptor, data, lambda octets: original(file, octets))

    return cooperative


def _close(original: Any) -> Callable[..., Any]:
    def cooperative(fd: Any) -> None:
        here = coroutine_here()
        if here is not None and isinstance(fd, int):
            here.hub.closing(fd)
        original(fd)

    return cooperative


def patches() -> list[Patch]:
    """Give the patches for what this platform has."""
    rows: list[tuple[Any, str, str, Any]] = [
        (os, "read", "read", _reading),
        (os, "readv", "read", _reading),
        (os, "write", "write", _write),
        (os, "writev", "write", _writev),
        (os, "close", "close", _close),
        (io.FileIO, "read", "read", _file_read),
        (io.FileIO, "readinto", "read", _file_reading),
        (io.FileIO, "readall", "read", _file_readall),
        (io.FileIO, "write", "write", _file_write),
    ]
    # Of all these the baseline would write down too much: its own files, and what is no wait.
    return [
        Patch(owner, name, verb, make, recorded=False)
        for owner, name, verb, make in rows
        if hasattr(owner, name)
    ]
