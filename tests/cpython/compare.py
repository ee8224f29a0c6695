"""Compare, test by test, what CPython's own tests come to plain and inside a coroutine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import tomllib
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).parent
PATIENCE = 60  # seconds in which some test must begin or end

MODULES = (
    "test_socket", "test_ssl", "test_select", "test_selectors", "test_poll", "test_epoll", "test_queue",
    "test_threading", "test_thread", "test_subprocess", "test_httplib", "test_ftplib", "test_smtplib",
    "test_poplib", "test_urllib2_localnet", "test_socketserver", "test_xmlrpc",
    "test_concurrent_futures", "test_logging",
)  # fmt: skip


@dataclass
class Comparison:
    """What the tests of one module came to.

    Attributes
    ----------
    run:
        How many passed plain.
    same:
        How many of them passed inside.
    listed, different:
        Those that did not, with what they said: known exceptions, and others.
    superfluous:
        Exceptions that are listed, and pass.
    """

    module: str
    run: int = 0
    same: int = 0
    listed: dict[str, str] = field(default_factory=dict)
    different: dict[str, str] = field(default_factory=dict)
    superfluous: list[str] = field(default_factory=list)


def exceptions() -> dict[str, str]:
    """Give the tests that are known to differ, with the reason."""
    return {
        test: reason
        for section in tomllib.loads((HERE / "exceptions.toml").read_text()).values()
        for test, reason in section.items()
    }


def outcomes(module: str, plain: bool, only: tuple[str, ...] = ()) -> dict[str, tuple[str, str]]:
    """Run a module; gives outcome and what was said by test. One that hangs is noted, and left out."""
    found: dict[str, tuple[str, str]] = {}
    while True:
        with tempfile.TemporaryDirectory() as folder:
            results = Path(folder) / "results"
            results.touch()
            command = [sys.executable, "-W", "ignore", str(HERE / "inside.py"), str(results), module]
            command += ["--plain"] if plain else []
            command += ["--only", *only] if only else []
            command += ["--skip", *found] if found else []
            process = subprocess.Popen(
                command, cwd=HERE.parent.parent, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL, start_new_session=True,
            )  # fmt: skip
            hung = not _came_to_an_end(process, results)
            lines = [json.loads(line) for line in results.read_text().splitlines()]
        ended = False
        running = ""
        for test, outcome, said in lines:
            if not test:
                ended = True
            elif outcome == "begun":
                running = test
            elif found.get(test, ("passed", ""))[0] == "passed":
                found[test] = (outcome, said)
        if ended or not running:
            return found
        if running in found and not hung:
            # It died between two tests: what is left cannot be told from what was done.
            running = ""
        if not running:
            return found
        found[running] = ("failed", "hung" if hung else "the process died in it")


def _came_to_an_end(process: subprocess.Popen[bytes], results: Path) -> bool:
    """Wait for a process that writes results; end it when nothing is written any more."""
    size = -1
    while True:
        try:
            process.wait(PATIENCE)
            return True
        except subprocess.TimeoutExpired:
            now = os.path.getsize(results)
            if now == size:
                process.kill()
                process.wait()
                return False
            size = now


def compare(module: str, only: tuple[str, ...] = ()) -> Comparison:
    """Run a module plain and inside. What differs is run again: it must differ twice."""
    known = exceptions()
    comparison = Comparison(module)
    plain, inside = outcomes(module, True, only), outcomes(module, False, only)
    good = [test for test, (outcome, _) in plain.items() if outcome in ("passed", "expected failure")]
    suspects = [test for test in good if inside.get(test, ("", ""))[0] != plain[test][0]]
    if suspects:
        patterns = tuple(test.removeprefix(f"test.{module}.") for test in suspects)
        again = outcomes(module, False, patterns)
        inside |= {test: again[test] for test in suspects if test in again}
    for test in good:
        comparison.run += 1
        outcome, said = inside.get(test, ("missing", ""))
        passes = outcome == plain[test][0]
        if passes:
            comparison.same += 1
            if test in known:
                comparison.superfluous.append(test)
        elif test in known:
            comparison.listed[test] = known[test]
        else:
            comparison.different[test] = f"{outcome}: {said}"
    return comparison
