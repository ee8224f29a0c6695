"""Run a module of CPython's own tests as it is, plain or inside a coroutine.

    python tests/cpython/inside.py RESULTS MODULE [--plain] [--only PATTERN ...] [--skip ID ...]

Inside, two other coroutines tick all the time: one with ``time.sleep``, one with a request. That a test
passes says little if it stopped the thread meanwhile, so the longest time without a tick is measured
for each.

What came of each test is written to the file RESULTS as it happens, one JSON object a line, so that a
hang or a crash loses nothing. Shortly before the driver's patience ends, what the threads and the
parked coroutines are doing is written to RESULTS.stacks.
"""

from __future__ import annotations

import argparse
import faulthandler
import fnmatch
import gc
import importlib
import json
import os
import sys
import tempfile
import time
import traceback
import unittest
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

# A test may replace the module's functions, and a run does.
_clock = time.perf_counter
_write = os.write
_PAUSE = 0.01  # seconds between two ticks


class Ticks:
    """What the coroutines beside the tests did, and how long they could not."""

    def __init__(self) -> None:
        self.blocking = self.asking = 0
        self.over = False
        self._last = self._watching_since = _clock()
        self._longest = 0.0

    def tick(self) -> None:
        """Note that the thread was free for somebody else."""
        now = _clock()
        self._longest = max(self._longest, now - max(self._last, self._watching_since))
        self._last = now

    def watch(self) -> None:
        """Begin to look for the longest pause anew."""
        self._longest = 0.0
        self._watching_since = _clock()

    def longest(self) -> float:
        """Give the longest pause since `watch`, in seconds."""
        return max(self._longest, _clock() - max(self._last, self._watching_since))


class Recorder(unittest.TestResult):
    """Writes down what comes of each test."""

    def __init__(self, results: str, ticks: Ticks, patience: float) -> None:
        super().__init__()
        self._file = os.open(results, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        self._stacks = open(results + ".stacks", "w")  # noqa: SIM115
        self._process = os.getpid()
        self._ticks = ticks
        self._patience = patience
        self.begun: float | None = None
        self.is_inside: Callable[[], bool] = lambda: True
        self._failed = False

    def write(self, **what: Any) -> None:
        """Write a line, unless this is a process that a test has forked."""
        if os.getpid() == self._process:
            _write(self._file, (json.dumps(what) + "\n").encode())

    def write_stacks(self) -> None:
        """Write where every parked coroutine is: they are on no thread's stack."""
        import greenlet

        for each in gc.get_objects():
            if isinstance(each, greenlet.greenlet) and each.gr_frame is not None:
                print("\nA parked step:", *traceback.format_stack(each.gr_frame)[-25:], file=self._stacks)
        self._stacks.flush()

    def startTest(self, test: Any) -> None:
        super().startTest(test)
        self._failed = False
        self.write(test=test.id(), outcome="begun")
        self._ticks.watch()
        self.begun = _clock()
        faulthandler.dump_traceback_later(self._patience, file=self._stacks)

    def stopTest(self, test: Any) -> None:
        faulthandler.cancel_dump_traceback_later()
        super().stopTest(test)
        self.begun = None
        if not self.is_inside():
            # The run was ended by what the test did. What came after it would prove nothing.
            self.stop()

    def _came_to(self, test: Any, outcome: str, err: Any = None, said: str = "") -> None:
        if err is not None:
            said = "".join(traceback.format_exception(*err)) if isinstance(err, tuple) else str(err)
        self._failed = self._failed or outcome in ("failed", "error")
        seconds = 0.0 if self.begun is None else _clock() - self.begun
        self.write(test=test.id(), outcome=outcome, seconds=round(seconds, 3),
                   held=round(self._ticks.longest(), 3), said=said[-3000:])  # fmt: skip

    def addSuccess(self, test: Any) -> None:
        super().addSuccess(test)
        if not self._failed:
            self._came_to(test, "passed")

    def addError(self, test: Any, err: Any) -> None:
        super().addError(test, err)
        self._came_to(test, "error", err)

    def addFailure(self, test: Any, err: Any) -> None:
        super().addFailure(test, err)
        self._came_to(test, "failed", err)

    def addSubTest(self, test: Any, subtest: Any, err: Any) -> None:
        super().addSubTest(test, subtest, err)
        if err is not None:
            self._came_to(test, "failed", err)

    def addSkip(self, test: Any, reason: str) -> None:
        super().addSkip(test, reason)
        # One part of it that is skipped leaves the outcome to the others.
        if hasattr(test, "_subDescription"):
            return
        self._came_to(test, "skipped", said=reason)

    def addExpectedFailure(self, test: Any, err: Any) -> None:
        super().addExpectedFailure(test, err)
        self._came_to(test, "expected failure")

    def addUnexpectedSuccess(self, test: Any) -> None:
        super().addUnexpectedSuccess(test)
        self._came_to(test, "failed", said="unexpected success")


def full_name(module: str) -> str:
    """Give the full name of a module of the standard library's tests, or of any other."""
    return f"test.{module}" if module.startswith("test_") else module


def wanted(suite: Any, only: list[str], skipped: set[str]) -> Iterator[unittest.TestCase]:
    """Give the tests of a suite whose id is, or contains, one of `only`, and none of `skipped`."""
    for each in suite:
        if isinstance(each, unittest.TestSuite):
            yield from wanted(each, only, skipped)
        elif each.id() not in skipped and (
            not only or any(fnmatch.fnmatchcase(each.id(), f"*{pattern}*") for pattern in only)
        ):
            yield each


def main() -> None:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("results")
    parser.add_argument("module")
    parser.add_argument("--plain", action="store_true")
    parser.add_argument("--only", nargs="*", default=[], metavar="PATTERN")
    parser.add_argument("--skip", default="", metavar="FILE", help="ids of tests to leave out, one a line")
    parser.add_argument("--import", dest="importing", choices=("before", "inside"), default="before",
                        help="import the module before the run, or in the coroutine")  # fmt: skip
    parser.add_argument("--trace", choices=("on", "off"), default="off")
    parser.add_argument("--patience", type=float, default=1000.0, metavar="SECONDS")
    given = parser.parse_args()
    skipped = set(Path(given.skip).read_text().splitlines()) if given.skip else set()
    # The tests import what they need, not what lies beside this file.
    sys.path[0] = str(Path(__file__).parents[2])
    sys.argv[1:] = []
    from test import support

    # As `python -m test -u all,-largefile` has them. Some ask for "network" and mean the loopback.
    support.use_resources = ["cpu", "network", "subprocess", "walltime"]
    support.verbose = 0
    support.record_original_stdout(sys.stdout)
    ticks = Ticks()
    result = Recorder(given.results, ticks, given.patience)

    def load() -> unittest.TestSuite:
        loader = unittest.TestLoader()
        try:
            module = importlib.import_module(full_name(given.module))
        except unittest.SkipTest:
            return unittest.TestSuite()
        return unittest.TestSuite(wanted(loader.loadTestsFromModule(module), given.only, skipped))

    with tempfile.TemporaryDirectory() as folder:
        before = os.getcwd()
        os.chdir(folder)
        try:
            suite = load() if given.plain or given.importing == "before" else None
            if given.plain:
                assert suite is not None
                suite.run(result)
            else:
                inside(lambda: (load() if suite is None else suite).run(result), result, ticks, given)
            result.write(ended=True, blocking=ticks.blocking, asking=ticks.asking)
        except BaseException:
            result.write(broken=traceback.format_exc()[-3000:])
        finally:
            os.chdir(before)
    # Threads that a test left behind must not keep the process.
    os._exit(0)


def inside(run_suite: Any, result: Recorder, ticks: Ticks, given: argparse.Namespace) -> None:
    """Run tests in a coroutine, beside two others that tick."""
    import coro_magic
    from coro_magic.engines.switching import coroutine_here

    result.is_inside = lambda: coroutine_here() is not None

    def ticks_blocking() -> None:
        # Looked up once: a test may put something else in its place that does not wait.
        pause, looked = time.sleep, None
        while not ticks.over:
            pause(_PAUSE)
            ticks.blocking += 1
            ticks.tick()
            begun = result.begun
            if begun is not None and begun != looked and _clock() - begun > given.patience:
                looked = begun
                result.write_stacks()

    def ticks_asking() -> Any:
        while not ticks.over:
            yield coro_magic.sleep(_PAUSE)
            ticks.asking += 1
            yield

    def run_tests() -> None:
        try:
            run_suite()
        finally:
            ticks.over = True

    run = coro_magic.run(run_tests, ticks_blocking, ticks_asking(), baseline="off", trace=given.trace)
    if min(ticks.blocking, ticks.asking) + 1 < run.elapsed / _PAUSE / 100:
        raise RuntimeError(
            f"the others hardly ticked: {ticks.blocking} and {ticks.asking} in {run.elapsed:.1f} s"
        )


if __name__ == "__main__":
    main()
