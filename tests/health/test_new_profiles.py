"""The NetworkManager profile that a repair makes for an interface without one."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from fleetctl.health import at_boot
from fleetctl.health.finding import Finding
from fleetctl.health.remedies import plan, plans
from fleetctl.model.facts import NodeFacts
from fleetctl.model.setup import InterfaceSetup, NetworkSetup, Profile
from fleetctl.model.status import RepairStep
from tests.health.test_remedies import (
    ETH,
    FLEET,
    NO_ADDRESS,
    PI5,
    UUID,
    WAY,
    WIFI,
    facts,
    interface,
    pi5,
)

FACTORY = NetworkSetup(
    profiles=(WIFI,),
    devices={"wlan0": "connected", "eth0": "disconnected"},
    types={"wlan0": "wifi", "eth0": "ethernet"},
)
BARE = facts("linux", (interface("wlan0", "192.168.1.25/24"), interface("eth0")))
NOT_KEPT = pi5("address-not-persistent", "edge50", expected="192.168.50.2", interface="eth0")
WAY_NOT_KEPT = pi5("route-not-persistent", "fabric", expected="192.168.50.1", interface="eth0")
ADD = (
    "sudo nmcli con add type ethernet ifname eth0 con-name {} ipv4.method manual "
    "ipv4.addresses 192.168.50.2/24 ipv4.never-default yes ipv6.method link-local "
    "connection.autoconnect yes connection.autoconnect-priority 10"
)
MADE = ADD.format("fleetctl-edge50")
UP = "sudo nmcli -w 20 con up id fleetctl-edge50"
AUTO = Profile(
    "9e5a", "Wired connection 1", "eth0", "eth0", method="auto", priority=-999, volatile=True
)
"""As NetworkManager makes it by itself; its file is in /run."""


def lasting(setup: NetworkSetup, *findings: Finding, known: NodeFacts = PI5) -> list[RepairStep]:
    made = list(plans(FLEET, findings, known, setup))
    assert not [note for p in made for note in p.notes]
    return [s for p in made for s in p.steps if s.lasts]


@pytest.mark.parametrize(
    ("setup", "name"),
    [
        (FACTORY, "fleetctl-edge50"),
        (replace(FACTORY, profiles=(WIFI, AUTO)), "fleetctl-edge50"),
        # it may be used on every port, and is on none
        (replace(FACTORY, profiles=(replace(AUTO, device=None, bound_to=None, volatile=False),)),
         "fleetctl-edge50"),
        (replace(FACTORY, profiles=(replace(WIFI, name="fleetctl-edge50"),)),
         "fleetctl-edge50-eth0"),
        (replace(FACTORY, profiles=(replace(WIFI, name="fleetctl-edge50"),
                                    replace(WIFI, name="fleetctl-edge50-eth0"))),
         "fleetctl-edge50-eth0-2"),
    ],
)  # fmt: skip
def test_it_is_made_for_the_interface_and_only_it_is_deleted(
    setup: NetworkSetup, name: str
) -> None:
    [step] = lasting(setup, NOT_KEPT)
    assert (step.command, step.undo, step.interface) == (
        ADD.format(name),
        f"sudo nmcli con delete id {name}",
        "eth0",
    )


def test_a_missing_address_is_there_at_once_and_routes_go_into_the_same_profile() -> None:
    first = plan(FLEET, NO_ADDRESS, BARE, FACTORY)
    assert first.setup
    # the interface towards the next hop is known once it has its address
    steps = [s for s in first.steps if s.lasts] + lasting(first.setup, WAY)
    assert [s.command for s in steps] == [
        MADE,
        UP,
        "sudo nmcli con mod id fleetctl-edge50 +ipv4.routes '10.10.0.0/24 192.168.50.1'",
    ]
    assert [s.undo for s in steps] == [
        "sudo nmcli con delete id fleetctl-edge50",
        "",
        "sudo nmcli con mod id fleetctl-edge50 -ipv4.routes '10.10.0.0/24 192.168.50.1'",
    ]
    assert {s.interface for s in steps} == {"eth0"}


def test_a_route_alone_makes_it_with_the_address() -> None:
    assert [s.command for s in lasting(FACTORY, WAY_NOT_KEPT)] == [
        MADE,
        "sudo nmcli con mod id fleetctl-edge50 +ipv4.routes '10.10.0.0/24 192.168.50.1'",
    ]


def test_what_it_brings_lasts_and_is_not_proposed_again() -> None:
    after = list(plans(FLEET, [NOT_KEPT, WAY_NOT_KEPT], PI5, FACTORY))[-1].setup
    assert after
    boot = at_boot.boot(after, "eth0")
    own = PI5.network.interfaces[1].addresses[0] if PI5.network.interfaces else None
    assert own
    kept = boot.of(lambda way: at_boot.address(way, own, leased=False))
    assert (kept.persistent, kept.reason) == (True, "the profile fleetctl-edge50")
    assert lasting(after, NOT_KEPT, WAY_NOT_KEPT) == []


@pytest.mark.parametrize(
    "known",
    [
        PI5,  # it has an address, perhaps for something else
        facts("linux", (replace(interface("eth0"), link=False),)),
    ],
)
def test_the_interface_is_not_taken_down_for_it(known: NodeFacts) -> None:
    assert [s.command for s in lasting(FACTORY, NO_ADDRESS, known=known)] == [MADE]


def test_a_profile_that_waits_for_a_dhcp_server_is_changed_and_used_at_once() -> None:
    waiting = replace(AUTO, uuid=UUID, bound_to=None, volatile=False)
    steps = lasting(replace(FACTORY, profiles=(WIFI, waiting)), NO_ADDRESS, known=BARE)
    assert [s.command for s in steps] == [
        f"sudo nmcli con mod {UUID} ipv4.addresses 192.168.50.2/24 ipv4.method manual "
        "ipv4.never-default yes",
        f"sudo nmcli -w 20 con up {UUID}",
    ]


@pytest.mark.parametrize(
    ("finding", "setup", "said"),
    [
        (NO_ADDRESS, replace(FACTORY, types={"eth0": "wifi"}), "a Wi-Fi's needs its password"),
        (NO_ADDRESS, replace(FACTORY, types={"eth0": "bridge"}), "its type is bridge"),
        (NO_ADDRESS, replace(FACTORY, types={}), "its type is not known"),
        (NO_ADDRESS, replace(FACTORY, devices={"eth0": "unmanaged"}), "profiles for eth0: none"),
        (pi5("address-missing", "wifi", expected="192.168.1.25", interface="eth0"), FACTORY,
         "which router wifi has is the user's to say"),
    ],
)  # fmt: skip
def test_none_is_made_where_something_is_not_known(
    finding: Finding, setup: NetworkSetup, said: str
) -> None:
    made = plan(FLEET, finding, PI5, setup)
    assert not any(s.lasts for s in made.steps)
    [note] = made.notes
    assert said in note


def test_another_manager_keeps_its_interface() -> None:
    own = InterfaceSetup("eth0", "ifupdown", "/etc/network/interfaces", dhcp=True)
    made = plan(FLEET, NO_ADDRESS, PI5, replace(FACTORY, interfaces={"eth0": own}))
    assert not any("nmcli" in s.command for s in made.steps)


def test_of_several_profiles_the_one_with_the_highest_priority_comes_up() -> None:
    ours = replace(ETH, uuid="", name="fleetctl-edge50", device=None, priority=10)
    rival = replace(ETH, device=None, addresses=("192.168.50.9/24",))
    boot = at_boot.boot(NetworkSetup(profiles=(rival, ours)), "eth0")
    assert [way[0].where for way in boot.ways] == ["the profile fleetctl-edge50"]
    resting = replace(ours, autoconnect=False)
    boot = at_boot.boot(NetworkSetup(profiles=(rival, resting)), "eth0")
    assert [way[0].where for way in boot.ways] == ["the profile eth-static"]
