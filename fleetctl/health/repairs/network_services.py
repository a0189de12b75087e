"""Repairs that last on macOS: changes to its network services.

A service is found by its interface, never by its name, which is free text. A setting that is right
already is not touched.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import count

from msgspec.structs import replace

from fleetctl.health.repairs.routes import needs_own_route
from fleetctl.health.repairs.target import RepairTarget, SetupChange
from fleetctl.model.setup import NetworkService, NetworkSetup, ServiceRoute
from fleetctl.model.status import RepairStep
from fleetctl.quoting import join


def routes(target: RepairTarget, setup: NetworkSetup) -> SetupChange:
    """Add the route to the service of the interface towards the next hop.

    ``-setadditionalroutes`` replaces the list, so the whole list is given each time.
    """
    if target.finding.network is None:
        return _nothing(setup, target.no_default_at_boot)
    interface = target.route_interface
    service, note = _service(target.finding.node, interface, setup)
    if service is None:
        return _nothing(setup, note)
    if service.routes is None:
        why = f'the additional routes of "{service.name}" cannot be read'
        return _nothing(setup, f"{target.finding.node}: not for good, because {why}")
    wanted = ServiceRoute(target.cidr, target.address)
    others = tuple(r for r in service.routes if r.to != wanted.to)
    if wanted in service.routes and len(others) == len(service.routes) - 1:
        return SetupChange(setup)
    changed = replace(service, routes=(*others, wanted))
    step = RepairStep(
        _set_routes(changed),
        f'lets the service "{service.name}" bring the route to {wanted.to} via {wanted.via}',
        _set_routes(service),
        lasts=True,
        interface=interface,
        sets=f"additional routes of {service.name}",
    )
    return _changed(setup, service, changed, step)


def detour(target: RepairTarget, setup: NetworkSetup) -> SetupChange:
    """Keep the service of the wrong interface from bringing its route again."""
    if needs_own_route(target):
        return routes(target, setup)
    entry = target.finding.entry
    service, note = _service(target.finding.node, entry.interface if entry else "", setup)
    if service is None or entry is None:
        return _nothing(setup, note)
    kept = tuple(r for r in service.routes or () if (r.to, r.via) != (entry.to, entry.via))
    if len(kept) == len(service.routes or ()):
        return SetupChange(setup)
    changed = replace(service, routes=kept)
    step = RepairStep(
        _set_routes(changed),
        f'keeps the service "{service.name}" from bringing the route to {entry.to}',
        _set_routes(service),
        lasts=True,
        interface=entry.interface,
        sets=f"additional routes of {service.name}",
    )
    return _changed(setup, service, changed, step)


def address(target: RepairTarget, setup: NetworkSetup) -> SetupChange:
    """Give the interface's service a fixed address and no router: with one, it could become the
    primary service. A service that is missing is made, one that is disabled is enabled."""
    finding = target.finding
    if target.leased:
        return _nothing(setup, target.leased_at_boot)
    # a default route may have been stolen by an interface that needs no service, as a VPN's
    find = _alone if finding.address else _service
    alone, note = find(finding.node, finding.interface, setup)
    if note:
        return _nothing(setup, note)
    if alone is None:
        return _made(target, setup) if finding.interface else SetupChange(setup)
    changed, steps, note = _fixed(target, alone)
    if note:
        return _nothing(setup, note)
    if not alone.enabled:
        changed = replace(changed, enabled=True)
        does = f'enables the service "{alone.name}"'
        steps.append(_step(target, does, _enable(alone, "on"), _enable(alone, "off")))
    return _changed(setup, alone, changed, *steps)


def _made(target: RepairTarget, setup: NetworkSetup) -> SetupChange:
    """A new service with the fixed address.

    ``-removenetworkservice`` may refuse to take away the only service of a port. So the undo of
    what comes after the creation disables it, which by itself brings back how the port was.
    """
    interface = target.finding.interface
    taken = {service.name for service in setup.services or ()}
    new = NetworkService(_free(f"{_network(target)} {interface}", taken), True, interface, "dhcp")
    does = f'makes the service "{new.name}" for {interface}, which has none'
    create = ["-createnetworkservice", new.name, interface]
    made = _step(target, does, create, ["-removenetworkservice", new.name])
    changed, [address], _ = _fixed(target, new)
    address = replace(address, undo=_command(_enable(new, "off")))
    services = (*(setup.services or ()), replace(changed, routes=()))
    return SetupChange(replace(setup, services=services), (made, address))


def _free(name: str, taken: Collection[str]) -> str:
    """``name``, or with a number behind it."""
    names = (f"{name} {number}" if number > 1 else name for number in count(1))
    return next(name for name in names if name not in taken)


def _network(target: RepairTarget) -> str:
    assert target.finding.network is not None
    return target.finding.network.name


def _fixed(
    target: RepairTarget, service: NetworkService
) -> tuple[NetworkService, list[RepairStep], str]:
    """The service with the fixed address, the step to that if it is one, and why it cannot be."""
    network = target.finding.network
    assert network is not None
    given, mask = target.node.addresses[network.name], network.cidr.netmask
    # the default route belongs to the control network
    router = service.router if target.on_control else None
    right = service.method == "manual" and service.router == router
    if right and (service.address, service.mask) == (given, mask):
        return service, [], ""
    undo = _set_back(service)
    if undo is None:
        why = f'how the service "{service.name}" is set up cannot be read'
        return service, [], f"{target.finding.node}: not for good, because {why}"
    words = ["-setmanual", service.name, str(given), str(mask), *([str(router)] if router else [])]
    with_router = f"the router {router}" if router else "no router"
    does = f'gives the service "{service.name}" the fixed address {given} and {with_router}'
    changed = replace(service, method="manual", address=given, mask=mask, router=router)
    return changed, [_step(target, does, words, undo)], ""


def _step(target: RepairTarget, does: str, words: list[str], undo: list[str]) -> RepairStep:
    interface = target.finding.interface
    return RepairStep(_command(words), does, _command(undo), lasts=True, interface=interface)


def _enable(service: NetworkService, state: str) -> list[str]:
    return ["-setnetworkserviceenabled", service.name, state]


def _command(words: list[str]) -> str:
    return join(["sudo", "networksetup", *words])


def single_address(target: RepairTarget, setup: NetworkSetup) -> SetupChange:
    """Give the service the node's own address, where it has the other node's."""
    finding = target.finding
    service, note = _service(finding.node, finding.interface, setup)
    if service is None:
        return _nothing(setup, note)
    if service.address not in finding.found:
        return SetupChange(setup)
    if finding.network is None or finding.network.name not in target.node.addresses:
        why = f'what else the service "{service.name}" should have is not in nodes.yaml'
        return _nothing(setup, f"{finding.node}: not for good, because {why}")
    return address(target, setup)


def _service(node: str, interface: str, setup: NetworkSetup) -> tuple[NetworkService | None, str]:
    """The enabled service of ``interface``, or why it is not known; neither: no interface."""
    found, note = _alone(node, interface, setup)
    if note or not interface or (found and found.enabled):
        return found, note
    return None, _ambiguous(node, interface, [found] if found else [])


def _alone(node: str, interface: str, setup: NetworkSetup) -> tuple[NetworkService | None, str]:
    """The one service of ``interface`` that is enabled, else the only one, or why it is not known;
    neither: there is none."""
    if not interface:
        return None, ""
    if setup.services is None:
        why = setup.unknown.get("services", "its network services are not known")
        return None, f"{node}: not for good, because {why}"
    found = [s for s in setup.services if s.device == interface]
    chosen = [s for s in found if s.enabled] or found
    if len(chosen) > 1:
        return None, _ambiguous(node, interface, found)
    return (chosen[0] if chosen else None), ""


def _ambiguous(node: str, interface: str, found: Sequence[NetworkService]) -> str:
    listed = ", ".join(f'"{s.name}"{"" if s.enabled else " (disabled)"}' for s in found) or "none"
    return (
        f"{node}: not for good, because exactly one enabled network service is needed for "
        f"{interface}; there are: {listed}"
    )


def _nothing(setup: NetworkSetup, note: str) -> SetupChange:
    return SetupChange(setup, notes=(note,) if note else ())


def _changed(
    setup: NetworkSetup, service: NetworkService, changed: NetworkService, *steps: RepairStep
) -> SetupChange:
    services = tuple(changed if s is service else s for s in setup.services or ())
    return SetupChange(replace(setup, services=services), steps)


def _set_routes(service: NetworkService) -> str:
    triples = [
        str(word)
        for r in service.routes or ()
        for word in (r.to.network_address, r.to.netmask, r.via)
    ]
    return join(["sudo", "networksetup", "-setadditionalroutes", service.name, *triples])


def _set_back(service: NetworkService) -> list[str] | None:
    """What restores a service's present address settings."""
    given = [str(word) for word in (service.address, service.mask, service.router) if word]
    if service.method == "manual" and len(given) >= 2:
        words = ["-setmanual", service.name, *given]
    elif service.method == "manual_with_dhcp_router" and service.address:
        words = ["-setmanualwithdhcprouter", service.name, str(service.address)]
    elif service.method in ("dhcp", "bootp"):
        words = [f"-set{service.method}", service.name]
    elif service.method == "off":
        words = ["-setv4off", service.name]
    else:
        return None
    return words


def merged(steps: Sequence[RepairStep]) -> list[RepairStep]:
    """``steps`` with one command for each list that is replaced as a whole: the last one, which
    has all the entries, with the undo of the first."""
    alike: dict[str, list[RepairStep]] = {}
    for step in steps:
        if step.sets:
            alike.setdefault(step.sets, []).append(step)
    found = []
    for step in steps:
        same = alike.get(step.sets, [step])
        if step is same[-1]:
            does = "; ".join(s.does for s in same)
            found.append(replace(step, does=does, undo=same[0].undo))
    return found
