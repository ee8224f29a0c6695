"""Compare, test by test, what CPython's own tests come to plain and inside a coroutine."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

from .inside import full_name

HERE = Path(__file__).parent
PATIENCE = 60.0  # seconds in which some test must begin or end
BEGINNING = 15.0  # seconds more until the first one begins: on a slow day it takes long to start a process
ATTEMPTS = 3

MODULES = (
    "test_socket", "test_ssl", "test_select", "test_selectors", "test_poll", "test_epoll", "test_queue",
    "test_threading", "test_thread", "test_subprocess", "test_httplib", "test_ftplib", "test_smtplib",
    "test_poplib", "test_urllib2_localnet", "test_socketserver", "test_xmlrpc",
    "test_concurrent_futures", "test_logging",
)  # fmt: skip
_PASSED = ("passed", "expected failure")


@dataclass(frozen=True)
class Outcome:
    """What one test came to.

    Attributes
    ----------
    kind:
        "passed", "failed", "error", "skipped", "expected failure", "hung", "died", "broke off" (it
        ended the run) or "not run".
    said:
        The traceback, the reason, or where it hung.
    seconds:
        How long it took.
    held:
        The longest time in which no other coroutine could run, in seconds.
    """

    kind: str
    said: str = ""
    seconds: float = 0.0
    held: float = 0.0

    @property
    def good(self) -> bool:
        """Whether it did what it is there for."""
        return self.kind in _PASSED

    @property
    def last_line(self) -> str:
        """The last line of what was said."""
        return (self.said.strip().splitlines() or [""])[-1]


@dataclass(frozen=True)
class Way:
    """How the tests are run.

    Attributes
    ----------
    importing:
        Whether the module is imported "before" the run or "inside" it, where what it takes hold of
        stands in for the original already.
    trace:
        "on" or "off".
    """

    importing: str = "before"
    trace: str = "off"

    def arguments(self) -> list[str]:
        """Give what `inside` takes."""
        return ["--import", self.importing, "--trace", self.trace]


PLAIN: Way | None = None


@dataclass
class Comparison:
    """What the tests of one module came to.

    Attributes
    ----------
    shipped:
        Whether this Python has the module.
    run:
        How many passed plain.
    same:
        How many of them passed inside.
    listed, different:
        Those that did not: known exceptions with their reason, and others with what they came to.
    unsteady:
        Those that passed inside, but not at the first attempt, with what they came to at first.
    superfluous:
        Exceptions that are listed, and pass.
    held:
        For how many seconds a test that passed inside held the thread.
    """

    module: str
    shipped: bool = True
    run: int = 0
    same: int = 0
    seconds: float = 0.0
    listed: dict[str, str] = field(default_factory=dict)
    different: dict[str, Outcome] = field(default_factory=dict)
    unsteady: dict[str, Outcome] = field(default_factory=dict)
    superfluous: list[str] = field(default_factory=list)
    held: dict[str, float] = field(default_factory=dict)


def is_shipped(module: str) -> bool:
    """Say whether this Python comes with a module of its tests."""
    try:
        return importlib.util.find_spec(full_name(module)) is not None
    except ModuleNotFoundError:
        return False


def exceptions() -> dict[str, str]:
    """Give the tests that are known to differ, with the reason."""
    return {
        test: reason
        for section in tomllib.loads((HERE / "exceptions.toml").read_text()).values()
        for test, reason in section.items()
    }


def outcomes(
    module: str, way: Way | None, only: tuple[str, ...] = (), without: Collection[str] = ()
) -> dict[str, Outcome]:
    """Run a module and give what its tests came to. After one that hangs or crashes the rest goes on.

    Parameters
    ----------
    way:
        How they are run inside a coroutine; None for plain.
    without:
        Tests to leave out.
    """
    found: dict[str, Outcome] = {}
    while True:
        known = len(found)
        with tempfile.TemporaryDirectory() as folder:
            results = Path(folder) / "results"
            results.touch()
            skip = Path(folder) / "skip"
            skip.write_text("\n".join([*found, *without]))
            command = [sys.executable, "-W", "ignore", str(HERE / "inside.py"), str(results), module]
            command += ["--plain"] if way is None else way.arguments()
            command += ["--skip", str(skip), "--patience", str(PATIENCE * 0.75)]
            command += ["--only", *only] if only else []
            environment = {
                name: value for name, value in os.environ.items() if not name.startswith("PYTHON")
            }
            process = subprocess.Popen(
                command, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL, start_new_session=True, env=environment,
            )  # fmt: skip
            hung = not _came_to_an_end(process, results)
            lines = [json.loads(line) for line in results.read_text().splitlines()]
            stacks = Path(folder) / "results.stacks"
            where = stacks.read_text(errors="replace") if stacks.exists() else ""
        running, ended = "", False
        for line in lines:
            if "ended" in line:
                ended = True
            elif "broken" in line:
                # By the test that ran last, or by none.
                test = running or f"the run of {module}"
                if test not in found or found[test].good:
                    found[test] = Outcome("broke off", line["broken"])
            elif line["outcome"] == "begun":
                running = line["test"]
            elif line["test"] not in found or found[line["test"]].good:
                # A test whose parts fail is told of more than once; the first says most.
                test, kind = line.pop("test"), line.pop("outcome")
                found[test] = Outcome(kind, **line)
        if ended:
            return found
        if running and running not in found:
            said = where if hung else "the process ended in it"
            found[running] = Outcome("hung" if hung else "died", said, PATIENCE if hung else 0.0)
        elif not any("broken" in line for line in lines):
            said = where if hung else f"the process ended with {process.returncode}"
            found[f"after {running or 'the beginning'}"] = Outcome("hung" if hung else "died", said)
        if len(found) == known or not running:
            return found


_going_on: set[subprocess.Popen[bytes]] = set()


def end_all() -> None:
    """End the processes that run tests, with what the tests have started: each has a group of its own."""
    for process in list(_going_on):
        _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _came_to_an_end(process: subprocess.Popen[bytes], results: Path) -> bool:
    """Wait for a process that writes results; end it when nothing is written for too long."""
    size, since = -1, time.monotonic()
    _going_on.add(process)
    try:
        while time.monotonic() - since <= PATIENCE + (BEGINNING if size <= 0 else 0.0):
            try:
                process.wait(0.5)
                return True
            except subprocess.TimeoutExpired:
                now = os.path.getsize(results)
                if now != size:
                    size, since = now, time.monotonic()
        return False
    finally:
        _end(process)
        _going_on.discard(process)


def compare(module: str, only: tuple[str, ...] = (), way: Way | None = None) -> Comparison:
    """Run a module plain and inside.

    What differs is run again, both plain and inside: a test that is flaky by itself may pass inside at a
    later attempt, and one that is not is called unsteady then.
    """
    way = way or Way()
    comparison = Comparison(module, shipped=is_shipped(module))
    if not comparison.shipped:
        return comparison
    known = exceptions()
    begun = time.monotonic()
    plain = outcomes(module, PLAIN, only)
    good = {test for test, outcome in plain.items() if outcome.good}
    # What does not pass plain proves nothing inside, and may take its time to.
    inside = outcomes(module, way, only, plain.keys() - good)
    first = {test: inside.get(test, Outcome("not run")) for test in good}
    # What is no test of the module: the run itself, a fixture of a class.
    first |= {test: outcome for test, outcome in inside.items() if test not in plain and not outcome.good}
    bad = {test: outcome for test, outcome in first.items() if not outcome.good}
    flaky: set[str] = set()
    better: set[str] = set()
    for _ in range(ATTEMPTS - 1):
        suspects = tuple(test for test in bad if test in good and test not in better)
        suspects = tuple(test for test in suspects if test not in known)
        if not suspects:
            break
        plain_again, again = outcomes(module, PLAIN, suspects), outcomes(module, way, suspects)
        flaky |= {test for test in suspects if not plain_again.get(test, Outcome("not run")).good}
        better |= {test for test in suspects if again.get(test, Outcome("not run")).good}
    for test, outcome in first.items():
        comparison.run += test in good
        if outcome.good or test in better:
            comparison.same += 1
            comparison.held[test] = outcome.held
            if test in known:
                comparison.superfluous.append(test)
            if not outcome.good and test not in flaky:
                comparison.unsteady[test] = outcome
        elif test in known:
            comparison.listed[test] = known[test]
        else:
            comparison.different[test] = outcome
    comparison.seconds = time.monotonic() - begun
    return comparison
