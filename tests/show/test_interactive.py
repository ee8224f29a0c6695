"""The interactive timeline's Python side, and what its script must never do."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from coro_magic.show import palette
from coro_magic.show.source import Source

from .runs import run_of, sleepers, threads, troubled

interactive = pytest.importorskip("coro_magic.show.interactive")
SCRIPT = interactive.SCRIPT.read_text(encoding="utf-8")


class Heard(interactive.Interactive):
    """A timeline that keeps what it sends."""

    def __init__(self, source: Any) -> None:
        self.sent: list[tuple[Any, Any]] = []
        super().__init__(source)

    def send(self, content: Any, buffers: Any = None) -> None:
        self.sent.append((content, buffers))


def ask(widget: Heard, request: Any, buffers: Any = ()) -> tuple[Any, Any]:
    widget._handle_custom_msg(request, buffers)
    return widget.sent.pop()


def test_the_data_is_sent_once_with_its_columns_as_bytes() -> None:
    widget = Heard(Source(run_of(sleepers(3), threads(3, 0.1))))
    meta = json.loads(widget.meta)
    assert [side["unit"] for side in meta["sides"]] == ["coroutine", "thread"]
    places = [column["buffer"] for side in meta["sides"] for column in side["columns"].values()]
    assert sorted(places) == list(range(len(widget.buffers)))
    assert all(type(buffer) is bytes for buffer in widget.buffers)


def test_a_question_is_answered_with_its_own_number() -> None:
    widget = Heard(Source(run_of(troubled)))
    reply, _ = ask(widget, {"id": "a:1", "kind": "card", "side": 0, "row": 1})
    assert (reply["id"], reply["kind"], reply["card"]["state"]) == ("a:1", "card", "failed")


def test_columns_come_in_as_memoryviews_and_go_out_as_bytes() -> None:
    run = run_of(sleepers(3))
    widget = Heard(Source(run))
    order = memoryview(bytes(4 * len(run.trace)))
    reply, _ = ask(widget, {"id": 2, "kind": "order", "side": 0, "lines": 1}, [order])
    assert reply["kind"] == "order"
    view = {"id": 3, "kind": "cells", "side": 0, "axis": "time", "from": 0.0, "to": run.elapsed,
            "bins": 10, "top": 0, "bottom": 1, "lines": 1}  # fmt: skip
    reply, columns = ask(widget, view)
    assert reply["kind"] == "bars" and columns and all(type(column) is bytes for column in columns)


@pytest.mark.parametrize("nonsense", [{}, {"id": 5}, {"id": 5, "kind": "cells"}, [], "cells", None, 7])
def test_nonsense_is_answered_with_an_error_and_not_with_silence(nonsense: Any) -> None:
    reply, _ = ask(Heard(Source(run_of(sleepers(1)))), nonsense)
    assert reply["kind"] == "error" and reply["message"]
    assert reply["id"] == (nonsense.get("id") if isinstance(nonsense, dict) else None)


def test_a_source_that_fails_becomes_an_error_in_the_timeline() -> None:
    class Broken(Source):
        def answer(self, request: Any, given: Any = ()) -> Any:
            raise RuntimeError("broken")

    reply, columns = ask(Heard(Broken(run_of(sleepers(1)))), {"id": 9, "kind": "card"})
    assert (reply, columns) == ({"kind": "error", "message": "RuntimeError: broken", "id": 9}, [])


def test_hostile_names_are_data() -> None:
    from coro_magic.language import spawn

    evil = "</script><img src=x onerror=alert(1)>\u2028\x00"

    def body() -> Any:
        spawn((one for one in range(2)), name=evil)
        yield

    meta = json.loads(Heard(Source(run_of(body))).meta)
    assert any("<img" in name for name in meta["sides"][0]["names"])


def test_numbers_that_are_none_become_null_for_the_browser() -> None:
    text = interactive.as_json({"a": [float("nan"), float("inf"), 1.5], "b": (True, None)})
    assert json.loads(text) == {"a": [None, None, 1.5], "b": [True, None]}


def test_an_empty_run_is_sent_as_well() -> None:
    meta = json.loads(Heard(Source(run_of(lambda: (one for one in ())))).meta)
    assert meta["sides"]


# The script.


def test_the_script_uses_no_network() -> None:
    for word in ("fetch(", "XMLHttpRequest", "WebSocket", "EventSource", "sendBeacon", "importScripts",
                 "http:", "https:", "import(", "src=", "@import", "url("):  # fmt: skip
        assert word not in SCRIPT, word
    assert not re.search(r"^\s*import\s", SCRIPT, re.MULTILINE)


def test_the_script_never_makes_markup_of_text() -> None:
    for word in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "DOMParser", "eval(",
                 "new Function", "createContextualFragment", "srcdoc"):  # fmt: skip
        assert word not in SCRIPT, word


def test_the_script_can_stand_inside_a_page() -> None:
    assert "</script" not in SCRIPT.lower() and "<!--" not in SCRIPT
    assert "export default { render }" in SCRIPT


def test_light_colours_and_heights_are_those_of_the_picture() -> None:
    light = SCRIPT[SCRIPT.index("const LIGHT") : SCRIPT.index("const DARK")]
    for name, colour in {
        "running": palette.RUNNING, "active": palette.ACTIVE, "ready": palette.READY,
        "otherWaits": palette.OTHER_WAITS, "notBegun": palette.NOT_BEGUN, "failed": palette.FAILED,
        "ink": palette.INK, "faint": palette.FAINT_INK, "grid": palette.GRID, "paper": palette.PAPER,
        "lane": palette.LANE, "mark": palette.MARK,
    }.items():  # fmt: skip
        assert f'{name}: "{colour}"' in light
    assert "waits: [" + ", ".join(f'"{colour}"' for colour in palette.WAITS) + "]" in light
    heights = ", ".join(str(palette.HEIGHTS[state]) for state in ("ready", "running", "waiting"))
    assert f"const HEIGHTS = [{heights}]" in SCRIPT
