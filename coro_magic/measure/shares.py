"""A run in several processes: the program is carried to each, what comes back is merged into one `Run`.

Each process runs the cell's body and keeps the coroutines of its share (`engines.share`). They run
on the pool's processes, or on any executor of the user's.
"""

from __future__ import annotations

import io
import os
import pickle
import shutil
import sys
import tempfile
import time
from array import array
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.managers import dispatch  # type: ignore[attr-defined]
from pathlib import Path
from typing import Any

from ..engines.board import begun_file, ended_file
from ..engines.calls import Calls
from ..engines.exchange import connected, serve
from ..engines.interrupts import told_of_interrupts
from ..engines.part import Part, Work
from ..engines.pickling import pickled
from ..engines.processes import carry_out, header_of_this
from ..engines.program import Program
from ..engines.split import by_arguments, by_turns, in_blocks
from ..language import Channel
from . import baseline
from .cores import cores
from .gathered import Gathered
from .options import Options
from .pool import pool
from .process import CannotBegin, NoBaseline, first_line
from .run import Run
from .underway import Underway

_MOST, _MOST_PER_CORE = 64, 8  # processes of our own
_GRACE = 5.0  # seconds in which processes must have stopped when they are told to
_GRACE_ON_THE_WAY = 60.0  # ... and in which what they have come to must have arrived
_LOOK_EVERY = 0.2  # seconds
_TELL_AFTER = 1.0  # seconds; what takes less needs no progress


@dataclass
class _Place:
    """Where a share runs: `submit` and, where a process is ours, `replace`."""

    executor: Executor | None

    def submit(self, number: int, header: dict[str, Any], work: bytes) -> Future[Any]:
        if self.executor is None:
            return pool.submit(number, carry_out, header, work)
        return self.executor.submit(carry_out, header, work)


def run_shares(
    program: Program | Calls,
    namespace: dict[str, Any],
    options: Options,
    *,
    show: Callable[[Any], None],
    progress: Callable[[Underway], float] | None = None,
) -> Run:
    """Run a program in `options.processes` processes.

    Parameters
    ----------
    progress:
        Called now and then while they run; gives the seconds until it wants to be again.

    Raises
    ------
    CannotBegin
        If something does not pickle, there is no such executor or function, or a worker is not like
        this process; nothing has begun then, or what has is stopped.
    """
    of = options.processes
    executor = _executor(options.on, namespace)
    if options.split_by and isinstance(program, Calls):
        _function(options.split_by, namespace)
    shares = _shared_out(program, namespace, options)
    works = _works(program, shares, namespace, options, own_pool=executor is None)
    header = header_of_this()
    if executor is None:
        most = max(_MOST, _MOST_PER_CORE * cores())
        if of > most:
            raise CannotBegin(
                f"--processes {of}: for the {cores()} processors that there are to use no more than {most} "
                "processes are started"
            )
        try:
            pool.get_ready(of)
        except (RuntimeError, OSError) as error:
            raise CannotBegin(f"the worker processes could not be started: {first_line(error)}") from None
    board = tempfile.mkdtemp(prefix="coro_magic_")
    try:
        with _exchange(board, of, b"shared" in works[0]("", None)) as exchange:
            running = _Running(_Place(executor), works, header, board, exchange, options.retries)
            running.conduct(progress)
    finally:
        shutil.rmtree(board, ignore_errors=True)
    # Whoever interrupts now wants no more to be done, and wants to have what was done.
    late: list[bool] = []
    with told_of_interrupts(lambda: late.append(True)):
        gathered, run = _gathered(program, namespace, options, running, shares)
    run.interrupted = run.interrupted or running.interrupted or bool(late)
    sys.stdout.write(run.printed.text())
    for value in gathered.shown():
        show(value)
    return run


def _gathered(
    program: Program | Calls, namespace: dict[str, Any], options: Options, running: _Running, shares: _Shares
) -> tuple[Gathered, Run]:
    """Put together what came back."""
    if isinstance(program, Program):
        program.define(namespace)
    gathered = Gathered(running.of, namespace, options)
    for process, part in running.parts.items():
        gathered.add(part, running.sent[process], running.received[process])
    for process, (why, when) in running.lost.items():
        own, numbers = shares[process]
        known = own.names() if isinstance(own, Calls) else None
        gathered.lose(process, why, when, None if known is None else (known, list(numbers)))
    return gathered, gathered.run(program.defined() if isinstance(program, Program) else set())


# What is sent.


def _executor(name: str | None, namespace: dict[str, Any]) -> Executor | None:
    if name is None:
        return None
    found = namespace.get(name)
    if found is None:
        raise CannotBegin(f"--on {name}: there is no such name; bind an executor to it in an earlier cell")
    if not isinstance(found, Executor):
        raise CannotBegin(
            f"--on {name}: {type(found).__name__} is no executor (concurrent.futures.Executor); of a dask "
            "Client take client.get_executor(), of an ipyparallel Client rc.executor()"
        )
    return found


def _function(name: str, namespace: dict[str, Any]) -> Callable[..., Any]:
    found = namespace.get(name)
    if not callable(found):
        raise CannotBegin(f"--split-by {name}: there is no such function")
    return found  # type: ignore[no-any-return]


_Message = Callable[[str, "tuple[str, bytes] | None"], bytes]
_Shares = list[tuple[Program | Calls, "array[int]"]]


def _works(
    program: Program | Calls, shares: _Shares, namespace: dict[str, Any], options: Options, own_pool: bool
) -> list[_Message]:
    """Give for each process what makes the message to it, given the board's folder and the exchange."""
    try:
        carried = baseline.carry(program, namespace, also=(options.split_by,) if options.split_by else ())
    except NoBaseline as reason:
        why = str(reason).replace("; or say --baseline off", "")
        raise CannotBegin(f"the program {why}" if why.startswith("cannot ") else why) from None
    modules = baseline.imported_by(program)
    settings = options.for_scheduler()

    def message(process: int) -> _Message:
        own, numbers = shares[process]

        def made(board: str, exchange: tuple[str, bytes] | None) -> bytes:
            work = Work(
                own, carried, modules, process, options.processes, numbers, options.split,
                options.split_by or "", exchange, list(sys.path), os.getcwd() if own_pool else None,
                board, settings, os.getpid() if own_pool else 0,
            )  # fmt: skip
            return pickled(work)

        return made

    if isinstance(program, Calls):
        _check_channels(shares)
    works = [message(process) for process in range(options.processes)]
    try:
        works[0]("", None)
    except Exception as error:
        raise CannotBegin(
            f"the program cannot be copied to the worker processes: {first_line(error)}"
        ) from None
    return works


def _shared_out(program: Program | Calls, namespace: dict[str, Any], options: Options) -> _Shares:
    """Give each process's program: a cell is the same for all, of calls each has its own."""
    of = options.processes
    if isinstance(program, Program):
        return [(program, array("i"))] * of
    count = len(program.calls)
    shares: list[list[int]] = [[] for _ in range(of)]
    for number, call in enumerate(program.calls):
        if options.split_by:
            coroutine = call.function(*call.args, **call.kwargs) if _makes_coroutine(call) else None
            if coroutine is None:
                raise CannotBegin(
                    "--split-by is a function of a coroutine's arguments, and a function has none"
                )
            process = by_arguments(_function(options.split_by, namespace), coroutine, of)
            coroutine.close()
        elif options.split == "blocks":
            process = in_blocks(number, count, of)
        else:
            process = by_turns(number, of)
        shares[process].append(number)
    return [(Calls(tuple(program.calls[n] for n in own)), array("i", own)) for own in shares]


def _check_channels(shares: _Shares) -> None:
    """Refuse a channel that would travel to two processes. (For a cell the processes see to it.)"""
    import cloudpickle

    found: dict[int, tuple[int, Channel[Any]]] = {}
    for process, (calls, _) in enumerate(shares):
        with suppress(Exception):  # what does not pickle is told of later
            if Channel.__module__.encode() not in cloudpickle.dumps(calls):
                continue
        for channel in _channels_in(calls):
            first, _ = found.setdefault(id(channel), (process, channel))
            if first != process and not channel.shared:
                raise CannotBegin(
                    f"{channel!r} is used in process {first + 1} and in process {process + 1}, each of which "
                    "would have a copy of its own: make it Channel(shared=True), or keep together who uses it"
                )


def _channels_in(value: Any) -> list[Channel[Any]]:
    """Give the channels that travel along with a value."""
    import cloudpickle

    found: list[Channel[Any]] = []

    class Pickler(cloudpickle.Pickler):  # type: ignore[misc]
        def persistent_id(self, value: Any) -> None:
            if isinstance(value, Channel):
                found.append(value)

    with suppress(Exception):
        Pickler(io.BytesIO()).dump(value)
    return found


def _makes_coroutine(call: Any) -> bool:
    return bool(call.function.__code__.co_flags & 0x1A0) if hasattr(call.function, "__code__") else False


# While they run.


@contextmanager
def _exchange(board: str, of: int, wanted: bool) -> Iterator[tuple[str, bytes] | None]:
    """Serve shared channels in one more process of the pool. Gives where, if that is wanted."""
    if not wanted:
        yield None
        return
    address, key = os.path.join(board, "exchange"), os.urandom(16)
    pool.get_ready(of + 1)
    serving = pool.submit(of, serve, address, key, of)
    try:
        yield address, key
    finally:
        with suppress(OSError, EOFError):
            manager = connected(address, key)
            # Only who has started a manager has a method for it.
            connection = manager._Client(manager.address, authkey=key)  # type: ignore[attr-defined]
            dispatch(connection, None, "shutdown")
            connection.close()
            wait([serving], _GRACE)


class _Running:
    """Shares under way."""

    def __init__(
        self, place: _Place, works: Sequence[_Message], header: dict[str, Any], board: str,
        exchange: tuple[str, bytes] | None, retries: int,
    ) -> None:  # fmt: skip
        self._place, self._works, self._header = place, works, header
        self._exchange = exchange
        self._board, self._retries = board, retries
        self._tried = [0] * len(works)
        self._futures: dict[Future[Any], int] = {}
        self.sent: dict[int, float] = {}
        self.received: dict[int, float] = {}
        self.parts: dict[int, Part] = {}
        # Why a process was lost, and when.
        self.lost: dict[int, tuple[str, float]] = {}
        self.interrupted = False

    @property
    def of(self) -> int:
        return len(self._works)

    def conduct(self, progress: Callable[[Underway], float] | None) -> None:
        """Send them and take what comes back. `progress` is called now and then meanwhile."""
        underway = Underway(self._board, self.of)
        next_time = _TELL_AFTER
        try:
            for process in range(self.of):
                self._send(process)
            while self._futures and not underway.stopping.is_set():
                self._take_some()
                if progress is not None and self._futures and underway.now() >= next_time:
                    next_time = underway.now() + progress(underway)
            if underway.stopping.is_set():
                self.interrupted = True
                self._stop()
        except KeyboardInterrupt:
            self.interrupted = True
            self._stop()
        except BaseException:
            self._stop()
            raise

    def _send(self, process: int) -> None:
        work = self._works[process](self._board, self._exchange)
        self.sent[process] = time.perf_counter()
        self._futures[self._place.submit(process, self._header, work)] = process

    def _take(self, done: set[Future[Any]]) -> None:
        for future in done:
            process = self._futures[future]
            try:
                kind, content = future.result()
                received = time.perf_counter()
                # An interrupt may come in the midst of it: until it is here, it is still to be taken.
                part = pickle.loads(content) if kind == "part" else None
            except KeyboardInterrupt:
                raise
            except BaseException as error:
                del self._futures[future]
                self._gone(process, error)
                continue
            self.received[process] = received
            if part is not None:
                self.parts[process] = part
            del self._futures[future]
            if kind == "refused":
                raise CannotBegin(
                    f"the worker of process {process + 1} cannot take part: {content.decode()}; install the "
                    "same there"
                )
            if kind == "failed":
                self._lose(process, content.decode().strip().splitlines()[-1])

    def _gone(self, process: int, error: BaseException) -> None:
        """A worker gave no answer."""
        if isinstance(error, ImportError | AttributeError) and "coro_magic" in str(error):
            raise CannotBegin(
                f"the worker of process {process + 1} has no coro_magic like this one ({first_line(error)}); "
                "install the same version there"
            ) from None
        if self._tried[process] < self._retries and not self.interrupted:
            self._tried[process] += 1
            self._send(process)
            return
        self._lose(process, _why(error))

    def _lose(self, process: int, why: str) -> None:
        if self._exchange is not None:
            # The others need not wait for it.
            with suppress(OSError, EOFError):
                connected(*self._exchange).hall().ended(process)
        self.lost[process] = why, time.perf_counter()

    def _stop(self) -> None:
        """Tell all to stop and take what they have come to. Who does not stop is ended, if it is ours."""
        Path(self._board, "stop").touch()
        begun = time.monotonic()
        with suppress(CannotBegin):
            while self._futures and time.monotonic() - begun < _GRACE:
                for future, process in list(self._futures.items()):
                    # A future of dask's can be cancelled while it runs, and what it has come to is lost then.
                    if not os.path.exists(begun_file(self._board, process)) and future.cancel():
                        self._lose(self._futures.pop(future), "it was interrupted before it had begun")
                with suppress(KeyboardInterrupt):
                    self._take_some()
        for future, process in list(self._futures.items()):
            if not os.path.exists(ended_file(self._board, process)):
                if self._place.executor is None:
                    pool.replace(process)
                self._lose(process, f"it did not stop within {_GRACE:g} s")
                self._futures.pop(future)
        # These have stopped, and what they have come to is on its way. Who interrupts again has waited long
        # enough.
        with suppress(CannotBegin, KeyboardInterrupt):
            while self._futures and time.monotonic() - begun < _GRACE_ON_THE_WAY:
                self._take_some()
        for process in self._futures.values():
            self._lose(process, "it stopped, and what it had come to did not arrive")
        self._futures.clear()

    def _take_some(self) -> None:
        self._take(wait(self._futures, _LOOK_EVERY, FIRST_COMPLETED).done)


def _why(error: BaseException) -> str:
    """Say why a worker is gone."""
    name, text = type(error).__name__, " ".join(str(error).split())
    if name == "TerminatedWorkerError":
        at = text.find("exit codes of the workers are")
        codes = text[at:].partition("{")[2].partition("}")[0] if at >= 0 else ""
        return f"the worker process died ({codes})" if codes else "the worker process died"
    return f"{name}: {text[:200]}"
