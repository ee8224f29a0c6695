"""What the standard library itself waits for, in 50 coroutines: processes, threads and what they hand on."""

from __future__ import annotations

import concurrent.futures
import multiprocessing
import queue
import subprocess
import threading
import time
from typing import Any

import pytest

from . import servers
from .conftest import COUNT, Together

NUMBERS = list(range(COUNT))


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
    asked = threading.Barrier(2)

    def fill() -> None:
        asked.wait(30)
        time.sleep(servers.SECONDS)
        for number, each in enumerate(queues):
            each.put(number)

    def get(n: int) -> int:
        if n == 0:
            asked.wait(30)
        return queues[n].get(timeout=30)

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


# Since 3.12 Python warns of a fork beside threads, which the tests before this one may have left over.
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_processes_that_are_joined(together: Together) -> None:
    # Forked: 50 interpreters that start from nothing take seconds of computing, which nothing overlaps.
    processes = multiprocessing.get_context("fork")

    def wait(n: int) -> int | None:
        process = processes.Process(target=time.sleep, args=(servers.SECONDS,))
        process.start()
        process.join()
        return process.exitcode

    assert together(wait) == [0] * COUNT
