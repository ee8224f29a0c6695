"""``%%coroutines`` and ``%coroutines``."""

from __future__ import annotations

import keyword
import re
import sys
from collections.abc import Callable
from contextlib import nullcontext, suppress
from typing import Any

from IPython.core.error import UsageError
from IPython.core.magic import Magics, line_cell_magic, magics_class, no_var_expand
from IPython.core.magic_arguments import argument, magic_arguments, parse_argstring

from ..engines.garbage import collected
from ..measure.options import OPTIONS, Options
from .cell import program_of
from .pictures import show_ours
from .stream import kept_at_first

_MOST_TRACEBACKS = 10  # of a group of errors
_LONGEST_PIECE = 4000  # characters of a traceback of a group: a frame, or a message


def _with_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Declare the options of the one table as arguments of a magic."""
    for option in reversed(OPTIONS):
        shown = f" (default: {option.default})" if option.default is not None else ""
        function = argument(
            option.flag,
            default=option.default,
            choices=option.choices,
            metavar=option.metavar,
            help=option.help.replace("%", "%%") + shown,
        )(function)
    output: Callable[..., Any] = argument(
        "-o", "--output", metavar="NAME", help="bind the Run to this name"
    )(function)  # fmt: skip
    return output


@magics_class
class CoroutineMagics(Magics):
    """The magics of coro_magic."""

    @no_var_expand
    @magic_arguments()
    @_with_options
    @line_cell_magic
    def coroutines(self, line: str, cell: str | None = None) -> None:
        """Run a cell's coroutines on one thread, and show what each was doing when.

        A generator or native coroutine that the cell creates and does not start itself is handed
        over to the scheduler: as a statement of its own (``worker(1)``), or bound at the end of the
        cell to a name, directly or in a list, tuple, set or dict. One that another coroutine holds
        is left to it. In a coroutine, ``yield`` lets the others run; so does a blocking call such as
        ``time.sleep``. Afterwards the same cell runs again in another process, with one thread per
        coroutine, for comparison::

            %%coroutines -o run
            import time

            def worker(n):
                for i in range(n):
                    time.sleep(0.1)
                    yield i

            for n in range(10):
                worker(n)

        ``%coroutines worker(1), worker(2)`` does the same for expressions; options come first. ``from
        coro_magic import sleep, spawn, Channel, ...`` has more to say in a coroutine;
        ``help("coro_magic.language")`` lists all of it. What is known about the run is in the `Run`
        that ``-o run`` binds: ``run.results``, ``run.tasks``, ``run.speedup``,
        ``run.save("run.html")``.

        **Who is faster?** One run of each side is a measurement, and chance has a part in it.
        ``--repeat`` runs both sides some times more, in turns and untraced, and gives the median of the
        pairs with the interval in which it lies (95 % confidence), or says that the difference is within
        the noise; more pairs make the interval narrower, and fewer than six tell only what is plain::

            %%coroutines --repeat 10

        **Against what?** By default against one thread per coroutine. ``--against`` takes a list of more:
        a pool of threads, one after another, asyncio's tasks, gevent's greenlets. ``run.others`` has a Run
        for each, and the summary says why one of them cannot run the program::

            %%coroutines -o run --against threads,threadpool,asyncio

        **From how many on?** ``--sweep`` runs the cell for many values of a name that it reads, on both
        sides, and draws what one more coroutine costs, and one more thread. ``n=1,10,100`` are these
        values, ``n=1:100000:log`` the powers of ten, ``n=1:1000:log:7`` seven values in between,
        ``n=0:100:5`` five values evenly apart; two names make a grid. The cell must not set the name
        itself::

            %%coroutines -o run --sweep n=1:10000:log
            def worker():
                for _ in range(10):
                    yield

            workers = [worker() for _ in range(n)]

        The figures are in ``run.sweep``. With ``--repeat`` each point is measured so many times, and the
        other sides that ``--against`` names are measured at every point, too. Where coroutines run for more
        than 60 s, the sweep ends with that point; threads may take 10 times as long as they did.
        ``--baseline-budget 5`` makes it 5 s for each side. An interrupt ends the sweep, and keeps the
        points that are done.

        **Step by step.** ``--record on`` keeps the stack of every coroutine after every switch, with
        its local names. The panel plays them, forward and back; ``run.steps`` has them. That is for
        runs of some thousand switches, and no measurement::

            %%coroutines --record on

        **The same every time.** With ``--clock virtual`` nobody waits for a sleep: when all sleep, the
        clock jumps to the first who wakes, and steps take no time. Ten hours of ``sleep`` are over at
        once, and a run is the same to the letter. ``--order random`` lets anyone be next, as if chance
        had it, and with ``--seed`` it is the same chance again: a program that only works in one order
        shows it::

            %%coroutines --clock virtual --order random --seed 7

        **What holds the thread?** A step that goes on for 50 ms is named in the summary, with its line.
        ``--slow-step 5`` names shorter ones, too::

            %%coroutines --slow-step 5 --baseline off

        **On all cores?** ``--processes`` deals the coroutines out to so many processes, each with a scheduler
        of its own, beside the same in one process and on threads. The body runs in each of them; what a
        coroutine returns comes back. ``--sweep processes=1,2,4`` draws what one more process gains::

            %%coroutines -o run --processes cores

        **As fast as it goes.** ``--trace off`` writes nothing down, ``--baseline off`` does not run the
        cell again on threads, ``--picture off --summary off --panel off`` shows nothing::

            %%coroutines -o run --trace off --baseline off
        """
        # What is above this in a traceback is IPython's business and ours, not the user's.
        __tracebackhide__ = "__ipython_bottom__"
        shell: Any = self.shell
        if cell is None:
            line, expression = split_line(line)
            if not expression:
                raise UsageError(
                    "there is nothing to run: write %%coroutines as the first line of a cell, "
                    "or %coroutines EXPRESSION, EXPRESSION"
                )
            cell, lines_before = expression, 0
        elif cell.strip():
            lines_before = 1
        else:
            raise UsageError("the cell is empty: write the program below the %%coroutines line")
        arguments = dict(vars(parse_argstring(self.coroutines, line)))
        name = arguments.pop("output")
        if name is not None and (not name.isidentifier() or keyword.iskeyword(name)):
            raise UsageError(f"-o takes the name of a variable, and {name!r} is none")
        # Here and not above: to load the extension must not cost what the first run needs (numpy).
        from ..measure.conduct import check_that_a_run_can_begin

        try:
            options = Options.of(**arguments)
            check_that_a_run_can_begin()
        except (ValueError, RuntimeError) as error:
            raise UsageError(str(error)) from None
        try:
            program = program_of(shell, cell, lines_before)
        except SyntaxError as error:
            # Raised as it is, it would be shown with all the calls that led here.
            raise _shown_as(shell.SyntaxTB.structured_traceback(type(error), error, []), error) from None
        self._run(program, options, name)

    def _run(self, program: Any, options: Options, name: str | None) -> None:
        __tracebackhide__ = "__ipython_bottom__"
        from ..measure.conduct import run_program
        from ..measure.process import CannotBegin
        from ..measure.run import with_run
        from .outputs import Outputs

        shell: Any = self.shell
        kernel = getattr(shell, "kernel", None)
        outputs = Outputs(options, rich=kernel is not None, kernel=kernel)
        collected()
        try:
            run = run_program(
                program,
                shell.user_ns,
                options,
                # Whatever it is when it is called: the panel's own, if the panel runs it again.
                show=lambda value: sys.displayhook(value),
                progress=outputs.progress,
                on_finish=outputs.coroutines_ended,
                say=outputs.say,
                around=kept_at_first if outputs.rich else nullcontext,
            )
            if name is not None:
                shell.user_ns[name] = run
            outputs.finished(run)
        except CannotBegin as refused:
            raise UsageError(str(refused)) from None
        except KeyboardInterrupt:
            # Before the coroutines began, or after they had ended: where that was is nobody's business.
            raise KeyboardInterrupt from None
        finally:
            outputs.close()
        error = run.error
        if isinstance(error, BaseExceptionGroup):
            # IPython shows no group, and prints one with all the calls that led here.
            raise with_run(_shown_as(_traceback_of_group(shell, error), error), run) from error
        if error is None and run._stopped:
            # So that the cells after this one do not run.
            error = KeyboardInterrupt()
        if error is not None:
            _show_its_own_calls(shell, error)
            raise with_run(error, run)


def _show_its_own_calls(shell: Any, error: BaseException) -> None:
    """Let IPython display an error with the calls that led to it in the coroutine, and not with ours.

    A deadlock and an interrupt have none: they would be shown with nothing but ours.
    """
    lines = shell.InteractiveTB.structured_traceback(type(error), error, error.__traceback__)
    with suppress(AttributeError):
        error._render_traceback_ = lambda: lines  # type: ignore[attr-defined]


def _shown_as(lines: list[str], error: BaseException) -> Exception:
    """Give an exception of the same name and words as `error` that IPython displays as `lines`."""
    kind = type(type(error).__name__, (Exception,), {"_render_traceback_": lambda self: lines})
    return kind(str(error))  # type: ignore[no-any-return]


def _traceback_of_group(shell: Any, group: BaseExceptionGroup[Any]) -> list[str]:
    lines = [f"{type(group).__name__}: {group.message}"]
    for error in group.exceptions[:_MOST_TRACEBACKS]:
        each = shell.InteractiveTB.structured_traceback(type(error), error, error.__traceback__)
        lines += [_bounded(piece) for piece in each]
    more = len(group.exceptions) - _MOST_TRACEBACKS
    if more > 0:
        lines.append(f"... and {more:,} more, in the Run's error.exceptions")
    return lines


def _bounded(piece: str) -> str:
    more = len(piece) - _LONGEST_PIECE
    return piece if more <= 0 else f"{piece[:_LONGEST_PIECE]}\x1b[0m ... and {more:,} more characters"


def split_line(line: str) -> tuple[str, str]:
    """Split the line of ``%coroutines`` into its options, which come first, and its expressions."""
    rest = line.lstrip()
    end = len(line) - len(rest)
    while True:
        # An option's name has a value behind it, which tells it from the minus of an expression.
        match = re.match(r"\s*--?[a-z][a-z-]*(?:=\S*|\s+\S+|$)", line[end:])
        if match is None:
            break
        end += match.end()
    return line[:end], line[end:].strip()


def load(shell: Any) -> None:
    """Register the magics, and how our pictures are shown."""
    shell.register_magics(CoroutineMagics)
    show_ours(shell)
