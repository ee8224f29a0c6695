"""The hub: what coroutines wait for outside themselves: timers, descriptors, other threads, and what
only shows when one looks.

It knows no coroutine, only callbacks. `Hub.wait` is the one function in which a run waits.
"""

from __future__ import annotations

import heapq
import itertools
import math
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

from .descriptors import Descriptors, Watch

_MAX_WAIT = 3600.0  # seconds; what selectors take has limits
_MAX_HELPERS = 32
_FEW = 256  # timers, for which a heap alone is good enough
_GRACE = 0.1  # seconds in which what the last thread did must have shown
_LOOK_COSTS = 5e-5  # seconds between two looks of all that there are
_FIRST_LOOK = 0.0005  # seconds until somebody looks again at what does not announce itself


class VirtualClock:
    """A time that stands still while somebody can run, and jumps when everybody sleeps."""

    def __init__(self) -> None:
        self.time = 0.0

    def now(self) -> float:
        """Give the time, in seconds since the run began."""
        return self.time


class Timer:
    """A callback at a moment."""

    __slots__ = ("callback", "hub")

    def __init__(self, hub: Hub, callback: Callable[[], None]) -> None:
        self.hub = hub
        self.callback: Callable[[], None] | None = callback

    def cancel(self) -> None:
        """Call it off; once is enough, more is harmless, and so is too late."""
        if self.callback is not None:
            self.callback = None
            self.hub.timer_called_off()


class Look:
    """A callback when a condition holds that has to be looked at, now and then."""

    __slots__ = ("callback", "due", "holds", "hub", "longest", "outside", "pause")

    def __init__(
        self, hub: Hub, holds: Callable[[], Any], callback: Callable[[], None], longest: float,
        outside: bool,
    ) -> None:  # fmt: skip
        self.hub = hub
        self.holds = holds
        self.callback: Callable[[], None] | None = callback
        self.pause = min(_FIRST_LOOK, longest)
        self.longest = longest
        self.due = time.monotonic() + self.pause
        self.outside = outside

    def cancel(self) -> None:
        """Call it off; more than once is harmless, and so is too late."""
        if self.callback is not None:
            self.callback = None
            self.hub.forget_look(self)


class Offloaded:
    """A function that runs in a helper thread."""

    __slots__ = ("done", "hub")

    def __init__(self, hub: Hub, done: Callable[[Any, BaseException | None], None]) -> None:
        self.hub = hub
        self.done: Callable[[Any, BaseException | None], None] | None = done

    def cancel(self) -> None:
        """Forget about it. What has begun goes on, and its result is thrown away."""
        self.done = None


def _raise(error: BaseException) -> None:
    raise error


class Hub:
    """Timers, descriptors and helper threads of one run.

    Parameters
    ----------
    clock:
        Gives the time in seconds.
    struck:
        Called with what a signal handler raises while the hub waits.
    """

    def __init__(
        self, clock: Callable[[], float], struck: Callable[[BaseException], None] = _raise
    ) -> None:
        self.clock = clock
        self.struck = struck
        self.next_timer = float("inf")
        self.offloaded = 0
        self.helpers: list[threading.Thread] = []
        # Sorted, the first last; and a heap of those who came since. Of a heap of many every look for the
        # first reads what is far apart in memory, again and again; to sort them reads it once.
        self._timers: list[tuple[float, int, Timer]] = []
        self._new_timers: list[tuple[float, int, Timer]] = []
        self._called_off = 0
        self._order = itertools.count()
        self._looks: dict[Look, None] = {}
        self._looks_due: list[tuple[float, int, Look]] = []
        # Looks at what somebody outside the run has to do, if it is to come.
        self._outside = 0
        self._alone_since = math.inf
        # While the hub itself starts a thread or takes a lock, those calls must not switch; while a
        # coroutine is `switching.WRITING` they had better not.
        self.busy: bool | str = False
        # What reads of coroutines wait by, by descriptor: see `switching.waits.Reading`.
        self.readings: dict[int, Any] = {}
        # How often it was in vain, of late, to read again at once after a read that got less than wanted.
        self.vain = 0
        # Callbacks from other threads.
        self.news: deque[Callable[[], None]] = deque()
        self._jobs: deque[tuple[Callable[[], Any], Offloaded]] = deque()
        self._work = threading.Semaphore(0)
        self._inbox, self._outbox = socket.socketpair()
        self._inbox.setblocking(False)
        self._outbox.setblocking(False)
        self.descriptors = Descriptors(self._inbox.fileno(), self._drain)

    # Timers.

    def call_at(self, when: float, callback: Callable[[], None]) -> Timer:
        """Call back at `when`, by the hub's clock; those at one moment in the order asked."""
        timer = Timer(self, callback)
        new = self._new_timers
        heapq.heappush(new, (when, next(self._order), timer))
        if when < self.next_timer:
            self.next_timer = when
        if len(new) > _FEW and len(new) * 4 > len(self._timers):
            self._timers += new
            self._timers.sort(reverse=True)
            new.clear()
        return timer

    def timer_called_off(self) -> None:
        """Note that a timer will not be wanted. Many of them are swept out together."""
        self._called_off += 1
        timers, new = self._timers, self._new_timers
        if self._called_off > 1000 and self._called_off * 2 > len(timers) + len(new):
            timers[:] = [entry for entry in timers if entry[2].callback is not None]
            new[:] = [entry for entry in new if entry[2].callback is not None]
            heapq.heapify(new)
            self._called_off = 0
        self._look_at_first()

    def _look_at_first(self) -> None:
        timers, new = self._timers, self._new_timers
        while timers and timers[-1][2].callback is None:
            timers.pop()
            self._called_off -= 1
        while new and new[0][2].callback is None:
            heapq.heappop(new)
            self._called_off -= 1
        self.next_timer = min(
            timers[-1][0] if timers else math.inf, new[0][0] if new else math.inf
        )

    def due(self, now: float) -> Iterator[tuple[float, Callable[[], None]]]:
        """Give what is due, one after another: when it was, and the callback, to be called at once."""
        timers, new = self._timers, self._new_timers
        while True:
            if timers and not (new and new[0] < timers[-1]):
                if timers[-1][0] > now:
                    break
                when, _, timer = timers.pop()
            elif new and new[0][0] <= now:
                when, _, timer = heapq.heappop(new)
            else:
                break
            callback, timer.callback = timer.callback, None
            if callback is None:
                self._called_off -= 1
            else:
                yield when, callback
        self._look_at_first()

    # Descriptors.

    def watch(self, descriptor: int, writing: bool, callback: Callable[[], None]) -> Watch:
        """Call back once, when `descriptor` can be read or written without waiting.

        Those who watch for the same are called one after another, in the order asked.
        """
        try:
            return self.descriptors.watch(descriptor, writing, callback)
        except PermissionError:
            # A regular file: it cannot be waited for, and is always ready.
            watch = Watch(self.descriptors, descriptor, writing, callback)
            self.news.append(watch)
            return watch

    def closing(self, descriptor: int) -> None:
        """A descriptor is about to be closed: call everybody back who watches it, to find that out."""
        self.readings.pop(descriptor, None)
        self.descriptors.closing(descriptor)

    @property
    def watching(self) -> bool:
        """Whether somebody waits for a descriptor, or for something to be looked at."""
        return bool(self.descriptors) or bool(self._looks)

    # What has to be looked at.

    def look(
        self, holds: Callable[[], Any], callback: Callable[[], None], longest: float,
        outside: bool = False,
    ) -> Look:  # fmt: skip
        """Call back once, when ``holds()`` is true.

        Parameters
        ----------
        longest:
            Seconds between two looks at most. The first come sooner one after another.
        outside:
            Whether nothing but another thread can make it true, if the coroutines do not.
        """
        look = Look(self, holds, callback, longest, outside)
        self._looks[look] = None
        heapq.heappush(self._looks_due, (look.due, next(self._order), look))
        self._outside += outside
        self._alone_since = math.inf
        return look

    def forget_look(self, look: Look) -> None:
        """Call a look off."""
        if self._looks.pop(look, self) is None:
            self._outside -= look.outside

    def _look(self) -> None:
        now, due = time.monotonic(), self._looks_due
        # The more there are, the less often each is looked at.
        longest = len(self._looks) * _LOOK_COSTS
        while due and due[0][0] <= now:
            look = heapq.heappop(due)[2]
            callback = look.callback
            if callback is None:
                continue
            if look.holds():
                # What was announced before comes first, in the order in which it happened; this, too, maybe.
                self._hear()
                if look.callback is not None:
                    look.cancel()
                    callback()
            else:
                look.pause = min(2 * look.pause, max(look.longest, longest))
                look.due = now + look.pause
                heapq.heappush(due, (look.due, next(self._order), look))

    # Helper threads, and calls from other threads.

    def offload(
        self, function: Callable[[], Any], done: Callable[[Any, BaseException | None], None]
    ) -> Offloaded:
        """Call `function` in a helper thread and then `done(value, error)` on this one."""
        job = Offloaded(self, done)
        self.offloaded += 1
        self._jobs.append((function, job))
        if self.offloaded > len(self.helpers) and len(self.helpers) < _MAX_HELPERS:
            helper = threading.Thread(target=self._help, name="coro_magic helper", daemon=True)
            self.helpers.append(helper)
            self._undisturbed(helper.start)
        self._undisturbed(self._work.release)
        return job

    def _undisturbed(self, function: Callable[[], None]) -> None:
        before, self.busy = self.busy, True
        try:
            function()
        finally:
            self.busy = before

    def _help(self) -> None:
        while True:
            self._work.acquire()
            if not self._jobs:
                return
            function, job = self._jobs.popleft()
            value, error = None, None
            try:
                if job.done is not None:  # else nobody wants it any more
                    value = function()
            except BaseException as raised:
                error = raised
            self.call_soon(_Finished(self, job, value, error))
            # Until the next job comes this thread must keep nothing of the last.
            del function, job, value, error

    def call_soon(self, callback: Callable[[], None]) -> None:
        """Call back on the run's thread, as soon as it comes to it. The only call for other threads."""
        self.news.append(callback)
        self.rouse()

    def rouse(self) -> None:
        """End the present `wait`, or the next one. Fit for signal handlers."""
        with suppress(OSError):  # full: it will wake up anyway; or closed: nobody waits any more
            self._outbox.send(b"\0")

    # Waiting.

    @property
    def expecting(self) -> bool:
        """Whether anything can still happen by itself."""
        return (
            bool(self.descriptors)
            or self.next_timer != math.inf
            or bool(self.offloaded)
            or bool(self.news)
            or len(self._looks) > self._outside
            or (bool(self._outside) and self._somebody_may_act())
        )

    def _somebody_may_act(self) -> bool:
        now = time.monotonic()
        if _others_at_work():
            self._alone_since = math.inf
            return True
        # A thread is not seen any more a little before its end can be.
        self._alone_since = min(self._alone_since, now)
        return now - self._alone_since < _GRACE

    def wait(self, until: float, waited: Callable[[], None] | None = None) -> None:
        """Wait for descriptors, helper threads and `rouse`, and call back.

        Parameters
        ----------
        until:
            Seconds of real time to wait at most; what is not above 0 only looks.
        waited:
            Called first, when the waiting is over.
        """
        if self._looks:
            while self._looks_due[0][2].callback is None:
                heapq.heappop(self._looks_due)
            until = min(until, self._looks_due[0][0] - time.monotonic())
        until = 0.0 if self.news else max(0.0, min(until, _MAX_WAIT))
        # What is raised here comes from a signal handler of the user's, while nobody ran.
        found, struck = [], None
        try:
            found = self.descriptors.poll(until)
        except BaseException as error:
            struck = error
        if waited is not None:
            waited()
        try:
            if struck is not None:
                raise struck
            self.descriptors.call_back(found)
        except BaseException as error:
            self.struck(error)
        self._hear()
        if self._looks:
            self._look()

    def _hear(self) -> None:
        """Call back what other threads have asked for."""
        while self.news:
            self.news.popleft()()

    def _drain(self) -> None:
        try:
            while self._inbox.recv(4096):
                pass
        except BlockingIOError:
            pass

    def close(self) -> None:
        """Let everything go. Helpers that are in the middle of a call end when it does."""
        for _ in self.helpers:
            self._work.release()
        self._jobs.clear()
        self.descriptors.close()
        self._inbox.close()
        self._outbox.close()
        now = time.monotonic()
        for helper in self.helpers:
            helper.join(max(0.0, now + 0.5 - time.monotonic()))


# Threads of these are no reason to expect that a lock will be released.
_BACKGROUND = {"IPython", "coro_magic", "ipykernel", "jupyter_client", "tornado", "zmq"}


def _others_at_work() -> bool:
    """Say whether there are threads that may do something for the coroutines: the user's."""
    here = threading.current_thread()
    return any(
        thread is not here and thread is not threading.main_thread() and not _is_background(thread)
        for thread in threading.enumerate()
    )


def _is_background(thread: threading.Thread) -> bool:
    target = getattr(thread, "_target", None)
    made_by = (type(thread), target, getattr(target, "__self__", None).__class__)
    return any(
        str(getattr(each, "__module__", "")).partition(".")[0] in _BACKGROUND for each in made_by
    )


class _Finished:
    """The end of an offloaded call, as a callback."""

    __slots__ = ("error", "hub", "job", "value")

    def __init__(self, hub: Hub, job: Offloaded, value: Any, error: BaseException | None) -> None:
        self.hub, self.job, self.value, self.error = hub, job, value, error

    def __call__(self) -> None:
        self.hub.offloaded -= 1
        if self.job.done is not None:
            self.job.done(self.value, self.error)
