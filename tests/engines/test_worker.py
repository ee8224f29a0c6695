"""What is sent to the worker process, and how."""

from __future__ import annotations

import io

import pytest

from coro_magic.engines import jobs, worker


def namespace(source):
    names = {"__name__": "__main__"}
    exec(source, names)
    return names


def test_functions_that_are_sent_together_share_their_globals():
    names = namespace("n = 0\ndef add():\n    global n\n    n += 1\ndef get():\n    return n")
    there = jobs.unpack(jobs.pack(names, {"add": names["add"], "get": names["get"], "n": 0}))
    there["add"]()
    assert there["get"]() == there["n"] == 1
    assert there["add"].__globals__ is there
    assert names["n"] == 0


def test_what_is_left_out_is_left_out_wherever_it_is_referred_to():
    names = namespace(
        "import threading\nguard = threading.Lock()\nkept = [guard]\ndef f():\n    return guard"
    )
    with pytest.raises(TypeError):
        jobs.pack(names, {"f": names["f"]})
    there = jobs.unpack(jobs.pack(names, {"f": names["f"], "kept": names["kept"]}, [names["guard"]]))
    assert isinstance(there["f"](), jobs.LeftOut) and isinstance(there["kept"][0], jobs.LeftOut)


def test_an_object_that_is_sent_twice_in_one_go_stays_one():
    names = namespace("shared = []\nother = shared")
    there = jobs.unpack(jobs.pack(names, {"shared": names["shared"], "other": names["other"]}))
    assert there["shared"] is there["other"]


def test_messages_come_out_as_they_went_in():
    stream = io.BytesIO()
    for payload in (b"one", b"", b"x" * 100_000):
        worker.write_frame(stream, payload)
    stream.seek(0)
    assert [worker.read_frame(stream) for _ in range(4)] == [b"one", b"", b"x" * 100_000, None]


def test_a_message_that_is_cut_off_is_the_end():
    stream = io.BytesIO()
    worker.write_frame(stream, b"whole")
    assert worker.read_frame(io.BytesIO(stream.getvalue()[:-1])) is None
    assert worker.read_frame(io.BytesIO(stream.getvalue()[:3])) is None


def test_unpacking_needs_nothing_but_what_was_packed():
    there = jobs.unpack(jobs.pack({}, {}))
    assert there["__name__"] == "__main__" and "__builtins__" in there
