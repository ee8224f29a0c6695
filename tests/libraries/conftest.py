"""Servers for all tests of this folder, 50 coroutines for each test, and what they took in a table."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

import coro_magic

from . import servers

COUNT = 50
SERIALLY = COUNT * servers.SECONDS
AUTHORITIES = {"REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR"}

# What each test took: filled as they run, printed at the end.
_totals: list[tuple[str, float]] = []

Together = Callable[[Callable[[int], Any]], list[Any]]


@pytest.fixture
def together(request: pytest.FixtureRequest) -> Together:
    """Gives ``together(function)``: 50 coroutines each call ``function(n)``; a list of the results.

    One after another their waits would take 10 s. That they overlap is asserted as a ratio, which no
    slow day can upset; how long they took is in the table.
    """

    def call_all(function: Callable[[int], Any]) -> list[Any]:
        def body() -> list[Any]:
            tasks = [coro_magic.spawn(function, number) for number in range(COUNT)]
            return [task.result() for task in tasks]

        run = coro_magic.run(body, baseline="off")
        _totals.append((request.node.name.removeprefix("test_").replace("_", " "), run.elapsed))
        assert run.elapsed > servers.SECONDS / 2, "nobody waited: this proves nothing"
        assert run.elapsed < SERIALLY / 2
        return list(run.results["body"])

    return call_all


def pytest_terminal_summary(terminalreporter: Any) -> None:
    if _totals:
        terminalreporter.section(f"{COUNT} coroutines, each of which waits {servers.SECONDS} s")
        for name, seconds in _totals:
            terminalreporter.write_line(f"{seconds:6.2f} s  {name}")


@pytest.fixture(autouse=True)
def nothing_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep a machine's proxy and its own authorities out of what the libraries do."""
    for name in list(os.environ):
        if name.lower().endswith("_proxy") or name in AUTHORITIES:
            monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def folder() -> Iterator[Path]:
    # Not pytest's own, which only its user may enter: PostgreSQL runs as another.
    path = Path(tempfile.mkdtemp())
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


def _port(server: Callable[[Path], AbstractContextManager[int]], place: Path) -> Iterator[int]:
    place.mkdir()
    started = server(place)
    try:
        port = started.__enter__()
    except servers.Missing as missing:
        pytest.skip(str(missing))
    try:
        yield port
    finally:
        started.__exit__(None, None, None)


@pytest.fixture(scope="session")
def redis_port(folder: Path) -> Iterator[int]:
    yield from _port(servers.redis, folder / "redis")


@pytest.fixture(scope="session")
def postgres_port(folder: Path) -> Iterator[int]:
    yield from _port(servers.postgres, folder / "postgres")


@pytest.fixture(scope="session")
def mariadb_port(folder: Path) -> Iterator[int]:
    yield from _port(servers.mariadb, folder / "mariadb")


@pytest.fixture(scope="session")
def authority(folder: Path) -> str:
    """The file of the authority that certified the HTTPS server."""
    pytest.importorskip("trustme")
    return str(servers.certify(folder))


@pytest.fixture(scope="session")
def http(folder: Path) -> Iterator[str]:
    with servers.http("http", folder) as address:
        yield address


@pytest.fixture(scope="session")
def https(folder: Path, authority: str) -> Iterator[str]:
    with servers.http("https", folder) as address:
        yield address


@pytest.fixture(params=["http", "https"])
def address(request: pytest.FixtureRequest) -> str:
    """The address of a server, once over HTTP and once over HTTPS."""
    return str(request.getfixturevalue(request.param))
