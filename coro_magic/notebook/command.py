"""``python -m coro_magic run FILE.py``, ``... show FILE.json`` and ``... lab``."""

from __future__ import annotations

import argparse
import ast
import importlib.util
import os
import shutil
import sys
import traceback
from pathlib import Path
from typing import Any

from .. import show
from ..engines.program import Program
from ..measure.conduct import run_program
from ..measure.options import OPTIONS, Options
from ..measure.process import CannotBegin
from ..measure.run import Run
from .progress import Line

_FIRST = "01_first_run.ipynb"
# The notebooks with what they start, show and link to, laid out as in a checkout.
_PACKAGED = ("README.md", *(f"notebooks/{each}" for each in ("*.ipynb", "*.py", "*.png", "pictures/*.png")))


def main(arguments: list[str] | None = None) -> int:
    """Do what the command line says; gives the exit status."""
    parser = argparse.ArgumentParser(prog="python -m coro_magic", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="run a script as a %%%%coroutines cell")
    run.add_argument("file", type=Path, metavar="FILE.py")
    run.epilog = "What comes after -- are the script's own arguments."
    _add_saving(run)
    for option in OPTIONS:
        if option.name not in ("picture", "panel"):
            run.add_argument(option.flag, default=option.default, choices=option.choices,
                             metavar=option.metavar, help=option.help.replace("%", "%%"))  # fmt: skip
    shown = commands.add_parser("show", help="print the summary of a run that was saved as .json")
    shown.add_argument("file", type=Path, metavar="FILE.json")
    _add_saving(shown)
    lab = commands.add_parser("lab", help="open JupyterLab on the first notebook")
    lab.add_argument("rest", nargs=argparse.REMAINDER, help="passed on to JupyterLab")
    own, separator, of_script = _split(sys.argv[1:] if arguments is None else arguments)
    given, unknown = parser.parse_known_args(own)
    if given.command == "lab":
        return open_lab([*given.rest, *unknown, *separator, *of_script])
    if given.command == "show":
        if unknown or of_script:
            shown.error(f"unrecognized arguments: {' '.join([*unknown, *of_script])}")
        return show_saved(given.file, given.save)
    if unknown:
        run.error(f"unrecognized arguments: {' '.join(unknown)}")
    values = {k: v for k, v in vars(given).items() if k not in ("command", "file", "save")}
    try:
        options = Options.of(**values)
    except ValueError as error:
        run.error(str(error))
    return run_script(given.file, options, given.save, of_script)


def _add_saving(command: argparse.ArgumentParser) -> None:
    suffixes = " ".join(show.SUFFIXES)
    command.add_argument("--save", metavar="PATH", action="append", default=[],
                         help=f"write the run to a file ({suffixes}); may be given twice")  # fmt: skip


def _split(arguments: list[str]) -> tuple[list[str], list[str], list[str]]:
    """Split off what comes after ``--``, which is the script's."""
    at = arguments.index("--") if "--" in arguments else len(arguments)
    return arguments[:at], arguments[at : at + 1], arguments[at + 1 :]


def run_script(path: Path, options: Options, save: list[str], arguments: list[str]) -> int:
    """Run a script as a cell and print the summary. Gives 1 if a coroutine failed, 130 if interrupted."""
    try:
        content = path.read_bytes()
        tree = ast.parse(content, str(path))
        program = Program(tree, importlib.util.decode_source(content), str(path), shown="none")
        program.compile()
    except OSError as error:
        print(f"{path}: {error.strerror}", file=sys.stderr)
        return 2
    except (SyntaxError, ValueError) as error:
        print("".join(traceback.format_exception_only(error)), end="", file=sys.stderr)
        return 2
    # As for any script: its own folder is where it imports from.
    sys.path.insert(0, str(path.resolve().parent))
    sys.argv = [str(path), *arguments]
    namespace: dict[str, Any] = {"__name__": "__main__", "__file__": str(path), "__builtins__": __builtins__}
    main_module = sys.modules["__main__"]
    program.remember_source()
    vars(main_module).update(namespace)
    line = Line()
    try:
        run = run_program(
            program, vars(main_module), options, progress=line.progress, on_finish=lambda run: line.clear()
        )
    except CannotBegin as error:
        print(error, file=sys.stderr)
        return 2
    finally:
        line.clear()
    if options.summary == "on":
        print(show.summary(run))
    status = _status(run)
    return (status or 2) if not _saved(run, save) else status


def show_saved(path: Path, save: list[str]) -> int:
    """Print the summary of a run that was saved, and save it as something else. Gives 2 if that fails."""
    try:
        run = show.load(path)
    except OSError as error:
        print(f"{path}: {error.strerror}", file=sys.stderr)
        return 2
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    print(show.summary(run))
    return 0 if _saved(run, save) else 2


def _saved(run: Run, targets: list[str]) -> bool:
    """Write a run to files, and say whether all of them could be written."""
    well = True
    for target in targets:
        try:
            show.save(run, target)
        except (OSError, ValueError) as error:
            print(f"{target}: {error}", file=sys.stderr)
            well = False
    return well


def _status(run: Run) -> int:
    if run._cut_short:
        if run.error is not None and not isinstance(run.error, KeyboardInterrupt):
            traceback.print_exception(run.error)
        print("interrupted", file=sys.stderr)
        return 130
    if run.error is None:
        return 0
    if isinstance(run.error, SystemExit):
        # As the interpreter does it.
        code = run.error.code
        if isinstance(code, str):
            print(code, file=sys.stderr)
        return code if isinstance(code, int) else int(code is not None)
    traceback.print_exception(run.error)
    return 1


def open_lab(rest: list[str]) -> int:
    """Open JupyterLab on the first notebook; as root and without a display too."""
    if importlib.util.find_spec("jupyterlab") is None:
        print("JupyterLab is not installed: pip install 'coro_magic[lab]'", file=sys.stderr)
        return 2
    notebook = _first_notebook().resolve()
    command = [
        # Not the notebook's own folder: they link to the README above it.
        sys.executable, "-m", "jupyterlab", f"--ServerApp.root_dir={notebook.parent.parent}",
        # The address that is printed where there is no browser leads to the notebook, too.
        f"--LabApp.default_url=/lab/tree/{notebook.parent.name}/{notebook.name}",
    ]  # fmt: skip
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        command.append("--allow-root")
    if sys.platform.startswith("linux") and not (
        os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    ):
        command.append("--no-browser")
    sys.stdout.flush()
    os.execv(sys.executable, [*command, *rest])


def _first_notebook() -> Path:
    """Give the first notebook: the checkout's, or a copy of the package's that can be changed."""
    here = Path("notebooks") / _FIRST
    if here.exists():
        return here
    from jupyter_core.paths import jupyter_data_dir

    packaged = Path(__file__).resolve().parent.parent
    target = Path(jupyter_data_dir()) / "coro_magic"
    for pattern in _PACKAGED:
        for file in packaged.glob(pattern):
            copy = target / file.relative_to(packaged)
            copy.parent.mkdir(parents=True, exist_ok=True)
            if not copy.exists():
                shutil.copy(file, copy)
    return target / "notebooks" / _FIRST
