"""What a switch between a read and a write may lose is found in the source, and nothing else is."""

from __future__ import annotations

import textwrap

import pytest
from cells import cell

START = """
from coro_magic import Channel, Lock, Semaphore, sleep, spawn
import threading, time
mutex = threading.Lock()
counter, other, words = 0, 0, {"a": 0}
lock, channel = Lock(), Channel(100)
class Account:
    def __init__(self):
        self.balance = 0
"""
FIRST = len(START.splitlines()) + 1


def hazards(function: str, calls: str = "for _ in range(3): worker()") -> list[tuple[str, int, int, int]]:
    """Give the hazards of a function, with lines that count from its own first."""
    source = START + textwrap.dedent(function).strip() + "\n" + calls
    run = cell(source, shown="none").run
    assert run.error is None
    # A cell's source is stripped of its first line end.
    return [
        (each.name, *(place.line - FIRST + 2 for place in (each.read, each.switch, each.write)))
        for each in run.hazards
    ]


@pytest.mark.parametrize("body, expected", [
    ("x = counter\nyield\ncounter = x + 1", [("counter", 3, 4, 5)]),
    ("counter = counter + ((yield) or 1)", [("counter", 3, 3, 3)]),
    ("counter += (yield) or 1", [("counter", 3, 3, 3)]),
    ("x = counter\ny = 2 * x\nif y < 9:\n    yield\nelse:\n    pass\ncounter = y", [("counter", 3, 6, 9)]),
    ("x = counter\nfor _ in range(2):\n    counter = x\n    yield", [("counter", 3, 6, 5)]),
    ("x = counter\nwhile True:\n    yield\n    break\ncounter = x", [("counter", 3, 5, 7)]),
    ("x = words['a']\nyield sleep(0)\nwords['a'] = x + 1", [("words['a']", 3, 4, 5)]),
    ("k = 'a'\nx = words.get(k, 0)\nyield\nwords[k] = x + 1", [("words[k]", 4, 5, 6)]),
    ("x = counter\ntime.sleep(0.001)\ncounter = x + 1\nyield", [("counter", 3, 4, 5)]),
    ("with (yield lock.acquire()):\n    x = counter\nyield\nwith (yield lock.acquire()):\n    counter = x",
     [("counter", 4, 5, 7)]),
    ("try:\n    x = counter\n    yield\nfinally:\n    counter = x", [("counter", 4, 5, 7)]),
])  # fmt: skip
def test_a_write_of_what_was_read_before_a_switch_is_a_hazard(body, expected):
    body = textwrap.indent(body, "    ")
    assert hazards("def worker():\n    global counter\n" + body) == expected


@pytest.mark.parametrize("body", [
    "x = counter\ncounter = x + 1\nyield",
    "x = counter\nyield\nx = counter\ncounter = x + 1",
    "x = counter\nyield\ncounter = counter + x",
    "x = counter\nyield\ncounter += 1",
    "x = counter\nyield\ncounter = 7",
    "x = counter\nyield\nother = x",
    "x = counter\nyield\nx = 3\ncounter = x",
    "x = 5\nyield\ncounter = x",
    "x = 0\nx += (yield) or 1\nx = x + 1",
    "yield channel.put(counter)\nx = yield channel.get()\ncounter = x",
    "with (yield lock.acquire()):\n    x = counter\n    yield\n    counter = x + 1",
    "with mutex:\n    x = counter\n    yield\n    counter = x + 1",
    "yield lock.acquire()\nx = counter\nyield\ncounter = x + 1\nlock.release()",
    "for k in ('a', 'b'):\n    x = words.setdefault(k, 0)\n    words[k] = x + 1\n    yield",
    "for k in ('a', 'b'):\n    words[k] = words.get(k, 0) + 1\n    yield",
    "x = counter\nif x > 99:\n    yield\n    return\ncounter = x + 1",
    "x = counter\nint('5')\nprint(x, end='')\ncounter = x + 1\nyield",
])  # fmt: skip
def test_what_is_no_hazard_is_not_called_one(body):
    body = textwrap.indent(body, "    ")
    assert hazards("def worker():\n    global counter, other\n" + body) == []


def test_one_coroutine_alone_cannot_undo_what_another_wrote():
    worker = "def worker():\n    global counter\n    x = counter\n    yield\n    counter = x + 1\n"
    assert hazards(worker, "worker()\nspawn(sleep, 0)") == []
    both = worker + "def another():\n    global counter\n    counter += 1\n    yield"
    assert len(hazards(both, "worker()\nanother()")) == 1


def test_methods_of_an_object_that_is_shared_have_hazards_and_those_of_private_ones_have_none():
    joint = """
        class Joint(Account):
            def deposit(self, amount):
                before = self.balance
                yield
                self.balance = before + amount
    """
    calls = "account = Joint()\nfor _ in range(3): spawn(account.deposit(1))"
    assert hazards(joint, calls) == [("self.balance", 3, 4, 5)]
    calls = "for _ in range(3):\n    account = Joint()\n    spawn(account.deposit(1))"
    assert hazards(joint, calls) == []


def test_an_object_that_is_passed_to_several_coroutines_is_shared():
    worker = "def worker(to):\n    x = to.balance\n    yield\n    to.balance = x + 1"
    together = "account = Account()\nfor _ in range(3): worker(account)"
    assert hazards(worker, together) == [("to.balance", 2, 3, 4)]
    apart = "for _ in range(3):\n    account = Account()\n    worker(account)"
    assert hazards(worker, apart) == []


def test_variables_of_a_function_around_it_may_be_every_coroutines_own():
    closures = """
        def make():
            total, seen = 0, {"a": 0}
            def worker():
                nonlocal total
                x, y = total, seen["a"]
                yield
                total, seen["a"] = x + 1, y + 1
            return worker
    """
    assert hazards(closures, "for _ in range(3): spawn(make())") == []


def test_a_native_coroutine_and_a_plain_function_have_hazards_too():
    native = "async def worker():\n    global counter\n    x = counter\n    await sleep(0)\n    counter = x"
    assert hazards(native) == [("counter", 3, 4, 5)]
    plain = """
        def slow(x):
            time.sleep(0.001)
            return x + 1
        def worker():
            global counter
            counter = slow(counter)
    """
    assert hazards(plain, "for _ in range(3): spawn(worker)") == [("counter", 6, 6, 6)]


def test_functions_of_earlier_cells_are_looked_at(tmp_path):
    earlier = tmp_path / "earlier.py"
    earlier.write_text(
        "counter = 0\ndef worker():\n    global counter\n    x = counter\n    yield\n    counter = x + 1\n"
    )
    names = {"__name__": "__main__"}
    exec(compile(earlier.read_text(), str(earlier), "exec"), names)
    (found,) = cell("worker()\nworker()", names).run.hazards
    assert (found.name, found.read.line, found.switch.line, found.write.line) == ("counter", 4, 5, 6)
    assert found.read.file == str(earlier)


def test_what_the_caller_drives_by_hand_is_the_callers_business():
    driven = "def worker():\n    global counter\n    x = counter\n    yield\n    counter = x + 1"
    assert hazards(driven, "for _ in range(2):\n    g = worker()\n    for _ in g: pass") == []


def test_loops_in_loops_do_not_take_for_ever():
    loops = "".join("    " * depth + "for _ in range(1):\n" for depth in range(1, 16))
    body = "    " * 16 + "counter = counter + ((yield) or 1)\n"
    found = hazards("def worker():\n    global counter\n" + loops + body)
    assert [name for name, *_ in found] == ["counter"]
