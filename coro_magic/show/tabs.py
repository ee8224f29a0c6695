"""The panel: what the picture shows, and more of it, in tabs; for a live notebook.

Names, results and output are the user's: they are escaped, and never markup. A tab is made when it is
first looked at; an error in making it shows in it, and nowhere else.
"""

from __future__ import annotations

import html
from collections.abc import Callable
from typing import Any

from ipywidgets import HTML, Image, Layout, Tab, VBox, Widget  # type: ignore[import-untyped,unused-ignore]

from ..measure.run import Run
from .document import records
from .text import duration, error_text, number, one_line

MOST_ROWS = 200
MOST_OUTPUT = 20_000  # characters

# Colours are the page's own, so that light and dark themes both do.
_STYLE = """<style>
.coro-magic table { border-collapse: collapse; font-size: var(--jp-code-font-size, 13px); }
.coro-magic th, .coro-magic td { padding: 2px 10px; text-align: right; white-space: nowrap;
  color: var(--jp-ui-font-color1, currentColor); border-bottom: 1px solid var(--jp-border-color2, #8886); }
.coro-magic .text { text-align: left; font-family: var(--jp-code-font-family, monospace); }
.coro-magic .failed { font-weight: bold; color: var(--jp-error-color1, #c1121f); }
.coro-magic div { max-height: 420px; overflow: auto; }
.coro-magic pre { white-space: pre-wrap; max-height: 420px; overflow: auto;
  color: var(--jp-ui-font-color1, currentColor); background: none; }
.coro-magic p { color: var(--jp-ui-font-color2, currentColor); }
</style>"""


def panel(run: Run, timeline_png: bytes | None = None) -> Tab:
    """Make the panel, an ipywidgets Tab.

    Parameters
    ----------
    run:
        What to show.
    timeline_png:
        The picture that was drawn already; it is drawn again without it.
    """
    makers: dict[str, Callable[[], Widget]] = {
        "Timeline": lambda: _picture(timeline_png or _timeline_png(run)),
        "Throughput": lambda: _picture(_throughput_png(run)),
        "Coroutines": lambda: _html(table(run)),
        "Threads' output": lambda: _html(threads_output(run)),
    }
    pages = [VBox() for _ in makers]
    tab = Tab(children=pages, titles=list(makers))
    waiting = dict(enumerate(makers.values()))

    def fill(index: int | None) -> None:
        make = waiting.pop(index, None) if index is not None else None
        if make is None:
            return
        try:
            pages[index or 0].children = (make(),)
        except Exception as error:
            message = html.escape(error_text(error))
            pages[index or 0].children = (_html(f"<pre>This tab could not be made: {message}</pre>"),)

    tab.observe(lambda change: fill(change["new"]), names="selected_index")
    # The picture stands above the panel already: begin with what it does not say.
    tab.selected_index = list(makers).index("Coroutines")
    fill(0)
    return tab


def escaped(text: object, limit: int = 80) -> str:
    """Give a text as one bounded line that HTML shows and does not read."""
    return html.escape(one_line(text, limit))


def _html(body: str) -> HTML:
    return HTML(f'{_STYLE}<div class="coro-magic">{body}</div>')


def _picture(png: bytes) -> Image:
    return Image(value=png, format="png", layout=Layout(max_width="100%", width="auto", height="auto"))


def _timeline_png(run: Run) -> bytes:
    from .figures import timeline
    from .sheet import png

    return png(timeline(run))


def _throughput_png(run: Run) -> bytes:
    from .figures import throughput_plot
    from .sheet import png

    return png(throughput_plot(run))


_HEADS = ("name", "state", "parent", "resumptions", "items", "running", "ready", "waiting", "longest",
          "where")  # fmt: skip
_TEXTS = ("name", "state", "parent", "where")


def table(run: Run) -> str:
    """Give the coroutines as an HTML table, in spawn order, the first `MOST_ROWS` of them."""
    heads = "".join(f"<th{_class_of(head)}>{head}</th>" for head in _HEADS)
    lines = []
    for record in records(run, MOST_ROWS):
        cells = []
        for head in _HEADS:
            css = ' class="text failed"' if head == "state" and record[head] == "failed" else _class_of(head)
            title = f' title="{escaped(record["error"], 300)}"' if head == "state" and record["error"] else ""
            cells.append(f"<td{css}{title}>{_cell(head, record[head])}</td>")
        lines.append(f"<tr>{''.join(cells)}</tr>")
    more = len(run.trace) - len(lines)
    note = f"<p>… and {number(more)} more; save(&quot;run.csv&quot;) has all of them</p>" if more > 0 else ""
    return f"<div><table><thead><tr>{heads}</tr></thead><tbody>{''.join(lines)}</tbody></table></div>{note}"


def _class_of(head: str) -> str:
    return ' class="text"' if head in _TEXTS else ""


def _cell(head: str, value: Any) -> str:
    if value is None:
        return ""
    if head == "where":
        return f"line {value['line']}"
    if head in _TEXTS:
        return escaped(value)
    return duration(value) if isinstance(value, float) else number(value)


def threads_output(run: Run) -> str:
    """Give what the threads printed as HTML, or why there is nothing."""
    if run.baseline is None:
        return f"<p>No threads ran{': ' + escaped(run.baseline_note, 500) if run.baseline_note else ''}.</p>"
    output = run.baseline.output
    if not output:
        return "<p>The threads printed nothing.</p>"
    more = len(output) - MOST_OUTPUT
    note = f"<p>… and {number(more)} more characters</p>" if more > 0 else ""
    return f"<pre>{html.escape(output[:MOST_OUTPUT])}</pre>{note}"
