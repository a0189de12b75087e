"""Whether addresses and routes outlast a reboot: by each thing that sets up interfaces."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Interface, IPv4Network

import pytest
from msgspec.structs import replace

from fleetctl.health import at_boot
from fleetctl.health.at_boot import BY_DHCP, Kept, boot
from fleetctl.model.setup import (
    BootRoute,
    InterfaceSetup,
    NetworkService,
    NetworkSetup,
    Profile,
    ProfileRoute,
    ServiceRoute,
)
from fleetctl.model.status import Problem
from tests.health.test_unexplained import CLUSTER
from tests.health.world import World

OWN = IPv4Interface("192.168.50.2/24")
TO, VIA = IPv4Network("10.10.0.0/24"), IPv4Address("192.168.50.1")
ETH = Profile(
    "u1", "eth-static", "eth0", "eth0", method="manual", addresses=(str(OWN),), never_default=True
)
SERVICE = NetworkService(
    "Ethernet", True, "eth0", "manual", OWN.ip, IPv4Address("255.255.255.0"), None, ()
)
NETWORKD = InterfaceSetup("eth0", "systemd-networkd", "/etc/systemd/network/eth0.network")


def kept(setup: NetworkSetup, *, leased: bool = False) -> Kept:
    return boot(setup, "eth0").of(lambda way: at_boot.address(way, OWN, leased=leased))


def linux(*profiles: Profile, **more: object) -> NetworkSetup:
    return replace(NetworkSetup(profiles=profiles), **more)


def mac(*services: NetworkService) -> NetworkSetup:
    return NetworkSetup(services=services)


WRONG = replace(ETH, addresses=("192.168.50.9/24",))
NO_PROFILES = {"unknown": {"profiles": "there is no NetworkManager"}, "profiles": None}


@pytest.mark.parametrize(
    ("setup", "persistent", "said"),
    [
        (linux(ETH), True, "the profile eth-static"),
        (linux(WRONG), False, "the profile eth-static brings 192.168.50.9/24"),
        (linux(replace(ETH, addresses=("192.168.50.2/16",))), False, "192.168.50.2/16"),
        (linux(replace(ETH, addresses=())), False, "the profile eth-static brings no address"),
        (linux(replace(ETH, method="auto", addresses=())), False, "asks a DHCP server"),
        (linux(replace(ETH, method="auto")), True, "eth-static"),
        (linux(replace(ETH, method="disabled")), False, "brings no address"),
        (linux(replace(ETH, autoconnect=False)), False, "does not come up by itself"),
        (linux(replace(ETH, volatile=True), devices={"eth0": "connected (externally)"}), False,
         "NetworkManager has no profile for eth0"),
        (linux(ETH, replace(WRONG, uuid="u2", name="x", device=None)), None,
         "which comes up at boot is not certain: the profile eth-static or the profile x"),
        (linux(ETH, replace(WRONG, uuid="u2", device=None, autoconnect=False)), True, "eth-static"),
        (linux(devices={"eth0": "unmanaged"}), None, "what sets up eth0 at boot is not known"),
        (linux(**NO_PROFILES), None, "what sets up eth0 at boot is not known"),
        (linux(**NO_PROFILES, interfaces={"eth0": NETWORKD}), False, "brings no address"),
        (linux(**NO_PROFILES, interfaces={"eth0": replace(NETWORKD, addresses=(OWN,))}), True,
         "/etc/systemd/network/eth0.network"),
        (linux(**NO_PROFILES, interfaces={"eth0": replace(NETWORKD, unknown="cat: denied")}), None,
         "cat: denied"),
        (mac(SERVICE), True, 'the service "Ethernet"'),
        (mac(replace(SERVICE, address=IPv4Address("192.168.50.9"))), False,
         'the service "Ethernet" brings 192.168.50.9/24'),
        (mac(replace(SERVICE, enabled=False)), False, "the network service of eth0 is disabled"),
        (mac(), False, "the network service of eth0 is not there"),
        (mac(replace(SERVICE, method="dhcp")), None, BY_DHCP),
        (mac(replace(SERVICE, method="dhcp", address=None)), False, "asks a DHCP server"),
        (mac(replace(SERVICE, method="off")), False, "brings no address"),
        (mac(replace(SERVICE, method=None)), None, "cannot be read"),
        (mac(replace(SERVICE, address=IPv4Address("10.0.0.1")), replace(SERVICE, name="B")), True,
         'the service "B"'),
        (NetworkSetup(unknown={"services": "odd text"}), None, "odd text"),
        (linux(ETH, unknown={"profiles": "the node's answer was cut off"}), None, "was cut off"),
    ],
)  # fmt: skip
def test_an_address(setup: NetworkSetup, persistent: bool | None, said: str) -> None:
    found = kept(setup)
    assert found.persistent is persistent
    assert said in found.reason


def test_a_leased_address_is_the_routers() -> None:
    dhcp = linux(replace(ETH, method="auto", addresses=()))
    assert kept(dhcp, leased=True) == Kept(None, BY_DHCP)
    assert kept(linux(WRONG), leased=True).persistent is False


@pytest.mark.parametrize(
    ("setup", "persistent", "said"),
    [
        (linux(replace(ETH, method="auto", addresses=())), True, "the profile eth-static, by DHCP"),
        (mac(replace(SERVICE, method="dhcp", address=None)), True, 'the service "Ethernet", by D'),
        # fixed, and inside the network
        (linux(WRONG), True, "the profile eth-static"),
        (linux(replace(ETH, addresses=("10.0.0.1/24",))), False,
         "the profile eth-static brings 10.0.0.1/24, and asks no DHCP server"),
        (linux(replace(ETH, method="disabled")), False, "brings no address"),
        (linux(replace(ETH, autoconnect=False)), False, "does not come up by itself"),
        (linux(**NO_PROFILES), None, "what sets up eth0 at boot is not known"),
    ],
)  # fmt: skip
def test_any_address_of_the_network(
    setup: NetworkSetup, persistent: bool | None, said: str
) -> None:
    found = boot(setup, "eth0").of(lambda way: at_boot.any_address(way, OWN.network))
    assert found.persistent is persistent
    assert said in found.reason


ROUTE = ProfileRoute(TO, VIA, f"{TO} {VIA}")


@pytest.mark.parametrize(
    ("setup", "persistent", "said"),
    [
        (linux(replace(ETH, routes=(ROUTE,))), True, "eth-static"),
        (linux(ETH), False, "the profile eth-static brings no route to 10.10.0.0/24"),
        (linux(replace(ETH, routes=(replace(ROUTE, via=IPv4Address("192.168.50.9")),))), False,
         "the profile eth-static leads 10.10.0.0/24 through 192.168.50.9"),
        (linux(replace(ETH, routes=(replace(ROUTE, to=IPv4Network("10.10.0.0/16")),))), True, ""),
        (linux(replace(ETH, gateway=VIA, never_default=False)), True, "eth-static"),
        (mac(replace(SERVICE, routes=(ServiceRoute(TO, VIA),))), True, "Ethernet"),
        (mac(SERVICE), False, 'the service "Ethernet" brings no route to 10.10.0.0/24'),
        (mac(replace(SERVICE, routes=None)), None, "cannot be read"),
        (linux(**NO_PROFILES,
               interfaces={"eth0": replace(NETWORKD, routes=(BootRoute(TO, VIA),))}), True, "eth0"),
    ],
)  # fmt: skip
def test_a_route(setup: NetworkSetup, persistent: bool | None, said: str) -> None:
    found = boot(setup, "eth0").of(lambda way: at_boot.route(way, TO, VIA))
    assert found.persistent is persistent
    assert said in found.reason


@pytest.mark.parametrize(
    ("setup", "persistent"),
    [
        (linux(replace(ETH, method="auto", never_default=False)), None),
        (linux(replace(ETH, method="auto")), False),
        (linux(replace(ETH, gateway=VIA, never_default=False)), True),
        (mac(replace(SERVICE, method="dhcp")), None),
        (mac(replace(SERVICE, router=VIA)), True),
        (mac(SERVICE), False),
    ],
)
def test_a_default_route(setup: NetworkSetup, persistent: bool | None) -> None:
    assert boot(setup, "eth0").of(at_boot.default).persistent is persistent


# in a fleet


def found(world: World) -> list[Problem]:
    return list(world.check().status.problems)


def test_both_answers_stand_beside_each_other() -> None:
    world = World(CLUSTER)
    world.hosts["pi5"].stored_addresses["edge50"] = IPv4Interface("192.168.50.9/24")
    world.hosts["pi5"].stored_routes.clear()
    status = world.check().status
    rows = {row.network: row for row in status.nodes["pi5"].addresses}
    assert (rows["edge50"].ok, rows["edge50"].persistent) == (True, False)
    assert rows["edge50"].persistent_reason == "the profile profile-edge50 brings 192.168.50.9/24"
    assert (rows["wifi"].persistent, rows["wifi"].persistent_reason) == (None, "by DHCP")
    [route, default] = status.nodes["pi5"].routes
    assert (route.ok, route.persistent) == (True, False)
    assert (default.persistent, default.persistent_reason) == (None, "by DHCP")
    problems = {p.code: p for p in status.problems}
    assert problems.keys() == {"address-not-persistent", "route-not-persistent"}
    assert all((p.severity, p.node, p.affects) == ("warning", "pi5", ()) for p in problems.values())
    assert problems["address-not-persistent"].summary == (
        "pi5 has its address 192.168.50.2 on edge50 now, but not after its next boot: "
        "the profile profile-edge50 brings 192.168.50.9/24"
    )


def test_what_is_missing_now_and_at_boot_is_one_problem() -> None:
    world = World(CLUSTER)
    world.hosts["mini2"].missing.add("fabric")
    world.hosts["mini2"].stored_addresses["fabric"] = IPv4Interface("10.10.0.9/24")
    world.hosts["mini2"].stored_routes.clear()
    assert [p.code for p in found(world)] == ["address-missing"]
    world = World(CLUSTER)
    world.hosts["pi5"].routes.clear()
    world.hosts["pi5"].stored_routes.clear()
    assert [p.code for p in found(world)] == ["route-missing"]
    world = World(CLUSTER)
    world.hosts["pi5"].prefixes["edge50"] = 16
    world.hosts["pi5"].stored_addresses["edge50"] = IPv4Interface("192.168.50.2/16")
    assert [p.code for p in found(world)] == ["address-wrong-prefix"]


def test_what_is_missing_now_may_be_there_after_a_reboot() -> None:
    world = World(CLUSTER)
    world.hosts["pi5"].missing.add("edge50")
    node = world.check().status.nodes["pi5"]
    row = next(row for row in node.addresses if row.network == "edge50")
    assert (row.ok, row.persistent) == (False, True)
    assert row.persistent_reason == "the profile profile-edge50"
    assert node.routes[0].persistent


def test_an_interface_that_gets_nothing_is_one_problem() -> None:
    """Its routes cannot come without it."""
    world = World(CLUSTER)
    del world.hosts["pi5"].stored_addresses["edge50"]
    world.hosts["pi5"].stored_routes.clear()
    assert {p.code for p in found(world)} == {"address-not-persistent", "route-not-persistent"}
    world.hosts["pi5"].resting.add("edge50")
    problems = [p for p in found(world) if p.node == "pi5"]
    assert [p.code for p in problems] == ["address-not-persistent"]


def test_a_quick_look_leaves_the_next_boot_to_check() -> None:
    status = World(CLUSTER).check("status").status
    for node in status.nodes.values():
        answers = [(row.persistent, row.persistent_reason) for row in node.addresses]
        answers += [(row.persistent, row.persistent_reason) for row in node.routes]
        assert all(persistent is None and reason for persistent, reason in answers)
