"""Real servers on loopback, each in a process of its own, on a port that the system chose.

    python servers.py http|https FOLDER

serves pages that take 0.2 s each, and prints its port.
"""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

SECONDS = 0.2  # that every answer takes


class Slow(BaseHTTPRequestHandler):
    """Answers every request after a while."""

    protocol_version = "HTTP/1.1"

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

    def finish_request(self, request, client_address) -> None:
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
    """Make a certificate for localhost that signs itself; gives its file."""
    import trustme

    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1", "localhost")
    certificate.private_key_pem.write_to_path(folder / "key.pem")
    for blob in certificate.cert_chain_pems:
        blob.write_to_path(folder / "certificate.pem", append=True)
    authority.cert_pem.write_to_path(folder / "authority.pem")
    return folder / "authority.pem"


@contextmanager
def process(command: list[str], **options) -> Iterator[subprocess.Popen]:
    """Run a command for the length of a ``with`` block."""
    started = subprocess.Popen(command, **options)
    try:
        yield started
    finally:
        started.terminate()
        try:
            started.wait(10)
        except subprocess.TimeoutExpired:
            started.kill()
            started.wait()


@contextmanager
def http(kind: str, folder: Path) -> Iterator[str]:
    """Serve over HTTP or HTTPS; gives the address."""
    command = [sys.executable, __file__, kind, str(folder)]
    with process(command, stdout=subprocess.PIPE, text=True) as server:
        port = server.stdout.readline().strip()
        yield f"{kind}://127.0.0.1:{port}"


def free_port() -> int:
    """Give a port that was free a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as found:
        return found.getsockname()[1]


def until_it_listens(port: int, seconds: float = 30) -> None:
    """Wait until somebody accepts connections at a port."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)


@contextmanager
def redis(folder: Path) -> Iterator[int]:
    """Run a redis server that keeps nothing; gives its port."""
    port = free_port()
    command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)]
    with process(command, stdout=subprocess.DEVNULL):
        until_it_listens(port)
        yield port


def postgres_folder() -> Path | None:
    """Give where the programs of PostgreSQL's server are, None if there are none."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    on_path = shutil.which("initdb")
    return found[-1].parent if found else Path(on_path).parent if on_path else None


@contextmanager
def postgres(folder: Path) -> Iterator[int]:
    """Run a PostgreSQL server with an empty database; gives its port."""
    programs = postgres_folder()
    port, data = free_port(), folder / "data"
    options: dict = {"cwd": folder, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    if os.geteuid() == 0:
        # It refuses to be run by root. The folder and those above it must be open to its own user.
        user = pwd.getpwnam("postgres")
        os.chown(folder, user.pw_uid, user.pw_gid)
        options |= {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
    subprocess.run([programs / "initdb", "-D", data, "-U", "postgres", "-A", "trust", "--no-sync"],
                   check=True, **options)  # fmt: skip
    command = [programs / "postgres", "-D", data, "-p", str(port), "-h", "127.0.0.1", "-k", folder,
               "-F", "-c", "max_connections=120"]  # fmt: skip
    with process([str(part) for part in command], **options):
        until_it_listens(port)
        # It listens before it is ready to be asked.
        time.sleep(0.5)
        yield port


if __name__ == "__main__":
    serve(sys.argv[1], Path(sys.argv[2]))
