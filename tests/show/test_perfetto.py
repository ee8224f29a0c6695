"""A run as a trace for Perfetto and chrome://tracing: every event is one that they take."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from cells import cell
from hypothesis import given, settings
from hypothesis import strategies as st

from coro_magic.language import Channel, mark, sleep, spawn
from coro_magic.measure.run import Run
from coro_magic.show import perfetto

from .programs import WORKERS, body_of
from .runs import run_of, sleepers, threads, troubled
from .trace_format import Model, Slice, read


def model_of(run: Run) -> Model:
    """Give what a reader makes of a run's trace."""
    return read("".join(perfetto.lines_of(run)))


def test_each_side_is_a_process_and_each_row_a_named_track() -> None:
    model = model_of(run_of(sleepers(3), threads(2, 0.02)))
    assert model.processes == {1: "coroutines", 2: "threads"}
    assert list(model.tracks.values()) == ["body", "nap", "nap-2", "nap-3", "body", "nap", "nap-2"]
    assert len(model.tracks) == 4 + 3
    assert model.other["leftOut"] == "nothing"


def test_a_track_has_what_its_coroutine_did_without_gaps() -> None:
    run = run_of(sleepers(1, 4))
    slices = model_of(run).on("nap")
    did = [each.name.split(",")[0] for each in slices if each.name != "ready"]
    assert did == ["running", "sleep"] * 4 + ["running"]
    for one, following in zip(slices, slices[1:], strict=False):
        assert following.begin - one.end in (0, 1)
    waits = [each for each in slices if each.name.startswith("sleep")]
    total = sum(each.end - each.begin for each in waits) / 1e9
    assert total == pytest.approx(run.trace.totals()["waiting"][1], abs=1e-6)
    assert waits[0].name.startswith("sleep, line ")
    assert waits[0].args["source"] == "yield sleep(0.001 * (1 + number % 5))"
    assert waits[0].args["file"] == __file__.replace("test_perfetto", "runs")
    assert waits[0].args["line"] > 1


def test_names_are_written_as_they_are_because_perfetto_unescapes_none(tmp_path: Path) -> None:
    def nap() -> Any:
        yield sleep(0.001)

    def body() -> Any:
        for name in ("café", "名前 😀", 'in "quotes"', "half \ud83d"):
            spawn(nap, name=name)
        yield

    path = tmp_path / "names.perfetto.json"
    run_of(body).save(path)
    text = path.read_bytes().decode()
    assert '"café"' in text and '"名前 😀"' in text
    assert list(read(text).tracks.values())[1:] == ["café", "名前 😀", 'in "quotes"', "half \\ud83d"]


def names(flows: list[tuple[Slice, Slice]]) -> list[tuple[str, str]]:
    return [(source.track, target.track) for source, target in flows]


@pytest.mark.parametrize("clock", ["real", "virtual"])
def test_flows_say_who_woke_whom(clock: str) -> None:
    channel: Channel[int] = Channel()

    def sender():
        for number in range(3):
            yield sleep(0.001)
            yield channel.put(number)

    def receiver():
        for _ in range(3):
            yield channel.get()

    def joiner(task):
        yield task

    def body():
        task = spawn(sender())
        spawn(receiver())
        spawn(joiner(task))
        yield

    flows = names(model_of(run_of(body, clock=clock)).flows)
    assert flows.count(("sender", "receiver")) == 3
    assert flows.count(("sender", "joiner")) == 1


def test_a_message_leaves_a_running_slice_and_arrives_where_the_wait_is_over() -> None:
    channel: Channel[int] = Channel()

    def receiver():
        yield channel.get()

    def sender():
        yield sleep(0.002)
        time.sleep(0.001)
        yield channel.put(1)

    def body():
        spawn(receiver())
        spawn(sender())
        yield

    source, target = [flow for flow in model_of(run_of(body)).flows if flow[1].track == "receiver"][-1]
    assert (source.track, source.name) == ("sender", "running")
    assert target.name in ("ready", "running") and target.begin >= source.begin


def test_a_spawn_is_a_flow_from_the_parent_to_the_childs_first_slice() -> None:
    flows = model_of(run_of(sleepers(3))).flows
    assert names(flows)[:3] == [("body", "nap"), ("body", "nap-2"), ("body", "nap-3")]
    for source, target in flows[:3]:
        assert source.name == "running" and target.name in ("ready", "running")


def test_generators_driven_by_hand_have_flows_from_their_drivers() -> None:
    run = cell(
        """
        def counts():
            n = 0
            while n < 3:
                n = yield n
        def drives():
            c = counts()
            next(c)
            for n in range(1, 3):
                c.send(n)
                yield
        d = drives()
        """,
        baseline="off",
    ).run
    model = model_of(run)
    flows = names(model.flows)
    assert flows.count(("drives", "counts")) >= 3
    assert {each.name.split(",")[0] for each in model.on("counts")} >= {"running", "its driver"}


def test_marks_slow_steps_and_ends_are_instants() -> None:
    def body():
        spawn(bad())
        mark("here <b>")
        yield sleep(0.005)

    def bad():
        time.sleep(0.001)
        end = time.perf_counter() + 0.02
        while time.perf_counter() < end:
            pass
        yield
        raise ValueError("no <i>\n")

    run = run_of(body, slow_step=0.01)
    instants = {each.name: each for each in model_of(run).instants}
    (marked,) = [each for name, each in instants.items() if name == "here <b>"]
    assert marked.track.endswith("body")
    (failed,) = [each for name, each in instants.items() if name.startswith("failed")]
    assert failed.track == "bad" and "ValueError: no <i>\\n" in failed.name
    assert failed.args["source"] == 'raise ValueError("no <i>\\n")'
    assert any(name.startswith("the thread was held for") and each.args["by"] == "bad"
               for name, each in instants.items())  # fmt: skip


def test_in_virtual_time_a_thousand_steps_at_one_moment_do_not_stack() -> None:
    def body():
        for _ in range(1000):
            yield
        yield sleep(1)

    model = model_of(run_of(body, clock="virtual"))
    (track,) = set(model.tracks.values())
    assert len(model.on(track)) <= 4
    assert max(each.depth for each in model.on(track)) <= 1
    assert [each.end - each.begin for each in model.on(track) if each.name.startswith("sleep")] == [10**9]


def test_a_virtual_century_is_a_trace() -> None:
    def body():
        for _ in range(50):
            yield sleep(7e7 / 3)

    model = model_of(run_of(body, clock="virtual"))
    assert sum(each.end - each.begin for each in model.slices) == pytest.approx(50 * 7e16 / 3, rel=1e-6)


def test_a_run_beyond_its_detail_has_counters_and_says_so() -> None:
    model = model_of(run_of(sleepers(50, 10), detail=10))
    assert not model.slices and not model.flows
    assert len(model.counters) > 10
    assert set(model.counters[0]["args"]) == {"ready", "running", "waiting"}
    assert "every single event" in model.other["leftOut"]


def test_a_run_without_a_trace_is_an_empty_one_and_says_so() -> None:
    model = model_of(run_of(sleepers(2), trace=False))
    assert not model.slices and "there is no trace" in model.other["leftOut"]


@pytest.mark.parametrize("most", [0, 1, 60, 300, 1000])
def test_there_are_never_more_events_than_the_bound(monkeypatch: pytest.MonkeyPatch, most: int) -> None:
    run = run_of(body_of([(["mark", "put", "get", "yield", "fail"] * 2, None, False)] * 30), threads(40, 0.1))
    whole = model_of(run)
    monkeypatch.setattr(perfetto, "MOST_EVENTS", most)
    model = model_of(run)
    # Only the names of the two processes are always there.
    assert model.events <= max(most, 4)
    if most < whole.events:
        assert "slices" in model.other["leftOut"] or "marks" in model.other["leftOut"]


@settings(max_examples=60, deadline=None)
@given(workers=WORKERS, clock=st.sampled_from(["real", "virtual"]), order=st.sampled_from(["fifo", "random"]))
def test_any_run_is_a_trace_that_readers_take_whole(workers: Any, clock: str, order: str) -> None:
    run = run_of(body_of(workers), threads(3, 0.02), clock=clock, order=order, seed=3)
    model = model_of(run)
    assert len(model.tracks) == len(run.trace) + 4
    assert model.other["leftOut"] == "nothing"
    for source, target in model.flows:
        assert source.begin <= target.end


def test_the_double_suffix_says_so_in_any_case(tmp_path: Path) -> None:
    run = run_of(troubled)
    for name in ("a.perfetto.json", "b.Perfetto.JSON"):
        run.save(tmp_path / name)
        assert "traceEvents" in json.loads((tmp_path / name).read_text())
    run.save(tmp_path / "perfetto.json")
    assert "traceEvents" not in json.loads((tmp_path / "perfetto.json").read_text())


def test_a_reader_would_complain_about_what_is_wrong() -> None:
    """The validator itself: overlaps, flows outside slices, unnamed tracks and missing keys are found."""
    head = [
        {"ph": "M", "name": "process_name", "pid": 1, "tid": 0, "args": {"name": "p"}},
        {"ph": "M", "name": "thread_name", "pid": 1, "tid": 10, "args": {"name": "t"}},
    ]

    def x(ts: float, dur: float, **more: Any) -> dict[str, Any]:
        return {"ph": "X", "name": "n", "cat": "c", "pid": 1, "tid": 10, "ts": ts, "dur": dur, **more}

    def flow(ph: str, ts: float, **more: Any) -> dict[str, Any]:
        return {"ph": ph, "name": "n", "cat": "c", "id": 1, "pid": 1, "tid": 10, "ts": ts, **more}

    def text(*events: dict[str, Any]) -> str:
        return json.dumps({"displayTimeUnit": "ns", "otherData": {}, "traceEvents": [*head, *events]})

    read(text(x(0, 1), x(1, 1), flow("s", 1.5), x(2, 1), flow("f", 2.5, bp="e")))
    for events in (
        [x(0, 2), x(1, 2)], [flow("s", 0)], [x(0, 1), flow("s", 0.5)], [x(0, -1)], [x(0, 1, tid=11)],
        [x(0, 1), flow("s", 2), flow("f", 2, bp="e")], [{"ph": "X", "pid": 1}], [x(0, 1, other=1)],
        [x(0, 1), flow("f", 0, bp="e"), flow("s", 0)],
    ):  # fmt: skip
        with pytest.raises((AssertionError, KeyError)):
            read(text(*events))
