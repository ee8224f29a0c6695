"""Channels that coroutines of several processes share.

Their items lie in `queue.Queue`s that a manager of `multiprocessing` serves, in one more process and at a
socket in a folder of this user's. A process has one thread (`Link`) that carries on what could not be
done at once, so that whoever waits stops nobody else.
"""

from __future__ import annotations

import _thread
import os
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.managers import BaseManager
from typing import TYPE_CHECKING, Any

from ..language import Channel, ChannelClosed, Request
from ..language.closable import ClosableQueue
from ..language.request import PENDING

if TYPE_CHECKING:
    from .share import Share

_START_SECONDS = 30.0
_PAUSE = 0.1  # seconds that a link waits for news at most
_NEVER = float("inf")

# Bound before a run replaces it.
_allocate_lock, _get_ident, _sleep = _thread.allocate_lock, _thread.get_ident, time.sleep


# In the process that serves.


class _Queue(ClosableQueue):
    """A closable queue in which nobody waits: who does that asks again when something has changed."""

    def offer(self, item: bytes) -> int:
        """Add an item if there is room. Gives the number to ask `was_taken` for, or 0."""
        with self.mutex:
            if self.closed:
                raise ChannelClosed("the channel is closed")
            if len(self.items) >= self.room:
                return 0
            self._give(item)
            return self.given_count

    def was_taken(self, number: int) -> bool:
        """Say whether `put` is done: where there is room for items it is at once."""
        with self.mutex:
            if self.taken_count >= number or not self.rendezvous:
                return True
            if self.closed:
                self._recall()
                raise ChannelClosed("the channel was closed")
            return False

    def recall(self, number: int) -> None:
        """Take an item back for which nobody came."""
        with self.mutex:
            if self.taken_count < number:
                self._recall()

    def give_back(self, item: bytes) -> None:
        """Put an item back that was taken for somebody who does not wait any more."""
        with self.mutex:
            self.items.appendleft(item)
            self.taken_count -= 1


class Hall:
    """Where the queues are: what the manager serves.

    Parameters
    ----------
    of:
        How many processes there are.
    """

    def __init__(self, of: int) -> None:
        self._queues: dict[Any, _Queue] = {}
        self._changed = threading.Condition()
        self._version = 0
        self._quiet: dict[int, int] = {}
        self._of = of
        self._ended: set[int] = set()

    def ask(self, key: Any, capacity: int, what: str, *arguments: Any) -> Any:
        """Call a method of a queue, which comes to be when it is first asked for."""
        with self._changed:
            found = self._queues.get(key)
            if found is None:
                found = self._queues[key] = _Queue(capacity)
            value = getattr(found, what)(*arguments)
            if (
                what in ("close", "give_back", "recall")
                or (value and what == "offer")
                or (what == "try_take" and value[0])
            ):
                self._version += 1
                self._changed.notify_all()
            return value

    def wait(self, version: int, seconds: float) -> int:
        """Wait until something has changed since `version`, so long at most. Gives the present one."""
        with self._changed:
            self._changed.wait_for(lambda: self._version != version, seconds)
            return self._version

    def quiet(self, process: int, version: int) -> bool:
        """A process can do nothing until something changes. Gives whether that is so for all of them."""
        with self._changed:
            self._quiet[process] = version
            waiting = {each for each, seen in self._quiet.items() if seen == self._version}
            return len(waiting | self._ended) == self._of

    def ended(self, process: int) -> None:
        """A process will do nothing any more."""
        with self._changed:
            self._ended.add(process)

    def began(self, process: int) -> None:
        """A process does something, again perhaps."""
        with self._changed:
            self._ended.discard(process)


class Manager(BaseManager):
    """Serves a `Hall`, and finds it from the other processes."""

    if TYPE_CHECKING:

        def hall(self) -> Any: ...


Manager.register("hall", exposed=("ask", "wait", "quiet", "ended", "began"))


def serve(address: str, key: bytes, of: int) -> None:
    """Serve a hall at a socket with this name, until the manager is shut down or the kernel is gone."""
    hall, parent = Hall(of), os.getppid()

    class Serving(BaseManager):
        pass

    Serving.register("hall", callable=lambda: hall, exposed=("ask", "wait", "quiet", "ended", "began"))
    over = threading.Event()

    def look() -> None:
        while not over.wait(1.0):
            if os.getppid() != parent:
                os._exit(0)

    threading.Thread(target=look, daemon=True).start()
    server: Any = Serving(address, key).get_server()
    try:
        with suppress(SystemExit):
            server.serve_forever()
    finally:
        over.set()
        # Else it would be done when this process ends, and the folder is gone by then.
        with suppress(OSError):
            server.listener.close()


def connected(address: str, key: bytes) -> Manager:
    """Connect to the manager that serves there, waiting for it to begin.

    Raises
    ------
    OSError
        If there is none.
    """
    deadline = time.monotonic() + _START_SECONDS
    while True:
        manager = Manager(address, key)
        try:
            manager.connect()
            return manager
        except (FileNotFoundError, ConnectionRefusedError):
            if time.monotonic() > deadline or not os.path.isdir(os.path.dirname(address)):
                raise
            _sleep(0.01)


# In the processes that run coroutines.


class Link:
    """A process's connection to the hall.

    Parameters
    ----------
    address, key:
        Of the manager.
    share:
        Whose coroutines use it.
    """

    def __init__(self, address: str, key: bytes, share: Share) -> None:
        self.share = share
        self._lock = _allocate_lock()
        self._pending: deque[_Carried] = deque()
        self._made = self._carried = 0
        self._over = False
        self._thread: threading.Thread | None = None
        try:
            # `Manager` is for finding it, and its proxies are for one hall.
            self._manager = connected(address, key)
        except OSError as error:
            raise RuntimeError(
                f"Channel(shared=True) needs processes on the machine of the kernel ({error})"
            ) from None
        self._hall = self._manager.hall()
        self._hall.began(share.process)

    def new_key(self, by_body: bool) -> Any:
        """Give the key of a channel that is made: the same in all processes, if all of them make it."""
        self._made += 1
        return ("body", self._made) if by_body else (self.share.process, self._made)

    def ask(self, channel: Exchanged, what: str, *arguments: Any) -> Any:
        """Ask the channel's queue, on the run's thread or on the link's."""
        hub = getattr(self.share, "hub", None)
        if hub is None or _get_ident() != self.share.thread:
            return self._hall.ask(channel.key, channel.capacity, what, *arguments)
        # The socket must not switch to another coroutine in the middle of it.
        before, hub.busy = hub.busy, True
        try:
            return self._hall.ask(channel.key, channel.capacity, what, *arguments)
        finally:
            hub.busy = before

    def carry_on(self, request: _Carried) -> None:
        """Keep on trying a request, in the link's thread."""
        self.share.hub.offloaded += 1
        with self._lock:
            self._pending.append(request)
            self._carried += 1
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="coro_magic link", daemon=True)
            hub = self.share.hub
            before, hub.busy = hub.busy, True
            try:
                self._thread.start()
            finally:
                hub.busy = before

    def forget(self, request: _Carried) -> bool:
        """Do not try it any more. Gives whether it was still to be tried."""
        with self._lock:
            if request not in self._pending:
                return False
            self._pending.remove(request)
        self.share.hub.offloaded -= 1
        return True

    def waits_before(self, request: _Carried) -> bool:
        """Say whether somebody waits for the same already."""
        with self._lock:
            return any(
                type(each) is type(request) and each.channel is request.channel for each in self._pending
            )

    def close(self) -> None:
        """The run is over."""
        self._over = True
        if self._thread is not None:
            self._thread.join()
        with suppress(OSError, EOFError):
            self._hall.ended(self.share.process)

    def _run(self) -> None:
        version = -1
        try:
            while not self._over:
                seen, carried = version, self._carried
                if not self._serve():
                    version = self._hall.wait(version, _PAUSE)
                    if carried != self._carried:
                        # Somebody came who was tried before the last change, and not since.
                        continue
                    if version == seen and self._is_quiet() and self._hall.quiet(self.share.process, version):
                        break
        except (OSError, EOFError):
            pass  # whoever serves is gone: nothing will come any more
        if not self._over:
            self.share.hub.call_soon(self._give_up)

    def _serve(self) -> bool:
        """Try all that is pending, of each kind in its order. Gives whether anything was done."""
        with self._lock:
            pending = list(self._pending)
        behind: set[Any] = set()
        done = False
        for request in pending:
            kind = (type(request), id(request.channel))
            if kind in behind:
                continue
            try:
                ready, value, error = *request.attempt(), None
            except Exception as raised:
                ready, value, error = True, None, raised
            if not ready:
                behind.add(kind)
                continue
            done = True
            with self._lock:
                known = request in self._pending
                if known:
                    self._pending.remove(request)
            if known:
                self.share.hub.call_soon(_Done(self.share.hub, request, value, error))
            elif error is None:
                request.undo(value)
        return done

    def _is_quiet(self) -> bool:
        """Whether all coroutines here wait for something from outside."""
        share = self.share
        return (
            len(self._pending) >= share._unfinished > 0
            and share.hub.next_timer == _NEVER
            and not share.hub.news
        )

    def _give_up(self) -> None:
        """Nobody will do anything any more: whoever waits is left over."""
        with self._lock:
            self.share.hub.offloaded -= len(self._pending)
            self._pending.clear()


class _Done:
    """The end of a request that was carried on, as a callback."""

    def __init__(self, hub: Any, request: _Carried, value: Any, error: BaseException | None) -> None:
        self.hub, self.request, self.value, self.error = hub, request, value, error

    def __call__(self) -> None:
        self.hub.offloaded -= 1
        if self.request.withdrawn:
            if self.error is None:
                self.request.undo(self.value)
        elif self.error is not None:
            self.request.waiter.fail(self.error)  # type: ignore[union-attr]
        else:
            self.request.waiter.wake(self.value)  # type: ignore[union-attr]


class Exchanged(Channel[Any]):
    """A shared channel, in a process that has a `Link`."""

    link: Link

    def get(self) -> Any:
        return _Take(self)

    def put(self, item: Any) -> Any:
        return _Give(self, item)

    def close(self) -> None:
        self.closed = True
        if not self.left_to_the_first():
            self.link.ask(self, "close")

    def left_to_the_first(self) -> bool:
        """Say whether the caller is the body in another process than the first, where it is done."""
        return self.link.share.process > 0 and self.link.share.in_body

    def __len__(self) -> int:
        return int(self.link.ask(self, "qsize"))

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "link"}

    def __repr__(self) -> str:
        name = f" {self.name!r}" if self.name else ""
        return f"<Channel{name}, shared, with room for {self.capacity}>"


class _Carried(Request):
    """A request that the link carries on until it is done."""

    __slots__ = ("channel", "withdrawn")
    channel: Exchanged

    def __init__(self, channel: Exchanged) -> None:
        self.waiter = None
        self.channel = channel
        self.withdrawn = False

    def begin(self, waiter: Any) -> Any:
        self.claim(waiter)
        link = self.channel.link
        if not link.waits_before(self):
            done, value = self.attempt()
            if done:
                return value
        link.carry_on(self)
        return PENDING

    def withdraw(self) -> None:
        self.withdrawn = True
        self.channel.link.forget(self)

    def undo(self, value: Any) -> None:
        """It was done, and nobody wants it any more."""

    def block(self, timeout: float | None) -> Any:
        raise RuntimeError("a shared channel is for coroutines")


class _Take(_Carried):
    __slots__ = ()
    verb = "get"
    left_over = True

    def begin(self, waiter: Any) -> Any:
        if self.channel.left_to_the_first():
            from .share import ElsewhereError

            raise ElsewhereError(
                "the cell's body runs in every process, and an item is for one: take it in a coroutine"
            )
        return super().begin(waiter)

    def attempt(self) -> tuple[bool, Any]:
        done, item = self.channel.link.ask(self.channel, "try_take")
        return done, _unpacked(item) if done else None

    def undo(self, value: Any) -> None:
        self.channel.link.ask(self.channel, "give_back", _packed(value))

    def describe(self) -> str:
        return f"an item from {self.channel}"


class _Give(_Carried):
    __slots__ = ("item", "number")
    verb = "put"

    def __init__(self, channel: Exchanged, item: Any) -> None:
        super().__init__(channel)
        self.item = _packed(item)
        self.number = 0

    def begin(self, waiter: Any) -> Any:
        return None if self.channel.left_to_the_first() else super().begin(waiter)

    def attempt(self) -> tuple[bool, Any]:
        ask = self.channel.link.ask
        if not self.number:
            self.number = ask(self.channel, "offer", self.item)
            if not self.number:
                return False, None
        return ask(self.channel, "was_taken", self.number), None

    def withdraw(self) -> None:
        super().withdraw()
        if self.number:
            self.channel.link.ask(self.channel, "recall", self.number)

    def describe(self) -> str:
        return f"room in {self.channel}"


def _packed(item: Any) -> bytes:
    import cloudpickle

    return cloudpickle.dumps(item)  # type: ignore[no-any-return]


_own_classes: Callable[[bytes], Any] | None = None


def _unpacked(item: bytes) -> Any:
    import pickle

    return pickle.loads(item) if _own_classes is None else _own_classes(item)


def read_with(read: Callable[[bytes], Any] | None) -> None:
    """Let items be read by `read`, which knows the classes of this process's own cell."""
    global _own_classes
    _own_classes = read
