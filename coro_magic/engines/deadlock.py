"""What is said when nothing can go on."""

from __future__ import annotations

from .scheduled import ScheduledTask


def tell_deadlock(stuck: list[ScheduledTask], most: int = 20) -> str:
    """Say who waits for whom, on what, at which line."""
    lines = ["nothing can go on:"]
    for task in stuck[:most]:
        what = "for its turn" if task.request is None else f"for {task.request.describe()}"
        place = "" if task.where is None else f", at {task.where},"
        lines.append(f"  {task.name}{place} waits {what}")
    if len(stuck) > most:
        lines.append(f"  ... and {len(stuck) - most:,} more")
    return "\n".join(lines)
