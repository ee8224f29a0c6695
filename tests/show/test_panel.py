"""The panel: its tabs, its buttons, what it shows of names and output."""

from __future__ import annotations

import ast
import base64
import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ipywidgets.widgets import widget

from coro_magic import show
from coro_magic.engines.printed import Printed
from coro_magic.engines.program import Program
from coro_magic.language import spawn
from coro_magic.measure.conduct import run_program
from coro_magic.measure.options import Options
from coro_magic.measure.run import Run
from coro_magic.show import download, markup, tabs
from coro_magic.show.buttons import Again, Save
from coro_magic.show.described import Described
from coro_magic.show.printing import Printing

from .runs import run_of, sleepers, threads, troubled

EVIL = "<img src=x onerror=alert(1)>\"'"


def page(panel: tabs.Panel, title: str) -> Any:
    """Look at a tab; give what is in it."""
    at = tabs.TITLES.index(title)
    panel.tab.selected_index = at
    return panel.tab.children[at].children[0]


def text_of(widget: Any) -> str:
    """All HTML in a widget and those in it."""
    inner = "".join(text_of(child) for child in getattr(widget, "children", ()))
    value = getattr(widget, "value", "")
    return (value if isinstance(value, str) else "") + inner


def evil_run(**more: Any) -> Run:
    def body():
        spawn(bad(), name=EVIL)
        yield

    def bad():
        yield
        raise ValueError(EVIL)

    run = run_of(body, **more)
    run.printed = Printed()
    run.printed.note(0.0, 1, EVIL)
    run.baseline_note = EVIL
    return run


SMALL = "def f(n):\n    yield\n    return n\nfor n in range(3): f(n)\n"


def cell_run(source: str = SMALL, **options: Any) -> Run:
    program = Program(ast.parse(source, "<cell>"), source, "<cell>")
    return run_program(program, {"__name__": "__main__"}, Options.of(**{"baseline": "off", **options}))


# The tabs.


def test_the_headline_is_on_top_and_the_tabs_are_there() -> None:
    run = run_of(sleepers(2), threads(2, 0.1))
    panel = show.panel(run, b"the picture")
    assert show.headline(run) in panel.children[0].value
    assert list(panel.tab.titles) == ["Timeline", "Throughput", "Coroutines", "Output", "What this means"]


def test_the_first_tab_that_is_open_is_the_timeline_where_it_is_interactive(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    panel = show.panel(run_of(sleepers(2)), b"png")
    assert panel.tab.selected_index == 0 and type(page(panel, "Timeline")).__name__ == "Interactive"
    monkeypatch.setattr(tabs, "_interactive", lambda: None)
    panel = show.panel(run_of(sleepers(2)), b"png")
    assert panel.tab.titles[panel.tab.selected_index] == "Coroutines"
    assert base64.b64encode(b"png").decode() in page(panel, "Timeline").value


def test_a_tab_is_made_when_it_is_first_looked_at_and_once() -> None:
    panel = show.panel(run_of(sleepers(2)), b"png")
    assert panel.tab.children[1].children == ()
    first = page(panel, "Throughput")
    page(panel, "Timeline")
    assert page(panel, "Throughput") is first


def test_an_error_in_making_a_tab_shows_in_that_tab_only(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(run: object) -> str:
        raise RuntimeError("<b>broken</b>")

    monkeypatch.setattr(tabs, "_table", fail)
    panel = show.panel(run_of(sleepers(2)), b"png")
    assert "RuntimeError: &lt;b&gt;broken" in page(panel, "Coroutines").value
    assert "Where the time went" in page(panel, "What this means").value


@pytest.mark.parametrize("run", [
    run_of(sleepers(3), threads(3, 0.1)), run_of(sleepers(5000)), run_of(troubled), run_of(sleepers(0)),
    run_of(sleepers(3), trace=False), run_of(sleepers(3), clock="virtual"),
    run_of(sleepers(50), threads(50, 0.1), detail=0),
])  # fmt: skip
def test_every_tab_can_be_made_of_every_run(run: Run) -> None:
    panel = show.panel(run)
    for title in tabs.TITLES:
        assert "could not be made" not in text_of(page(panel, title))


def test_every_picture_has_an_alternative_text() -> None:
    shown = page(show.panel(run_of(sleepers(3), threads(3, 0.1))), "Throughput").value
    assert shown.count("<img") == 3
    assert all(len(part.split('"')[0]) > 20 for part in shown.split('alt="')[1:])


def test_names_errors_and_output_are_never_markup() -> None:
    run = evil_run()
    panel = show.panel(run)
    for title in ("Throughput", "Output", "What this means"):
        shown = text_of(page(panel, title))
        # The pictures are ours; their texts are not.
        assert "<img src=x" not in shown and "\"'" not in shown
    assert "&lt;img src=x" in text_of(page(panel, "Output"))
    assert "&lt;img src=x" in text_of(page(panel, "What this means"))
    assert "<img" not in panel.children[0].value


# The output.


def test_the_output_of_one_is_kept_apart_and_stands_beside_the_threads() -> None:
    run = run_of(sleepers(2), threads(2, 0.1))
    assert run.baseline is not None
    for side, word in ((run, "ours"), (run.baseline, "theirs")):
        side.printed = Printed()
        for row in (1, 2):
            side.printed.note(0.0, row, f"{word} {side.trace.name(row)}\n")
    printing = Printing(run)
    assert [label for label, _ in printing.choice.options] == ["everybody", "nap", "nap-2"]
    for said in ("ours nap\nours nap-2\n", "theirs nap\ntheirs nap-2\n"):
        assert said in printing.shown.value
    # What is chosen at first is to be seen.
    assert printing.choice.label == "everybody"
    printing.choice.value = "nap-2"
    assert "ours nap-2\n" in printing.shown.value and "ours nap\n" not in printing.shown.value
    assert "theirs nap-2\n" in printing.shown.value


def test_who_printed_nothing_is_said_to_have() -> None:
    shown = Printing(run_of(sleepers(2), threads(2, 0.1))).shown.value
    assert "The coroutines printed nothing." in shown and "The threads printed nothing." in shown
    run = run_of(sleepers(2))
    run.baseline_note = "switched <b>off</b>"
    assert "No threads ran: switched &lt;b&gt;off" in Printing(run).shown.value


def test_long_output_is_bounded() -> None:
    shown = markup.output("x" * 10**6, "it")
    assert len(shown) < 30_000 and "980,000 more characters" in shown


# Run again.


def again_of(panel: tabs.Panel) -> Again:
    return next(child for child in panel.children if isinstance(child, Again))


def test_run_again_runs_the_same_program_with_other_options_and_shows_it_below() -> None:
    run = cell_run()
    panel = show.panel(run, b"png")
    again = again_of(panel)
    assert set(again.fields) == {"order", "seed", "clock", "baseline", "record", "repeat", "slow_step"}
    again.fields["order"].value, again.fields["seed"].value = "random", "7"
    again.button.click()
    shown = text_of(panel.children[-1])
    assert "The two runs compared" in shown and "order fifo and random, seed none and 7" in shown
    inner = panel.children[-1].children[-1]
    assert isinstance(inner, tabs.Panel)
    assert not any(isinstance(child, Again) for child in inner.children)
    assert not again.button.disabled


def test_a_panel_that_is_closed_leaves_no_widget_and_neither_do_the_runs_made_before_the_last() -> None:
    there = widget._instances
    before = len(there)
    panel = show.panel(cell_run(), b"png")
    again_of(panel).button.click()
    once = len(there)
    again_of(panel).button.click()
    assert len(there) == once
    for title in tabs.TITLES:
        page(panel, title)
    panel.close()
    assert len(there) == before


def test_what_the_new_run_prints_is_shown_in_the_panel(capsys: pytest.CaptureFixture[str]) -> None:
    source = f"def f():\n    print({EVIL!r})\n    yield\nf()\n"
    panel = show.panel(cell_run(source), b"png")
    capsys.readouterr()
    again_of(panel).button.click()
    assert capsys.readouterr().out == ""
    assert "&lt;img src=x" in text_of(panel.children[-1]) and "<img src=x" not in text_of(panel.children[-1])


def test_a_wrong_option_is_said_and_the_button_can_be_pressed_again() -> None:
    panel = show.panel(cell_run(), b"png")
    again = again_of(panel)
    again.fields["seed"].value = "<b>much</b>"
    again.button.click()
    assert "seed: must be a whole number" in again.said.value and "<b>much" not in again.said.value
    assert panel.children[-1].children == () and not again.button.disabled


def test_a_click_on_another_thread_runs_on_the_main_one() -> None:
    waiting: list[Callable[[], None]] = []
    panel = show.panel(cell_run(), b"png", on_main=waiting.append)
    again = again_of(panel)
    clicking = threading.Thread(target=again.button.click)
    clicking.start()
    clicking.join()
    assert again.button.disabled and "as soon as the kernel has time" in again.said.value
    waiting.pop()()
    assert not again.button.disabled and panel.children[-1].children


def test_a_run_inside_a_run_or_beside_the_main_thread_is_refused_with_a_reason() -> None:
    run = cell_run()
    said: list[str] = []

    def on_thread() -> None:
        with pytest.raises(RuntimeError) as refused:
            run.again()
        said.append(str(refused.value))

    other = threading.Thread(target=on_thread)
    other.start()
    other.join()
    assert "main thread" in said[0]

    def body():
        with pytest.raises(RuntimeError, match="a run inside a run"):
            run.again()
        yield

    run_of(body)


def test_a_run_whose_program_is_not_known_has_no_button_and_says_why_it_cannot() -> None:
    run = run_of(sleepers(2))
    assert not any(isinstance(child, Again) for child in show.panel(run, b"png").children)
    with pytest.raises(RuntimeError, match="its program is not known"):
        run.again()


def test_again_gives_a_run_whose_results_are_the_programs() -> None:
    run = cell_run()
    other = run.again(order="lifo")
    assert other.results == run.results and other.options["order"] == "lifo"
    with pytest.raises(ValueError, match="order"):
        run.again(order="sideways")


# Saving.


def saving(run: Run) -> Save:
    return next(child for child in show.panel(run, b"png").children if isinstance(child, Save))


def asked(save: Save) -> tuple[dict[str, Any], list[bytes]]:
    """What the page gets that asks for the file."""
    return save.download.answer({"kind": "file", "id": "1"})


def test_nothing_is_written_unless_a_name_was_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    save = saving(run_of(sleepers(2)))
    save.save.click()
    assert "name first" in save.said.value
    save.kind.value = ".csv"
    assert asked(save)[0] == {"kind": "file", "id": "1", "name": "run.csv"}
    assert list(tmp_path.iterdir()) == []


def test_a_download_has_the_very_bytes_and_the_name_of_a_file_and_no_folder() -> None:
    save = saving(run_of(sleepers(2)))
    save.kind.value, save.name.value = ".json", "/etc/mine"
    told, (data,) = asked(save)
    assert told["name"] == "mine.json" and json.loads(data)["headline"] == show.headline(save._run)
    save.kind.value, save.name.value = ".png", "mine.PNG"
    told, (data,) = asked(save)
    assert told["name"] == "mine.PNG" and data.startswith(b"\x89PNG")


def test_why_there_is_no_download_is_told_to_who_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    save = saving(run_of(sleepers(2)))

    def fail(path: object) -> None:
        raise OSError("the disk is full")

    monkeypatch.setattr(save._run, "save", fail)
    told, buffers = asked(save)
    assert told["kind"] == "error" and told["id"] == "1" and "disk is full" in told["message"] and not buffers
    monkeypatch.undo()
    monkeypatch.setattr(download, "MOST", 10)
    told, buffers = asked(save)
    assert "press Save" in told["message"] and not buffers


@pytest.mark.parametrize("name", ["download.js", "described.js"])
def test_the_scripts_use_no_network_and_make_no_markup_of_text(name: str) -> None:
    script = Path(download.__file__).with_name(name).read_text()
    for word in ("fetch(", "XMLHttpRequest", "WebSocket", "http:", "https:", "import(", "url(", "innerHTML",
                 "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function"):  # fmt: skip
        assert word not in script, word


def test_the_page_is_told_what_the_latest_pictures_show() -> None:
    described = Described()
    for number in range(350):
        described.add(b"picture %d" % number * 20, EVIL)
    assert len(described.pictures) == 300
    data = base64.b64encode(b"picture 349" * 20).decode()
    length, end, said = described.pictures[-1]
    assert length == len(data) and data.endswith(end) and len(end) < 100 and said == EVIL


def test_save_writes_the_file_says_where_and_replaces_none_unasked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    save = saving(run_of(sleepers(2)))
    save.kind.value, save.name.value = ".csv", "mine"
    save.save.click()
    written = tmp_path / "mine.csv"
    assert str(written) in save.said.value and written.read_text().startswith("unit,")
    written.write_text("old")
    save.save.click()
    assert "once more" in save.said.value and written.read_text() == "old"
    save.save.click()
    assert written.read_text() != "old"


def test_what_cannot_be_written_is_said(tmp_path: Path) -> None:
    save = saving(run_of(sleepers(2)))
    save.name.value = str(tmp_path / "nowhere" / "x.png")
    save.save.click()
    assert "Error" in save.said.value
