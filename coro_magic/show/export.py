"""A run as a file. It is written whole, or not at all."""

from __future__ import annotations

import csv
import io
import json
import os
import secrets
import shutil
from typing import TYPE_CHECKING, BinaryIO

from .document import COLUMNS, records, to_dict
from .suffixes import SUFFIXES as SUFFIXES
from .suffixes import suffix_of

if TYPE_CHECKING:
    from ..measure.run import Run


def save(run: Run, path: str | os.PathLike[str]) -> None:
    """Write the run to a file: whole, or not at all.

    Parameters
    ----------
    path:
        Its suffix says what: .png, .svg and .pdf the picture; .html the interactive timeline, one file
        that needs nothing else; .json all of `document.to_dict`, which `coro_magic.load` reads back;
        .perfetto.json a trace for Perfetto and chrome://tracing; .csv one line per coroutine of both sides.

    Raises
    ------
    ValueError
        If the suffix is another one.
    OSError
        If it cannot be written; what was there before stays as it was.
    """
    name = os.fsdecode(path)
    suffix = suffix_of(name)
    if suffix is None:
        given = os.path.splitext(name)[1]
        what = repr(given) if given else "a file without a suffix"
        raise ValueError(f"cannot save as {what}: use one of {', '.join(SUFFIXES)}")
    # A link is followed, so that it stays a link.
    target = os.path.realpath(name)
    folder, base = os.path.split(target)
    temporary = os.path.join(folder, f".{base[:100]}.{secrets.token_hex(6)}.tmp")
    try:
        # "x": it is ours or it is an error, so that it is ours to remove.
        with open(temporary, "xb") as file:
            _write(run, file, suffix)
            file.flush()
            os.fsync(file.fileno())
        if os.path.exists(target):
            shutil.copymode(target, temporary)
        os.replace(temporary, target)
    except FileExistsError:
        raise
    except BaseException as error:
        # The disk is full, or the user interrupted: nothing stays behind.
        if os.path.lexists(temporary):
            os.remove(temporary)
        if isinstance(error, OSError) and error.errno is not None:
            # Told of the file that was asked for, not of the one that would have become it.
            raise type(error)(error.errno, error.strerror, name) from None
        raise


def _write(run: Run, file: BinaryIO, suffix: str) -> None:
    if suffix == ".perfetto.json":
        from .perfetto import lines_of

        for line in lines_of(run):
            file.write(line.encode("utf-8", "backslashreplace"))
    elif suffix == ".html":
        from .page import page  # type: ignore[import-not-found,import-untyped,unused-ignore]

        file.write(page(run).encode("utf-8", "backslashreplace"))
    elif suffix == ".json":
        text = json.dumps(to_dict(run), allow_nan=False)
        file.write(text.encode("ascii") + b"\n")
    elif suffix == ".csv":
        file.write(_csv(run).encode("utf-8", "backslashreplace"))
    else:
        from .figures import picture
        from .sheet import write

        write(picture(run), file, suffix[1:])


def _csv(run: Run) -> str:
    out = io.StringIO(newline="")
    lines = csv.writer(out)
    lines.writerow(("unit", *COLUMNS))
    for side in [run] if run.baseline is None else [run, run.baseline]:
        for record in records(side):
            for name in ("spawned_at", "where"):
                place = record[name]
                record[name] = None if place is None else f"{place['file']}:{place['line']}"
            lines.writerow((side.unit, *(record[name] for name in COLUMNS)))
    return out.getvalue()
