"""The colours of the states: a blue and an orange that every eye can tell apart, waits pale.

From Okabe and Ito's palette (https://jfly.uni-koeln.de/color/). Colour never stands alone: running
stands out most and fills its row, ready is lower, waiting is the faintest and thin; kinds of waits differ
in brightness too. Each colour has one meaning and two values: on light ground, and on dark. Whoever
draws asks this module (``palette.RUNNING``), and gets the one for the ground that is drawn on, which
`on` chooses. So colours are asked for where they are used, and never when a module is loaded.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from types import MappingProxyType
from typing import Any

# The names, for those who ask: `__getattr__` answers.
RUNNING: str
READY: str
# A thread that runs or waits for the GIL: nobody can tell which, so it is not as strong as running.
ACTIVE: str
WAITS: tuple[str, ...]  # by total time, the largest first; what is left over shares the last colour
OTHER_WAITS: str
NOT_BEGUN: str
FAILED: str
INK: str
FAINT_INK: str
GRID: str
PAPER: str
LANE: str
THREADS: str  # the threads' line in the throughput plot
MARK: str
SLOW: str  # what held the thread; the cue beside the colour is the hatching
STATES: dict[str, str]  # what a coroutine does, in the order in which legends tell it
LINES: dict[str, tuple[str, Any]]  # each side's line: colour and dashes, as `_DASHES`

# In print, and to eyes that see few colours, the dashes tell the sides apart.
_DASHES: dict[str, Any] = {
    "coroutines": "-",
    "one process": (0, (1, 1)),
    "threads": (0, (5, 2)),
    "threadpool": (0, (2, 1.5)),
    "sequential": (0, (1, 1)),
    "asyncio": (0, (7, 1.5, 1.5, 1.5)),
    "gevent": (0, (4, 1.5, 1, 1.5, 1, 1.5)),
}


def _complete(colours: dict[str, Any]) -> MappingProxyType[str, Any]:
    sides = {
        "coroutines": colours["RUNNING"], "one process": colours["RUNNING"], "threads": colours["THREADS"],
        "sequential": colours["FAINT_INK"], **colours.pop("OTHERS"),
    }  # fmt: skip
    lines = {side: (sides[side], dashes) for side, dashes in _DASHES.items()}
    states = {"running": colours["RUNNING"], "ready": colours["READY"], "waiting": colours["WAITS"][0]}
    return MappingProxyType({**colours, "SLOW": colours["INK"], "STATES": states, "LINES": lines})


LIGHT = _complete({
    "RUNNING": "#0a5c99", "READY": "#efa21f", "ACTIVE": "#5a97c5",
    "WAITS": ("#c6ccd2", "#8fcdb2", "#cf9fc4"), "OTHER_WAITS": "#868e96", "NOT_BEGUN": "#e9e2d0",
    "FAILED": "#c1121f", "MARK": "#6b2fa0", "INK": "#1c2126", "FAINT_INK": "#5b646c",
    "GRID": "#e4e7ea", "PAPER": "#ffffff", "LANE": "#f5f6f8", "THREADS": "#b8560b",
    "OTHERS": {"threadpool": "#8a6d00", "asyncio": "#007a5e", "gevent": "#a3478a"},
})  # fmt: skip
# The strongest is the brightest here, and the faintest still has three times the ground's brightness.
DARK = _complete({
    "RUNNING": "#7cc4ff", "READY": "#e08f12", "ACTIVE": "#4a8fc4",
    "WAITS": ("#6f7983", "#3f8f72", "#a86a98"), "OTHER_WAITS": "#8f99a3", "NOT_BEGUN": "#7a7252",
    "FAILED": "#ff6b6b", "MARK": "#c7a0f2", "INK": "#eceff1", "FAINT_INK": "#a3adb6",
    "GRID": "#2a3036", "PAPER": "#111418", "LANE": "#2a2f36", "THREADS": "#f0904a",
    "OTHERS": {"threadpool": "#d9b83a", "asyncio": "#3fc79b", "gevent": "#e08ac8"},
})  # fmt: skip

# How much of its row's height a state fills.
HEIGHTS = {"running": 0.86, "ready": 0.56, "waiting": 0.32}

# Of this thread and context: a panel may be drawn while a picture is.
_ground = ContextVar("coro_magic_ground", default=LIGHT)


@contextmanager
def on(dark: bool) -> Iterator[None]:
    """Give the colours for dark ground, or for light, in a ``with`` block."""
    before = _ground.set(DARK if dark else LIGHT)
    try:
        yield
    finally:
        _ground.reset(before)


def __getattr__(name: str) -> Any:
    try:
        return _ground.get()[name]
    except KeyError:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}") from None
