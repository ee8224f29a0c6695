"""Running coroutines without a cell: what the tests of this room share."""

from __future__ import annotations

from typing import Any

from coro_magic.engines.scheduler import Scheduler
from coro_magic.language.coroutine import as_coroutine


def run(*targets: Any, **options: Any) -> Scheduler:
    """Run coroutines, or functions that make them; the first is the body. Errors stay in the tasks."""
    scheduler = Scheduler(**options)

    def begin(scheduler: Scheduler) -> None:
        for target in targets:
            scheduler.spawn(as_coroutine(target))

    scheduler.run(begin)
    return scheduler


def result_of(target: Any, **options: Any) -> Any:
    """Run a body by a virtual clock and give what it returned, or raise what it raised."""
    return run(target, **{"clock": "virtual", **options}).tasks[0].result()
