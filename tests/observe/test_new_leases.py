"""Addresses that DHCP gave this machine and others: asked for, and asked about once known."""

from __future__ import annotations

import asyncio
from ipaddress import IPv4Address, IPv4Interface
from pathlib import Path

import pytest
from msgspec.structs import replace

from fleetctl.config import load_text
from fleetctl.fleet import LiveFleet
from fleetctl.model.facts import NetworkFacts
from fleetctl.model.network import Interface
from fleetctl.observe import observer as observing
from fleetctl.observe.attention import Wake, attend
from tests.health.facts import facts

NODES_YAML = """\
fleet: here
internet: null
networks: {lo: {cidr: 127.0.0.0/8}}
nodes:
  here: {connection: local, addresses: {lo: dhcp}}
  other: {ssh: {host: 127.0.0.9, port: 9, connect_timeout: 9}, addresses: {lo: dhcp}}
"""
OTHER = IPv4Address("127.0.0.9")
HAS_IT = facts(
    network=NetworkFacts(
        interfaces=(Interface("lo", enabled=True, link=True, addresses=(IPv4Interface(OTHER),)),)
    )
)


@pytest.fixture
def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LiveFleet:
    monkeypatch.setenv("HOME", str(tmp_path))
    return LiveFleet(load_text(NODES_YAML, "nodes.yaml"), None)


def test_a_node_that_is_lost_leaves_its_address_unknown(service: LiveFleet) -> None:
    async def body() -> None:
        async with service:
            await service.observer.ask_leases()

    asyncio.run(asyncio.wait_for(body(), 30))
    nodes = service.observer.fleet.nodes
    assert nodes["here"].addresses == {"lo": IPv4Address("127.0.0.1")}
    assert nodes["other"].addresses == {}


@pytest.mark.parametrize("late", ["LATE_LEASES_S", "FIRST_LEASE_S"])
def test_one_that_is_slow_is_not_waited_for(
    service: LiveFleet, monkeypatch: pytest.MonkeyPatch, late: str
) -> None:
    monkeypatch.setattr(observing, late, 0.0)
    ended = False
    link = service.observer.link

    async def slow(node):  # type: ignore[no-untyped-def]  # as the method that it replaces
        nonlocal ended
        if node.name == "other" or late == "FIRST_LEASE_S":
            try:
                await asyncio.Event().wait()
            finally:
                ended = True
        return await link(node)

    monkeypatch.setattr(service.observer, "link", slow)
    asyncio.run(asyncio.wait_for(service.observer.ask_leases(), 30))
    assert bool(service.observer.fleet.nodes["here"].addresses) == (late == "LATE_LEASES_S")
    assert ended


def test_a_watched_node_is_asked_about_an_address_as_soon_as_it_is_known(
    service: LiveFleet,
) -> None:
    observer, node = service.observer, service.fleet.nodes["here"]

    async def body() -> list[bool]:
        asked: list[bool] = []
        while True not in asked:  # its attention ends, and begins with other questions
            conditions = observer.conditions(node)
            looks = attend(observer, node, conditions, Wake(), interval_s=0.05, depth="status")
            async for look in looks:
                assert look.facts, look.error
                asked.append(OTHER in look.facts.network.echoes)
                if asked[-1]:
                    break
                observer.learn("other", HAS_IT)
            await looks.aclose()
        return asked

    assert asyncio.run(asyncio.wait_for(body(), 30)) == [False, True]


def test_what_is_learned_is_kept_while_nothing_new_is_told(service: LiveFleet) -> None:
    observer = service.observer
    observer.learn("other", HAS_IT)
    known = observer.fleet
    observer.learn("other", replace(HAS_IT, network=NetworkFacts()))
    observer.learn("other", HAS_IT)
    assert observer.fleet is known
    assert [(r.node, r.to) for r in observer.expectations.reach] == [("here", OTHER)]
