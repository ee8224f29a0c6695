"""Real browsers: JupyterLab and Notebook 7 on loopback, driven with Playwright and the system's Chromium."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

import coro_magic

_ROOT = Path(coro_magic.__file__).parents[1]
_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}


def _chromium() -> str | None:
    return next((path for name in _NAMES if (path := shutil.which(name))), None)


@pytest.fixture(scope="package")
def browser() -> Iterator[Any]:
    """A Chromium without a window.

    It ends with the tests of this folder: Playwright has a thread here, and where another thread is at
    work nobody can tell that a lock will never be released.
    """
    sync_api = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    path = _chromium()
    if path is None:
        pytest.skip("no Chromium here: install Debian's package chromium to run the browser tests")
    with sync_api.sync_playwright() as playwright:
        # A container has little shared memory, and root has no sandbox.
        chromium = playwright.chromium.launch(
            executable_path=path,
            args=["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
                  "--disable-background-networking"],
        )  # fmt: skip
        yield chromium
        chromium.close()


class Server:
    """A Jupyter server on loopback, with a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "notebooks"
        self.folder.mkdir()
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        private = {
            name: str(folder / name.lower())
            for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR", "HOME")
        }
        for path in private.values():
            Path(path).mkdir()
        self._log = (folder / "log").open("wb")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--ip=127.0.0.1",
             f"--port={self.port}", "--ServerApp.port_retries=0", "--IdentityProvider.token=",
             f"--ServerApp.root_dir={self.folder}", "--LabApp.news_url=",
             "--ServerApp.terminals_enabled=False"],
            env={**os.environ, **private, "PYTHONPATH": str(_ROOT)},
            stdout=self._log, stderr=subprocess.STDOUT, cwd=self.folder,
        )  # fmt: skip
        self._wait(folder / "log")

    def _wait(self, log: Path) -> None:
        late = time.monotonic() + 90
        while time.monotonic() < late:
            assert self._process.poll() is None, log.read_text()[-2000:]
            try:
                urllib.request.urlopen(f"{self.url}/api", timeout=5).close()
                return
            except (urllib.error.URLError, OSError):
                time.sleep(0.2)
        raise AssertionError("the server does not answer:\n" + log.read_text()[-2000:])

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    def notebook(self, name: str, *cells: str) -> Path:
        """Write a notebook of code cells that has not been run."""
        path = self.folder / name
        path.write_text(json.dumps({
            "nbformat": 4, "nbformat_minor": 5, "metadata": {"kernelspec": KERNEL},
            "cells": [
                {"cell_type": "code", "id": f"cell-{at}", "metadata": {}, "outputs": [],
                 "execution_count": None, "source": cell}
                for at, cell in enumerate(cells)
            ],
        }))  # fmt: skip
        return path

    def stop(self) -> None:
        """End it, and its kernels with it."""
        self._process.terminate()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._log.close()


@pytest.fixture(scope="package")
def server(tmp_path_factory: pytest.TempPathFactory, browser: Any) -> Iterator[Server]:
    """A Jupyter server. Asks for the browser first: without one there is nothing to serve."""
    pytest.importorskip("jupyterlab", reason="JupyterLab is not installed")
    running = Server(tmp_path_factory.mktemp("jupyter"))
    yield running
    running.stop()


@contextmanager
def watched(browser: Any) -> Iterator[Any]:
    """A page in which an error of any script of ours fails the test."""
    context = browser.new_context(viewport={"width": 1300, "height": 1400})
    page = context.new_page()
    page.set_default_timeout(60_000)
    # On a slow day JupyterLab asks which kernel a notebook is to have, and lets nobody click before that is
    # answered: the one that it proposes. A click while the dialog is still being made may come to nothing, or
    # the next dialog is there at once: it is looked at again before every try.
    page.add_locator_handler(page.locator(".jp-Dialog .jp-mod-accept"), _answer, no_wait_after=True)
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    yield page
    context.close()
    ours = [error for error in errors if "coro" in error.lower() or "interactive" in error]
    assert not ours, ours


def _answer(button: Any) -> None:
    from playwright.sync_api import Error

    # It may be gone already.
    with suppress(Error):
        button.click(timeout=5_000)


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:
    """A page of its own."""
    with watched(browser) as page:
        yield page
