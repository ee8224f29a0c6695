"""What MSG_WAITALL means, which the system forgets when it is told not to wait: all, or what there is."""

from __future__ import annotations

import _socket
import socket
from collections.abc import Callable
from typing import Any

STREAM = int(socket.SOCK_STREAM)
WAITALL = int(getattr(socket, "MSG_WAITALL", 0))

# Gives the kind of a socket, without making an enumeration's member of it.
kind_of: Callable[[socket.socket], int] = vars(_socket.socket)["type"].__get__


def is_for_all(sock: socket.socket, flags: int, name: str) -> bool:
    """Say whether a call that receives with MSG_WAITALL waits for more than there is."""
    return name in _RECEIVING and not flags & socket.MSG_PEEK and kind_of(sock) == STREAM


def _collect(take: Callable[[int], tuple[int, Any]], wanted: int) -> tuple[int, list[Any]]:
    """Take part after part until there are `wanted` octets, or no more come.

    `take` is given how many there are so far, and gives how many more, and the part. Gives their number,
    and the parts.
    """
    got = 0
    parts: list[Any] = []
    while got < wanted or not parts:
        try:
            more, part = take(got)
        except OSError:
            if not got:
                raise
            break  # the next call meets it
        parts.append(part)
        if not more:
            break
        got += more
    return got, parts


def _recv(receive: Callable[..., Any], sock: socket.socket, flags: int, size: int) -> bytes:
    def take(got: int) -> tuple[int, bytes]:
        part = receive(sock, size - got, flags)
        return len(part), part

    return b"".join(_collect(take, size)[1])


def _recvfrom(receive: Callable[..., Any], sock: socket.socket, flags: int, size: int) -> Any:
    def take(got: int) -> tuple[int, Any]:
        part = receive(sock, size - got, flags)
        return len(part[0]), part

    parts = _collect(take, size)[1]
    return b"".join(data for data, _ in parts), parts[0][1]


def _recv_into(
    receive: Callable[..., int], sock: socket.socket, flags: int, buffer: Any, size: int = 0
) -> int:
    with memoryview(buffer) as view, view.cast("B") as octets:
        wanted = size or len(octets)

        def take(got: int) -> tuple[int, None]:
            return receive(sock, octets[got:wanted], wanted - got, flags), None

        return _collect(take, wanted)[0]


def _recvfrom_into(
    receive: Callable[..., Any], sock: socket.socket, flags: int, buffer: Any, size: int = 0
) -> Any:
    with memoryview(buffer) as view, view.cast("B") as octets:
        wanted = size or len(octets)
        got, addresses = _collect(lambda got: receive(sock, octets[got:wanted], wanted - got, flags), wanted)
        return got, addresses[0]


def _recvmsg(
    receive: Callable[..., Any], sock: socket.socket, flags: int, size: int, ancillary: int = 0
) -> Any:
    def take(got: int) -> tuple[int, Any]:
        part = receive(sock, size - got, ancillary, flags)
        return len(part[0]), part

    parts = _collect(take, size)[1]
    data, more, found, _ = zip(*parts, strict=True)
    return b"".join(data), [each for some in more for each in some], found[-1], parts[0][3]


def _recvmsg_into(
    receive: Callable[..., Any], sock: socket.socket, flags: int, buffers: Any, ancillary: int = 0
) -> Any:
    views = [memoryview(buffer).cast("B") for buffer in buffers]

    def take(got: int) -> tuple[int, Any]:
        left = []
        for view in views:
            left.append(view[got:])
            got = max(0, got - len(view))
        part = receive(sock, left, ancillary, flags)
        return part[0], part

    got, parts = _collect(take, sum(map(len, views)))
    _, more, found, _ = zip(*parts, strict=True)
    return got, [each for some in more for each in some], found[-1], parts[0][3]


_RECEIVING: dict[str, Callable[..., Any]] = {
    "recv": _recv,
    "recv_into": _recv_into,
    "recvfrom": _recvfrom,
    "recvfrom_into": _recvfrom_into,
    "recvmsg": _recvmsg,
    "recvmsg_into": _recvmsg_into,
}


def receive_all(
    name: str, receive: Callable[..., Any], sock: socket.socket, flags: int, *args: Any
) -> Any:
    """Receive as the method `name` does with MSG_WAITALL, by `receive`, the same method without.

    `args` are the method's, up to the flags. An error after a part is the next call's.
    """
    return _RECEIVING[name](receive, sock, flags, *args)
