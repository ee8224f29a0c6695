"""How far a run is, while it goes on: its share of the time, the line in a terminal, the Stop button."""

from __future__ import annotations

import io
import os
import pty
import select
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

import coro_magic
from coro_magic.engines import budget as budgets
from coro_magic.engines.budget import Budget
from coro_magic.notebook.progress import Line

LONG = """import time
def f(n):
    for _ in range(16):
        time.sleep(0.1)
        yield
for n in range(3): f(n)
"""


class Clock:
    """Time that passes when it is told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now

    def takes(self, seconds: float) -> Any:
        def refresh() -> None:
            self.now += seconds

        return refresh


# The share of the run's time.


@pytest.mark.parametrize("costs", [[0.001], [0.08], [0.5], [0.002, 0.1, 0.01], [0.3, 0.001]])
def test_refreshes_keep_to_their_share_and_to_five_times_a_second(costs: list[float]) -> None:
    clock = Clock()
    budget = Budget({"words": costs[0], "picture": costs[-1]}, clock)
    began, moments = clock.now, []
    for turn in range(2000):
        clock.now += budget.next()
        before = budget.spent
        for kind in ("words", "picture"):
            budget.spend(kind, clock.takes(costs[(turn + len(kind)) % len(costs)]))
        moments.append(clock.now)
        # What a refresh takes is known afterwards: one may take more than it was thought to.
        assert before <= budgets.SHARE * (clock.now - began)
        assert budget.spent - before <= 2 * max(costs) + 1e-9
    assert budget.spent <= budgets.SHARE * (clock.now - began) + 2 * max(costs)
    gaps = [after - before for before, after in zip(moments, moments[1:], strict=False)]
    assert min(gaps) >= 0.2
    assert budget.spent > 0


def test_equal_refreshes_never_exceed_the_share() -> None:
    clock = Clock()
    budget = Budget({"picture": 0.05}, clock)
    for _ in range(500):
        clock.now += budget.next()
        budget.spend("picture", clock.takes(0.05))
        assert budget.spent <= budgets.SHARE * (clock.now - 100.0) + 1e-9


def test_what_cannot_be_afforded_is_not_done_and_an_error_counts_too() -> None:
    clock = Clock()
    budget = Budget({"picture": 1.0}, clock)
    done: list[int] = []
    budget.spend("picture", lambda: done.append(1))
    assert done == [] and budget.pause("picture") > 30
    clock.now += 40

    def fails() -> None:
        clock.now += 1.0
        raise ValueError

    with pytest.raises(ValueError):
        budget.spend("picture", fails)
    assert budget.spent == 1.0


def test_the_share_of_a_real_run_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    from coro_magic.measure.options import Options
    from coro_magic.notebook import outputs

    monkeypatch.setattr(outputs, "_display", lambda *args, **kwargs: None)
    monkeypatch.setattr(outputs, "_update", lambda *args, **kwargs: None)
    shown = outputs.Outputs(Options.of(panel="off"), rich=True)
    seconds, refreshes = run_with(shown.progress)
    assert refreshes and shown._budget.spent <= budgets.SHARE * seconds + 0.1


def run_with(tick: Any) -> tuple[float, int]:
    from coro_magic.engines.scheduler import Scheduler
    from coro_magic.language import sleep

    count = 0

    def body():
        for _ in range(150):
            yield sleep(0.01)

    def counted() -> float:
        nonlocal count
        count += 1
        return float(tick(scheduler))

    scheduler = Scheduler(tick=counted)
    scheduler.run(lambda engine: engine.spawn(body()))
    return scheduler.elapsed, count


# The line in a terminal.


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_gets_one_line_that_is_rewritten_and_taken_away() -> None:
    stream = Terminal()
    line = Line(stream)
    run_with(line.progress)
    line.clear()
    written = stream.getvalue()
    assert "\n" not in written and "\rrunning for 1" in written and "0 of 0 coroutines" in written
    assert written.endswith("\r") and written.rsplit("\r", 2)[1].strip() == ""


def test_a_file_gets_nothing_and_is_not_asked_again() -> None:
    stream = io.StringIO()
    line = Line(stream)
    assert line.progress(None) == float("inf")  # type: ignore[arg-type]
    line.clear()
    assert stream.getvalue() == ""


def script(folder: Path) -> list[str]:
    path = folder / "long.py"
    path.write_text(LONG)
    return [sys.executable, "-m", "coro_magic", "run", str(path), "--baseline", "off"]


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(Path(coro_magic.__file__).parents[1])}


def test_a_script_in_a_pipe_gives_a_plain_log(tmp_path: Path) -> None:
    ended = subprocess.run(script(tmp_path), capture_output=True, text=True, timeout=60, env=environment())
    assert ended.stderr == "" and "\r" not in ended.stdout and "running for" not in ended.stdout


@pytest.mark.parametrize(("options", "where"), [([], b""), (["--processes", "2"], b" in 2 processes")])
def test_a_script_in_a_terminal_says_how_far_it_is(tmp_path: Path, options: list[str], where: bytes) -> None:
    ours, theirs = pty.openpty()
    command = [*script(tmp_path), *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=theirs, env=environment())
    os.close(theirs)
    seen = b""
    late = time.monotonic() + 60
    while time.monotonic() < late:
        if select.select([ours], [], [], 0.1)[0]:
            try:
                seen += os.read(ours, 10_000)
            except OSError:  # the other end is closed
                break
        elif process.poll() is not None:
            break
    assert process.stdout is not None
    assert process.wait(10) == 0 and b"running for" not in process.stdout.read()
    process.stdout.close()
    os.close(ours)
    assert b"\rrunning for 1" in seen and where in seen and b"of 3 coroutines finished" in seen
    assert b"\n" not in seen


# In a kernel.


def test_a_run_that_goes_on_shows_how_far_it_is_and_leaves_no_widget_of_that_behind(kernel) -> None:
    output = kernel.execute(f"%%coroutines --baseline off -o run\n{LONG}")
    assert output.status == "ok", output.traceback
    picture, summary, panel = output.displays
    assert "image/png" in picture and summary["text/plain"].startswith("3 coroutines, 1 thread")
    assert "application/vnd.jupyter.widget-view+json" in panel
    # A moment later: what the page has sent finds somebody until then.
    time.sleep(1.5)
    code = "[type(w).__name__ for w in __import__('ipywidgets').Widget.widgets.values()].count('Stop')"
    try:
        left = kernel.value(code)
    except AssertionError:
        left = kernel.value(code.replace("Widget.widgets", "widgets.widget._instances"))
    assert left == 0


def test_without_the_panel_the_text_says_how_far_it_is_and_how_to_stop(kernel) -> None:
    request = kernel.begin(f"%%coroutines --baseline off --panel off\n{LONG}")
    seen = []
    while not seen:
        message = kernel._client.get_iopub_msg(timeout=30)
        text = message["content"].get("data", {}).get("text/plain", "")
        seen += [text] if "press i twice" in text else []
    assert seen[0].startswith("running for 1") and "of 3 coroutines finished" in seen[0]
    output = kernel.finish(request)
    assert output.status == "ok" and "press i twice" not in output.text


def test_a_run_that_is_interrupted_leaves_no_progress_behind(kernel) -> None:
    request = kernel.begin(f"%%coroutines --baseline off\nprint('ready', flush=True)\n{LONG}")
    kernel.wait_for("ready")
    time.sleep(1.4)
    kernel.interrupt()
    output = kernel.finish(request)
    assert "KeyboardInterrupt" in output.error and "running for" not in output.text


def test_a_panel_in_a_kernel_runs_the_cell_again_without_printing_into_it(kernel) -> None:
    kernel.execute("%%coroutines --baseline off -o run\ndef f():\n    print('hello')\n    yield\nf()")
    output = kernel.execute("""
    from coro_magic import show
    panel = show.panel(run)
    again = next(c for c in panel.children if type(c).__name__ == 'Again')
    again.fields['order'].value = 'random'
    again.button.click()
    """)
    assert output.stdout == "" and output.status == "ok", output.traceback
    assert kernel.value("'hello' in panel.children[-1].children[0].value") is True
    assert kernel.value("run.again(seed=1).options['seed']") == 1


def test_the_stop_button_asks_the_run_to_end_once_it_was_heard() -> None:
    from coro_magic.show.stop import Stop

    asked: list[int] = []
    stop = Stop(lambda: asked.append(1), "words", 0.0, listening=True)
    assert not stop.heard
    stop._told(stop, {"kind": "here"}, [])
    assert stop.heard and asked == []
    stop.tell("more", 0.5)
    stop._told(stop, {"kind": "stop"}, [])
    stop._told(stop, "nonsense", [])
    assert asked == [1] and stop.stopping and (stop.words, stop.share) == ("more", 0.5)
