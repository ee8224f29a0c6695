"""TLS for coroutines: reading, writing, the handshake and the shutdown of `ssl.SSLSocket`.

All of them end in four methods of one C type, which waits for the descriptor by itself if the socket
may block. So the socket is told not to, for the length of one call; what the call then wants, to read
or to write, is waited for.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

from . import Patch, coroutine_here
from .waits import ready


def _method(verb: str, what: str) -> Callable[[Any], Callable[..., Any]]:
    def make(original: Any) -> Callable[..., Any]:
        import ssl

        def cooperative(connection: Any, *args: Any) -> Any:
            sock = connection.owner
            timeout = sock.gettimeout() if isinstance(sock, socket.socket) else 0.0
            if timeout == 0.0 or sock.fileno() < 0:
                return original(connection, *args)
            here = coroutine_here()
            assert here is not None
            deadline = None if timeout is None else here.now() + timeout
            while True:
                socket.socket.settimeout(sock, 0.0)
                try:
                    return original(connection, *args)
                except ssl.SSLWantReadError:
                    writing = False
                except ssl.SSLWantWriteError:
                    writing = True
                finally:
                    if sock.fileno() >= 0:
                        socket.socket.settimeout(sock, timeout)
                left = None if deadline is None else deadline - here.now()
                if (left is not None and left <= 0) or not ready(sock.fileno(), writing, verb, left):
                    raise TimeoutError(f"The {what} operation timed out")

        return cooperative

    return make


def patches() -> list[Patch]:
    """Give the patches; none where Python was built without TLS."""
    try:
        import _ssl
    except ImportError:
        return []
    kind: Any = _ssl._SSLSocket  # type: ignore[attr-defined]
    return [
        Patch(kind, "read", "recv", _method("recv", "read")),
        Patch(kind, "write", "send", _method("send", "write")),
        Patch(kind, "do_handshake", "handshake", _method("handshake", "handshake")),
        Patch(kind, "shutdown", "shutdown", _method("shutdown", "shutdown")),
    ]
