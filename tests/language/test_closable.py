"""What a channel is on threads, by a single thread where that is possible: then there is no race to win."""

from __future__ import annotations

import threading
from concurrent.futures import Future

import pytest

from coro_magic.language.closable import ClosableQueue
from coro_magic.language.errors import ChannelClosed

LONG = 60.0  # seconds: nobody waits for so long


def until(condition: threading.Event, true: object) -> None:
    """Look until something is true, which another thread sees to."""
    for _ in range(int(LONG / 0.001)):
        if true():  # type: ignore[operator]
            return
        condition.wait(0.001)
    raise AssertionError("it did not come to that")


def test_who_gives_up_a_rendezvous_takes_its_own_item_back_and_no_other() -> None:
    queue, over = ClosableQueue(0), threading.Event()
    ended: Future[str] = Future()

    def giver() -> None:
        try:
            queue.give("held out", None)
            ended.set_result("taken")
        except ChannelClosed:
            ended.set_result("closed")

    thread = threading.Thread(target=giver, daemon=True)
    thread.start()
    until(over, lambda: len(queue.items) == 1)
    # As if two had been waiting to take when the second came, and had not had their turn yet.
    queue.takers += 2
    assert queue.try_give("promised")
    queue.takers -= 2
    queue.close()
    thread.join(LONG)
    assert ended.result(0) == "closed"
    assert queue.try_take() == (True, "promised")
    with pytest.raises(ChannelClosed):
        queue.try_take()
