"""The garbage collector, while many coroutines come to be.

It looks for garbage whenever some hundred objects have been made, and at all objects whenever their
number has grown by a quarter. A coroutine is three objects (itself, its context, its task) that are no
garbage for as long as the run lasts: of a million, looking costs as much as all the rest. So it looks
less often the more there are, and as often as before where there are few.
"""

from __future__ import annotations

import gc

MANY = 4096  # coroutines, from which on it is worth while
_SHARE = 8  # as many objects as this share of the coroutines may be made before it looks


def collected() -> None:
    """Look through all that has piled up, unless somebody has switched that off.

    Before a run: in it, that would take the coroutines' time, and none of the threads', whose process has
    little.
    """
    if gc.isenabled():
        gc.collect()


class Patience:
    """For the length of a ``with`` block, lets the collector be called less often when told."""

    def __enter__(self) -> Patience:
        self._before = self._now = gc.get_threshold()
        return self

    def __exit__(self, *exc_info: object) -> None:
        # Whoever has changed it in the meantime has meant something by that.
        if self._now != self._before and gc.get_threshold() == self._now:
            gc.set_threshold(*self._before)

    def grown(self, count: int) -> None:
        """There are `count` coroutines by now."""
        young = self._now[0]
        if 0 < young < count // _SHARE and gc.get_threshold() == self._now:
            gc.set_threshold(count // _SHARE, *self._now[1:])
            self._now = gc.get_threshold()
