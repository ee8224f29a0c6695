"""Whatever blocks lets the others run: locks, queues, descriptors, names, processes; and who one is."""

from __future__ import annotations

import concurrent.futures
import os
import queue
import select
import selectors
import socket
import struct
import subprocess
import sys
import textwrap
import threading
import time
import types
from collections.abc import Callable
from typing import Any

import pytest

from coro_magic.engines import switching
from coro_magic.engines.switching.waits import _waiting
from coro_magic.language import Cancelled, Deadlock, State, gather, sleep, spawn, timeout

from .runs import python, result_of, run

BEFORE = {
    "lock": threading.Lock(), "rlock": threading.RLock(), "queue": queue.Queue(),
    "simple queue": queue.SimpleQueue(), "event": threading.Event(),
    "condition": threading.Condition(), "semaphore": threading.Semaphore(0),
}  # fmt: skip


def beside(function: Callable[[], Any], turned: threading.Event | None = None) -> tuple[Any, int]:
    """Run a function as a coroutine; give its result and how often another one ran in the meantime.

    `turned` is set when the other one has had some turns.
    """
    turns = 0

    def ticks() -> Any:
        nonlocal turns
        while True:
            turns += 1
            if turned is not None and turns > 1:
                turned.set()
            yield sleep(0.001)

    def body() -> Any:
        spawn(ticks(), daemon=True)
        return (yield spawn(function))

    return result_of(body), turns


def beside_others(function: Callable[[], Any]) -> Any:
    """Run a function as a coroutine while another one runs, too; give its result.

    What takes some milliseconds only may be over, on a busy machine, before anybody else has a turn.
    """
    for _ in range(20):
        found, turns = beside(function)
        if turns > 1:
            return found
    raise AssertionError("nobody else ran in the meantime")


def later(function: Callable[[], Any], seconds: float = 0.05) -> threading.Thread:
    """Call a function on a plain thread, in a while."""
    timer = threading.Timer(seconds, function)
    timer.start()
    return timer


@pytest.mark.parametrize("made", ["before the run", "in the run"])
@pytest.mark.parametrize("kind", [threading.Lock, threading.RLock])
def test_a_lock_held_across_a_switch_keeps_the_others_out_and_lets_them_run(made: str, kind: Any) -> None:
    shared = kind()
    inside = most = 0

    def works(lock: Any) -> Any:
        nonlocal inside, most
        with lock:
            inside += 1
            most = max(most, inside)
            time.sleep(0.001)
            inside -= 1

    def body() -> Any:
        lock = shared if made == "before the run" else kind()
        tasks = [spawn(works, lock) for _ in range(20)]
        yield gather(*tasks)

    run(body)
    assert most == 1
    assert shared.acquire(blocking=False)
    shared.release()


@pytest.mark.parametrize("kind", [threading.Lock, threading.RLock, lambda: threading.Semaphore(1)])
def test_a_lock_is_not_taken_past_those_who_wait_for_it(kind: Any) -> None:
    turns: list[int] = []

    def body() -> Any:
        lock = kind()

        def hogs(n: int) -> None:
            for _ in range(5):
                with lock:
                    turns.append(n)
                    time.sleep(0.001)

        yield gather(*[spawn(hogs, n) for n in range(3)])

    run(body)
    assert max(turns[:9].count(n) for n in range(3)) <= 4


def test_many_wait_for_one_lock() -> None:
    lock, inside = threading.Lock(), []

    def waits() -> Any:
        with lock:
            inside.append(1)
            yield

    def body() -> Any:
        yield gather(*[waits() for _ in range(20_000)])

    run(body)
    assert len(inside) == 20_000 and not lock.locked()


def test_a_lock_is_released_from_another_thread() -> None:
    lock = BEFORE["lock"]
    lock.acquire()
    turned = threading.Event()
    # Not by the clock: on a slow day the run would begin when the lock is free already. Nor for ever.
    thread = threading.Thread(target=lambda: (turned.wait(10), lock.release()))
    thread.start()
    try:
        taken, turns = beside(lambda: lock.acquire(), turned)
        assert taken and turns > 1
    finally:
        # Other tests take it, too.
        thread.join()
        lock.release()


def test_a_lock_gives_up_when_its_time_is_over() -> None:
    with BEFORE["lock"]:
        assert not beside_others(lambda: BEFORE["lock"].acquire(timeout=0.05))
        assert beside(lambda: BEFORE["lock"].acquire(blocking=False))[0] is False
    for odd in ({"timeout": -2}, {"blocking": False, "timeout": 1}, {"timeout": 1e300}):
        with pytest.raises((ValueError, OverflowError)):
            beside(lambda odd=odd: BEFORE["lock"].acquire(**odd))


def test_the_owner_of_an_rlock_is_the_coroutine() -> None:
    lock = BEFORE["rlock"]

    def owns() -> None:
        with lock, lock:
            time.sleep(0.02)

    def does_not() -> bool:
        with pytest.raises(RuntimeError, match="un-acquired"):
            lock.release()
        return lock.acquire(blocking=False)

    def body() -> Any:
        first = spawn(owns)
        yield sleep(0.005)
        assert (yield spawn(does_not)) is False
        yield first
        assert (yield spawn(lambda: lock.acquire(blocking=False) and lock.release())) is None

    run(body)


@pytest.mark.parametrize("made", ["before the run", "in the run"])
def test_a_condition_is_waited_for_and_its_lock_is_free_meanwhile(made: str) -> None:
    def body() -> Any:
        condition = BEFORE["condition"] if made == "before the run" else threading.Condition()
        log = []

        def waits(n: int) -> None:
            with condition, condition:
                assert condition.wait(30)
                log.append(n)
                time.sleep(0.001)

        tasks = [spawn(waits, n) for n in range(5)]
        yield sleep(0.005)
        with condition:
            condition.notify_all()
        yield gather(*tasks)
        return sorted(log)

    assert result_of(body) == list(range(5))
    assert type(vars(BEFORE["condition"])["acquire"]) is types.BuiltinMethodType


def test_an_event_a_semaphore_and_a_barrier_are_waited_for() -> None:
    event, semaphore = BEFORE["event"], BEFORE["semaphore"]
    threads = [later(event.set), later(semaphore.release)]
    assert beside(event.wait)[0] and beside(semaphore.acquire)[0]
    for thread in threads:
        thread.join()

    def body() -> Any:
        barrier = threading.Barrier(3)
        tasks = [spawn(barrier.wait) for _ in range(3)]
        return sorted([task.result() for task in tasks])

    assert result_of(body) == [0, 1, 2]


def test_a_thread_is_joined() -> None:
    turned = threading.Event()
    thread = threading.Thread(target=turned.wait)
    thread.start()
    assert beside(lambda: thread.join(0.01))[0] is None and thread.is_alive()
    _, turns = beside(thread.join, turned)
    assert turns > 1 and not thread.is_alive()


@pytest.mark.parametrize("kind", ["queue", "simple queue"])
def test_items_come_from_threads_and_from_coroutines(kind: str) -> None:
    items = BEFORE[kind]
    threads = [later(lambda n=n: items.put(n), 0.01 * n) for n in range(5)]

    def body() -> Any:
        getters = [spawn(items.get) for _ in range(10)]
        for n in range(5, 10):
            items.put(n)
            yield
        return sorted([getter.result() for getter in getters])

    assert result_of(body) == list(range(10))
    for thread in threads:
        thread.join()
    with pytest.raises(queue.Empty):
        beside(lambda: items.get(timeout=0.02))


def test_a_full_queue_is_waited_for() -> None:
    def body() -> Any:
        items: queue.Queue[int] = queue.Queue(1)

        def puts() -> None:
            for n in range(5):
                items.put(n)

        spawn(puts)
        yield sleep(0.001)
        got = []
        for _ in range(5):
            got.append(items.get())
            yield
        with pytest.raises(queue.Full):
            items.put(1)
            items.put(2, timeout=0.01)
        return got

    assert result_of(body) == list(range(5))


def test_who_waits_for_more_items_when_all_else_has_ended_is_left_over() -> None:
    def waits() -> None:
        queue.Queue().get()

    def body() -> Any:
        spawn(waits)
        yield

    scheduler = run(body)
    assert [task.state for task in scheduler.tasks] == [State.DONE, State.LEFT_OVER]


def test_locks_that_nobody_will_release_are_a_deadlock_that_says_who_waits() -> None:
    def body() -> Any:
        one, other = threading.Lock(), threading.Lock()

        def takes(first: Any, second: Any) -> None:
            with first:
                time.sleep(0.001)
                second.acquire()

        spawn(takes, one, other)
        yield spawn(takes, other, one)

    scheduler = run(body)
    assert isinstance(scheduler.deadlock, Deadlock)
    assert "a lock that is held" in str(scheduler.deadlock)


def test_a_future_and_many_of_them_are_waited_for() -> None:
    with concurrent.futures.ThreadPoolExecutor(5) as pool:

        def waits() -> Any:
            futures = [pool.submit(time.sleep, 0.03) for _ in range(5)]
            done, _ = concurrent.futures.wait(futures)
            completed = list(concurrent.futures.as_completed(futures))
            return len(done), len(completed), pool.submit(int).result()

        assert beside_others(waits) == (5, 5, 0)


def test_a_block_with_a_timeout_limits_whatever_waits() -> None:
    a, b = socket.socketpair()
    waits: list[Callable[[], Any]] = [
        lambda: BEFORE["lock"].acquire(), queue.Queue().get, lambda: queue.SimpleQueue().get(),
        threading.Event().wait, lambda: select.select([a], [], []), lambda: a.recv(1),
        lambda: subprocess.run(["sleep", "60"]), lambda: os.read(b.fileno(), 1),
    ]  # fmt: skip

    def limited(function: Callable[[], Any]) -> str:
        begun = time.monotonic()
        try:
            with timeout(0.02):
                function()
        except TimeoutError:
            return "in time" if time.monotonic() - begun < 30 else "late"
        return "not at all"

    def body() -> Any:
        tasks = [spawn(limited, function) for function in waits]
        return [task.result() for task in tasks]

    with BEFORE["lock"]:
        assert result_of(body) == ["in time"] * len(waits)
    a.close()
    b.close()


def test_a_cancelled_wait_is_withdrawn() -> None:
    a, b = socket.socketpair()

    def body() -> Any:
        hub = scheduler_here().hub
        tasks = [
            spawn(BEFORE["lock"].acquire), spawn(BEFORE["simple queue"].get),
            spawn(select.select, [a], [], []), spawn(threading.Event().wait, 60),
        ]  # fmt: skip
        yield sleep(0.005)
        assert len(hub._looks) > 2 and hub.descriptors
        for task in tasks:
            task.cancel()
        for task in tasks:
            with pytest.raises(concurrent.futures.CancelledError):
                task.result()
        return dict(hub._looks), bool(hub.descriptors), hub._outside, dict(_waiting)

    def scheduler_here() -> Any:
        return switching.coroutine_here()

    with BEFORE["lock"]:
        assert result_of(body) == ({}, False, 0, {})
    a.close()
    b.close()


def ways_to_wait() -> list[Any]:
    def with_poll(sock: socket.socket) -> Any:
        poll = select.poll()
        poll.register(sock, select.POLLIN)
        return poll.poll()

    def with_selector(kind: Any) -> Callable[[socket.socket], Any]:
        def wait(sock: socket.socket) -> Any:
            with kind() as selector:
                selector.register(sock, selectors.EVENT_READ)
                return selector.select()

        return wait

    return [
        lambda sock: select.select([sock], [], [])[0],
        with_poll,
        with_selector(selectors.DefaultSelector),
        with_selector(selectors.PollSelector),
        with_selector(selectors.SelectSelector),
    ]


@pytest.mark.parametrize("way", range(5))
def test_many_descriptors_are_waited_for(way: int) -> None:
    a, b = socket.socketpair()

    def wait() -> Any:
        thread = later(lambda: b.send(b"x"), 0.03)
        found = ways_to_wait()[way](a)
        thread.join()
        a.recv(1)
        return len(found)

    assert beside_others(wait) == 1
    a.close()
    b.close()


def test_waiting_for_descriptors_is_over_in_time() -> None:
    a, b = socket.socketpair()
    poll = select.poll()
    poll.register(a, select.POLLIN)  # before the run
    epoll = getattr(select, "epoll", None)

    def wait() -> Any:
        found = [select.select([a], [], [], 0.02), poll.poll(20)]
        if epoll is not None:
            with epoll() as each:
                each.register(a)
                found.append(each.poll(0.02, 1)[0:0])
        return found

    assert beside_others(wait)[:2] == [([], [], []), []]
    a.close()
    b.close()


def test_a_pipe_is_read_and_written_in_full() -> None:
    def body() -> Any:
        reading, writing = os.pipe()
        sent = os.urandom(300_000)

        def writes() -> None:
            with os.fdopen(writing, "wb") as file:
                file.write(sent)

        spawn(writes)
        with os.fdopen(reading, "rb") as file:
            assert file.read(1) == sent[:1]
            got = file.read()
        yield
        reading, writing = os.pipe()
        written = spawn(os.write, writing, sent)
        read = b""
        while len(read) < len(sent):
            read += os.read(reading, 100_000)
        assert (yield written) == len(sent)
        os.close(reading)
        os.close(writing)
        return sent[:1] + got == sent and read == sent

    assert result_of(body)


WAITING_FOR_ALL: dict[str, Callable[[socket.socket, int, int], bytes]] = {}


def waits_for_all(function: Callable[[socket.socket, int, int], bytes]) -> Any:
    WAITING_FOR_ALL[function.__name__] = function
    return function


@waits_for_all
def recv(sock: socket.socket, size: int, flags: int) -> bytes:
    return sock.recv(size, flags)


@waits_for_all
def recv_into(sock: socket.socket, size: int, flags: int) -> bytes:
    buffer = bytearray(size + 1)
    return bytes(buffer[: sock.recv_into(buffer, size, flags)])


@waits_for_all
def recvfrom(sock: socket.socket, size: int, flags: int) -> bytes:
    return sock.recvfrom(size, flags)[0]


@waits_for_all
def recvfrom_into(sock: socket.socket, size: int, flags: int) -> bytes:
    buffer = bytearray(size)
    return bytes(buffer[: sock.recvfrom_into(buffer, size, flags)[0]])


@waits_for_all
def recvmsg(sock: socket.socket, size: int, flags: int) -> bytes:
    data, ancillary, _, _ = sock.recvmsg(size, 0, flags)
    assert ancillary == []
    return data


@waits_for_all
def recvmsg_into(sock: socket.socket, size: int, flags: int) -> bytes:
    buffers = [bytearray(2), bytearray(0), bytearray(size - 2)]
    count = sock.recvmsg_into(buffers, 0, flags)[0]
    return b"".join(buffers)[:count]


@pytest.mark.parametrize("receive", WAITING_FOR_ALL.values(), ids=WAITING_FOR_ALL)
def test_who_waits_for_all_gets_all_or_what_came_before_the_end(receive: Any) -> None:
    def body() -> Any:
        a, b = socket.socketpair()
        received = spawn(receive, b, 6, socket.MSG_WAITALL)
        for part in (b"1", b"23", b"45678"):
            a.send(part)
            yield sleep(0.001)
        whole = yield received
        received = spawn(receive, b, 6, socket.MSG_WAITALL)
        yield sleep(0.001)
        a.send(b"9")
        yield sleep(0.001)
        a.close()
        rest = yield received
        b.close()
        return whole, rest

    assert result_of(body) == (b"123456", b"789")


@pytest.mark.parametrize("receive", WAITING_FOR_ALL.values(), ids=WAITING_FOR_ALL)
def test_an_error_after_a_part_is_met_by_the_next_call(receive: Any) -> None:
    def body() -> Any:
        server = socket.create_server(("127.0.0.1", 0))
        a = socket.create_connection(server.getsockname())
        b, _ = server.accept()
        received = spawn(receive, b, 6, socket.MSG_WAITALL)
        a.send(b"12")
        yield sleep(0.01)
        # To close without lingering resets the connection.
        a.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        a.close()
        part = yield received
        server.close()
        b.close()
        return part

    assert result_of(body) == b"12"


def test_a_datagram_is_all_that_there_is_to_wait_for() -> None:
    def body() -> Any:
        a, b = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        a.send(b"12")
        got = b.recv(100, socket.MSG_WAITALL)
        a.close()
        b.close()
        yield
        return got

    assert result_of(body) == b"12"


def test_a_socket_that_blocks_sends_all_and_receives_all_that_it_is_asked_for() -> None:
    def body() -> Any:
        a, b = socket.socketpair()
        sent = os.urandom(3_000_000)

        def receives() -> bytes:
            first = b.recv(1_000_000, socket.MSG_WAITALL)
            buffer = bytearray(500_000)
            assert b.recv_into(buffer, 0, socket.MSG_WAITALL) == len(buffer)
            rest = b""
            while len(first) + len(buffer) + len(rest) < 2 * len(sent):
                rest += b.recv(1_000_000)
            assert len(first) == 1_000_000
            return first + bytes(buffer) + rest

        receiving = spawn(receives)
        yield
        assert a.send(sent) == len(sent)
        assert a.sendmsg([sent[:10], sent[10:]]) == len(sent)
        got = yield receiving
        a.close()
        b.close()
        return got == sent + sent

    assert result_of(body)


def test_a_file_is_sent_and_buffers_are_written_to_another_coroutine(tmp_path: Any) -> None:
    path = tmp_path / "file"
    path.write_bytes(os.urandom(3_000_000))

    def body() -> Any:
        a, b = socket.socketpair()
        reading, writing = os.pipe()

        def receives(read: Callable[[int], bytes]) -> bytes:
            got = b""
            while part := read(100_000):
                got += part
            return got

        both = spawn(receives, b.recv), spawn(receives, lambda size: os.read(reading, size))
        with path.open("rb") as file:
            assert a.sendfile(file) == 3_000_000
        a.close()
        assert os.writev(writing, [path.read_bytes()[:250_000]] * 2) == 500_000
        os.close(writing)
        sent, written = yield gather(*both)
        b.close()
        os.close(reading)
        return sent == path.read_bytes(), written == path.read_bytes()[:250_000] * 2

    assert result_of(body) == (True, True)


def test_a_lock_on_a_file_is_waited_for(tmp_path: Any) -> None:
    fcntl = pytest.importorskip("fcntl")
    path = tmp_path / "file"
    path.touch()

    def takes() -> None:
        with path.open() as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            time.sleep(0.01)

    def body() -> Any:
        yield gather(spawn(takes), spawn(takes))

    assert all(task.state is State.DONE for task in run(body).tasks)


def test_names_are_looked_up_by_helper_threads() -> None:
    original, asked = socket.gethostbyname, []

    def slow(name: str) -> str:
        asked.append(threading.current_thread().name)
        time.sleep(0.03)
        return original(name)

    socket.gethostbyname = slow
    try:
        found = beside_others(lambda: socket.gethostbyname("localhost"))
    finally:
        socket.gethostbyname = original
    assert found == "127.0.0.1" and set(asked) == {"coro_magic helper"}
    assert beside(lambda: socket.getaddrinfo("127.0.0.1", 80))[0]
    with pytest.raises(socket.gaierror):
        beside(lambda: socket.getaddrinfo("no such name.invalid", 80))


def test_other_processes_are_waited_for() -> None:
    def wait() -> Any:
        ran = subprocess.run("sleep 0.03; echo out; echo err >&2; exit 3", shell=True, capture_output=True)
        with pytest.raises(subprocess.TimeoutExpired):
            subprocess.run(["sleep", "60"], timeout=0.02)
        piped = subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        echoed, _ = piped.communicate(b"x" * 200_000)
        pid = os.spawnlp(os.P_NOWAIT, "sleep", "sleep", "0.02")
        return (ran.returncode, ran.stdout, ran.stderr, len(echoed), os.waitpid(pid, 0) == (pid, 0),
                os.waitstatus_to_exitcode(os.system("sleep 0.02; exit 5")))  # fmt: skip

    assert beside_others(wait) == (3, b"out\n", b"err\n", 200_000, True, 5)


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_a_process_of_multiprocessing_is_talked_to_and_joined(method: str, tmp_path: Any) -> None:
    # In a process of its own: multiprocessing leaves one that tracks resources.
    script = tmp_path / "script.py"
    script.write_text(
        textwrap.dedent(
            """
            import multiprocessing, sys, time
            import coro_magic

            def child(connection, items):
                time.sleep(0.03)
                connection.send("hello " * 20_000)
                items.put(connection.recv())

            turns = 0

            def ticks():
                global turns
                while True:
                    turns += 1
                    yield coro_magic.sleep(0.001)

            def body():
                coro_magic.spawn(ticks(), daemon=True)
                context = multiprocessing.get_context(sys.argv[1])
                ours, theirs = context.Pipe()
                items = context.Queue()
                process = context.Process(target=child, args=(theirs, items))
                process.start()
                got = ours.recv()
                ours.send("back")
                answer = items.get(timeout=30)
                process.join()
                items.close()
                items.join_thread()
                print(len(got), answer, process.exitcode, turns > 1)

            if __name__ == "__main__":
                coro_magic.run(body, baseline="off")
            """
        )
    )
    ended = subprocess.run([sys.executable, "-W", "ignore", str(script), method],
                           capture_output=True, text=True, timeout=60,
                           env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)})  # fmt: skip
    assert ended.stdout == "120000 back 0 True\n", ended.stderr


def test_coroutines_are_kept_apart_as_threads_are() -> None:
    main = threading.get_ident()

    def says() -> Any:
        mine = threading.local()
        shared.value = name = threading.current_thread().name
        time.sleep(0.001)
        assert not hasattr(mine, "value") and shared.value == name
        assert isinstance(mine, threading.local)
        me = threading.current_thread()
        return threading.get_ident(), me.ident, name, me.daemon

    shared: Any = None

    def body() -> Any:
        nonlocal shared
        shared = threading.local()
        shared.value = "body"
        tasks = [spawn(says) for _ in range(3)]
        found = [task.result() for task in tasks]
        assert shared.value == "body"
        return found, threading.get_ident() == main

    found, _ = result_of(body)
    assert len({ident for ident, *_ in found} | {main}) == 4
    assert all(ident == other and not daemon for ident, other, _, daemon in found)
    assert [name for _, _, name, _ in found] == ["says", "says-2", "says-3"]
    # After the run it is an ordinary local of the thread.
    shared.value = "after"
    assert shared.value == "after" and threading.get_ident() == main
    assert threading.active_count() == len(threading.enumerate())


def test_modules_that_hold_an_original_under_a_name_of_their_own_get_the_stand_in() -> None:
    module = types.ModuleType("holds_originals")
    sys.modules[module.__name__] = module
    exec("from time import sleep as rest\nfrom select import select", vars(module))
    original = time.sleep
    try:
        beside_others(lambda: vars(module)["rest"](0.03))
        assert vars(module)["rest"] is original
    finally:
        del sys.modules[module.__name__]


def test_closing_a_descriptor_wakes_those_who_wait_for_it() -> None:
    def body() -> Any:
        reading, writing = os.pipe()
        waiting = spawn(os.read, reading, 1)
        yield sleep(0.005)
        os.close(reading)
        with pytest.raises(OSError):
            yield waiting
        os.close(writing)

    run(body)


def test_a_step_that_waits_for_a_lock_at_the_end_of_the_run_is_closed() -> None:
    lock = threading.Lock()

    def waits() -> Any:
        try:
            lock.acquire()
        except Cancelled:
            return "closed"

    def body() -> Any:
        spawn(waits, daemon=True)
        yield sleep(0.005)

    with lock:
        scheduler = run(body)
    assert scheduler.tasks[1].done() and not _waiting


def test_a_finally_block_does_not_wait_for_a_lock_that_nobody_will_release() -> None:
    lock = threading.Lock()
    ended = []

    def cleans_up() -> Any:
        try:
            time.sleep(60)
        finally:
            try:
                with lock:
                    ended.append("has it")
            except Cancelled:
                ended.append("gave up")

    def holds() -> Any:
        yield sleep(0.001)
        with lock:
            time.sleep(60)

    def body() -> Any:
        spawn(cleans_up, daemon=True)
        spawn(holds(), daemon=True)
        yield sleep(0.01)

    run(body)
    assert ended == ["gave up"] and not lock.locked()


def test_all_finally_blocks_together_have_one_second_for_locks() -> None:
    lock = threading.Lock()

    def cleans_up() -> Any:
        try:
            yield sleep(60)
        finally:
            with lock:
                pass

    def body() -> Any:
        for _ in range(30):
            spawn(cleans_up(), daemon=True)
        yield sleep(0.001)

    begun = time.monotonic()
    with lock:
        run(body)
    # Each for itself they would take 30 seconds.
    assert time.monotonic() - begun < 20


def test_whoever_is_cancelled_while_it_waits_for_a_condition_has_its_lock_again_first() -> None:
    def body() -> Any:
        condition = threading.Condition(threading.Lock())
        log = []

        def waits() -> None:
            try:
                with condition:
                    condition.wait()
            except Cancelled:
                log.append("cancelled, and nothing else")

        def holds() -> None:
            with condition:
                time.sleep(0.02)

        waiting = spawn(waits)
        yield sleep(0.001)
        holding = spawn(holds)
        yield sleep(0.001)
        waiting.cancel()
        yield sleep(0.001)
        assert not log
        yield holding
        yield sleep(0.005)
        return log, waiting.done()

    assert result_of(body) == (["cancelled, and nothing else"], True)


def test_deadlines_of_the_standard_library_are_virtual_where_time_is() -> None:
    def waits() -> Any:
        with pytest.raises(queue.Empty):
            queue.Queue().get(timeout=3600)
        assert not threading.Event().wait(3600) and not BEFORE["lock"].acquire(timeout=3600)
        begun = time.monotonic(), time.time_ns(), time.perf_counter()
        time.sleep(10)
        passed = time.monotonic() - begun[0], (time.time_ns() - begun[1]) / 1e9
        return (*passed, time.perf_counter() - begun[2])

    real = time.monotonic()
    with BEFORE["lock"]:
        scheduler = run(waits, clock="virtual")
    assert scheduler.tasks[0].result() == pytest.approx((10, 10, 10))
    assert scheduler.elapsed == pytest.approx(3 * 3600 + 10)
    assert time.monotonic() - real < 60


def test_every_method_is_the_original_after_a_run() -> None:
    before = [(p.owner, p.attribute, vars(p.owner).get(p.attribute)) for p in switching.patches()]
    beside(lambda: time.sleep(0.001))
    assert [(o, a) for o, a, was in before if vars(o).get(a) is not was] == []


def test_a_thousand_runs_that_block_leave_nothing_behind() -> None:
    told = python(
        """
        import gc, os, queue, threading, time
        import greenlet, psutil
        from coro_magic.engines.scheduler import Scheduler
        from coro_magic.language import sleep, spawn

        def body():
            lock = threading.Lock()

            def waits():
                with lock:
                    time.sleep(0)
                try:
                    queue.Queue().get(timeout=0.0001)
                except queue.Empty:
                    pass

            for _ in range(3):
                spawn(waits)
            yield sleep(0)

        def state():
            gc.collect()
            greenlets = sum(isinstance(each, greenlet.greenlet) for each in gc.get_objects())
            return len(os.listdir("/proc/self/fd")), threading.active_count(), greenlets

        def runs(count):
            for _ in range(count):
                Scheduler().run(lambda scheduler: scheduler.spawn(body()))

        runs(200)
        before, memory = state(), psutil.Process().memory_info().rss
        runs(1000)
        print(state() == before, psutil.Process().memory_info().rss - memory < 1_000_000)
        """
    )
    assert told == "True True\n"
