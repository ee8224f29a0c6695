"""A redis server on loopback that keeps nothing, for the notebooks.

Started by a notebook in a process of its own, it prints its port, and ends when its standard input does.
Where there is no redis it prints what is missing, and ends at once.
"""

import importlib.util
import shutil
import socket
import subprocess
import sys
import tempfile
import time


def missing() -> str:
    """Say what is missing, and how to get it; empty if nothing is."""
    if shutil.which("redis-server") is None:
        return "there is no redis-server on this computer (Debian: apt-get install redis-server)"
    if importlib.util.find_spec("redis") is None:
        return "Python's client for redis is not installed (pip install redis)"
    return ""


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


def serve() -> None:
    """Serve until standard input ends, which is the end of the notebook's kernel."""
    with tempfile.TemporaryDirectory() as folder:
        port = free_port()
        command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "",
                   "--appendonly", "no", "--dir", folder]  # fmt: skip
        server = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        try:
            while not greets(port):
                if server.poll() is not None:
                    print("redis-server does not start: run it by hand to see why", flush=True)
                    return
                time.sleep(0.02)
            print(port, flush=True)
            sys.stdin.read()
        finally:
            server.terminate()
            server.wait()


if __name__ == "__main__":
    reason = missing()
    print(reason, flush=True) if reason else serve()
