"""Libraries that nobody here wrote, unmodified: 50 coroutines, each waiting 0.2 s for a real server."""

from __future__ import annotations

import ssl
import time
from typing import Any
from urllib.request import urlopen

import pytest

from . import servers
from .conftest import COUNT, Together

NUMBERS = list(range(COUNT))
PATHS = [f"/{number}" for number in NUMBERS]


@pytest.fixture
def context(authority: str) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=authority)


@pytest.fixture
def requests() -> Any:
    return pytest.importorskip("requests")


def test_requests_with_a_session_each(
    together: Together, requests: Any, address: str, authority: str
) -> None:
    def fetch(n: int) -> str:
        with requests.Session() as session:
            session.verify = authority
            return str(session.get(f"{address}/{n}", timeout=30).text)

    assert together(fetch) == PATHS


def test_requests_with_one_session_that_all_share(
    together: Together, requests: Any, address: str, authority: str
) -> None:
    with requests.Session() as session:
        session.verify = authority
        adapter = requests.adapters.HTTPAdapter(pool_connections=1, pool_maxsize=COUNT, pool_block=True)
        session.mount(address, adapter)
        assert together(lambda n: session.get(f"{address}/{n}", timeout=30).text) == PATHS


def test_requests_that_take_turns_at_connections_of_one_pool(
    together: Together, requests: Any, http: str
) -> None:
    with requests.Session() as session:
        adapter = requests.adapters.HTTPAdapter(pool_connections=1, pool_maxsize=COUNT // 2, pool_block=True)
        session.mount(http, adapter)
        assert together(lambda n: session.get(f"{http}/{n}", timeout=30).text) == PATHS


def test_httpx_with_one_client_that_all_share(
    together: Together, address: str, context: ssl.SSLContext
) -> None:
    httpx = pytest.importorskip("httpx")
    with httpx.Client(timeout=30, verify=context) as client:
        assert together(lambda n: client.get(f"{address}/{n}").text) == PATHS


def test_httpx_with_a_client_each(together: Together, address: str, context: ssl.SSLContext) -> None:
    httpx = pytest.importorskip("httpx")

    def fetch(n: int) -> str:
        with httpx.Client(timeout=30, verify=context) as client:
            return str(client.get(f"{address}/{n}").text)

    assert together(fetch) == PATHS


def test_urllib3_with_a_pool_of_50(together: Together, address: str, authority: str) -> None:
    urllib3 = pytest.importorskip("urllib3")
    with urllib3.PoolManager(maxsize=COUNT, block=True, ca_certs=authority) as pool:
        assert together(lambda n: pool.request("GET", f"{address}/{n}").data.decode()) == PATHS


def test_urlopen(together: Together, address: str, context: ssl.SSLContext) -> None:
    def fetch(n: int) -> str:
        with urlopen(f"{address}/{n}", context=context if address.startswith("https") else None) as page:
            return str(page.read().decode())

    assert together(fetch) == PATHS


def test_redis_waits_in_blpop_until_its_time_is_over(together: Together, redis_port: int) -> None:
    redis = pytest.importorskip("redis")

    def wait(n: int) -> Any:
        with redis.Redis(port=redis_port) as client:
            return client.blpop(f"empty {n}", timeout=servers.SECONDS)

    assert together(wait) == [None] * COUNT


def test_redis_waits_in_blpop_for_what_another_coroutine_pushes(together: Together, redis_port: int) -> None:
    redis = pytest.importorskip("redis")

    def wait_or_push(n: int) -> Any:
        if n % 2:
            time.sleep(servers.SECONDS)
            return client.lpush(f"list {n - 1}", n)
        return client.blpop(f"list {n}", timeout=5)

    with redis.Redis(port=redis_port) as client:
        got = together(wait_or_push)
    assert got[::2] == [(f"list {n}".encode(), str(n + 1).encode()) for n in NUMBERS[::2]]


def test_pg8000_waits_for_postgresql(together: Together, postgres_port: int) -> None:
    native = pytest.importorskip("pg8000.native")

    def wait(n: int) -> Any:
        connection = native.Connection("postgres", host="127.0.0.1", port=postgres_port, ssl_context=False)
        try:
            return connection.run(f"select {n}, pg_sleep({servers.SECONDS})")[0][0]
        finally:
            connection.close()

    assert together(wait) == NUMBERS


def test_psycopg_waits_for_postgresql(
    together: Together, postgres_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The other implementations wait in C, where nothing can be switched.
    monkeypatch.setenv("PSYCOPG_IMPL", "python")
    try:
        import psycopg
    except ImportError as error:
        pytest.skip(f"psycopg or the libpq that it needs is missing: {error}")
    assert psycopg.pq.__impl__ == "python"

    def wait(n: int) -> Any:
        where = f"host=127.0.0.1 port={postgres_port} user=postgres"
        with psycopg.connect(where) as connection:
            return connection.execute(f"select {n}, pg_sleep({servers.SECONDS})").fetchone()[0]

    assert together(wait) == NUMBERS


def test_pymysql_waits_for_mariadb(together: Together, mariadb_port: int) -> None:
    pymysql = pytest.importorskip("pymysql")
    # Not TLS: the context that it makes for each connection costs 25 ms of computing.
    where = {"host": "127.0.0.1", "port": mariadb_port, "user": "root", "ssl_disabled": True}

    def wait(n: int) -> Any:
        with (
            pymysql.connect(**where) as connection,
            connection.cursor() as cursor,
        ):
            cursor.execute(f"select {n}, sleep({servers.SECONDS})")
            return cursor.fetchone()[0]

    assert together(wait) == NUMBERS
