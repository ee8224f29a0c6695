"""To close widgets with all that is in them: by itself a widget's `close` closes that one only."""

from __future__ import annotations

from ipywidgets import Widget  # type: ignore[import-untyped,unused-ignore]


def close_all(widget: Widget) -> None:
    """Close a widget, its children, layouts and styles, and theirs."""
    seen: dict[int, Widget] = {}
    left = [widget]
    while left:
        one = left.pop()
        if id(one) in seen:
            continue
        seen[id(one)] = one
        for value in one.trait_values(sync=True).values():
            held = value if isinstance(value, (list, tuple)) else (value,)
            left += [each for each in held if isinstance(each, Widget)]
    for one in seen.values():
        # Not its own method, which may be what called this.
        Widget.close(one)
