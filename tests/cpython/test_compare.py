"""The comparison of tests plain and inside a coroutine finds what differs, and loses nothing."""

from __future__ import annotations

import pytest

from . import compare as comparing

NAME = "tests.cpython.trouble"


@pytest.fixture(scope="module")
def found():
    with pytest.MonkeyPatch.context() as changed:
        # Where the package is installed, the tests' own folder is not on the path.
        changed.syspath_prepend(str(comparing.HERE.parents[1]))
        changed.setattr(comparing, "PATIENCE", 5.0)
        changed.setattr(comparing, "exceptions", lambda: {
            f"{NAME}.Trouble.test_1_passes": "it does not differ",
            f"{NAME}.Trouble.test_3_fails": "it is known to",
        })  # fmt: skip
        yield comparing.compare(NAME)


def short(tests):
    return {test.rpartition(".")[2] for test in tests}


def test_every_way_to_go_wrong_is_told(found):
    kinds = {test.rpartition(".")[2]: outcome.kind for test, outcome in found.different.items()}
    assert kinds == {
        "test_2_hangs": "hung",
        "test_4_dies": "died",
        "test_5_breaks_the_run_off": "broke off",
        "test_5_ends_the_run_unseen": "broke off",
        "test_8_is_skipped_inside": "skipped",
    }


def test_one_that_hangs_says_where(found):
    assert "threading.Event().wait()" in found.different[f"{NAME}.Trouble.test_2_hangs"].said


def test_the_rest_goes_on_and_is_counted(found):
    assert (found.run, found.same) == (8, 2)


def test_one_that_fails_plain_proves_nothing(found):
    assert "test_6_fails_everywhere" not in short([*found.different, *found.listed, *found.held])


def test_an_exception_is_no_difference_and_one_that_passes_is_superfluous(found):
    assert short(found.listed) == {"test_3_fails"}
    assert short(found.superfluous) == {"test_1_passes"}


def test_how_long_the_thread_was_held_is_measured(found):
    held = {test.rpartition(".")[2]: seconds for test, seconds in found.held.items()}
    assert held["test_7_holds_the_thread"] >= 0.25
    assert held["test_1_passes"] < held["test_7_holds_the_thread"]
