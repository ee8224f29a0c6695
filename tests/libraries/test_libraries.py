"""Libraries that nobody here wrote, unmodified: 50 coroutines, each of which waits 0.2 s for a server.

One after another they would take 10 s. How long they took is printed (``pytest -s``); what is
asserted is that they overlapped, which no slow day can hide.
"""

from __future__ import annotations

import concurrent.futures
import os
import queue
import shutil
import subprocess
import tempfile
import threading
import time
from pathlib import Path

import pytest

import coro_magic

from . import servers

COUNT = 50
SERIALLY = COUNT * servers.SECONDS


def together(function, *, name=None) -> list:
    """Let 50 coroutines call ``function(n)`` and give what they returned."""

    def one(number):
        results[number] = function(number)

    results: list = [None] * COUNT

    def body():
        tasks = [coro_magic.spawn(one, number) for number in range(COUNT)]
        for task in tasks:
            task.result()

    run = coro_magic.run(body, baseline="off")
    name = name or os.environ["PYTEST_CURRENT_TEST"].split("::")[-1].split(" ")[0]
    print(f"\n{name}: {COUNT} coroutines in {run.elapsed:.2f} s")
    assert run.elapsed < SERIALLY / 4
    return results


@pytest.fixture(scope="module")
def folder():
    # Not pytest's: another user's server must be able to come here.
    path = Path(tempfile.mkdtemp())
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


@pytest.fixture(scope="module")
def authority(folder):
    pytest.importorskip("trustme")
    return str(servers.certify(folder))


@pytest.fixture(scope="module")
def http(folder):
    with servers.http("http", folder) as address:
        yield address


@pytest.fixture(scope="module")
def https(folder, authority):
    with servers.http("https", folder) as address:
        yield address


@pytest.fixture(scope="module")
def redis_port(folder):
    if not shutil.which("redis-server"):
        pytest.skip("there is no redis-server on this machine (Debian: apt-get install redis-server)")
    with servers.redis(folder) as port:
        yield port


@pytest.fixture(scope="module")
def postgres_port(folder):
    if servers.postgres_folder() is None:
        pytest.skip("there is no PostgreSQL server on this machine (Debian: apt-get install postgresql)")
    place = folder / "postgres"
    place.mkdir()
    with servers.postgres(place) as port:
        yield port


PATHS = [f"/{number}" for number in range(COUNT)]


def test_requests_over_http(http):
    requests = pytest.importorskip("requests")
    assert together(lambda n: requests.get(f"{http}/{n}", timeout=30).text) == PATHS


def test_requests_over_https(https, authority):
    requests = pytest.importorskip("requests")
    assert together(lambda n: requests.get(f"{https}/{n}", timeout=30, verify=authority).text) == PATHS


def test_one_session_of_requests_that_all_share(http):
    requests = pytest.importorskip("requests")
    with requests.Session() as session:
        adapter = requests.adapters.HTTPAdapter(pool_connections=1, pool_maxsize=COUNT, pool_block=True)
        session.mount("http://", adapter)
        assert together(lambda n: session.get(f"{http}/{n}", timeout=30).text) == PATHS


def test_httpx_over_http(http):
    httpx = pytest.importorskip("httpx")
    with httpx.Client(timeout=30) as client:
        assert together(lambda n: client.get(f"{http}/{n}").text) == PATHS


def test_httpx_over_https(https, authority):
    import ssl

    httpx = pytest.importorskip("httpx")
    with httpx.Client(timeout=30, verify=ssl.create_default_context(cafile=authority)) as client:
        assert together(lambda n: client.get(f"{https}/{n}").text) == PATHS


def test_urlopen_over_https(https, authority):
    import ssl
    from urllib.request import urlopen

    context = ssl.create_default_context(cafile=authority)
    assert together(lambda n: urlopen(f"{https}/{n}", context=context).read().decode()) == PATHS


def test_redis_waits_in_blpop_until_it_is_over(redis_port):
    redis = pytest.importorskip("redis")

    def wait(n):
        with redis.Redis(port=redis_port) as client:
            return client.blpop(f"empty {n}", timeout=servers.SECONDS)

    assert together(wait) == [None] * COUNT


def test_redis_waits_in_blpop_for_what_another_coroutine_pushes(redis_port):
    redis = pytest.importorskip("redis")
    client = redis.Redis(port=redis_port)

    def wait_or_push(n):
        if n % 2:
            time.sleep(servers.SECONDS)
            return client.lpush(f"list {n - 1}", n)
        return client.blpop(f"list {n}", timeout=30)

    got = together(wait_or_push)
    assert got[::2] == [(f"list {n}".encode(), str(n + 1).encode()) for n in range(0, COUNT, 2)]
    client.close()


def test_pg8000_waits_for_its_server(postgres_port):
    native = pytest.importorskip("pg8000.native")

    def wait(n):
        connection = native.Connection("postgres", host="127.0.0.1", port=postgres_port, ssl_context=False)
        rows = connection.run(f"select {n}, pg_sleep({servers.SECONDS})")
        connection.close()
        return rows[0][0]

    assert together(wait) == list(range(COUNT))


def test_psycopg_waits_for_its_server(postgres_port):
    os.environ["PSYCOPG_IMPL"] = "python"
    try:
        import psycopg
    except ImportError as error:
        pytest.skip(f"psycopg cannot be imported: {error}")

    def wait(n):
        address = f"host=127.0.0.1 port={postgres_port} user=postgres"
        with psycopg.connect(address) as connection:
            return connection.execute(f"select {n}, pg_sleep({servers.SECONDS})").fetchone()[0]

    assert together(wait) == list(range(COUNT))


def test_pymysql_waits_for_its_server():
    pymysql = pytest.importorskip("pymysql")
    try:
        pymysql.connect(host="127.0.0.1", user="root").close()
    except pymysql.MySQLError as error:
        pytest.skip(f"there is no MySQL server at hand: {error}")

    def wait(n):
        with pymysql.connect(host="127.0.0.1", user="root") as connection, connection.cursor() as cursor:
            cursor.execute(f"select {n}, sleep({servers.SECONDS})")
            return cursor.fetchone()[0]

    assert together(wait) == list(range(COUNT))


# The standard library's own.


def test_subprocesses(http):
    command = f"sleep {servers.SECONDS}; echo $0"

    def wait(n):
        return subprocess.run(["sh", "-c", command, str(n)], capture_output=True, text=True).stdout

    assert together(wait) == [f"{n}\n" for n in range(COUNT)]


def test_results_of_a_pool_of_threads():
    with concurrent.futures.ThreadPoolExecutor(COUNT) as pool:

        def wait(n):
            pool.submit(time.sleep, servers.SECONDS).result()
            return n

        assert together(wait) == list(range(COUNT))


def test_queues_that_a_thread_fills():
    queues = [queue.Queue() for _ in range(COUNT)]

    def fill():
        time.sleep(servers.SECONDS)
        for number, each in enumerate(queues):
            each.put(number)

    thread = threading.Thread(target=fill)
    thread.start()
    assert together(lambda n: queues[n].get()) == list(range(COUNT))
    thread.join()


def test_threads_that_are_joined():
    def wait(n):
        thread = threading.Thread(target=time.sleep, args=(servers.SECONDS,))
        thread.start()
        thread.join()
        return n

    assert together(wait) == list(range(COUNT))
