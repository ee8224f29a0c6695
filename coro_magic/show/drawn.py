"""What the panel draws for the ground it stands on: it is drawn again when the page turns dark or light.

Who knows how the page looks is the page. The interactive timeline tells, and the pictures follow.
"""

from __future__ import annotations

from collections.abc import Callable
from weakref import WeakSet

import traitlets
from ipywidgets import HTML  # type: ignore[import-untyped,unused-ignore]

from . import markup, palette


class Ground(traitlets.HasTraits):
    """The ground of a panel: light, until the page says that it is dark."""

    dark = traitlets.Bool(False)

    def __init__(self) -> None:
        super().__init__()
        # Weak: a panel makes pictures anew, and those before must not stay for the sake of this.
        self._pictures: WeakSet[Drawn] = WeakSet()

    def carry(self, picture: Drawn) -> None:
        """Draw a picture again whenever the ground changes."""
        self._pictures.add(picture)

    @traitlets.observe("dark")
    def _changed(self, _: object) -> None:
        for picture in list(self._pictures):
            picture.draw()

    def follow(self, widget: traitlets.HasTraits) -> None:
        """Be as a widget's trait `dark` says, which the page sets."""
        widget.observe(lambda change: setattr(self, "dark", bool(change["new"])), names="dark")


class Drawn(HTML):  # type: ignore[misc,unused-ignore]
    """HTML with pictures.

    Parameters
    ----------
    ground:
        Whether it is to be drawn for a dark page. Whenever that changes it is drawn again.
    body:
        Draws it: gives HTML.
    """

    def __init__(self, ground: Ground, body: Callable[[], str]) -> None:
        self._ground, self._body = ground, body
        super().__init__()
        self.draw()
        ground.carry(self)

    def draw(self) -> None:
        """Draw it as the ground is now; not if it was closed."""
        if self.comm is not None:
            with palette.on(self._ground.dark):
                self.value = markup.framed(self._body())
