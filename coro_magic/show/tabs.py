"""The panel: what the picture shows, and more of it, in tabs; for a live notebook.

A tab is made when it is first looked at; an error in making it shows in it, and nowhere else. Under the
tabs are the buttons: see `buttons`.
"""

from __future__ import annotations

import html
from collections.abc import Callable
from typing import Any

from ipywidgets import Layout, Tab, VBox, Widget  # type: ignore[import-untyped,unused-ignore]

from ..measure.run import Run
from . import markup
from .buttons import Again, Save, directly
from .closing import close_all
from .drawn import Drawn, Ground
from .text import error_text
from .words import headline, summary

TITLES = ("Timeline", "Throughput", "Coroutines", "Output", "What this means")


class Panel(VBox):  # type: ignore[misc,unused-ignore]
    """The panel of a run.

    Parameters
    ----------
    run:
        What to show.
    timeline_png:
        The picture that was drawn already, for where the interactive timeline cannot be had; it is drawn
        again without it.
    on_main:
        Calls a function on the main thread, where runs are made, now or soon. A click may arrive on
        another one.
    outer:
        The ground of the panel that has made the run; this one then has no buttons to make more.

    Attributes
    ----------
    tab:
        The ipywidgets Tab.
    """

    def __init__(
        self,
        run: Run,
        timeline_png: bytes | None = None,
        on_main: Callable[[Callable[[], None]], None] = directly,
        outer: Ground | None = None,
    ) -> None:
        ground = Ground() if outer is None else outer
        makers: tuple[Callable[[], Widget], ...] = (
            lambda: timeline(run, timeline_png, ground),
            lambda: Drawn(ground, lambda: throughput(run)),
            lambda: _table(run),
            lambda: _output(run),
            lambda: markup.page(_meaning(run)),
        )
        pages = [VBox() for _ in makers]
        self.tab = Tab(children=pages, titles=TITLES)
        self.tab.add_class("coro-tabs")
        waiting = dict(enumerate(makers))

        def fill(index: int | None) -> None:
            make = waiting.pop(index, None) if index is not None else None
            if make is None:
                return
            moment = markup.page("<p>One moment …</p>")
            pages[index or 0].children = (moment,)
            try:
                pages[index or 0].children = (make(),)
            except Exception as error:
                said = f"This tab could not be made: {error_text(error)}"
                pages[index or 0].children = (markup.page(markup.failure(said)),)
            close_all(moment)

        self.tab.observe(lambda change: fill(change["new"]), names="selected_index")
        # Without the interactive timeline the picture that stands above the panel says it already.
        self.tab.selected_index = TITLES.index("Timeline" if _interactive() else "Coroutines")
        below = VBox()
        children: list[Widget] = [markup.page(f"<h3>{html.escape(headline(run))}</h3>"), self.tab]
        if run._repeat is not None and outer is None:
            children.append(Again(run, on_main, lambda other: _other(run, other, ground), below))
        children += [Save(run), below]
        super().__init__(children, layout=Layout(width="100%", overflow="hidden"))
        fill(self.tab.selected_index)

    def close(self) -> None:
        """Take it away, with all that is in it: a widget that closes leaves those inside alone."""
        close_all(self)


def _interactive() -> Any:
    """Give the interactive timeline's class and its source, or None where they are not to be had."""
    try:
        from .interactive import Interactive
        from .source import Source
    except ImportError:
        return None
    return lambda run: Interactive(Source(run))


def timeline(run: Run, png: bytes | None, ground: Ground) -> Widget:
    """Give the interactive timeline, which tells what the ground is like, or the picture in its place."""
    make = _interactive()
    if make is not None:
        interactive = make(run)
        ground.follow(interactive)
        return interactive
    return markup.page(markup.picture(png or _png("timeline", run), summary(run)))


def throughput(run: Run) -> str:
    """Give three pictures as HTML: all sides against time, each coroutine's time, lengths of waits."""
    from .others import missing
    from .sheet import png

    parts = [markup.picture(_png("throughput_plot", run), f"Resumptions against time. {headline(run)}")]
    parts += [f"<p>{markup.escaped(missing(*each), 400)}</p>" for each in run.other_notes.items()]
    from .lives import lives_plot, waits_plot

    said = " ".join(sentence for section in _sections(run)[:1] for sentence in section.sentences)
    parts.append(markup.picture(png(lives_plot(run)), "For how long each coroutine was in which state. "
                                                      f"{said}"))
    parts.append(markup.picture(png(waits_plot(run)), "How long single waits were, for each reason."))
    return "".join(parts)


def _png(name: str, run: Run) -> bytes:
    from . import figures
    from .sheet import png

    return png(getattr(figures, name)(run))


def _table(run: Run) -> Widget:
    from .table import Table

    return Table(run)


def _output(run: Run) -> Widget:
    from .printing import Printing

    return Printing(run)


def _sections(run: Run) -> Any:
    from .meaning import sections

    return sections(run)


def _meaning(run: Run) -> str:
    return markup.meaning(_sections(run))


def _other(run: Run, other: Run, ground: Ground) -> list[Widget]:
    """Give what is shown of a run that the panel has made: how it compares, its picture, its panel."""
    from .sheet import png

    comparison = run.compare(other)
    words = comparison.summary()
    # In widgets, and so lost in the saved notebook: whoever wants to keep it runs the cell again.

    def compared() -> str:
        drawn = markup.picture(png(comparison.picture()), words)
        return f"<h4>The two runs compared</h4>{drawn}{markup.output(words, 'comparison')}"

    def own() -> str:
        said = summary(other)
        drawn = markup.picture(_png("picture", other), said)
        return f"<h4>The new run</h4>{drawn}{markup.output(said, 'summary')}"

    return [Drawn(ground, compared), Drawn(ground, own), Panel(other, outer=ground)]
