"""The line: the tasks that make a step one after another, and the accounts of what they took.

There are two ways to go along it, for two kinds of programs, and the same order in both.

In a *calm* line, nothing happens on a bare ``yield`` but a call of `next`: those who yielded stay
where they are, and at the end of the line they are the next one. Who is running just now is read off
the line's iterator. When something happens that depends on the order or the time (somebody waits, is
woken, is spawned), the steps up to the running one are *settled*: timed, counted, and put behind those
who are ready. So bare yields are accounted for in stretches, and pay nothing for it.

Where every few steps somebody waits, settling again and again costs more than it saves. In a *lively*
line everybody is timed and goes to the end as the step ends. A line is lively when the one before had
many waits; now and then it is a calm one all the same, to see whether that is still so.

Whoever becomes ready is appended to the line while it is iterated, or to the ready queue behind it
when there is one.

A step that ends in a request is over before the request is begun: whom the request wakes, and the
step itself, are settled at one moment, with one reading of the clock.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from operator import length_hint

from .ready import ReadyQueue
from .scheduled import ScheduledTask
from .trace import MAX_BATCH, YIELDED, Trace

_SHORT = 1e-4  # seconds; bare yields are timed together while together they take no longer
_PUNCTUAL = 3e-4  # seconds; how long a lively line may keep timers and the hub waiting
_MANY_WAITS = 1 / 8  # of the steps, for the next lines to be lively
_LIVELY_LINES = 32  # one after another, before the next look at whether there are many waits
_LONG = 512  # places; whoever comes when the line is longer goes to the ready queue


class Line:
    """The tasks that make a step one after another.

    Parameters
    ----------
    ready:
        The queue behind the line.
    in_order:
        Whether the order is first come, first served. If not, the queue alone keeps it.
    clock:
        Gives the time in seconds.
    trace:
        Where the steps are written down.

    Attributes
    ----------
    tasks, steps, along:
        The line, the iterator that goes along it as far as it is to go now, and the one that goes to its end.
    lively:
        Whether every step is settled as it ends.
    asked:
        Whether somebody wants the run to look up as soon as the running step ends.
    attentive:
        Whether anything is to be done when a step ends in a bare ``yield``: `lively` or `asked`.
    settled:
        Places of a calm line before this one are settled: their tasks are somewhere else by now.
    most:
        How many steps a line may have at first.
    longest:
        How large that may become.
    boundary:
        When the last step ended, which is when the next one begins.
    time:
        The time last read.
    switches:
        How many steps were made in the lines before, and settled in this one.
    arrive:
        Takes a task that became ready.
    asking:
        The task whose step has ended in a request that is being begun; None at other times.
    over:
        Whether the end of the running step was settled up to, because its request woke somebody.
    """

    # Read at every step: slots are quicker than a dictionary.
    __slots__ = (
        "_alone", "_arrive_all", "_at_queue", "_begun", "_clock", "_in_order", "_lively_lines", "_period",
        "_ready", "_recording", "_trace", "along", "arrive", "asked", "asking", "attentive",
        "boundary", "lively", "longest", "most", "over", "settled", "steps", "switches", "tasks", "time",
    )  # fmt: skip

    def __init__(
        self, ready: ReadyQueue, in_order: bool, clock: Callable[[], float], trace: Trace
    ) -> None:
        self.arrive: Callable[[ScheduledTask], None]
        self._arrive_all: Callable[[list[ScheduledTask]], None]
        self._at_queue = (ready.append, ready.extend)
        self.most = 1
        self.longest = MAX_BATCH
        self.boundary = self.time = 0.0
        self.switches = 0
        self._ready = ready
        self._in_order = in_order
        self._clock = clock
        self._trace = trace
        self._recording = trace.recording
        # After how many places the line repeats itself; 0 if it does not.
        self._period = 0
        self.asking: ScheduledTask | None = None
        self.over = False
        # How many steps of the line were settled by themselves, when it began, and for how many lines
        # more they are lively.
        self._alone = 0
        self._begun = 0.0
        self._lively_lines = 0
        self.clear()

    def clear(self) -> None:
        """Begin a line of nobody: from here on whoever becomes ready goes to the queue."""
        self.tasks: list[ScheduledTask] = []
        self.steps: Iterator[ScheduledTask] = iter(self.tasks)
        self.along = self.steps
        self.lively = self.attentive = self.asked = False
        self.settled = 0
        self._arrive_at_queue()

    def _arrive_at_queue(self) -> None:
        self.arrive, self._arrive_all = self._at_queue

    @property
    def running(self) -> ScheduledTask:
        """The task whose step it is."""
        return self.tasks[len(self.tasks) - length_hint(self.along) - 1]

    @property
    def running_step(self) -> tuple[int, ScheduledTask]:
        """The number of the running step, which grows from one to the next, and whose it is.

        Fit for other threads, where it may be a wrong one now and then, or an IndexError.
        """
        tasks = self.tasks
        place = len(tasks) - length_hint(self.along) - 1
        return self.switches - self.settled + place, tasks[place]

    def begin(self, tasks: list[ScheduledTask]) -> None:
        """Let these tasks make a step each, the line before having come to its end."""
        self.settled = self._alone = 0
        self._begun = self.time
        self.lively = self.attentive = self._lively_lines > 0
        if self.asked:
            # By an interrupt, maybe, that came just now.
            self.attentive = True
        if not self._in_order or self._ready:
            # The queue's own batch, and not to be changed: it may come back to the queue as it is.
            self._arrive_at_queue()
        elif self.lively:
            tasks = tasks[:]
            self.arrive, self._arrive_all = tasks.append, tasks.extend
        else:
            # Few tasks: go round more than once before looking up.
            count = len(tasks)
            times = self.most // count
            self._period = count if times > 1 else 0
            tasks = tasks * times if times > 1 else tasks[:]
            if self.most < MAX_BATCH:
                # While steps are long, or may be, nobody joins a line whose steps are timed together.
                self._arrive_at_queue()
            else:
                self.arrive, self._arrive_all = tasks.append, tasks.extend
        self.tasks = tasks
        self.along = self.steps = iter(tasks)
        if self.lively:
            self.steps = islice(self.along, self.most)

    def goes_on(self, count: int) -> bool:
        """Say whether nobody but the `count` tasks that yielded is there."""
        return self._in_order and count <= self.most and not self._ready

    def read(self) -> None:
        """Read the clock, if steps are timed."""
        if self._recording:
            self.time = self._clock()

    def settle_before(self, running: ScheduledTask | None = None) -> None:
        """Settle the steps before the running one, and read the clock.

        Those steps were bare yields: their tasks go to the end, before anyone whom the running
        step wakes. Whoever knows which task is `running` may say it, to save looking it up.
        """
        line, settled = self.tasks, self.settled
        if self._recording:  # `read`, written out
            self.time = self._clock()
        if self.lively:
            return
        if running is not None and not self._period and line[settled] is running:
            if settled > _LONG:
                self._arrive_at_queue()
            return
        position = len(line) - length_hint(self.along) - 1
        if position > settled:
            self.settled = position
            self.switches += position - settled
            before = line[settled:position]
            if self._recording:
                # The running step has its share of the time since, too.
                begun, count = self.boundary, len(before)
                self.boundary = begun + (self.time - begun) * count / (count + 1)
                self._trace.ran(before, begun, self.boundary)
            if not self._period:
                self._arrive_all(before)
        if self._period:
            # The line was written out more than once: what follows, up to the running step's next
            # turn, are the others in their order. Those whose turn is behind the line's end come too.
            del line[position + self._period :]
            line += line[len(line) - self._period : position]
            self._period = 0
        if position > _LONG:
            self._arrive_at_queue()

    def settle_running(self, running: ScheduledTask | None = None) -> float:
        """Settle the steps up to and with the running one, which ends here. Gives the time."""
        if not self.over:
            self.settle_before(running)
        self.over = False
        self.boundary = time = self.time
        if not self.lively:
            self.settled += 1
            self.switches += 1
            self._alone += 1
        return time

    def passed(self, running: ScheduledTask) -> None:
        """A step of a lively line has ended at the time last read, and its task can go on."""
        if self._recording:
            self.boundary = time = self.time
            self._trace.write((running.row, YIELDED, time))
        self.arrive(running)

    def settle_asker(self, running: ScheduledTask) -> None:
        """The running step's request has woken somebody and was answered at once: it goes behind."""
        self.over = False
        self.settled += 1
        self.switches += 1
        self.boundary = time = self.time
        if self._recording:
            self._trace.write((running.row, YIELDED, time))
        self.arrive(running)

    def settle_all(self) -> list[ScheduledTask]:
        """All steps of the line were made. Give the tasks that can go on, in order."""
        tasks, settled, period = self.tasks, self.settled, self._period
        self._period = 0
        self.time = time = self._clock()
        if self.lively:
            rest = list(self.along)
            made = len(tasks) - len(rest)
            self.switches += made
            self._lively_lines -= 1
            self._regulate(made, time - self._begun, _PUNCTUAL)
            return rest
        rest = tasks[settled:] if settled or period else tasks
        if self._in_order and self._alone > len(tasks) * _MANY_WAITS:
            self._lively_lines = _LIVELY_LINES
        if not rest:
            # Each of them did something that was timed by itself.
            self._regulate(len(tasks), time - self._begun, _PUNCTUAL)
            return rest
        begun = self.boundary
        self.boundary = time
        self.switches += len(rest)
        self._regulate(len(rest), time - begun, _SHORT)
        if self._recording:
            self._trace.ran(rest, begun, time)
        return rest[-period:] if period else rest

    def _regulate(self, count: int, seconds: float, limit: float) -> None:
        """Let lines be longer or shorter from here on, after `count` steps that took so long."""
        if seconds > limit:
            self.most = max(1, int(count * limit / (2 * seconds)))
        elif seconds < limit / 2:
            self.most = min(2 * self.most, self.longest)

    def enliven(self) -> None:
        """Let the running step, and those after it, be settled one by one, as they end.

        For whoever writes down what happens within a step: its beginning and its end are known exactly then.
        """
        if self.lively:
            return
        self.settle_before()
        # Who was settled is counted already. From here on everybody goes to the queue: there must be an end.
        self.switches -= self.settled
        self.settled = 0
        self.lively = self.attentive = True
        self._lively_lines = _LIVELY_LINES
        self._arrive_at_queue()

    def _calm_down(self) -> None:
        """Make a lively line a calm one that is settled up to the running step."""
        if self.lively:
            self.lively = self.attentive = False
            self.settled = len(self.tasks) - length_hint(self.along) - 1
            self.switches += self.settled

    def cut(self) -> None:
        """Let no more steps follow the running one: who is left goes back to the queue."""
        self.settle_before()
        self._calm_down()
        rest = list(self.along)
        self.tasks = self.tasks[: self.settled + 1]
        self._arrive_at_queue()
        self._arrive_all(rest)

    def ask(self) -> None:
        """Want the run to look up after the running step. Fit for signal handlers and other threads."""
        self.asked = True
        self.attentive = True

    def look_up(self) -> None:
        """Settle what was settled late, so that others can be woken, and read the clock.

        A calm line ends with those who are in it by now, and goes round no more.
        """
        self.asked = False
        self.settle_before()
        self.time = self._clock()
        if not self.lively:
            self.attentive = False
            self._arrive_at_queue()

    def pass_time(self) -> None:
        """Something else than a step took place until now."""
        self.time = self.boundary = self._clock()
