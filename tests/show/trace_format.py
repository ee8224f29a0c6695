"""Reads the trace event format as its readers do, and complains about whatever they would drop.

After Google's "Trace Event Format" and Perfetto's importer: events are ordered by time, those of the same
moment as in the file; times become whole nanoseconds by cutting off; slices of one track must nest; a flow
belongs to the slice that was begun last on its track.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

REQUIRED = {
    "X": {"name", "cat", "ts", "dur", "pid", "tid"},
    "i": {"name", "ts", "pid", "tid", "s"},
    "s": {"name", "cat", "id", "ts", "pid", "tid"},
    "f": {"name", "cat", "id", "ts", "pid", "tid", "bp"},
    "C": {"name", "ts", "pid", "args"},
    "M": {"name", "pid", "args"},
}
META = {"process_name": "name", "process_sort_index": "sort_index", "thread_name": "name",
        "thread_sort_index": "sort_index"}  # fmt: skip
TYPES: dict[str, Any] = {
    "name": str, "cat": str, "ph": str, "s": str, "bp": str, "pid": int, "tid": int, "id": int,
    "ts": (int, float), "dur": (int, float), "args": dict,
}  # fmt: skip


@dataclass
class Slice:
    """A slice as a reader knows it; times in nanoseconds."""

    track: str
    name: str
    begin: int
    end: int
    args: dict[str, Any]
    depth: int


@dataclass
class Model:
    """What a reader makes of a trace."""

    slices: list[Slice] = field(default_factory=list)
    flows: list[tuple[Slice, Slice]] = field(default_factory=list)
    instants: list[Slice] = field(default_factory=list)
    counters: list[dict[str, Any]] = field(default_factory=list)
    processes: dict[int, str] = field(default_factory=dict)
    tracks: dict[int, str] = field(default_factory=dict)
    other: dict[str, Any] = field(default_factory=dict)
    events: int = 0

    def on(self, track: str) -> list[Slice]:
        """Give the slices of a track."""
        return [each for each in self.slices if each.track == track]


def nanoseconds(microseconds: float) -> int:
    return int(microseconds * 1000.0)


def checked(event: dict[str, Any]) -> str:
    """Check one event by itself; gives its phase."""
    phase = event.get("ph")
    assert phase in REQUIRED, event
    assert not (missing := REQUIRED[phase] - event.keys()), (missing, event)
    for key, value in event.items():
        assert key in TYPES, event
        assert isinstance(value, TYPES[key]) and not isinstance(value, bool), event
    if "ts" in event:
        assert event["ts"] >= 0, event
    if phase == "X":
        assert event["dur"] >= 0, event
    elif phase == "i":
        assert event["s"] in ("g", "p", "t"), event
    elif phase == "f":
        assert event["bp"] == "e", event
    elif phase == "M":
        assert type(event["args"][META[event["name"]]]) is (int if "sort" in event["name"] else str), event
    elif phase == "C":
        assert event["args"] and all(type(value) in (int, float) for value in event["args"].values()), event
    assert 0 <= event["pid"] < 1 << 32 and 0 <= event.get("tid", 0) < 1 << 32, event
    return str(phase)


def read(text: str) -> Model:
    """Read a trace, and raise AssertionError where a reader would not take something."""
    def no(constant: str) -> None:
        raise AssertionError(f"{constant} is no number of JSON's")

    data = json.loads(text, parse_constant=no)
    assert set(data) == {"displayTimeUnit", "otherData", "traceEvents"}
    assert data["displayTimeUnit"] in ("ms", "ns")
    events = data["traceEvents"]
    model = Model(other=data["otherData"], events=len(events))
    of_process: dict[int, int] = {}
    for event in events:
        if checked(event) != "M":
            continue
        if event["name"] == "process_name":
            assert model.processes.setdefault(event["pid"], event["args"]["name"]) == event["args"]["name"]
        elif event["name"] == "thread_name":
            assert event["tid"] not in model.tracks, "a track is named twice"
            # The name is kept by the number alone.
            assert of_process.setdefault(event["tid"], event["pid"]) == event["pid"]
            model.tracks[event["tid"]] = event["args"]["name"]
    stacks: dict[int, list[Slice]] = {}
    leaving: dict[int, Slice] = {}
    timed = [event for event in events if event["ph"] != "M"]
    for event in sorted(timed, key=lambda event: nanoseconds(event["ts"])):
        phase, moment, track = event["ph"], nanoseconds(event["ts"]), event.get("tid", 0)
        assert event["pid"] in model.processes
        if phase == "C":
            model.counters.append(event)
            continue
        if phase == "i" and event["s"] != "t":
            model.instants.append(Slice("", event["name"], moment, moment, event.get("args", {}), 0))
            continue
        assert track in model.tracks, event
        assert of_process[track] == event["pid"], event
        stack = stacks.setdefault(track, [])
        if phase in "sf":
            # An instant is a slice of no time to Perfetto: the flow would be its, at that moment.
            below = [each for each in stack if each not in model.instants]
            assert below, f"a flow outside every slice: {event}"
            assert below[-1].begin <= moment <= below[-1].end, event
            if phase == "s":
                # To some readers a slice that ends at this moment is over.
                assert moment < below[-1].end or below[-1].begin == below[-1].end, event
                assert event["id"] not in leaving, event
                leaving[event["id"]] = below[-1]
            else:
                # It is gone if the file had it the other way round.
                model.flows.append((leaving.pop(event["id"]), below[-1]))
            continue
        end = moment + nanoseconds(event.get("dur", 0.0))
        while stack and (
            stack[-1].end < moment
            or (stack[-1].end == moment and not (stack[-1].begin == stack[-1].end and moment == end))
        ):
            stack.pop()
        assert not stack or end <= stack[-1].end, f"it sticks out of {stack[-1]}: {event}"
        made = Slice(model.tracks[track], event["name"], moment, end, event.get("args", {}), len(stack))
        if phase == "i":
            model.instants.append(made)
        else:
            # Instants lie on a slice; otherwise one thing at a time.
            assert all(each in model.instants for each in stack), event
            model.slices.append(made)
        stack.append(made)
    assert not leaving, "flows that arrive nowhere"
    return model
