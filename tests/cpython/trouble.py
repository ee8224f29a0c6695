"""Tests that go wrong inside a coroutine, each in its own way: for the test of the comparison."""

from __future__ import annotations

import _thread
import os
import sys
import threading
import time
import unittest
from contextlib import suppress


def inside() -> bool:
    return "coro_magic" in sys.modules


class Trouble(unittest.TestCase):
    def test_1_passes(self) -> None:
        time.sleep(0.05)

    def test_2_hangs(self) -> None:
        if inside():
            threading.Event().wait()

    def test_3_fails(self) -> None:
        self.assertFalse(inside())

    def test_4_dies(self) -> None:
        if inside():
            os._exit(3)

    def test_5_breaks_the_run_off(self) -> None:
        if inside():
            raise KeyboardInterrupt

    def test_5_ends_the_run_unseen(self) -> None:
        if inside():
            _thread.interrupt_main()
            with suppress(BaseException):
                time.sleep(1)

    def test_6_fails_everywhere(self) -> None:
        self.fail("it has nothing to do with coroutines")

    def test_7_holds_the_thread(self) -> None:
        until = time.perf_counter() + 0.3
        while time.perf_counter() < until:
            pass

    def test_8_is_skipped_inside(self) -> None:
        if inside():
            self.skipTest("not here")
