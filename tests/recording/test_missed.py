"""What nodes noted is entered where nobody watched, and only there."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from fleetctl.health.past import past_events
from fleetctl.history.store import Store
from fleetctl.model.events import Actor, Event
from fleetctl.model.node_status import SSHStatus
from fleetctl.model.samples import Sample, Series
from fleetctl.model.status import FleetStatus
from fleetctl.probes.past import read_past
from fleetctl.recording.missed import Missed, enter_past
from tests.health.test_unexplained import CLUSTER
from tests.health.world import World

NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)
NOON_S = int(NOON.timestamp())
STATUS = World(CLUSTER).check().status
AHEAD_S = 90


def line(what: str, s: int, restarts: int = 0, code: str = "-", *, up: str = "-") -> str:
    """As the supervisor of a node writes it whose clock is ahead."""
    at = NOON_S + s + AHEAD_S
    return f"train/worker@pi4:{what} {at} ab12 {restarts} {code} {up} boot-1 ."


def entered(store: Store, *lines: str) -> list[tuple[int, str]]:
    """What of a node's answer is kept: seconds after noon, and the text."""
    events = past_events("pi4", read_past("\n".join(lines)), AHEAD_S)
    kept = enter_past(store, list(events))
    return [(round((e.at - NOON).total_seconds()), e.text) for e in kept]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store("test", tmp_path / "history.sqlite3")


def watched(store: Store, seconds: Sequence[int]) -> None:
    ready = Series("instance", "train/worker@pi4", "ready")
    reachable = Series("node", "pi4", "reachable")
    for s in seconds:
        samples = [Sample(ready, 1.0), Sample(reachable, 1.0)]
        store.add(NOON_S + s, samples, watched_from_s=NOON_S)


def test_what_a_controller_asked_for_is_a_part_of_that(store: Store) -> None:
    by = Actor("ann", "laptop", "fleetctl start")

    def action(kind: str, s: int, until: int, name: str = "worker@pi4") -> Event:
        at, end = (NOON + timedelta(seconds=x) for x in (s, until))
        return Event(
            at, "ok", kind, "action", "train", job="train", by=by, until=end, key=f"{kind} {name}",
            affects=("pi4", name), action=kind,
        )  # fmt: skip

    others = action("start", 395, 405, "worker@pi5")
    store.add_events([action("start", -1, 3), action("stop", 298, 302), others])
    ended = line("end", 100, 0, "3"), line("start", 101, 1), line("end", 300, 1, "130")
    told = [line("start", 0), *ended, line("start", 400)]
    events = past_events("pi4", read_past("\n".join(told)), AHEAD_S)
    kept = enter_past(store, list(events))
    parts = [(round((e.at - NOON).total_seconds()), e.part_of, e.by) for e in kept]
    assert parts == [
        (0, "start worker@pi4", by),
        (100, "", None),
        (101, "", None),
        (300, "stop worker@pi4", by),
        (400, "", None),
    ]


def test_it_has_its_own_time_by_the_controllers_clock(store: Store) -> None:
    told = [line("start", 0), line("end", 100, 0, "3"), line("start", 101, 1)]
    assert entered(store, *told) == [
        (0, "worker@pi4 was started"),
        (100, "worker@pi4 ended with exit code 3"),
        (101, "worker@pi4 was started again, restart 1"),
    ]
    assert entered(store, *told)  # asked once more
    assert [event.cause for event in store.events(NOON)] == ["", "exit code 3", ""]


def test_what_was_seen_as_it_happened_is_not_entered_twice(store: Store) -> None:
    watched(store, range(0, 200, 10))
    watched(store, range(1000, 1100, 10))
    told = [line("end", s, n, "1") for n, s in enumerate((50, 150, 195, 600, 1050))]
    assert [s for s, _ in entered(store, *told)] == [195, 600]


def test_a_boot_is_entered_once(store: Store) -> None:
    boot = f"boot:50.0 {NOON_S + AHEAD_S} 3c71"
    assert entered(store, boot) == [(-50, "pi4 was booted")]
    entered(store, f"boot:60.5 {NOON_S + AHEAD_S + 10} 3c71")
    assert len(store.events(NOON - timedelta(hours=1))) == 1
    mac = f"boottime:{{ sec = {NOON_S - 500 + AHEAD_S}, usec = 12 }} Sun Nov  1 11:53:10 2026"
    assert entered(store, mac) == [(-500, "pi4 was booted")]


def test_times_of_the_present_boot_are_counted_back(store: Store) -> None:
    """A Raspberry Pi begins with the clock of its last hour."""
    boot = f"boot:1000.0 {NOON_S + AHEAD_S} boot-1"
    assert (-900, "worker@pi4 was started") in entered(
        store, boot, line("start", -5_000_000, up="100.0")
    )


@pytest.mark.parametrize(
    "torn",
    [
        line("end", 10, 0, "3")[:-2],
        line("end", 10, 0, "3")[:30],
        "train/worker@pi4:",
        "train/worker@pi4:end 99999999999999999999 ab12 0 3 - boot .",
        "boot:x y z",
        "boottime:",
        "",
    ],
)
def test_torn_lines_are_left_out(store: Store, torn: str) -> None:
    assert entered(store, torn, line("start", 20)) == [(20, "worker@pi4 was started")]
    glued = line("end", 10, 0, "3")[:40] + line("start", 21).partition(":")[2]
    assert entered(store, glued) == [(21, "worker@pi4 was started")]


def at(seconds: int, *lost: str) -> FleetStatus:
    nodes = {
        name: replace(node, ssh=SSHStatus(name not in lost)) for name, node in STATUS.nodes.items()
    }
    return replace(STATUS, nodes=nodes, generated_at=NOON + timedelta(seconds=seconds))


def test_nodes_are_asked_when_the_watch_begins_and_when_they_are_back(store: Store) -> None:
    watched(store, [-4000])
    missed = Missed(store)
    first = missed.take(at(0, "mini1"))
    assert first.keys() == STATUS.nodes.keys() - {"mini1"}
    assert -4600 <= (first["pi4"] - NOON).total_seconds() <= -4000
    assert missed.take(at(2, "mini1")) == {}
    assert missed.take(at(4)).keys() == {"mini1"}
    assert missed.take(at(6, "pi4")) == {}
    assert missed.take(at(8, "pi4")) == {}
    assert missed.take(at(10)) == {"pi4": NOON + timedelta(seconds=4)}
    assert missed.take(at(12)) == {}
    slept = missed.take(at(5000))
    assert slept == dict.fromkeys(STATUS.nodes, NOON + timedelta(seconds=12))
    missed.again({"pi4": slept["pi4"]})
    assert missed.take(at(5002)) == {"pi4": slept["pi4"]}
