"""What changed is told once: what is over by name, and only if that is known."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from fleetctl.health.changes import changes
from fleetctl.model.status import FleetStatus
from tests.health.test_unexplained import CLUSTER
from tests.health.world import World

Fault = Callable[[World], object]


def seen(fault: Fault | None = None) -> FleetStatus:
    world = World(CLUSTER)
    if fault:
        fault(world)
    return world.check().status


def told(before: FleetStatus, after: FleetStatus) -> list[tuple[str, str]]:
    return [(change.state, change.text) for change in changes(before, after)]


def no_forwarding(world: World) -> None:
    world.hosts["mini3"].forwarding = False


def cable_out(world: World) -> None:
    world.hosts["pi4"].carrier["edge51"] = False


def powered_off(world: World) -> None:
    world.hosts["pi4"].powered = False


def test_what_is_over_is_named_with_its_node() -> None:
    assert told(seen(no_forwarding), seen()) == [("ok", "mini3: forwarding-off is over")]


def test_what_is_no_longer_seen_because_its_node_is_lost_is_not_over() -> None:
    def both(world: World) -> None:
        no_forwarding(world)
        world.hosts["mini3"].powered = False

    texts = [text for _, text in told(seen(no_forwarding), seen(both))]
    assert any("mini3 cannot be reached" in text for text in texts)
    assert not any("is over" in text for text in texts)


def test_a_cause_that_is_known_better_is_one_change() -> None:
    """First the node is silent, then the other end of its cable tells why."""
    before, after = seen(powered_off), seen(cable_out)
    assert {p.code for p in before.problems} & {"ssh-unreachable", "ssh-timeout"}
    texts = [text for _, text in told(before, after)]
    [new] = [text for text in texts if text.startswith("interface-down")]
    assert new.endswith(("(before: pi4: ssh-timeout)", "(before: pi4: ssh-unreachable)"))
    assert not any("is over" in text for text in texts)


def test_what_is_over_beside_something_else_that_is_new_is_over() -> None:
    texts = [text for _, text in told(seen(no_forwarding), seen(cable_out))]
    assert "mini3: forwarding-off is over" in texts
    assert any(text.startswith("interface-down") and "before" not in text for text in texts)


def test_what_is_told_as_a_part_of_another_problem_is_not_over() -> None:
    def unplugged_at_mini3(world: World) -> None:
        world.hosts["mini3"].enabled["edge51"] = False

    def and_the_other_end_off(world: World) -> None:
        unplugged_at_mini3(world)
        world.hosts["mini3"].enabled["edge51"] = True
        powered_off(world)

    before, after = seen(unplugged_at_mini3), seen(and_the_other_end_off)
    assert [(p.code, p.node) for p in before.problems] == [("interface-down", "mini3")]
    assert "interface-down" not in {p.code for p in after.problems}
    assert after.nodes["mini3"].addresses[-1].up is False
    assert not any("is over" in text for _, text in told(before, after))


def test_a_node_that_answers_again_is_told_so() -> None:
    texts = [text for _, text in told(seen(powered_off), seen())]
    assert texts == ["pi4 is reached again", "pi4: ssh-timeout is over"]


@pytest.mark.parametrize("fault", [no_forwarding, cable_out, powered_off])
def test_what_stays_is_no_change(fault: Fault) -> None:
    assert told(seen(fault), seen(fault)) == []
