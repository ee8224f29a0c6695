"""The baseline's side in the kernel: what is carried to the worker process, and what comes back."""

from __future__ import annotations

import dis
import inspect
import sys
import types
from collections.abc import Sequence
from typing import Any

from ..engines.calls import Calls
from ..engines.handover import names_in
from ..engines.jobs import Job, Report, pack
from ..engines.own_classes import OwnClasses
from ..engines.program import Program
from ..language import State, Task
from .process import NoBaseline, ask, first_line, get_ready
from .run import Run
from .saved import SavedError


def imported_by(program: Program | Calls) -> tuple[str, ...]:
    """Give what is imported here already of what a program imports: it must not be paid for there."""
    return tuple(sorted(name for name in program.imports() if name in sys.modules))


def prepare(program: Program | Calls, namespace: dict[str, Any]) -> bytes:
    """Pickle what the program refers to, before the program changes it.

    Raises
    ------
    NoBaseline
        If something cannot be copied; the message names it.
    """
    get_ready()
    return carry(program, namespace)


def carry(program: Program | Calls, namespace: dict[str, Any], also: Sequence[str] = ()) -> bytes:
    """Pickle what the program refers to, and some names more. Raises as `prepare` does."""
    if isinstance(program, Calls):
        return _packed(namespace, {})
    code = program.compile()
    wanted = names_in(code).union(also)
    if "get_ipython" in wanted:
        raise NoBaseline(
            "the cell uses IPython itself (a % or ! line), which the worker process has not; "
            "put that line into a cell of its own"
        )
    names = {name: namespace[name] for name in wanted if name in namespace}
    try:
        return _packed(namespace, names)
    except NoBaseline:
        # A cell that runs again finds what it made the first time, and makes it anew.
        anew = {
            name for name in _made_anew(code) & names.keys() if _why_not(namespace, names[name])
        }
        if not anew:
            raise
        others = {name: value for name, value in names.items() if name not in anew}
        return _packed(namespace, others, [names[name] for name in anew])


def freeze(program: Program | Calls) -> Program | Calls:
    """Give a program whose calls travel as they are now, whatever the run does to what they refer to.

    Raises
    ------
    NoBaseline
        If something cannot be copied.
    """
    if isinstance(program, Program):
        return program  # a text refers to names only, and those are carried
    try:
        return program.frozen()
    except Exception as error:
        names = _names_of(program)
        what = _culprits(names, names, ()) or first_line(error)
        raise NoBaseline(
            f"the program cannot be copied to the worker process: {what}. "
            "Make it inside the coroutine that needs it; or say baseline=\"off\""
        ) from None


def _names_of(calls: Calls) -> dict[str, Any]:
    """Give what the functions of calls refer to: globals, variables of closures, and the arguments."""
    found: dict[str, Any] = {}
    for call in calls.calls:
        function: Any = call.function
        if isinstance(function, types.FunctionType):
            own = inspect.getclosurevars(function)
            found |= {**own.globals, **own.nonlocals}
        found |= dict(zip(_parameters(function), call.args, strict=False)) | call.kwargs
    return found


def _parameters(function: Any) -> tuple[str, ...]:
    code = getattr(function, "__code__", None)
    return () if code is None else code.co_varnames[: code.co_argcount]


def _packed(
    namespace: dict[str, Any], names: dict[str, Any], leave_out: Sequence[Any] = ()
) -> bytes:
    try:
        return pack(namespace, names, leave_out)
    except Exception as error:
        what = _culprits(namespace, names, leave_out) or first_line(error)
        raise NoBaseline(
            f"cannot be copied to the worker process: {what}. "
            "Make it in the cell, inside the coroutine that needs it; or say --baseline off"
        ) from None


def _made_anew(code: types.CodeType) -> set[str]:
    """Give the names that a cell's body binds before it reads them."""
    first: dict[str, str] = {}
    for instruction in dis.get_instructions(code):
        if instruction.opname.endswith(("_NAME", "_GLOBAL")):
            first.setdefault(instruction.argval, instruction.opname)
    return {name for name, operation in first.items() if operation == "STORE_NAME"}


def _why_not(
    namespace: dict[str, Any], value: Any, leave_out: Sequence[Any] = ()
) -> Exception | None:
    """Give the error with which a value cannot be copied, or None."""
    try:
        pack(namespace, {"value": value}, leave_out)
    except Exception as error:
        return error
    return None


def _culprits(namespace: dict[str, Any], names: dict[str, Any], leave_out: Sequence[Any]) -> str:
    """Name what cannot be copied, of `names` and what functions among them refer to."""
    found: dict[str, str] = {}
    functions: dict[str, str] = {}
    waiting, seen = list(names), set(names)
    while waiting:
        name = waiting.pop()
        value = namespace[name]
        if any(value is each for each in leave_out):
            continue
        error = _why_not(namespace, value, leave_out)
        if error is None:
            continue
        is_function = isinstance(value, types.FunctionType)
        said = f"{name} ({type(value).__name__}: {first_line(error)})"
        (functions if is_function else found)[name] = said
        if is_function:
            more = (names_in(value.__code__) & namespace.keys()) - seen
            seen |= more
            waiting.extend(more)
    # A function that only refers to something is not to blame.
    return ", ".join((found or functions).values())


def conduct(job: Job, namespace: dict[str, Any]) -> Run:
    """Let the worker process do a job, and give it as a Run. `namespace` is where its classes live here.

    Raises
    ------
    NoBaseline
        If that failed; the message says why.
    """
    return _as_run(ask(job), namespace)


def _as_run(report: Report, namespace: dict[str, Any]) -> Run:
    tasks: list[Task] = []
    notes = list(report.notes)
    for result in report.results:
        task = Task(None, report, result.row)
        value: Any = None
        if result.value is not None:
            try:
                value = OwnClasses(result.value, namespace, {}).load()
            except Exception as error:
                result.text = f"(it does not unpickle: {first_line(error)})"
        if result.text:
            value = NotCopied(result.text)
            notes.append(f"the result of {task.name} could not be copied back: {result.text}")
        failure = SavedError(*result.error) if result.state is State.FAILED else None
        task.end(result.state, value, failure)
        tasks.append(task)
    return Run(
        tasks=tasks,
        trace=report.trace,
        elapsed=report.elapsed,
        switches=report.switches,
        complete=report.complete,
        started=report.count,
        wanted=report.count,
        refused=report.refused,
        output=report.output,
        printed=report.printed,
        never_started=report.never_started,
        notes=notes,
        has_body=report.has_body,
        _shared=report.shared,
    )


class NotCopied:
    """Stands for a result that does not pickle; its repr is the result's."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return self._text
