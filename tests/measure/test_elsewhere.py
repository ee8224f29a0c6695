"""A cell's coroutines on other people's workers: dask, ipyparallel, MPI. Servers are on the loopback only."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cells import cell

from coro_magic import State
from coro_magic.measure.underway import Underway

COUNT = """
    from dataclasses import dataclass
    import os
    @dataclass
    class Found:
        n: int
        pid: int
    shift = lambda n: add(n) - 1
    def worker(n):
        print("at work", n)
        yield
        return Found(shift(n), os.getpid())
    for n in range(6):
        worker(n)
"""
DIES = """
    import os, signal, time
    def f(n):
        end = time.monotonic() + 0.5
        while time.monotonic() < end:
            yield
        if n == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        return n
    for n in range(4):
        f(n)
"""


@pytest.fixture(scope="module")
def dask() -> Iterator[Any]:
    distributed = pytest.importorskip("distributed")
    import dask.config

    settings = {
        # What dies is lost, and not tried on the next worker until all are dead.
        "distributed.scheduler.allowed-failures": 0,
        "distributed.admin.tick.limit": "10s",
    }
    with (
        dask.config.set(settings),
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, host="127.0.0.1"
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


@pytest.fixture(scope="module")
def ipyparallel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    ipp = pytest.importorskip("ipyparallel")
    folder = tmp_path_factory.mktemp("profile")
    cluster = ipp.Cluster(n=2, profile_dir=str(folder), log_level=40, controller_ip="127.0.0.1",
                          engine_launcher_class="local")  # fmt: skip
    client = cluster.start_and_connect_sync(activate=False)
    try:
        yield client
    finally:
        client.close()
        cluster.stop_cluster_sync()


def executor_of(cluster: Any) -> Any:
    return cluster.get_executor() if hasattr(cluster, "get_executor") else cluster.executor()


@pytest.mark.parametrize("name", ["dask", "ipyparallel"])
def test_other_peoples_workers_run_the_shares(name, request):
    cluster = request.getfixturevalue(name)
    names = {"__name__": "__main__", "mine": executor_of(cluster), "add": lambda n: n + 1}
    made = cell(COUNT, names, processes=2, on="mine")
    assert made.run.error is None, made.run.error
    assert [found.n for found in made.results.values()] == list(range(6))
    assert all(isinstance(found, made.names["Found"]) for found in made.results.values())
    assert os.getpid() not in {found.pid for found in made.results.values()}
    assert made.run.trace.detailed and len(made.run.processes) == 2
    assert sorted(made.run.printed.text().splitlines()) == [f"at work {n}" for n in range(6)]


@pytest.mark.parametrize("name", ["dask", "ipyparallel"])
def test_a_click_stops_workers_what_they_have_come_to_is_kept_and_they_are_free(name, request):
    names = {"__name__": "__main__", "mine": executor_of(request.getfixturevalue(name))}

    def progress(underway: Underway) -> float:
        if all(each is not None and each.switches for each in underway.glimpses()):
            threading.Thread(target=underway.request_interrupt).start()
        return 0.1

    made = cell(
        "def quick(n):\n    yield\n    return n\n"
        "def endless(n):\n    while True:\n        yield\n"
        "for n in range(2):\n    quick(n)\nfor n in range(2):\n    endless(n)",
        names, processes=2, on="mine", progress=progress,
    )  # fmt: skip
    assert made.run.interrupted and made.results == {"quick": 0, "quick-2": 1}, made.run.notes
    assert [task.state for task in made.run.tasks[3:]] == [State.CANCELLED] * 2
    after = cell("def f(n):\n    yield\n    return n\nf(1)\nf(2)", names, processes=2, on="mine")
    assert after.results == {"f": 1, "f-2": 2}


@pytest.mark.parametrize("name", ["dask", "ipyparallel"])
def test_of_a_worker_that_is_killed_nothing_of_the_others_is_lost(name, request):
    cluster = request.getfixturevalue(name)
    made = cell(DIES, {"__name__": "__main__", "mine": executor_of(cluster)}, processes=2, on="mine")
    assert made.results == {"f": 0, "f-3": 2}
    assert [task.name for task in made.run.tasks if task.state is State.FAILED] == ["f-2", "f-4"]
    assert "process 2 was lost" in made.run.summary()


ON_MPI = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parents[1])!r})
from mpi4py.futures import MPIPoolExecutor
if __name__ == "__main__":
    from cells import cell
    with MPIPoolExecutor() as mine:
        names = {{"__name__": "__main__", "mine": mine, "add": lambda n: n + 1}}
        made = cell({textwrap.dedent(COUNT)!r}, names, processes=2, on="mine")
        print(made.run.error, [found.n for found in made.results.values()])
        print(len({{found.pid for found in made.results.values()}}), len(made.run.processes))
"""


def test_the_ranks_of_an_mpi_job_run_the_shares(tmp_path):
    """Rank 0 is the notebook's, as with ``mpiexec -n 3 python -m mpi4py.futures``; each other is a worker."""
    pytest.importorskip("mpi4py")
    mpiexec = Path(sys.executable).with_name("mpiexec")
    if not mpiexec.exists():
        pytest.skip("there is no MPI beside this Python (pip install mpich)")
    program = tmp_path / "program.py"
    program.write_text(ON_MPI)
    # All on this machine, whatever its name is.
    command = [mpiexec, "-launcher", "fork", "-n", "3", sys.executable, "-m", "mpi4py.futures", program]
    ran = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120, check=False
    )
    assert ran.returncode == 0, ran.stderr
    lines = ran.stdout.splitlines()
    assert "None [0, 1, 2, 3, 4, 5]" in lines and "2 2" in lines
