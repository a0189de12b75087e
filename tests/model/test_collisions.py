"""Which instances of two jobs cannot run side by side."""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import Any

import pytest

from fleetctl.model.collisions import collisions
from fleetctl.model.jobs import Listen
from tests.launch.jobs import instance

WIFI, FABRIC, ANY = map(IPv4Address, ("192.168.1.1", "10.0.0.1", "0.0.0.0"))
ONE = instance("server", "a", job="one", listen=Listen(FABRIC, 6000))


@pytest.mark.parametrize(
    ("address", "port", "more", "collide"),
    [
        (FABRIC, 6000, {}, True),
        (ANY, 6000, {}, True),
        (WIFI, 6000, {}, False),
        (FABRIC, 6001, {}, False),
        (FABRIC, 6000, {"node": "b"}, False),
        (FABRIC, 6000, {"command": None}, False),  # nothing that is started
    ],
)
def test_the_same_port_of_a_node(
    address: IPv4Address, port: int, more: dict[str, Any], collide: bool
) -> None:
    fields: dict[str, Any] = {"node": "a", **more}
    other = instance("page", job="two", listen=Listen(address, port), **fields)
    words = "server@a of one and page@a of two both listen on port 6000"
    assert collisions([[ONE], [other]]) == ([words] if collide else [])
    assert collisions([[ONE, other]]) == []  # within a job that is the file's mistake


def test_what_listens_nowhere() -> None:
    assert collisions([[ONE], [instance("worker", "a", job="two")]]) == []
