"""The docstrings are the reference: nothing public is without one, and each stands alone."""

from __future__ import annotations

import ast
import dataclasses
import importlib
import importlib.util
import inspect
import pkgutil
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

import coro_magic
from coro_magic import OPTIONS, Run
from coro_magic.engines.switching import patches
from coro_magic.notebook.magic import CoroutineMagics

PACKAGE = Path(coro_magic.__file__).parent
PUBLIC = sorted({*coro_magic.__all__, "Run", "load", "run", "sweep"})
PAGES = ["coro_magic", "coro_magic.language", "coro_magic.engines.switching", "coro_magic.engines.threads"]
MANUAL = inspect.getdoc(CoroutineMagics.coroutines) or ""


def own_docstring(value: object) -> str:
    """A docstring that was written here, and is not inherited."""
    if isinstance(value, type):
        return inspect.cleandoc(vars(value).get("__doc__") or "")
    return inspect.cleandoc(getattr(value, "__doc__", None) or "")


def members(kind: type) -> dict[str, object]:
    """Public methods and properties of a class of ours."""
    return {
        name: value
        for name, value in vars(kind).items()
        if not name.startswith("_") and isinstance(value, property) | inspect.isfunction(value)
    }


@pytest.mark.parametrize("name", PUBLIC)
def test_every_public_name_says_in_a_sentence_what_it_is(name):
    value = getattr(coro_magic, name)
    first = own_docstring(value).partition("\n\n")[0]
    assert len(first) > 20, name
    assert re.search(r"[.:]$", first), f"{name}: {first!r} is no sentence"
    if isinstance(value, type) and not issubclass(value, BaseException):
        for member, found in members(value).items():
            if (name, member) != ("Run", "views"):
                assert own_docstring(found), f"{name}.{member}"


@pytest.mark.parametrize("name", PUBLIC)
def test_every_parameter_of_a_public_function_is_told(name):
    value = getattr(coro_magic, name)
    if inspect.isfunction(value):
        text = own_docstring(value)
        for parameter in inspect.signature(value).parameters:
            assert re.search(rf"\b{parameter}\b", text), f"{name}({parameter})"


def test_every_public_attribute_of_a_run_is_told():
    listed = own_docstring(Run).partition("Attributes\n----------\n")[2]
    told = {name for line in re.findall(r"^([\w, ]+):$", listed, flags=re.M) for name in line.split(", ")}
    fields = {field.name for field in dataclasses.fields(Run) if not field.name.startswith("_")}
    assert told == fields


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: option.name)
def test_the_manual_has_every_option(option):
    assert option.flag in MANUAL
    assert " ".join(option.help.split())[:30] in " ".join(MANUAL.split())


@pytest.mark.parametrize(
    "flag", ["--repeat", "--sweep", "--record", "--clock virtual", "--seed", "--processes cores"]
)
def test_the_manual_has_an_example_with(flag):
    examples = [line for line in MANUAL.splitlines() if line.startswith("    %%coroutines")]
    assert any(flag in line for line in examples)


@pytest.mark.parametrize("page", PAGES)
def test_what_a_page_of_the_reference_refers_to_is_there(page):
    for path in re.findall(r"`(coro_magic(?:\.\w+)+)`", importlib.import_module(page).__doc__ or ""):
        owner, _, name = path.rpartition(".")
        found = pkgutil.resolve_name(owner)
        # A field without a default is no attribute of its class.
        if not dataclasses.is_dataclass(found) or name not in found.__dataclass_fields__:
            pkgutil.resolve_name(path)


def test_the_vocabulary_has_a_place_in_its_page():
    text = importlib.import_module("coro_magic.language").__doc__ or ""
    for name in set(coro_magic.__all__) - {"State", "Where"}:
        assert re.search(rf"\b{name}\b", text), name


def test_every_call_that_switches_is_in_its_page():
    text = importlib.import_module("coro_magic.engines.switching").__doc__ or ""
    # What is told under another name: what it is made of, or what a user calls.
    inside = {"_accept": "accept", "_sendfile_use_sendfile": "sendfile", "pthread_getcpuclockid": None,
              "pthread_kill": None, "get_ident": "threading.get_ident", "put_nowait": "put",
              "acquire_lock": "acquire", "register": "poll", "modify": "poll", "unregister": "poll",
              "_select": "select", "local": "threading.local", "readinto": "FileIO", "readall": "FileIO",
              "current_thread": "threading.current_thread", "join": "Thread.join"}  # fmt: skip
    closing = {"close", "detach", "_real_close", "release", "release_lock", "notify"}
    for patch in patches():
        name = inside.get(patch.attribute, patch.attribute)
        # What gives something back, or is called by the interpreter, waits for nobody.
        if name is not None and name not in closing and not name.startswith("_"):
            assert re.search(rf"`{re.escape(name)}`", text), f"{patch.owner}.{patch.attribute}"


def test_every_module_says_what_it_is_for():
    for path in PACKAGE.rglob("*.py"):
        assert ast.get_docstring(ast.parse(path.read_text())), path


def test_the_pages_can_be_built(tmp_path):
    if importlib.util.find_spec("pdoc") is None:
        pytest.skip("pdoc is not installed here")
    told = (Path(__file__).parents[1] / "CONTRIBUTING.md").read_text()
    (command,) = re.findall(r"^    pdoc (-o site .*)$", told, flags=re.M)
    command = command.replace("site", shlex.quote(str(tmp_path)), 1)
    command = f"{shlex.quote(sys.executable)} -m pdoc {command}"
    ended = subprocess.run(["bash", "-c", command], cwd=PACKAGE.parent, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    for page in PAGES:
        assert (tmp_path / (page.replace(".", "/") + ".html")).exists()
