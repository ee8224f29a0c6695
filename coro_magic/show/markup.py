"""The panel's pieces of HTML. Whatever is the user's goes through `escaped`, and is never markup.

Colours are the page's own where there are any, so that light and dark themes both do.
"""

from __future__ import annotations

import base64
import html
from collections.abc import Iterable

from ipywidgets import HTML  # type: ignore[import-untyped,unused-ignore]

from .meaning import Section
from .text import one_line

MOST_OUTPUT = 20_000  # characters

_STYLE = """<style>
.coro-panel { --ink: var(--jp-ui-font-color1, #1c2126); --faint: var(--jp-ui-font-color2, #5b646c);
  --lane: var(--jp-layout-color2, #f5f6f8); --edge: var(--jp-border-color2, #dcdfe3);
  --bad: var(--jp-error-color1, #c1121f); --link: var(--jp-content-link-color, #0a5c99);
  color: var(--ink); font-size: 13px; line-height: 1.5; }
@media (prefers-color-scheme: dark) { .coro-panel { --ink: var(--jp-ui-font-color1, #e8eaed);
  --faint: var(--jp-ui-font-color2, #a5abb2); --lane: var(--jp-layout-color2, #22262b);
  --edge: var(--jp-border-color2, #363b41); --bad: var(--jp-error-color1, #ff8a80);
  --link: var(--jp-content-link-color, #64b5f6); } }
.coro-panel h3 { font-size: 15px; line-height: 1.35; font-weight: 600; margin: 4px 0; color: var(--ink);
  overflow-wrap: anywhere; }
.coro-panel h4 { font-size: 13px; font-weight: 600; margin: 14px 0 2px; color: var(--ink); }
.coro-panel h4:first-child { margin-top: 4px; }
.coro-panel ul { margin: 0; padding-left: 1.3em; max-width: 46em; }
.coro-panel li { margin: 2px 0; overflow-wrap: anywhere; }
.coro-panel p { color: var(--faint); margin: 4px 0; }
.coro-panel pre { white-space: pre-wrap; word-break: normal; overflow-wrap: anywhere; overflow: auto;
  max-height: 380px; margin: 0; padding: 6px 8px; color: var(--ink); background: var(--lane);
  border: 1px solid var(--edge); border-radius: 4px;
  font-family: var(--jp-code-font-family, ui-monospace, monospace); font-size: 12px; line-height: 1.4; }
.coro-panel pre:focus-visible { outline: 2px solid var(--jp-brand-color1, #1976d2); }
.coro-panel .picture { overflow-x: auto; contain: inline-size; margin: 4px 0; }
.coro-panel img { display: block; max-width: 100%; min-width: 560px; height: auto;
  border-radius: 4px; }
.coro-panel .picture::-webkit-scrollbar { height: 10px; }
.coro-panel .picture::-webkit-scrollbar-track { background: var(--lane); border-radius: 5px; }
.coro-panel .picture::-webkit-scrollbar-thumb { background: var(--faint); border-radius: 5px; }
.coro-panel a { color: var(--link); }
.coro-panel .error { color: var(--bad); white-space: pre-wrap; }
.coro-panel .sides { display: flex; flex-wrap: wrap; gap: 10px; }
.coro-panel .sides > div { flex: 1 1 260px; min-width: 0; }
.coro-tabs.coro-tabs.coro-tabs > .lm-TabBar { overflow: visible; height: auto; }
.coro-tabs > .lm-TabBar > .lm-TabBar-content { flex-wrap: wrap; }
.coro-tabs.coro-tabs.coro-tabs > .lm-TabBar .lm-TabBar-tab { flex: 0 1 auto; max-width: none;
  padding: 0 10px; }
.coro-tabs > .lm-TabBar .lm-TabBar-tabLabel { overflow: visible; }
@media (max-width: 640px) { .coro-tabs.coro-tabs > .widget-tab-contents { padding: 8px; } }
</style>"""


def escaped(text: object, limit: int = 80) -> str:
    """Give a text as one bounded line that HTML shows and does not read."""
    return html.escape(one_line(text, limit))


def page(body: str) -> HTML:
    """Give a widget that shows some HTML."""
    return HTML(framed(body))


def framed(body: str) -> str:
    """Give some HTML in the panel's style."""
    return f'{_STYLE}<div class="coro-panel">{body}</div>'


def picture(png: bytes, alternative: str) -> str:
    """Give a PNG as HTML; `alternative` says in words what it shows.

    ipywidgets' Image has no alternative text.
    """
    data = base64.b64encode(png).decode("ascii")
    alt = html.escape(one_line(alternative, 1000))
    # Where it would be too small to be read, it keeps its size and scrolls.
    return f'<div class="picture"><img src="data:image/png;base64,{data}" alt="{alt}"></div>'


def output(text: str, label: str) -> str:
    """Give what was printed, its beginning only if it is long."""
    more = len(text) - MOST_OUTPUT
    note = f"<p>… and {more:,} more characters</p>" if more > 0 else ""
    # It may scroll, and must be within a keyboard's reach.
    return (f'<pre tabindex="0" aria-label="{html.escape(label)}">{html.escape(text[:MOST_OUTPUT])}</pre>'
            f"{note}")  # fmt: skip


def meaning(sections: Iterable[Section]) -> str:
    """Give headings and sentences as HTML."""
    return "".join(
        f"<h4>{html.escape(section.heading)}</h4><ul>"
        + "".join(f"<li>{html.escape(sentence)}</li>" for sentence in section.sentences)
        + "</ul>"
        for section in sections
    )


def failure(said: str) -> str:
    """Give what went wrong."""
    return f'<p class="error" role="alert">{html.escape(said)}</p>'
