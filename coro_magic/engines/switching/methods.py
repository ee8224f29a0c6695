"""Methods of types that are written in C.

A `threading.Lock` made before the run is an object of a C type, and the only place where all its
callers pass is the method in its type's dictionary. The interpreter refuses to assign there, though
it looks methods up there like any others. So the dictionary itself is changed, and the interpreter
told that the type was modified, which is what assigning would do. The originals come back when the
run ends, like all others.
"""

from __future__ import annotations

import ctypes
import gc
from typing import Any


def put_method(owner: type, name: str, value: Any) -> None:
    """Put `value` in the place of a method that stands in the C type's own dictionary.

    Raises
    ------
    TypeError
        If the type has no method of that name itself.
    """
    (methods,) = (each for each in gc.get_referents(vars(owner)) if type(each) is dict)
    if name not in methods:
        raise TypeError(f"{owner.__name__} has no method {name!r} of its own")
    methods[name] = value
    ctypes.pythonapi.PyType_Modified(ctypes.py_object(owner))
