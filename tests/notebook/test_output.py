"""What a run prints and displays, in the order in which it happens."""

from __future__ import annotations

import base64
import io
import struct
import threading
import time
from contextlib import redirect_stdout

import pytest

import coro_magic
from coro_magic.notebook import stream
from coro_magic.notebook.stream import _Kept

OFF = "%%coroutines --baseline off --picture off --summary off --panel off\n"


def test_printing_displaying_and_errors_of_a_coroutine_keep_their_order(kernel):
    output = kernel.execute(
        OFF
        + """
from IPython.display import display
import sys
def f(n):
    print("print", n)
    display({"text/plain": f"display {n}"}, raw=True)
    yield
    print("error", n, file=sys.stderr)
f(1)
f(2)
print("body")
"last"
"""
    )
    shown = "|".join(text.strip().replace("\n", "|") for text in output.order).split("|")
    # To display is to wait for the thread that sends output: another coroutine may be faster meanwhile.
    for n in (1, 2):
        mine = [text for text in shown if text.endswith(f" {n}")]
        assert mine == [f"print {n}", f"display {n}", f"error {n}"]
    assert shown.index("body") < shown.index("print 1")
    assert output.result["text/plain"] == "'last'"


def test_the_last_expression_comes_after_what_was_printed_before_it(kernel):
    output = kernel.execute(OFF + "print('first')\n'second'")
    assert [text.strip() for text in output.order] == ["first", "'second'"]


def test_many_prints_of_many_coroutines_keep_their_order(kernel):
    output = kernel.execute(OFF + "import time\ndef f(n):\n    for k in range(50):\n        print(n, k)\n"
                            "        time.sleep(0.001) if k % 10 == 0 else None\n        yield\n"
                            "log = [f(n) for n in range(5)]")  # fmt: skip
    for n in range(5):
        mine = [line for line in output.stdout.splitlines() if line.startswith(f"{n} ")]
        assert mine == [f"{n} {k}" for k in range(50)]


def test_a_flush_arrives_while_the_run_goes_on(kernel):
    request = kernel.begin(OFF + "import time\nprint('early', flush=True)\ntime.sleep(60)")
    kernel.wait_for("early", timeout=20)
    kernel.interrupt()
    kernel.finish(request)


def test_what_is_not_flushed_arrives_before_long(kernel):
    request = kernel.begin(OFF + "import time\nprint('early')\nend = time.monotonic() + 60\n"
                           "while time.monotonic() < end: pass")  # fmt: skip
    kernel.wait_for("early", timeout=20)
    kernel.interrupt()
    kernel.finish(request)


def test_standard_output_is_the_original_again_also_if_the_cell_replaced_it(kernel):
    kernel.execute("import sys\noriginal = sys.stdout")
    kernel.execute(OFF + "print('x')")
    assert kernel.value("sys.stdout is original")
    kernel.execute(
        OFF
        + "import contextlib, io\nwith contextlib.redirect_stdout(io.StringIO()) as text:\n"
          "    print('inside')"
    )
    assert kernel.value("(sys.stdout is original, text.getvalue())") == (True, "inside\n")


def test_printing_from_another_thread_during_a_run_arrives(kernel):
    output = kernel.execute(OFF + "import threading, time\n"
                                  "thread = threading.Thread(target=lambda: print('from a thread'))\n"
                            "thread.start()\ntime.sleep(0.05)\nthread.join()\nprint('after')")  # fmt: skip
    assert sorted(output.stdout.splitlines()) == ["after", "from a thread"]


def test_print_takes_what_it_takes(kernel):
    output = kernel.execute(OFF + "import sys\nprint(1, [2], sep='-', end='!\\n')\nsys.stdout.write('w\\n')\n"
                            "sys.stdout.writelines(['a\\n', 'b\\n'])\ntry:\n    sys.stdout.write(5)\n"
                            "except TypeError: print('refused')")  # fmt: skip
    assert output.stdout == "1-[2]!\nw\na\nb\nrefused\n"


def test_a_picture_and_a_summary_are_plain_outputs_and_the_panel_one_of_its_own(kernel):
    output = kernel.execute("%%coroutines\ndef f():\n    yield\nf()")
    picture, summary, panel = output.displays
    png = base64.b64decode(picture["image/png"])
    width, height = struct.unpack("!II", png[16:24])
    assert width > 500 and height > 200
    assert picture["text/plain"].startswith("1 coroutine, 1 thread")
    assert list(summary) == ["text/plain"]
    assert summary["text/plain"].startswith(picture["text/plain"])
    assert "application/vnd.jupyter.widget-view+json" in panel and "image/png" not in panel


def test_the_picture_is_refreshed_in_place_in_a_long_run(kernel):
    output = kernel.execute(
        "%%coroutines --baseline off --panel off\nimport time\ndef f():\n    time.sleep(1.6)\n    yield\nf()"
    )
    assert len(output.displays) == 2  # refreshed, and not shown again
    assert "running for" not in output.text


@pytest.mark.parametrize("baseline", ["off", "threads"])
def test_picture_words_and_panel_are_switched_off_each_by_itself(kernel, baseline):
    shown = {"image/png": "--picture", "application/vnd.jupyter.widget-view+json": "--panel"}
    for off in ("", "--picture", "--summary", "--panel", "--picture --summary --panel"):
        options = " ".join(f"{each} off" for each in off.split())
        code = "def f():\n    for _ in range(4): yield sleep(0.1)\nf()"
        output = kernel.execute(
            f"%%coroutines --baseline {baseline} {options}\nfrom coro_magic import sleep\n{code}"
        )
        kinds = [next((kind for kind in data if kind in shown), "words") for data in output.displays]
        found = {shown.get(kind, "--summary") for kind in kinds}
        assert found == {"--picture", "--summary", "--panel"} - set(off.split()), options
        assert output.stdout == "" and len(kinds) == len(found)


class Waiting(io.StringIO):
    """A stream at which whoever writes first has to wait, while others find the way free."""

    def __init__(self, wait) -> None:
        super().__init__()
        self.wait = wait

    def write(self, text: str) -> int:
        wait, self.wait = self.wait, None
        if wait is not None:
            wait()
        return super().write(text)


@pytest.fixture
def kept_for_long(monkeypatch):
    monkeypatch.setattr(stream, "_KEPT_FOR", 600)


def test_what_comes_while_kept_output_is_passed_on_is_left_to_whoever_does_that(kept_for_long) -> None:
    arrived, go_on = threading.Event(), threading.Event()

    def wait() -> None:
        arrived.set()
        assert go_on.wait(30)

    shown = Waiting(wait)
    kept = _Kept(shown)
    kept.write("first ")
    thread = threading.Thread(target=kept.flush)
    thread.start()
    assert arrived.wait(30)
    kept.write("second ")
    kept.flush()
    kept.release()
    kept.write("third")
    assert shown.getvalue() == ""
    go_on.set()
    thread.join()
    assert shown.getvalue() == "first second third"
    kept.end()


def test_printing_goes_on_while_the_coroutine_that_passes_on_what_was_kept_waits(kept_for_long) -> None:
    shown = Waiting(lambda: time.sleep(0.01))
    kept = _Kept(shown)

    def says(n):
        print("begins", n, flush=True)
        yield
        print("ends", n, flush=True)

    with redirect_stdout(kept):
        coro_magic.run(*(says(n) for n in range(3)), baseline="off")
    kept.end()
    assert sorted(shown.getvalue().split("\n")) == sorted(
        ["", *(f"{what} {n}" for what in ("begins", "ends") for n in range(3))]
    )
    assert shown.getvalue().startswith("begins 0\n")


OURS = """
from IPython.display import display
display(run.timeline(), run.compare(run), run.throughput_plot())
"""


@pytest.mark.parametrize("before", ["pass", "", "%config InlineBackend.figure_formats = ['svg']"])
def test_our_figures_are_drawn_by_ourselves_whatever_pyplot_is_set_up_to(fresh_kernel, before):
    fresh_kernel.execute(before if before == "pass" else f"%matplotlib inline\n{before}")
    fresh_kernel.execute("%%coroutines --baseline off --panel off -o run\ndef turn():\n    yield\nturn()")
    shown = fresh_kernel.execute(OURS).displays
    assert len(shown) == 3
    for data in shown:
        assert "image/png" in data and "image/svg+xml" not in data
        # With its own colours only, as none of pyplot's.
        assert base64.b64decode(data["image/png"])[25] == 3


def test_without_a_page_no_widget_is_made_for_pictures(fresh_kernel):
    there = "'ipywidgets' in __import__('sys').modules"
    fresh_kernel.execute("%%coroutines --baseline off --panel off -o run\ndef turn():\n    yield\nturn()")
    fresh_kernel.execute("run.timeline()")
    assert not fresh_kernel.value(there)
    fresh_kernel.execute_in("a cell of a page", "run.timeline()")
    assert fresh_kernel.value(there)
    # Somebody closes all, and draws again.
    texts = (
        "[len(one.pictures) for one in __import__('gc').get_objects()"
        " if type(one).__name__ == 'Described' and one.comm]"
    )
    assert fresh_kernel.value(texts) == [1]
    fresh_kernel.execute("import ipywidgets; ipywidgets.Widget.close_all()")
    fresh_kernel.execute_in("a cell of a page", "run.timeline()")
    assert fresh_kernel.value(texts) == [1]
