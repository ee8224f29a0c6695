"""What the standard library itself waits for, in 50 coroutines: processes, threads and what they hand on."""

from __future__ import annotations

import concurrent.futures
import multiprocessing
import os
import queue
import select
import subprocess
import threading
import time
from typing import Any

import pytest

import coro_magic

from . import servers
from .conftest import COUNT, SERIALLY, Together

NUMBERS = list(range(COUNT))

# Where the wait is for all of them to wait, one that holds the thread is let go after these seconds, and
# the test fails by its length.
TOO_LONG = SERIALLY / 2


def test_subprocesses_that_are_run(together: Together) -> None:
    def wait(n: int) -> int:
        return subprocess.run(["sleep", str(servers.SECONDS)]).returncode

    assert together(wait) == [0] * COUNT


# One pipe is simply read; with two, `communicate` waits for both of them at once.
@pytest.mark.parametrize("pipes", [{"stdout": subprocess.PIPE}, {"capture_output": True}], ids=["one", "two"])
def test_subprocesses_whose_output_is_captured(together: Together, pipes: dict[str, Any]) -> None:
    command = f"sleep {servers.SECONDS}; echo $0"

    def wait(n: int) -> str:
        return str(subprocess.run(["sh", "-c", command, str(n)], text=True, **pipes).stdout)

    assert together(wait) == [f"{n}\n" for n in NUMBERS]


def test_results_of_a_pool_of_threads(together: Together) -> None:
    def slowly(n: int) -> int:
        time.sleep(servers.SECONDS)
        return n

    with concurrent.futures.ThreadPoolExecutor(COUNT) as pool:
        assert together(lambda n: pool.submit(slowly, n).result()) == NUMBERS


def test_queues_that_a_thread_fills(together: Together) -> None:
    queues: list[queue.Queue[int]] = [queue.Queue() for _ in NUMBERS]
    all_wait = threading.Event()

    def fill() -> None:
        all_wait.wait(TOO_LONG)
        time.sleep(servers.SECONDS)
        for number, each in enumerate(queues):
            each.put(number)

    def get(n: int) -> int:
        if n == NUMBERS[-1]:
            all_wait.set()
        return queues[n].get()

    thread = threading.Thread(target=fill)
    thread.start()
    assert together(get) == NUMBERS
    thread.join()


def test_threads_that_are_joined(together: Together) -> None:
    def wait(n: int) -> bool:
        thread = threading.Thread(target=time.sleep, args=(servers.SECONDS,))
        thread.start()
        thread.join()
        return thread.is_alive()

    assert together(wait) == [False] * COUNT


def _sleep_once_all_wait(all_wait: int, held: int) -> None:
    os.close(held)
    select.select([all_wait], [], [], TOO_LONG)
    time.sleep(servers.SECONDS)


# Since 3.12 Python warns of a fork beside threads, which the tests before this one may have left over.
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_processes_that_are_joined(together: Together) -> None:
    # To start 50 processes is a second of computing, which nothing overlaps: they are started before the
    # run. They go on when nobody holds the pipe's other end any more.
    all_wait, held = os.pipe()
    fork = multiprocessing.get_context("fork").Process
    processes = [fork(target=_sleep_once_all_wait, args=(all_wait, held)) for _ in NUMBERS]
    for process in processes:
        process.start()
    os.close(all_wait)

    def wait(n: int) -> int | None:
        if n == NUMBERS[-1]:
            os.close(held)
        processes[n].join()
        return processes[n].exitcode

    assert together(wait) == [0] * COUNT


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_process_that_a_coroutine_starts_is_joined_while_the_others_run() -> None:
    def wait() -> int | None:
        process = multiprocessing.get_context("fork").Process(target=time.sleep, args=(servers.SECONDS,))
        process.start()
        process.join()
        return process.exitcode

    def body() -> tuple[int | None, int]:
        task, ticks = coro_magic.spawn(wait), 0
        while not task.done():
            time.sleep(servers.SECONDS / 100)
            ticks += 1
        return task.result(), ticks

    exit_code, ticks = coro_magic.run(body, baseline="off").results["body"]
    assert exit_code == 0 and ticks > 3
