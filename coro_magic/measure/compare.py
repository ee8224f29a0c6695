"""Do both sides come to the same results? A difference is what a data race looks like."""

from __future__ import annotations

from typing import Any

from ..language import State
from .baseline import NotCopied
from .run import Difference, Run

_LONG = 200  # characters of a result that are kept


def differences(coroutines: Run, threads: Run) -> list[Difference]:
    """Give the results that differ, of coroutines that are done on both sides.

    Coroutines are matched by name. Where the same results stand under other names, because threads
    were started in another order, that is no difference.
    """
    theirs = {task.name: task for task in threads.tasks if task.state is State.DONE}
    found = []
    # A body's value is what the cell displays, and no result of a coroutine.
    for task in coroutines.tasks[int(coroutines.has_body) :]:
        other = theirs.get(task.name)
        if task.state is not State.DONE or other is None or isinstance(other._value, NotCopied):
            continue
        if not _equal(task._value, other._value):
            found.append((task.name, task._value, other._value))
    if found and _same_in_another_order([a for _, a, _ in found], [b for _, _, b in found]):
        return []
    return [Difference(name, _short(ours), _short(others)) for name, ours, others in found]


def _equal(one: Any, other: Any) -> bool:
    if type(one) is not type(other):
        return False
    if one is other:
        return True
    try:
        equal = one == other
        # Arrays and frames compare by element.
        return bool(equal.all() if hasattr(equal, "all") else equal)
    except Exception:
        return _short(one) == _short(other)


def _same_in_another_order(ours: list[Any], theirs: list[Any]) -> bool:
    if len(ours) > 1000:
        # Pair by text: comparing everything with everything would take too long.
        return sorted(map(_short, ours)) == sorted(map(_short, theirs))
    left = list(theirs)
    for one in ours:
        for index, other in enumerate(left):
            if _equal(one, other):
                del left[index]
                break
        else:
            return False
    return True


def _short(value: Any) -> str:
    try:
        text = repr(value)
    except Exception as error:
        return f"<{type(value).__name__}, whose repr raises {type(error).__name__}>"
    return text if len(text) <= _LONG else text[: _LONG - 3] + "..."
