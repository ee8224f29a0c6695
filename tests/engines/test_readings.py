"""Reading from sockets, for which a run keeps what its reads wait by from one to the next."""

from __future__ import annotations

import errno
import os
import resource
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from coro_magic.engines import switching
from coro_magic.language import State, sleep, spawn, timeout

from .runs import result_of, run

ECHO = Path(__file__).parents[1] / "benchmarks" / "echo.py"


def has_read_less_than_wanted() -> tuple[socket.socket, socket.socket]:
    """Give two ends, the second of which has waited and got less than it asked for: it will wait first."""
    a, b = socket.socketpair()
    writer = spawn(lambda: (time.sleep(0), a.send(b"x")))
    assert b.recv(100) == b"x"
    writer.result()
    here = switching.coroutine_here()
    assert here is not None
    here.hub.vain = 1000
    return a, b


def drained(body: Callable[[socket.socket, socket.socket], Any]) -> Any:
    """Run `body` as a coroutine with such two ends, and close them."""

    def whole() -> Any:
        a, b = has_read_less_than_wanted()
        with a, b:
            return body(a, b)

    return result_of(whole)


def test_what_came_before_a_read_is_read_though_it_waits_first() -> None:
    def body(a: socket.socket, b: socket.socket) -> Any:
        a.send(b"123")
        return b.recv(100), a.send(b"456"), b.recv(2), b.recv(100)

    assert drained(body) == (b"123", 3, b"45", b"6")


def test_the_end_of_a_stream_is_read_as_often_as_one_likes() -> None:
    def body(a: socket.socket, b: socket.socket) -> Any:
        a.send(b"last")
        a.close()
        return [b.recv(100) for _ in range(3)]

    assert drained(body) == [b"last", b"", b""]


def test_to_read_nothing_does_not_wait() -> None:
    assert drained(lambda a, b: (b.recv(100) if b.recv(0) else b"")) == b""


def test_a_socket_that_turns_non_blocking_does_not_wait() -> None:
    def body(a: socket.socket, b: socket.socket) -> Any:
        b.setblocking(False)
        with pytest.raises(BlockingIOError):
            b.recv(100)
        b.settimeout(0.01)
        with pytest.raises(TimeoutError):
            b.recv(100)
        return True

    assert drained(body)


def test_two_who_read_from_one_socket_get_one_message_each() -> None:
    def body(a: socket.socket, b: socket.socket) -> Any:
        readers = [spawn(b.recv, 1) for _ in range(3)]
        for message in (b"1", b"2", b"3"):
            time.sleep(0.001)
            a.send(message)
        return [reader.result() for reader in readers]

    assert drained(body) == [b"1", b"2", b"3"]


def test_who_is_cancelled_while_reading_leaves_the_others_their_messages() -> None:
    def body(a: socket.socket, b: socket.socket) -> Any:
        first, second, third = [spawn(b.recv, 1) for _ in range(3)]
        time.sleep(0)
        first.cancel()
        third.cancel()
        time.sleep(0)
        a.send(b"1")
        got = second.result()
        a.send(b"2")
        return got, b.recv(100), first.state, third.state

    assert drained(body) == (b"1", b"2", State.CANCELLED, State.CANCELLED)


def test_a_read_that_waits_first_keeps_to_the_time() -> None:
    def body(a: socket.socket, b: socket.socket) -> Any:
        with pytest.raises(TimeoutError), timeout(0.01):
            b.recv(100)
        a.send(b"after")
        return b.recv(100)

    assert drained(body) == b"after"


def test_closing_wakes_who_reads_with_the_error_of_a_thread() -> None:
    def body(a: socket.socket, b: socket.socket) -> Any:
        def reads() -> Any:
            try:
                return b.recv(100)
            except OSError as error:
                return error.errno

        readers = [spawn(reads) for _ in range(2)]
        time.sleep(0)
        b.close()
        return [reader.result() for reader in readers]

    assert drained(body) == [errno.EBADF, errno.EBADF]


@pytest.mark.parametrize("close", [socket.socket.close, lambda each: os.close(each.detach())])
def test_another_socket_with_the_number_of_one_that_is_gone_is_read_like_any(close: Any) -> None:
    def body(a: socket.socket, b: socket.socket) -> Any:
        number = b.fileno()
        close(b)
        c, d = socket.socketpair()
        with c, d:
            again = c if c.fileno() == number else d
            other = d if again is c else c
            assert again.fileno() == number
            other.send(b"here")
            got = again.recv(100)
            late = spawn(lambda: (time.sleep(0.001), other.send(b"late")))
            got += again.recv(100)
            late.result()
            return got

    assert drained(body) == b"herelate"


def test_datagrams_are_read_one_after_another_without_waiting() -> None:
    def body() -> Any:
        a, b = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        with a, b:
            late = spawn(lambda: (time.sleep(0), [a.send(b"%d" % each) for each in range(4)]))
            got = [b.recv(100)]
            turns = []
            beside = spawn(lambda: (time.sleep(0), turns.append(1)))
            got += [b.recv(100) for _ in range(3)]
            seen = len(turns)
            late.result(), beside.result()
            return got, seen

    assert result_of(body) == ([b"0", b"1", b"2", b"3"], 0)


def test_who_waits_for_a_descriptor_waits_until_it_is_ready_and_is_ready_from_then_on() -> None:
    def body() -> Any:
        a, b = socket.socketpair()
        with a, b:
            reader = spawn(b.recv, 1)
            yield sleep(0.05)
            a.send(b"x")
            yield reader

    trace = run(body).trace
    totals = trace.totals()
    assert totals["waiting"][1] > 0.9 * trace.duration > 10 * totals["ready"][1]


def test_parked_steps_take_turns_with_bare_yields_in_the_order_of_coming() -> None:
    turns: list[str] = []

    def blocks(name: str) -> Any:
        for _ in range(200):
            turns.append(name)
            time.sleep(0)

    def yields(name: str) -> Any:
        for _ in range(200):
            turns.append(name)
            yield

    kinds = (blocks, yields, blocks, blocks, yields)
    run(*(partial(kind, name) for kind, name in zip(kinds, "abcde", strict=True)))
    assert turns == list("abcde") * 200


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="the memory is read from /proc")
def test_ten_thousand_idle_connections_are_held_where_so_many_descriptors_are_allowed() -> None:
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    count = 10_000 if limit == resource.RLIM_INFINITY else min(10_000, limit - 100)
    command = [sys.executable, str(ECHO), "--only-idle", "--idle", "10000"]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert f"{count:,} idle connections held at once" in told
