"""Other ways to run the program, beside coroutines and one thread for each: what `--against` names.

Each is what a person would write with that library, runs once in the worker process, traced, and under the
budget of the threads.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from ..engines.jobs import Job
from . import baseline
from .compare import differences
from .process import NoBaseline
from .run import Difference, Run
from .shared import differing_names


def differing(run: Run, other: Run) -> list[Difference]:
    """Give where another side's results and shared names differ from the coroutines'; names first."""
    found = differences(run, other)
    # Where somebody failed, what others then did not do is no news.
    if run.failures == other.failures:
        found[:0] = differing_names(run._shared, other._shared)
    return found


def add(
    run: Run, names: Sequence[str], job: Job, namespace: dict[str, Any], say: Callable[[str], None]
) -> None:
    """Run the program on each of `names`, and keep what they came to in ``run.others``.

    Why one of them is missing is noted in ``run.other_notes``. An interrupt leaves out the rest.
    """
    for at, name in enumerate(names):
        say(f"now the same with {name}")
        try:
            other = baseline.conduct(replace(job, engine=name), namespace)
        except NoBaseline as reason:
            run.other_notes[name] = str(reason)
            continue
        except KeyboardInterrupt:
            run.other_notes |= dict.fromkeys(names[at:], "interrupted")
            run._interrupt()
            return
        if other.complete:
            other.differences = differing(run, other)
        run.others[name] = other
