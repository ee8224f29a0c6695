"""What coroutines share comes out the same on both sides, or the difference is shown; and no noise is."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest
from cells import cell, on_both_sides

from coro_magic.engines.shared import tell
from coro_magic.measure.shared import differing_names

PROGRAMS = Path(__file__).parents[1] / "programs"

# Only in the kernel coroutines run on the main thread.
START = """
import os, random, threading, time
from collections import Counter, deque
def on_threads():
    return threading.get_native_id() != os.getpid()
"""


def differing(source: str) -> list[tuple[str, str, str]]:
    run = on_both_sides(START + textwrap.dedent(source)).run
    assert run.error is None and run.baseline_note == ""
    assert run.baseline is not None and run.baseline.complete, run.baseline_note
    return [(each.name, each.coroutines, each.threads) for each in run.differences if each.kind == "name"]


def test_threads_lose_updates_that_coroutines_never_lose(capsys):
    ran = on_both_sides((PROGRAMS / "account.py").read_text())
    assert capsys.readouterr().out == (PROGRAMS / "account.txt").read_text()
    assert ran.names["balance"] == 400_000
    (difference,) = ran.run.differences
    assert (difference.name, difference.coroutines, difference.kind) == ("balance", "400,000", "name")
    assert int(difference.threads.replace(",", "")) < 400_000
    assert f"balance: 400,000 with coroutines, {difference.threads} with threads" in ran.run.summary()
    assert ran.run.hazards == []


def test_counters_entries_attributes_and_lists_that_differ_are_shown_with_their_values():
    assert differing("""
        counter, letters, price, entries, words = 0, "", 0.25, {"a": 0, "b": 0}, Counter()
        table, found, seen = [0] * 1000, [], set()
        class Account:
            def __init__(self):
                self.balance, self.owner, self.log = 0, "me", deque()
            def deposit(self, amount):
                self.balance += amount
                self.log.extend(range(amount))
        account = Account()
        def worker():
            global counter, letters, price
            yield
            more = 1 + on_threads()
            counter = counter + 1000 * more
            letters += "ab"[on_threads()]
            price *= more
            entries["b"] += more
            for each in "uvwxy":
                words[each] += more
            table[7] += more
            found.extend(range(more))
            seen.update(range(more))
            account.deposit(more)
        worker()
    """) == [
        ("account.balance", "1", "2"),
        ("account.log", "1 item", "2 items"),
        ("counter", "1,000", "2,000"),
        ("entries['b']", "1", "2"),
        ("found", "1 item", "2 items"),
        ("letters", "'a'", "'b'"),
        ("price", "0.25", "0.5"),
        ("seen", "1 item", "2 items"),
        ("table", "1,000 items with the sum 1", "1,000 items with the sum 2"),
        ("words", "5 items with the sum 5", "5 items with the sum 10"),
    ]


def test_order_measured_times_and_what_nobody_changes_are_no_difference():
    assert differing("""
        order, owner, kept, times, took = [], {}, {}, [], 0.0
        inside, last, log, lock = [], "", [], threading.Lock()
        drawn = [random.random() * 1e9 // 1 for _ in range(9)]
        numbers = [random.randrange(10**9) for _ in range(9)]
        class Clock:
            def tick(self):
                self.now, self.lock, self.thread = time.perf_counter(), lock, threading.current_thread()
        clock = Clock()
        def worker(me):
            global took, last
            time.sleep(0.02 * (3 - me if on_threads() else me))
            order.append(me)
            owner[len(owner)] = me
            kept[threading.get_native_id(), me] = me
            times.append((me, time.perf_counter()))
            inside.append(on_threads())
            log.append(f"{me} after {time.perf_counter():.6f} s")
            took = took + time.perf_counter()
            last = str(me)
            clock.tick()
            yield
            max(numbers), numbers[me], len(drawn)
            for each in drawn: pass
        for me in range(4): worker(me)
    """) == []


def test_an_object_that_is_passed_to_the_coroutines_is_compared_too():
    assert differing("""
        class Account: pass
        account = Account()
        account.balance = 0
        def worker(to):
            yield
            to.balance += 1 + on_threads()
        for _ in range(3): worker(account)
    """) == [("account.balance", "3", "6")]


def test_without_a_baseline_nothing_is_compared():
    assert cell("n = 0\ndef f():\n    global n\n    n += 1\n    yield\nf()").run.differences == []


@pytest.mark.parametrize("one, other, said", [
    (10**40, 10**40 + 1, True),
    (1 << 20_000, 1 << 20_001, True),
    ("a" * 100_000, "a" * 50_000 + "b" + "a" * 49_999, True),
    (list(range(300_000)), list(range(300_000, 0, -1)), False),
    (list(range(300_000)), list(range(299_999)), True),
    ({n: n for n in range(1000)}, {n: 2 * n for n in range(1000)}, True),
    (0.1 + 0.2, 0.3, False),
    (True, 1, True),
    ([[[[[[1]]]]]], [[[[[[2]]]]]], False),
    (object(), object(), False),
    ([object()], [object()], False),
    ("\ud800", "\ud801", True),
], ids=map(str, range(12)))  # fmt: skip
def test_what_is_large_or_odd_is_told_in_short_or_not_at_all(one, other, said):
    sides = [tell({"x": value}, {"x": False, "missing": False}) for value in (one, other)]
    assert all(len(told.text) <= 61 for side in sides for each in side.values() for told in each.values())
    found = differing_names(*sides)
    assert bool(found) is said
    assert all(each.coroutines != each.threads for each in found)


def test_a_list_that_holds_itself_does_not_hang():
    endless: list[object] = [1]
    endless.append(endless)
    sides = [tell({"x": value}, {"x": False}) for value in (endless, [*endless, 2])]
    assert [each.threads for each in differing_names(*sides)] == ["3 items"]
