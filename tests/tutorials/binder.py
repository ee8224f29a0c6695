"""What Binder does, on this computer and without Docker: from nothing to the executed notebooks.

``python -m tests.tutorials.binder [PYTHON]`` copies the repository, makes an environment of the Python that
``binder/runtime.txt`` asks for (of PYTHON, if that is given; of the one that runs this, if neither is here),
installs what ``binder/`` asks for, runs ``postBuild``, starts JupyterLab and executes all notebooks beside
it, on one core. It says how long each part took and how much memory all processes together had at most, and
fails if that is more than Binder has, or more than five minutes. Linux only. What ``apt.txt`` asks for is not
installed.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import psutil

ROOT = Path(__file__).parents[2]
MOST_MEMORY = 1_000_000_000  # bytes
MOST_TIME = 300  # seconds
_LEFT_OUT = shutil.ignore_patterns(".git", "__pycache__", ".*_cache", "*.egg-info", "dist", "site")


def python_asked_for() -> str:
    """Give the program of the Python that is asked for, or the nearest at hand."""
    (version,) = (ROOT / "binder" / "runtime.txt").read_text().split()
    program = shutil.which(version.replace("-", ""))
    # Some managers of versions leave a program that only says what it is not.
    there = program and subprocess.run([program, "--version"], capture_output=True).returncode == 0
    return program if program and there else sys.executable


class Memory:
    """The memory of some processes and all that they start, looked at ten times a second.

    What several processes share counts once (the sum of their proportional set sizes), as for the limit of a
    container.
    """

    def __init__(self) -> None:
        self.most = 0  # bytes
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _watch(self) -> None:
        while not self._ended.wait(0.1):
            self.most = max(self.most, sum(map(_share, psutil.Process().children(recursive=True))))

    def stop(self) -> None:
        self._ended.set()
        self._thread.join()


def _share(process: psutil.Process) -> int:
    try:
        return int(process.memory_full_info().pss)
    except psutil.Error:
        return 0  # it has just ended


@contextmanager
def part(name: str) -> Iterator[None]:
    """Say how long something took, and what it needed."""
    begun, memory = time.monotonic(), Memory()
    yield
    memory.stop()
    print(f"{name:<32} {time.monotonic() - begun:6.1f} s  {memory.most / 1e6:6.0f} MB", flush=True)
    if memory.most > MOST_MEMORY:
        sys.exit(f"{name} needs more memory than there is on Binder")


def server(python: Path, repository: Path, environment: dict[str, str]) -> subprocess.Popen[bytes]:
    """Start JupyterLab, and see that it leads to the index."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [python, "-m", "jupyterlab", "--no-browser", "--allow-root", "--ip=127.0.0.1",
               f"--port={port}", "--IdentityProvider.token="]  # fmt: skip
    started = subprocess.Popen(command, cwd=repository, env=environment, stderr=subprocess.DEVNULL)
    while True:
        assert started.poll() is None, "JupyterLab does not start"
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=60) as page:
                assert page.url.endswith("00_index.ipynb"), page.url
                return started
        except OSError:
            time.sleep(0.2)


def main(arguments: Sequence[str]) -> None:
    begun = time.monotonic()
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    interpreter = arguments[0] if arguments else python_asked_for()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        repository, home, python = folder / "repository", folder / "home", folder / "env" / "bin" / "python"
        home.mkdir()
        shutil.copytree(ROOT, repository, ignore=_LEFT_OUT)
        subprocess.run([interpreter, "-m", "venv", folder / "env"], check=True)
        kept = ("LANG", "LC_ALL", "PIP_", "SSL_", "REQUESTS_", "HTTP", "http", "NO_PROXY", "no_proxy")
        environment = {key: value for key, value in os.environ.items() if key.startswith(kept)}
        environment |= {"HOME": str(home), "PATH": f"{python.parent}:{os.environ['PATH']}"}

        def run(*command: str | Path, cwd: Path = repository) -> None:
            ended = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True)
            if ended.returncode:
                sys.exit(f"{' '.join(map(str, command))}:\n{ended.stdout[-1000:]}{ended.stderr[-3000:]}")

        print(subprocess.check_output([python, "--version"], text=True).strip())
        with part("requirements.txt"):
            run(python, "-m", "pip", "install", "-q", "-r", "binder/requirements.txt")
        with part("postBuild"):
            run("binder/postBuild")
        lab = server(python, repository, environment)
        try:
            for path in sorted((repository / "notebooks").glob("*.ipynb")):
                with part(path.name):
                    run(python, "-m", "jupyter", "execute", path.name, cwd=path.parent)
        finally:
            lab.terminate()
            lab.wait()
    seconds = time.monotonic() - begun
    print(f"{'all':<32} {seconds:6.1f} s")
    if seconds > MOST_TIME:
        sys.exit("that is more than five minutes")


if __name__ == "__main__":
    main(sys.argv[1:])
