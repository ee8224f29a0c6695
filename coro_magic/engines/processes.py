"""What a worker process does with its share of a program.

`carry_out` is what an executor calls. It gets a header that every version of this package can read,
and the rest as bytes, which only the same version on the same Python must try to read.
"""

from __future__ import annotations

import ast
import contextlib
import io
import multiprocessing
import os
import pickle
import sys
import threading
import time
import traceback
from array import array
from collections.abc import Callable
from typing import Any

from .board import Watched
from .exchange import read_with
from .interrupts import told_of_interrupts
from .jobs import pack, unpack
from .observe import Observer
from .own_classes import OwnClasses
from .part import Part, Work, part_of
from .performing import import_all
from .program import Execution, Program
from .share import Share, watching_channels

_one_at_a_time = threading.Lock()


def header_of_this() -> dict[str, Any]:
    """Give what must be the same in both processes."""
    from .. import __version__

    return {"coro_magic": __version__, "Python": "{}.{}".format(*sys.version_info[:2])}


def carry_out(header: dict[str, Any], work: bytes) -> tuple[str, bytes]:
    """Do one share of a program. Gives ``"part"`` and a `Part`, pickled, or ``"refused"`` and why."""
    own = header_of_this()
    if header != own:
        differences = ", ".join(
            f"{name} {own.get(name)} instead of {value}"
            for name, value in header.items()
            if own.get(name) != value
        )
        return "refused", f"it has {differences}".encode()
    # An executor may have several threads to a process, or fewer workers than there are shares.
    with _one_at_a_time:
        try:
            return "part", pickle.dumps(_run(work), protocol=5)
        except KeyboardInterrupt:
            return "failed", b"interrupted before it began, or after it had ended"
        except Exception:
            return "failed", traceback.format_exc(limit=-5).encode()


_warm = False


def warm() -> int:
    """Run something small, the first time, so that a program finds a process as warm as the kernel is.

    Gives the process's id.
    """
    global _warm
    if not _warm:
        _warm = True
        # loky's start method is unknown to a process that a coroutine starts by `multiprocessing`: it would
        # die at once, and a pool would start the next one, for ever.
        multiprocessing.set_start_method(None, force=True)
        program = Program(ast.parse("def f():\n    yield\nf()"), "", "warm_up")
        options: dict[str, Any] = {}
        carry_out(
            header_of_this(),
            pickle.dumps(
                Work(program, pack({}, {}), (), 0, 1, array("i"), "robin", "", None, [], None, "", options)
            ),
        )
    return os.getpid()


def _run(message: bytes) -> Part:
    began = time.perf_counter()
    # Whatever comes to be from here on: calls have their channels with them.
    channels: list[Any] = []
    watching_channels(channels.append)
    try:
        return _watched(pickle.loads(message), channels, began)
    finally:
        watching_channels(None)
        read_with(None)


def _watched(work: Work, channels: list[Any], began: float) -> Part:
    sys.path += [each for each in work.path if each not in sys.path]
    if work.cwd is not None and os.getcwd() != work.cwd:
        os.chdir(work.cwd)
    work.program.remember_source()
    namespace = unpack(work.carried)
    share = Share(
        work.process, work.of, work.split, _looked_up(work.split_by, namespace), namespace,
        work.exchange, has_body=work.program.has_body, **work.options,
    )  # fmt: skip
    for channel in channels:
        share.made(channel)
    watching_channels(share.made)
    made: dict[str, type] = {}
    read_with(lambda item: OwnClasses(item, namespace, made).load())
    # One that comes a moment before the run, or after it, costs nothing of what it came to. There may be
    # several for one click: the terminal or the front end sends one to all, and there is the word to stop.
    with told_of_interrupts(share.request_interrupt):
        return _carried_out(work, share, namespace, began)


def _looked_up(name: str, namespace: dict[str, Any]) -> Callable[[], Any] | None:
    if not name:
        return None

    def found() -> Any:
        # It may be a function of the cell itself.
        function = namespace.get(name)
        if not callable(function):
            what = "is not there" if function is None else f"is {type(function).__name__}"
            raise TypeError(f"--split-by takes the name of a function, and {name} {what}")
        return function

    return found


def _carried_out(work: Work, share: Share, namespace: dict[str, Any], began: float) -> Part:
    shown: list[Any] = []
    execution = work.program.execution(namespace, shown.append)
    execution.get_ready()
    if isinstance(execution, Execution) and work.split == "robin" and not work.split_by:
        execution.passes_over = share.passing_over()
    observer = Observer(share, namespace) if isinstance(work.program, Program) else None
    before = dict(namespace)
    import_all(work.modules)
    quiet = io.StringIO()
    cpu = time.process_time()
    if observer is not None and share.trace.recording:
        observer.start(execution.code)  # type: ignore[union-attr]
    try:
        with (
            contextlib.redirect_stdout(_Nowhere()),
            contextlib.redirect_stderr(quiet),
            Watched(share, work),
        ):
            share.run(execution.begin, namespace)
    finally:
        watching_channels(None)
        if share.link is not None:
            share.link.close()
        execution.end()
        if observer is not None:
            observer.stop()
    if share.deadlock is not None:
        share.deadlock.add_note(
            f"in process {work.process + 1} of {work.of}: coroutines of the others cannot take part in it"
        )
    cpu = time.process_time() - cpu
    return part_of(work, share, namespace, before, shown, execution, observer, cpu, began)


class _Nowhere(io.TextIOBase):
    """Standard output in a worker: what is printed is noted by the scheduler, and goes nowhere else."""

    def writable(self) -> bool:
        return True

    def write(self, text: str, /) -> int:
        return len(text)
