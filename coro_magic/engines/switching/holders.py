"""Modules that hold an original under a name of their own: ``from time import sleep``.

They are found in `sys.modules`, and each module is read through only when its number of names has
changed since the last time. What a module that is imported in the run takes hold of is given back, too.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_PACKAGE = __name__.partition(".")[0]

# Which names of a module led to an original, when it had so many names.
_known: dict[str, tuple[int, frozenset[int], list[str]]] = {}


def swap(namespace: dict[str, Any] | None, replacements: dict[int, Any]) -> None:
    """Replace the values in a namespace whose ids are keys of `replacements`."""
    if namespace is not None:
        for name, value in list(namespace.items()):
            if id(value) in replacements:
                namespace[name] = replacements[id(value)]


@contextmanager
def held_by_modules(stand_ins: dict[int, Any]) -> Iterator[None]:
    """Put stand-ins in the place of originals that modules hold, and the originals back.

    Parameters
    ----------
    stand_ins:
        What stands in for an original, by the original's id.
    """
    originals = {}
    loaded = _others()
    key = frozenset(stand_ins)
    for name, names in loaded.items():
        for attribute in _names_of_originals(name, names, key):
            original = names[attribute]
            stand_in = stand_ins[id(original)]
            originals[id(stand_in)] = original
            names[attribute] = stand_in
    try:
        yield
    finally:
        for name, names in _others().items():
            if name in loaded:
                for attribute in _known[name][2]:
                    value = names.get(attribute)
                    if id(value) in originals:
                        names[attribute] = originals[id(value)]
            else:
                swap(names, originals)


def _others() -> dict[str, dict[str, Any]]:
    """Give the names of all modules but this package's, which means the originals where it says so."""
    return {
        name: vars(module)
        for name, module in list(sys.modules.items())
        if name.partition(".")[0] != _PACKAGE and type(getattr(module, "__dict__", None)) is dict
    }


def _names_of_originals(
    module: str, names: dict[str, Any], originals: frozenset[int]
) -> list[str]:
    known = _known.get(module)
    if known is None or known[0] != len(names) or known[1] != originals:
        found = [name for name, value in list(names.items()) if id(value) in originals]
        known = _known[module] = (len(names), originals, found)
    return [name for name in known[2] if id(names.get(name)) in originals]
