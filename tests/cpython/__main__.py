"""Compare CPython's own tests plain and inside a coroutine, and print a table.

    python -m tests.cpython [MODULE ...] [--only PATTERN ...] [--import inside] [--trace on] [--jobs N]

Below the table: what differs and is not listed, with its traceback; exceptions that are listed and
pass; what passed inside at a second attempt only; and the tests that held the thread longest.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from concurrent.futures import ThreadPoolExecutor

from .compare import MODULES, Comparison, Way, compare, end_all

_HELD = 0.3  # seconds for which a test may hold the thread without being named


def row(found: Comparison) -> str:
    """Give a line of the table."""
    if not found.shipped:
        return f"| {found.module} | this Python comes without it | | | | |"
    return (
        f"| {found.module} | {found.run} | {found.same} | {len(found.different)} | {len(found.listed)} "
        f"| {found.seconds:.0f} |"
    )


def details(found: Comparison) -> list[str]:
    """Give what has to be said beside the table."""
    told = [
        f"{test}: {outcome.kind}\n    " + "\n    ".join(outcome.said.strip().splitlines())
        for test, outcome in found.different.items()
    ]
    told += [f"{test}: is listed, and passes" for test in found.superfluous]
    told += [
        f"{test}: {outcome.kind} at first, and passed later: {outcome.last_line}"
        for test, outcome in found.unsteady.items()
    ]
    held = sorted(found.held.items(), key=lambda each: -each[1])
    return told + [f"{test}: held the thread for {held:.2f} s" for test, held in held if held > _HELD]


def _give_up(signum: int, frame: object) -> None:
    # A test that hangs would outlive us, and keep its port.
    end_all()
    os._exit(128 + signum)


def main() -> int:
    """Print the table; gives 1 if tests differ that are not listed, or listed ones pass."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("modules", nargs="*", default=MODULES, metavar="MODULE")
    parser.add_argument("--only", nargs="*", default=[], metavar="PATTERN")
    parser.add_argument("--import", dest="importing", choices=("before", "inside"), default="before")
    parser.add_argument("--trace", choices=("on", "off"), default="off")
    parser.add_argument("--jobs", type=int, default=2)
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, _give_up)
    signal.signal(signal.SIGINT, _give_up)
    way = Way(given.importing, given.trace)
    print("| module | run | same | different | listed | seconds |\n|---|---|---|---|---|---|", flush=True)
    comparisons = []
    with ThreadPoolExecutor(given.jobs) as pool:
        for found in pool.map(lambda module: compare(module, tuple(given.only), way), given.modules):
            comparisons.append(found)
            print(row(found), flush=True)
    for found in comparisons:
        if told := details(found):
            print(f"\n{found.module}\n", *told, sep="\n")
    return int(any(found.different or found.superfluous for found in comparisons))


if __name__ == "__main__":
    sys.exit(main())
