"""What the views of the past are drawn from."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from fleetctl.model.events import Event
from fleetctl.model.samples import Point, Sample, Series
from fleetctl.tui.lanes import lanes
from fleetctl.tui.links import Link, bars
from fleetctl.tui.past.axis import Cell, time_axis
from fleetctl.tui.past.memory import STEP_S, Memory
from fleetctl.tui.past.stretch import Stretch
from fleetctl.tui.screens.past import fitting
from tests.tui.fleets import JOB, fleet_of


def plain(cells: list[Cell] | tuple[Cell, ...]) -> str:
    return "".join(symbol for symbol, _ in cells)


def test_memory_is_bounded_and_keeps_the_newest() -> None:
    memory = Memory(looks=3, most_series=2)
    names = [Series("node", f"n{i}", "load1") for i in range(3)]
    for look in range(5):
        assert memory.due(look * STEP_S)
        memory.take(look * STEP_S, [Sample(s, look + 0.5) for s in names[: look + 1]])
        assert not memory.due(look * STEP_S + 1)
    assert memory.due(0), "a clock that was set back"
    found = memory.points(0, 1000, {"node": ("load1",)})
    assert [p.mean for p in found[names[0]]] == [2.5, 3.5, 4.5]
    assert set(found) == set(names[:2])
    assert memory.points(0, 1000, {"link": ("rtt_ms",)}) == {}
    assert memory.points(1000, 2000, {"node": ("load1",)}) == {}


def test_memory_has_the_worst_loss_between_two_looks_that_it_holds() -> None:
    memory = Memory()
    loss, rtt, later = (Series("link", "a:b/net", m) for m in ("loss_percent", "rtt_ms", "jitter"))
    memory.take(0.0, [Sample(loss, 0.0), Sample(rtt, 1.0)])
    for value in (100.0, 2.0):
        memory.add([Sample(loss, value), Sample(rtt, 9.0), Sample(later, 1.0)])
    memory.take(STEP_S, [Sample(rtt, 2.0)])
    memory.add([Sample(loss, 3.0)])
    found = memory.points(0, 100, {"link": ("rtt_ms", "loss_percent")})
    assert [p.mean for p in found[rtt]] == [1.0, 2.0]
    assert [(p.at_s, p.mean) for p in found[loss]] == [(0.0, 100.0), (STEP_S, 3.0)]


def points(values: dict[int, float]) -> list[Point]:
    return [Point(at, 10.0, 1, value, value, value) for at, value in values.items()]


def test_the_bars_of_a_link_tell_lost_from_lossy_and_from_not_known() -> None:
    link = Link(
        ("a", "b", "net"),
        ("a", "b"),
        False,
        1.0,
        1.0,
        points({0: 1.0, 10: 1.0, 30: 1.0, 60: 9.0}),
        (),
        points({0: 0.0, 10: 20.0, 20: 100.0, 30: 1.0, 60: 2.0}),
        None,
        False,
    )
    assert bars(link, 0.0, 70.0, 7).plain == "▂x ▂··█"
    assert link.was_lost
    assert link.was_lossy


def test_lanes_fold_what_was_well_and_keep_what_was_not() -> None:
    fleet = fleet_of(200)
    job = fleet.jobs[JOB]
    found = {
        Series("node", name, "reachable"): points(dict.fromkeys(range(0, 100, 10), 1.0))
        for name in fleet.nodes
    }
    found[Series("node", "n150", "reachable")] = points({0: 1.0, 10: 0.0, 20: 1.0})
    found[Series("job", JOB, "steps_per_s")] = points({0: 4.0, 10: 0.0, 20: 2.0})

    def event(at: int, text: str, **more: object) -> Event:
        return Event(datetime.fromtimestamp(at, UTC), "error", text, **more)  # type: ignore[arg-type]

    until = datetime.fromtimestamp(39, UTC)
    events = [
        event(10, "out", kind="problem", node="n150", code="interface-down", until=until),
        event(90, "on", kind="problem", node="n7", code="disk-full"),
        event(50, "stop, all", kind="action", action="stop"),
    ]
    drawn = lanes(fleet, job, Stretch(0.0, 100.0, found), events, 10, 8)
    assert {lane.label: plain(tuple(lane.cells)) for lane in drawn} == {
        "interface-down n150": " ✖━━      ",
        "disk-full n7": "         ✖",
        "ssh n150": "━✖━       ",
        "ssh 199 more nodes": "━" * 10,
        f"{JOB} steps/s": "█▁▅       ",
        "actions": "     x    ",
    }


@pytest.mark.parametrize(
    ("ago_s", "event_s", "span_s"),
    [(50, None, 600), (599, None, 600), (601, None, 1800), (50, 1700, 1800), (7100, None, 7200),
     (50, 90_000, 600), (7250, None, 7200), (None, None, 7200)],
)  # fmt: skip
def test_as_much_is_shown_at_first_as_is_known(
    ago_s: int | None, event_s: int | None, span_s: int
) -> None:
    """Two hours were read. What goes on since before them says nothing of when it began."""
    now_s = 1_000_000
    known = {} if ago_s is None else {Series("node", "n", "load1"): points({now_s - ago_s: 1.0})}
    at = None if event_s is None else datetime.fromtimestamp(now_s - event_s, UTC)
    events = [Event(at, "info", "n was booted", "node", "n", "n")] if at else []
    assert fitting(Stretch(now_s - 7200, now_s, known, events)) == span_s


def test_the_axis_fits() -> None:
    for width in (5, 12, 20, 61):
        assert len(time_axis(Stretch(0.0, 7200.0), width)) <= max(width, 10)
