"""The options of a run: one table for the magic, the Python API and the command line."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

from ..engines import DEFAULT_DETAIL
from ..engines.ready import ORDERS
from ..engines.split import SPLITS
from .cores import cores
from .values import values_of

# What a program can be compared with, the baseline first.
THREADS = "threads"
ONE_PROCESS = "one process"  # a side of runs in several
AGAINST = (THREADS, "threadpool", "sequential", "asyncio", "gevent")


def _number(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise ValueError(f"must be a number, and is {text!r}") from None
    if not value > 0:
        raise ValueError(f"must be more than 0, and is {text}")
    return value


def _integer(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise ValueError(f"must be a whole number, and is {text!r}") from None


def _count(text: str) -> int:
    value = _integer(text)
    if value < 0:
        raise ValueError(f"must be 0 or more, and is {text}")
    return value


def _swept(text: str) -> str:
    values_of(text)
    return text


def _sides(text: str) -> str:
    names = [name.strip() for name in text.split(",")]
    for name in names:
        if name not in AGAINST:
            raise ValueError(f"{name!r} is not one of {', '.join(AGAINST)}")
    if len(set(names)) < len(names):
        raise ValueError(f"names a side twice: {text}")
    return ",".join(names)


def _processes(text: str) -> int:
    return cores() if text == "cores" else _count(text)


@dataclass(frozen=True)
class Option:
    """One option.

    Attributes
    ----------
    name:
        As a keyword of `coro_magic.run`; the flag is ``--name`` with dashes for underscores.
    kind:
        What makes a value of its text.
    choices:
        The values there are, None for any.
    """

    name: str
    kind: Callable[[str], Any]
    default: Any
    help: str
    choices: tuple[str, ...] | None = None
    metavar: str | None = None

    @property
    def flag(self) -> str:
        """How it is written on a magic's line and on the command line."""
        return "--" + self.name.replace("_", "-")

    def checked(self, value: Any) -> Any:
        """Give a value that this option can have.

        Raises
        ------
        ValueError
            If it cannot; the message says what it can have.
        """
        if value is None or value == self.default:
            return self.default if value is None else value
        if isinstance(value, bool) and self.choices == ("on", "off"):
            value = "on" if value else "off"
        try:
            made = self.kind(str(value))
        except ValueError as error:
            raise ValueError(f"{self.name}: {error}") from None
        if self.choices is not None and made not in self.choices:
            raise ValueError(
                f"{self.name}: {value!r} is not one of {', '.join(self.choices)}"
            )
        return made


OPTIONS = (
    Option("order", str, "fifo", "who runs next: first come first served, last come first served "
           "(in rounds), or anyone", tuple(ORDERS)),
    Option("seed", _integer, None, "the seed of --order random; the same seed gives the same order",
           metavar="N"),
    Option("clock", str, "real", "virtual: time jumps when everybody sleeps", ("real", "virtual")),
    Option("on_error", str, "continue", "what the others do when a coroutine fails: go on, or be "
           "cancelled", ("continue", "cancel")),
    Option("baseline", str, "threads", "what to compare with: the same program with one thread "
           "per coroutine, in a process of its own", ("threads", "off")),
    Option("baseline_budget", _number, None, "how long the baseline may take, in seconds; by "
           "default the larger of 2 and 10 times the coroutines' time. At every point of a sweep the "
           "coroutines may take as long, by default 60", metavar="SECONDS"),
    Option("against", _sides, THREADS, "what to compare with, a list of: threads (the baseline); threadpool "
           "(ThreadPoolExecutor, of its default size); sequential (one after another); asyncio; gevent",
           metavar="LIST"),
    Option("repeat", _count, 0, "run the program so many times more on both sides, in turns and untraced, "
           "in the other process, and compare those times", metavar="R"),
    Option("sweep", _swept, None, "measure the program for many values of a name, on both sides, in the "
           "other process: n=1,10,100,1000 or n=1:100000:log; two names make a grid", metavar="NAME=VALUES"),
    Option("trace", str, "on", "off: write nothing down, for the highest speed; there is no "
           "timeline then", ("on", "off")),
    Option("detail", _count, DEFAULT_DETAIL, "how many events to keep in detail; beyond that the "
           "timeline coarsens", metavar="EVENTS"),
    Option("slow_step", _number, 50.0, "name the steps that go on for so many milliseconds without a "
           "switch: who, at which line, in which call; inf for none", metavar="MS"),
    Option("record", str, "off", "step mode: keep the stack of every coroutine after every switch, to be "
           "played in the panel; for runs of some thousand switches, and no measurement",
           ("on", "off")),
    Option("processes", _processes, 0, "deal the cell's coroutines out to so many processes, each with a "
           "scheduler of its own, in which the cell's body runs too; cores for as many as there are "
           "processors to use; 0 for the kernel itself", metavar="P"),
    Option("split", str, "robin", "how they are dealt out: each in its turn, or neighbours together", SPLITS),
    Option("split_by", str, None, "a function of a coroutine's arguments that gives an int, which says "
           "(modulo P) in which process it runs", metavar="NAME"),
    Option("on", str, None, "the executor whose workers to run on, bound to this name: of dask a "
           "client.get_executor(), of ipyparallel an rc.executor(); by default processes here",
           metavar="NAME"),
    Option("retries", _count, 0, "how often to run a process's share again when its worker has died",
           metavar="N"),
    Option("picture", str, "on", "show the picture", ("on", "off")),
    Option("summary", str, "on", "show the run in words", ("on", "off")),
    Option("panel", str, "on", "show the interactive panel", ("on", "off")),
)  # fmt: skip
"""All options of a run, in the order in which they are shown: a tuple of `Option`."""

_BY_NAME = {option.name: option for option in OPTIONS}


@dataclass(frozen=True)
class Options:
    """The options of one run. See `OPTIONS` for what they mean."""

    order: str = "fifo"
    seed: int | None = None
    clock: str = "real"
    on_error: str = "continue"
    baseline: str = "threads"
    baseline_budget: float | None = None
    against: str = THREADS
    repeat: int = 0
    sweep: str | None = None
    trace: str = "on"
    detail: int = DEFAULT_DETAIL
    slow_step: float = 50.0
    record: str = "off"
    processes: int = 0
    split: str = "robin"
    split_by: str | None = None
    on: str | None = None
    retries: int = 0
    picture: str = "on"
    summary: str = "on"
    panel: str = "on"

    @classmethod
    def of(cls, **given: Any) -> Options:
        """Give checked options.

        Raises
        ------
        TypeError
            If there is no option of that name.
        ValueError
            If it cannot have that value.
        """
        values = {}
        for name, value in given.items():
            option = _BY_NAME.get(name)
            if option is None:
                known = ", ".join(_BY_NAME)
                raise TypeError(f"run() has no option {name!r}; there are: {known}")
            values[name] = option.checked(value)
        options = cls(**values)
        options._check_together()
        return options

    def _check_together(self) -> None:
        needed = {"clock": ("virtual", "real"), "record": ("on", "off")}
        if self.repeat and not self.sweep:
            needed["baseline"] = ("off", THREADS)
            if THREADS not in self.sides:
                raise ValueError("repeat: compares with the threads, and needs them in --against")
        for name, (value, other) in needed.items():
            if getattr(self, name) == value and (self.repeat or self.sweep):
                what = "repeat" if self.repeat else "sweep"
                raise ValueError(f"{what}: compares the time of both sides, and needs --{name} {other}")

        if self.processes:
            if isinstance(self.sweep, str) and self.sweep.partition("=")[0].strip() == "processes":
                raise ValueError("processes: --sweep processes=... says in how many; leave --processes out")
            alone = {"record": self.record == "on", "repeat": self.repeat > 0, "sweep": bool(self.sweep)}
            for name, wanted in alone.items():
                if wanted:
                    raise ValueError(f"processes: --{name} is for a run in one process")
        else:
            for name in ("split_by", "on", "retries"):
                if getattr(self, name):
                    raise ValueError(f"{name}: says how to run in several processes, and needs --processes")

    @property
    def sides(self) -> tuple[str, ...]:
        """What `against` names, in its order."""
        return tuple(self.against.split(","))

    @property
    def threads(self) -> bool:
        """Whether there is to be a baseline."""
        return self.baseline == THREADS and THREADS in self.sides

    @property
    def others(self) -> tuple[str, ...]:
        """What else there is to be to compare with."""
        return tuple(side for side in self.sides if side != THREADS)

    def deciding_order(self) -> dict[str, Any]:
        """Give the keywords of `Scheduler` that say who runs when, wherever it runs."""
        return {"order": self.order, "seed": self.seed, "on_error": self.on_error}

    def for_scheduler(self) -> dict[str, Any]:
        """Give all keywords of `Scheduler` that follow from options, but for step mode."""
        return {
            **self.deciding_order(),
            "clock": self.clock,
            "trace": self.trace == "on",
            "detail": self.detail,
            "slow_step": self.slow_step / 1000,
        }

    def as_dict(self) -> dict[str, Any]:
        """Give them by name."""
        return {field.name: getattr(self, field.name) for field in fields(self)}
