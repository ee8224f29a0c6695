"""Runs as data and as files."""

from __future__ import annotations

import csv
import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest

from coro_magic import show
from coro_magic.language import spawn
from coro_magic.show import export

from .runs import run_of, sleepers, threads, troubled


def test_the_dict_is_json_and_has_every_coroutine_of_both_sides() -> None:
    data = show.to_dict(run_of(troubled, threads(3, 0.02)))
    assert json.loads(json.dumps(data, allow_nan=False)) == data
    assert data["schema"] == 1
    states = {task["name"]: task["state"] for task in data["tasks"]}
    assert states == {"troubled": "done", "bad": "failed", "lost": "left over", "slow": "cancelled"}
    assert data["tasks"][1]["error"] == "ValueError: line\\none <b>$x_1$</b>"
    assert data["baseline"]["unit"] == "thread" and len(data["baseline"]["tasks"]) == 4
    assert data["marks"][0]["name"] == "troubled"
    assert data["timeline"]["kind"] == "intervals"


def test_a_long_runs_dict_has_a_bounded_timeline() -> None:
    timeline = show.to_dict(run_of(sleepers(300, 200), clock="virtual"))["timeline"]
    assert timeline["kind"] == "occupancy"
    assert len(timeline["cells"]) <= 64 and len(timeline["cells"][0]) <= 256


def test_results_that_are_hostile_or_huge_become_bounded_text() -> None:
    class Hostile:
        def __repr__(self) -> str:
            raise RuntimeError("no")

    def body():
        for value in (Hostile(), "x" * 10**6, float("nan"), [[]] * 10**6):
            spawn(giving(value))
        yield

    def giving(value):
        yield
        return value

    tasks = show.to_dict(run_of(body))["tasks"]
    assert all(len(task["result"]) <= 200 for task in tasks)
    assert "Hostile" in tasks[1]["result"]


def test_a_run_without_a_trace_exports_what_is_known() -> None:
    data = show.to_dict(run_of(sleepers(2), trace=False))
    assert data["timeline"] is None
    assert data["tasks"][1]["running"] is None and data["tasks"][1]["state"] == "done"


@pytest.mark.parametrize(
    ("suffix", "begin"), [(".png", b"\x89PNG"), (".svg", b"<?xml"), (".PDF", b"%PDF"), (".json", b"{")]
)
def test_the_suffix_says_what_is_written(tmp_path: Path, suffix: str, begin: bytes) -> None:
    target = tmp_path / f"run{suffix}"
    show.save(run_of(troubled), target)
    assert target.read_bytes().startswith(begin)
    assert os.listdir(tmp_path) == [target.name]


def test_a_csv_has_one_line_for_each_coroutine_and_each_thread(tmp_path: Path) -> None:
    target = tmp_path / "run.csv"
    show.save(run_of(sleepers(5), threads(3, 0.1)), str(target))
    with target.open(newline="", encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    assert [line["unit"] for line in lines] == ["coroutine"] * 6 + ["thread"] * 4
    assert lines[2]["name"] == "nap-2" and lines[2]["result"] == "1" and int(lines[2]["resumptions"]) >= 3


@pytest.mark.parametrize("name", ["run.txt", "run"])
def test_an_unknown_suffix_is_refused_with_the_known_ones(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match=r"\.png, \.svg, \.pdf, \.json, \.csv"):
        show.save(run_of(sleepers(1)), tmp_path / name)
    assert not os.listdir(tmp_path)


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
@pytest.mark.parametrize("suffix", [".png", ".json"])
def test_when_writing_fails_the_old_file_stays_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException, suffix: str
) -> None:
    target = tmp_path / f"run{suffix}"
    target.write_bytes(b"old")

    def fail(descriptor: int) -> Any:
        raise error

    monkeypatch.setattr(export.os, "fsync", fail)
    with pytest.raises(type(error)):
        show.save(run_of(sleepers(1)), target)
    assert target.read_bytes() == b"old"
    assert os.listdir(tmp_path) == [target.name]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full here")
@pytest.mark.parametrize("suffix", [".png", ".svg", ".pdf", ".json", ".csv"])
def test_a_full_disk_is_an_error_for_every_kind(suffix: str) -> None:
    with pytest.raises(OSError, match="No space left"), open("/dev/full", "wb") as file:
        export._write(run_of(sleepers(1)), file, suffix)
        file.flush()


def test_a_folder_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        show.save(run_of(sleepers(1)), tmp_path / "nowhere" / "run.json")


def test_a_link_stays_a_link_and_permissions_stay(tmp_path: Path) -> None:
    real, link = tmp_path / "real.json", tmp_path / "link.json"
    real.write_text("old")
    real.chmod(0o640)
    link.symlink_to(real)
    show.save(run_of(sleepers(1)), link)
    assert link.is_symlink() and json.loads(real.read_text())["schema"] == 1
    assert stat.S_IMODE(real.stat().st_mode) == 0o640
