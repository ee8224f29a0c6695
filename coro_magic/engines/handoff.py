"""Generators driven by hand, in the baseline: each lives on a thread of its own, and `send` is a handoff.

To go through one with ``for`` or ``yield from`` is a call of a function that gives values, on the caller's
thread.
"""

from __future__ import annotations

import collections.abc
import functools
import threading
import time
import types
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..language import State
from ..language.coroutine import is_unstarted
from ..language.request import set_engine
from .frames import standing
from .trace import BORN_WAITING, RESUMED, STOPPED, SUSPENDED

if TYPE_CHECKING:
    from .threads import ThreadEngine

_clock = time.perf_counter


class ThreadedGeneratorFunction:
    """A generator function whose generators are `ThreadedGenerator`.

    `inspect` takes it for the generator function that it wraps.
    """

    def __init__(self, engine: ThreadEngine, function: types.FunctionType) -> None:
        functools.update_wrapper(self, function)
        self._engine = engine
        self._function = function

    def __call__(self, *args: Any, **kwargs: Any) -> ThreadedGenerator:
        return ThreadedGenerator(self._engine, self._function(*args, **kwargs))

    def __get__(self, owner: Any, kind: type | None = None) -> Any:
        return self if owner is None else types.MethodType(self, owner)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._function, name)

    def __repr__(self) -> str:
        return repr(self._function)


class ThreadedGenerator(collections.abc.Generator[Any, Any, Any]):
    """A generator that runs on a thread of its own when somebody calls `next`, ``send`` or ``throw``.

    To go through it with ``for`` or ``yield from`` is a call of a function that gives values, which
    nobody would put on a thread: that runs on the caller's.
    """

    def __init__(self, engine: ThreadEngine, generator: types.GeneratorType[Any, Any, Any]) -> None:
        self._generator = generator
        self._engine = engine
        self._row = -1
        self._message: tuple[Callable[[Any], Any], Any]
        self._answer: tuple[bool, Any]
        self._go = threading.Lock()
        self._back = threading.Lock()

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        # What asks whether this is a generator gets the answer that it got without threads.
        return types.GeneratorType

    @property
    def __coroutine__(self) -> types.GeneratorType[Any, Any, Any]:
        """The generator itself, for an engine that is asked to take it over."""
        return self._generator

    def __iter__(self) -> Any:
        return self._generator

    def send(self, value: Any) -> Any:
        return self._hand_off(self._generator.send, value)

    def throw(self, typ: Any, val: Any = None, tb: Any = None) -> Any:
        if not isinstance(typ, BaseException):
            typ = typ() if val is None else val
        return self._hand_off(self._generator.throw, typ)

    def _hand_off(self, function: Callable[[Any], Any], argument: Any) -> Any:
        generator = self._generator
        if self._row < 0:
            if not is_unstarted(generator) or generator.gi_frame is None:
                return function(argument)
            self._start()
        elif generator.gi_frame is None:
            return function(argument)
        self._message = (function, argument)
        self._go.release()
        self._back.acquire()
        raised, value = self._answer
        if raised:
            raise value
        return value

    def _start(self) -> None:
        engine = self._engine
        parent = self._driver = engine.current
        with engine._lock:
            self._row = engine.trace.born(
                self._generator.__name__, -1 if parent is None else parent.row, 0, _clock(),
                BORN_WAITING,
            )  # fmt: skip
        self._go.acquire()
        self._back.acquire()
        engine.start_thread(None, self._live)

    def _live(self) -> None:
        engine, row, generator = self._engine, self._row, self._generator
        set_engine(engine)
        engine._here.task = self._driver
        recording, write = engine._recording, engine.trace.write
        alive = True
        while alive:
            self._go.acquire()
            function, argument = self._message
            if recording:
                write((row, RESUMED, _clock()))
            try:
                self._answer = (False, function(argument))
            except BaseException as error:
                alive = False
                self._answer = (True, error)
                state = State.DONE if isinstance(error, StopIteration) else State.FAILED
                state = State.CANCELLED if isinstance(error, GeneratorExit) else state
                with engine._lock:
                    engine.trace.finished(row, state, None)
                if recording:
                    write((row, STOPPED, _clock()))
            else:
                if recording:
                    write((row, engine.trace.code(SUSPENDED, "its driver", standing(generator)), _clock()))
            self._back.release()

    def close(self) -> None:
        if self._row < 0:
            self._generator.close()
        else:
            super().close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._generator, name)

    def __repr__(self) -> str:
        return repr(self._generator)

