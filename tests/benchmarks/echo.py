"""An echo server, written naively in each of four ways, and clients that all talk to it at once.

    python tests/benchmarks/echo.py [--clients 100 1000] [--messages 20000] [--idle 10000]

The server's side is measured: messages per second, and CPU per message of the server's process. The
clients are in a process of their own, the same for all four. Also: connections held by coroutines that
do nothing, and what parking and resuming a blocked step costs against gevent's ``sleep(0)``.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib.util
import json
import resource
import selectors
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable

SIZE = 64  # bytes of a message
BUFFER = 4096  # what a server asks for, who does not know how long messages are
BACKLOG = 4096
begun = 0.0  # processor time when the server began to listen


def many_descriptors() -> None:
    """Allow as many descriptors as the system does."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def listen_quietly() -> socket.socket:
    """Give a listening socket on loopback."""
    return socket.create_server(("127.0.0.1", 0), backlog=BACKLOG)


def listen() -> socket.socket:
    """Give a listening socket on loopback; tell its port."""
    global begun
    server = listen_quietly()
    begun = time.process_time()
    print(server.getsockname()[1], flush=True)
    return server


def echo(connection: socket.socket) -> None:
    """Send back what comes, until nothing does: plain blocking code, for threads and coroutines alike."""
    with connection:
        while data := connection.recv(BUFFER):
            connection.sendall(data)


def with_coroutines(clients: int, trace: str = "on") -> None:
    """One coroutine for each connection, on one thread."""
    import coro_magic

    # The first run of a process imports what the others import when they are imported.
    coro_magic.run(lambda: None, baseline="off", trace=trace)
    server = listen()

    def accept() -> None:
        tasks = [coro_magic.spawn(echo, server.accept()[0]) for _ in range(clients)]
        for task in tasks:
            task.result()

    coro_magic.run(accept, baseline="off", trace=trace)


def with_coroutines_untraced(clients: int) -> None:
    """The same, and nothing is written down."""
    with_coroutines(clients, trace="off")


def with_threads(clients: int) -> None:
    """One thread for each connection."""
    server = listen()
    threads = [threading.Thread(target=echo, args=(server.accept()[0],)) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def with_gevent(clients: int) -> None:
    """One greenlet for each connection, with gevent's sockets."""
    import gevent
    from gevent import socket as green

    plain = listen()
    server = green.socket(fileno=plain.detach())
    gevent.joinall([gevent.spawn(echo, server.accept()[0]) for _ in range(clients)])


def with_asyncio(clients: int) -> None:
    """One task for each connection, with streams."""

    async def main() -> None:
        left = clients
        over = asyncio.Event()

        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal left
            while data := await reader.read(BUFFER):
                writer.write(data)
                await writer.drain()
            writer.close()
            left -= 1
            if not left:
                over.set()

        server = await asyncio.start_server(handle, sock=listen())
        await over.wait()
        server.close()

    asyncio.run(main())


SERVERS: dict[str, Callable[[int], None]] = {
    "coro_magic": with_coroutines,
    "coro_magic, untraced": with_coroutines_untraced,
    "gevent": with_gevent,
    "asyncio streams": with_asyncio,
    "threads": with_threads,
}


def serve(name: str, clients: int) -> None:
    """Be the server, and tell the CPU time that it took."""
    many_descriptors()
    SERVERS[name](clients)
    print(time.process_time() - begun, flush=True)


def talk(port: int, clients: int, messages: int) -> None:
    """Be the clients: each sends, waits for the echo, sends again. Tell the seconds that it took."""
    many_descriptors()
    message = b"x" * SIZE
    left = {}
    selector = selectors.DefaultSelector()
    for _ in range(clients):
        connection = socket.create_connection(("127.0.0.1", port))
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        selector.register(connection, selectors.EVENT_READ)
        left[connection] = messages // clients
    begun = time.perf_counter()
    for connection in left:
        connection.sendall(message)
    while left:
        for key, _ in selector.select():
            connection = key.fileobj
            assert isinstance(connection, socket.socket)
            assert len(connection.recv(SIZE)) == SIZE
            left[connection] -= 1
            if left[connection]:
                connection.sendall(message)
            else:
                selector.unregister(connection)
                del left[connection]
                connection.close()
    print(time.perf_counter() - begun, flush=True)


def measured(name: str, clients: int, messages: int) -> tuple[float, float]:
    """Give messages per second, and CPU seconds of the server per message."""
    command = [sys.executable, __file__]
    serving = [*command, "--serve", name, str(clients)]
    with subprocess.Popen(serving, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        port = server.stdout.readline().strip()
        job = json.dumps([int(port), clients, messages])
        talked = subprocess.run([*command, "--talk", job], capture_output=True, text=True, check=True)
        cpu = float(server.stdout.readline())
    count = messages // clients * clients
    return count / float(talked.stdout), cpu / count


def hold(port: int, count: int) -> None:
    """Be the clients that do nothing: connect, tell when all are, and close when told."""
    many_descriptors()
    connections = [socket.create_connection(("127.0.0.1", port)) for _ in range(count)]
    print(len(connections), flush=True)
    sys.stdin.readline()
    for connection in connections:
        connection.sendall(b"x")
        connection.close()


def resident() -> int:
    """Give the bytes of memory that this process has."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize()


def idle(count: int) -> tuple[int, float, float]:
    """Hold connections with coroutines that wait, the other ends in a process of their own.

    Gives how many were held, seconds until all wait, and bytes for each. There are fewer than `count`
    where the system allows fewer descriptors.
    """
    import coro_magic

    many_descriptors()
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if limit != resource.RLIM_INFINITY:
        count = min(count, limit - 100)
    server = listen_quietly()
    job = json.dumps([server.getsockname()[1], count])
    command = [sys.executable, __file__, "--hold", job]
    found: list[float] = []

    def body() -> None:
        connections = [server.accept()[0] for _ in range(count)]
        assert holder.stdout is not None and holder.stdin is not None
        assert int(holder.stdout.readline()) == count
        before, begun = resident(), time.perf_counter()
        tasks = [coro_magic.spawn(connection.recv, 1) for connection in connections]
        coro_magic.sleep(0).wait()
        waiting = sum(task.state is coro_magic.State.WAITING for task in tasks)
        found.extend([waiting, time.perf_counter() - begun, (resident() - before) / count])
        holder.stdin.write("\n")
        holder.stdin.flush()
        assert all(task.result() == b"x" for task in tasks)
        for connection in connections:
            connection.close()

    pipe = subprocess.PIPE
    with server, subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as holder:
        coro_magic.run(body, baseline="off")
    held, seconds, octets = found
    print(f"\n{int(held):,} idle connections held at once (of {count:,}; {limit:,} descriptors are allowed): "
          f"{seconds:.2f} s, {octets:,.0f} bytes each")  # fmt: skip
    return int(held), seconds, octets


def parking(rounds: int = 20_000) -> None:
    """Compare a step that blocks and goes on with gevent's ``sleep(0)``, two of them in turns."""
    import gevent

    import coro_magic

    def blocks() -> None:
        for _ in range(rounds):
            time.sleep(0)

    def ours(trace: str) -> float:
        return coro_magic.run(blocks, blocks, baseline="off", trace=trace).elapsed

    def theirs() -> float:
        begun = time.perf_counter()
        gevent.joinall([gevent.spawn(lambda: [gevent.sleep(0) for _ in range(rounds)]) for _ in range(2)])
        return time.perf_counter() - begun

    best = [min(each) for each in zip(*((ours("on"), ours("off"), theirs()) for _ in range(5)), strict=True)]
    traced, untraced, peer = (seconds / rounds / 2 * 1e9 for seconds in best)
    print(f"\nparking and resuming a blocked step: {traced:,.0f} ns ({untraced:,.0f} untraced), "
          f"gevent.sleep(0) {peer:,.0f} ns: {traced / peer:.2f} × ({untraced / peer:.2f} ×)")  # fmt: skip


def main() -> None:
    """Print the table, or be one side of a measurement."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--serve", nargs=2)
    parser.add_argument("--talk")
    parser.add_argument("--hold")
    parser.add_argument("--clients", nargs="*", type=int, default=[100, 1000])
    parser.add_argument("--messages", type=int, default=40_000)
    parser.add_argument("--idle", type=int, default=10_000)
    parser.add_argument("--only-idle", action="store_true")
    given = parser.parse_args()
    if given.serve:
        serve(given.serve[0], int(given.serve[1]))
        return
    if given.talk:
        talk(*json.loads(given.talk))
        return
    if given.hold:
        hold(*json.loads(given.hold))
        return
    if given.only_idle:
        idle(given.idle)
        return
    has_gevent = importlib.util.find_spec("gevent") is not None
    print("| clients | server | messages per second | CPU per message | against threads |")
    print("|---|---|---|---|---|")
    for clients in given.clients:
        names = [name for name in SERVERS if has_gevent or name != "gevent"]
        rounds = [{name: measured(name, clients, given.messages) for name in names} for _ in range(3)]
        best = {name: max(each[name] for each in rounds) for name in names}
        for name, (rate, cpu) in best.items():
            print(f"| {clients:,} | {name} | {rate:,.0f} | {cpu * 1e6:.1f} µs | "
                  f"{rate / best['threads'][0]:.2f} × |", flush=True)  # fmt: skip
    idle(given.idle)
    if has_gevent:
        parking()


if __name__ == "__main__":
    main()
