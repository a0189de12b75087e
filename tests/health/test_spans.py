"""A problem is kept from when to when it was there."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from msgspec.structs import replace

from fleetctl.health.assess import Checked
from fleetctl.health.changes import changes
from fleetctl.health.spans import Spans
from fleetctl.history.store import Store
from fleetctl.model.status import FleetStatus
from fleetctl.recording import Recorder
from fleetctl.undertakings import Snapshot
from tests.health.test_changes import Fault, cable_out, no_forwarding, powered_off
from tests.health.test_unexplained import CLUSTER
from tests.health.world import World

NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)


def seen(minute: int, fault: Fault | None = None) -> FleetStatus:
    return checked(minute, fault).status


def checked(minute: int, fault: Fault | None = None) -> Checked:
    world = World(CLUSTER)
    if fault:
        fault(world)
    found = world.check()
    at = NOON + timedelta(minutes=minute)
    return replace(found, status=replace(found.status, generated_at=at))


def kept(*statuses: FleetStatus, spans: Spans | None = None) -> list[tuple[str, int, int | None]]:
    """Code, begin and end in minutes of each problem."""
    spans, before = spans or Spans(), None
    found = {}
    for status in statuses:
        new = tuple(changes(before, status)) if before else ()
        spans, changed = spans.after(status, new)
        found.update({(e.code, e.at): e for e in changed if e.state != "ok" and e.code})
        before = status

    def minute(at: datetime) -> int:
        return round((at - NOON).total_seconds() / 60)

    return [(e.code, minute(e.at), minute(e.until) if e.until else None) for e in found.values()]


def test_a_problem_has_its_begin_and_its_end() -> None:
    begun = kept(seen(0), seen(1, no_forwarding))
    assert begun == [("forwarding-off", 1, None)]
    assert kept(seen(0), seen(1, no_forwarding), seen(5)) == [("forwarding-off", 1, 5)]


def test_one_that_was_there_before_the_watch_begins_with_it() -> None:
    assert kept(seen(3, no_forwarding), seen(4)) == [("forwarding-off", 3, 4)]


def test_one_whose_node_is_lost_goes_on() -> None:
    def both(world: World) -> None:
        no_forwarding(world)
        world.hosts["mini3"].powered = False

    found = kept(seen(0, no_forwarding), seen(1, both), seen(2, no_forwarding), seen(3))
    assert ("forwarding-off", 0, 3) in found
    assert [code for code, *_ in found].count("forwarding-off") == 1


def test_what_is_known_better_is_over_when_its_node_is_heard() -> None:
    found = {code: until for code, _, until in kept(seen(0, powered_off), seen(1, cable_out))}
    assert found["interface-down"] is None
    assert all(until == 1 for code, until in found.items() if code.startswith("ssh-"))


def test_the_next_watch_ends_what_an_earlier_one_began(tmp_path: Path) -> None:
    store = Store("test", tmp_path / "history.sqlite3")
    first = Recorder(store)
    for one in (checked(0), checked(1, no_forwarding)):
        first.take(Snapshot(one, {}))
    second = Recorder(store)
    second.take(Snapshot(checked(60, no_forwarding), {}))
    second.take(Snapshot(checked(61), {}))
    problems = [e for e in store.events(NOON) if e.code and e.state != "ok"]
    assert [(e.code, e.at, e.until) for e in problems] == [
        ("forwarding-off", NOON + timedelta(minutes=1), NOON + timedelta(minutes=61))
    ]
