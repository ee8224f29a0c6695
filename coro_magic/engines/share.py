"""One process's share of a program: the scheduler again, which keeps and runs some of the coroutines only.

The cell's body runs in every process and hands the same coroutines over in the same order. Each
process keeps those of its own share; the others are `Elsewhere`, and have no row. Whoever a kept
coroutine spawns is kept with it.
"""

from __future__ import annotations

import gc
import inspect
import types
from array import array
from collections.abc import Callable
from typing import Any

from ..language import Channel, Request, State, Where
from ..language import channel as _channels
from .exchange import Exchanged, Link
from .frames import code_of
from .handover import reached
from .scheduled import ScheduledTask
from .scheduler import Scheduler
from .split import by_arguments, in_blocks

# Whoever holds nothing but these holds no coroutine and no channel.
_PLAIN = frozenset({int, float, complex, bool, str, bytes, types.NoneType, range})


def _held_by(count: Any) -> Any:
    """A coroutine by which it is found out where in what it refers to its arguments begin."""
    yield count


_FIRST_ARGUMENT = next(at for at, each in enumerate(gc.get_referents(_held_by(_PLAIN))) if each is _PLAIN)


def _may_hold(code: types.CodeType | None) -> bool:
    """Say whether a coroutine of this code may hold something from its beginning on."""
    if code is None:
        return True
    takes = code.co_argcount or code.co_kwonlyargcount
    return bool(takes or code.co_freevars or code.co_flags & (inspect.CO_VARARGS | inspect.CO_VARKEYWORDS))


class ElsewhereError(RuntimeError):
    """What was asked for is in another process."""


class Elsewhere(ScheduledTask):
    """A coroutine that another process runs: what it comes to is known when all of them have ended."""

    __slots__ = ()

    @property
    def name(self) -> str:
        name: str = self.argument[0]
        return name

    def _refuse(self, *_: Any, **__: Any) -> Any:
        name, process, of = self.argument
        raise ElsewhereError(
            f"{name} runs in process {process + 1} of {of}, and what it comes to is not known here: results "
            "of other processes come with the Run (run.results), when all have ended"
        )

    state = property(_refuse)
    done = cancelled = cancel = result = exception = add_done_callback = _refuse
    as_request = wait = __await__ = _outcome = _refuse

    def __repr__(self) -> str:
        return f"<Task {self.name}: in process {self.argument[1] + 1}>"


class Share(Scheduler):
    """Runs one share of the coroutines of a cell.

    Parameters
    ----------
    process, of:
        Which share this is, from 0, and how many there are.
    split:
        ``"robin"`` or ``"blocks"``.
    split_by:
        Gives the user's function of a coroutine's arguments, which then decides; or None.
    namespace:
        The user's globals here.
    exchange:
        Where shared channels are to be found: the manager's address and key; None for nowhere.
    options:
        As for `Scheduler`.

    Attributes
    ----------
    processes:
        Of each coroutine that the body handed over, in that order, the process that has it.
    rows:
        Those of them that are here, in the same order.
    names_elsewhere:
        What the others are called, in order.
    holders:
        Those of them that may hold something, till the body has ended.
    """

    def __init__(
        self,
        process: int,
        of: int,
        split: str,
        split_by: Callable[[], Callable[..., Any]] | None,
        namespace: dict[str, Any],
        exchange: tuple[str, bytes] | None = None,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.process, self.of = process, of
        self.processes = array("H")
        self.rows = array("i")
        self.names_elsewhere, self._rows_before, self._row_count = self.trace.pass_over()
        self._in_blocks = split == "blocks" and split_by is None
        self._split_by = split_by
        self._namespace = namespace
        # Handed over, and to be dealt out when it is known how many there are.
        self._undealt: list[tuple[ScheduledTask, str, int]] = []
        # One for each function at least.
        self.holders: list[ScheduledTask] = []
        # The code of these, and whether a coroutine of it may hold something.
        self._codes: dict[Any, bool] = {}
        self._looked_at = 0
        self._holders_looked_at = 0
        self._used: dict[int, Any] = {}
        self._used_elsewhere: dict[int, Any] = {}
        self.channels: list[Channel[Any]] = []
        self.body_ended = False
        self.exchange = exchange
        self.link: Link | None = None

    # Who comes, and who is kept.

    def spawn(
        self,
        coroutine: Any,
        name: str | None = None,
        daemon: bool = False,
        where: Where | None = None,
        caller: types.FrameType | None = None,
    ) -> ScheduledTask:
        """Take a coroutine over, if it is one of this share. See `Scheduler.spawn`."""
        if not self.in_body:
            return super().spawn(coroutine, name, daemon, where, caller)
        if self._in_blocks:
            return self._hold(coroutine, name, daemon, self._places.spawn(caller))
        if self._split_by is None:
            process = len(self.processes) % self.of
        else:
            process = by_arguments(self._split_by(), coroutine, self.of)
        if process != self.process:
            elsewhere = Elsewhere.__new__(Elsewhere)
            self._pass_over(elsewhere, coroutine, coroutine.__name__ if name is None else str(name), process)
            return elsewhere
        task = super().spawn(coroutine, name, daemon, where, caller)
        self.processes.append(process)
        self.rows.append(task.row)
        return task

    def passing_over(self) -> Callable[[Any], bool]:
        """Give what leaves a generator to another process, if it is one of those of which there are many.

        It does what `spawn` does for it, all written out: a million of them are in every process but
        one for nothing.
        """
        codes, processes, own, of = self._codes.get, self.processes, self.process, self.of
        name, rows_before, rows = self.names_elsewhere.append, self._rows_before.append, self._row_count
        plain, referents, first = _PLAIN.issuperset, gc.get_referents, _FIRST_ARGUMENT
        turn, generator = processes.append, types.GeneratorType

        def pass_over(value: Any) -> bool:
            if type(value) is not generator:
                return False
            process = len(processes) % of
            if process == own:
                return False
            holds = codes(value.gi_code)
            # Somebody has driven it, or even to its end: then it has no frame any more.
            if holds is None or value.gi_suspended or value.gi_frame is None:
                return False
            if holds and not plain(map(type, referents(value)[first:])):
                return False
            turn(process)
            name(value.__name__)
            rows_before(rows())
            value.close()
            return True

        return pass_over

    def _pass_over(self, task: ScheduledTask, coroutine: Any, name: str, process: int) -> None:
        """Leave a coroutine to another process: `task`, an `Elsewhere`, stands for it here."""
        # There may be a million of them, and all of them are in every process but one for nothing.
        self.processes.append(process)
        self.names_elsewhere.append(name)
        self._rows_before.append(self._row_count())
        task.argument = (name, process, self.of)
        code = coroutine.gi_code if type(coroutine) is types.GeneratorType else code_of(coroutine)
        if code in self._codes and _PLAIN.issuperset(
            map(type, gc.get_referents(coroutine)[_FIRST_ARGUMENT:])
        ):
            coroutine.close()
            task.coroutine = None
            return
        # Till the body's end, to see what it holds (see `handover`). One at least of each function, for
        # what that names.
        self._codes[code] = _may_hold(code)
        task.coroutine = coroutine
        self._handed_over.add(coroutine)
        self.holders.append(task)

    def _hold(self, coroutine: Any, name: str | None, daemon: bool, spawned: int) -> ScheduledTask:
        if coroutine in self._handed_over:
            raise ValueError(f"{coroutine.__name__} was handed over already")
        self._handed_over.add(coroutine)
        body = self.tasks[0]
        task = ScheduledTask(self, coroutine, -1, body.context.copy())
        task.request = None
        name = coroutine.__name__ if name is None else str(name)
        # A daemon is known by its row, and it has none yet.
        task.argument = (task.iterator, daemon)
        self._undealt.append((task, name, spawned))
        return task

    def settle(self) -> None:
        """Deal out what was handed over so far, and see that no channel is needed by two processes.

        Called when the body waits for the first time since, and when it ends: nobody of these has
        begun by then.
        """
        dealt, self._undealt = self._undealt, []
        for number, (task, name, spawned) in enumerate(dealt):
            process = in_blocks(number, len(dealt), self.of)
            iterator, daemon = task.argument
            task.argument = iterator
            if process != self.process:
                followers = task._followers or ()
                coroutine = task.coroutine
                self._handed_over.discard(coroutine)
                task.__class__ = Elsewhere
                self._pass_over(task, coroutine, name, process)
                for follower in followers:
                    self._tell_elsewhere(task, follower)
            else:
                self._admit(task, name, daemon, spawned)
        self._check_channels()

    def _tell_elsewhere(self, task: Any, follower: Any) -> None:
        try:
            task._refuse()
        except ElsewhereError as error:
            if hasattr(follower, "fail"):
                follower.fail(error)

    def _admit(self, task: ScheduledTask, name: str, daemon: bool, spawned: int) -> None:
        line = self._line
        task.row = self.trace.born(name, 0, spawned, line.time)
        if daemon:
            self.trace.daemons.add(task.row)
        else:
            self._unfinished += 1
        self.tasks.append(task)
        if self.on_spawn is not None:
            self.on_spawn(task)
        self.processes.append(self.process)
        self.rows.append(task.row)
        line.arrive(task)

    # Before the body lets them run.

    def wait(self, request: Request, frame: types.FrameType | None = None) -> Any:
        if not self.body_ended and self.stepping and self._line.running.row == 0:
            self.settle()
        return super().wait(request, frame)

    def _waits(self, task: ScheduledTask, request: Request) -> None:
        super()._waits(task, request)
        if not self.body_ended and task.row == 0:
            try:
                self.settle()
            except ElsewhereError as error:
                task.interrupt(error)

    def _let_go(
        self, task: ScheduledTask, state: State, value: Any, error: BaseException | None,
        where: Where | None = None,
    ) -> None:  # fmt: skip
        if task.row == 0 and self._has_body and not self.body_ended:
            try:
                if not self._closing:
                    self.settle()
            except ElsewhereError as refused:
                state, value, error = State.FAILED, None, refused
            self.body_ended = True
            for each in self.holders:
                each.coroutine.close()
                each.coroutine = None
            self.holders.clear()
        super()._let_go(task, state, value, error, where)

    @property
    def unfinished(self) -> int:
        """How many coroutines have not ended. For other threads, too."""
        return self._unfinished

    @property
    def switches(self) -> int:
        """How many steps were made. For other threads, too."""
        return self._line.switches

    @property
    def has_body(self) -> bool:
        """Whether the first row is the cell's body."""
        return self._has_body

    def tell(self, look: Callable[[], float]) -> None:
        """Call `look` now and then while it runs; it gives the seconds until it wants to be called again."""
        self._tick = look

    # Channels.

    @property
    def in_body(self) -> bool:
        """Whether the cell's body makes a step."""
        return self._has_body and self.stepping and self._line.running.row == 0

    def made(self, channel: Channel[Any]) -> None:
        """Note a channel that came to be in this process."""
        self.channels.append(channel)
        if channel.shared and self.exchange is not None:
            if self.link is None:
                self.link = Link(*self.exchange, self)
            if channel.key is None:
                # What the body makes it makes in every process.
                channel.key = self.link.new_key(self.in_body)
            channel.__dict__["link"] = self.link
            channel.__class__ = Exchanged

    def _check_channels(self) -> None:
        """Refuse a channel that coroutines of two processes would need to share."""
        own = [each for each in self.channels if not each.shared]
        kept, self._looked_at = self.tasks[self._looked_at :], len(self.tasks)
        others = self.holders[self._holders_looked_at :]
        self._holders_looked_at = len(self.holders)
        if not own:
            return
        ours = [task for task in kept if task.row != 0 and task.coroutine is not None]
        for used, tasks in ((self._used, ours), (self._used_elsewhere, others)):
            found = reached([task.coroutine for task in tasks], own, self._namespace)
            for task, channels in zip(tasks, found, strict=True):
                for key in channels:
                    used.setdefault(key, task)
        for channel in own:
            if id(channel) in self._used and id(channel) in self._used_elsewhere:
                here, there = self._used[id(channel)], self._used_elsewhere[id(channel)]
                for task in self.tasks[1:]:
                    task.cancel()
                first, second = sorted((here.name, there.name))
                raise ElsewhereError(
                    f"{first} and {second} share {channel!r}, and run in different processes, each of "
                    "which has a copy of its own: make it Channel(shared=True), or keep together who uses "
                    "it (--split-by)"
                )


def watching_channels(made: Callable[[Channel[Any]], None] | None) -> None:
    """Let `made` be told of every channel that comes to be in this process; None for nobody."""
    _channels.on_made = made
