"""The colours of the states: a blue and an orange that every eye can tell apart, waits pale.

From Okabe and Ito's palette (https://jfly.uni-koeln.de/color/). Colour never stands alone: running is
dark and fills its row, ready is lighter and lower, waiting is pale and thin; kinds of waits differ
in brightness too.
"""

from __future__ import annotations

from typing import Any

RUNNING = "#0a5c99"
READY = "#efa21f"
# A thread that runs or waits for the GIL: nobody can tell which, so it is not as dark as running.
ACTIVE = "#5a97c5"
# Waits by total time, the largest first; what is left over shares the last colour.
WAITS = ("#c6ccd2", "#8fcdb2", "#cf9fc4")
OTHER_WAITS = "#868e96"
NOT_BEGUN = "#e9e2d0"

FAILED = "#c1121f"
INK = "#1c2126"
FAINT_INK = "#5b646c"
GRID = "#e4e7ea"
PAPER = "#ffffff"
LANE = "#f5f6f8"
THREADS = "#b8560b"  # the threads' line in the throughput plot
# ... and those of the other sides.
POOL = "#8a6d00"
SEQUENTIAL = "#5b646c"
ASYNCIO = "#007a5e"
GEVENT = "#a3478a"
# Each side's line: colour and dashes. In print, and to eyes that see few colours, the dashes tell them apart.
LINES: dict[str, tuple[str, Any]] = {
    "coroutines": (RUNNING, "-"),
    "one process": (RUNNING, (0, (1, 1))),
    "threads": (THREADS, (0, (5, 2))),
    "threadpool": (POOL, (0, (2, 1.5))),
    "sequential": (SEQUENTIAL, (0, (1, 1))),
    "asyncio": (ASYNCIO, (0, (7, 1.5, 1.5, 1.5))),
    "gevent": (GEVENT, (0, (4, 1.5, 1, 1.5, 1, 1.5))),
}
MARK = "#6b2fa0"
# What held the thread; the cue beside the colour is the hatching.
SLOW = INK

# How much of its row's height a state fills.
HEIGHTS = {"running": 0.86, "ready": 0.56, "waiting": 0.32}
