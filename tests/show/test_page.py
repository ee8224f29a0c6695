"""The page that shows a run without a kernel and without a network."""

from __future__ import annotations

import base64
import gzip
import hashlib
import html.parser
import json
import re
from typing import Any

import pytest

from coro_magic.language import spawn
from coro_magic.show import page as page_module

from .runs import run_of, sleepers, threads, troubled

pytest.importorskip("anywidget")
EVIL = "</script><script>alert(1)</script><!--<img src=x onerror=alert(2)>\u2028"


class Reader(html.parser.HTMLParser):
    """Collects what a browser would see: tags with their attributes, and the text of scripts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self._in_script = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag == "script":
            self.scripts.append("")
            self._in_script = True

    def handle_endtag(self, tag: str) -> None:
        if tag == "script":
            self._in_script = False

    def handle_data(self, data: str) -> None:
        if self._in_script:
            self.scripts[-1] += data


def saved_in(text: str) -> tuple[dict[str, Any], list[bytes]]:
    """Give what a page unpacks."""
    ((_, block),) = [(tag, given) for tag, given in Reader(text).tags if given.get("id") == "coro-data"]
    whole = gzip.decompress(base64.b64decode(Reader(text).scripts[0], validate=True))
    parts: list[bytes] = []
    for size in map(int, str(block["data-sizes"]).split()):
        parts.append(whole[:size])
        whole = whole[size:]
    assert not whole
    return json.loads(parts[0]), parts[1:]


def evil_run() -> Any:
    def bad() -> Any:
        print(EVIL)
        yield
        raise ValueError(EVIL)

    def body() -> Any:
        spawn(bad(), name=EVIL)
        yield

    return run_of(body, threads(1, 0.1, output=EVIL))


def test_the_page_holds_the_whole_timeline_and_refers_to_nothing_outside() -> None:
    text = page_module.page(run_of(sleepers(5), threads(5, 0.1)))
    seen = Reader(text)
    for tag, attributes in seen.tags:
        assert not {"src", "href", "srcset", "action", "data", "poster"} & set(attributes), (tag, attributes)
        assert not any(name.startswith("on") for name in attributes)
    assert "link" not in [tag for tag, _ in seen.tags]
    meta, buffers = saved_in(text)
    assert [side["rows"] for side in meta["sides"]] == [6, 6]
    assert len(buffers[0]) == 6 * 4


def test_every_coroutine_of_a_short_run_has_its_card_in_the_page() -> None:
    meta, _ = saved_in(page_module.page(run_of(troubled)))
    assert {"0:0", "0:1", "0:2", "0:3"} <= set(meta["cards"])
    assert meta["cards"]["0:1"]["traceback"]


def test_the_same_run_gives_the_same_page_and_the_data_in_it_is_small() -> None:
    run = run_of(sleepers(500))
    text = page_module.page(run)
    assert text == page_module.page(run)
    meta, buffers = saved_in(text)
    assert len(Reader(text).scripts[0]) < (len(json.dumps(meta)) + sum(map(len, buffers))) / 2


def test_names_output_and_errors_cannot_become_scripts_or_markup() -> None:
    text = page_module.page(evil_run())
    seen = Reader(text)
    assert [tag for tag, _ in seen.tags].count("script") == 2
    assert "img" not in [tag for tag, _ in seen.tags]
    assert re.fullmatch("[A-Za-z0-9+/=]+", seen.scripts[0])
    names = saved_in(text)[0]["sides"][0]["names"]
    assert any("<script>alert(1)" in name for name in names)


def test_the_headline_is_escaped_in_title_and_heading() -> None:
    class Named:
        def first(self, everything: bool = False) -> Any:
            return {"headline": EVIL, "sides": []}, []

        def answer(self, request: Any, buffers: Any) -> Any:
            raise NotImplementedError

    seen = Reader(page_module.page_of(Named()))
    assert [tag for tag, _ in seen.tags].count("script") == 2


def test_the_policy_allows_this_one_script_and_no_network() -> None:
    text = page_module.page(run_of(sleepers(2)))
    seen = Reader(text)
    (policy,) = [
        attributes["content"] or "" for tag, attributes in seen.tags
        if tag == "meta" and attributes.get("http-equiv") == "Content-Security-Policy"
    ]  # fmt: skip
    digest = base64.b64encode(hashlib.sha256(seen.scripts[1].encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none'") and "http" not in policy and "unsafe-eval" not in policy


def test_a_run_in_which_nothing_happened_is_a_page_too() -> None:
    meta, _ = saved_in(page_module.page(run_of(lambda: (one for one in ()))))
    assert meta["sides"]
