"""Panels whose place on the page is gone leave nothing in the kernel: no widget, no run."""

from __future__ import annotations

import pytest

pytest.importorskip("ipywidgets", reason="ipywidgets is not installed")

CELL = "%%coroutines --baseline off\ndef turn():\n    yield\nfor _ in range(3): turn()"
TWICE = "%coroutines --baseline off print(1)\n%coroutines --baseline off print(2)"
# Widgets and runs. Two widgets live as long as the kernel: what says what pictures show, and its layout.
COUNTED = (
    "(__import__('gc').collect(), len(__import__('ipywidgets').widgets.widget._instances) - 2,"
    " sum(type(one).__name__ == 'Run' for one in __import__('gc').get_objects()))[1:]"
)


def test_a_cell_that_runs_again_and_again_leaves_one_panel_and_one_run(kernel):
    kernel.execute_in("one", CELL)
    once = kernel.value(COUNTED)
    assert once[0] > 0 and once[1] == 1
    for _ in range(3):
        kernel.execute_in("one", CELL)
    assert kernel.value(COUNTED) == once
    kernel.execute_in("another", CELL)
    widgets, runs = kernel.value(COUNTED)
    assert (widgets, runs) == (2 * once[0], 2)
    # It needs not be one of ours any more.
    kernel.execute_in("one", "1 + 1")
    assert kernel.value(COUNTED) == once
    kernel.execute_in("third", "2 + 2", deleted=("another",))
    assert kernel.value(COUNTED) == (0, 0)


def test_both_panels_of_a_cell_stay_and_go_together(kernel):
    kernel.execute_in("one", TWICE)
    widgets, runs = kernel.value(COUNTED)
    assert runs == 2
    kernel.execute_in("one", TWICE)
    assert kernel.value(COUNTED) == (widgets, runs)
    kernel.execute_in("one", "pass")
    assert kernel.value(COUNTED) == (0, 0)
    hooks = "[hook.__module__ for hook in get_ipython().events.callbacks['pre_run_cell']]"
    assert "coro_magic.notebook.panels" not in kernel.value(hooks)


def test_a_front_end_that_names_no_cells_keeps_its_panels(fresh_kernel):
    fresh_kernel.execute(CELL)
    fresh_kernel.execute("1")
    assert fresh_kernel.value(COUNTED)[1] == 1
