"""One command, one table: every row a ratio of two things measured in this run.

    python tests/benchmarks/table.py [--quick] [switches messages ...]

Each side is measured several times in turns, and the best of each is taken: what disturbs a
measurement only ever makes it slower. Peers that are not installed are left out.
"""

from __future__ import annotations

import argparse
import platform
from collections.abc import Callable

from driving import by_hand
from measuring import Row
from messages import messages
from peers import peers
from sleeping import sleepers
from spawning import many
from switches import long_runs, switches
from written import written

from notebooks import notebook

PARTS: tuple[Callable[[bool, int], list[Row]], ...] = (
    switches, peers, long_runs, messages, many, sleepers, by_hand, written, notebook,
)  # fmt: skip


def main() -> None:
    """Measure everything and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="smaller counts, fewer rounds")
    parser.add_argument(
        "parts", nargs="*", help="what to measure, of " + ", ".join(part.__name__ for part in PARTS)
    )
    given = parser.parse_args()
    quick, chosen = given.quick, given.parts
    rounds = 2 if quick else 5
    rows = [
        row for part in PARTS if not chosen or part.__name__ in chosen for row in part(quick, rounds)
    ]
    print(f"CPython {platform.python_version()}, {platform.system()} {platform.machine()}\n")
    print("| work | coro_magic | against | ratio | to reach |")
    print("|---|---|---|---|---|")
    for row in rows:
        print("| " + " | ".join(row) + " |")


if __name__ == "__main__":
    main()
