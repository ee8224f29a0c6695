"""How the processes of a run and whoever began it hear of each other: files in a folder, the board.

On another machine there is no such folder; there a share is told nothing, and tells nothing until its end.
"""

from __future__ import annotations

import _thread
import contextlib
import os
import shutil
import signal
import threading
from pathlib import Path

from .glimpse import Glimpses, file_of
from .part import Work
from .share import Share

_GRACE = 5.0  # seconds in which a share must have stopped for whose owner is gone
_LOOK_EVERY = 0.05  # seconds between two looks at whether to stop
_TELL_AFTER = 4  # looks


def begun_file(board: str, process: int) -> str:
    """Give the file that is there when a process has begun with its share."""
    return os.path.join(board, f"begun {process}")


def ended_file(board: str, process: int) -> str:
    """Give the file that is there when a process's share has run: what it has come to is on its way."""
    return os.path.join(board, f"ended {process}")


class Watched:
    """Looks for the word to stop while a share runs, and tells how far it is: a context manager."""

    def __init__(self, share: Share, work: Work) -> None:
        self._share = share
        # On another machine there is no such folder.
        there = bool(work.board) and os.path.isdir(work.board)
        self._stop = os.path.join(work.board, "stop") if there else ""
        self._glimpses = Glimpses(share, file_of(work.board, work.process))
        if there:
            share.tell(self._glimpses.look)
        self._board, self._owner, self._process = work.board, work.owner, work.process
        self._over = threading.Event()
        self._on_main = threading.current_thread() is threading.main_thread()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> None:
        if self._stop:
            with contextlib.suppress(OSError):
                Path(begun_file(self._board, self._process)).touch()
            self._thread.start()

    def __exit__(self, *exc_info: object) -> None:
        self._over.set()
        if self._stop:
            self._thread.join()
            with contextlib.suppress(OSError):
                Path(ended_file(self._board, self._process)).touch()

    def _look(self) -> None:
        looks = 0
        while not self._over.wait(_LOOK_EVERY):
            looks += 1
            if looks % _TELL_AFTER == 0:
                self._glimpses.leave()
            if self._owner and os.getppid() != self._owner:
                # A kernel that was killed, or restarted: nobody else tidies up.
                shutil.rmtree(self._board, ignore_errors=True)
                self._interrupt()
                self._over.wait(_GRACE)
                os._exit(1)
            # Whoever wants nothing any more may be gone with the folder before this has seen the word.
            if os.path.exists(self._stop) or not os.path.isdir(self._board):
                self._interrupt()
                return

    def _interrupt(self) -> None:
        # A step that does not switch hears of an interrupt only, and only a main thread has them, if its
        # process was not started as one that ignores them (by a shell, in the background).
        if self._on_main and callable(signal.getsignal(signal.SIGINT)):
            _thread.interrupt_main()
        else:
            self._share.request_interrupt()
