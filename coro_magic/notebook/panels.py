"""The panels on the page, by the cell that they stand under: those whose place is gone are taken away.

A front end throws a cell's outputs away when the cell runs again, and tells nobody. The widgets would
stay in the kernel for ever, and each keeps its run with all that was written down. So before a cell
runs, what stood under it is closed, and what stood under cells that the front end says are deleted.
"""

from __future__ import annotations

from functools import cache
from typing import Any


@cache
def panels_of(shell: Any) -> Panels:
    """Give those of a shell, the same every time."""
    return Panels(shell)


class Panels:
    """The panels of one shell.

    Parameters
    ----------
    shell:
        IPython's, in a kernel. Only while there is a panel does it call us.
    """

    def __init__(self, shell: Any) -> None:
        self._shell = shell
        # By the cell's id: the request that made them, and the panels.
        self._of: dict[str, tuple[str, list[Any]]] = {}

    def note(self, panel: Any) -> None:
        """Note that a panel stands under the cell that is running; without a cell nobody knows where."""
        cell, request, _ = _running(self._shell)
        if not cell:
            return
        if not self._of:
            self._shell.events.register("pre_run_cell", self._before_a_cell)
        self._of.setdefault(cell, (request, []))[1].append(panel)

    def _before_a_cell(self, _: Any = None) -> None:
        cell, request, deleted = _running(self._shell)
        gone = [each for each in deleted if each in self._of]
        # A cell may make several panels in one go.
        if cell in self._of and self._of[cell][0] != request:
            gone.append(cell)
        for each in gone:
            for panel in self._of.pop(each, ("", []))[1]:
                panel.close()
        if not self._of:
            self._shell.events.unregister("pre_run_cell", self._before_a_cell)


def cell_of(shell: Any) -> str:
    """Give the id of the cell that runs in a shell, empty where the front end does not say."""
    return _running(shell)[0]


def _running(shell: Any) -> tuple[str, str, list[str]]:
    """Give the id of the cell that runs, that of the request for it, and the ids of deleted cells."""
    try:
        request = shell.get_parent()
        about = request.get("metadata") or {}
        deleted = [each for each in about.get("deletedCells") or () if isinstance(each, str)]
        return str(about.get("cellId") or ""), str(request["header"]["msg_id"]), deleted
    except Exception:  # a front end may send anything, and a terminal sends nothing
        return "", "", []
