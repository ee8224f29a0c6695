"""Reading what another process has pickled, as objects of the user's own classes."""

from __future__ import annotations

import functools
import io
import pickle
from collections.abc import Callable
from typing import Any


class OwnClasses(pickle.Unpickler):
    """Reads results and items, as objects of the user's own classes.

    A class that the cell defines exists twice, here and in the worker, and is sent along with its
    objects. What came back would be equal to nothing.

    Parameters
    ----------
    pickled:
        What cloudpickle made of them.
    namespace:
        The user's globals.
    made:
        Classes that are not there, by name; those that are made now are added, for the next to use.
    """

    def __init__(self, pickled: bytes, namespace: dict[str, Any], made: dict[str, type]) -> None:
        super().__init__(io.BytesIO(pickled))
        self._namespace = namespace
        self._made = made
        self._own: list[type] = []

    def find_class(self, module: str, name: str) -> Any:
        """Find what `pickle` asks for, but for the functions with which cloudpickle makes classes."""
        found = super().find_class(module, name)
        if module.startswith("cloudpickle"):
            if name in ("_make_skeleton_class", "_make_skeleton_enum"):
                return functools.partial(self._make_class, found)
            if name == "_class_setstate":
                return functools.partial(self._fill_class, found)
        return found

    def _make_class(self, make: Callable[..., type], kind: Any, name: str, *more: Any) -> type:
        own = self._namespace.get(name)
        if not isinstance(own, type) or own.__module__ != self._namespace.get("__name__"):
            own = self._made.get(name)
        if own is None:
            made: type = make(kind, name, *more)
            self._made[name] = made
            return made
        self._own.append(own)
        return own

    def _fill_class(self, fill: Callable[..., type], made: type, state: Any) -> type:
        return made if any(made is own for own in self._own) else fill(made, state)
