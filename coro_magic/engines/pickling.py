"""How what goes to another process is pickled: by cloudpickle, and a few things that it leaves to others."""

from __future__ import annotations

import functools
import io
from collections.abc import Collection
from typing import Any


def pickled(value: Any, leave_out: Collection[Any] = ()) -> bytes:
    """Pickle by cloudpickle, and functions with a cache (`functools.lru_cache`): the cache stays here."""
    import cloudpickle

    class Pickler(cloudpickle.Pickler):  # type: ignore[misc]
        def reducer_override(self, value: Any) -> Any:
            # By its name it would not be found there.
            if isinstance(value, functools._lru_cache_wrapper) and value.__module__ == "__main__":
                return _with_cache, (value.__wrapped__, value.cache_parameters())
            return super().reducer_override(value)

    class Leaving(Pickler):
        def persistent_id(self, value: Any) -> str | None:
            return "left out" if id(value) in left_out else None

    left_out = {id(each) for each in leave_out}
    stream = io.BytesIO()
    # What asks of every object takes far longer.
    (Leaving if left_out else Pickler)(stream).dump(value)
    return stream.getvalue()


def _with_cache(function: Any, parameters: dict[str, Any]) -> Any:
    return functools.lru_cache(**parameters)(function)
