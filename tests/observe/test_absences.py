"""Echoes to a node that was lost meanwhile are no loss of a link."""

from __future__ import annotations

from datetime import UTC, datetime
from ipaddress import IPv4Address

import pytest

from fleetctl.config import load_text
from fleetctl.model.facts import NetworkFacts, NodeFacts
from fleetctl.model.network import EchoRound
from fleetctl.observe.absences import Absences
from fleetctl.probes.asked.echoes import SLOT_S, SLOTS
from tests.health.facts import facts

_NODES = "".join(
    f"  {name}: {{ssh: {{host: 10.1.0.{i}}}, addresses: {{lan: 10.1.0.{i}}}}}\n"
    for i, name in enumerate("abc", 1)
)
_LAN = "{lan: {cidr: 10.1.0.0/24, control: true}}"
FLEET = load_text(f"fleet: home\nnetworks: {_LAN}\nnodes:\n{_NODES}", "nodes.yaml")
B, C = (FLEET.nodes[name].addresses["lan"] for name in "bc")


class Clock:
    """Of the watch, in stretches of time."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.slot = 100
        monkeypatch.setattr("time.monotonic", lambda: self.slot * SLOT_S + 1.0)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def seen(*slots: int) -> NodeFacts:
    """Of node a: each stretch has lost some echoes to both of the others."""
    rounds: dict[IPv4Address, tuple[EchoRound, ...]] = {
        to: tuple(EchoRound(slot, 10, 8) for slot in slots) for to in (B, C)
    }
    return facts(measured_at=datetime.now(UTC), network=NetworkFacts(rounds=rounds))


def left(absences: Absences, *slots: int) -> dict[IPv4Address, list[int]]:
    found = absences.without(FLEET, seen(*slots)).network.rounds
    return {to: [r.slot for r in rounds] for to, rounds in found.items()}


def test_what_was_sent_while_it_was_lost_is_left_out_once_it_is_heard(clock: Clock) -> None:
    absences = Absences()
    for name in "abc":
        absences.heard(name)
    clock.slot = 102
    absences.lost("b")
    assert left(absences, 100, 101, 102) == {B: [100, 101, 102], C: [100, 101, 102]}
    clock.slot = 103
    absences.heard("b")
    slots = range(99, 106)
    assert left(absences, *slots) == {B: [99, 104, 105], C: [*slots]}
    clock.slot += SLOTS + 1
    absences.heard("b")
    again = seen(*slots)
    assert absences.without(FLEET, again) is again  # what is left out is out of the window


def test_of_one_that_was_never_heard_nothing_before_counts(clock: Clock) -> None:
    absences = Absences()
    absences.lost("b")
    clock.slot = 103
    absences.heard("b")
    assert left(absences, 98, 103, 104) == {B: [104], C: [98, 103, 104]}


def test_of_one_that_was_never_lost_all_counts(clock: Clock) -> None:
    absences = Absences()
    for clock.slot in range(100, 110):
        absences.heard("b")
    told = seen(100, 105)
    assert absences.without(FLEET, told) is told
