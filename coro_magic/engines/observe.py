"""Generators driven by hand, observed: when they were resumed, by whom, when they gave control back.

They stay what they are, plain generators that somebody calls `next` or ``send`` on. What is watched
is the code of generator functions: with `sys.monitoring` local events (CPython 3.12 and later),
which cost nothing for other code; before that with `sys.setprofile`, switched on only for the steps
of coroutines that can reach a generator function, because it slows every call down.

A generator that is merely delegated to with ``yield from`` is part of the one that delegates.
"""

from __future__ import annotations

import dis
import inspect
import sys
import threading
import types
from typing import Any

from ..language import State, Where
from .frames import code_of, ours
from .handover import names_in
from .interrupts import gate
from .scheduler import Scheduler
from .trace import BORN_WAITING, CLOSED_WAITING, RESUMED, STOPPED, SUSPENDED

_monitoring: Any = getattr(sys, "monitoring", None)  # CPython 3.12 and later
# Code is read without its specialisations (`co_code`), so these are the plain names.
_GOING_THROUGH = {dis.opmap["SEND"], dis.opmap["FOR_ITER"]}
_YIELD = dis.opmap["YIELD_VALUE"]
_RETURN = dis.opmap["RETURN_VALUE"]


# Who drives a generator by hand says one of these.
_DRIVING = {"next", "send", "throw"}


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
        self.count = 0
        self._scheduler = scheduler
        self._trace = scheduler.trace
        self._namespace = namespace
        self._cell: types.CodeType | None = None
        self._thread = threading.get_ident()
        self._rows: dict[types.FrameType, int] = {}
        self._codes: dict[int, types.CodeType] = {}
        self._places: dict[tuple[int, int], bool] = {}
        self._reasons: dict[tuple[int, int], int] = {}
        self._can_drive: dict[int, bool] = {}
        self._tool: int | None = None
        self._observed: set[int] = set()
        # Where something was thrown into a generator that was not seen to go on since.
        self._thrown_at: dict[types.FrameType, int] = {}

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
        if _monitoring is not None:
            self._start_monitoring()
        elif sys.getprofile() is None:
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
        for frame, row in self._rows.items():
            where = Where(frame.f_code.co_filename, frame.f_lineno)
            closed = frame in self._thrown_at or _has_ended(frame)
            self._trace.finished(row, State.CANCELLED if closed else State.LEFT_OVER, where)
            if self._trace.recording:
                self._trace.write((row, CLOSED_WAITING, end))
        self._rows.clear()
        self._thrown_at.clear()

    # What happens to a generator.

    def _born(self, frame: types.FrameType) -> int:
        parent = self._driver(frame.f_back)
        row = self._rows[frame] = self._trace.born(
            frame.f_code.co_name, parent, 0, self._scheduler.clock(), BORN_WAITING
        )
        return row

    def _driver(self, by: types.FrameType | None) -> int:
        """Give the row whose code stands at a frame."""
        while by is not None and by not in self._rows and not ours(by.f_code):
            by = by.f_back
        if by is not None and by in self._rows:
            return self._rows[by]
        current = self._scheduler.current
        return -1 if current is None else current.row

    def _resumed(self, frame: types.FrameType) -> None:
        back = frame.f_back
        if back is None or ours(back.f_code):
            return  # the scheduler's own doing: a coroutine in its care
        row = self._rows.get(frame)
        if row is None:
            if not self._by_hand(back):
                return
            row = self._born(frame)
        self.count += 1
        recorder = self._scheduler.recorder
        if recorder is not None:
            recorder.resumed(self._driver(back), back)
        if self._trace.recording:
            self._trace.write((row, RESUMED, self._scheduler.clock()))

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

    def _gave_back(self, frame: types.FrameType) -> None:
        row = self._rows.get(frame)
        if row is not None and self._trace.recording:
            key = (id(frame.f_code), frame.f_lasti)
            code = self._reasons.get(key)
            if code is None:
                where = Where(frame.f_code.co_filename, frame.f_lineno)
                code = self._reasons[key] = self._trace.code(SUSPENDED, "its driver", where)
            self._trace.write((row, code, self._scheduler.clock()))
            if self._scheduler.recorder is not None:
                self._scheduler.recorder.gave_back(row, frame, ended=False)
            if self._trace.full:
                self._trace.fold()

    def _ended(self, frame: types.FrameType, error: BaseException | None) -> None:
        row = self._rows.pop(frame, None)
        if row is None:
            return
        where = Where(frame.f_code.co_filename, frame.f_lineno)
        if error is None:
            state = State.DONE
        else:
            state = State.CANCELLED if isinstance(error, GeneratorExit) else State.FAILED
        self._trace.finished(row, state, where)
        if self._trace.recording:
            self._trace.write((row, STOPPED, self._scheduler.clock()))
        if self._scheduler.recorder is not None:
            self._scheduler.recorder.gave_back(row, frame, ended=True)

    # CPython 3.12 and later.

    def _start_monitoring(self) -> None:
        monitoring = _monitoring
        free = [tool for tool in (4, 3, 5, 2, 1, 0) if monitoring.get_tool(tool) is None]
        if not free:
            return
        self._tool = tool = free[0]
        monitoring.use_tool_id(tool, "coro_magic")
        events = monitoring.events
        here, get_ident, frame_of = self._thread, threading.get_ident, sys._getframe

        def resumed(code: types.CodeType, offset: int) -> Any:
            if get_ident() == here:
                self._resumed(frame_of(1))

        def yielded(code: types.CodeType, offset: int, value: object) -> Any:
            if get_ident() == here:
                self._gave_back(frame_of(1))

        def returned(code: types.CodeType, offset: int, value: object) -> Any:
            if get_ident() == here:
                self._ended(frame_of(1), None)

        def thrown(code: types.CodeType, offset: int, error: BaseException) -> Any:
            if id(code) in self._codes and get_ident() == here:
                self._resumed(frame_of(1))

        def unwound(code: types.CodeType, offset: int, error: BaseException) -> Any:
            if id(code) in self._codes and get_ident() == here:
                self._ended(frame_of(1), error)

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
        if id(code) in self._codes and not any(frame.f_code is code for frame in self._rows):
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
        else:
            drives = self._reaches_generators(code)
        if drives:
            task.iterator = task.argument = _Profiled(task.iterator, self._profile)
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

    def _on_switch(self, goes_on: bool) -> None:
        task = self._scheduler.current if goes_on else None
        sys.setprofile(
            self._profile if task is not None and task.row in self._observed else None
        )

    def _profile(self, frame: types.FrameType, event: str, argument: Any) -> None:
        code = frame.f_code
        if id(code) not in self._codes:
            return
        if event == "call":
            # Who enters at the yield itself is entered by `throw` or `close`.
            self._thrown_at.pop(frame, None)
            if code.co_code[frame.f_lasti] == _YIELD:
                self._thrown_at[frame] = frame.f_lasti
            self._resumed(frame)
        elif event == "return":
            if frame.f_lasti >= 0 and code.co_code[frame.f_lasti] == _YIELD:
                if argument is not None or self._thrown_at.get(frame) != frame.f_lasti:
                    self._thrown_at.pop(frame, None)
                self._gave_back(frame)
            else:
                self._ended(frame, None if argument is not None or _returns(frame) else _Unknown())


def _has_ended(frame: types.FrameType) -> bool:
    """Say whether a generator's frame will not go on, where the interpreter tells.

    CPython 3.13 and later close a generator that has nothing to clean up without running it.
    """
    if sys.version_info < (3, 13):
        return False
    try:
        frame.clear()
    except RuntimeError:
        return False  # it is suspended
    return True


def _returns(frame: types.FrameType) -> bool:
    """Say whether a frame that gives None back does so by returning, not by raising."""
    operation = frame.f_code.co_code[frame.f_lasti] if frame.f_lasti >= 0 else -1
    return operation == _RETURN


class _Unknown(Exception):
    """The error with which a generator ended, where the interpreter does not tell."""


class _Profiled:
    """An iterator whose every step is watched, for a task's `iterator`."""

    def __init__(self, iterator: Any, profile: Any) -> None:
        self._iterator = iterator
        self._profile = profile

    def __next__(self) -> Any:
        return self._step(next, self._iterator)

    def send(self, value: Any) -> Any:
        return self._step(self._iterator.send, value)

    def throw(self, error: BaseException) -> Any:
        return self._step(self._iterator.throw, error)

    def _step(self, function: Any, argument: Any) -> Any:
        sys.setprofile(self._profile)
        try:
            return function(argument)
        finally:
            sys.setprofile(None)


# What is called from here is the user's: an interrupt may strike there.
gate(_Profiled._step)
