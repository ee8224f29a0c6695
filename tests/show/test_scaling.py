"""The scaling curve, measured and shown."""

from __future__ import annotations

import numpy as np
import pytest
from cells import cell

import coro_magic.show  # noqa: F401  (tells a Run how it looks)
from coro_magic.measure import scaling
from coro_magic.measure.process import CannotBegin
from coro_magic.measure.scaling import Scaling

WORK = "def work(n):\n    yield\n    print('worked')\n    return n\nfor i in range(4): work(i)"


def test_a_program_is_measured_in_every_number_of_processes_and_prints_once(capsys):
    ran = cell(WORK, sweep="processes=2,1", repeat=2)
    found = ran.run.scaling
    assert found.processes == (2, 1) and found.seconds.shape == (2, 2) and not found.note
    assert (found.seconds > 0).all() and found.cores >= 1
    assert capsys.readouterr().out.count("worked") == 4
    assert ran.run.sweep is None and "processes" not in ran.names
    assert "a sweep over processes" in ran.run.summary()


@pytest.mark.parametrize("said", ["processes=0,1", "processes=1.5,2", "processes=1,2 n=1,2"])
def test_what_is_no_number_of_processes_is_an_error(said):
    with pytest.raises(CannotBegin, match="sweep: "):
        cell(WORK, sweep=said)


def test_an_interrupt_keeps_what_is_whole(monkeypatch):
    asked = []

    def interrupted(program, namespace, options, number):
        asked.append(number)
        if len(asked) == 4:
            raise KeyboardInterrupt
        return 1.0 / number, ""

    monkeypatch.setattr(scaling, "_took", interrupted)
    run = cell(WORK, sweep="processes=1,2,4", repeat=2).run
    assert asked == [1, 2, 4, 4]
    assert run.scaling.processes == (1, 2, 4) and run.scaling.note == "interrupted" and run._stopped


def made(seconds, cores=2):
    return Scaling(tuple(2**at for at in range(len(seconds))), np.array(seconds).reshape(-1, 1), cores, 3)


def test_speedups_are_told_beside_what_is_ideal_on_the_processors_there_are():
    found = made([1.0, 0.5, 0.5])
    assert found.speedups.tolist() == [1.0, 2.0, 2.0]
    said = found.summary().splitlines()
    assert said[0] == "a sweep over processes: 2.0 times as fast in 2 processes, on 2 processors"
    assert "more processes cannot be faster" in found.summary()
    ideal, curve = found.picture().axes[0].lines
    assert ideal.get_ydata().tolist() == [0, 2, 2] and curve.get_ydata().tolist() == [1, 2, 2]


def test_where_more_processes_gain_nothing_it_says_so():
    assert "no faster, on 1 processor" in made([1.0, 1.1], cores=1).summary().splitlines()[0]


def test_nothing_can_be_drawn_too():
    assert Scaling((), np.zeros((0, 0)), 1, 2, "interrupted")._repr_png_()[0].startswith(b"\x89PNG")
