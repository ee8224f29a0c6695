"""How patched functions wait: for a release that somebody announces, for a descriptor, or by looking.

What every one of them has in common: try without waiting, wait for a sign that it may be worth while
to try again, and try again, until it is done or the time is over. Nothing is handed over with the sign:
whoever is ended while it comes loses nothing, and the next look finds what was left.
"""

from __future__ import annotations

import select
from collections import OrderedDict
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from ...language.outside import InThread, Ready
from ...language.request import PENDING, Handle, Request, Waiter
from . import call_soon, coroutine_here

if TYPE_CHECKING:
    from ..descriptors import Descriptors, Watcher
    from ..hub import Hub

_LONGEST = 0.01  # seconds between looks at what never announces itself
_LONGEST_ANNOUNCED = 0.05  # ... and at what does, unless a release went by unseen

# Who waits for a sign about an object, by the object's id. Signs come from any thread.
_waiting: dict[int, OrderedDict[Sign, None]] = {}

# How many were given a sign and have not come to try again, by the object's id.
_on_their_way: dict[int, int] = {}


def is_awaited(subject: Any) -> bool:
    """Say whether others wait for `subject`, who must not be overtaken for ever."""
    return id(subject) in _waiting or id(subject) in _on_their_way


class _Arranged(Request):
    """Wait for the first of several calls that are arranged for; gives whether something came in time."""

    __slots__ = ("_handles", "timeout")

    def __init__(self, timeout: float | None) -> None:
        self.waiter = None
        self.timeout = timeout
        self._handles: list[Handle] = []

    def _limit(self, waiter: Waiter) -> None:
        """Arrange for the end of the time, the last of the calls."""
        if self.timeout is not None:
            self._handles.append(waiter.engine.call_later(self.timeout, partial(self._done, False)))

    def _done(self, came: bool) -> None:
        if self._handles:
            self.withdraw()
            self.waiter.wake(came)  # type: ignore[union-attr]

    def withdraw(self) -> None:
        handles, self._handles = self._handles, []
        for handle in handles:
            handle.cancel()


class Sign(_Arranged):
    """Wait for a sign that something about an object may have changed; gives False after `timeout`.

    Parameters
    ----------
    subject:
        The object. It is kept while somebody waits, so that its id stays its own.
    holds:
        Says whether it is worth while to try again. It is looked at now and then as well.
    announced:
        Whether `signal` is called when it changes, so that a look is needed less often.
    outside:
        Whether only another thread or coroutine can change it; else it changes by itself.
    """

    __slots__ = ("_words", "announced", "first", "holds", "left_over", "outside", "shielded",
                 "subject", "told", "verb")  # fmt: skip

    def __init__(
        self, subject: Any, holds: Callable[[], Any], timeout: float | None, verb: str,
        *, announced: bool = False, outside: bool = False, left_over: bool = False, words: str = "",
        shielded: bool = False,
    ) -> None:  # fmt: skip
        super().__init__(timeout)
        self.shielded = shielded
        self.subject = subject
        self.holds = holds
        self.verb = verb
        self.announced = announced
        self.outside = outside
        self.left_over = left_over
        self._words = words
        # Whether it goes before the others, and whether it was given a sign.
        self.first = self.told = False

    def begin(self, waiter: Waiter) -> Any:
        self.claim(waiter)
        hub: Any = waiter.engine.hub  # type: ignore[attr-defined]
        if self.announced:
            queue = _waiting.setdefault(id(self.subject), OrderedDict())
            queue[self] = None
            if self.first:
                queue.move_to_end(self, last=False)
        # It may have changed since the caller tried, before anybody could tell us.
        if self.holds():
            self._leave()
            return True
        longest = _LONGEST_ANNOUNCED if self.announced else _LONGEST
        self._handles.append(hub.look(self.holds, partial(self._done, True), longest, self.outside))
        self._limit(waiter)
        return PENDING

    def withdraw(self) -> None:
        self._leave()
        super().withdraw()

    def _leave(self) -> None:
        queue = _waiting.get(id(self.subject))
        if queue is not None and self in queue:
            del queue[self]
            if not queue:
                del _waiting[id(self.subject)]

    def arrived(self) -> None:
        """Whoever waited is back, and can try."""
        if self.told:
            key = id(self.subject)
            _on_their_way[key] -= 1
            if not _on_their_way[key]:
                del _on_their_way[key]

    def describe(self) -> str:
        return self._words or self.verb


def signal(subject: Any) -> None:
    """Tell the first who waits that something about `subject` has changed. From any thread."""
    if not _waiting or id(subject) not in _waiting:
        return
    if coroutine_here() is not None:
        _tell(id(subject))
    else:
        call_soon(partial(_tell, id(subject)))


def _tell(key: int) -> None:
    queue = _waiting.get(key)
    if queue:
        sign = next(iter(queue))
        sign.told = True
        _on_their_way[key] = _on_their_way.get(key, 0) + 1
        sign._done(True)


def forget() -> None:
    """The run is over."""
    _waiting.clear()
    _on_their_way.clear()


def until(
    attempt: Callable[[], bool], request: Callable[[float | None], Sign], timeout: float | None,
    waits_first: bool = False,
) -> bool:  # fmt: skip
    """Try until it is done, and wait by `request` (of the seconds left) in between; False if time is over.

    Whoever `waits_first` lets those go first who were there before; after that it keeps its place.
    """
    here = coroutine_here()
    assert here is not None
    # By the run's clock, which may be a virtual one.
    deadline = None if timeout is None else here.now() + timeout
    waited = was_told = False
    while True:
        if not (waits_first and not waited) and attempt():
            return True
        left = None
        if deadline is not None:
            left = deadline - here.now()
            if left <= 0:
                return False
        sign = request(left)
        # Whoever was told and came too late goes before the others again.
        sign.first = was_told
        try:
            here.wait(sign)
        finally:
            sign.arrived()
        waited, was_told = True, sign.told


def look_until(
    attempt: Callable[[], bool], timeout: float | None, verb: str, words: str = ""
) -> bool:
    """Try again and again, less and less often, for what nothing announces; False if the time is over."""
    here = coroutine_here()
    assert here is not None
    if attempt():
        return True
    if timeout is not None and timeout <= 0:
        return False
    # What `attempt` did is done once only: by the look itself.
    return bool(here.wait(Sign(attempt, attempt, timeout, verb, words=words)))


_poll = type(select.poll()).poll if hasattr(select, "poll") else None


def is_ready(descriptor: int, writing: bool) -> bool:
    """Say whether a descriptor can be read or written without waiting."""
    assert _poll is not None
    poll = select.poll()
    poll.register(descriptor, select.POLLOUT if writing else select.POLLIN)
    return bool(_poll(poll, 0))


def ready(descriptor: int, writing: bool, verb: str, timeout: float | None = None) -> bool:
    """Wait for a descriptor; False if the time is over first."""
    here = coroutine_here()
    assert here is not None
    return bool(here.wait(Ready(descriptor, writing, verb, timeout)))


class AnyReady(_Arranged):
    """Wait until one of several descriptors is ready; gives False after `timeout` seconds.

    Parameters
    ----------
    wanted:
        Pairs of a descriptor and whether it is to be written.
    holds:
        Looked at now and then, for what descriptors cannot tell; None if they tell all.
    """

    __slots__ = ("holds", "verb", "wanted")

    def __init__(
        self, wanted: list[tuple[int, bool]], timeout: float | None, verb: str,
        holds: Callable[[], Any] | None = None,
    ) -> None:  # fmt: skip
        super().__init__(timeout)
        self.wanted = wanted
        self.verb = verb
        self.holds = holds

    def begin(self, waiter: Waiter) -> Any:
        self.claim(waiter)
        hub: Any = waiter.engine.hub  # type: ignore[attr-defined]
        came = partial(self._done, True)
        try:
            for descriptor, writing in self.wanted:
                self._handles.append(hub.watch(descriptor, writing, came))
        except OSError:
            # Closed, or nothing that can be watched: the caller's own call says so best.
            self.withdraw()
            return True
        if self.holds is not None:
            self._handles.append(hub.look(self.holds, came, _LONGEST))
        self._limit(waiter)
        return PENDING

    def describe(self) -> str:
        return f"{self.verb} on {len(self.wanted)} descriptors"


class Reading(Request):
    """Wait until a descriptor can be read: the wait of every message through a server.

    One for all waits for a descriptor, one after another; and for waiting in the middle of a step only.
    It is the watch itself, so that nothing is made for a wait.

    Attributes
    ----------
    drained:
        Whether there was less to read than was wanted, so that the next attempt is likely to fail.
    """

    __slots__ = ("descriptor", "descriptors", "drained", "follows")
    verb = "recv"
    writing = False

    def __init__(self, descriptor: int, descriptors: Descriptors) -> None:
        self.waiter = None
        self.descriptor = descriptor
        self.descriptors = descriptors
        self.drained = False
        self.follows: Watcher | None = None

    def begin(self, waiter: Any) -> Any:
        self.descriptors.add(self)
        self.waiter = waiter
        return PENDING

    def __call__(self) -> None:
        task: Any = self.waiter
        if task is not None:
            self.waiter = None
            task.go_on()

    def withdraw(self) -> None:
        self.waiter = None
        self.descriptors.unwatch(self)

    def describe(self) -> str:
        return f"{self.verb} on descriptor {self.descriptor}"


def reading(hub: Hub, descriptor: int) -> Reading:
    """Give what to wait by until a descriptor can be read."""
    known: Reading | None = hub.readings.get(descriptor)
    if known is None:
        known = hub.readings[descriptor] = Reading(descriptor, hub.descriptors)
    elif known.waiter is not None:
        # Somebody else waits for the same.
        return Reading(descriptor, hub.descriptors)
    return known


class _InThread(InThread):
    """A call in a helper thread, with a verb of its own."""

    __slots__ = ("verb",)

    def __init__(self, function: Callable[[], Any], verb: str) -> None:
        super().__init__(function)
        self.verb = verb


def in_thread(verb: str) -> Callable[[Any], Callable[..., Any]]:
    """Give what makes the cooperative form of a function: it is called in a helper thread, as `verb`."""

    def make(original: Any) -> Callable[..., Any]:
        def cooperative(*args: Any, **kwargs: Any) -> Any:
            here = coroutine_here()
            assert here is not None
            return here.wait(_InThread(partial(original, *args, **kwargs), verb))

        return cooperative

    return make
