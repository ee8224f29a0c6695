"""A run in words while it goes on: how far it is."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..engines.scheduler import Scheduler
from ..engines.trace import STATE_CODES
from ..language import State
from ..measure.underway import Underway
from .text import count, duration, number


class HowFar(NamedTuple):
    """How far a run is: how many have ended, of how many, how many of these failed, and the steps made."""

    ended: int
    there: int
    failed: int
    switches: int
    unit: str = "coroutine"
    processes: int = 0


def so_far(how_far: HowFar, elapsed: float) -> str:
    """Say how far a run is: ``running for 1.3 s: 120 of 200 coroutines finished, 23,111 switches``."""
    ended, there, failed, switches, unit, processes = how_far
    parts = [f"{number(ended)} of {count(there, unit)} finished"]
    parts += [f"{number(failed)} failed"] if failed else []
    if switches:
        parts.append(count(switches, "switch", "switches"))
        parts.append(f"{number(switches / elapsed)} per second" if elapsed > 0 else "")
    where = f" in {count(processes, 'process', 'processes')}" if processes else ""
    if processes and not there:
        # They are just beginning, or are on another machine.
        return f"running for {duration(elapsed)}{where}"
    return f"running for {duration(elapsed)}{where}: " + ", ".join(part for part in parts if part)


def how_far(going: Scheduler | Underway) -> HowFar:
    """Look how far a run is, or the processes of one, as far as they have said so themselves."""
    if isinstance(going, Underway):
        told = [each for each in going.glimpses() if each is not None]
        return HowFar(
            sum(each.ended for each in told),
            sum(each.there for each in told),
            sum(each.failed for each in told),
            sum(each.switches for each in told),
            processes=going.of,
        )
    trace = going.trace
    ends = trace.final_codes()[int(going.body is not None) :]
    failed = int(np.count_nonzero(ends == STATE_CODES[State.FAILED]))
    return HowFar(int(np.count_nonzero(ends >= 0)), len(ends), failed, trace.switches, trace.unit)
