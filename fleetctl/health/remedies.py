"""What repairs a finding: the exact commands, what each changes, and how it is undone. Pure.

Live steps follow from the facts alone. Lasting ones also need to know how the node is set up: they
change what is there, and their undo puts the former value back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from ipaddress import IPv4Address, IPv4Network

from msgspec import Struct

from fleetctl.health import lasting
from fleetctl.health.network.findings import ROUTE_CODES, Finding
from fleetctl.health.network.rows import control_interfaces, default_routes
from fleetctl.model.facts import NodeFacts
from fleetctl.model.network import Route
from fleetctl.model.setup import NetworkSetup
from fleetctl.model.status import RepairStep
from fleetctl.model.topology import Fleet, Node


class Plan(Struct, frozen=True):
    """The repair of one finding."""

    steps: tuple[RepairStep, ...] = ()
    notes: tuple[str, ...] = ()
    """What cannot be repaired, or not for good, and why; sentences for the user."""
    setup: NetworkSetup | None = None
    """As it is after the steps: what the next finding's plan starts from."""


def steps(
    fleet: Fleet, finding: Finding, facts: NodeFacts, setup: NetworkSetup | None = None
) -> tuple[RepairStep, ...]:
    """The steps that repair ``finding``; see :func:`plan`."""
    return plan(fleet, finding, facts, setup).steps


def plan(
    fleet: Fleet, finding: Finding, facts: NodeFacts, setup: NetworkSetup | None = None
) -> Plan:
    """What repairs ``finding`` on its node.

    :param setup: of the node; without it only what works until the next boot is planned.
    """
    os = facts.system.os if facts.system else None
    if os not in ("linux", "macos"):
        return Plan(notes=(f"it is not known what system {finding.node} runs",), setup=setup)
    live = list((_macos if os == "macos" else _linux)(fleet, finding, facts))
    if finding.code == "sleep-enabled":
        return _sleep(finding, os, setup)
    notes = [] if live else _why_nothing(finding)
    if setup is None or notes:
        return Plan(tuple(live), tuple(notes), setup)
    place = lasting.Place(fleet, finding, facts, _interface(fleet, finding, facts))
    change = (lasting.macos if os == "macos" else lasting.linux)(place, setup)
    return Plan((*live, *change.steps), change.notes, change.setup)


def plans(
    fleet: Fleet, findings: Iterable[Finding], facts: NodeFacts, setup: NetworkSetup | None
) -> Iterator[tuple[Finding, Plan]]:
    """The plans for several findings of one node, each on top of those before it."""
    for finding in findings:
        made = plan(fleet, finding, facts, setup)
        setup = made.setup
        yield finding, made


def _why_nothing(finding: Finding) -> list[str]:
    if finding.code == "interface-down" and finding.enabled:
        return [f"{finding.interface} is switched on: look at its cable"]
    if finding.code == "address-missing" and not finding.interface:
        return [f"which interface of {finding.node} belongs to {finding.network} is not known"]
    if finding.code == "default-route-stolen":
        return [f"{finding.node} has no other default route to go back to"]
    return []


def _interface(fleet: Fleet, finding: Finding, facts: NodeFacts) -> str:
    """The interface that a repair is about; empty where it is about none or not known."""
    if finding.code in ROUTE_CODES:
        return _towards(fleet, fleet.nodes[finding.node], facts, IPv4Address(finding.expected))
    return finding.interface


def _towards(fleet: Fleet, node: Node, facts: NodeFacts, gateway: IPv4Address) -> str:
    """The interface that has the node's own address on the gateway's network."""
    for name, address in node.addresses.items():
        if gateway in fleet.networks[name].cidr:
            own = facts.network.interface_of(address)
            return own.name if own else ""
    return ""


_TakeAway = Callable[[Route], tuple[str, str]]
"""The command that takes a route away, and its undo."""
_SetRoute = Callable[[IPv4Network, str, str, Route | None], tuple[str, str]]
"""Given destination, gateway, device and the wrong entry that is there, command and undo."""


def _routes(
    fleet: Fleet, finding: Finding, facts: NodeFacts, take_away: _TakeAway, set_route: _SetRoute
) -> Iterator[RepairStep]:
    """What leads packets right; how a system says it is in ``take_away`` and ``set_route``."""
    to, gateway = fleet.networks[finding.network].cidr, finding.expected
    device = _interface(fleet, finding, facts)
    for narrower in _narrower(finding, facts, to):
        does = f"takes away the route to {narrower.to}, a part of {to}, via {narrower.via}"
        command, undo = take_away(narrower)
        yield RepairStep(command, does, undo, interface=narrower.interface)
    wrong = _wrong_entry(finding, facts, to)
    if wrong is None and _has_right_entry(finding, facts, to):
        return
    does = f"leads {to} through {gateway}" + (f" instead of {finding.found}" if wrong else "")
    command, undo = set_route(to, gateway, device, wrong)
    yield RepairStep(command, does, undo, interface=device)


# Linux


def _linux(fleet: Fleet, finding: Finding, facts: NodeFacts) -> Iterator[RepairStep]:
    code, interface = finding.code, finding.interface
    if code == "forwarding-off":
        yield _forwarding("net.ipv4.ip_forward")
    elif code in ROUTE_CODES:
        yield from _routes(fleet, finding, facts, _linux_take_away, _linux_set)
    elif code == "default-route-stolen":
        yield from _linux_default(fleet, finding, facts)
    elif code == "address-missing" and interface:
        address = f"{finding.expected}/{fleet.networks[finding.network].cidr.prefixlen}"
        yield RepairStep(
            f"sudo ip addr add {address} dev {interface}",
            f"gives {interface} the address {address}",
            f"sudo ip addr del {address} dev {interface}",
            interface=interface,
        )
    elif code == "interface-down" and not finding.enabled:
        yield RepairStep(
            f"sudo ip link set {interface} up",
            f"switches {interface} on",
            f"sudo ip link set {interface} down",
            interface=interface,
        )
    elif code == "rp-filter-strict" and interface:
        key = lasting.filter_key(interface)
        yield RepairStep(
            f"sudo sysctl -w {key}=2",
            f"lets {interface} accept packets whose answers leave another way",
            f"sudo sysctl -w {key}=1",
        )
    elif code == "wifi-power-save" and interface:
        # No interface to protect in either: neither a filter that lets more through nor a radio
        # that stays awake can cut a connection, and the Wi-Fi is the very place for it.
        yield RepairStep(
            f"sudo iw dev {interface} set power_save off",
            f"keeps the radio of {interface} awake",
            f"sudo iw dev {interface} set power_save on",
        )


def _forwarding(key: str) -> RepairStep:
    return RepairStep(
        f"sudo sysctl -w {key}=1",
        "switches IPv4 forwarding on",
        f"sudo sysctl -w {key}=0",
    )


def _linux_take_away(route: Route) -> tuple[str, str]:
    entry = _linux_entry(route)
    return f"sudo ip route del {entry}", f"sudo ip route add {entry}"


def _linux_set(to: IPv4Network, gateway: str, device: str, wrong: Route | None) -> tuple[str, str]:
    way = f"via {gateway}" + (f" dev {device}" if device else "")
    if wrong is None:
        return f"sudo ip route replace {to} {way}", f"sudo ip route del {to} {way}"
    # Without its metric "replace" would set a second route beside the wrong one.
    metric = f" metric {wrong.metric}" if wrong.metric else ""
    return (
        f"sudo ip route replace {to} {way}{metric}",
        f"sudo ip route replace {_linux_entry(wrong)}",
    )


def _linux_entry(route: Route) -> str:
    """A route as ``ip route`` takes it."""
    to = "default" if route.to.prefixlen == 0 else str(route.to)
    words = [to if route.type == "unicast" else f"{route.type} {to}"]
    if route.via is not None:
        words.append(f"via {route.via}")
    if route.interface and route.type == "unicast":
        words.append(f"dev {route.interface}")
    if route.metric:
        words.append(f"metric {route.metric}")
    return " ".join(words)


def _linux_default(fleet: Fleet, finding: Finding, facts: NodeFacts) -> Iterator[RepairStep]:
    control = control_interfaces(fleet, fleet.nodes[finding.node], facts)
    defaults = default_routes(facts.network)
    right = min((r.metric for r in defaults if r.interface in control), default=None)
    if right is None:
        return
    for stolen in defaults:
        if stolen.interface == finding.interface and stolen.metric <= right:
            entry = _linux_entry(stolen)
            yield RepairStep(
                f"sudo ip route del {entry}",
                f"takes away the default route over {finding.interface}, so that "
                "the one over the control network counts",
                f"sudo ip route add {entry}",
                interface=finding.interface,
            )


# macOS


def _macos(fleet: Fleet, finding: Finding, facts: NodeFacts) -> Iterator[RepairStep]:
    code, interface = finding.code, finding.interface
    if code == "forwarding-off":
        yield _forwarding("net.inet.ip.forwarding")
    elif code in ROUTE_CODES:
        yield from _routes(fleet, finding, facts, _macos_take_away, _macos_set)
    elif code == "default-route-stolen":
        yield from _macos_default(fleet, finding, facts)
    elif code == "address-missing" and interface:
        mask = fleet.networks[finding.network].cidr.netmask
        yield RepairStep(
            f"sudo ifconfig {interface} inet {finding.expected} netmask {mask} alias",
            f"gives {interface} the address {finding.expected}",
            f"sudo ifconfig {interface} inet {finding.expected} -alias",
            interface=interface,
        )
    elif code == "interface-down" and not finding.enabled:
        yield RepairStep(
            f"sudo ifconfig {interface} up",
            f"switches {interface} on",
            f"sudo ifconfig {interface} down",
            interface=interface,
        )


def _macos_take_away(route: Route) -> tuple[str, str]:
    entry = f"-net {route.to} {route.via}"
    return f"sudo route -n delete {entry}", f"sudo route -n add {entry}"


def _macos_set(to: IPv4Network, gateway: str, device: str, wrong: Route | None) -> tuple[str, str]:
    if wrong is None:
        entry = f"-net {to} {gateway}"
        return f"sudo route -n add {entry}", f"sudo route -n delete {entry}"
    back = str(wrong.via) if wrong.via else f"-interface {wrong.interface}"
    return f"sudo route -n change -net {to} {gateway}", f"sudo route -n change -net {to} {back}"


def _macos_default(fleet: Fleet, finding: Finding, facts: NodeFacts) -> Iterator[RepairStep]:
    """The control network's own router stands in the scoped default of its interface."""
    control = control_interfaces(fleet, fleet.nodes[finding.node], facts)
    router = next(
        (
            r.via
            for r in facts.network.routes or ()
            if r.to.prefixlen == 0 and r.interface in control and r.via is not None
        ),
        None,
    )
    if router is not None:
        back = finding.found or f"-interface {finding.interface}"
        yield RepairStep(
            f"sudo route -n change default {router}",
            f"leads the default route through {router}",
            f"sudo route -n change default {back}",
            interface=finding.interface,
        )


def _sleep(finding: Finding, os: str, setup: NetworkSetup | None) -> Plan:
    """``pmset`` writes down what it sets, so its one step works at once and lasts."""
    if os != "macos":
        return Plan(setup=setup)
    former = finding.found or "1"
    undo = f"sudo pmset -a sleep {former}"
    if setup is not None and setup.sleep_minutes is not None:
        undo = f"sudo pmset -a sleep {setup.sleep_minutes}"
        if setup.disk_sleep_minutes is not None:
            undo += f" disksleep {setup.disk_sleep_minutes}"
    does = "keeps the Mac and its disks from going to sleep"
    step = RepairStep("sudo pmset -a sleep 0 disksleep 0", does, undo, lasts=True)
    return Plan((step,), setup=setup)


# what the routing table says


def _exact(facts: NodeFacts, to: IPv4Network) -> list[Route]:
    """The entries for just this destination that ordinary packets follow, the best one first."""
    entries = [
        r for r in facts.network.routes or () if r.to == to and not r.scoped and not r.cloned
    ]
    return sorted(entries, key=lambda r: r.metric)


def _has_right_entry(finding: Finding, facts: NodeFacts, to: IPv4Network) -> bool:
    return any(str(r.via) == finding.expected for r in _exact(facts, to)[:1])


def _wrong_entry(finding: Finding, facts: NodeFacts, to: IPv4Network) -> Route | None:
    best = next(iter(_exact(facts, to)), None)
    return best if best is not None and str(best.via) != finding.expected else None


def _narrower(finding: Finding, facts: NodeFacts, to: IPv4Network) -> list[Route]:
    """Entries for parts of ``to`` that lead its packets to the wrong gateway that was found."""
    if finding.code != "route-wrong-gateway":
        return []
    return [
        r
        for r in facts.network.routes or ()
        if r.to != to
        and r.to.subnet_of(to)
        and r.via is not None
        and str(r.via) == finding.found
        and not r.scoped
        and not r.cloned
    ]
