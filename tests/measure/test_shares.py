"""A cell's coroutines in several processes: shares, results, errors, names, channels, faults."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import psutil
import pytest
from cells import Cell, cell

import coro_magic
from coro_magic import Channel, State
from coro_magic.engines.board import begun_file, ended_file
from coro_magic.engines.processes import carry_out, header_of_this
from coro_magic.measure import shares
from coro_magic.measure.cores import cores
from coro_magic.measure.gathered import DifferingBodies, Gathered, Lost, offset
from coro_magic.measure.pool import pool
from coro_magic.measure.process import CannotBegin

IDS = """
    import os
    def worker(n):
        yield
        return n, os.getpid()
    for n in range(7):
        worker(n)
"""


def in_processes(source: str, names: dict[str, object] | None = None, **options: object) -> Cell:
    return cell(source, names, **{"processes": 2, **options})


def of_process(made: Cell) -> list[list[int]]:
    """Give the numbers of the coroutines that ran in each process of `IDS`."""
    pids = {process.pid: number for number, process in enumerate(made.run.processes)}
    shares: list[list[int]] = [[] for _ in pids]
    for number, pid in made.results.values():
        shares[pids[pid]].append(number)
    return shares


# Who runs where.


def test_each_process_runs_its_share_and_all_results_come_back():
    made = in_processes(IDS)
    assert list(made.results) == ["worker", *(f"worker-{n}" for n in range(2, 8))]
    assert [number for number, _ in made.results.values()] == list(range(7))
    assert of_process(made) == [[0, 2, 4, 6], [1, 3, 5]]
    assert made.run.count == 7 and made.run.error is None
    assert os.getpid() not in {pid for _, pid in made.results.values()}


def test_blocks_keep_neighbours_together():
    assert of_process(in_processes(IDS, split="blocks")) == [[0, 1, 2, 3], [4, 5, 6]]


def test_a_function_of_the_arguments_may_say_who_runs_where():
    source = IDS + "    def place(n):\n        return n // 3\n"
    source = "def place(n):\n    return n // 3\n" + "\n".join(line[4:] for line in IDS.splitlines())
    assert of_process(in_processes(source, split_by="place")) == [[0, 1, 2, 6], [3, 4, 5]]


def test_coroutines_that_are_bound_or_spawned_are_dealt_out_as_well():
    made = in_processes("""
        import os
        from coro_magic import spawn
        def plain(n):
            return os.getpid()
        async def native(n):
            return os.getpid()
        first = spawn(plain, 1)
        second = native(2)
        third = [native(3), native(4)]
    """)
    pids = list(made.results.values())
    assert len(pids) == 4 and pids[0] == pids[2] != pids[1] == pids[3]


def test_whoever_a_coroutine_spawns_stays_in_its_process():
    made = in_processes("""
        import os
        from coro_magic import spawn
        def child():
            yield
            return os.getpid()
        def parent():
            pid = yield spawn(child())
            return pid == os.getpid()
        for _ in range(4):
            parent()
    """)
    assert [made.results[name] for name in ("parent", "parent-2", "parent-3", "parent-4")] == [True] * 4
    assert sum(name.startswith("child") for name in made.results) == 4


def test_what_another_coroutine_holds_is_left_to_it_in_every_process():
    made = in_processes("""
        def numbers():
            yield 1
            yield 2
        def driver(held):
            return next(held) + next(held)
            yield
        held = [numbers(), numbers()]
        for each in held:
            driver(each)
    """)
    assert made.results == {"driver": 3, "driver-2": 3}
    assert made.run.never_started == []


def test_the_functions_of_run_are_dealt_out_too():
    def worker(n):
        yield
        return n, os.getpid()

    run = coro_magic.run(*(worker(n) for n in range(4)), processes=2, baseline="off")
    pids = [pid for _, pid in run.results.values()]
    assert [n for n, _ in run.results.values()] == [0, 1, 2, 3]
    assert pids[0] == pids[2] != pids[1] == pids[3]


# What travels.


def test_functions_closures_lambdas_and_classes_of_earlier_cells_and_of_this_one_travel():
    names: dict[str, object] = {"__name__": "__main__"}
    exec(
        "from dataclasses import dataclass\n"
        "@dataclass\nclass Earlier:\n    x: int\n"
        "def adder(a):\n    def add(b):\n        return a + b\n    return add\n"
        "add_one, double = adder(1), lambda x: 2 * x\n",
        names,
    )
    made = in_processes(
        """
        @dataclass
        class Later:
            x: int
        def worker(n):
            yield
            return Earlier(add_one(n)), Later(double(n))
        for n in range(3):
            worker(n)
        """,
        names,
    )
    Earlier, Later = names["Earlier"], names["Later"]
    assert list(made.results.values()) == [(Earlier(n + 1), Later(2 * n)) for n in range(3)]


def test_what_does_not_pickle_is_named_before_anything_starts(tmp_path):
    with pytest.raises(CannotBegin, match=r"handle \(TextIOWrapper"), open(tmp_path / "x", "w") as handle:
        in_processes(
            "def f():\n    handle.write('')\n    yield\nf()", {"__name__": "__main__", "handle": handle}
        )


def test_a_result_that_does_not_pickle_is_told_as_text():
    made = in_processes("def f(n):\n    yield\n    return (x for x in 'ab') if n else n\nf(0)\nf(1)")
    assert "generator" in repr(made.results["f-2"]) and made.results["f"] == 0
    assert any("could not be copied back" in note for note in made.run.notes)


def test_what_a_process_changes_in_its_copies_stays_there_and_is_named():
    names = {"__name__": "__main__", "log": [], "same": [1]}
    made = in_processes("total = 0\ndef f():\n    log.append(same[0])\n    yield\nf(); f()", names)
    assert made.names["log"] == [] and "total" not in made.names and "f" in made.names
    assert "not here: total, log" in made.run.summary()


def test_output_and_displayed_values_come_once():
    made = in_processes("def f(n):\n    yield\n    print(n)\nprint('body')\nf(0)\nf(1)\n'shown'")
    assert made.shown == ["shown"]
    assert sorted(made.run.printed.text().split()) == ["0", "1", "body"]
    assert made.run.printed.text(made.run.tasks[2].row) == "1\n"


def test_marks_items_and_slow_steps_have_the_rows_of_the_whole():
    made = in_processes("""
        import time
        from coro_magic import mark
        def worker(n):
            yield n
            mark(f"mark {n}")
            end = time.perf_counter() + 0.06 * n
            while time.perf_counter() < end:
                pass
        for n in range(2):
            worker(n)
    """)
    run = made.run
    for number, name in enumerate(("worker", "worker-2")):
        (row,) = (mark.row for mark in run.trace.marks if mark.text == f"mark {number}")
        assert run.trace.name(row) == name and run.trace.items(row) == 1
    assert [(step.name, run.trace.name(step.row)) for step in run.slow_steps] == [("worker-2", "worker-2")]


# Errors.


def test_an_error_comes_back_with_its_coroutine_and_its_lines():
    made = in_processes("def f(n):\n    yield\n    return 1 / n\nf(1)\nf(0)")
    error = made.run.error
    assert isinstance(error, ZeroDivisionError) and made.run.tasks[2].state is State.FAILED
    notes = "\n".join(error.__notes__)
    assert "in coroutine f-2" in notes and "in process 2 of 2" in notes and "return 1 / n" in notes


def test_to_join_a_coroutine_of_another_process_says_where_its_result_is():
    made = in_processes("""
        from coro_magic import spawn
        def f():
            yield
            return 1
        tasks = [spawn(f()), spawn(f())]
        for task in tasks:
            task.result()
    """)
    assert "come with the Run" in str(made.run.error)
    assert made.results == {"f": 1, "f-2": 1}


def test_a_coroutine_may_join_only_those_of_its_process():
    source = """
        from coro_magic import spawn
        def f():
            yield
            return 1
        def g(task):
            return (yield task)
        first = spawn(f())
        spawn(g(first))
        spawn(g(first))
    """
    made = in_processes(source)
    assert made.run.results["g-2"] == 1 and "f runs in process 1 of 2" in str(made.run.error)


# Channels.

PAIR = """
    from coro_magic import Channel
    jobs = Channel(3)
    def producer(to):
        for n in range(5):
            yield to.put(n)
        to.close()
    def consumer(to):
        got = []
        for n in to:
            got.append(n)
            yield
        return got
    producer(jobs)
    consumer(jobs)
"""


@pytest.mark.parametrize("split", ["robin", "blocks"])
def test_a_channel_between_processes_is_refused(split):
    made = in_processes(PAIR, split=split)
    assert "make it Channel(shared=True)" in str(made.run.error)
    assert {task.state for task in made.run.tasks[1:]} == {State.CANCELLED}


def test_a_channel_between_processes_is_refused_where_it_is_a_global():
    source = (
        PAIR.replace("(to)", "()").replace("(jobs)", "()").replace("to.", "jobs.").replace("in to", "in jobs")
    )
    assert "share <Channel" in str(in_processes(source).run.error)


def test_a_channel_of_one_process_is_a_channel():
    made = in_processes(PAIR + "    def other():\n        yield\n    other()\n", split_by="place",
                        names={"__name__": "__main__", "place": lambda *args: len(args)})  # fmt: skip
    assert made.run.error is None and made.results["consumer"] == [0, 1, 2, 3, 4]


# The trace.


def test_processes_are_bands_of_one_timeline():
    made = in_processes("def f(n):\n    for _ in range(300 * n):\n        yield\nf(1)\nf(2)\nf(3)")
    run, trace = made.run, made.run.trace
    assert [(process.first, process.rows) for process in run.processes] == [(0, 3), (3, 2)]
    assert [trace.name(row) for row in range(5)] == ["cell", "f", "f-3", "cell-2", "f-2"]
    totals, found = trace.totals(), trace.intervals()
    running = np.bincount(found.row, np.where(found.state == 1, found.end - found.begin, 0.0), minlength=5)
    assert running == pytest.approx(totals["running"], abs=1e-6)
    assert totals["resumptions"].tolist()[1:3] + [int(totals["resumptions"][4])] == [301, 901, 601]
    assert trace.switches == run.switches == int(totals["resumptions"].sum())
    assert np.all(totals["ended"] <= run.elapsed + 1e-9)


def test_a_run_with_little_detail_has_cells():
    made = in_processes(
        "def f():\n    for _ in range(500):\n        yield\nfor _ in range(20):\n    f()", detail=1000
    )
    trace = made.run.trace
    assert not trace.detailed
    shares = trace.occupancy(256, 512)
    seconds = shares.sum(axis=(0, 1)) * made.run.elapsed / shares.shape[1]
    assert seconds[1] == pytest.approx(trace.totals()["running"].sum(), rel=0.1)
    assert trace.progress(10)[1][-1] == pytest.approx(made.run.switches, rel=0.01)


def test_clocks_of_other_machines_are_set_by_what_was_sent_and_received():
    behind, wrong = offset(100.0, 5.25, 6.25, 101.75)
    assert behind == pytest.approx(95.125) and wrong == pytest.approx(0.375)


# Faults.

DIES = """
    import os, signal
    from coro_magic import sleep
    def f(n):
        yield sleep(0.3)
        if n == 1 and not os.path.exists(marker):
            open(marker, "w").close()
            os.kill(os.getpid(), signal.SIGKILL)
        return n
    for n in range(4):
        f(n)
"""


def test_of_a_worker_that_dies_the_coroutines_are_lost_and_the_others_are_kept(tmp_path):
    made = in_processes(DIES, {"__name__": "__main__", "marker": str(tmp_path / "died")})
    assert made.results == {"f": 0, "f-3": 2}
    lost = [task for task in made.run.tasks if task.state is State.FAILED]
    assert [task.name for task in lost] == ["f-2", "f-4"]
    assert all(isinstance(task._error, Lost) for task in lost)
    assert "process 2 was lost: the worker process died" in made.run.summary()


def test_a_lost_share_runs_again_if_it_may(tmp_path):
    made = in_processes(DIES, {"__name__": "__main__", "marker": str(tmp_path / "died")}, retries=1)
    assert made.results == {"f": 0, "f-2": 1, "f-3": 2, "f-4": 3}
    assert made.run.error is None


def test_interrupts_that_come_when_the_coroutines_have_ended_cost_nothing():
    made = in_processes("""
        import os, signal
        class Result:
            def __reduce__(self):
                # While what came of it is made ready for its way back.
                os.kill(os.getpid(), signal.SIGINT)
                return str, ("came back",)
        def worker(n):
            yield
            return Result()
        for n in range(2):
            worker(n)
    """)
    assert list(made.results.values()) == ["came back"] * 2 and made.run.error is None


KILLED = """
from cells import cell
cell('''
import os, time
from pathlib import Path
def worker(n):
    Path({folder!r}, str(os.getpid())).touch()
    try:
        while True:
            {step}
            yield
    finally:
        Path({folder!r}, str(os.getpid()) + " ended").touch()
for n in range(2):
    worker(n)
''', processes=2)
"""


@pytest.mark.parametrize("step", ["pass", "time.sleep(0.01)"])
def test_workers_stop_when_whoever_wanted_their_work_was_killed(tmp_path, step):
    source = KILLED.format(folder=str(tmp_path), step=step)
    path = [str(Path(coro_magic.__file__).parents[1]), str(Path(__file__).parents[1])]
    boards = tmp_path / "boards"
    boards.mkdir()
    there = {**os.environ, "PYTHONPATH": os.pathsep.join(path), "TMPDIR": str(boards)}
    # What their resource tracker says about that is not ours.
    process = subprocess.Popen([sys.executable, "-c", source], env=there, stderr=subprocess.DEVNULL)
    workers = wait_for(
        lambda: [int(each.name) for each in tmp_path.glob("[0-9]*")], lambda found: len(found) == 2
    )
    process.kill()
    process.wait()
    wait_for(lambda: [pid for pid in workers if is_there(pid)], lambda left: not left)
    assert {each.name for each in tmp_path.glob("* ended")} == {f"{pid} ended" for pid in workers}
    assert not list(boards.glob("coro_magic_*"))


def wait_for(look, enough):
    """Look until it is enough, for a minute at most."""
    deadline = time.monotonic() + 60
    while not enough(found := look()):
        assert time.monotonic() < deadline, found
        time.sleep(0.05)
    return found


def is_there(pid):
    try:
        # Nobody may have asked what became of it.
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_a_run_of_which_no_process_is_left_fails():
    made = in_processes("import os\nos._exit(3)")
    assert isinstance(made.run.error, Lost)
    assert "process 2 was lost: the worker process died" in str(made.run.error)


def test_bodies_that_hand_over_other_numbers_of_coroutines_are_an_error():
    made = in_processes("""
        import os
        def worker(n):
            yield
        for n in range(2 + 2 * (os.getpid() == pid)):
            worker(n)
    """, {"__name__": "__main__", "pid": pool.submit(0, os.getpid).result()})  # fmt: skip
    assert isinstance(made.run.error, DifferingBodies)
    assert "4 in process 1, 2 in process 2" in str(made.run.error)


def test_errors_and_results_that_cannot_be_unpickled_are_told_and_spoil_no_others():
    made = in_processes("""
        class Odd(Exception):
            def __init__(self, first, second):
                super().__init__(first)
        class Result:
            def __reduce__(self):
                return int, ("no",)
        def worker(n):
            yield
            if n == 0:
                raise Odd("this", "that")
            if n == 2:
                raise KeyError("plain")
            return Result() if n == 4 else n
        for n in range(8):
            worker(n)
    """)
    odd, one, plain, three, result, *_ = (task._value for task in made.run.tasks[1:])
    assert type(odd) is RuntimeError and str(odd) == "Odd: this"
    assert any("raise Odd" in note or "worker" in note for note in odd.__notes__)
    assert isinstance(plain, KeyError) and (one, three) == (1, 3)
    assert "Result" in str(result) and "invalid literal" in str(result)
    assert list(made.results.values())[-3:] == [5, 6, 7]


def test_output_for_which_there_is_no_room_is_told():
    made = in_processes("def worker():\n    yield\n    print('x' * 300_000)\nworker()")
    assert "printed and not kept: 100,001 more characters" in made.run.notes


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_a_coroutine_may_have_processes_of_its_own(method):
    made = in_processes(f"""
        import multiprocessing
        def worker(n):
            with multiprocessing.get_context({method!r}).Pool(1) as pool:
                found = pool.map(abs, [-n])
            yield
            return found
        for n in range(2):
            worker(n)
    """)
    assert list(made.results.values()) == [[0], [1]]


def test_more_processes_than_can_be_had_are_refused_and_the_next_run_has_some():
    with pytest.raises(CannotBegin, match="no more than"):
        in_processes(IDS, processes=100_000)
    assert in_processes(IDS).run.error is None


@pytest.mark.parametrize("body", ["while True:\n        yield sleep(0.01)", "while True:\n        pass"])
def test_an_interrupt_reaches_the_workers(body):
    source = f"from coro_magic import sleep\ndef f():\n    {body}\n    yield\nf()\nf()"
    timer = threading.Timer(1.0, lambda: os.kill(os.getpid(), signal.SIGINT))
    pool.get_ready(2)
    timer.start()
    made = in_processes(source)
    assert made.run.interrupted and isinstance(made.run.error, KeyboardInterrupt)
    assert {task.state for task in made.run.tasks[1:]} == {State.CANCELLED}
    # They are there, and have nothing to do.
    pool.get_ready(2)


def test_a_worker_with_another_version_is_named():
    kind, why = carry_out({**header_of_this(), "coro_magic": "0.0.1"}, b"")
    assert kind == "refused" and b"instead of 0.0.1" in why


def test_a_worker_with_another_version_ends_the_run(monkeypatch):
    pool.get_ready(2)
    monkeypatch.setattr(coro_magic, "__version__", "0.0.1")
    with pytest.raises(CannotBegin, match="install the same there"):
        in_processes(IDS)


# Elsewhere.


def test_an_executor_of_the_users_may_run_them():
    with ThreadPoolExecutor(2) as executor:
        made = in_processes(IDS, {"__name__": "__main__", "mine": executor}, on="mine")
    assert [number for number, _ in made.results.values()] == list(range(7))


def test_what_is_no_executor_is_named():
    with pytest.raises(CannotBegin, match="int is no executor"):
        in_processes(IDS, {"__name__": "__main__", "mine": 3}, on="mine")
    with pytest.raises(CannotBegin, match="there is no such name"):
        in_processes(IDS, on="mine")


@pytest.mark.parametrize(
    ("options", "match"),
    [({"retries": 1}, "needs --processes"), ({"processes": 2, "record": "on"}, "in one process"),
     ({"processes": -1}, "0 or more"), ({"processes": 2, "split": "x"}, "not one of")],
)  # fmt: skip
def test_options_that_do_not_fit_are_named(options, match):
    with pytest.raises(ValueError, match=match):
        cell("1", **options)


def test_the_quota_of_a_control_group_counts(tmp_path):
    own = tmp_path / "own"
    own.write_text("0::/a/b\n")
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "cpu.max").write_text("100000 100000\n")
    (tmp_path / "a" / "b" / "cpu.max").write_text("max 100000\n")
    assert cores(tmp_path, own) == 1
    (tmp_path / "a" / "cpu.max").write_text("max 100000\n")
    assert cores(tmp_path, own) == len(os.sched_getaffinity(0))


SHARED = PAIR.replace("Channel(3)", "Channel({capacity}, shared=True)")


@pytest.mark.parametrize("capacity", [0, 1, 3])
def test_a_shared_channel_carries_items_between_processes(capacity):
    made = in_processes(SHARED.replace("{capacity}", str(capacity)))
    assert made.run.error is None, made.run.error
    assert made.results == {"producer": None, "consumer": [0, 1, 2, 3, 4]}
    assert [process.rows for process in made.run.processes] == [2, 2]


def test_a_full_shared_channel_holds_its_producer_back():
    made = in_processes("""
        import time
        from coro_magic import Channel, sleep
        jobs = Channel(2, shared=True)
        def producer():
            times = []
            for n in range(6):
                yield jobs.put(n)
                times.append(time.monotonic())
            jobs.close()
            return times
        def consumer():
            yield sleep(0.2)
            begun = time.monotonic()
            for n in jobs:
                yield
            return begun
        producer()
        consumer()
    """)
    given, begun = made.results["producer"], made.results["consumer"]
    assert len(given) == 6 and given[2] > begun


def test_a_shared_channel_closes_for_all_and_items_are_of_the_cells_classes():
    made = in_processes(
        """
        from dataclasses import dataclass
        from coro_magic import Channel
        @dataclass
        class Job:
            n: int
        jobs, done = Channel(2, shared=True), Channel(10, shared=True)
        def producer():
            for n in range(6):
                yield jobs.put(Job(n))
            jobs.close()
        def worker():
            for job in jobs:
                yield done.put(isinstance(job, Job) and job.n)
        def collector():
            got = []
            for _ in range(6):
                got.append((yield done.get()))
            return sorted(got)
        producer()
        worker()
        collector()
        worker()
        """
    )
    assert made.run.error is None, made.run.error
    assert made.results["collector"] == list(range(6))


def test_channels_made_before_the_run_are_told_apart_and_refused_if_they_are_not_shared():
    def producer(to, start):
        for n in range(3):
            yield to.put(start + n)
        to.close()

    def consumer(to):
        got = []
        for n in to:
            got.append(n)
            yield
        return got

    def runs(first, second):
        return coro_magic.run(
            producer(first, 0), consumer(first), consumer(second), producer(second, 10),
            processes=2, baseline="off",
        )  # fmt: skip

    run = runs(Channel(shared=True), Channel(2, shared=True))
    assert [run.results["consumer"], run.results["consumer-2"]] == [[0, 1, 2], [10, 11, 12]]
    with pytest.raises(CannotBegin, match="process 1 and in process 2"):
        runs(Channel(), Channel())


def test_who_waits_for_more_of_a_shared_channel_is_left_over_when_nobody_can_send():
    made = in_processes("""
        from coro_magic import Channel
        jobs = Channel(shared=True)
        def consumer():
            yield jobs.get()
        consumer(); consumer(); consumer()
    """)
    assert {task.state for task in made.run.tasks[1:]} == {State.LEFT_OVER}


def test_a_shared_channel_is_a_channel_in_one_process():
    made = cell(SHARED.replace("{capacity}", "3"))
    assert made.results["consumer"] == [0, 1, 2, 3, 4]


def test_what_the_body_sends_is_sent_once():
    made = in_processes("""
        from coro_magic import Channel
        jobs = Channel(10, shared=True)
        def consumer():
            got = []
            for n in jobs:
                got.append(n)
                yield
            return got
        consumer()
        consumer()
        for n in range(4):
            jobs.put(n).wait()
        jobs.close()
    """)
    assert sorted(made.results["consumer"] + made.results["consumer-2"]) == [0, 1, 2, 3]


def test_an_interrupt_while_what_came_back_is_put_together_costs_nothing(monkeypatch):
    together = Gathered.run

    def interrupted(self, defined):
        signal.raise_signal(signal.SIGINT)
        return together(self, defined)

    monkeypatch.setattr(Gathered, "run", interrupted)
    made = in_processes(IDS)
    assert made.run.interrupted
    assert [number for number, _ in made.results.values()] == list(range(7))


def test_an_interrupt_while_a_part_is_read_costs_nothing_of_it(monkeypatch):
    read, first = shares.pickle.loads, [True]

    def interrupted(content):
        if first.pop():
            first.append(False)
            raise KeyboardInterrupt
        first.append(False)
        return read(content)

    monkeypatch.setattr(shares.pickle, "loads", interrupted)
    made = in_processes(IDS)
    assert made.run.interrupted and made.run.complete
    assert [number for number, _ in made.results.values()] == list(range(7))


class Elsewhere(Executor):
    """Workers from which what they come to arrives late."""

    def __init__(self) -> None:
        self.futures: list[Future[object]] = []

    def submit(self, function, /, *args):
        self.futures.append(Future())
        self.futures[-1].set_running_or_notify_cancel()
        return self.futures[-1]


@pytest.mark.parametrize("stopped", [True, False])
def test_whoever_has_stopped_in_time_is_waited_for_though_what_it_came_to_takes_long(
    monkeypatch, tmp_path, stopped
):
    monkeypatch.setattr(shares, "_GRACE", 0.1)
    workers = Elsewhere()
    nothing = [lambda board, exchange: b""]
    running = shares._Running(shares._Place(workers), nothing, {}, str(tmp_path), None, 0)
    running._send(0)
    Path(begun_file(str(tmp_path), 0)).touch()
    if stopped:
        Path(ended_file(str(tmp_path), 0)).touch()
    later = threading.Timer(0.5, workers.futures[0].set_result, [("part", pickle.dumps("what it came to"))])
    later.start()
    running._stop()
    later.join()
    assert running.parts == ({0: "what it came to"} if stopped else {})
    assert [why for why, _ in running.lost.values()] == ([] if stopped else ["it did not stop within 0.1 s"])


def test_a_sweep_over_processes_that_is_told_a_number_besides_is_told_to_leave_it_out():
    with pytest.raises(ValueError, match="leave --processes out"):
        in_processes(IDS, sweep="processes=1,2")
