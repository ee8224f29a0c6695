"""Generators driven by hand, observed: when they were resumed, by whom, when they gave control back.

They stay what they are, plain generators that somebody calls `next` or ``send`` on. What is watched
is the code of generator functions: with `sys.monitoring` local events (CPython 3.12 and later),
which cost nothing for other code; before that with `sys.setprofile`, switched on only for the steps
of coroutines that can reach a generator function, because it slows every call down.

A generator that is merely delegated to with ``yield from`` is part of the one that delegates.
"""

from __future__ import annotations

import dis
import gc
import inspect
import sys
import threading
import types
from collections.abc import Callable
from typing import Any, NamedTuple

from ..language import State, Where
from ..language.coroutine import calling
from .events import KIND_MASK, WAITS
from .frames import code_of, ours
from .handover import names_in
from .journal import FOLD_AT
from .profiled import Profiled
from .scheduler import Scheduler
from .trace import BORN_WAITING, CLOSED_WAITING, RESUMED, STOPPED, SUSPENDED

_monitoring: Any = getattr(sys, "monitoring", None)  # CPython 3.12 and later
# Code is read without its specialisations (`co_code`), so these are the plain names.
_GOING_THROUGH = {dis.opmap["SEND"], dis.opmap["FOR_ITER"]}
_YIELD = dis.opmap["YIELD_VALUE"]
_RETURN = dis.opmap["RETURN_VALUE"]
_MANY = 64  # generators


# Who drives a generator by hand says one of these.
_DRIVING = {"next", "send", "throw"}


class _Driven(NamedTuple):
    """A generator that is driven by hand.

    `row` is its row, `resumed` the code of its being resumed, and `suspended` the codes of its giving control
    back, by the instruction at which it does.
    """

    row: int
    resumed: int
    suspended: dict[int, int]


class Observer:
    """Watches generators that the coroutines of one run drive by hand.

    Parameters
    ----------
    scheduler:
        The run.
    namespace:
        The user's globals: only generator functions that live there are watched.
    """

    def __init__(self, scheduler: Scheduler, namespace: dict[str, Any]) -> None:
        self._scheduler = scheduler
        self._trace = scheduler.trace
        self._namespace = namespace
        self._cell: types.CodeType | None = None
        self._thread = threading.get_ident()
        self._driven: dict[types.FrameType, _Driven] = {}
        # With so many it is worth looking who has ended without a word.
        self._sweep_at = _MANY
        self._codes: dict[int, types.CodeType] = {}
        self._places: dict[tuple[int, int], bool] = {}
        self._suspended: dict[int, dict[int, int]] = {}
        self._can_drive: dict[int, bool] = {}
        self._tool: int | None = None
        self._observed: set[int] = set()
        self._profile: Any = None
        # Writes down that somebody was resumed, where that has not been done yet.
        self._tell_pending: Callable[[], None] = lambda: None

    # Beginning and end.

    def start(self, code: types.CodeType) -> None:
        """Watch the generator functions of the namespace, and those defined in `code`, the cell's."""
        self._cell = code
        self._add_codes(code)
        for value in list(self._namespace.values()):
            if isinstance(value, types.FunctionType) and value.__globals__ is self._namespace:
                self._add_codes(value.__code__)
        if not self._codes:
            return
        self._trace.stepping = self._stepping
        if _monitoring is not None:
            self._start_monitoring()
        elif sys.getprofile() is None:
            self._profile = self._profile_function()
            self._scheduler.on_spawn = self._on_spawn
            self._scheduler.on_switch = self._on_switch

    def _add_codes(self, code: types.CodeType) -> None:
        if code.co_flags & inspect.CO_GENERATOR and code.co_name != "<genexpr>":
            self._codes[id(code)] = code
        for constant in code.co_consts:
            if isinstance(constant, types.CodeType):
                self._add_codes(constant)

    def stop(self) -> None:
        """Stop watching, and note those who did not end as left over; they stay as they are."""
        if self._tool is not None:
            self._stop_monitoring()
        self._scheduler.on_spawn = self._scheduler.on_switch = None
        end = self._trace.origin + self._scheduler.elapsed
        self._sweep(end)
        for frame, driven in self._driven.items():
            self._end(frame, driven, State.LEFT_OVER, CLOSED_WAITING, end)
        self._driven.clear()

    @property
    def count(self) -> int:
        """How often somebody was resumed by hand."""
        rows = self._trace.driven_rows()
        return int(self._trace.totals()["resumptions"][rows].sum()) if rows else 0

    def _stepping(self) -> int:
        current = self._scheduler.current
        return -1 if current is None else current.row

    # What happens to a generator. What happens to every one at every `send` is in the two ways of watching.

    def _first_resumed(self, frame: types.FrameType) -> _Driven | None:
        """A generator is resumed, by hand for the first time if at all: give what is known of it then."""
        back = frame.f_back
        if back is None or ours(back.f_code) or not self._by_hand(back):
            return None  # the scheduler's own doing: a coroutine in its care; or no hand
        if len(self._driven) >= self._sweep_at:
            self._sweep(self._scheduler.clock())
            self._sweep_at = max(_MANY, 2 * len(self._driven))
        code = frame.f_code
        row = self._trace.born(
            code.co_name, self._driver(back), 0, self._scheduler.clock(), BORN_WAITING
        )
        resumed = self._trace.code(RESUMED, f"send to {code.co_name}", None)
        driven = _Driven(row, resumed, self._suspended.setdefault(id(code), {}))
        self._driven[frame] = driven
        self._scheduler.on_switch = self._on_switch
        return driven

    def _driver(self, by: types.FrameType | None) -> int:
        """Give the row whose code stands at a frame."""
        while by is not None and by not in self._driven and not ours(by.f_code):
            by = by.f_back
        return self._stepping() if by is None or by not in self._driven else self._driven[by].row

    def _by_hand(self, back: types.FrameType) -> bool:
        """Say whether the caller drives a generator by hand, with `next`, ``send`` or ``throw``.

        To go through one with ``for``, ``yield from`` or `list` is a call of a function that gives
        values. The baseline sees it the same way (`handoff.ThreadedGenerator`).
        """
        key = (id(back.f_code), back.f_lasti)
        known = self._places.get(key)
        if known is None:
            at, code = back.f_lasti, back.f_code.co_code
            # CPython 3.12 stands behind the instruction, on its cache.
            going_through = at >= 0 and not _GOING_THROUGH.isdisjoint((code[at], code[at - 2]))
            known = self._places[key] = not going_through and not _DRIVING.isdisjoint(back.f_code.co_names)
        return known

    def _resumed(self, frame: types.FrameType) -> None:
        """A generator of a function that is watched goes on now, maybe driven by hand."""
        self._tell_pending()
        driven = self._driven.get(frame) or self._first_resumed(frame)
        if driven is None:
            return
        recorder = self._scheduler.recorder
        if recorder is not None and frame.f_back is not None:
            recorder.resumed(self._driver(frame.f_back), frame.f_back)
        self._goes_on(driven)

    def _goes_on(self, driven: _Driven) -> None:
        if self._scheduler.stepping:
            self._scheduler._line.enliven()
        if self._trace.full:
            self._trace.fold()
        self._trace.write((driven.row, driven.resumed, self._scheduler.clock()))

    def _gave_back(self, frame: types.FrameType, place: int) -> None:
        """A generator has given control back, at an instruction that may not be known yet."""
        self._tell_pending()
        driven = self._driven.get(frame)
        if driven is None:
            return
        where = Where(frame.f_code.co_filename, frame.f_lineno)
        code = self._trace.code(SUSPENDED, "its driver", where)
        self._trace.write((driven.row, code, self._scheduler.clock()))
        recorder = self._scheduler.recorder
        if recorder is None:
            driven.suspended[place] = code
        else:
            recorder.gave_back(driven.row, frame, ended=False)

    def _ended(self, frame: types.FrameType, error: BaseException | None) -> None:
        if frame not in self._driven:
            return
        self._tell_pending()
        driven = self._driven.pop(frame)
        if error is None:
            state = State.DONE
        else:
            state = State.CANCELLED if isinstance(error, GeneratorExit) else State.FAILED
        self._end(frame, driven, state, STOPPED, self._scheduler.clock())
        if self._scheduler.recorder is not None:
            self._scheduler.recorder.gave_back(driven.row, frame, ended=True)

    def _end(
        self, frame: types.FrameType, driven: _Driven, state: State, kind: int, time: float
    ) -> None:
        self._trace.finished(driven.row, state, Where(frame.f_code.co_filename, frame.f_lineno))
        self._trace.write((driven.row, kind, time))

    def _sweep(self, time: float) -> None:
        """Let go of those who have ended without a word: they were closed."""
        for frame in [each for each in self._driven if _has_ended(each)]:
            self._end(frame, self._driven.pop(frame), State.CANCELLED, CLOSED_WAITING, time)

    # Steps that are parked while a generator runs in them.

    def _on_switch(self, goes_on: bool) -> None:
        if self._profile is not None:
            self._watch_step(goes_on)
        if not self._driven or self._scheduler.closing:
            return
        frame: types.FrameType | None = sys._getframe(1)
        running = []
        while frame is not None:
            if frame in self._driven:
                running.append(self._driven[frame])
            frame = frame.f_back
        if not running:
            return
        if goes_on:
            for driven in reversed(running):
                self._goes_on(driven)
            return
        # They wait for what the step waits for. That was just written down, and comes after them.
        row, code, time = self._trace.take_back()
        self._tell_pending()
        for driven in running:
            self._trace.write((driven.row, self._waiting_with(code), time))
        self._trace.write((row, code, time))

    def _waiting_with(self, code: int) -> int:
        if code & KIND_MASK != WAITS:
            return self._trace.code(SUSPENDED, "its driver", None)
        return code ^ WAITS ^ SUSPENDED

    def _unnoticed(self, function: Callable[..., None]) -> Callable[..., None]:
        """Give a function that is called during a step: in step mode it takes none of the run's time."""
        recorder = self._scheduler.recorder
        if recorder is None:
            return function

        def in_no_time(*arguments: Any) -> None:
            with recorder.clock:
                function(*arguments)

        return in_no_time

    # CPython 3.12 and later.

    def _start_monitoring(self) -> None:
        monitoring = _monitoring
        free = [tool for tool in (4, 3, 5, 2, 1, 0) if monitoring.get_tool(tool) is None]
        if not free:
            return
        self._tool = tool = free[0]
        monitoring.use_tool_id(tool, "coro_magic")
        events = monitoring.events
        frame_of, get_ident, here = sys._getframe, threading.get_ident, self._thread
        driven_by_frame, line = self._driven, self._scheduler._line
        clock, write, log = self._scheduler.clock, self._trace.write, self._trace._log
        on_resumed, on_gave_back = self._unnoticed(self._resumed), self._unnoticed(self._gave_back)
        on_ended = self._unnoticed(self._ended)
        # In step mode everything is told to the recorder.
        most = FOLD_AT if self._scheduler.recorder is None else -1
        # Who was resumed, of which code, and when: it is written down when they give control back.
        pending: _Driven | None = None
        pending_code: types.CodeType | None = None
        since = 0.0

        def resumed(code: types.CodeType, offset: int) -> None:
            nonlocal most, pending, pending_code, since
            frame = frame_of(1)
            if frame in driven_by_frame and pending is None and line.lively and len(log) < most:
                pending, pending_code = driven_by_frame[frame], code
                since = clock()
            elif get_ident() == here:
                on_resumed(frame)
            else:
                # From now on the one whose code gives control back may be another thread's.
                most = -1

        def yielded(code: types.CodeType, offset: int, value: object) -> None:
            nonlocal pending, pending_code
            # Whatever else is resumed in the meantime, or parked, makes that nobody is pending.
            if code is pending_code and pending is not None:
                row, code_then, suspended = pending
                if offset in suspended:
                    pending = pending_code = None
                    write((row, code_then, since, row, suspended[offset], clock()))
                    return
            if get_ident() == here:
                on_gave_back(frame_of(1), offset)

        def tell_pending() -> None:
            nonlocal pending, pending_code
            if pending is not None:
                driven, pending, pending_code = pending, None, None
                write((driven.row, driven.resumed, since))

        self._tell_pending = tell_pending

        def returned(code: types.CodeType, offset: int, value: object) -> None:
            if get_ident() == here:
                on_ended(frame_of(1), None)

        def thrown(code: types.CodeType, offset: int, error: BaseException) -> None:
            if id(code) in self._codes and get_ident() == here:
                on_resumed(frame_of(1))

        def unwound(code: types.CodeType, offset: int, error: BaseException) -> None:
            if id(code) in self._codes and get_ident() == here:
                on_ended(frame_of(1), error)

        for event, callback in (
            (events.PY_START, resumed), (events.PY_RESUME, resumed), (events.PY_YIELD, yielded),
            (events.PY_RETURN, returned), (events.PY_THROW, thrown), (events.PY_UNWIND, unwound),
        ):  # fmt: skip
            monitoring.register_callback(tool, event, callback)
        for code in self._codes.values():
            monitoring.set_local_events(
                tool, code, events.PY_START | events.PY_RESUME | events.PY_YIELD | events.PY_RETURN
            )
        # These two cannot be had for single pieces of code; they cost something on exceptions only.
        monitoring.set_events(tool, events.PY_THROW | events.PY_UNWIND)
        self._scheduler.on_spawn = self._release

    def _release(self, task: Any) -> None:
        """Do not watch the code of a coroutine that the scheduler takes over: its switches must cost nothing.

        If others of the same function are being driven by hand it is watched on.
        """
        code = code_of(task.coroutine)
        if code is None or self._tool is None or id(code) in self._observed:
            return
        self._observed.add(id(code))
        if id(code) in self._codes and not any(frame.f_code is code for frame in self._driven):
            _monitoring.set_local_events(self._tool, code, 0)

    def _stop_monitoring(self) -> None:
        monitoring, tool = _monitoring, self._tool
        assert tool is not None
        monitoring.set_events(tool, 0)
        for code in self._codes.values():
            monitoring.set_local_events(tool, code, 0)
        monitoring.free_tool_id(tool)
        self._tool = None

    # CPython 3.11.

    def _on_spawn(self, task: Any) -> None:
        code = code_of(task.coroutine)
        if code is None:
            return
        if ours(code) and task.row == 0 and self._cell is not None:
            # The body names every coroutine of the cell. It drives one if somewhere it says so.
            drives = bool(_DRIVING & self._all_names(self._cell))
        elif code is calling.__code__:
            function = task.coroutine.gi_frame.f_locals["function"]
            plain = getattr(function, "__code__", None)
            drives = plain is not None and self._reaches_generators(plain)
        else:
            drives = self._reaches_generators(code)
        if drives:
            task.iterator = task.argument = Profiled(task.iterator, self._profile)
            self._observed.add(task.row)

    def _all_names(self, code: types.CodeType) -> set[str]:
        """Give the names that code mentions, and those that the user's functions it names mention."""
        names: set[str] = set()
        waiting, seen = [code], set()
        while waiting:
            code = waiting.pop()
            if id(code) in seen:
                continue
            seen.add(id(code))
            for name in names_in(code) - names:
                names.add(name)
                value = self._namespace.get(name)
                if isinstance(value, types.FunctionType):
                    waiting.append(value.__code__)
        return names

    def _reaches_generators(self, code: types.CodeType) -> bool:
        """Say whether code names a generator (function) of the namespace, or has functions that do."""
        known = self._can_drive.get(id(code))
        if known is None:
            known = self._can_drive[id(code)] = False
            for name in names_in(code):
                value = self._namespace.get(name)
                if isinstance(value, types.GeneratorType) or name in _DRIVING:
                    known = True
                elif isinstance(value, types.FunctionType):
                    known = (
                        known or id(value.__code__) in self._codes
                        or self._reaches_generators(value.__code__)
                    )  # fmt: skip
            known = known or any(
                isinstance(constant, types.CodeType) and id(constant) in self._codes
                for constant in code.co_consts
            )
            self._can_drive[id(code)] = known
        return known

    def _watch_step(self, goes_on: bool) -> None:
        task = self._scheduler.current if goes_on else None
        sys.setprofile(
            self._profile if task is not None and task.row in self._observed else None
        )

    def _profile_function(self) -> Callable[[types.FrameType, str, Any], None]:
        # As in `_start_monitoring`. It is called at every call of whatever.
        driven_by_frame, codes, line = self._driven, self._codes, self._scheduler._line
        clock, write, log = self._scheduler.clock, self._trace.write, self._trace._log
        on_resumed, on_left = self._unnoticed(self._resumed), self._unnoticed(self._left)
        most = FOLD_AT if self._scheduler.recorder is None else -1
        pending: types.FrameType | None = None
        since = 0.0

        def profile(frame: types.FrameType, event: str, argument: Any) -> None:
            nonlocal pending, since
            if event == "call":
                if frame in driven_by_frame and pending is None and line.lively and len(log) < most:
                    pending = frame
                    since = clock()
                elif id(frame.f_code) in codes:
                    on_resumed(frame)
            elif event == "return":
                if frame is pending:
                    row, resumed, suspended = driven_by_frame[frame]
                    place = frame.f_lasti
                    if place in suspended:
                        pending = None
                        write((row, resumed, since, row, suspended[place], clock()))
                        return
                if frame in driven_by_frame:
                    on_left(frame, argument)

        def tell_pending() -> None:
            nonlocal pending
            if pending is not None:
                driven, pending = driven_by_frame[pending], None
                write((driven.row, driven.resumed, since))

        self._tell_pending = tell_pending
        return profile

    def _left(self, frame: types.FrameType, argument: Any) -> None:
        place = frame.f_lasti
        operation = frame.f_code.co_code[place] if place >= 0 else -1
        if operation == _YIELD:
            self._gave_back(frame, place)
        else:
            self._ended(frame, None if argument is not None or operation == _RETURN else _Unknown())


def _has_ended(frame: types.FrameType) -> bool:
    """Say whether a generator's frame will not go on, where the interpreter has not told.

    Before CPython 3.12 nothing is said of one that ends at the ``yield`` at which it was closed. CPython 3.13
    and later close a generator that has nothing to clean up without running it.
    """
    if sys.version_info < (3, 12):
        # Until it ends, what is in the frame belongs to the generator.
        return bool(gc.get_referents(frame))
    if sys.version_info < (3, 13):
        return False
    try:
        frame.clear()
    except RuntimeError:
        return False  # it is suspended
    return True


class _Unknown(Exception):
    """The error with which a generator ended, where the interpreter does not tell."""
