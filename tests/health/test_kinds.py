"""Every kind of problem is complete: it can be raised, and the pages describe it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from fleetctl import errors
from fleetctl.bench.problems import problems
from fleetctl.config import load_text
from fleetctl.health.assess import assess
from fleetctl.health.instance_problems import service_problems
from fleetctl.health.kinds.kind import FindingKind
from fleetctl.health.kinds.registry import FINDING_KINDS, KINDS, STOPS_START
from fleetctl.health.machine_problems import node_problems
from fleetctl.health.network.across_nodes import problems_across_nodes
from fleetctl.health.port_problems import port_in_use
from fleetctl.health.repairs.target import Remedy
from fleetctl.health.services import service_status
from fleetctl.health.status_schema import status_schema
from fleetctl.model.expectations import derive
from fleetctl.model.facts import (
    CUT_OFF,
    BootStart,
    LocalNetwork,
    NetworkFacts,
    Reliability,
    ThunderboltPort,
    Unwritable,
    Workplace,
)
from fleetctl.model.jobs import Job, Service
from fleetctl.model.liveness import Liveness
from fleetctl.model.look import Look
from fleetctl.model.network import Echo, Interface, Neighbour
from fleetctl.model.node_status import SystemStatus
from fleetctl.model.ready import Ready
from fleetctl.model.status import Problem
from fleetctl.model.topology import OSES
from tests.bench.fleets import EDGE, EXPECTATIONS, FLEET, measured, result
from tests.health.facts import HAS_TMUX, PID, ago, facts, health, listener, pane, record
from tests.health.leases import with_dhcp
from tests.health.test_node_problems import JOB, NODE, SERVER, WORKER, checked
from tests.health.test_parity_of_nodes import dirty_code
from tests.health.test_port_problems import open_too
from tests.health.test_requirements import without_uv
from tests.health.test_silence import PRINTING, SILENT, silent_among
from tests.health.test_stragglers import going, stalled, stragglers_among
from tests.health.test_uneven import problems_of
from tests.health.test_unexplained import CLUSTER, MINI3, Filtered, between
from tests.health.world import World
from tests.lab.fleets import GUIDE
from tests.launch.jobs import job

PAGE = Path(__file__).parents[2] / "docs" / "problem-kinds.md"
RENEW = os.environ.get("FLEETCTL_PAGES") == "renew"

Raise = Callable[[], Iterable[Problem]]


def world(fault: Callable[[World], object]) -> Raise:
    """The guide's cluster with a fault."""

    def problems() -> Iterable[Problem]:
        made = World(CLUSTER)
        fault(made)
        return made.check().status.problems

    return problems


def changed(node: str, **more: Any) -> Raise:
    """The guide's cluster with other facts of one node."""

    def problems() -> Iterable[Problem]:
        made = World(CLUSTER)
        looks = {name: made.look(name, "check") for name in made.hosts}
        told = looks[node].facts
        assert told
        network = {k: v for k, v in more.items() if k in NetworkFacts.__struct_fields__}
        others = {k: v for k, v in more.items() if k not in network}
        told = replace(told, network=replace(told.network, **network), **others)
        looks[node] = Look(facts=told)
        found = assess(CLUSTER, None, made.expectations, looks, duration_s=1.0, depth="check")
        return found.status.problems

    return problems


def lost(error: type[errors.LinkError]) -> Raise:
    """A node that cannot be talked to, though it answers its peers."""

    def problems() -> Iterable[Problem]:
        made = World(CLUSTER)
        looks = {name: made.look(name, "check") for name in made.hosts}
        looks["pi5"] = Look(error=error("pi5", "why"))
        found = assess(CLUSTER, None, made.expectations, looks, duration_s=1.0, depth="check")
        return found.status.problems

    return problems


def told(**of_login: Any) -> Raise:
    """A node with such a login."""

    def problems() -> Iterable[Problem]:
        made = World(CLUSTER)
        looks = {name: made.look(name, "check") for name in made.hosts}
        looks["pi5"] = replace(looks["pi5"], **of_login)
        found = assess(CLUSTER, None, made.expectations, looks, duration_s=1.0, depth="check")
        return found.status.problems

    return problems


def alone(**more: Any) -> Raise:
    """Node b alone."""
    return lambda: node_problems(NODE, facts(**more), JOB)


def server(*found: Any, **more: Any) -> Raise:
    """The server's node; the others are all right and idle."""
    return lambda: checked(a=facts(*found, **more)).status.problems


def unhealthy() -> Iterable[Problem]:
    one = replace(SERVER, liveness=Liveness("connect", "x:1"), ready=Ready("alive"))
    found = facts(pane(one), record(one, health=health()))
    work = Job("job", {"server": Service((), (one,))})
    return service_problems(
        CLUSTER, work, {one.name: service_status("fleet", one, found)}, {one.node: found}
    )


def slow() -> Iterable[Problem]:
    text = GUIDE.replace("kind: thunderbolt}", "kind: thunderbolt, expect: {rtt_ms: 0.01}}")
    assert text != GUIDE
    fleet = load_text(text, "nodes.yaml")
    made = World(fleet)
    looks = {name: made.look(name, "check") for name in made.hosts}
    told = looks["mini1"].facts
    assert told
    echoes = dict.fromkeys(told.network.echoes, Echo(3, 3, 90.0))
    looks["mini1"] = Look(facts=replace(told, network=replace(told.network, echoes=echoes)))
    return assess(
        fleet, None, made.expectations, looks, duration_s=1.0, depth="check"
    ).status.problems


def no_lease() -> Iterable[Problem]:
    made = World(CLUSTER)
    made.hosts["mini2"].missing.add("fabric")
    looks = {name: made.look(name, "check") for name in made.hosts}
    fleet = with_dhcp(CLUSTER, "mini2", "fabric")
    return assess(fleet, None, derive(fleet), looks, duration_s=1.0, depth="check").status.problems


def ring() -> Iterable[Problem]:
    def mac(own: str, peer: str) -> Any:
        bridge = Interface("bridge0", enabled=True, link=True)
        ports = (ThunderboltPort(f"{own}1", f"{peer}2"), ThunderboltPort(f"{own}2", None))
        return facts(network=NetworkFacts(interfaces=(bridge,)), thunderbolt=ports)

    names = ("mini1", "mini2", "mini3")
    cables = {n: mac(n, names[(place + 1) % 3]) for place, n in enumerate(names)}
    return problems_across_nodes(CLUSTER, cables)


def sizes() -> Iterable[Problem]:
    made = World(CLUSTER)
    known = {n: f for n in made.hosts if (f := made.look(n, "check").facts)}
    for size, name in zip((1500, 9000, 1500), ("mini1", "mini2", "mini3"), strict=True):
        network = known[name].network
        cards = tuple(replace(i, mtu=size) for i in network.interfaces or ())
        known[name] = replace(known[name], network=replace(network, interfaces=cards))
    return problems_across_nodes(CLUSTER, known)


def another_port() -> Iterable[Problem]:
    own = "addresses: {wifi: 192.168.1.25, edge50: 192.168.50.2}"
    assert own in GUIDE
    fleet = load_text(GUIDE.replace(own, f"{own}\n    interfaces: {{edge50: eth7}}"), "nodes.yaml")
    return World(fleet).check().status.problems


def no_ethernet_address() -> Iterable[Problem]:
    made = Filtered(CLUSTER, between(("mini2", MINI3)))
    looks = made.looks()
    told = looks["mini2"].facts
    assert told
    entry = Neighbour(MINI3, "thunderbolt0", None, "failed")
    looks["mini2"] = Look(facts=replace(told, network=replace(told.network, neighbours=(entry,))))
    return made.problems(looks)


def workplace(state: str) -> Raise:
    place = {("job", WORKER.name): Workplace(state, None)}  # type: ignore[arg-type]  # given below
    ready = facts(pane(SERVER), record(SERVER, ready=True), listener("10.0.0.1", 6000, PID))
    return lambda: checked(a=ready, b=facts(**HAS_TMUX, workplaces=place)).status.problems


def no_way_back(made: World) -> None:
    made.hosts["mini1"].routes.clear()


def another_gateway(made: World) -> None:
    routes = made.hosts["pi5"].routes
    routes[next(iter(routes))] = IPv4Address("192.168.50.9")


def detour(made: World) -> None:
    made.hosts["mini2"].detours[IPv4Network("10.10.0.1/32")] = (None, "wifi")


def over_wifi() -> Iterable[Problem]:
    jobs = (
        "jobs: {job: {services: {a: {on: mini1, command: a, listen: 'wifi:6000'}, "
        "b: {on: mini2, command: b, after: [a]}}}}\n"
    )
    fleet = load_text(GUIDE + jobs, "nodes.yaml")
    return World(fleet, job=fleet.jobs["job"]).check().status.problems


def without_server() -> Iterable[Problem]:
    jobs = (
        "jobs: {job: {services: {a: {on: mini1, command: a, listen: 'fabric:6000'}, "
        "b: {on: [mini2, mini3], command: b, after: [a]}}}}\n"
    )
    fleet = load_text(GUIDE + jobs, "nodes.yaml")
    made = World(fleet, job=fleet.jobs["job"])
    made.alone.add("b@mini2")
    return made.check().status.problems


def another_default(made: World) -> None:
    made.hosts["pi5"].stolen = (IPv4Address("192.168.50.1"), "edge50")


def leak() -> Iterable[Problem]:
    class Leaking(World):
        def answers(self, asker: str, to: IPv4Address) -> bool:
            forbidden = (r.to for r in self.expectations.reach_of("pi5") if not r.expected)
            return (asker == "pi5" and to in set(forbidden)) or super().answers(asker, to)

    return Leaking(CLUSTER).check().status.problems


def everywhere() -> Iterable[Problem]:
    problem = open_too("0.0.0.0")
    return [problem] if problem else []


def no_uplink() -> Iterable[Problem]:
    class Cut(World):
        def answers(self, asker: str, to: IPv4Address) -> bool:
            return to != self.fleet.internet and super().answers(asker, to)

    return Cut(CLUSTER).check().status.problems


HOT = SystemStatus(os="linux", disk_free_bytes=1)
LATE = {"started_at": ago(100)}
DENIED = LocalNetwork(False, "[Errno 65] No route to host")
HEARD = NetworkFacts(echoes={IPv4Address("10.0.0.1"): Echo(3, 3, 0.2)})
BOUND = listener("10.0.0.9", 6000, PID)
OWN = (pane(SERVER), record(SERVER, ready=True), listener("10.0.0.1", 6000, PID))
SILENT_JOB = job({"a": (["a"], [])}, a={"ready": Ready("log", "up", timeout_s=20)})

RAISED: dict[str, Raise] = {
    "ssh-unreachable": lost(errors.ConnectFailed),
    "ssh-timeout": lost(errors.ConnectTimedOut),
    "ssh-auth-failed": lost(errors.AuthFailed),
    "ssh-host-key-unknown": lost(errors.HostKeyUnknown),
    "ssh-host-key-changed": lost(errors.HostKeyChanged),
    "ssh-hung": lost(errors.LinkHung),
    "ssh-second-way": told(via="mini1", bypassed="no answer"),
    "internal-error": lost(errors.OwnMistake),
    "answer-incomplete": alone(unknown={"interfaces": CUT_OFF}),
    "address-missing": world(lambda w: w.hosts["mini2"].missing.add("fabric")),
    "lease-missing": no_lease,
    "address-wrong-prefix": world(lambda w: w.hosts["mini2"].prefixes.update(fabric=16)),
    "address-duplicate": world(lambda w: w.hosts["mini2"].twins.update(fabric=MINI3)),
    "interface-down": world(lambda w: w.hosts["mini2"].enabled.update(fabric=False)),
    "route-missing": world(lambda w: w.hosts["pi5"].routes.clear()),
    "route-wrong-gateway": world(another_gateway),
    "route-wrong-interface": world(detour),
    "return-route-missing": world(no_way_back),
    "forwarding-off": world(lambda w: setattr(w.hosts["mini3"], "forwarding", False)),
    "forwarding-not-persistent": changed("mini3", forwarding_persistent=False),
    "address-wrong-interface": another_port,
    "address-not-persistent": world(
        lambda w: w.hosts["pi5"].stored_addresses.update(edge50=IPv4Interface("192.168.50.9/24"))
    ),
    "route-not-persistent": world(lambda w: w.hosts["mini2"].stored_routes.clear()),
    "default-route-stolen": world(another_default),
    "rp-filter-strict": changed("pi5", strict_filters=("wlan0",)),
    "gateway-unreachable": lambda: Filtered(
        CLUSTER, between(("pi5", IPv4Address("192.168.50.1")))
    ).problems(),
    "unreachable": lambda: Filtered(CLUSTER, between(("mini2", MINI3))).problems(),
    "not-isolated": leak,
    "no-internet": no_uplink,
    "arp-incomplete": no_ethernet_address,
    "mtu-mismatch": sizes,
    "thunderbolt-loop": ring,
    "packet-loss": world(lambda w: w.hosts["mini2"].loses.update(fabric=0.3)),
    "rtt-high": slow,
    "bandwidth-low": lambda: problems(FLEET, EXPECTATIONS, [result(measured(EDGE, 94, 93))]),
    "local-network-denied": alone(
        system=SystemStatus(os="macos"), network=HEARD, local_network=DENIED
    ),
    "tmux-unusable": alone(panes=None, unknown={"tmux": "server exited unexpectedly"}),
    "tmux-missing": alone(tmux_version=None, unknown={"tmux": "not installed"}),
    "disk-full": alone(system=HOT),
    "state-unwritable": alone(
        unwritable=Unwritable("/home/pi/.local", "root", "Permission denied", "drwxr-xr-x 2 root")
    ),
    "requirement-missing": without_uv,
    "undervoltage": alone(reliability=Reliability(undervoltage=True)),
    "clock-skew": changed("pi4", reliability=Reliability(clock_offset_s=60.0)),
    "sleep-enabled": changed("mini1", reliability=Reliability(sleep_minutes=10)),
    "version-skew": dirty_code,
    "wifi-power-save": changed("pi4", reliability=Reliability(wifi_power_save=("wlan0",))),
    "os-mismatch": lambda: node_problems(
        replace(NODE, os="macos"), facts(system=SystemStatus(os="linux")), None
    ),
    "boot-start-differs": changed("pi5", boot_start=BootStart("pi", "/home/pi", True, "[Unit]\n")),
    "command-missing": workplace("ok"),
    "login-shell-slow": told(shell_s=6.2),
    "ssh-config-ignored": told(ignored=("PKCS11Provider /usr/lib/opensc.so",)),
    "workdir-missing": workplace("missing"),
    "port-not-listening": server(pane(SERVER, **LATE), record(SERVER, **LATE)),
    "port-wrong-address": server(pane(SERVER), record(SERVER), BOUND),
    "port-in-use": lambda: [
        port_in_use(SERVER, listener("10.0.0.1", 6000, 7, process="nginx"), None, (SERVER.name,))
    ],
    "listen-exposed": everywhere,
    "service-failed": server(
        pane(SERVER, dead=True, dead_status=1), record(SERVER, phase="ended", exit_code=1, pid=None)
    ),
    "service-unhealthy": unhealthy,
    "service-crash-loop": server(
        pane(SERVER), record(SERVER, phase="backoff", exit_code=1, restarts=5, pid=None)
    ),
    "dependency-not-ready": server(
        pane(SERVER, started_at=ago(5)), record(SERVER, started_at=ago(5))
    ),
    "data-over-control": over_wifi,
    "service-changed": server(replace(OWN[0], definition_hash="other"), *OWN[1:]),
    "service-ended-early": lambda: problems_of(ended_s_ago=31),
    "service-silent": lambda: silent_among(SILENT, PRINTING),
    "connection-lost": without_server,
    "straggler": lambda: stragglers_among(stalled(50), going(), going()),
    "service-orphaned": server(pane(WORKER, instance="old@a"), record(WORKER, instance="old@a")),
}


def test_every_kind_can_be_raised_here() -> None:
    assert set(RAISED) == set(KINDS)


@pytest.mark.parametrize("code", KINDS)
def test_a_raised_problem_is_as_its_kind_says(code: str) -> None:
    found = [problem for problem in RAISED[code]() if problem.code == code]
    assert found, f"not among {[p.code for p in RAISED[code]()]}"
    for problem in found:
        assert "{" not in problem.summary
        assert not problem.summary.endswith(".")
        assert problem.evidence or code == "dependency-not-ready"
        if problem.fix and problem.fix.steps:
            assert code in FINDING_KINDS


@pytest.mark.parametrize("code", FINDING_KINDS)
def test_a_remedy_is_proposed_where_the_kind_has_one(code: str) -> None:
    """All nodes here are Linux."""
    [problem, *_] = [p for p in RAISED[code]() if p.code == code]
    live = not code.endswith("-not-persistent") and code != "sleep-enabled"
    live &= isinstance(KINDS[code].remedies["linux"], Remedy)
    assert bool(problem.fix) == live


def test_every_code_is_in_the_schema() -> None:
    assert status_schema()["$defs"]["Problem"]["properties"]["code"]["enum"] == list(KINDS)


def test_every_error_of_a_connection_has_its_kind() -> None:
    def below(kind: type[errors.LinkError]) -> Iterable[type[errors.LinkError]]:
        yield kind
        for sub in kind.__subclasses__():
            yield from below(sub)

    assert {kind.code for kind in below(errors.LinkError)} <= set(KINDS)


def test_only_network_problems_stop_a_start() -> None:
    assert {
        "address-missing", "lease-missing", "address-wrong-prefix", "address-duplicate",
        "interface-down", "route-missing", "route-wrong-gateway", "route-wrong-interface",
        "return-route-missing", "forwarding-off", "gateway-unreachable", "unreachable",
        "arp-incomplete",
    } == STOPS_START  # fmt: skip


# the page


def page() -> str:
    """docs/problem-kinds.md, generated from the kinds."""
    head = (
        "# Kinds of problems\n\n"
        "What `fleetctl` names, from `fleetctl/health/kinds`; a test holds this page against it "
        "(`FLEETCTL_PAGES=renew` writes it anew).\n"
        "Each code has a page of its own: `fleetctl explain CODE`. A severity may be another one "
        "where a problem's sentence says why.\n\n"
        "| code | severity | `affects` holds | stops a start | repaired on Linux | on macOS |\n"
        "|---|---|---|---|---|---|\n"
    )
    return head + "".join(row(kind.code) for kind in KINDS.values())


def row(code: str) -> str:
    kind = KINDS[code]
    repaired = [how(kind.remedies[os]) for os in OSES]
    link = f"[`{code}`](problems/{code}.md)"
    stops = "yes" if kind.stops_start else ""
    return f"| {link} | {kind.severity} | {kind.hits} | {stops} | {' | '.join(repaired)} |\n"


def how(remedy: Remedy | str) -> str:
    if isinstance(remedy, str):
        return f"by hand: {remedy}"
    lasts = (
        f"at once; {remedy.lasting}" if isinstance(remedy.lasting, str) else "at once, and for good"
    )
    only = "for good" if remedy.live.__name__ == "nothing_live" else lasts
    return f"`fix`: {only}"


def test_the_page_of_all_kinds_is_up_to_date() -> None:
    if RENEW:
        PAGE.write_text(page())
    assert PAGE.read_text() == page()


def test_kinds_made_of_findings_have_a_consequence_if_they_cut_nodes_off() -> None:
    for kind in KINDS.values():
        if isinstance(kind, FindingKind) and kind.severity == "error":
            assert kind.consequence, kind.code
