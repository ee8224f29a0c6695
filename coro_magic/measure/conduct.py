"""One run from beginning to end: the coroutines here, then the same program on threads and elsewhere."""

from __future__ import annotations

import builtins
import inspect
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from itertools import islice
from typing import Any

import numpy as np

from ..engines import switching
from ..engines.calls import Calls, call_of
from ..engines.handover import names_in, stored_in
from ..engines.jobs import Job
from ..engines.observe import Observer
from ..engines.program import Execution, Program
from ..engines.scheduler import MOST_STACKS, Scheduler
from ..engines.shared import tell
from ..engines.stacks import StackFrame, stack_of_error
from ..language import State, Task
from ..language.coroutine import as_coroutine, check_target
from . import against, baseline, repeats, scaling, sweep
from .functions import Function, functions_of
from .hazards import hazards_of
from .options import ONE_PROCESS, Options
from .process import CannotBegin, NoBaseline
from .repeats import Repeats
from .run import Run, with_run
from .shared import shared_names
from .underway import Underway
from .values import values_of


class CannotSweep(CannotBegin, ValueError):
    """The program cannot be swept over these names; the message says why."""


def check_that_a_run_can_begin() -> None:
    """Raise RuntimeError if it cannot."""
    if switching.running():
        raise RuntimeError(
            "a run is going on already, and a run inside a run is not possible; "
            "hand more coroutines over to this one with spawn()"
        )
    if threading.current_thread() is not threading.main_thread():
        raise RuntimeError(
            "a run must be started from the main thread: an interrupt could not reach it elsewhere"
        )


def run_program(
    program: Program | Calls,
    namespace: dict[str, Any],
    options: Options,
    *,
    coroutines: tuple[Any, ...] | None = None,
    show: Callable[[Any], None] = lambda value: None,
    progress: Callable[[Scheduler | Underway], float] | None = None,
    on_finish: Callable[[Run], None] | None = None,
    say: Callable[[str], None] = lambda what: None,
    around: Callable[[], AbstractContextManager[None]] = nullcontext,
) -> Run:
    """Run a program, and then what it is compared with.

    Parameters
    ----------
    namespace:
        Where a cell's names live.
    coroutines:
        For `Calls`: the coroutines themselves.
    show:
        Displays the value of an expression statement.
    progress:
        Called now and then while the coroutines run; gives the seconds until it wants to be again.
    around:
        Gives a context in which the coroutines run.
    on_finish:
        Called with the Run when the coroutines have ended and the baseline is still to come.
    say:
        Called with what goes on after that.

    What coroutines did wrong is in the Run's `error`, and is not raised.
    """
    check_that_a_run_can_begin()
    if options.processes:
        return _run_in_processes(
            program, namespace, options, show=show, progress=progress, on_finish=on_finish, say=say,
            around=around,
        )  # fmt: skip
    swept = values_of(options.sweep) if options.sweep else {}
    if swept and not isinstance(program, Program):
        raise CannotSweep("sweep: functions have no names to go over; use coro_magic.sweep(function, values)")
    of_processes = swept.pop(scaling.NAME, None)
    if of_processes and swept:
        raise CannotSweep("sweep: the number of processes is swept alone")
    if isinstance(program, Program):
        _bind(swept, program, namespace)
    # What is imported here by now must not be paid for there.
    job, note = _job_for(program, namespace, options)
    scheduler = Scheduler(
        **options.for_scheduler(),
        has_body=isinstance(program, Program),
        record=options.record == "on",
        tick=None if progress is None else lambda: progress(scheduler),
    )
    observer: Observer | None = None
    if isinstance(program, Program):
        observer = Observer(scheduler, namespace)
        execution: Any = Execution(program, namespace, show)
        execution.get_ready()
        if options.trace == "on":
            observer.start(execution.code)
    else:
        execution = program.execution(namespace, show, coroutines=coroutines)
    try:
        with around():
            scheduler.run(execution.begin, namespace)
    finally:
        execution.end()
        if observer is not None:
            observer.stop()
    functions = functions_of(program, namespace)
    # The functions that `run` was given live in modules, which the worker process has its own of.
    shared = shared_names(functions, namespace) if isinstance(program, Program) and job else {}
    run = _run_of(scheduler, execution, observer, options)
    run._shared = tell(namespace, shared)
    _complete(run, functions, note, () if job else options.others)
    run._repeat = lambda given: run_program(
        program, namespace, Options.of(**given), show=show, around=around
    )
    if not switching.possible():
        run.notes.append(
            "blocking calls do not switch on this platform: only yields and requests do"
        )
    if on_finish is not None:
        on_finish(run)
    if job is not None and run.interrupted:
        run.baseline_note = "not run, because the coroutines were interrupted"
    elif job is not None:
        budget = sweep.threads_budget(options, run.elapsed)
        within = replace(job, budget=budget, shared=shared)
        if options.threads:
            _add_baseline(run, within, namespace, options, say)
        if not run._cut_short:
            against.add(run, options.others, within, namespace, say)
        if isinstance(program, Program) and swept and not run._cut_short:
            _sweep(run, program, job, swept, options, say)
        if isinstance(program, Program) and of_processes and not run._cut_short:
            run.scaling = scaling.conduct(program, namespace, options, of_processes, say)
            _note_interrupt(run, run.scaling.note)
    return run


def _complete(run: Run, functions: list[Function], note: str, missing: Sequence[str]) -> None:
    """Tell what follows from the program, and why there is nothing to compare with."""
    run.hazards = hazards_of(functions, run.trace, run.count)
    run.baseline_note = note
    run.other_notes = dict.fromkeys(missing, note)


def _run_in_processes(
    program: Program | Calls,
    namespace: dict[str, Any],
    options: Options,
    *,
    show: Callable[[Any], None],
    progress: Callable[[Scheduler | Underway], float] | None,
    on_finish: Callable[[Run], None] | None,
    say: Callable[[str], None],
    around: Callable[[], AbstractContextManager[None]],
) -> Run:
    """Run a program in several processes, then in one, and then its baseline."""
    from .shares import run_shares

    job, note = _job_for(program, namespace, options)
    with around():
        run = run_shares(program, namespace, options, show=show, progress=progress)
    _complete(run, functions_of(program, namespace), note, () if job else options.others)
    run._repeat = lambda given: run_program(
        program, namespace, Options.of(**given), show=show, around=around
    )
    run.error = _error_of(run) or run.error
    if on_finish is not None:
        on_finish(run)
    if job is not None and (run.interrupted or not run.complete):
        why = "the coroutines were interrupted" if run.interrupted else "not all processes came to their end"
        run.baseline_note = f"not run, because {why}"
    elif job is not None:
        # One process takes as long as all of them together, at least.
        budget = sweep.threads_budget(options, run.elapsed * max(len(run.processes), 1))
        within = replace(job, budget=budget)
        if options.threads:
            _add_baseline(run, within, namespace, options, say)
        if not run._cut_short:
            _add_one_process(run, within, namespace, say)
        if not run._cut_short:
            against.add(run, options.others, within, namespace, say)
    return run


def _add_one_process(run: Run, job: Job, namespace: dict[str, Any], say: Callable[[str], None]) -> None:
    """Let one process run all the coroutines, for comparison."""
    say("now the same in one process")
    try:
        run.others[ONE_PROCESS] = baseline.conduct(replace(job, engine="coroutines"), namespace)
    except NoBaseline as reason:
        run.other_notes[ONE_PROCESS] = str(reason)
    except KeyboardInterrupt:
        run._interrupt()


# The value of a swept name in the run that is shown, if nobody says another: enough to see something.
_TO_BE_SEEN = 100


def _bind(swept: dict[str, list[float]], program: Program, namespace: dict[str, Any]) -> None:
    """Give the names of a sweep values that the run that is shown can do with, where they have none.

    Raises
    ------
    CannotSweep
        If a value from outside would change nothing.
    """
    code = program.with_values(swept).compile()
    used = names_in(code).union(
        *(names_in(each.__code__) for each in namespace.values() if inspect.isfunction(each))
    )
    for name in swept:
        if hasattr(builtins, name):
            raise CannotSweep(f"sweep: {name} is Python's own; take another name")
        if name not in used:
            raise CannotSweep(f"sweep: the cell does not use {name}")
        if name in stored_in(code):
            raise CannotSweep(
                f"sweep: the cell changes {name} itself, other than by {name} = ..., so that a value from "
                "outside would be lost"
            )
    for name, values in swept.items():
        if name not in namespace and not program.assigns(name):
            namespace[name] = min(values, key=lambda value: abs(value - _TO_BE_SEEN))


def _sweep(
    run: Run, program: Program, job: Job, swept: dict[str, list[float]], options: Options,
    say: Callable[[str], None],
) -> None:  # fmt: skip
    run.sweep = sweep.conduct(
        swept,
        lambda at: replace(job, program=program.with_values(at), values=at),
        repeat=options.repeat,
        threads=options.threads,
        others=options.others,
        tell=say,
        budget_of=lambda seconds: sweep.threads_budget(options, seconds),
    )
    _note_interrupt(run, run.sweep.note)


def _note_interrupt(run: Run, note: str) -> None:
    """What was measured after the run was cut short: the run itself was not, nor its baseline."""
    run._stopped = run._stopped or note == "interrupted"


def _job_for(
    program: Program | Calls, namespace: dict[str, Any], options: Options
) -> tuple[Job | None, str]:
    """Give what the worker needs, with everything as it is before the run; or why there is no baseline."""
    if not (options.threads or options.others or options.sweep):
        return None, "switched off"
    if options.record == "on":
        return None, "step mode records every switch, which takes longer than the switch"
    if options.clock == "virtual":
        return None, "virtual time cannot be compared with the time that threads take"
    try:
        carried = baseline.prepare(program, namespace)
        frozen = baseline.freeze(program)
    except NoBaseline as reason:
        return None, str(reason)
    return sweep.job_for(frozen, carried, options), "" if options.threads else "switched off"


def _run_of(
    scheduler: Scheduler, execution: Any, observer: Observer | None, options: Options
) -> Run:
    run = Run(
        tasks=list[Task](scheduler.tasks),
        trace=scheduler.trace,
        elapsed=scheduler.elapsed,
        switches=scheduler.trace.switches + (0 if observer is None else observer.count),
        interrupted=scheduler.interrupted,
        virtual=options.clock == "virtual",
        never_started=list(execution.never_started),
        has_body=execution.body is not None,
        options=options.as_dict(),
        printed=scheduler.printed,
        stacks=_stacks_of(scheduler),
        steps=None if scheduler.recorder is None else scheduler.recorder.record,
    )
    run.started = run.wanted = run.count
    run.error = _error_of(scheduler)
    run.slow_steps, run.slow_count = scheduler.slow_steps()
    return run


def _stacks_of(scheduler: Scheduler) -> dict[int, list[StackFrame]]:
    """Give the stacks of those who had not ended, and of those who failed, where they failed."""
    stacks = dict(scheduler.stacks)
    failed = (task for task in scheduler.tasks if task._final is State.FAILED)
    for task in islice(failed, MOST_STACKS):
        if task._error is not None and task.row not in stacks:
            stacks[task.row] = stack_of_error(task._error)
    return stacks


def _error_of(ended: Scheduler | Run) -> BaseException | None:
    """Give what the run fails with: the error of the one that failed, or a group of them."""
    errors: list[BaseException] = []
    for task in ended.tasks:
        if task._final is not State.FAILED:
            continue
        error = task._error
        unheeded = error is not None and not task.heeded
        if unheeded and not any(error is other for other in errors):
            errors.append(error)  # type: ignore[arg-type]
    if ended.interrupted and not errors:
        struck = ended.interrupt if isinstance(ended, Scheduler) else None
        return struck or KeyboardInterrupt()
    if not errors:
        return None
    if len(errors) == 1:
        return errors[0]
    message = f"{len(errors)} coroutines failed"
    if all(isinstance(error, Exception) for error in errors):
        return ExceptionGroup(message, errors)  # type: ignore[type-var]
    return BaseExceptionGroup(message, errors)


def _add_baseline(
    run: Run, job: Job, namespace: dict[str, Any], options: Options, say: Callable[[str], None]
) -> None:
    try:
        run.baseline = baseline.conduct(job, namespace)
        if run.baseline.refused:
            run.baseline.wanted = max(run.count, run.baseline.started)
        if run.baseline.complete:
            run.differences = against.differing(run, run.baseline)
        if options.repeat:
            run.repeats = _repeats(run, run.baseline, job, options, say)
            _note_interrupt(run, run.repeats.note)
    except NoBaseline as reason:
        run.baseline_note = str(reason)
    except KeyboardInterrupt:
        run.baseline_note = "interrupted"
        run._interrupt()


def _repeats(
    run: Run, threads: Run, job: Job, options: Options, say: Callable[[str], None]
) -> Repeats:
    """Run both sides again; a side that could not do it once is not asked again."""
    nothing = np.zeros(0)
    if run.nobody_finished:
        return Repeats(options.repeat, nothing, nothing, nothing, nothing, "nobody finished")
    for side, name in ((run, "coroutines"), (threads, "threads")):
        if not side.complete or side.error is not None or side.failures > run.failures:
            note = f"the {name} did not come to their end"
            return Repeats(options.repeat, nothing, nothing, nothing, nothing, note)
    return repeats.conduct(
        job,
        options.repeat,
        lambda done: say(f"repeat {done + 1:,} of {options.repeat:,}"),
        options.others,
    )


def run(*coroutines: Any, **options: Any) -> Run:
    """Run coroutines on the embedded scheduler, and the same on threads, and give the `Run`.

    Parameters
    ----------
    coroutines:
        Generators and native coroutines that were not started, and functions to call.
    options:
        As for ``%%coroutines``, with underscores: ``run(worker(1), worker(2), order="random",
        seed=1, baseline="off")``. See `coro_magic.OPTIONS`.

    Raises
    ------
    TypeError, ValueError
        If an option or a coroutine is not one.
    RuntimeError
        If a run is going on already, or this is not the main thread.
    Exception
        What a coroutine failed with, and nobody saw to; an ExceptionGroup for several. The Run is
        its attribute ``run``.
    KeyboardInterrupt
        If the user stopped it: the coroutines, or what was measured after they had ended. The Run, with
        all that was done by then, is its attribute ``run``.
    """
    checked = Options.of(**options)
    check_that_a_run_can_begin()
    if not coroutines:
        raise TypeError("run() takes coroutines or functions, and got none")
    for each in coroutines:
        # A list of coroutines is handed over with a star before it.
        check_target(each, "run(*coroutines)" if isinstance(each, list | tuple | set) else "run()")
    made = tuple(as_coroutine(each) for each in coroutines)
    program = Calls(tuple(
        call_of(given if callable(given) else each)
        for given, each in zip(coroutines, made, strict=True)
    ))  # fmt: skip
    namespace = sys._getframe(1).f_globals
    finished = run_program(program, namespace, checked, coroutines=made)
    stopped = finished._stopped_by()
    if stopped is not None:
        raise stopped
    if finished.error is not None:
        raise with_run(finished.error, finished)
    return finished
