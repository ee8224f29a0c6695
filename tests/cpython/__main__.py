"""Compare CPython's own tests plain and inside a coroutine, and print a table.

    python -m tests.cpython [MODULE ...]
"""

from __future__ import annotations

import sys

from .compare import MODULES, compare


def main() -> int:
    """Print the table; gives 1 if tests differ that are not listed."""
    print("| module | run | same | listed | different |\n|---|---|---|---|---|")
    unlisted = []
    for module in sys.argv[1:] or MODULES:
        found = compare(module)
        print(f"| {module} | {found.run} | {found.same} | {len(found.listed)} | {len(found.different)} |",
              flush=True)  # fmt: skip
        unlisted += [f"{test}: {said}" for test, said in found.different.items()]
        unlisted += [f"{test}: is listed, and passes" for test in found.superfluous]
    print("\n".join(["", *unlisted]))
    return int(bool(unlisted))


if __name__ == "__main__":
    sys.exit(main())
