"""The folder from which Binder builds an image: looked at without building one."""

from __future__ import annotations

import ast
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from IPython.core.inputtransformer2 import TransformerManager

ROOT = Path(__file__).parents[1]
BINDER = ROOT / "binder"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]


def lines(name: str) -> list[str]:
    """What a file of the folder says, without comments."""
    return [line for line in (BINDER / name).read_text().splitlines() if line and not line.startswith("#")]


def names(requirements: list[str]) -> set[str]:
    return {re.split(r"[^\w-]", requirement)[0].lower() for requirement in requirements}


def extras_asked_for() -> list[str]:
    (own,) = [line for line in lines("requirements.txt") if line.startswith("-e ")]
    path, extras = re.fullmatch(r"-e (\S+)\[([\w,]+)\]", own).groups()
    assert path == "."  # pip's working directory is the repository's root
    return extras.split(",")


def test_the_python_is_pinned_to_one_that_the_project_supports():
    (version,) = lines("runtime.txt")
    assert re.fullmatch(r"python-3\.\d+", version)
    assert f"Programming Language :: Python :: {version.removeprefix('python-')}" in PROJECT["classifiers"]


def test_the_project_itself_is_installed_with_extras_that_it_has():
    assert extras_asked_for()
    assert set(extras_asked_for()) <= set(EXTRAS)


def done_without(tree: ast.AST) -> set[ast.AST]:
    """The imports whose failure the code itself answers: ``try: import ... except ImportError:``."""
    return {
        statement
        for node in ast.walk(tree)
        if isinstance(node, ast.Try)
        and any(isinstance(each.type, ast.Name) and each.type.id == "ImportError" for each in node.handlers)
        for statement in node.body
    }


def test_everything_that_notebooks_import_is_installed():
    requirements = [line for line in lines("requirements.txt") if not line.startswith("-e ")]
    for extra in extras_asked_for():
        requirements += EXTRAS[extra]
    there = {"coro_magic", *sys.stdlib_module_names} | names(requirements + PROJECT["dependencies"])
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        for cell in json.loads(path.read_text())["cells"]:
            if cell["cell_type"] != "code" or not cell["source"]:
                continue
            first, *rest = cell["source"]
            code = "".join(rest if first.startswith("%%") else [first, *rest])
            tree = ast.parse(TransformerManager().transform_cell(code))
            spared = done_without(tree)
            for node in ast.walk(tree):
                if node in spared:
                    continue
                found = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
                found += [node.module] if isinstance(node, ast.ImportFrom) else []
                for name in found:
                    assert name.partition(".")[0].lower() in there, f"{path.name} imports {name}"


def test_the_programs_that_notebooks_start_are_installed_and_no_others():
    assert lines("apt.txt") == ["redis-server"]


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A home directory after ``postBuild`` has run in it, as environment variables."""
    if shutil.which("bash") is None:
        pytest.skip("there is no bash on this machine")
    home = tmp_path_factory.mktemp("home")
    elsewhere = ("IPYTHONDIR", "MPLCONFIGDIR", "JUPYTER_", "XDG_")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(elsewhere)}
    environment |= {"HOME": str(home), "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    subprocess.run(["bash", "-n", BINDER / "postBuild"], check=True)
    assert os.access(BINDER / "postBuild", os.X_OK)
    ended = subprocess.run([BINDER / "postBuild"], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    return environment


def ipython(built, program):
    """What a program prints in IPython, after postBuild."""
    command = [sys.executable, "-m", "IPython", "--no-banner", "-c", program]
    ended = subprocess.run(command, cwd=ROOT, env=built, capture_output=True, text=True)
    return ended.stdout + ended.stderr


def test_the_magic_is_there_without_being_loaded(built):
    ask = "print('coroutines' in get_ipython().magics_manager.magics['cell'])"
    assert ipython(built, ask).splitlines()[-1:] == ["True"]


def test_the_notebooks_may_load_it_all_the_same_and_nothing_is_said(built):
    assert ipython(built, "%load_ext coro_magic") == ""


def test_nothing_is_put_among_the_names_of_a_notebook(built):
    ask = "print([name for name in dir() if 'coro' in name])"
    assert ipython(built, ask).splitlines()[-1:] == ["[]"]


def test_whoever_starts_the_server_the_first_page_is_a_notebook_that_is_there(built):
    config = Path(built["HOME"]) / ".jupyter"
    applications = {"server": "ServerApp", "lab": "LabApp", "notebook": "JupyterNotebookApp"}
    for name, application in applications.items():
        url = json.loads((config / f"jupyter_{name}_config.json").read_text())[application]["default_url"]
        assert (ROOT / url.removeprefix("/lab/tree/")).is_file(), url


def test_an_error_in_building_is_not_ignored(built, tmp_path):
    (tmp_path / "python").write_text("#!/bin/sh\nexit 3\n")
    (tmp_path / "python").chmod(0o755)
    environment = built | {"HOME": str(tmp_path), "PATH": f"{tmp_path}:{built['PATH']}"}
    ended = subprocess.run([BINDER / "postBuild"], cwd=ROOT, env=environment, capture_output=True)
    assert ended.returncode == 3


def test_repo2docker_accepts_the_folder():
    if importlib.util.find_spec("repo2docker") is None:
        pytest.skip("repo2docker is not installed here")
    ended = subprocess.run([sys.executable, "-m", "repo2docker", "--no-build", "--debug", ROOT],
                           capture_output=True, text=True)  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    assert lines("runtime.txt")[0].replace("-", "=") in ended.stderr
    for step in ("binder/requirements.txt", "./binder/postBuild", *lines("apt.txt")):
        assert step in ended.stdout
