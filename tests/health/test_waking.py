"""A machine that slept: one event for that, and none for the connections that it lost."""

from __future__ import annotations

from datetime import timedelta

from msgspec.structs import replace

from fleetctl.health.changes import UNWATCHED, WAKING
from fleetctl.model.status import Problem
from tests.health.test_changes import Watch, no_forwarding, powered_off, seen
from tests.health.world import World

HOUR = timedelta(hours=1)


def test_an_hour_of_sleep_is_one_event() -> None:
    watch = Watch()
    watch.look(seen())
    slept_from = watch.at
    watch.at += HOUR
    watch.look(seen(), seen(powered_off), seen(powered_off), seen())
    [event] = watch.told
    assert (event.at, event.kind, event.subject) == (slept_from, "note", "")
    assert event.over == "watched again after 1h00m"


def test_a_node_that_stays_lost_is_told_once_it_had_its_time() -> None:
    watch = Watch()
    watch.look(seen())
    watch.at += HOUR
    woken = watch.at
    while watch.at <= woken + WAKING:
        watch.look(seen(powered_off))
    watch.look(seen(powered_off))
    slept, lost = watch.told
    assert (slept.kind, lost.kind, lost.subject) == ("note", "node", "pi4")
    watch.look(seen())
    assert watch.told[1].end == "reached again"


def test_a_node_that_is_lost_as_before_keeps_nothing_from_being_told() -> None:
    def both(world: World) -> None:
        powered_off(world)
        no_forwarding(world)

    watch = Watch()
    watch.look(seen(powered_off))
    watch.at += HOUR
    watch.look(seen(powered_off), seen(both))
    assert [event.code for event in watch.told] == ["", "forwarding-off"]


def test_a_look_that_is_a_little_late_is_no_sleep() -> None:
    watch = Watch()
    watch.look(seen())
    watch.at += UNWATCHED - timedelta(seconds=2)
    assert watch.look(seen()) == []


def test_what_was_wrong_long_before_a_node_was_lost_is_not_told_anew() -> None:
    wrong = Problem("address-missing", "error", "pi4 does not have its address", "pi4")
    here = replace(seen(), problems=(wrong,))
    watch = Watch()
    watch.look(seen())
    watch.look(here)
    for _ in range(5):
        watch.at += UNWATCHED / 3
        watch.look(here)
    watch.look(seen(powered_off), seen(powered_off), here, here)
    found, lost = watch.told
    assert (found.code, found.until) == ("address-missing", None)
    assert (lost.subject, lost.end) == ("pi4", "reached again")
    watch.look(seen())
    assert watch.told[0].end == "over"
