"""A coroutine that was not started is kept as the call that made it."""

from __future__ import annotations

import functools
import pickle

import pytest

from coro_magic.engines.calls import Calls, call_of


def several(a, b=2, *more, c, d=4, **named):
    yield a, b, more, c, d, named


def posonly(a, /, b):
    yield a, b


async def native(a):
    return a


class Thing:
    def __init__(self, n):
        self.n = n

    def method(self, k):
        yield self.n, k

    @classmethod
    def made(cls, k):
        yield cls.__name__, k

    @staticmethod
    def fixed(k):
        yield k

    def deep(self, k):
        return super().__repr__()[:0] + str(k)

    def with_super(self):
        yield super().__init__ is not None


def closed_over(n):
    m = n + 1

    def inner(k):
        yield n, m, k

    return inner(5)


def mutual():
    """A closure over a variable that is bound only later."""

    def inner():
        yield later

    made = inner()
    later = "bound"
    return made


@pytest.mark.parametrize("make", [
    lambda: several(1, c=3), lambda: several(1, 2, 3, 4, c=5, d=6, e=7), lambda: posonly(1, b=2),
    lambda: Thing(3).method(4), lambda: Thing.made(5), lambda: Thing.fixed(6), lambda: Thing(1).with_super(),
    lambda: closed_over(1), mutual, lambda: functools.partial(several, 1, c=2)(),
])  # fmt: skip
def test_the_call_makes_one_that_gives_the_same(make):
    call = call_of(make())
    assert list(call.function(*call.args, **call.kwargs)) == list(make())


def test_a_native_coroutine_is_made_again():
    one = native(7)
    call = call_of(one)
    one.close()
    again = call.function(*call.args)
    with pytest.raises(StopIteration) as stop:
        again.send(None)
    assert stop.value.value == 7


def test_it_can_be_done_many_times():
    call = call_of(several(1, c=2))
    assert [list(call.function(*call.args, **call.kwargs)) for _ in range(2)] == [list(several(1, c=2))] * 2


def test_a_function_is_its_own_call():
    assert call_of(several).function is several


def test_coroutines_that_share_a_variable_share_it_in_the_copy():
    n = 0

    def count():
        nonlocal n
        for _ in range(3):
            n += 1
            yield
        return n

    calls = [call_of(count()), call_of(count())]
    cells = [call.function.__closure__[call.function.__code__.co_freevars.index("n")] for call in calls]
    assert cells[0] is cells[1]
    carried = pickle.loads(Calls(tuple(calls)).frozen().pickled)
    for _ in zip(*(call.function() for call in carried.calls), strict=True):
        pass
    assert carried.calls[0].function.__closure__[0].cell_contents == 6 and n == 0


def test_methods_that_share_their_class_s_cell_stay_methods():
    class Base:
        def of(self):
            return 1

    class Over(Base):
        def of(self):
            return 1 + super().of()

    carried = pickle.loads(Calls(tuple(call_of(each.of) for each in (Over(), Over()))).frozen().pickled)
    assert [call.function() for call in carried.calls] == [2, 2]
