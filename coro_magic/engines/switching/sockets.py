"""The blocking methods of `socket.socket` for coroutines.

Each waits until the socket is ready and then calls the original, which does not block any more; if
somebody was faster it waits again. So it serves sockets that were made before the run as well, and
a socket looks the same to everyone else all the time: only `connect` puts it into non-blocking mode,
for the length of one call.

`socket.socket` inherits these methods from the C type, so a patch is an attribute of the subclass
that hides the inherited one, and to restore is to delete it. ``accept`` and ``makefile`` are written in
Python on top of the ones patched here.
"""

from __future__ import annotations

import errno
import socket
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from ...language import sleep
from .. import switching
from . import Patch, coroutine_here, guarded
from .waitall import STREAM, WAITALL, is_for_all, kind_of, receive_all
from .waits import is_ready, reading, ready

# 0 where there is none: then nothing is patched (see `possible`).
_DONTWAIT = int(getattr(socket, "MSG_DONTWAIT", 0))

_get_ident = threading.get_ident
_getframe = sys._getframe
_send_now: Any = socket.socket.send
_RETRY = 0.005  # seconds between attempts to connect where nothing tells when it is worth while

# How `connect` says that it has begun and is not done.
_IN_PROGRESS = (errno.EINPROGRESS, errno.EALREADY, errno.EWOULDBLOCK)


def _wait(sock: socket.socket, writing: bool, verb: str, deadline: float | None) -> None:
    """Wait until the socket is ready, or raise `TimeoutError` as the socket itself would."""
    left = None
    if deadline is not None:
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("timed out")
    if not ready(sock.fileno(), writing, verb, left):
        raise TimeoutError("timed out")


def _deadline(sock: socket.socket) -> float | None:
    timeout = sock.gettimeout()
    return None if timeout is None else time.monotonic() + timeout


def _with_flags(verb: str, writing: bool, flags_at: int) -> Callable[[Any], Callable[..., Any]]:
    """Make the cooperative form of a method that takes flags as its positional argument `flags_at`."""

    def make(original: Any) -> Callable[..., Any]:
        def cooperative(sock: socket.socket, *args: Any, **kwargs: Any) -> Any:
            timeout = sock.gettimeout()
            if timeout is None and len(args) == flags_at and not kwargs:
                # By far the most frequent, written out.
                while True:
                    try:
                        return original(sock, *args, _DONTWAIT)
                    except BlockingIOError:
                        _wait(sock, writing, verb, None)
            if timeout == 0.0 or sock.fileno() < 0:
                return original(sock, *args, **kwargs)
            flags = kwargs.get("flags", args[flags_at] if len(args) > flags_at else 0)
            if timeout is None and flags & WAITALL and is_for_all(sock, flags, original.__name__):
                return receive_all(original.__name__, cooperative, sock, flags & ~WAITALL, *args[:flags_at])
            deadline = None if timeout is None else time.monotonic() + timeout
            if timeout is not None and not is_ready(sock.fileno(), writing):
                # With a timeout of its own the original would wait before it tries.
                _wait(sock, writing, verb, deadline)
            while True:
                try:
                    return original(sock, *_without_waiting(args, kwargs), **kwargs)
                except BlockingIOError:
                    _wait(sock, writing, verb, deadline)

        def _without_waiting(args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[Any]:
            given = list(args)
            if "flags" in kwargs:
                kwargs["flags"] |= _DONTWAIT
            elif len(given) > flags_at:
                given[flags_at] |= _DONTWAIT
            elif len(given) == flags_at:
                given.append(_DONTWAIT)
            else:
                kwargs["flags"] = _DONTWAIT
            return given

        return cooperative

    return make


# Attempts in vain (less two for every other) until none is made for so many reads.
_VAIN, _WITHOUT = 8, 16


def _recv(original: Any) -> Callable[..., Any]:
    """`socket.recv`, with its commonest use written out: the way of every message through a server."""
    otherwise = guarded(original, _with_flags("recv", False, 1)(original))

    def cooperative(sock: socket.socket, *args: Any) -> Any:
        # It asks by itself who is calling: `coroutine_here`, written out.
        here = switching._running
        if here is None or not here.stepping or _get_ident() != here.thread or here.hub.busy:
            return original(sock, *args)
        if len(args) != 1 or sock.gettimeout() is not None:
            return otherwise(sock, *args)
        size, descriptor, hub = args[0], sock.fileno(), here.hub
        known, bets = hub.readings.get(descriptor), False
        if known is not None and known.drained:
            # There was less than wanted the last time. An attempt that fails costs a third of a wait, so
            # whether it is worth while depends on how quickly the other sides answer, these days.
            known.drained, bets = False, True
            if hub.vain > _VAIN and size:
                hub.vain -= 1  # so that now and then there is an attempt
                bets = False
                here.wait(known if known.waiter is None else reading(hub, descriptor), _getframe(1))
        while True:
            try:
                data = original(sock, size, _DONTWAIT)
            except BlockingIOError:
                if bets:
                    bets = False
                    hub.vain = hub.vain + 1 if hub.vain < _VAIN else _VAIN + _WITHOUT
                if known is None or known.waiter is not None or sock.fileno() != descriptor:
                    # Closed in the meantime, it has another descriptor, which is none.
                    known = reading(hub, sock.fileno())
                here.wait(known, _getframe(1))
            else:
                if bets:
                    hub.vain = max(0, hub.vain - 2)
                if known is not None and 0 < len(data) < size and kind_of(sock) == STREAM:
                    known.drained = True
                return data

    return cooperative


def _filled(verb: str, defaults: tuple[Any, ...]) -> Callable[[Any], Callable[..., Any]]:
    """Like `_with_flags`, for receiving methods that take flags by position only, after `defaults`."""
    inner = _with_flags(verb, False, len(defaults))

    def make(original: Any) -> Callable[..., Any]:
        with_flags = inner(original)

        def cooperative(sock: socket.socket, *args: Any) -> Any:
            if not args:
                return original(sock)  # which says what is missing
            if len(args) < len(defaults):
                args = args + defaults[len(args) :]
            return with_flags(sock, *args)

        return cooperative

    return make


def _sendto(original: Any) -> Callable[..., Any]:
    def cooperative(sock: socket.socket, data: Any, *args: Any) -> Any:
        # sendto(data, address) or sendto(data, flags, address)
        if len(args) != 2 or sock.gettimeout() == 0.0 or sock.fileno() < 0:
            if len(args) != 1 or sock.gettimeout() == 0.0 or sock.fileno() < 0:
                return original(sock, data, *args)
            args = (0, args[0])
        deadline = _deadline(sock)
        if deadline is not None and not is_ready(sock.fileno(), True):
            _wait(sock, True, "send", deadline)
        while True:
            try:
                return original(sock, data, args[0] | _DONTWAIT, args[1])
            except BlockingIOError:
                _wait(sock, True, "send", deadline)

    return cooperative


def _send(original: Any) -> Callable[..., Any]:
    once = _with_flags("send", True, 1)(original)

    def cooperative(sock: socket.socket, data: Any, *args: Any) -> int:
        sent: int = once(sock, data, *args)
        if (type(data) is bytes and sent == len(data)) or sock.gettimeout() is not None:
            return sent
        # A call that blocks returns when all is taken, and there is code that relies on it.
        with memoryview(data) as view, view.cast("B") as octets:
            while sent < len(octets) and sock.type == socket.SOCK_STREAM:
                try:
                    sent += once(sock, octets[sent:], *args)
                except OSError:
                    break  # the next call meets it
        return sent

    return cooperative


def _sendmsg(original: Any) -> Callable[..., Any]:
    def cooperative(
        sock: socket.socket, buffers: Any, ancdata: Any = (), flags: int = 0, address: Any = None, /
    ) -> Any:
        if sock.gettimeout() == 0.0 or sock.fileno() < 0:
            return original(sock, buffers, ancdata, flags, address)
        # Iterators would be used up by the first attempt.
        buffers, ancdata = list(buffers), list(ancdata)
        deadline = _deadline(sock)
        if deadline is not None and not is_ready(sock.fileno(), True):
            _wait(sock, True, "send", deadline)
        while True:
            try:
                sent: int = original(sock, buffers, ancdata, flags | _DONTWAIT, address)
                break
            except BlockingIOError:
                _wait(sock, True, "send", deadline)
        if deadline is not None or sock.type != socket.SOCK_STREAM:
            return sent
        # As with `send`: the rest, if there is one.
        if sent < sum(memoryview(each).nbytes for each in buffers):
            sent += sock.send(b"".join(bytes(each) for each in buffers)[sent:], flags)
        return sent

    return cooperative


def _sendall(original: Any) -> Callable[..., Any]:
    def cooperative(sock: socket.socket, data: Any, flags: int = 0, /) -> None:
        timeout = sock.gettimeout()
        if timeout == 0.0 or sock.fileno() < 0:
            original(sock, data, flags)
            return
        send = socket.socket.send
        deadline = _deadline(sock)
        with memoryview(data) as view, view.cast("B") as octets:
            sent = 0
            while sent < len(octets):
                # The timeout is for the whole of it, as with the original.
                if deadline is not None and time.monotonic() >= deadline:
                    raise TimeoutError("timed out")
                if timeout is not None and not is_ready(sock.fileno(), True):
                    _wait(sock, True, "send", deadline)
                sent += send(sock, octets[sent:], flags)
            if not octets:
                original(sock, data, flags)

    otherwise = guarded(original, cooperative)

    def sendall(sock: socket.socket, *args: Any) -> None:
        # Most of what is sent finds room at once. It asks by itself who is calling: `coroutine_here`.
        here = switching._running
        if here is None or not here.stepping or _get_ident() != here.thread or here.hub.busy:
            original(sock, *args)
            return
        if len(args) == 1 and args[0].__class__ is bytes and args[0] and sock.gettimeout() is None:
            (data,) = args
            try:
                sent = _send_now(sock, data, _DONTWAIT)
            except BlockingIOError:
                sent = 0
            if sent == len(data):
                return
            args = (memoryview(data)[sent:],)
        otherwise(sock, *args)

    return sendall


def _accept(original: Any) -> Callable[..., Any]:
    def cooperative(sock: socket.socket) -> Any:
        if sock.gettimeout() == 0.0 or sock.fileno() < 0:
            return original(sock)
        deadline = _deadline(sock)
        # A connection that another process takes first would leave a blocking accept() waiting;
        # nothing can be said to accept() alone that prevents it but the mode of the socket.
        while not is_ready(sock.fileno(), False):
            _wait(sock, False, "accept", deadline)
        return original(sock)

    return cooperative


def _connect_ex(original_connect_ex: Any, sock: socket.socket, address: Any) -> int:
    """Connect as a coroutine; gives the error number, 0 for success."""
    timeout = sock.gettimeout()
    deadline = _deadline(sock)
    while True:
        sock.settimeout(0.0)
        try:
            code: int = original_connect_ex(sock, address)
        finally:
            sock.settimeout(timeout)
        if code != errno.EAGAIN or sock.family != getattr(socket, "AF_UNIX", None):
            break
        # Of a Unix socket it means that the other side's queue is full, and nothing has begun.
        if deadline is not None and time.monotonic() >= deadline:
            raise TimeoutError("timed out")
        sleep(_RETRY).wait()
    if code in _IN_PROGRESS:
        _wait(sock, True, "connect", deadline)
        code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    return code


def _connect(original: Any) -> Callable[..., Any]:
    import os

    original_ex = vars(socket.socket).get("connect_ex", socket.socket.connect_ex)

    def cooperative(sock: socket.socket, address: Any, /) -> None:
        if sock.gettimeout() == 0.0 or sock.fileno() < 0:
            original(sock, address)
            return
        code = _connect_ex(original_ex, sock, address)
        if code:
            raise OSError(code, os.strerror(code))

    return cooperative


def _connect_ex_patch(original: Any) -> Callable[..., Any]:
    def cooperative(sock: socket.socket, address: Any, /) -> int:
        if sock.gettimeout() == 0.0 or sock.fileno() < 0:
            return original(sock, address)  # type: ignore[no-any-return]
        try:
            return _connect_ex(original, sock, address)
        except TimeoutError:
            return errno.EAGAIN

    return cooperative


def _sendfile(original: Any) -> Callable[..., Any]:
    """Let `socket.sendfile` read and send by itself: the system's own way would block in the middle."""

    def cooperative(sock: socket.socket, *args: Any, **kwargs: Any) -> Any:
        if sock.gettimeout() == 0.0:
            return original(sock, *args, **kwargs)
        raise socket._GiveupOnSendfile("not in a coroutine")  # type: ignore[attr-defined]

    return cooperative


def _closing(original: Any) -> Callable[..., Any]:
    """Before a socket's descriptor goes, those who wait for it are woken, and meet the error themselves."""

    def cooperative(sock: socket.socket, *args: Any, **kwargs: Any) -> Any:
        here = coroutine_here()
        if here is not None and sock.fileno() >= 0:
            here.hub.closing(sock.fileno())
        return original(sock, *args, **kwargs)

    return cooperative


# Those that ask by themselves who is calling.
_GUARDED = (_recv, _sendall)


def patches() -> list[Patch]:
    """Give the patches for what this platform has."""
    rows: list[tuple[str, str, Any]] = [
        # connect before connect_ex: it takes the latter's original.
        ("connect", "connect", _connect),
        ("connect_ex", "connect", _connect_ex_patch),
        ("_accept", "accept", _accept),
        ("recv", "recv", _recv),
        ("recv_into", "recv", _with_flags("recv", False, 2)),
        ("recvfrom", "recv", _with_flags("recv", False, 1)),
        ("recvfrom_into", "recv", _with_flags("recv", False, 2)),
        ("send", "send", _send),
        ("sendall", "send", _sendall),
        ("sendto", "send", _sendto),
        ("recvmsg", "recv", _filled("recv", (0, 0))),
        ("recvmsg_into", "recv", _filled("recv", (0, 0))),
        ("sendmsg", "send", _sendmsg),
        ("_sendfile_use_sendfile", "send", _sendfile),
        ("_real_close", "close", _closing),
        ("detach", "close", _closing),
    ]
    return [
        # To close is no wait, and the baseline writes none down.
        Patch(socket.socket, name, verb, make, everywhere=make in _GUARDED, recorded=make is not _closing)
        for name, verb, make in rows
        if hasattr(socket.socket, name)
    ]
