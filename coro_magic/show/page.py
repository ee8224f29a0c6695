"""A run as one HTML file: the interactive timeline with its data, without a kernel and without a network.

The page's policy lets exactly one script run, the one that is in it, and lets nothing be loaded from
anywhere. Names and output are data in it: they are in a block of compressed bytes, which no browser reads as
markup, and which takes a sixth of what they would.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import html
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..measure.run import Run
    from .interactive import Answers

_LEVEL = 3  # of compression: a higher one takes ten times as long for a twentieth less

_START = """
{
  const data = document.getElementById("coro-data"), here = document.getElementById("coro-here");
  let source;
  try {
    source = await savedSource(data.textContent, data.dataset.sizes.split(" ").map(Number));
  } catch {
    here.textContent = window.DecompressionStream
      ? "What was saved in this page is damaged, and cannot be read."
      : "This browser cannot unpack what was saved: one of 2023 or newer can.";
  }
  if (source) draw(here, source);
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
<script id="coro-data" type="application/gzip" data-sizes="{sizes}">{data}</script>
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
    from .interactive import SCRIPT, as_json

    meta, buffers = source.first(everything=True)
    parts = [as_json(meta).encode(), *buffers]
    sizes = " ".join(str(len(part)) for part in parts)
    # No time in it: the same run gives the same page.
    packed = gzip.compress(b"".join(parts), _LEVEL, mtime=0)
    data = base64.b64encode(packed).decode()
    script = SCRIPT.read_text(encoding="utf-8") + _START
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    title = html.escape(str(meta.get("headline") or "coro_magic"))
    return _PAGE.format(digest=digest, title=title, sizes=sizes, data=data, script=script)
