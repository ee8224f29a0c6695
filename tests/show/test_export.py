"""Runs as files."""

from __future__ import annotations

import csv
import json
import os
import stat
import sys
import types
from pathlib import Path
from typing import Any

import pytest

from coro_magic import show
from coro_magic.show import export

from .runs import run_of, sleepers, threads, troubled


@pytest.mark.parametrize(
    ("suffix", "begin"), [(".png", b"\x89PNG"), (".svg", b"<?xml"), (".PDF", b"%PDF"), (".json", b"{"),
     (".perfetto.json", b'{"displayTimeUnit"'), (".csv", b"unit,name")],
)  # fmt: skip
def test_the_suffix_says_what_is_written(tmp_path: Path, suffix: str, begin: bytes) -> None:
    target = tmp_path / f"run{suffix}"
    show.save(run_of(troubled), target)
    assert target.read_bytes().startswith(begin)
    assert os.listdir(tmp_path) == [target.name]


@pytest.mark.parametrize("name", ["a.PerFetto.Json", "b.JSON", "c.x.Csv"])
def test_a_suffix_counts_in_any_case(tmp_path: Path, name: str) -> None:
    show.save(run_of(sleepers(1)), tmp_path / name)
    assert (tmp_path / name).stat().st_size


def test_html_is_the_page_of_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = types.ModuleType("coro_magic.show.page")
    page.page = lambda run: f"<!doctype html>\n<title>{run.count} \u2026 \ud800</title>"  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "coro_magic.show.page", page)
    monkeypatch.setattr(show, "page", page, raising=False)
    show.save(run_of(sleepers(2)), tmp_path / "run.HTML")
    assert (tmp_path / "run.HTML").read_text() == "<!doctype html>\n<title>2 … \\ud800</title>"


def test_a_csv_has_one_line_for_each_coroutine_and_each_thread(tmp_path: Path) -> None:
    target = tmp_path / "run.csv"
    show.save(run_of(sleepers(5), threads(3, 0.1)), str(target))
    with target.open(newline="", encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    assert [line["unit"] for line in lines] == ["coroutine"] * 6 + ["thread"] * 4
    assert lines[2]["name"] == "nap-2" and lines[2]["result"] == "1" and int(lines[2]["resumptions"]) >= 3


@pytest.mark.parametrize("name", ["run.txt", "run", ".json", "run.perfetto", "perfetto.jsonl"])
def test_an_unknown_suffix_is_refused_with_the_known_ones(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match=r"\.png, \.svg, \.pdf, \.html, \.json, \.perfetto\.json, \.csv"):
        show.save(run_of(sleepers(1)), tmp_path / name)
    assert not os.listdir(tmp_path)


def test_a_folder_that_is_not_there_is_told_with_the_files_own_name(tmp_path: Path) -> None:
    target = tmp_path / "nowhere" / "run.json"
    with pytest.raises(FileNotFoundError) as told:
        show.save(run_of(sleepers(1)), target)
    assert told.value.filename == str(target)


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
@pytest.mark.parametrize("suffix", [".png", ".json", ".perfetto.json"])
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
@pytest.mark.parametrize("suffix", [".png", ".svg", ".pdf", ".json", ".perfetto.json", ".csv"])
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
    assert link.is_symlink() and json.loads(real.read_text())["schema"] == 2
    assert stat.S_IMODE(real.stat().st_mode) == 0o640
