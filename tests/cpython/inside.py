"""Run a module of CPython's own tests as it is, plain or inside a coroutine.

    python tests/cpython/inside.py RESULTS MODULE [--plain] [--only PATTERN ...] [--skip ID ...]

Inside, two other coroutines tick all the time: one with ``time.sleep``, one with a request. What came of
each test is written to the file RESULTS line by line as it happens, so that a hang or a crash loses
nothing: a JSON list of the test's id and its outcome, with what it said.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import tempfile
import time
import unittest
from typing import Any, TextIO


class Recorder(unittest.TestResult):
    """Writes down what comes of each test."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__()
        self._stream = stream

    def _write(self, test: Any, outcome: str, said: object = "") -> None:
        self._stream.write(json.dumps([test.id(), outcome, str(said)[-300:]]) + "\n")
        self._stream.flush()

    def startTest(self, test: Any) -> None:
        super().startTest(test)
        self._write(test, "begun")

    def addSuccess(self, test: Any) -> None:
        super().addSuccess(test)
        self._write(test, "passed")

    def addError(self, test: Any, err: Any) -> None:
        super().addError(test, err)
        self._write(test, "failed", repr(err[1]))

    def addFailure(self, test: Any, err: Any) -> None:
        super().addFailure(test, err)
        self._write(test, "failed", repr(err[1]))

    def addSubTest(self, test: Any, subtest: Any, err: Any) -> None:
        super().addSubTest(test, subtest, err)
        if err is not None:
            self._write(test, "failed", repr(err[1]))

    def addSkip(self, test: Any, reason: str) -> None:
        super().addSkip(test, reason)
        self._write(test, "skipped", reason)

    def addExpectedFailure(self, test: Any, err: Any) -> None:
        super().addExpectedFailure(test, err)
        self._write(test, "expected failure")

    def addUnexpectedSuccess(self, test: Any) -> None:
        super().addUnexpectedSuccess(test)
        self._write(test, "failed", "unexpected success")


def without(suite: unittest.TestSuite, skipped: set[str]) -> unittest.TestSuite:
    """Give the suite without some tests."""
    kept = unittest.TestSuite()
    for each in suite:
        if isinstance(each, unittest.TestSuite):
            kept.addTest(without(each, skipped))
        elif each.id() not in skipped:
            kept.addTest(each)
    return kept


def main() -> None:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("results")
    parser.add_argument("module")
    parser.add_argument("--plain", action="store_true")
    parser.add_argument("--only", nargs="*", default=[])
    parser.add_argument("--skip", nargs="*", default=[])
    given = parser.parse_args()
    from test import support

    # As `python -m test -u all,-largefile` has them; what "network" stands for is loopback here.
    support.use_resources = ["cpu", "network", "subprocess", "walltime"]
    loader = unittest.TestLoader()
    if given.only:
        loader.testNamePatterns = [f"*{pattern}*" for pattern in given.only]
    with open(given.results, "a") as stream, tempfile.TemporaryDirectory() as folder:
        before = os.getcwd()
        os.chdir(folder)
        try:
            tests = loader.loadTestsFromModule(importlib.import_module(f"test.{given.module}"))
            tests = without(tests, set(given.skip))
            result = Recorder(stream)
            if given.plain:
                tests.run(result)
            else:
                inside(tests, result)
            stream.write(json.dumps(["", "ended", ""]) + "\n")
        finally:
            os.chdir(before)
    # Threads that a test left behind must not keep the process.
    os._exit(0)


def inside(tests: unittest.TestSuite, result: Recorder) -> None:
    """Run tests in a coroutine, beside two others that tick."""
    import coro_magic

    ended = False
    blocking = asking = 0

    def ticks() -> None:
        nonlocal blocking
        while not ended:
            time.sleep(0.01)
            blocking += 1

    def ticks_too() -> Any:
        nonlocal asking
        while not ended:
            yield coro_magic.sleep(0.01)
            asking += 1

    def run_tests() -> None:
        nonlocal ended
        try:
            tests.run(result)
        finally:
            ended = True

    run = coro_magic.run(run_tests, ticks, ticks_too(), baseline="off", trace="off")
    if min(blocking, asking) < run.elapsed / 0.01 / 100:
        raise RuntimeError(f"the others hardly ticked: {blocking} and {asking} in {run.elapsed:.1f} s")


if __name__ == "__main__":
    main()
