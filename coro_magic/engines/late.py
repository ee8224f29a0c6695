"""Since when those wait who are woken late.

Whoever waits for a timer is written down as ready from the moment on at which that was due, also where
another coroutine's step held the thread until later. The timer may have been due before the wait began (that
of a ``with timeout(...)`` block): then it is ready as soon as it would wait. When a wait began stands in the
log, at the event before; to note it for every wait would cost every wait something, so it is found when the
log is read, and looked for only where somebody was woken earlier than something that had happened before.
"""

from __future__ import annotations

import numpy as np

from .events import KIND_MASK, WAITS, WOKEN, Floats, Ints


class Beginnings:
    """Keeps, from one part of the log to the next, since when each row waits."""

    def __init__(self) -> None:
        self._since: Floats = np.zeros(0)
        self._latest = -np.inf

    def respected(self, rows: Ints, codes: Ints, times: Floats, row_count: int) -> Floats:
        """Give the times of the next events, so that nobody is woken before its wait has begun.

        Parameters
        ----------
        rows, codes, times:
            The events, in the order in which they were written; of shape (n,).
        row_count:
            How many rows there are, more than the greatest of `rows`.
        """
        kinds = codes & KIND_MASK
        waits = np.flatnonzero(kinds == WAITS)
        woken = np.flatnonzero(kinds == WOKEN)
        if len(woken):
            latest = np.maximum(np.maximum.accumulate(times), self._latest)
            late = woken[times[woken] < latest[woken]]
            if len(late):
                times = times.copy()
                times[late] = np.maximum(times[late], self._begun(late, waits, rows, times))
        if len(waits):
            if len(self._since) < row_count:
                # By a share, as `Totals` grow.
                self._since = np.append(self._since, np.zeros(row_count + row_count // 8 - len(self._since)))
            # Of a row that waits more than once the last counts.
            self._since[rows[waits]] = times[waits]
        if len(times):
            self._latest = max(self._latest, float(np.max(times)))
        return times

    def _begun(self, late: Ints, waits: Ints, rows: Ints, times: Floats) -> Floats:
        """Give when the waits began that ended with the events `late`, of which `waits` are among these."""
        size = len(rows)
        waits = waits[np.isin(rows[waits], rows[late])]
        keys = np.sort(rows[waits].astype(np.int64) * size + waits)
        whose = rows[late].astype(np.int64)
        found = np.append(-1, keys)[np.searchsorted(keys, whose * size + late)]
        here = (found >= 0) & (found // size == whose)
        known = np.append(self._since, 0.0)
        before = known[np.minimum(whose, len(known) - 1)]
        begun: Floats = np.where(here, times[found % size], before)
        return begun
