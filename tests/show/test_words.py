"""What a run says about itself."""

from __future__ import annotations

from typing import Any

import pytest

from coro_magic import show
from coro_magic.engines.trace import Trace
from coro_magic.language import Lock, Where, spawn
from coro_magic.measure.hazards import Hazard
from coro_magic.measure.run import Difference, Run
from coro_magic.show.text import count, duration, one_line, short_repr, times, wrapped

from .runs import run_of, sleepers, threads, troubled


def timed(seconds: float, baseline: Run | None = None, rows: int = 200) -> Run:
    trace = Trace()
    for _ in range(rows):
        trace.born("w", -1, 0, 0.0)
    trace.close(seconds, 1000)
    return Run(tasks=[], trace=trace, elapsed=seconds, switches=1000, baseline=baseline)


@pytest.mark.parametrize(
    ("ours", "baseline", "said"),
    [
        (0.31, threads(200, 0.43),
         "200 coroutines, 1 thread, 0.31 s; 200 threads, 0.43 s; 1.4 times as fast"),
        (0.56, threads(200, 0.43), "200 coroutines, 1 thread, 0.56 s; 200 threads, 0.43 s; "
                                   "the threads were 1.3 times as fast"),
        (0.42, threads(200, 0.43), "200 coroutines, 1 thread, 0.42 s; 200 threads, 0.43 s; about the same"),
        (0.29, threads(200, 12.0, complete=False),
         "200 coroutines, 1 thread, 0.29 s; "
         "200 threads, more than 12 s (stopped); more than 41 times as fast"),
        (13.0, threads(200, 12.0, complete=False),
         "200 coroutines, 1 thread, 13 s; 200 threads, more than 12 s (stopped)"),
        (2.0, threads(23, 9.0, wanted=100_000),
         "200 coroutines, 1 thread, 2 s; threads: 23 of 100,000 could be started"),
    ],
)  # fmt: skip
def test_the_headline_says_which_side_was_faster_and_by_how_much(
    ours: float, baseline: Run, said: str
) -> None:
    assert show.headline(timed(ours, baseline)) == said


def test_one_coroutine_and_one_thread_are_singular() -> None:
    assert show.headline(timed(0.5, threads(1, 0.5), rows=1)) == (
        "1 coroutine, 1 thread, 0.50 s; 1 thread, 0.50 s; about the same"
    )


def test_virtual_time_is_called_so_and_gives_no_rate() -> None:
    run = run_of(sleepers(2), clock="virtual")
    assert "of virtual time" in show.headline(run)
    assert "per second" not in show.summary(run)


def test_no_comparison_where_only_one_side_failed() -> None:
    baseline = threads(200, 3.0)
    baseline.error = ValueError("x")
    assert show.headline(timed(0.3, baseline)).endswith("200 threads, 3 s, failed")


def test_the_summary_names_who_failed_who_was_cancelled_and_who_was_left_over_with_the_line() -> None:
    lines = show.summary(run_of(troubled)).splitlines()
    assert "1 failed" in lines[0]
    (failed,) = (line for line in lines if line.startswith("failed:"))
    assert "bad at line " in failed and "ValueError: line\\none" in failed
    assert any(line.startswith("cancelled: slow at line ") for line in lines)
    assert any(line.startswith("left over: lost at line ") for line in lines)


def test_the_summary_names_the_first_few_only() -> None:
    def body():
        from coro_magic.language import Channel, spawn

        channel = Channel()
        for _ in range(1000):
            spawn(channel.get)
            spawn(lost(channel))
        yield

    def lost(channel):
        yield channel.get()

    summary = show.summary(run_of(body))
    assert "and 996 more" in summary or "and 1,996 more" in summary
    assert len(summary) < 3000


def test_the_summary_says_where_the_time_went_and_for_what_the_coroutines_waited() -> None:
    summary = show.summary(run_of(sleepers(3)))
    (line,) = (line for line in summary.splitlines() if line.startswith("the coroutines' time"))
    assert "all added up: running" in line and "waiting" in line and "all of it sleep" in line


def test_the_summary_repeats_notes_differences_and_what_never_started() -> None:
    run = run_of(sleepers(1), baseline=threads(1, 0.1))
    run.notes.append("the line\nwas long")
    run.never_started.append("worker")
    run.differences.append(Difference("total", "1", "2"))
    summary = show.summary(run)
    assert "the line\\nwas long" in summary
    assert "never started: worker (start it with spawn(...)" in summary
    assert "different result: total: 1 with coroutines, 2 with threads" in summary
    assert "a measurement, not a benchmark" in summary


def test_shared_names_that_differ_are_told_apart_from_results() -> None:
    run = run_of(sleepers(1), baseline=threads(1, 0.1))
    run.differences = [Difference(f"d[{n}]", "100,000", "61,322", "name") for n in range(6)]
    run.differences.append(Difference("total", "1", "2"))
    summary = show.summary(run)
    assert "\nd[0]: 100,000 with coroutines, 61,322 with threads\n" in summary
    assert "d[4]" not in summary and "different at the end: 2 more" in summary
    assert "different result: total: 1 with coroutines, 2 with threads" in summary


def test_hazards_are_told_with_their_lines_and_three_at_most() -> None:
    run = run_of(sleepers(1))
    lines = [(5, 6, 7), (5, 5, 7), (5, 5, 5), (8, 9, 9)]
    run.hazards = [Hazard("n", *(Where("<cell>", line) for line in each)) for each in lines]
    told = [line for line in show.summary(run).splitlines() if "is lost" in line]
    end = ": what others wrote in between is lost"
    assert told == [
        "line 5 reads n, line 6 may let others run, line 7 writes it" + end,
        "line 5 reads n, may let others run, line 7 writes it" + end,
        "line 5 reads n, may let others run and writes it" + end,
    ]


def test_why_there_is_no_baseline_is_said() -> None:
    run = run_of(sleepers(1))
    assert "benchmark" not in show.summary(run)
    run.baseline_note = "cannot copy a socket"
    assert "cannot copy a socket" in show.summary(run)


def test_a_run_without_a_trace_says_so() -> None:
    assert "made without a trace" in show.summary(run_of(sleepers(3), trace=False))


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0, "0 s"), (3.4e-7, "340 ns"), (3.4e-4, "340 µs"), (0.0123, "12.3 ms"), (0.31, "0.31 s"),
     (0.0997, "0.10 s"), (0.9997e-3, "1 ms"), (0.9996, "1 s"), (12.3, "12.3 s"), (99.7, "100 s"),
     (3600, "3,600 s"), (float("nan"), "an unknown time")],
)  # fmt: skip
def test_durations_are_in_the_unit_that_suits_them(seconds: float, said: str) -> None:
    assert duration(seconds) == said


def test_counts_have_separators_and_the_right_number() -> None:
    assert [count(1, "mark"), count(23_111, "switch", "switches")] == ["1 mark", "23,111 switches"]
    assert [times(1.44), times(41.3), times(1234)] == ["1.4 times", "41 times", "1,234 times"]


def test_text_of_the_user_becomes_one_bounded_printable_line() -> None:
    assert one_line("a\nb\x00\ud800") == "a\\nb\\x00\\ud800"
    assert len(one_line("x" * 10**6, 50)) == 50


def test_a_repr_that_fails_or_is_huge_is_bounded_text() -> None:
    class Bad:
        def __repr__(self) -> str:
            raise RuntimeError("no")

    assert "Bad" in short_repr(Bad())
    assert len(short_repr([list(range(1000))] * 100_000)) <= 80
    assert short_repr([1, "a"]) == "[1, 'a']"


def test_a_run_knows_how_it_looks_once_this_room_is_there() -> None:
    run = run_of(sleepers(3))
    assert run.summary() == show.summary(run)
    assert repr(run) == f"<Run: {show.headline(run)}>"
    assert run.to_dict()["headline"] == show.headline(run)


def test_those_who_wait_for_each_other_are_told_once_and_in_a_line() -> None:
    def one(a: Lock, b: Lock) -> Any:
        with (yield a.acquire()):
            yield
            yield b.acquire()

    def body() -> Any:
        x, y = Lock(), Lock()
        spawn(one(x, y))
        spawn(one(y, x))
        yield

    (line,) = (line for line in show.summary(run_of(body)).splitlines() if line.startswith("failed"))
    assert "Deadlock: nothing can go on: one, at" in line and "; one-2, at" in line
    assert line.count("Deadlock") == 1 and "\\n" not in line


@pytest.mark.parametrize("short", range(1, 100, 7))
def test_long_lines_are_broken_between_words_and_say_the_same(short: int) -> None:
    text = "x" * short + " " + "held the thread for 0.25 s, " * 6 + "(of that 80 % sleep, 20 % gather)"
    lines = wrapped(text).split("\n")
    assert max(map(len, lines)) <= 100 and all(line.startswith("    ") for line in lines[1:])
    assert not any(line.endswith(("0.25", "80", "20")) for line in lines)
    assert sum("(of that 80 % sleep, 20 % gather)" in line for line in lines) == 1
    assert "\n".join(lines).replace("\n    ", " ") == text
    assert wrapped("y" * 500) == "y" * 500 and wrapped("a\n  b\n\nc") == "a\n  b\n\nc"
