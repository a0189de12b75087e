"""On which rung a path stands, by what a check says and by its figures."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import IPv4Network

import pytest

from fleetctl.bench.ladder import next_rung
from fleetctl.bench.results import result_of
from fleetctl.model.bench import Best, Measured, Port
from tests.bench.fleets import (
    EDGE,
    EXPECTATIONS,
    FABRIC,
    FLEET,
    LONG,
    MAY,
    measured,
    result,
    world,
)
from tests.health.world import World

FABRIC_CIDR, EDGE_CIDR = IPv4Network("10.10.0.0/24"), IPv4Network("192.168.51.0/24")
WELL = measured(LONG)
SILENT = measured(LONG, None, None, median_ms=None, lost=100)


def pulled(w: World) -> None:
    w.hosts["pi4"].carrier["edge51"] = w.hosts["mini3"].carrier["edge51"] = False


def unaddressed(w: World) -> None:
    w.hosts["mini3"].prefixes["edge51"] = 16


def unforwarded(w: World) -> None:
    w.hosts["mini3"].forwarding = False


def unrouted(w: World) -> None:
    del w.hosts["pi4"].routes[FABRIC_CIDR]


def no_return(w: World) -> None:
    del w.hosts["mini1"].routes[EDGE_CIDR]


def stealthy(w: World) -> None:
    w.hosts["mini1"].stealth = True


def nothing(_: World) -> None:
    """All is well."""


@pytest.mark.parametrize(
    ("fault", "figures", "rung", "reason"),
    [
        (nothing, WELL, "wide", ""),
        (pulled, SILENT, None, "no carrier"),
        (unaddressed, SILENT, "cable", "has it with /16, not /24"),
        (unrouted, SILENT, "addressed", "pi4, route to fabric"),
        (no_return, SILENT, "addressed", "mini1, route to edge51"),
        (unforwarded, SILENT, "addressed", "mini3: it does not forward packets"),
        (nothing, SILENT, "routed", "mini1 does not answer pi4"),
        (stealthy, SILENT, "answers", "round trips were not measured"),
        (nothing, measured(LONG, lost=6), "wide", ""),
        (nothing, measured(LONG, lost=20), "routed", "20 % of the echoes are lost, where 2 %"),
        (nothing, measured(LONG, median_ms=9.4), "answers", "where 2ms is expected"),
        (nothing, measured(LONG, 94, 93), "quick", "where 800 Mbit/s are expected"),
        (nothing, measured(LONG, None, None), "quick", "bandwidth was not measured"),
    ],
)
def test_the_highest_rung_and_the_reason_for_the_next(
    fault: Callable[[World], None], figures: Measured, rung: str | None, reason: str
) -> None:
    found = result(figures, fault=fault)
    assert found.stands_on == rung
    missing = next_rung(found.ladder)
    assert reason in ((missing.reason or "") if missing else "")
    assert reason in found.verdict
    assert all(r.reason for r in found.ladder if not r.ok)


def test_a_node_that_was_not_asked_is_not_known() -> None:
    def off(w: World) -> None:
        w.hosts["mini3"].powered = False

    found = result(measured(FABRIC, None, None, median_ms=None), fault=off)
    assert (found.stands_on, found.ladder[0].ok) == (None, None)
    assert found.verdict.startswith("not known whether cable: mini3:")


def test_more_than_a_port_carries_is_on_no_rung_above_addressed() -> None:
    ports = [Port("pi4", "edge51", "eth0", 100, "100 Mbit/s")]
    found = result_of(FLEET, EXPECTATIONS, world(), measured(EDGE), ports, Best())
    assert found.stands_on == "addressed"
    assert "another way" in found.verdict


def test_what_is_wide_enough_for_nodes_yaml_is_held_against_the_best_so_far_too() -> None:
    best = Best(0.4, MAY, 9000, MAY, 9000, MAY)
    first = result(measured(FABRIC, 9500, 9500))
    assert first.stands_on == "wide"
    narrower = result(measured(FABRIC, 4500, 9100), best=best)
    assert narrower.stands_on == "quick"
    assert "half of what it was on 12 May 2026" in narrower.verdict
