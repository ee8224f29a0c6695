"""A run as one HTML file: the interactive timeline with its data, without a kernel and without a network.

The page's policy lets exactly one script run, the one that is in it, and lets nothing be loaded from
anywhere. Names and output are data in it: they stand in a block that no browser reads as markup.
"""

from __future__ import annotations

import base64
import hashlib
import html
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..measure.run import Run
    from .interactive import Answers

_START = """
{
  const data = JSON.parse(document.getElementById("coro-data").textContent);
  draw(document.getElementById("coro-here"), savedSource(data));
}
"""

_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; script-src 'sha256-{digest}'; \
style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="generator" content="coro_magic">
<title>{title}</title>
<style>
html {{ background: #ffffff; color: #1c2126; }}
body {{ margin: 0 auto; padding: 18px clamp(8px, 2.5vw, 36px); max-width: 1500px; }}
body {{ font: 14px/1.45 system-ui, sans-serif; }}
h1 {{ font-size: clamp(16px, 2.2vw, 21px); margin: 0 0 12px; overflow-wrap: anywhere; }}
@media (prefers-color-scheme: dark) {{ html {{ background: #111418; color: #eceff1; }} }}
</style>
</head>
<body>
<h1>{title}</h1>
<main id="coro-here"></main>
<noscript><p>The script in this page draws the timeline, and scripts are switched off here.</p></noscript>
<script id="coro-data" type="application/json">{data}</script>
<script type="module">{script}</script>
</body>
</html>
"""


def page(run: Run) -> str:
    """Give a run as one self-contained HTML file: text, to be written as UTF-8."""
    from .source import Source

    return page_of(Source(run))


def page_of(source: Answers) -> str:
    """Give the page of whatever a source knows."""
    from .interactive import SCRIPT

    meta, buffers = source.first(everything=True)
    script = SCRIPT.read_text(encoding="utf-8") + _START
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    data = inert({"meta": meta, "buffers": [base64.b64encode(buffer).decode() for buffer in buffers]})
    title = html.escape(str(meta.get("headline") or "coro_magic"))
    return _PAGE.format(digest=digest, title=title, data=data, script=script)


def inert(value: dict[str, Any]) -> str:
    r"""Give JSON in which nothing can end a script block or begin a comment: ``<`` becomes ``\u003c``."""
    from .interactive import as_json

    text = as_json(value)
    for letter in "<>&\u2028\u2029":
        text = text.replace(letter, f"\\u{ord(letter):04x}")
    return text
