"""Reference solutions of the tutorials' exercises, and wrong answers that the checks must tell from them.

By notebook and exercise. An answer changes the cell that the learner is given: each pair is a piece of it,
and what stands there instead.
"""

from __future__ import annotations

from dataclasses import dataclass

Change = tuple[str, str]


@dataclass(frozen=True)
class Exercise:
    """What is to be changed in the given cell.

    Attributes
    ----------
    right:
        A solution.
    wrong:
        Answers that a learner may give on the way, by a piece of what the check says to each. The cell as
        it is given is one more: what the check says to that stands in the notebook.
    """

    right: tuple[Change, ...]
    wrong: dict[str, tuple[Change, ...]]


def answered(cell: str, changes: tuple[Change, ...]) -> str:
    """Give the learner's cell with an answer in it."""
    for given, instead in changes:
        assert cell.count(given) == 1, (given, cell)
        cell = cell.replace(given, instead)
    return cell


# First run
_FETCH = "\n    fetch(page)"
_NAMED = "spawn(fetch, page)"

# What is a coroutine?
_MEAN = "# two lines are missing here"
_TOWER = "    tower()\n    yield\n"

# No locks
_SALE = """\
        slow_printer(f"a ticket for {buyer}")
        tickets = tickets - 1
"""
_LINES = """\
    for line in ("Dear", "yours", "sincerely"):
        paper.append(f"{name}: {line}")
        yield sleep(1)
"""

# I/O switches by itself
_ALL = "everything = spawn(run_all)"
_PROGRAM = "        program(number)\n"
_ASK = "    yield\n    return ask()"
_SERVE = "            serve(connection)"

# When threads win
_PACK = "    yield\n    return compress(seed)"
_PASS = "            pass"
_WAYS = 'nap: "process", scramble: "as it is", count: "in_thread"'

# Channels and pipelines
_UPPER = """\
    yield
    # get each word from raw, and put word.upper() into clean; close clean
"""
_CUSTOMER = """\
    answer = yield shop.get()
    return answer
"""

# All cores
_DEALT = "-o run_1 --processes 2"
_SQUARE = "    total = total + number * number\n"

# Time and chance
_BREAKFAST = """\
    yield tea()                        # wait for the one,
    yield egg_and_toast()              # and then for the other
"""
_REPORT = """\
    for _ in range(6):
        yield
    return
"""[:-1]

EXERCISES: dict[str, dict[int, Exercise]] = {
    "01_first_run": {
        1: Exercise(
            right=((_FETCH, "\n    spawn(fetch, page)"),),
            wrong={
                "one waits after the other": ((_FETCH, "\n    spawn(fetch, page).result()"),),
                "0 coroutines": ((_FETCH, "\n    spawn(print, fetch(page))"),),
            },
        ),
        2: Exercise(
            right=((_NAMED, 'spawn(fetch, page, name=f"page {page}")'),),
            wrong={
                "page-2": ((_NAMED, 'spawn(fetch, page, name="page")'),),
                "there are 4": (("range(5)", "range(1, 5)"),),
            },
        ),
    },
    "02_what_is_a_coroutine": {
        1: Exercise(
            right=((_MEAN, "total = total + number\n        so_far = total / count"),),
            wrong={
                "the numbers themselves": ((_MEAN, "so_far = number"),),
                "the means are 4, 5 and 6": ((_MEAN, "total += number; so_far = total"),),
                "ended with an error": ((_MEAN, "so_far = sum / count"),),
            },
        ),
        2: Exercise(
            right=(("    yield\n", "        yield\n"),),
            wrong={
                "lap 1 of all three": (("    yield\n", "        if lap == 1:\n            yield\n"),),
                "ended with an error": (("    yield\n", ""),),
            },
        ),
        3: Exercise(
            right=((_TOWER, "    yield from tower()\n    yield from tower()\n"),),
            wrong={
                "there were 3": ((_TOWER, "    yield from tower()\n"),),
                "never stops inside": ((_TOWER, "    tower()\n    tower()\n    yield\n"),),
            },
        ),
    },
    "03_switching_costs_nothing": {
        1: Exercise(
            right=(("-o run_1", "-o run_1 --sweep turns=1:1000:log"),),
            wrong={"this sweep goes from 1 to 10": (("-o run_1", "-o run_1 --sweep turns=1,10"),)},
        ),
        2: Exercise(
            right=(("work = 100", "work = 1_000_000"),),
            wrong={"change work only": (("range(4)", "range(2)"),)},
        ),
    },
    "04_no_locks": {
        1: Exercise(
            right=(("    there = jar\n", ""), ("there + 10", "jar + 10")),
            wrong={
                "think at the same time": (("    yield sleep(1)", "    yield"),),
                "ended with an error": (("there + 10", "10 + their"),),
            },
        ),
        2: Exercise(
            right=((_SALE, "".join(reversed(_SALE.splitlines(keepends=True)))),),
            wrong={
                "has to print": ((_SALE, "        tickets = tickets - 1\n"),),
                "only 2 were sold": ((_SALE, "        tickets -= 2\n        slow_printer(buyer)\n"),),
                "ended with an error": ((_SALE, "        ticket -= 1\n"),),
            },
        ),
        3: Exercise(
            right=((_LINES, """\
    with (yield printer.acquire()):
        for line in ("Dear", "yours", "sincerely"):
            paper.append(f"{name}: {line}")
            yield sleep(1)
"""),),
            wrong={
                "for a line only": ((_LINES, """\
    for line in ("Dear", "yours", "sincerely"):
        with (yield printer.acquire()):
            paper.append(f"{name}: {line}")
            yield sleep(1)
"""),),
                "nobody had to wait": (
                    ('gather(letter("Ann"), letter("Bob"))', 'letter("Ann")\n    yield letter("Bob")'),
                ),
                "ended with an error": (("        yield sleep(1)", "        yield printer.acquire()"),),
                "take 6 s": ((_LINES, """\
    yield
    for line in ("Dear", "yours", "sincerely"):
        paper.append(f"{name}: {line}")
"""),),
            },
        ),
    },
    "05_io_switches_by_itself": {
        1: Exercise(
            right=((_ALL, "for number in range(12):\n    spawn(program, number)"),),
            wrong={
                "1 coroutines": ((_ALL, "spawn(program, 0)"),),
                "one after another": ((_PROGRAM, "        spawn(program, number).result()\n"),),
            },
        ),
        2: Exercise(
            right=((_ASK, "    return (yield in_thread(ask))"),),
            wrong={
                "with the sum": ((_ASK, "    yield in_thread(ask)"),),
                "holds the thread": ((_ASK, "    return (yield in_thread(int, ask()))"),),
                "tick should run": (("in (tick, ask_in_thread)", "in (ask_in_thread,)"),),
            },
        ),
        3: Exercise(
            right=((_SERVE, "            spawn(serve, connection)"),),
            wrong={
                "should stay": (("[silent] + ", ""),),
                "and 0 did": ((_SERVE, "            connection.close()"),),
                "only spawn it": ((_SERVE, "            spawn(serve, connection).result()"),),
            },
        ),
    },
    "06_channels_and_pipelines": {
        1: Exercise(
            right=((_UPPER, """\
    for word in raw:
        yield clean.put(word.upper())
    clean.close()
"""),),
            wrong={
                "and it got": ((_UPPER, """\
    for word in raw:
        yield clean.put(word)
    clean.close()
"""),),
                "sink still waits": ((_UPPER, """\
    for word in raw:
        yield clean.put(word.upper())
"""),),
            },
        ),
        2: Exercise(
            right=(("packers = 1", "packers = 4"),),
            wrong={
                "with 3 it takes": (("packers = 1", "packers = 3"),),
                "fewer do, too": (("packers = 1", "packers = 8"),),
                "before 12 s": (("packers = 1", "packers = 0"),),
                "and nothing else": (("sleep(4)", "sleep(1)"),),
            },
        ),
        3: Exercise(
            right=((_CUSTOMER, """\
    try:
        with timeout(3):
            return (yield shop.get())
    except TimeoutError:
        return "no answer"
"""),),
            wrong={
                "waited for 2 s": ((_CUSTOMER, """\
    yield select(shop.get(), sleep(2))
    return "no answer"
"""),),
                "returned (1, None)": (("shop.get()", "select(shop.get(), sleep(3))"),),
                "ended with an error": ((_CUSTOMER, "    with timeout(3):\n        yield shop.get()\n"),),
            },
        ),
    },
    "07_all_cores": {
        1: Exercise(
            right=((_DEALT, f"{_DEALT} --split blocks"),),
            wrong={
                "one process has 36 to do": ((_DEALT, f"{_DEALT} --split robin"),),
                "leave the eight jobs": (("(9, 1, 9, 1, 9, 1, 9, 1)", "(9, 9, 1, 1)"),),
                "there is work in 1": ((_DEALT, "-o run_1"),),
            },
        ),
        2: Exercise(
            right=((_SQUARE, "    return number * number\n"),),
            wrong={
                "leave it in two processes": (("--processes 2", "--processes 1"),),
                "gives nothing back": ((_SQUARE, "    number = number * number\n"),),
                "leave the yield in it": (("    yield\n" + _SQUARE, "    return number * number\n"),),
                "these came back: [2, 4, 6, 8]": ((_SQUARE, "    return number + number\n"),),
            },
        ),
    },
    "08_time_and_chance": {
        1: Exercise(
            right=((_BREAKFAST, "    yield gather(tea(), egg_and_toast())\n"),),
            wrong={"both have to be made": ((_BREAKFAST, "    yield egg_and_toast()\n"),)},
        ),
        2: Exercise(
            right=(("--seed 1", "--seed 3"),),
            wrong={
                "change the seed only": (('"hare", 4', '"hare", 9'),),
                "without --order random": ((" --order random --seed 1", ""),),
            },
        ),
        3: Exercise(
            right=((_REPORT, "    yield gather(*workers)\n    return"),),
            wrong={
                "it has to wait": (("range(6)", "range(9)"),),
                "still counts": (("range(6)", "range(100)"),),
            },
        ),
    },
    "09_when_threads_win": {
        1: Exercise(
            right=((_PACK, "    return (yield in_thread(compress, seed))"),),
            wrong={
                "forgets": ((_PACK, "    yield in_thread(compress, seed)"),),
                "holds the thread": ((_PACK, "    return (yield in_thread(int, compress(seed)))"),),
                "clock should tick": (("spawn(clock)\n", ""),),
            },
        ),
        2: Exercise(
            right=((_PASS, "            yield"),),
            wrong={
                "for long": (("    return total", "    yield\n    return total"),),
                "come back with the sum": ((_PASS, "            yield\n            return total"),),
            },
        ),
        3: Exercise(
            right=((_WAYS, 'nap: "as it is", scramble: "in_thread", count: "process"'),),
            wrong={
                "time.sleep waits": ((_WAYS, 'nap: "in_thread", scramble: "in_thread", count: "process"'),),
                "one long call in C": ((_WAYS, 'nap: "as it is", scramble: "process", count: "process"'),),
                "a lock of its own": ((_WAYS, 'nap: "as it is", scramble: "in_thread", count: "as it is"'),),
            },
        ),
    },
}  # fmt: skip
