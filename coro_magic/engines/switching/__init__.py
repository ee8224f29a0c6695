"""Blocking calls that switch to another coroutine, for the length of a run.

A patch is a row of a table: where the function lives, what waiting for it is called, and what does
the same for a coroutine. A patched function first asks `coroutine_here`: in anything but a
coroutine of the running scheduler, on its thread, the original runs. Adding a blocking call means
adding a row.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    from ..hub import Hub


class Switcher(Protocol):
    """What a patched function needs of the scheduler."""

    thread: int
    stepping: bool
    hub: Hub

    def wait(self, request: Any) -> Any: ...


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
    """

    owner: Any
    attribute: str
    verb: str
    cooperative: Callable[[Any], Callable[..., Any]]


_running: Switcher | None = None
_get_ident = threading.get_ident


def coroutine_here() -> Switcher | None:
    """Give the scheduler if the caller is in a step of one of its coroutines, else None."""
    running = _running
    if running is None or not running.stepping or _get_ident() != running.thread:
        return None
    return running


def patches() -> list[Patch]:
    """Give the table of all blocking calls that switch on this platform."""
    from . import sockets, times

    return [*times.PATCHES, *sockets.patches()]


def _guarded(original: Any, cooperative: Callable[..., Any]) -> Callable[..., Any]:
    """Make the function that stands in for `original`: cooperative in a coroutine, else the original."""

    def patched(*args: Any, **kwargs: Any) -> Any:
        if coroutine_here() is None:
            return original(*args, **kwargs)
        return cooperative(*args, **kwargs)

    for attribute in ("__name__", "__qualname__", "__doc__", "__module__"):
        with suppress(AttributeError, TypeError):
            setattr(patched, attribute, getattr(original, attribute))
    patched.__wrapped__ = original  # type: ignore[attr-defined]
    return patched


class _Inherited:
    """Stands for "not in the class's own dictionary": to restore is to delete."""


_INHERITED: Any = _Inherited()


@contextmanager
def replaced(
    table: list[Patch], make: Callable[[Patch, Any], Any], namespace: dict[str, Any] | None = None
) -> Iterator[None]:
    """Put ``make(patch, original)`` in the place of every original, and the originals back.

    `namespace`, the user's, may hold originals under names of its own (``from time import sleep``).
    They are replaced too; and what is found there afterwards of ours becomes the original again.
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
            setattr(patch.owner, patch.attribute, stand_in)
            if not isinstance(patch.owner, type):
                ours[id(stand_in)] = original
                theirs[id(original)] = stand_in
        _swap(namespace, theirs)
        yield
    finally:
        for patch, before in reversed(own):
            if before is _INHERITED:
                delattr(patch.owner, patch.attribute)
            else:
                setattr(patch.owner, patch.attribute, before)
        _swap(namespace, ours)


def _swap(namespace: dict[str, Any] | None, replacements: dict[int, Any]) -> None:
    if namespace is not None:
        for name, value in list(namespace.items()):
            if id(value) in replacements:
                namespace[name] = replacements[id(value)]


@contextmanager
def installed(scheduler: Switcher, namespace: dict[str, Any] | None = None) -> Iterator[None]:
    """Let blocking calls switch for the length of a ``with`` block; one scheduler at a time."""
    global _running
    if _running is not None:
        raise RuntimeError("a run is going on already")
    _running = scheduler
    try:
        with replaced(
            patches(), lambda patch, original: _guarded(original, patch.cooperative(original)), namespace
        ):
            yield
    finally:
        _running = None


def running() -> bool:
    """Say whether a run is going on in this process."""
    return _running is not None
