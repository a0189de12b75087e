"""A node whose addresses DHCP gives: new ones are noticed, and nothing else is wrong."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from fleetctl.lab import Lab
from tests.conftest import MakeLab
from tests.e2e.cluster import NODES, sh
from tests.e2e.guide import check
from tests.e2e.test_watch import Screen

pytestmark = [pytest.mark.lab, pytest.mark.long]

MINI = {
    "ssh": {"host": "mini.local", "user": "two"},
    "addresses": {"wifi": "dhcp", "fabric": "dhcp"},
}
NODES_YAML = yaml.safe_dump(
    {
        "fleet": "cluster",
        **NODES,
        "nodes": {**NODES["nodes"], "mini": MINI},
        "internet": None,
        "jobs": {"job": {"services": {"w": {"on": "mini", "command": "sleep 1"}}}},
    },
    sort_keys=False,
)


@pytest.fixture
def lab(make_lab: MakeLab) -> Lab:
    return make_lab(NODES_YAML)


def fabric(said: dict[str, Any]) -> dict[str, Any]:
    """mini's address there."""
    [row] = [r for r in said["nodes"]["mini"]["addresses"] if r["network"] == "fabric"]
    return dict(row)


def asked(said: dict[str, Any], by: str) -> list[tuple[str, bool | None]]:
    """What ``by`` says of mini's address on the fabric."""
    rows = said["nodes"][by]["reachability"]
    return [(r["to"], r["ok"]) for r in rows if (r["node"], r["network"]) == ("mini", "fabric")]


@pytest.fixture
def screen(lab: Lab) -> Iterator[Screen]:
    """Of a `status --watch`."""
    watching = lab.popen(
        "controller",
        ["fleetctl", "status", "--watch", "0.5", "--json"],
        stdout=subprocess.PIPE,
    )
    try:
        yield Screen(watching)
    finally:
        watching.kill()
        watching.wait()


def test_a_new_lease_is_found_and_pinged(lab: Lab, screen: Screen) -> None:
    said = check(lab)
    assert said["problems"] == []
    own = fabric(said)
    assert (own["ok"], own["dhcp"], own["persistent"] is False) == (True, True, False)
    assert asked(said, "hub") == asked(said, "pi") == [(own["expected"], True)]
    screen.until(lambda now: asked(now, "hub") == [(own["expected"], True)], 20)

    card, old = own["interface"], own["expected"]
    change = f"ip addr del {old}/24 dev {card} && ip addr add {{}}/24 dev {card}"
    sh(lab, "mini", change.format("10.10.0.77"), user="root")
    back = "ip route replace 192.168.50.0/24 via 10.10.0.1"  # went with the address
    sh(lab, "mini", back, user="root")
    screen.until(lambda now: asked(now, "hub") == [("10.10.0.77", True)], 20)
    said = check(lab)
    assert said["problems"] == []
    assert asked(said, "hub") == asked(said, "pi") == [("10.10.0.77", True)]

    sh(
        lab,
        "mini",
        f"ip addr flush dev {card} && ip addr add 169.254.7.9/16 dev {card}",
        user="root",
    )
    screen.until(lambda now: fabric(now)["ok"] is False, 20)
    said = check(lab)
    [problem] = [p for p in said["problems"] if p["code"] == "lease-missing"]
    assert problem["summary"].startswith(
        "mini has no address in 10.10.0.0/24 on fabric (dhcp; it has 169.254.7.9)"
    )
    assert json.dumps(said).count('"address-missing"') == 0
