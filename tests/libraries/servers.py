"""Real servers on loopback, each in a process of its own, on a port that was free.

    python servers.py http|https FOLDER

serves pages that take 0.2 s each, and prints its port. The others are the system's own programs, with an
empty folder to work in, nothing kept and nobody asked for a password.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

SECONDS = 0.2  # that every answer takes


class Missing(Exception):
    """A program that a server needs is not on this machine. Says which, and how to get it."""


class Slow(BaseHTTPRequestHandler):
    """Answers every request after a while."""

    protocol_version = "HTTP/1.1"
    # Head and body are two writes. On a connection that is used again, the second would wait for the
    # other side's delayed acknowledgement of the first.
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        time.sleep(SECONDS)
        body = self.path.encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


class Server(ThreadingHTTPServer):
    """Serves each connection on a thread, and greets it there too."""

    request_queue_size = 200
    daemon_threads = True
    tls: ssl.SSLContext | None = None

    def finish_request(self, request: Any, client_address: Any) -> None:
        if self.tls is not None:
            request = self.tls.wrap_socket(request, server_side=True)
        super().finish_request(request, client_address)


def serve(kind: str, folder: Path) -> None:
    """Serve until the process is ended."""
    server = Server(("127.0.0.1", 0), Slow)
    if kind == "https":
        server.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        server.tls.load_cert_chain(folder / "certificate.pem", folder / "key.pem")
    print(server.server_port, flush=True)
    server.serve_forever()


def certify(folder: Path) -> Path:
    """Make an authority of our own and let it certify localhost; gives the authority's file."""
    import trustme

    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1", "localhost")
    certificate.private_key_pem.write_to_path(folder / "key.pem")
    for blob in certificate.cert_chain_pems:
        blob.write_to_path(folder / "certificate.pem", append=True)
    authority.cert_pem.write_to_path(folder / "authority.pem")
    return folder / "authority.pem"


@contextmanager
def process(
    command: list[Any], end: signal.Signals = signal.SIGTERM, **options: Any
) -> Iterator[subprocess.Popen[str]]:
    """Run a command for the length of a ``with`` block; the signal `end` ends it."""
    started = subprocess.Popen([str(part) for part in command], text=True, **options)
    try:
        yield started
    finally:
        started.send_signal(end)
        try:
            started.wait(10)
        except subprocess.TimeoutExpired:
            started.kill()
            started.wait()


@contextmanager
def http(kind: str, folder: Path) -> Iterator[str]:
    """Serve over HTTP or HTTPS; gives the address."""
    with process([sys.executable, __file__, kind, folder], stdout=subprocess.PIPE) as server:
        assert server.stdout is not None
        with server.stdout:
            port = int(server.stdout.readline())
        yield f"{kind}://127.0.0.1:{port}"


def free_port() -> int:
    """Give a port that was free a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


def greets(port: int) -> bool:
    """Say whether somebody accepts connections at a port."""
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


@contextmanager
def answering(
    command: list[Any], port: int, log: Path, ready: str, seconds: float = 60, **options: Any
) -> Iterator[int]:
    """Run a server until it has written `ready` into `log` and accepts connections; gives its port."""
    with log.open("w") as output, process(command, stdout=output, stderr=output, **options) as server:
        deadline = time.monotonic() + seconds
        while ready not in log.read_text() or not greets(port):
            # Asked first: somebody else may have taken the port a moment ago, and greets us there.
            if server.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{command[0]} does not come up:\n{log.read_text()[-3000:]}")
            time.sleep(0.02)
        yield port


@contextmanager
def redis(folder: Path) -> Iterator[int]:
    """Run a redis server; gives its port."""
    program = shutil.which("redis-server")
    if program is None:
        raise Missing("there is no redis-server on this machine (Debian: apt-get install redis-server)")
    port = free_port()
    command = [program, "--port", port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no",
               "--dir", folder]  # fmt: skip
    with answering(command, port, folder / "redis.log", "eady to accept connections"):
        yield port


def _postgres_programs() -> Path:
    # Debian keeps each version's in a folder of its own and puts none of them on the path.
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=_version)
    on_path = shutil.which("initdb")
    if not found and not on_path:
        raise Missing("there is no PostgreSQL server on this machine (Debian: apt-get install postgresql)")
    return found[-1].parent if found else Path(str(on_path)).parent


def _version(program: Path) -> float:
    try:
        return float(program.parents[1].name)
    except ValueError:
        return 0.0


@contextmanager
def postgres(folder: Path) -> Iterator[int]:
    """Run a PostgreSQL server with an empty database; gives its port."""
    programs = _postgres_programs()
    port, data = free_port(), folder / "data"
    options: dict[str, Any] = {"cwd": folder}
    if os.geteuid() == 0:
        # It refuses to be run by root. The folder and those above it must be open to its own user.
        try:
            user = pwd.getpwnam("postgres")
        except KeyError:
            raise Missing("PostgreSQL refuses root, and there is no user postgres") from None
        os.chown(folder, user.pw_uid, user.pw_gid)
        options |= {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
    made = subprocess.run(
        [programs / "initdb", "-D", data, "-U", "postgres", "-A", "trust", "--no-sync"],
        capture_output=True, text=True, **options,
    )  # fmt: skip
    if made.returncode:
        raise RuntimeError(f"initdb fails:\n{made.stderr}")
    # -F: nothing is synced to the disk. LC_MESSAGES: its log is read.
    command = [programs / "postgres", "-D", data, "-p", port, "-h", "127.0.0.1", "-k", folder, "-F",
               "-c", "max_connections=120", "-c", "lc_messages=C"]  # fmt: skip
    # Asked to end by SIGTERM, it waits until the last client has gone.
    with answering(command, port, folder / "postgres.log", "ready to accept connections",
                   end=signal.SIGINT, **options):  # fmt: skip
        yield port


@contextmanager
def mariadb(folder: Path) -> Iterator[int]:
    """Run a MariaDB server where root needs no password; gives its port."""
    install = shutil.which("mariadb-install-db")
    program = shutil.which("mariadbd", path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin")
    if install is None or program is None:
        raise Missing("there is no MariaDB server on this machine (Debian: apt-get install mariadb-server)")
    port, data = free_port(), folder / "data"
    user = f"--user={pwd.getpwuid(os.geteuid()).pw_name}"
    made = subprocess.run(
        [install, "--no-defaults", f"--datadir={data}", user, "--skip-test-db",
         "--auth-root-authentication-method=normal"],
        capture_output=True, text=True,
    )  # fmt: skip
    if made.returncode:
        raise RuntimeError(f"mariadb-install-db fails:\n{made.stdout}{made.stderr}")
    command = [program, "--no-defaults", f"--datadir={data}", user, f"--port={port}",
               "--bind-address=127.0.0.1", f"--socket={folder / 'socket'}",
               f"--pid-file={folder / 'pid'}", "--innodb-flush-log-at-trx-commit=0",
               "--skip-name-resolve"]  # fmt: skip
    with answering(command, port, folder / "mariadb.log", "ready for connections"):
        yield port


if __name__ == "__main__":
    serve(sys.argv[1], Path(sys.argv[2]))
