"""Name look-ups for coroutines: in the run's helper threads, as every event loop does it.

What needs no look-up, a number for an address, say, is answered at once.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

from . import Patch
from .waits import in_thread

_VERB = "name look-up"
_in_thread = in_thread(_VERB)


def _getaddrinfo(original: Any) -> Callable[..., Any]:
    look_up = _in_thread(original)

    def cooperative(
        host: Any, port: Any, family: int = 0, type: int = 0, proto: int = 0, flags: int = 0
    ) -> Any:
        try:
            return original(host, port, family, type, proto, flags | socket.AI_NUMERICHOST)
        except socket.gaierror:
            return look_up(host, port, family, type, proto, flags)

    return cooperative


def _getnameinfo(original: Any) -> Callable[..., Any]:
    look_up = _in_thread(original)

    def cooperative(sockaddr: Any, flags: int, /) -> Any:
        return look_up(sockaddr, flags) if isinstance(sockaddr, tuple) else original(sockaddr, flags)

    return cooperative


def patches() -> list[Patch]:
    """Give the patches for what this platform has."""
    rows: list[tuple[str, Any]] = [
        ("getaddrinfo", _getaddrinfo),
        ("gethostbyname", _in_thread),
        ("gethostbyname_ex", _in_thread),
        ("gethostbyaddr", _in_thread),
        ("getnameinfo", _getnameinfo),
    ]
    return [Patch(socket, name, _VERB, make) for name, make in rows if hasattr(socket, name)]
