"""Waiting on many descriptors for coroutines: `select.select`, poll, epoll, kqueue, and so `selectors`.

Each asks the original without waiting, waits until something may have changed, and asks again.
"""

from __future__ import annotations

import select
import selectors
from collections.abc import Callable
from functools import partial
from typing import Any

from . import Patch, coroutine_here, guarded
from .waits import AnyReady, ready


def _until_found(
    ask: Callable[[], Any], request: Callable[[float | None], AnyReady], timeout: float | None
) -> Any:
    """Ask until there is something, waiting by `request` in between, or until the time is over."""
    here = coroutine_here()
    assert here is not None
    deadline = None if timeout is None else here.now() + timeout
    while not (found := ask()):
        left = None if deadline is None else deadline - here.now()
        if left is not None and left <= 0:
            break
        here.wait(request(left))
    return found


def _number(each: Any) -> int:
    return each if isinstance(each, int) else int(each.fileno())


def _select(original: Any) -> Callable[..., Any]:
    def cooperative(
        rlist: Any, wlist: Any, xlist: Any, timeout: float | None = None, /
    ) -> tuple[list[Any], list[Any], list[Any]]:
        # An iterator would be used up by the first attempt.
        lists = [each if isinstance(each, list) else list(each) for each in (rlist, wlist, xlist)]
        if timeout is not None and not timeout > 0:
            return original(*lists, timeout)  # type: ignore[no-any-return]
        if timeout is not None:
            timeout = float(timeout)

        def ask() -> Any:
            found = original(*lists, 0)
            return found if any(found) else None

        reading, writing, exceptional = lists

        def request(left: float | None) -> AnyReady:
            wanted = [(_number(each), False) for each in [*reading, *exceptional]]
            wanted += [(_number(each), True) for each in writing]
            return AnyReady(wanted, left, "select", ask if exceptional else None)

        return _until_found(ask, request, timeout) or ([], [], [])

    return cooperative


# Which descriptors a poll object has: the object does not tell. As long as the run lasts.
_registered: dict[int, tuple[Any, dict[int, int]]] = {}

_BOTH = getattr(select, "POLLIN", 0) | getattr(select, "POLLOUT", 0) | getattr(select, "POLLPRI", 0)


def _register(original: Any) -> Callable[..., Any]:
    def cooperative(poll: Any, fd: Any, eventmask: int = _BOTH) -> None:
        original(poll, fd, eventmask)
        _registered.setdefault(id(poll), (poll, {}))[1][_number(fd)] = eventmask

    return cooperative


def _modify(original: Any) -> Callable[..., Any]:
    def cooperative(poll: Any, fd: Any, eventmask: int) -> None:
        original(poll, fd, eventmask)
        _registered.setdefault(id(poll), (poll, {}))[1][_number(fd)] = eventmask

    return cooperative


def _unregister(original: Any) -> Callable[..., Any]:
    def cooperative(poll: Any, fd: Any) -> None:
        original(poll, fd)
        _registered.get(id(poll), (poll, {}))[1].pop(_number(fd), None)

    return cooperative


_MOST = 2**31 - 1  # milliseconds; the original refuses more


def _poll(original: Any) -> Callable[..., Any]:
    def cooperative(poll: Any, timeout: float | None = None, /) -> Any:
        if timeout is not None and not isinstance(timeout, int | float):
            return original(poll, timeout)
        if timeout is not None and (0 <= timeout < 1 or abs(timeout) > _MOST):
            return original(poll, timeout)
        known = _registered.get(id(poll), (poll, {}))[1]
        wanted = [(fd, False) for fd, mask in known.items() if mask & ~select.POLLOUT]
        wanted += [(fd, True) for fd, mask in known.items() if mask & select.POLLOUT]
        ask = partial(original, poll, 0)

        def request(left: float | None) -> AnyReady:
            # It may have descriptors from before the run: those show when one looks.
            return AnyReady(wanted, left, "poll", ask)

        return _until_found(ask, request, None if timeout is None or timeout < 0 else timeout / 1000)

    return cooperative


def _epoll(original: Any) -> Callable[..., Any]:
    def cooperative(epoll: Any, timeout: float | None = None, maxevents: int = -1) -> Any:
        if timeout is not None and (not isinstance(timeout, int | float) or timeout == 0) or epoll.closed:
            return original(epoll, timeout, maxevents)
        ask = partial(original, epoll, 0, maxevents)

        def request(left: float | None) -> AnyReady:
            return AnyReady([(epoll.fileno(), False)], left, "poll")

        return _until_found(ask, request, None if timeout is None or timeout < 0 else timeout)

    return cooperative


def _kqueue(original: Any) -> Callable[..., Any]:
    def cooperative(kqueue: Any, changes: Any, most: int, timeout: float | None = None, /) -> Any:
        found = original(kqueue, changes, most, 0)
        if found or not most or timeout == 0:
            return found
        here = coroutine_here()
        assert here is not None
        deadline = None if timeout is None else here.now() + timeout
        while not found:
            left = None if deadline is None else deadline - here.now()
            if (left is not None and left <= 0) or not ready(kqueue.fileno(), False, "kqueue", left):
                break
            found = original(kqueue, None, most, 0)
        return found

    return cooperative


def forget() -> None:
    """The run is over."""
    _registered.clear()


def patches() -> list[Patch]:
    """Give the patches for what this platform has."""
    rows = [Patch(select, "select", "select", _select)]
    if getattr(selectors.SelectSelector, "_select", None) is select.select:
        # The class took hold of the original, as a function that is no method.
        rows.append(
            Patch(selectors.SelectSelector, "_select", "select",
                  lambda original: staticmethod(guarded(original, _select(original))),
                  everywhere=True, recorded=False)  # fmt: skip
        )
    if hasattr(select, "poll"):
        kind = type(select.poll())
        rows += [
            Patch(kind, "poll", "poll", _poll),
            Patch(kind, "register", "poll", _register, recorded=False),
            Patch(kind, "modify", "poll", _modify, recorded=False),
            Patch(kind, "unregister", "poll", _unregister, recorded=False),
        ]
    if hasattr(select, "epoll"):
        rows.append(Patch(select.epoll, "poll", "poll", _epoll))
    if hasattr(select, "kqueue"):
        rows.append(Patch(select.kqueue, "control", "kqueue", _kqueue))
    return rows
