"""``python -m coro_magic run FILE.py``: a script as a cell."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import textwrap
import time
import tomllib
from pathlib import Path

import pytest

import coro_magic
from coro_magic.notebook import command as command_line

CHECKOUT = Path(__file__).parents[2]
ROOT = str(Path(coro_magic.__file__).parents[1])
COMMAND = [sys.executable, "-m", "coro_magic"]
ENVIRONMENT = {**os.environ, "PYTHONPATH": ROOT}
PROGRAMS = Path(__file__).parents[1] / "programs"


@pytest.fixture
def command(tmp_path):
    """Run a script as a cell, in an empty folder."""

    def run(source, *arguments, name="script.py", cwd=None, **more):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(source))
        return subprocess.run(
            [*COMMAND, "run", str(path), *arguments], capture_output=True, text=True,
            cwd=cwd or tmp_path, env={**ENVIRONMENT, **more}, timeout=60,
        )  # fmt: skip

    return run


WORKER = "def f(n):\n    yield\n    print('worker', n)\nf(1)\ng = f(2)\n"


def test_the_bun_program_runs(command):
    ended = command((PROGRAMS / "buns.py").read_text())
    assert ended.stdout.startswith((PROGRAMS / "buns.txt").read_text())
    headline = next(line for line in ended.stdout.splitlines() if "coroutine" in line and "thread" in line)
    assert "2 threads" in headline
    assert ended.returncode == 0, ended.stderr


def test_the_summary_is_printed_and_nothing_is_written(command, tmp_path):
    ended = command(WORKER)
    assert ended.stdout.startswith("worker 1\nworker 2\n2 coroutines, 1 thread")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert os.listdir(tmp_path) == ["script.py"]


def test_nothing_is_displayed_but_what_the_script_prints(command):
    assert command("5\nprint('six')\n'seven'", "--summary", "off").stdout == "six\n"


def test_the_run_is_saved(command, tmp_path):
    ended = command(
        WORKER, "--save", "run.png", "--save", "run.json", "--save", "run.csv", "--baseline", "off"
    )
    assert ended.returncode == 0, ended.stderr
    assert (tmp_path / "run.png").read_bytes().startswith(b"\x89PNG")
    assert json.loads((tmp_path / "run.json").read_text())
    assert "worker" not in (tmp_path / "run.csv").read_text().splitlines()[0]


def show(tmp_path, *arguments):
    return subprocess.run([*COMMAND, "show", *arguments], capture_output=True, text=True, cwd=tmp_path,
                          env=ENVIRONMENT, timeout=60)  # fmt: skip


def test_a_saved_run_is_shown_and_saved_as_something_else(command, tmp_path):
    ran = command(WORKER, "--save", "run.json", "--baseline", "off")
    ended = show(tmp_path, "run.json", "--save", "again.json", "--save", "run.perfetto.json")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ran.stdout.endswith(ended.stdout) and ended.stdout.startswith("2 coroutines, 1 thread")
    assert (tmp_path / "again.json").read_bytes() == (tmp_path / "run.json").read_bytes()
    assert "traceEvents" in json.loads((tmp_path / "run.perfetto.json").read_text())


@pytest.mark.parametrize("name", ["script.py", "nowhere.json", "."])
def test_what_is_no_saved_run_is_not_shown(command, tmp_path, name):
    command(WORKER, "--baseline", "off")
    ended = show(tmp_path, name)
    assert ended.returncode == 2 and ended.stdout == ""
    assert name in ended.stderr and "Traceback" not in ended.stderr


@pytest.mark.parametrize("target", ["run.txt", "nowhere/run.png", "run"])
def test_what_cannot_be_saved_is_told(command, tmp_path, target):
    ended = command(WORKER, "--save", target, "--baseline", "off")
    assert ended.returncode == 2
    assert target in ended.stderr and "Traceback" not in ended.stderr


def test_a_failed_coroutine_gives_1_and_its_traceback(command):
    ended = command("def bad():\n    yield\n    1 / 0\nbad()\n", "--baseline", "off")
    assert ended.returncode == 1
    assert 'script.py", line 3, in bad' in ended.stderr and "1 / 0" in ended.stderr
    assert "in coroutine bad" in ended.stderr
    assert "coro_magic/" not in ended.stderr
    assert "1 coroutine" in ended.stdout


@pytest.mark.parametrize("source, status", [
    ("1 / 0", 1), ("undefined", 1), ("raise SystemExit(5)", 5), ("import sys\nsys.exit()", 0),
    ("import sys\nsys.exit('words')", 1),
])  # fmt: skip
def test_the_status_of_a_script_that_ends_early(command, source, status):
    ended = command(source, "--baseline", "off")
    assert ended.returncode == status, ended.stderr
    if "words" in source:
        assert "words" in ended.stderr


@pytest.mark.parametrize("source", ["def f(:", "return 5", "x = (", "x = '\0'"])
def test_a_syntax_error_gives_2_and_its_line(command, source):
    ended = command(source)
    assert ended.returncode == 2
    assert "Error: " in ended.stderr and "Traceback" not in ended.stderr
    assert "line 1" in ended.stderr or "null bytes" in ended.stderr


def test_a_file_that_is_not_there_or_is_no_text(command, tmp_path):
    ended = subprocess.run([*COMMAND, "run", "no.py"], capture_output=True, text=True,
                           cwd=tmp_path, env=ENVIRONMENT)  # fmt: skip
    assert ended.returncode == 2 and "no.py" in ended.stderr and "Traceback" not in ended.stderr
    (tmp_path / "latin.py").write_bytes("x = 'ä'".encode("latin-1"))
    ended = subprocess.run([*COMMAND, "run", "latin.py"], capture_output=True, text=True,
                           cwd=tmp_path, env=ENVIRONMENT)  # fmt: skip
    assert ended.returncode == 2 and "Traceback" not in ended.stderr, ended.stderr


def test_the_encoding_that_a_script_declares_is_used(command, tmp_path):
    (tmp_path / "latin.py").write_bytes("# -*- coding: latin-1 -*-\nprint(ascii('ä'))".encode("latin-1"))
    ended = subprocess.run([*COMMAND, "run", "latin.py", "--summary", "off"],
                           capture_output=True, text=True, cwd=tmp_path, env=ENVIRONMENT)  # fmt: skip
    assert ended.stdout == "'\\xe4'\n", ended.stderr


@pytest.mark.parametrize("arguments, said", [
    (["--order", "sideways"], "invalid choice: 'sideways'"),
    (["--nonsense"], "unrecognized arguments: --nonsense"),
    (["--seed", "x"], "must be a whole number"),
    (["--baseline-budget", "0"], "must be more than 0"),
    (["--detail=-1"], "must be 0 or more"),
])  # fmt: skip
def test_an_unknown_option_or_value_gives_a_usage_line(command, arguments, said):
    ended = command("print('ran')", *arguments)
    assert ended.returncode == 2
    assert "usage: python -m coro_magic run" in ended.stderr and said in ended.stderr
    assert ended.stdout == ""


def test_the_options_are_the_magics(command):
    ended = command("import time\ndef f():\n    time.sleep(3600)\n    yield\nf()", "--clock", "virtual")
    assert ended.returncode == 0 and "virtual" in ended.stdout


def test_a_script_is_the_main_module_and_has_its_arguments(command):
    ended = command("""
        import argparse, sys
        if __name__ == "__main__":
            parser = argparse.ArgumentParser()
            parser.add_argument("--count", type=int, default=2)
            count = parser.parse_args().count
            print(sys.argv, count, __file__, sys.modules["__main__"].count)
    """, "--summary", "off", "--", "--count", "5", cwd="/")  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    assert "--count" in ended.stdout and " 5 " in ended.stdout and ended.stdout.rstrip().endswith("5")


def test_a_script_imports_from_its_own_folder_on_both_sides(command, tmp_path):
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "beside.py").write_text("def w(n):\n    yield\n    return n")
    ended = command("from beside import w\nfrom dataclasses import dataclass\n@dataclass\nclass P:\n"
                    "    x: int\n"
                    "def f():\n    yield\n    return P(1)\nw(1)\nf()\n"
                    "", name="inner/main.py", cwd="/")  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    assert (
        "threads" in ended.stdout and "cannot be copied" not in ended.stdout and "differ" not in ended.stdout
    )


def test_future_statements_of_a_script_count(command):
    ended = command(
        "from __future__ import annotations\ndef f(x: undefined):\n    yield\nf(1)\nprint(f.__annotations__)",
        "--summary",
        "off",
    )
    assert ended.stdout == "{'x': 'undefined'}\n", ended.stderr


def test_an_interrupt_gives_130_and_what_was_measured(tmp_path):
    path = tmp_path / "script.py"
    path.write_text("import time\ndef f():\n    try:\n        print('ready', flush=True)\n"
                    "        time.sleep(60)\n        yield\n    finally:\n"
                    "        print('cleaned up', flush=True)\nf()\n")  # fmt: skip
    process = subprocess.Popen([*COMMAND, "run", str(path)], stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, text=True, env=ENVIRONMENT)  # fmt: skip
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "cleaned up" in out and "1 coroutine" in out
    assert "Traceback" not in err


def test_an_interrupt_of_the_repeats_gives_130_too(tmp_path):
    path = tmp_path / "script.py"
    # Everybody who runs it says so; when many have, it is being repeated.
    path.write_text("def f():\n    yield\n"
                    f"    with open({str(tmp_path / 'ran')!r}, 'a') as file:\n"
                    "        file.write('.')\nf()\n")  # fmt: skip
    process = subprocess.Popen([*COMMAND, "run", "--repeat", "1000000", str(path)], text=True,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=ENVIRONMENT)  # fmt: skip
    ran = tmp_path / "ran"
    late = time.monotonic() + 60
    while not (ran.exists() and len(ran.read_text()) > 8):
        assert time.monotonic() < late and process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130 and err.strip() == "interrupted"
    assert "1 coroutine" in out


def test_help_tells_the_commands_and_the_options():
    for arguments, said in ((["--help"], "lab"), (["run", "--help"], "--baseline-budget SECONDS")):
        ended = subprocess.run([*COMMAND, *arguments], capture_output=True, text=True,
                               env=ENVIRONMENT)  # fmt: skip
        assert ended.returncode == 0 and said in ended.stdout


def test_without_a_command_there_is_a_usage_line():
    ended = subprocess.run([*COMMAND], capture_output=True, text=True,
                           env=ENVIRONMENT)  # fmt: skip
    assert ended.returncode == 2 and "usage:" in ended.stderr


def lab_command(monkeypatch) -> tuple[Path, Path]:
    """The folder that JupyterLab would serve, and the notebook that it would open."""
    started = []
    monkeypatch.setattr(command_line.os, "execv", lambda program, command: started.extend(command))
    command_line.open_lab([])
    told = dict(each.removeprefix("--").split("=", 1) for each in started if "=" in each)
    root = Path(told["ServerApp.root_dir"])
    return root, root / told["LabApp.default_url"].removeprefix("/lab/tree/")


def dead_links(root: Path, folder: Path) -> list[str]:
    """What the notebooks of a folder link to or show, and a server of `root` does not have."""
    links = {link for path in folder.glob("*.ipynb")
             for link in re.findall(r"\]\(([^)#:\s]+\.\w+)(?:#[\w-]+)?\)", path.read_text())}  # fmt: skip
    assert any(link.endswith("README.md") for link in links)
    there = {link: (folder / link).resolve() for link in links}
    return [link for link, path in there.items() if not (path.exists() and path.is_relative_to(root))]


def test_in_a_checkout_jupyterlab_has_what_notebooks_link_to(monkeypatch):
    monkeypatch.chdir(CHECKOUT)
    root, first = lab_command(monkeypatch)
    assert first.name == "01_first_run.ipynb"
    assert dead_links(root, first.parent) == []


def test_without_a_checkout_notebooks_are_copied_with_what_they_start_and_link_to(tmp_path, monkeypatch):
    package = tmp_path / "coro_magic"
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())
    for source, copied in project["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"].items():
        package.mkdir(exist_ok=True)
        copy = shutil.copytree if (CHECKOUT / source).is_dir() else shutil.copy
        copy(CHECKOUT / source, tmp_path / copied)
    monkeypatch.setattr(command_line, "__file__", str(package / "notebook" / "command.py"))
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    root, first = lab_command(monkeypatch)
    assert first.exists()
    assert (first.parent / "slow_server.py").exists()
    assert dead_links(root, first.parent) == []
