"""The house stands: imports go one way, loading is cheap, types and style are checked."""

from __future__ import annotations

import ast
import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

import coro_magic

PACKAGE = Path(coro_magic.__file__).parent
ROOT = PACKAGE.parent
CHECKOUT = Path(__file__).parents[1]

# From the bottom to the top: a room imports from those before it.
ROOMS = ["language", "engines", "measure", "show", "notebook"]
NOT_BELOW = {"IPython": "notebook", "matplotlib": "show", "ipywidgets": "show", "anywidget": "show"}
MODULES = sorted(PACKAGE.rglob("*.py"))


def imported(path: Path) -> list[tuple[str, bool]]:
    """What a module imports, with full names, and whether only for type checkers."""
    package = ["coro_magic", *path.relative_to(PACKAGE).parent.parts]
    tree = ast.parse(path.read_text())
    for_types = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for statement in node.body
        for inner in ast.walk(statement)
    }
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            prefix = ".".join([*base, *([node.module] if node.module else [])])
            names = [f"{prefix}.{alias.name}" for alias in node.names]
        else:
            continue
        found += [(name, id(node) in for_types) for name in names]
    return found


def room_of(path: Path) -> str | None:
    first = path.relative_to(PACKAGE).parts[0]
    return first if first in ROOMS else None


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_go_one_way(path):
    room = room_of(path)
    for name, _ in imported(path):
        parts = name.split(".")
        if parts[0] == "coro_magic" and len(parts) > 1 and parts[1] in ROOMS and room is not None:
            assert ROOMS.index(parts[1]) <= ROOMS.index(room), f"{path} imports {name}"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_nothing_is_imported_below_its_room(path):
    room = room_of(path)
    for name, for_types in imported(path):
        lowest = NOT_BELOW.get(name.split(".")[0])
        if lowest is not None and not for_types and room is not None:
            assert ROOMS.index(room) >= ROOMS.index(lowest), f"{path} imports {name}"


def test_the_check_sees_an_import_that_goes_the_wrong_way(tmp_path, monkeypatch):
    (tmp_path / "engines").mkdir()
    wrong = tmp_path / "engines" / "wrong.py"
    wrong.write_text("from ..show import picture\nfrom .. import measure\ndef f():\n    import IPython")
    monkeypatch.setattr(sys.modules[__name__], "PACKAGE", tmp_path)
    names = [name for name, _ in imported(wrong)]
    assert names == ["coro_magic.show.picture", "coro_magic.measure", "IPython"]
    for check in (test_imports_go_one_way, test_nothing_is_imported_below_its_room):
        with pytest.raises(AssertionError, match="wrong.py imports"):
            check(wrong)


def python(program: str) -> str:
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True,
                           env={**os.environ, "PYTHONPATH": str(ROOT)})  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    return ended.stdout.strip()


HEAVY = (
    "heavy = 'matplotlib', 'ipywidgets', 'loky', 'numpy', 'greenlet', 'cloudpickle'\n"
    "print([name for name in heavy if name in sys.modules])"
)


def test_importing_the_package_loads_nothing_heavy():
    assert python("import sys, coro_magic\n" + HEAVY) == "[]"


def test_loading_the_extension_loads_nothing_heavy():
    program = ("import sys\nfrom IPython.core.interactiveshell import InteractiveShell\n"
               "shell = InteractiveShell.instance()\nbefore = set(sys.modules)\n"
               "shell.run_line_magic('load_ext', 'coro_magic')\n" + HEAVY)  # fmt: skip
    assert python(program) == "[]"


def test_speaking_the_language_in_a_module_of_functions_needs_no_engine():
    assert python("import sys\nfrom coro_magic import sleep, spawn, Channel, gather\n"
                  "print('coro_magic.engines' in sys.modules)") == "False"  # fmt: skip


def test_everything_that_the_package_promises_is_there():
    for name in coro_magic.__all__:
        assert getattr(coro_magic, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        coro_magic.nonsense  # noqa: B018


@pytest.mark.parametrize("arguments", ["mypy --strict -p coro_magic", "ruff check ."])
def test_types_and_style_are_clean(arguments):
    tool, *more = arguments.split()
    if importlib.util.find_spec(tool) is None:
        pytest.skip(f"{tool} is not installed here")
    command = [sys.executable, "-m", tool, *more]
    ended = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stdout[-3000:] + ended.stderr[-1000:]
