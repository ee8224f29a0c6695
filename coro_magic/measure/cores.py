"""How many processors this process may really use."""

from __future__ import annotations

import math
import os
from contextlib import suppress
from pathlib import Path

_GROUPS = Path("/sys/fs/cgroup")
_OWN = Path("/proc/self/cgroup")


def cores(groups: Path = _GROUPS, own: Path = _OWN) -> int:
    """Give how many processors this process may use, an int ≥ 1.

    The host's count is not it: the affinity may leave fewer, and so may the quota of a control group
    (``cpu.max`` of version 2, ``cpu.cfs_quota_us`` of version 1), which is what a container has.

    Parameters
    ----------
    groups, own:
        Where the control groups are mounted, and the file that names this process's own.
    """
    found = float(_by_affinity())
    for folder in _folders(groups, own):
        quota = _quota(folder)
        if quota is not None:
            found = min(found, quota)
    return max(1, math.ceil(found))


def _by_affinity() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _folders(groups: Path, own: Path) -> list[Path]:
    """Give the folders of this process's groups and of those around them: the narrowest quota counts."""
    found = [groups, groups / "cpu"]
    with suppress(OSError):
        for line in own.read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            if controllers == "" or "cpu" in controllers.split(","):
                top = groups if controllers == "" else groups / "cpu"
                inner = top / path.lstrip("/")
                found += [inner, *(each for each in inner.parents if top in each.parents)]
    return found


def _quota(folder: Path) -> float | None:
    """Give a group's quota in processors; None where it has none."""
    with suppress(OSError, ValueError):
        quota, period = (folder / "cpu.max").read_text().split()
        return None if quota == "max" else int(quota) / int(period)
    with suppress(OSError, ValueError):
        allowed = int((folder / "cpu.cfs_quota_us").read_text())
        if allowed > 0:
            return allowed / int((folder / "cpu.cfs_period_us").read_text())
    return None
