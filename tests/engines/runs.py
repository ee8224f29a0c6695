"""Running coroutines without a cell: what the tests of this room share."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import threading
from typing import Any

from coro_magic.engines.scheduler import Scheduler
from coro_magic.language.coroutine import as_coroutine


def run(*targets: Any, **options: Any) -> Scheduler:
    """Run coroutines, or functions that make them; the first is the body. Errors stay in the tasks."""
    scheduler = Scheduler(**options)

    def begin(scheduler: Scheduler) -> None:
        for target in targets:
            scheduler.spawn(as_coroutine(target))

    scheduler.run(begin)
    return scheduler


def result_of(target: Any, **options: Any) -> Any:
    """Run a body and give what it returned, or raise what it raised."""
    return run(target, **options).tasks[0].result()


def python(program: str, *arguments: str, timeout: float = 60, given: str = "") -> str:
    """Run a program in an interpreter of its own, which can read `given`, and give what it printed."""
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    ended = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program), *arguments],
        capture_output=True, text=True, timeout=timeout, input=given, env={**os.environ, "PYTHONPATH": root},
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr[-3000:]
    return ended.stdout


def open_descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def threads() -> int:
    return threading.active_count()
