"""A port in the wrong place, in other hands, or open where nobody needs it."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from typing import Any

import pytest
from msgspec.structs import replace

from fleetctl.health.port_problems import exposed, port_in_use, port_problem
from fleetctl.health.sockets import strangers
from fleetctl.model.facts import Listener, NetworkFacts, NodeFacts
from fleetctl.model.jobs import Job, Listen
from fleetctl.model.network import Interface
from fleetctl.model.status import Problem
from fleetctl.model.topology import SSH, Fleet, Network, Node
from tests.health.facts import PID, RUN, facts, listener, pane, record, running
from tests.launch.jobs import job

FABRIC, WIFI = IPv4Address("10.0.0.1"), IPv4Address("192.168.1.1")


def made(**listening: Any) -> Job:
    fields = ("other_listens", "peers")
    more: dict[str, Any] = {name: listening.pop(name) for name in fields if name in listening}
    at = {"address": FABRIC, "port": 6000, "network": "fabric", **listening}
    return job(
        {"server": (["a"], []), "worker": (["b"], ["server"])},
        server={"listen": Listen(**at), **more},
    )


JOB = made()
SERVER = JOB.instances[0]


def fleet(**b: Any) -> Fleet:
    networks = {
        "fabric": Network("fabric", IPv4Network("10.0.0.0/24")),
        "wifi": Network("wifi", IPv4Network("192.168.1.0/24"), control=True),
    }
    nodes = {
        "a": Node("a", SSH("a"), addresses={"fabric": FABRIC, "wifi": WIFI}),
        "b": Node("b", SSH("b"), **{"addresses": {"fabric": IPv4Address("10.0.0.2")}, **b}),
    }
    return Fleet("fleet", networks, nodes, {"job": JOB})


def on_a(*found: Listener, cards: Sequence[str] = ("10.0.0.1/24", "192.168.1.1/24")) -> NodeFacts:
    interfaces = tuple(
        Interface(f"eth{n}", enabled=True, link=True, addresses=(IPv4Interface(card),))
        for n, card in enumerate(["127.0.0.1/8", *cards])
    )
    return replace(running(SERVER, *found), network=NetworkFacts(interfaces=interfaces))


def open_too(address: str, of: Fleet | None = None, **more: Any) -> Problem | None:
    return exposed(of or fleet(), JOB, SERVER, on_a(listener(address, 6000, PID), **more))


@pytest.mark.parametrize("address", ["0.0.0.0", "*"])
def test_on_all_addresses(address: str) -> None:
    problem = open_too(address)
    assert problem
    assert (problem.code, problem.severity, problem.node) == ("listen-exposed", "warning", "a")
    assert problem.summary == (
        f"server@a listens on {address}:6000, so also on 192.168.1.1 (wifi), though all that use "
        "it are on fabric: let it bind to 10.0.0.1:6000 only"
    )


def test_on_a_control_address_beside_the_right_one() -> None:
    both = on_a(listener("10.0.0.1", 6000, PID), listener("192.168.1.1", 6000, PID))
    problem = exposed(fleet(), JOB, SERVER, both)
    assert problem and "listens on 192.168.1.1:6000" in problem.summary


def test_what_is_not_exposed() -> None:
    assert open_too("10.0.0.1") is None
    assert open_too("127.0.0.1") is None
    # there is nothing else on which it could be reached
    assert open_too("0.0.0.0", cards=["10.0.0.1/24"]) is None
    # a worker that can only come over Wi-Fi
    over_wifi = fleet(addresses={"wifi": IPv4Address("192.168.1.2")})
    assert open_too("0.0.0.0", over_wifi) is None
    behind = fleet(addresses={}, via={"fabric": "a"})
    assert open_too("0.0.0.0", behind) is not None
    # as nodes.yaml says
    for at in ({"address": IPv4Address("0.0.0.0"), "network": None}, {"network": "wifi"}):
        other = made(**at)
        known = on_a(listener("0.0.0.0", 6000, PID))
        assert exposed(fleet(), other, other.instances[0], known) is None


def test_peers_use_it_too() -> None:
    peers = made(peers={"b": IPv4Address("192.168.1.2")})
    apart = fleet(addresses={"wifi": IPv4Address("192.168.1.2")})
    alone = Job("job", {"server": peers.services["server"]})
    known = on_a(listener("0.0.0.0", 6000, PID))
    assert exposed(apart, alone, alone.instances[0], known) is None


def test_the_wrong_address() -> None:
    problem = port_problem(SERVER, on_a(listener("127.0.0.1", 6000, PID)), ())
    assert problem and problem.code == "port-wrong-address"
    only_ipv6 = port_problem(SERVER, on_a(listener("::", 6000, PID)), ())
    assert only_ipv6 and only_ipv6.code == "port-wrong-address"
    for right in ("10.0.0.1", "0.0.0.0", "*"):
        both = on_a(listener("127.0.0.1", 6000, PID), listener(right, 6000, PID))
        assert port_problem(SERVER, both, ()) is None


def test_each_of_several_listens_counts() -> None:
    cable = Listen(IPv4Address("10.0.1.1"), 6000, "cable")
    both = made(other_listens=(cable,)).instances[0]
    lacks = port_problem(both, on_a(listener("10.0.0.1", 6000, PID)), ())
    assert lacks and "must listen on 10.0.1.1:6000" in lacks.summary
    (taken,) = strangers(both, [listener("10.0.1.1", 6000, 8)])
    assert taken.pids == (8,)


def test_on_the_networks_of_all_listens_it_is_not_exposed() -> None:
    cable = Listen(IPv4Address("10.0.1.1"), 6000, "cable")
    of = fleet()
    of = replace(
        of, networks={**of.networks, "cable": Network("cable", IPv4Network("10.0.1.0/30"))}
    )
    both = made(other_listens=(cable,))
    cards = ["10.0.0.1/24", "10.0.1.1/30"]
    everywhere = listener("0.0.0.0", 6000, PID)
    assert exposed(of, both, both.instances[0], on_a(everywhere, cards=cards)) is None
    known = on_a(everywhere, cards=[*cards, "192.168.1.1/24"])
    problem = exposed(of, both, both.instances[0], known)
    assert problem and problem.summary == (
        "server@a listens on 0.0.0.0:6000, so also on 192.168.1.1 (wifi), though all that use it "
        "are on fabric or cable: let it bind to 10.0.0.1:6000 and 10.0.1.1:6000 only"
    )


def test_another_instance_of_the_fleet_is_named_and_how_it_is_stopped() -> None:
    [worker] = job({"old": (["a"], [])}).instances
    worker = replace(worker, job="before")
    window, written = pane(worker, run="ff"), record(worker, run="ff")
    taken = listener("0.0.0.0", 6000, 7)
    known = facts(window, written, taken, runs={RUN: (PID,), "ff": (7,)})
    problem = port_in_use(SERVER, taken, known, ("server@a",))
    assert problem.summary == (
        "port 6000 on a is taken by old@a of job before (pid 7), which listens on 0.0.0.0:6000 "
        "and is not server@a"
    )
    assert problem.fix and problem.fix.commands == ("fleetctl --job before stop old@a",)
    stranger = port_in_use(SERVER, listener("0.0.0.0", 6000, 8, process="nginx"), known, ())
    assert "taken by nginx (pid 8)" in stranger.summary
    assert stranger.fix is None
