"""The watch: sees from outside that a line takes long, so that the line itself need not look.

While steps are short, hundreds of them are laid out at a time, and nobody looks at the clock in
between: that is what makes a bare ``yield`` cheap. When steps turn long all of a sudden, what the run
waits for outside (timers, descriptors, helper threads) would come late by all of them. Within the
line no look is cheap enough, so a thread looks: a line that it finds again after `_PATIENCE` is asked
to look up.

The thread begins and ends with the run, so that whoever counts threads in it finds the same number all
the time; it sleeps on a lock unless something is waited for while coroutines run. It touches nothing
but two flags of the line; whether they are seen by this line or, by accident, the next one makes no
difference to what happens, only to when.
"""

from __future__ import annotations

import _thread
import os
from contextlib import suppress

from .line import Line

_PATIENCE = 0.005  # seconds
_IDLE_LOOKS = 4  # with nobody in line, before it goes to sleep

# Bound before a run replaces it.
_lock = _thread.allocate_lock


class Watch:
    """For the length of a ``with`` block, asks `line` to look up when it takes long.

    Parameters
    ----------
    needed:
        Whether there is to be a thread at all.

    Attributes
    ----------
    asleep:
        Whether nobody watches.
    """

    def __init__(self, line: Line, needed: bool) -> None:
        self.asleep = True
        self._needed = needed
        self._line = line
        self._over = False
        # Whoever lets go of the bell wants the thread to wake up.
        self._bell, self._gone = _lock(), _lock()
        self._bell.acquire()
        self._gone.acquire()
        # In which there is a thread; 0 for none.
        self._process = 0

    def __enter__(self) -> None:
        if not self._needed:
            return
        # Not `threading.Thread`: its locks belong to what is replaced for the length of a run.
        with suppress(RuntimeError):  # no more threads to be had: late timers are better than no run
            _thread.start_new_thread(self._watch, ())
            self._process = os.getpid()

    def __exit__(self, *exc_info: object) -> None:
        self._over = True
        if self._process == os.getpid():  # else there is no thread, or it is not in this fork of the process
            self._ring()
            self._gone.acquire()

    def wake(self) -> None:
        """Watch from now on."""
        self.asleep = False
        self._ring()

    def _ring(self) -> None:
        with suppress(RuntimeError):  # it rings already
            self._bell.release()

    def _watch(self) -> None:
        line, seen, idle = self._line, None, 0
        self._bell.acquire()
        try:
            while not self._over:
                steps = line.steps
                if line.tasks:
                    idle = 0
                    if steps is seen:
                        line.ask()
                else:
                    idle += 1
                seen = steps
                if idle < _IDLE_LOOKS:
                    self._bell.acquire(timeout=_PATIENCE)
                else:
                    idle = 0
                    self.asleep = True
                    self._bell.acquire()
        finally:
            self._gone.release()
