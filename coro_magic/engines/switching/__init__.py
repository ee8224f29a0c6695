"""Blocking calls that switch to another coroutine, for the length of a run.

In a coroutine, each of these waits without stopping the thread: the others run meanwhile. They do the same
in library code, however deep, that a coroutine calls; that is why libraries built on them switch too.

- `time`: ``sleep``
- `socket`: ``connect``, ``connect_ex``, ``accept``, ``recv``, ``recv_into``, ``recvfrom``,
  ``recvfrom_into``, ``recvmsg``, ``recvmsg_into``, ``send``, ``sendall``, ``sendto``, ``sendmsg``,
  ``sendfile``, and the files that ``makefile`` makes
- `socket`, name look-ups, in a helper thread: ``getaddrinfo``, ``gethostbyname``, ``gethostbyname_ex``,
  ``gethostbyaddr``, ``getnameinfo``
- `ssl`: ``read``, ``write``, ``do_handshake`` and ``shutdown`` of TLS sockets, and with them ``recv``,
  ``send`` and the others
- `select`: ``select``, ``poll``, ``epoll``, ``kqueue``; so also `selectors`, and event loops that wait with
  it
- `os`: ``read``, ``readv``, ``write``, ``writev`` of pipes, terminals and sockets; so also ``FileIO``, and
  all files that are built on it
- `os`, other processes: ``waitpid``, ``wait``, ``wait3``, ``wait4``, ``system``; so also ``run``,
  ``communicate`` and ``wait`` of `subprocess`, and ``Process.join``
- `fcntl`: ``flock``, ``lockf``
- `threading`: ``acquire`` of ``Lock`` and ``RLock``; so also ``Condition``, ``Event``, ``Semaphore``,
  ``Barrier`` and ``Thread.join``, which are made of these
- `queue`: ``get`` and ``put`` of all queues, also of ``SimpleQueue``
- `concurrent.futures`: ``result``, ``exception``, ``wait``, ``as_completed``, ``map``
- `multiprocessing`: ``acquire`` of its locks and semaphores (``SemLock``); its queues and connections

Sockets, locks and queues may be older than the run. Locks may be released by other threads, which wakes the
coroutine. In a coroutine, `threading.get_ident`, `threading.current_thread` and a `threading.local` that is
made in the run are its own, as they would be on a thread.

What does not switch, because nobody outside can wait in its place:

- regular files: the system says of them that they are always ready
- C code that waits or computes by itself: sqlite3, psycopg's C implementation, numpy, compression, hashing
- opening a FIFO
- a bound method of a lock that was taken before the run (``acquire = lock.acquire``)

Such a call holds the thread. When it does so for ``--slow-step`` milliseconds (50), it is hatched in the
timeline and named in the summary, with its line, and it is in `coro_magic.measure.run.Run.slow_steps`.
`coro_magic.in_thread` lets a helper thread make the call.

The functions are replaced when a run begins and are the originals again when it ends, however it ends. In
between, other threads are served as ever: a replacement first asks `coroutine_here`. Where the platform has
no way to tell a socket not to wait (Windows), nothing is replaced: `possible`.

To add a blocking call is to add a row to a table: a `Patch` says where the function lives, what waiting for
it is called, and what does the same for a coroutine, mostly with what `coro_magic.engines.switching.waits`
has. The rows stand in this package's modules, one for each kind of thing that is waited for; `patches` puts
them together.
"""

from __future__ import annotations

import os
import socket
import threading
import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from .holders import held_by_modules, swap
from .methods import put_method

if TYPE_CHECKING:
    from ..hub import Hub


class Switcher(Protocol):
    """What a patched function needs of the scheduler."""

    thread: int
    stepping: bool
    virtual: bool
    hub: Hub

    @property
    def closing(self) -> bool: ...

    @property
    def current(self) -> Any: ...

    @property
    def body(self) -> Any: ...

    def now(self) -> float: ...

    def wait(self, request: Any, frame: types.FrameType | None = None) -> Any: ...


class Patch(NamedTuple):
    """A blocking function and its counterpart.

    Attributes
    ----------
    owner, attribute:
        Where it is found, and how it is called there.
    verb:
        What waiting for it is called in the timeline.
    cooperative:
        Gets the original and gives the function that waits as a coroutine does.
    everywhere:
        Whether what `cooperative` gives stands there as it is, for every thread, instead of the
        function that first asks who is calling: for releasing, which anybody may do.
    recorded:
        Whether the baseline writes it down as a wait. Not what the baseline itself is made of.
    """

    owner: Any
    attribute: str
    verb: str
    cooperative: Callable[[Any], Any]
    everywhere: bool = False
    recorded: bool = True


# What a hub is busy with while a coroutine writes to a stream.
WRITING = "writing"

_running: Switcher | None = None
_get_ident = threading.get_ident


def coroutine_here() -> Switcher | None:
    """Give the scheduler if the caller is in a step of one of its coroutines, else None."""
    running = _running
    if running is None or not running.stepping or _get_ident() != running.thread or running.hub.busy:
        return None
    return running


def closing_here() -> bool:
    """Say whether the caller is in a coroutine that is being closed at the end of the run."""
    running = _running
    return running is not None and running.closing and _get_ident() == running.thread


def writing_here() -> Switcher | None:
    """Give the scheduler if the caller is in a stream that a coroutine of it writes to, else None."""
    running = _running
    if running is None or _get_ident() != running.thread or running.hub.busy is not WRITING:
        return None
    return running


def call_soon(callback: Callable[[], None]) -> None:
    """Call back on the run's thread, if there is a run. From any thread."""
    running = _running
    if running is not None:
        running.hub.call_soon(callback)


def _forget_in_child() -> None:
    """A forked process has the copy of a run, and none of its coroutines goes on there."""
    global _running
    _running = None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_in_child)


def possible() -> bool:
    """Say whether blocking calls can switch on this platform: where a socket can be told not to wait."""
    return hasattr(socket, "MSG_DONTWAIT")


def patches() -> list[Patch]:
    """Give the table of all blocking calls that switch on this platform; empty where none can."""
    from . import files, identity, locks, names, polls, processes, queues, sockets, times, tls

    if not possible():
        return []
    return [
        *times.PATCHES,
        *sockets.patches(),
        *tls.patches(),
        *polls.patches(),
        *names.patches(),
        *files.patches(),
        *processes.patches(),
        *queues.patches(),
        *identity.patches(),
        # Last: from here on every lock asks first.
        *locks.patches(),
    ]


def guarded(original: Any, cooperative: Callable[..., Any]) -> Callable[..., Any]:
    """Make the function that stands in for `original`: cooperative in a coroutine, else the original."""

    def patched(*args: Any, **kwargs: Any) -> Any:
        # `coroutine_here`, written out.
        running = _running
        if running is None or not running.stepping or _get_ident() != running.thread or running.hub.busy:
            return original(*args, **kwargs)
        return cooperative(*args, **kwargs)

    named: Callable[..., Any] = _named_like(original, patched)
    return named


def _named_like(original: Any, stand_in: Any) -> Any:
    """Give a function the names of the one that it stands in for."""
    if isinstance(stand_in, types.FunctionType):
        for attribute in ("__name__", "__qualname__", "__doc__", "__module__"):
            value = getattr(original, attribute, stand_in)
            if value is not stand_in:
                with suppress(TypeError):
                    setattr(stand_in, attribute, value)
        stand_in.__wrapped__ = original  # type: ignore[attr-defined]
    return stand_in


class _Inherited:
    """Stands for "not in the class's own dictionary": to restore is to delete."""


_INHERITED: Any = _Inherited()


def _put(owner: Any, attribute: str, value: Any) -> None:
    if isinstance(owner, type) and not owner.__flags__ & _HEAP_TYPE or _is_immutable(owner):
        put_method(owner, attribute, value)
    elif value is _INHERITED:
        delattr(owner, attribute)
    else:
        setattr(owner, attribute, value)


_HEAP_TYPE, _IMMUTABLE_TYPE = 1 << 9, 1 << 8


def _is_immutable(owner: Any) -> bool:
    return isinstance(owner, type) and bool(owner.__flags__ & _IMMUTABLE_TYPE)


@contextmanager
def replaced(
    table: list[Patch], make: Callable[[Patch, Any], Any], namespace: dict[str, Any] | None = None
) -> Iterator[dict[int, Any]]:
    """Put ``make(patch, original)`` in the place of every original, and the originals back.

    `namespace`, the user's, may hold originals under names of its own (``from time import sleep``).
    They are replaced too; and what is found there afterwards of ours becomes the original again.

    Gives what the originals that are no methods were replaced by, by the original's id.
    """
    own: list[tuple[Patch, Any]] = []
    ours: dict[int, Any] = {}
    theirs: dict[int, Any] = {}
    try:
        for patch in table:
            before = vars(patch.owner).get(patch.attribute, _INHERITED)
            original = getattr(patch.owner, patch.attribute)
            stand_in = make(patch, original)
            own.append((patch, before))
            _put(patch.owner, patch.attribute, stand_in)
            if not isinstance(patch.owner, type):
                ours[id(stand_in)] = original
                theirs[id(original)] = stand_in
        swap(namespace, theirs)
        yield theirs
    finally:
        for patch, before in reversed(own):
            _put(patch.owner, patch.attribute, before)
        swap(namespace, ours)


@contextmanager
def installed(scheduler: Switcher, namespace: dict[str, Any] | None = None) -> Iterator[None]:
    """Let blocking calls switch for the length of a ``with`` block; one scheduler at a time."""
    global _running
    if _running is not None:
        raise RuntimeError("a run is going on already")
    from . import identity, locks, polls, times

    table = patches()
    if scheduler.virtual and table:
        table += times.VIRTUAL

    def make(patch: Patch, original: Any) -> Any:
        made = patch.cooperative(original)
        return _named_like(original, made) if patch.everywhere else guarded(original, made)

    _running = scheduler
    try:
        with replaced(table, make, namespace) as stand_ins, held_by_modules(stand_ins):
            yield
    finally:
        _running = None
        locks.forget()
        identity.forget()
        polls.forget()


def running() -> bool:
    """Say whether a run is going on in this process."""
    return _running is not None
