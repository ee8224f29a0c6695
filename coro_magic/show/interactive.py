"""The interactive timeline as a widget: it sends the data once, then answers what the front end asks."""

from __future__ import annotations

import json
import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import anywidget
import traitlets

if TYPE_CHECKING:
    from collections.abc import Sequence

SCRIPT = Path(__file__).with_suffix(".js")


class Answers(Protocol):
    """What the timeline needs to be told of a run; `source.Source` is one."""

    def first(self, everything: bool = False) -> tuple[dict[str, Any], list[bytes]]:
        """Give what is sent at the beginning: a dict that goes into JSON, and binary columns."""
        ...

    def answer(self, request: dict[str, Any], buffers: list[bytes]) -> tuple[dict[str, Any], list[bytes]]:
        """Answer a question; never raises."""
        ...


class Interactive(anywidget.AnyWidget):
    """The timeline in a live notebook.

    Parameters
    ----------
    source:
        Who knows the run. Asked for `first` once, and for an `answer` to every message.
    """

    # The text, not the file: that one anywidget watches, and it would hold every widget for ever.
    _esm = SCRIPT.read_text(encoding="utf-8")
    # JSON as text: the front end parses it once, however large, and no trait has to validate it.
    meta = traitlets.Unicode("{}").tag(sync=True)
    buffers = traitlets.List(traitlets.Bytes()).tag(sync=True)
    # Tells the views of this widget from those of others in the same page.
    key = traitlets.Unicode().tag(sync=True)
    # Whether the page is dark: the front end says so.
    dark = traitlets.Bool(False).tag(sync=True)

    def __init__(self, source: Answers) -> None:
        meta, buffers = source.first()
        self._source = source
        super().__init__(meta=as_json(meta), buffers=list(buffers), key=secrets.token_hex(8))
        self.on_msg(self._asked)

    def _asked(self, _: object, request: object, buffers: Sequence[Any] | None) -> None:
        asked = request if isinstance(request, dict) else {}
        try:
            given = [bytes(buffer) for buffer in buffers or ()]
            reply, columns = self._source.answer(asked, given)
        except Exception as error:  # The front end waits for a reply, whatever happened.
            reply, columns = {"kind": "error", "message": f"{type(error).__name__}: {error}"}, []
        self.send({**reply, "id": asked.get("id")}, columns)


def as_json(meta: dict[str, Any]) -> str:
    """Give `meta` as JSON that every browser reads: numbers that are none become null."""
    try:
        return json.dumps(meta, allow_nan=False, separators=(",", ":"))
    except ValueError:
        return json.dumps(_finite(meta), allow_nan=False, separators=(",", ":"))


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if value - value == 0 else None
    if isinstance(value, dict):
        return {key: _finite(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(one) for one in value]
    return value
