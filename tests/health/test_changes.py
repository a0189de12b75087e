"""What changed is told once: one cause is one event, which says how it was over; and only what is
known is."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import pytest
from msgspec.structs import replace

from fleetctl.health.changes import Changes
from fleetctl.model.events import Actor, Event
from fleetctl.model.node_status import SystemStatus
from fleetctl.model.status import FleetStatus, Problem, ServiceStatus
from tests.health.test_unexplained import CLUSTER
from tests.health.world import World

Fault = Callable[[World], object]
NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)


@cache
def seen(fault: Fault | None = None) -> FleetStatus:
    world = World(CLUSTER)
    if fault:
        fault(world)
    return world.check().status


class Watch:
    """A watch that looks every two seconds, and keeps the events as a reader sees them."""

    def __init__(self, changes: Changes | None = None, at: datetime = NOON) -> None:
        self.changes = changes or Changes()
        self.at = at
        self.events: dict[str, Event] = {}

    def look(self, *statuses: FleetStatus) -> list[str]:
        """The texts of what is new or changed."""
        new: list[Event] = []
        for status in statuses:
            self.at += timedelta(seconds=2)
            new += self.changes.look(replace(status, generated_at=self.at))
        return self._keep(new)

    def heard(self, *actions: Event) -> list[str]:
        return self._keep(list(self.changes.heard(actions)))

    def _keep(self, new: list[Event]) -> list[str]:
        self.events |= {event.key: event for event in new}
        return [event.text for event in new]

    @property
    def told(self) -> list[Event]:
        """What is told by itself, in the order in which it was first known."""
        return [event for event in self.events.values() if not event.part_of]


def no_forwarding(world: World) -> None:
    world.hosts["mini3"].forwarding = False


def cable_out(world: World) -> None:
    world.hosts["pi4"].carrier["edge51"] = False


def powered_off(world: World) -> None:
    world.hosts["pi4"].powered = False


def test_a_problem_is_one_event_with_an_end() -> None:
    watch = Watch()
    watch.look(seen(), seen(no_forwarding), seen(no_forwarding), seen())
    [event] = watch.told
    assert (event.kind, event.code, event.node) == ("problem", "forwarding-off", "mini3")
    assert event.over == "over after 4s"


def with_problem(*problems: Problem) -> FleetStatus:
    return replace(seen(), problems=problems)


def test_a_bad_link_that_is_told_at_another_end_is_the_same_event() -> None:
    """The more was measured, the better it is known which link it is."""
    between = Problem("packet-loss", "warning", "between mini2 and mini1", "mini2", ("mini1",))
    better = Problem("packet-loss", "warning", "mini1", "mini1", ("mini2", "mini3", "pi5"))
    cable = Problem("packet-loss", "warning", "between pi4 and mini3", "pi4", ("mini3",))
    watch = Watch()
    watch.look(seen(), with_problem(between), with_problem(better, cable), with_problem(better))
    first, second = watch.told
    assert (first.node, first.text) == ("mini1", "packet-loss: mini1 (before: mini2: packet-loss)")
    assert (first.until, second.node, second.over) == (None, "pi4", "over after 2s")
    watch.look(seen())
    assert [event.over for event in watch.told] == ["over after 6s", "over after 2s"]


def test_a_silent_rank_is_not_over_because_an_error_explains_it() -> None:
    silent = Problem("service-silent", "warning", "w@pi4", "pi4", ("w@pi4",))
    error = Problem("address-missing", "error", "mini3", "mini3", ("pi4",))
    watch = Watch()
    watch.look(seen(), with_problem(silent), with_problem(error), with_problem(silent), seen())
    assert [(e.code, e.over) for e in watch.told] == [
        ("service-silent", "over after 6s"),
        ("address-missing", "over after 2s"),
    ]


def test_the_last_echoes_of_a_lost_node_are_a_part_of_that() -> None:
    loss = Problem("packet-loss", "warning", "to and from pi4", "pi4", ("mini3",))
    off = seen(powered_off)
    watch = Watch()
    watch.look(seen(), off, replace(off, problems=(*off.problems, loss)), off)
    [event] = watch.told
    assert (event.kind, event.subject) == ("node", "pi4")
    watch.look(*[with_problem(loss)] * 7)
    assert [event.code for event in watch.told][1:] == ["packet-loss"], "it is so afterwards, too"


def test_answers_in_part_of_a_busy_node_are_an_event_once_they_last() -> None:
    cut = with_problem(Problem("answer-incomplete", "error", "tmux (cut off)", "pi4"))
    watch = Watch()
    assert watch.look(seen(), *[*[cut] * 35, seen()] * 4) == []
    watch.look(*[cut] * 70)
    [event] = watch.told
    assert (event.code, event.node) == ("answer-incomplete", "pi4")
    watch.look(seen())
    [event] = watch.told
    assert event.over == "over after 2m20s"


def test_what_was_so_when_the_watch_began_is_told_once_it_is_over() -> None:
    watch = Watch()
    assert watch.look(seen(no_forwarding), seen(no_forwarding)) == []
    watch.look(seen())
    [event] = watch.told
    assert (event.code, event.over) == ("forwarding-off", "over after 4s")


def test_a_lost_node_is_one_event_with_an_end() -> None:
    watch = Watch()
    watch.look(seen(), seen(powered_off), seen(powered_off), seen(powered_off), seen())
    [event] = watch.told
    assert (event.kind, event.subject, event.state) == ("node", "pi4", "unreachable")
    assert event.code in ("ssh-timeout", "ssh-unreachable")
    assert event.over == "reached again after 6s"


def test_a_cause_that_is_known_better_is_the_same_event() -> None:
    """First the node is silent, then the other end of its cable tells why."""
    silent = seen(powered_off)
    why = Problem("interface-down", "error", "mini3: eth1 has no carrier", "mini3", ("pi4",))
    watch = Watch()
    watch.look(seen(), silent, replace(silent, problems=(why,)))
    [event] = watch.told
    assert (event.kind, event.subject, event.code) == ("node", "pi4", "interface-down")
    assert event.text == "pi4 cannot be reached: interface-down: mini3: eth1 has no carrier"
    watch.look(seen())
    [event] = watch.told
    assert event.over == "reached again after 4s"


def test_nodes_that_are_lost_for_one_cause_are_one_event() -> None:
    def both_off(world: World) -> None:
        powered_off(world)
        world.hosts["mini3"].powered = False

    silent = replace(seen(both_off), problems=())
    why = Problem(
        "interface-down", "error", "mini1: eth1 has no carrier", "mini1", ("mini3", "pi4")
    )
    watch = Watch()
    watch.look(seen(), silent, replace(silent, problems=(why,)), seen())
    [event] = watch.told
    assert {event.subject, *event.affects} == {"mini3", "pi4"}
    assert event.over == "reached again after 4s"


def test_a_cause_that_is_found_first_is_a_part_of_the_lost_node() -> None:
    why = Problem("interface-down", "error", "mini3: eth1 has no carrier", "mini3", ("pi4",))
    watch = Watch()
    watch.look(seen(), replace(seen(), problems=(why,)))
    watch.look(replace(seen(powered_off), problems=(why,)), seen())
    [event] = watch.told
    assert (event.subject, event.code, event.end) == ("pi4", "interface-down", "reached again")


def test_a_node_that_is_back_with_a_problem_is_two_events() -> None:
    watch = Watch()
    watch.look(seen(), seen(powered_off), *[seen(cable_out)] * 7)
    lost, wrong = watch.told
    assert (lost.subject, lost.over) == ("pi4", "reached again after 2s")
    assert (wrong.code, wrong.until) == ("interface-down", None)


def test_what_others_saw_while_a_node_was_lost_is_no_news_once_it_is_back() -> None:
    """A power cut takes the carrier of the other end, too, and that one is asked a little later."""
    watch = Watch()
    watch.look(seen(), seen(powered_off), *[seen(cable_out)] * 3, *[seen()] * 10)
    [lost] = watch.told
    assert (lost.subject, lost.over) == ("pi4", "reached again after 2s")


def test_what_is_still_wrong_once_the_node_is_back_is_told() -> None:
    def and_mini3(world: World) -> None:
        no_forwarding(world)

    watch = Watch()
    watch.look(seen(), seen(powered_off), *[seen(and_mini3)] * 7)
    lost, wrong = watch.told
    assert (lost.subject, lost.end) == ("pi4", "reached again")
    assert (wrong.code, wrong.until) == ("forwarding-off", None)


def test_what_is_no_longer_seen_because_its_node_is_lost_is_not_over() -> None:
    def both(world: World) -> None:
        no_forwarding(world)
        world.hosts["mini3"].powered = False

    watch = Watch()
    watch.look(seen(), seen(no_forwarding), seen(both))
    wrong = next(event for event in watch.told if event.code == "forwarding-off")
    assert wrong.until is None
    watch.look(seen())
    assert all(event.until for event in watch.told)


def test_what_is_over_beside_something_else_that_is_new_is_over() -> None:
    watch = Watch()
    watch.look(seen(), seen(no_forwarding), seen(cable_out))
    ends = {event.code: event.end for event in watch.told}
    assert ends["forwarding-off"] == "over"
    assert ends["interface-down"] == ""


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
    watch = Watch()
    watch.look(seen(), before, after)
    assert [event for event in watch.told if event.until] == []


@pytest.mark.parametrize("fault", [no_forwarding, cable_out, powered_off])
def test_what_stays_is_no_change(fault: Fault) -> None:
    watch = Watch()
    watch.look(seen(), seen(fault))
    assert watch.look(seen(fault), seen(fault)) == []


# instances


def status(**states: Any) -> FleetStatus:
    """A status in which instances ``NAME@pi4`` are as given: a state, or fields."""
    services = {}
    for name, found in states.items():
        fields = {"state": found} if isinstance(found, str) else found
        services[f"{name}@pi4"] = ServiceStatus(name, "pi4", 1, **fields)
    return replace(seen(), job="train", services=services, problems=())


def action(kind: str, at: datetime, *instances: str, until: datetime | None = None) -> Event:
    by = Actor("ann", "laptop", f"fleetctl {kind}")
    return Event(
        at,
        "ok",
        f"{kind} of train",
        "action",
        "train",
        by=by,
        until=until,
        key=f"action {kind}",
        affects=instances,
        action=kind,
    )


def test_a_start_is_its_action_and_ready() -> None:
    watch = Watch()
    watch.look(status(w="stopped"))
    watch.heard(action("start", watch.at, "w@pi4"))
    watch.look(*(status(w=state) for state in ("starting", "running", "ready", "ready")))
    begun, ready = watch.told
    assert (begun.action, ready.state, ready.text) == ("start", "ready", "w@pi4 is ready")
    assert ready.by == begun.by
    assert ready.cause == "start"


def test_a_start_that_is_seen_before_its_action_is_heard_of_is_told_alike() -> None:
    watch = Watch()
    watch.look(status(w="stopped"), status(w="starting"))
    watch.heard(action("start", watch.at - timedelta(seconds=1), "w@pi4"))
    assert [event.kind for event in watch.told] == ["action"]
    watch.look(status(w="ready"))
    assert sorted((event.kind, event.state) for event in watch.told) == [
        ("action", "ok"),
        ("instance", "ready"),
    ]
    [ready] = [event for event in watch.told if event.kind == "instance"]
    assert ready.by and ready.cause == "start"


def test_what_waits_until_a_start_goes_on_is_no_news() -> None:
    """A server that failed is started again, and workers that never ran wait for it."""
    waits = Problem(
        "dependency-not-ready", "warning", "w@pi4 not started", "pi4", ("w@pi4",), job="train"
    )
    watch = Watch()
    watch.look(status(s="failed", w="waiting"))
    watch.heard(action("start", watch.at, "s@pi4", "w@pi4"))
    loads = replace(status(s="running", w="waiting"), problems=(waits,))
    watch.look(*[loads] * 10, status(s="ready", w="stopped"), status(s="ready", w="ready"))
    told = [event.text for event in watch.told if event.kind != "action"]
    assert told == ["s@pi4 is ready", "w@pi4 is ready"]
    watch = Watch()
    watch.look(replace(loads, problems=()), *[loads] * 20)
    assert [event.code for event in watch.told] == ["dependency-not-ready"]


def test_an_action_that_is_heard_of_later_tells_who_asked() -> None:
    watch = Watch()
    watch.look(status(w="ready"), status(w="stopped"))
    assert [event.text for event in watch.told] == ["w@pi4 is stopped"]
    assert watch.changes.asks
    watch.heard(action("stop", watch.at - timedelta(seconds=1), "w@pi4", until=watch.at))
    assert [event.action for event in watch.told] == ["stop"]
    assert not watch.changes.asks


def test_a_start_without_an_action_is_one_event() -> None:
    watch = Watch()
    watch.look(*(status(w=state) for state in ("stopped", "starting", "running", "ready")))
    [event] = watch.told
    assert (event.state, event.by) == ("ready", None)


def test_an_action_of_long_ago_did_not_ask_for_it() -> None:
    watch = Watch()
    watch.look(status(w="ready"))
    watch.heard(action("stop", NOON - timedelta(hours=1), "w@pi4", until=NOON))
    watch.at += timedelta(minutes=5)
    watch.look(status(w="stopped"))
    assert [event.by for event in watch.told if event.kind == "instance"] == [None]


def test_a_crash_is_one_event_until_it_is_ready_again() -> None:
    crashed = {"state": "restarting", "restarts": 1, "reason": "ended with exit code 1"}
    again = {"state": "running", "restarts": 1}
    watch = Watch()
    watch.look(status(w="ready"), status(w=crashed), status(w=again))
    watch.look(status(w={"state": "ready", "restarts": 1}))
    [event] = watch.told
    assert event.cause == "ended with exit code 1"
    assert event.over == "ready again, restart 1 after 4s"


def test_a_crash_that_no_look_has_seen() -> None:
    watch = Watch()
    watch.look(status(w="ready"), status(w={"state": "ready", "restarts": 2}))
    [event] = watch.told
    assert (event.state, event.end) == ("restarting", "ready again, restart 2")


def test_a_failure_and_its_problem_are_one_event() -> None:
    failed = status(w={"state": "failed", "reason": "exit code 1", "exit_code": 1})
    problem = Problem("service-failed", "error", "w@pi4 failed", "pi4", ("w@pi4",))
    watch = Watch()
    watch.look(status(w="ready"), replace(failed, problems=(problem,)), status(w="ready"))
    [event] = watch.told
    assert (event.kind, event.code, event.cause) == ("instance", "service-failed", "exit code 1")
    assert event.end == "ready again"


def test_why_it_failed_is_told_as_it_was_known_at_last() -> None:
    first = {"state": "failed", "reason": "exit code 137; its process 9 still runs", "restarts": 1}
    watch = Watch()
    watch.look(status(w="ready"), status(w=first), status(w={**first, "reason": "exit code 137"}))
    [event] = watch.told
    assert event.text == "w@pi4 is failed, restart 1: exit code 137"
    assert event.cause == "exit code 137"


def test_what_ended_because_another_failed_is_told_with_that() -> None:
    failed = {"state": "failed", "reason": "exit code 1"}
    ended = {"state": "stopped", "reason": "by on_member_failure: a@pi4 failed with exit code 1"}
    watch = Watch()
    watch.look(status(a="ready", b="ready"), status(a=failed, b="ready"))
    watch.look(status(a=failed, b=ended))
    [event] = watch.told
    assert (event.subject, event.affects) == ("a@pi4", ("b@pi4",))


def test_instances_of_a_lost_node_are_a_part_of_that() -> None:
    here = status(w="ready", v="ready")
    lost = replace(status(w="unknown", v="unknown"), nodes=seen(powered_off).nodes)
    watch = Watch()
    watch.look(here, lost, lost, here)
    [event] = watch.told
    assert (event.subject, event.affects, event.end) == (
        "pi4",
        ("w@pi4", "v@pi4"),
        "reached again",
    )


def up(found: FleetStatus, uptime_s: int) -> FleetStatus:
    node = replace(found.nodes["pi4"], system=SystemStatus(uptime_s=uptime_s))
    return replace(found, nodes={**found.nodes, "pi4": node})


def test_a_reboot_is_the_cause_of_what_broke_by_it() -> None:
    gone = {"state": "failed", "reason": "its tmux window is gone: the node restarted, or …"}
    watch = Watch()
    watch.look(up(status(w="ready"), 5000))
    watch.look(replace(status(w="unknown"), nodes=seen(powered_off).nodes))
    watch.look(up(status(w=gone), 20))
    [event] = watch.told
    assert (event.subject, event.end, event.cause) == ("pi4", "reached again", "pi4 was restarted")
    assert event.affects == ("w@pi4",)


def test_the_next_watch_goes_on_with_what_is_not_over() -> None:
    first = Watch()
    first.look(seen(), seen(powered_off))
    lost = seen(powered_off)
    second = Watch(at=first.at)
    second.changes.go_on_with(first.events.values())
    assert second.look(lost, lost) == []
    second.look(seen())
    [event] = second.told
    assert event.key in first.events
    assert event.end == "reached again"


def test_a_failed_instance_is_one_event_for_the_next_watch_too() -> None:
    failed = {"state": "failed", "reason": "exit code 137 (signal 9)"}
    why = Problem("service-failed", "error", "w@pi4 failed", "pi4", ("w@pi4",))
    broken = replace(status(w=failed), problems=(why,))
    first = Watch()
    first.look(status(w="ready"), broken)
    second = Watch(at=first.at + timedelta(minutes=5))
    second.changes.go_on_with(first.events.values())
    assert second.look(broken, broken) == []
    second.look(status(w="stopped"))
    [event] = second.told
    assert (event.key in first.events, event.end) == (True, "stopped")


def test_the_next_watch_ends_what_is_over_by_then() -> None:
    first = Watch()
    first.look(seen(), seen(no_forwarding))
    second = Watch(at=first.at)
    second.changes.go_on_with(first.events.values())
    second.look(seen())
    [event] = second.told
    assert (event.key in first.events, event.end) == (True, "over by the next watch")
