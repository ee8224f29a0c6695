"""Standard output in the first moments of a run.

A notebook's `print` wakes the thread that sends output to the front end, and that thread takes the GIL
for up to five milliseconds. On threads, in the worker process, the same `print` goes to a buffer. So
that neither side pays for the other's plumbing, what is printed in the first moments of a run is kept
until the run ends or those moments are over; from then on everything goes straight through.
"""

from __future__ import annotations

import sys
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

_KEPT_FOR = 0.05  # seconds


class _Kept:
    """Stands in for `sys.stdout`.

    Nobody waits for anybody here: the stream may have a lock of its own, a coroutine may be parked at it,
    and a thread that waited for this coroutine would wait for ever. Who finds somebody else at passing
    texts on leaves its own to them.
    """

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._texts: deque[str] = deque()
        # Held by whoever passes texts on.
        self._passing = threading.Lock()
        # Whether everything shall go straight through, and whether it does.
        self._released = self._straight = False
        # A step that prints and then computes for long must not keep its line for itself. Started
        # here, because to start a thread can take longer than many a run.
        self._timer = threading.Timer(_KEPT_FOR, self.release)
        self._timer.daemon = True
        self._timer.start()

    def write(self, text: str) -> int:
        """Keep `text`, or pass it on."""
        if self._straight:
            return self._stream.write(text)  # type: ignore[no-any-return]
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        self._texts.append(text)
        if self._straight:
            # It was released just now, and whoever did that has looked already.
            self._pass_on()
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Write one after the other."""
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Pass on what was kept."""
        self._pass_on()
        self._stream.flush()

    def release(self) -> None:
        """Pass on what was kept, and everything from now on."""
        self._released = True
        self._pass_on()

    def _pass_on(self) -> None:
        # Again, because what came after the last look was left to this one.
        while self._texts or self._released > self._straight:
            if not self._passing.acquire(blocking=False):
                return
            try:
                texts = []
                with suppress(IndexError):
                    while True:
                        texts.append(self._texts.popleft())
                if texts:
                    self._stream.write("".join(texts))
                self._straight = self._released and not self._texts
            finally:
                self._passing.release()

    def end(self) -> None:
        """Release, and leave no timer behind."""
        self._timer.cancel()
        self._timer.join()
        self.release()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextmanager
def kept_at_first() -> Iterator[None]:
    """Keep what is printed in the first moments of a ``with`` block."""
    before = sys.stdout
    kept = _Kept(before)
    sys.stdout = kept  # type: ignore[assignment, unused-ignore]
    try:
        yield
    finally:
        if sys.stdout is kept:
            sys.stdout = before
        kept.end()
