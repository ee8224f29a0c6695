"""A scheduler that is simple enough to be right: one deque, no lines, no greenlets.

Programs are generators that yield tuples. `play` runs them on the reference, `perform` on the real
scheduler; both write the same kind of log.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterator
from typing import Any

from coro_magic.language import (
    Cancelled,
    Channel,
    ChannelClosed,
    Semaphore,
    State,
    gather,
    select,
    sleep,
    spawn,
    timeout,
)

from .runs import run

Op = tuple[Any, ...]
CAUGHT = (Cancelled, ChannelClosed, TimeoutError, Exception)


def program(name: str, ops: list[Op], log: list[Any], swallows: bool) -> Iterator[Op]:
    """A coroutine's life, in terms that both schedulers understand."""
    for number, op in enumerate(ops):
        if op[0] == "raise":
            raise ValueError(name)
        try:
            value = yield op
        except GeneratorExit:
            raise
        except BaseException as error:
            log.append((name, number, type(error).__name__))
            if isinstance(error, Cancelled) and not swallows:
                raise
        else:
            log.append((name, number, value))
    return name


class Node:
    """A task of the reference."""

    def __init__(self, program: Iterator[Op]) -> None:
        self.program = program
        self.answer: Any = ("next", None)
        self.waits: Wait | None = None
        self.overdue: BaseException | None = None
        self.limit: Any = None
        self.state: State | None = None
        self.value: Any = None
        self.joiners: list[Wait] = []


class Wait:
    """Somebody's wait for something, or one arm of it."""

    def __init__(self, node: Node, whole: Wait | None = None, index: int = 0) -> None:
        self.node, self.whole, self.index = node, whole, index
        self.alive = True
        self.arms: list[Wait] = []
        self.values: list[Any] = []
        self.kind = ""
        self.item: Any = None

    def kill(self) -> None:
        self.alive = False
        for arm in self.arms:
            arm.kill()


class Reference:
    def __init__(self, channels: int, permits: int) -> None:
        self.ready: deque[Node] = deque()
        self.timers: list[Any] = []
        self.order = 0
        self.time = 0
        self.nodes: list[Node] = []
        self.capacity = list(range(channels))
        self.items: list[deque[Any]] = [deque() for _ in range(channels)]
        self.getters: list[list[Wait]] = [[] for _ in range(channels)]
        self.putters: list[list[Wait]] = [[] for _ in range(channels)]
        self.closed = [False] * channels
        self.permits = permits
        self.acquirers: list[Wait] = []

    # The loop.

    def spawn(self, program: Iterator[Op]) -> None:
        node = Node(program)
        self.nodes.append(node)
        self.ready.append(node)

    def go(self) -> None:
        while True:
            while self.ready:
                self.step(self.ready.popleft())
            timers = [entry for entry in self.timers if entry[2].alive]
            heapq.heapify(timers)
            self.timers = timers
            if not timers or all(node.state is not None for node in self.nodes):
                return
            self.time = timers[0][0]
            while self.timers and self.timers[0][0] <= self.time:
                wait = heapq.heappop(self.timers)[2]
                if wait.alive:
                    if wait.kind == "limit":
                        self.interrupt(wait.node, TimeoutError())
                    else:
                        self.done(wait, None)

    def step(self, node: Node) -> None:
        how, value = node.answer
        node.answer = ("next", None)
        try:
            while True:
                make = node.program.throw if how == "throw" else node.program.send  # type: ignore[attr-defined]
                op = make(value)
                if node.limit is not None:
                    node.limit.alive = False
                    node.limit = None
                    if isinstance(node.overdue, TimeoutError):
                        node.overdue = None
                if not self.at_once(node, op):
                    break
                how, value = "send", None
        except StopIteration as stop:
            self.end(node, State.DONE, stop.value)
        except Cancelled:
            self.end(node, State.CANCELLED, None)
        except ValueError as error:
            self.end(node, State.FAILED, error)
        else:
            if node.overdue is not None:
                node.answer, node.overdue = ("throw", node.overdue), None
                self.ready.append(node)
                return
            wait = Wait(node)
            node.waits = wait
            if op[0] == "limited":
                node.limit = Wait(node)
                node.limit.kind = "limit"
                self.at(op[1], node.limit)
                op = op[2]
            self.begin(wait, op)

    def end(self, node: Node, state: State, value: Any) -> None:
        node.state, node.value = state, value
        for wait in node.joiners:
            if wait.alive:
                self.tell(wait, node)

    def tell(self, wait: Wait, node: Node) -> None:
        if node.state is State.DONE:
            self.done(wait, node.value)
        else:
            self.failed(wait, node.value if node.state is State.FAILED else CancelledError())

    def at(self, seconds: int, wait: Wait) -> None:
        self.order += 1
        heapq.heappush(self.timers, (self.time + seconds, self.order, wait))

    # What a coroutine does without letting others run.

    def at_once(self, node: Node, op: Op) -> bool:
        if op[0] == "spawn":
            self.spawn(op[1]())
        elif op[0] == "close":
            channel = op[1]
            self.closed[channel] = True
            waiting = self.getters[channel] + self.putters[channel]
            self.getters[channel], self.putters[channel] = [], []
            for wait in waiting:
                if wait.alive:
                    self.failed(wait, ChannelClosed())
        elif op[0] == "release":
            for wait in self.acquirers:
                if wait.alive:
                    self.acquirers.remove(wait)
                    self.done(wait, "permit")
                    break
            else:
                self.permits += 1
        elif op[0] == "cancel":
            other = self.nodes[op[1] % len(self.nodes)]
            self.interrupt(other, Cancelled())
        else:
            return False
        return True

    def interrupt(self, node: Node, error: BaseException) -> None:
        if node.state is not None:
            return
        if node.waits is not None:
            node.waits.kill()
            node.waits = None
            node.answer = ("throw", error)
            self.ready.append(node)
        elif isinstance(node.overdue, Cancelled) or isinstance(node.answer[1], Cancelled):
            pass
        elif node in self.ready and node.answer[0] == "next":
            node.answer = ("throw", error)
        else:
            node.overdue = error

    # What it waits for.

    def begin(self, wait: Wait, op: Op) -> None:
        kind = op[0]
        if kind in ("yield", "item"):
            self.answered(wait, None)
        elif kind == "sleep":
            if op[1] == 0:
                self.answered(wait, None)
            else:
                self.at(op[1], wait)
        elif kind == "get":
            self.get(wait, op[1])
        elif kind == "put":
            self.put(wait, op[1], op[2])
        elif kind == "acquire":
            if self.permits:
                self.permits -= 1
                self.answered(wait, "permit")
            else:
                self.acquirers.append(wait)
        elif kind == "join":
            node = self.nodes[op[1] % len(self.nodes)]
            if node.state is not None:
                self.tell_at_once(wait, node)
            elif node is wait.node and wait.whole is None:
                self.refused(wait, RuntimeError())
            else:
                node.joiners.append(wait)
        else:
            wait.kind = kind
            wait.values = [None] * (len(op) - 1)
            left = []
            for index, inner in enumerate(op[1:]):
                arm = Wait(wait.node, wait, index)
                wait.arms.append(arm)
                left.append(arm)
                self.begin(arm, inner)
                if not wait.alive:
                    return

    def get(self, wait: Wait, channel: int) -> None:
        items = self.items[channel]
        putter = next((w for w in self.putters[channel] if w.alive), None)
        if items:
            item = items.popleft()
            if putter is not None:
                items.append(putter.item)
        elif putter is not None:
            item = putter.item
        elif self.closed[channel]:
            self.refused(wait, ChannelClosed())
            return
        else:
            self.getters[channel].append(wait)
            return
        if putter is not None:
            self.putters[channel].remove(putter)
            self.done(putter, None)
        self.answered(wait, item)

    def put(self, wait: Wait, channel: int, item: Any) -> None:
        wait.item = item
        getter = next((w for w in self.getters[channel] if w.alive), None)
        if self.closed[channel]:
            self.refused(wait, ChannelClosed())
        elif getter is not None:
            self.getters[channel].remove(getter)
            self.done(getter, item)
            self.answered(wait, None)
        elif len(self.items[channel]) < self.capacity[channel]:
            self.items[channel].append(item)
            self.answered(wait, None)
        else:
            self.putters[channel].append(wait)

    def tell_at_once(self, wait: Wait, node: Node) -> None:
        if node.state is State.DONE:
            self.answered(wait, node.value)
        else:
            self.refused(wait, node.value if node.state is State.FAILED else CancelledError())

    # How a wait ends. At once or later makes no difference here: the back of the queue it is.

    def answered(self, wait: Wait, value: Any) -> None:
        self.done(wait, value)

    def refused(self, wait: Wait, error: BaseException) -> None:
        self.failed(wait, error)

    def done(self, wait: Wait, value: Any) -> None:
        if not wait.alive:
            return
        wait.alive = False
        whole = wait.whole
        if whole is None:
            wait.node.waits = None
            wait.node.answer = ("send" if value is not None else "next", value)
            self.ready.append(wait.node)
        elif whole.kind == "select":
            whole.kill_arms_and_finish = True  # type: ignore[attr-defined]
            for arm in whole.arms:
                arm.kill()
            self.done(whole, (wait.index, value))
        else:
            whole.values[wait.index] = value
            if len(whole.arms) == len(whole.values) and not any(arm.alive for arm in whole.arms):
                self.done(whole, list(whole.values))

    def failed(self, wait: Wait, error: BaseException) -> None:
        if not wait.alive:
            return
        wait.kill()
        if wait.whole is not None:
            self.failed(wait.whole, error)
            return
        wait.node.waits = None
        wait.node.answer = ("throw", error)
        self.ready.append(wait.node)


class CancelledError(Exception):
    pass


# The same programs on the real scheduler.


class World:
    """The real counterparts of what programs speak of."""

    def __init__(self, channels: int, permits: int) -> None:
        self.channels: list[Channel[Any]] = [Channel(capacity) for capacity in range(channels)]
        self.semaphore = Semaphore(permits)
        self.tasks: list[Any] = []

    def spawn(self, program: Any) -> None:
        self.tasks.append(spawn(self.drive(program), name="t"))

    def request(self, op: Op) -> Any:
        kind = op[0]
        if kind == "sleep":
            return sleep(op[1])
        if kind == "get":
            return self.channels[op[1]].get()
        if kind == "put":
            return self.channels[op[1]].put(op[2])
        if kind == "acquire":
            return self.semaphore.acquire()
        if kind == "join":
            return self.tasks[op[1] % len(self.tasks)].as_request()
        return (gather if kind == "gather" else select)(*map(self.request, op[1:]))

    def at_once(self, op: Op) -> bool:
        if op[0] == "spawn":
            self.spawn(op[1]())
        elif op[0] == "close":
            self.channels[op[1]].close()
        elif op[0] == "release":
            self.semaphore.release()
        elif op[0] == "cancel":
            self.tasks[op[1] % len(self.tasks)].cancel()
        else:
            return False
        return True

    def drive(self, program: Any) -> Any:
        send, value = program.send, None
        while True:
            try:
                op = send(value)
                send = program.send
            except StopIteration as stop:
                return stop.value
            try:
                if self.at_once(op):
                    value = None
                    continue
                if op[0] == "limited":
                    with timeout(op[1]):
                        value = plain((yield self.request(op[2])))
                elif op[0] == "yield":
                    value = yield
                elif op[0] == "item":
                    value = yield 7
                else:
                    value = plain((yield self.request(op)))
            except GeneratorExit:
                raise
            except BaseException as error:
                send, value = program.throw, error


def plain(value: Any) -> Any:
    """Give a value as the reference gives it."""
    if isinstance(value, Semaphore):
        return "permit"
    if isinstance(value, tuple) and len(value) == 2:
        return (value[0], plain(value[1]))
    return [plain(each) for each in value] if isinstance(value, list) else value


def play(programs: list[list[Op]], swallows: bool, channels: int = 3, permits: int = 1) -> Any:
    """Run programs on the reference. Gives the log, and how each task ended (None: it did not)."""
    log: list[Any] = []
    world = Reference(channels, permits)
    for make in makers(programs, log, swallows):
        world.spawn(make())
    world.go()
    return log, [node.state for node in world.nodes]


def perform(
    programs: list[list[Op]], swallows: bool, channels: int = 3, permits: int = 1, **options: Any
) -> Any:
    """Run programs on the real scheduler. Gives what `play` gives, and the scheduler."""
    log: list[Any] = []
    world = World(channels, permits)

    def body() -> Iterator[None]:
        for make in makers(programs, log, swallows):
            world.spawn(make())
        return
        yield

    scheduler = run(body, **options)
    ended = [
        None if task.state is State.LEFT_OVER or task._error is not None
        and task._error is scheduler.deadlock else task.state
        for task in world.tasks
    ]  # fmt: skip
    return log, ended, scheduler


def makers(programs: list[list[Op]], log: list[Any], swallows: bool) -> Any:
    """Give functions that make the programs. ``("spawn", ops)`` becomes one inside of them."""
    names = iter(range(10**9))

    def prepared(ops: list[Op]) -> list[Op]:
        return [("spawn", maker(op[1])) if op[0] == "spawn" else op for op in ops]

    def maker(ops: list[Op]) -> Any:
        return lambda: program(f"p{next(names)}", prepared(ops), log, swallows)

    return [maker(ops) for ops in programs]
