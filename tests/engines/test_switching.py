"""Blocking calls of unmodified code let the others run, and nothing is left behind."""

from __future__ import annotations

import contextvars
import socket
import threading
import time
from typing import Any

import pytest

from coro_magic.engines import switching
from coro_magic.engines.switching.locks import waits
from coro_magic.language import Cancelled, State, gather, in_thread, sleep, spawn, timeout

from .runs import open_descriptors, python, result_of, run

ORIGINAL_SLEEP = time.sleep


def everything_is_original() -> bool:
    methods = {"recv", "send", "connect", "_accept"}
    return time.sleep is ORIGINAL_SLEEP and not methods & set(vars(socket.socket))


def test_blocking_sleeps_overlap_even_after_long_lines_of_bare_yields() -> None:
    def worker() -> Any:
        for _ in range(2000):
            yield
        time.sleep(0.1)

    def body() -> Any:
        yield gather(*(worker() for _ in range(50)))

    assert run(body).elapsed < 2.5


def test_a_sleep_counts_from_the_moment_it_is_asked_for() -> None:
    def body() -> Any:
        until = time.perf_counter() + 0.2
        while time.perf_counter() < until:
            pass
        asked = time.perf_counter()
        yield sleep(0.1)
        return time.perf_counter() - asked

    assert result_of(body) >= 0.099


def test_an_hour_of_virtual_time_is_over_at_once() -> None:
    def worker() -> Any:
        yield sleep(1800)
        time.sleep(1800)

    begun = time.perf_counter()
    scheduler = run(worker, worker, clock="virtual")
    assert scheduler.elapsed == 3600 and time.perf_counter() - begun < 5


def test_virtual_time_stands_still_while_a_helper_thread_works() -> None:
    def other() -> Any:
        yield sleep(100)
        return "slept"

    def body() -> Any:
        task = spawn(other())
        yield in_thread(ORIGINAL_SLEEP, 0.05)
        return task.done()

    assert result_of(body, clock="virtual") is False


def test_calls_in_helper_threads_overlap() -> None:
    def body() -> Any:
        yield gather(*(in_thread(ORIGINAL_SLEEP, 0.2) for _ in range(16)))

    assert run(body).elapsed < 2.0


def test_a_parked_step_keeps_its_context_and_can_be_timed_out_and_cancelled() -> None:
    variable: contextvars.ContextVar[int] = contextvars.ContextVar("variable", default=0)

    def worker(me: int) -> Any:
        variable.set(me)
        time.sleep(0.01)
        yield
        time.sleep(0.01)
        return variable.get()

    def sleeper() -> Any:
        yield
        time.sleep(100)

    def body() -> Any:
        values = yield gather(*(worker(me) for me in range(1, 20)))
        task = spawn(sleeper())
        with pytest.raises(TimeoutError), timeout(0.05):
            time.sleep(100)
        task.cancel()
        yield
        yield
        return values, variable.get(), task.state

    assert result_of(body) == (list(range(1, 20)), 0, State.CANCELLED)


@pytest.mark.parametrize("seconds", [None, 5.0])
def test_large_amounts_go_both_ways_at_once_through_sockets_made_before_the_run(seconds: Any) -> None:
    a, b = socket.socketpair()
    a.settimeout(seconds)
    data = b"x" * 3_000_000

    def sender(sock: socket.socket) -> Any:
        sock.sendall(data)
        sock.shutdown(socket.SHUT_WR)
        yield

    def receiver(sock: socket.socket) -> Any:
        with sock.makefile("rb") as file:
            whole = file.read()
        yield
        return len(whole)

    def body() -> Any:
        return (yield gather(sender(a), sender(b), receiver(a), receiver(b)))

    with a, b:
        assert result_of(body)[2:] == [len(data)] * 2
        assert a.gettimeout() == seconds and b.gettimeout() is None


def test_accept_and_connect_overlap_and_a_refused_connection_is_the_usual_error() -> None:
    def server(listener: socket.socket) -> Any:
        for _ in range(5):
            connection, _ = listener.accept()
            spawn(echo(connection))
        yield

    def echo(connection: socket.socket) -> Any:
        with connection:
            connection.send(connection.recv(10))
        yield

    def client(port: int) -> Any:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as sock:
            sock.sendall(b"hello")
            buffer = bytearray(10)
            count = sock.recv_into(buffer)
        yield
        return bytes(buffer[:count])

    def body() -> Any:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
            spawn(server(listener))
            answers = yield gather(*(client(port) for _ in range(5)))
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port))
        return answers

    assert result_of(body) == [b"hello"] * 5


def test_timeouts_and_modes_of_sockets_are_kept() -> None:
    a, b = socket.socketpair()

    def body() -> Any:
        a.settimeout(0.05)
        with pytest.raises(TimeoutError):
            a.recv(1)
        a.setblocking(False)
        with pytest.raises(BlockingIOError):
            a.recv(1)
        yield
        return "done"

    with a, b:
        assert result_of(body) == "done"


def test_other_threads_are_not_touched_while_a_run_goes_on() -> None:
    seen: list[Any] = []

    def other() -> None:
        a, b = socket.socketpair()
        with a, b:
            threading.Timer(0.05, b.send, (b"x",)).start()
            seen.append(a.recv(1))
            time.sleep(0.01)
            seen.append("slept")

    def body() -> Any:
        thread = threading.Thread(target=other)
        thread.start()
        while thread.is_alive():
            time.sleep(0.005)
        yield

    run(body)
    assert seen == [b"x", "slept"]


def test_unmodified_urlopen_overlaps_on_one_thread() -> None:
    told = python(
        """
        import subprocess, sys, threading, time, urllib.request
        from coro_magic.engines.scheduler import Scheduler
        from coro_magic.language import spawn, gather
        serve = (
            "import http.server as h, time\\n"
            "class H(h.BaseHTTPRequestHandler):\\n"
            "    def do_GET(self):\\n"
            "        time.sleep(0.1); self.send_response(200); self.end_headers()\\n"
            "        self.wfile.write(b'hello')\\n"
            "    def log_message(self, *a): pass\\n"
            "class S(h.ThreadingHTTPServer): request_queue_size = 100\\n"
            "s = S(('127.0.0.1', 0), H); print(s.server_port, flush=True); s.serve_forever()\\n"
        )
        server = subprocess.Popen([sys.executable, "-c", serve], stdout=subprocess.PIPE, text=True)
        try:
            port = int(server.stdout.readline())
            most = 1
            def fetch():
                global most
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/") as answer:
                    text = answer.read()
                most = max(most, threading.active_count())
                yield
                return text
            def body():
                return (yield gather(*(fetch() for _ in range(50))))
            s = Scheduler()
            s.run(lambda s: s.spawn(body()))
            assert s.tasks[0].result() == [b"hello"] * 50
            assert s.elapsed < 2.5, s.elapsed
            print(most)
        finally:
            server.kill()
        """
    )
    assert told.strip() == "1"


def test_nothing_is_left_behind_however_a_run_ends() -> None:
    def good() -> Any:
        time.sleep(0.001)
        yield in_thread(int)

    def bad() -> Any:
        time.sleep(0.001)
        raise ValueError("bad")
        yield

    def interrupted() -> Any:
        yield
        raise KeyboardInterrupt

    def stuck() -> Any:
        sleeper = spawn(lambda: time.sleep(100), daemon=True)
        yield
        yield
        assert not sleeper.done()

    run(good)
    before = open_descriptors(), threading.active_count()
    for body in (good, bad, interrupted, stuck) * 50:
        run(body)
        assert everything_is_original()
    assert (open_descriptors(), threading.active_count()) == before


def test_a_second_run_is_refused_and_the_first_goes_on() -> None:
    def body() -> Any:
        with pytest.raises(RuntimeError, match="going on already"):
            run(body)
        time.sleep(0.01)
        yield sleep(0.01)
        spawn(lambda: None)
        return "went on"

    assert result_of(body) == "went on"
    assert everything_is_original()


def test_a_finally_block_runs_at_the_end_also_in_a_parked_step_that_swallows() -> None:
    cleaned: list[str] = []

    def blocked() -> Any:
        try:
            time.sleep(100)
        except Cancelled:
            cleaned.append("swallowed")
        try:
            yield sleep(5)
        finally:
            cleaned.append("finally")

    def body() -> Any:
        spawn(blocked(), daemon=True)
        yield
        yield

    scheduler = run(body)
    assert cleaned == ["swallowed", "finally"]
    assert [task.state for task in scheduler.tasks] == [State.DONE, State.CANCELLED]


def test_closing_a_socket_wakes_those_who_wait_for_it_with_the_error_that_a_thread_would_see() -> None:
    def body() -> Any:
        first, other = socket.socketpair()

        def reader(sock: socket.socket) -> Any:
            return sock.recv(1)

        waiting = spawn(reader, first)
        yield sleep(0.01)
        first.close()
        with pytest.raises(OSError):
            yield waiting
        # Whoever gets the number next waits for the new one.
        again, peer = socket.socketpair()
        tasks = [spawn(reader, again), spawn(reader, peer)]
        yield sleep(0.01)
        again.send(b"a")
        peer.send(b"p")
        received = yield gather(*tasks)
        for sock in (other, again, peer):
            sock.close()
        return received

    assert result_of(body) == [b"p", b"a"]


def test_what_threads_are_seen_to_wait_for_has_a_word_and_no_functions_name() -> None:
    verbs = {patch.verb for patch in [*switching.patches(), *waits()] if patch.recorded}
    assert {"recv", "send", "accept", "process", "sleep", "queue.get"} <= verbs
    assert not [verb for verb in verbs if "_" in verb]
    # To close is no wait.
    assert "close" not in verbs
