"""Breaking a lab on purpose, one thing at a time, and mending it.

Each kind acts on the kernel's real state. What concerns cables and routes is not undone step by
step: the wanted state follows from all active faults together and is set anew, so that faults
combine in any order. A fault that lives in a machine's memory (a route, a flag, a stopped
process) is gone when the machine was off; one of a cable or a disk is still there.
"""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct
from msgspec.structs import replace

from fleetctl.errors import LabError
from fleetctl.lab import sabotage, state, wiring
from fleetctl.lab.blueprint import ROUTER, Blueprint, Machine
from fleetctl.lab.effects import (
    port_state,
    thief,
    wanted_addresses,
    wanted_routes,
    wrong_gateway,
)
from fleetctl.lab.personality import is_mac
from fleetctl.lab.state import Fault, State

Places = Callable[[Blueprint, Machine], list[str | None]]
Apply = Callable[[State, Fault, bool], State]


class Kind(Struct, frozen=True):
    """One kind of fault."""

    name: str
    sentence: str
    """What happens, as `lab fault --list` says it."""
    places: Places
    """The networks of a machine it can hit; ``[None]`` where it hits the machine as such."""
    lacks: str
    """Why it does not fit a machine without places, after the machine's name."""
    apply: Apply
    """Make the state true for a fault that was just added (True) or removed (False)."""
    lasting: bool = True
    """It is still there after the power was off and on again."""


# -- where a fault can be ------------------------------------------------------------------------


def _own_machine(_plan: Blueprint, machine: Machine) -> list[str | None]:
    return [None] if machine.role in ("ssh", "silent") else []


def _with_ssh(_plan: Blueprint, machine: Machine) -> list[str | None]:
    return [None] if machine.role == "ssh" else []


def _control(plan: Blueprint, machine: Machine) -> list[str | None]:
    if machine.key == ROUTER:
        return []
    return [p.network for p in machine.ports if plan.segments[p.network].control]


def _fabric(plan: Blueprint, machine: Machine) -> list[str | None]:
    own = [plan.segments[p.network] for p in machine.ports if machine.key != ROUTER]
    shared = [s for s in own if not s.control and not s.cable]
    return [s.name for s in sorted(shared, key=lambda s: s.kind != "thunderbolt")]


def _edge(plan: Blueprint, machine: Machine) -> list[str | None]:
    own = [plan.segments[p.network] for p in machine.ports]
    return [s.name for s in own if s.cable and not s.control]


def _forwards(_plan: Blueprint, machine: Machine) -> list[str | None]:
    return [None] if machine.forwarding and machine.key != ROUTER else []


def _has_route(_plan: Blueprint, machine: Machine) -> list[str | None]:
    return [None] if any(r.kind == "route" for r in machine.routes) else []


def _has_wrong_gateway(plan: Blueprint, machine: Machine) -> list[str | None]:
    routes = [route for route in machine.routes if route.kind == "route"]
    wrong = routes and all(wrong_gateway(plan, machine, route) for route in routes)
    return [None] if wrong else []


def _has_return(_plan: Blueprint, machine: Machine) -> list[str | None]:
    return [None] if any(r.kind == "return" for r in machine.routes) else []


def _cluster(plan: Blueprint, machine: Machine) -> list[str | None]:
    own = [plan.segments[p.network] for p in machine.ports if machine.role == "ssh"]
    return [s.name for s in own if not s.control]


def _with_sudo(_plan: Blueprint, machine: Machine) -> list[str | None]:
    return [None] if machine.role == "ssh" and machine.uid != 0 else []


def _mac(_plan: Blueprint, machine: Machine) -> list[str | None]:
    return [None] if machine.role == "ssh" and is_mac(machine) else []


def _pi(_plan: Blueprint, machine: Machine) -> list[str | None]:
    return [None] if machine.role == "ssh" and not is_mac(machine) else []


def _may_doze(plan: Blueprint, machine: Machine) -> list[str | None]:
    wireless = any(plan.segments[port.network].kind == "wifi" for port in machine.ports)
    return [None] if machine.role == "ssh" and (is_mac(machine) or wireless) else []


def _has_thief(plan: Blueprint, machine: Machine) -> list[str | None]:
    return [None] if machine.default and thief(plan, machine) else []


# -- putting it into effect ------------------------------------------------------------------------


def settle_ports(now: State, _fault: Fault, _active: bool) -> State:
    """Set every port of the machines that are on to what the active faults make of it."""
    plan = now.blueprint
    links = [
        (process, port, port_state(plan, now.faults, key, port))
        for key, process in now.processes.items()
        for port in plan.machines[key].ports
    ]
    wiring.set_links(plan, now.keeper, links)
    return now


def _settle_routes(now: State, fault: Fault, _active: bool) -> State:
    machine = now.blueprint.machines[fault.node]
    sabotage.ip(now, machine, wanted_routes(now.blueprint, now.faults, machine))
    return now


def _settle_addresses(now: State, fault: Fault, active: bool) -> State:
    machine = now.blueprint.machines[fault.node]
    sabotage.ip(now, machine, wanted_addresses(now.faults, machine, fault.network))
    return _settle_routes(now, fault, active)


def _power(now: State, fault: Fault, off: bool) -> State:
    machine = now.blueprint.machines[fault.node]
    if off:
        kept = (f for f in now.faults if f.node != fault.node or KINDS[f.kind].lasting)
        now = sabotage.power_off(replace(now, faults=tuple(kept)), machine)
    else:
        now = sabotage.power_on(now, machine)
    return settle_ports(now, fault, off)


def _change_host_key(now: State, fault: Fault, changed: bool) -> State:
    machine = now.blueprint.machines[fault.node]
    sabotage.change_host_key(now, machine, changed)
    if any(f.kind == "sshd-hang" and f.node == fault.node for f in now.faults):
        sabotage.hang_sshd(now, machine, True)  # the server that just started hangs as well
    return now


def _on(act: Callable[[State, Machine, bool], None]) -> Apply:
    """An act that is done on a machine and changes nothing in the state."""

    def apply(now: State, fault: Fault, active: bool) -> State:
        act(now, now.blueprint.machines[fault.node], active)
        return now

    return apply


KINDS = {
    kind.name: kind
    for kind in (
        Kind(
            "power-off",
            "The machine loses power: all its processes die at once, its links go dark; "
            "healing boots it again with the same disk.",
            _own_machine,
            "it is this very controller",
            _power,
        ),
        Kind(
            "wifi-down",
            "The machine's control link loses its carrier.",
            _control,
            "it is on no control network",
            settle_ports,
        ),
        Kind(
            "wifi-blackhole",
            "Packets on the machine's control link vanish; its carrier and all connections stay.",
            _control,
            "it is on no control network",
            settle_ports,
        ),
        Kind(
            "sshd-hang",
            "The SSH server freezes: TCP connects but nothing answers, and open sessions stall.",
            _with_ssh,
            "it has no SSH server",
            _on(sabotage.hang_sshd),
            lasting=False,
        ),
        Kind(
            "fabric-down",
            "The machine's port on a shared cluster network loses its carrier.",
            _fabric,
            "it is on no cluster network with more than two members",
            settle_ports,
        ),
        Kind(
            "edge-down",
            "The cable of a two-ended link is out: both ends lose their carrier.",
            _edge,
            "it has no two-ended link",
            settle_ports,
        ),
        Kind(
            "forwarding-off",
            "The gateway no longer forwards packets.",
            _forwards,
            "it is no gateway",
            _on(sabotage.stop_forwarding),
            lasting=False,
        ),
        Kind(
            "route-missing",
            "The machine's routes through its gateways are gone.",
            _has_route,
            "no route leads from it through a gateway",
            _settle_routes,
            lasting=False,
        ),
        Kind(
            "wrong-gateway",
            "The machine's routes through its gateways lead to a machine that does not forward.",
            _has_wrong_gateway,
            "no route leads from it through a gateway, or there is no other to lead to",
            _settle_routes,
            lasting=False,
        ),
        Kind(
            "return-route-missing",
            "The machine's routes back to the networks behind gateways are gone.",
            _has_return,
            "it has no return route",
            _settle_routes,
            lasting=False,
        ),
        Kind(
            "default-route-stolen",
            "A better default route leads into the cluster instead of to the internet.",
            _has_thief,
            "it has no default route, or no neighbour in the cluster",
            _settle_routes,
            lasting=False,
        ),
        Kind(
            "address-missing",
            "The machine's address on a cluster network is gone, and the routes over it.",
            _cluster,
            "it has an address on no cluster network, or no SSH server",
            _settle_addresses,
            lasting=False,
        ),
        Kind(
            "forwarding-not-persistent",
            "The gateway forwards packets, but no longer after its next boot.",
            _forwards,
            "it is no gateway",
            _on(sabotage.forget_forwarding),
        ),
        Kind(
            "sudo-password",
            "sudo asks the account for its password.",
            _with_sudo,
            "it has no SSH server, or one logs in as root",
            _on(sabotage.guard_sudo),
        ),
        Kind(
            "sleep-enabled",
            "A Mac goes to sleep after a minute; a Pi's Wi-Fi saves power.",
            _may_doze,
            "it is no Mac and has no Wi-Fi",
            _on(sabotage.let_doze),
        ),
        Kind(
            "undervoltage",
            "The power supply of a Pi is too weak: its firmware reports under-voltage.",
            _pi,
            "it is no Linux machine",
            _on(sabotage.weaken_power),
        ),
        Kind(
            "local-network-denied",
            "macOS keeps Python in tmux from its neighbours: no route to host, while ping answers.",
            _mac,
            "it is no Mac",
            _on(sabotage.deny_local_network),
        ),
        Kind(
            "tmux-missing",
            "tmux is not installed; a tmux server that runs already runs on.",
            _with_ssh,
            "it has no SSH server",
            _on(sabotage.hide_tmux),
        ),
        Kind(
            "disk-full",
            "The file system of the home folder has no space left.",
            _own_machine,
            "it is this very controller",
            _on(sabotage.fill_disk),
        ),
        Kind(
            "host-key-changed",
            "The SSH server shows another host key, as after a reinstallation.",
            _with_ssh,
            "it has no SSH server",
            _change_host_key,
        ),
        Kind(
            "key-revoked",
            "The controller's key is no longer among those that may log in.",
            _with_ssh,
            "it has no SSH server",
            _on(sabotage.revoke_key),
        ),
    )
}
_CABLES = frozenset({"wifi-down", "wifi-blackhole", "fabric-down", "edge-down", "power-off"})
"""Kinds that can be set and healed while the machine is off."""


# -- the two verbs ---------------------------------------------------------------------------------


def inject(name: str, kind: str, node: str, network: str | None = None) -> Fault:
    """Break something in the lab ``name``; what is broken already is broken once more.

    :param network: which of the node's networks, where the kind is about one; else the first.
    :raises LabError: no such kind, node or network; the kind does not fit the node, or the node is
        off.
    """
    with state.locked(name):
        now = state.read(name)
        fault = _fitting(now.blueprint, kind, node, network)
        if kind not in _CABLES:
            _require_power(now, fault)
        others = tuple(f for f in now.faults if f != fault)
        now = KINDS[kind].apply(replace(now, faults=(*others, fault)), fault, True)
        state.write(now)
    return fault


def heal(name: str, kind: str | None = None, node: str | None = None) -> tuple[Fault, ...]:
    """Mend what is broken in the lab ``name``: all of it, or what matches ``kind`` and ``node``.

    :returns: what was mended.
    :raises LabError: no such kind or node, or the node is off.
    """
    if kind is not None:
        _kind(kind)
    with state.locked(name):
        now = state.read(name)
        plan = now.blueprint
        key = plan.machine(node).key if node is not None else None
        chosen = [
            f
            for f in now.faults
            if kind in (None, f.kind) and (key is None or _concerns(plan, f, key))
        ]
        # Power first: nothing else on that machine can be mended without.
        for fault in sorted(chosen, key=lambda f: f.kind != "power-off"):
            if fault.kind not in _CABLES:
                _require_power(now, fault)
            now = replace(now, faults=tuple(f for f in now.faults if f != fault))
            now = KINDS[fault.kind].apply(now, fault, False)
            state.write(now)
    return tuple(chosen)


def _concerns(plan: Blueprint, fault: Fault, key: str) -> bool:
    both_ends = fault.kind == "edge-down" and fault.network is not None
    return fault.node == key or (both_ends and key in plan.ends(fault.network or ""))


def _kind(name: str) -> Kind:
    if name not in KINDS:
        raise LabError(f"there is no fault {name!r}", hint=f"There are: {', '.join(KINDS)}.")
    return KINDS[name]


def _fitting(plan: Blueprint, name: str, node: str, network: str | None) -> Fault:
    kind, machine = _kind(name), plan.machine(node)
    places = kind.places(plan, machine)
    if not places:
        fits = [key for key in plan.nodes if kind.places(plan, plan.machines[key])]
        hint = f"It fits {', '.join(fits)}." if fits else "It fits no node of this fleet."
        raise LabError(f"{name} does not fit {node}: {kind.lacks}", hint=hint)
    if network is not None and network not in places:
        known = ", ".join(place for place in places if place)
        hint = f"It can be {known}." if known else "It is about the whole machine."
        raise LabError(f"{name} on {node} cannot be about network {network!r}", hint=hint)
    return Fault(name, machine.key, network or places[0])


def _require_power(now: State, fault: Fault) -> None:
    if fault.node not in now.processes:
        raise LabError(
            f"{fault.node} is powered off, so {fault.kind} cannot be changed there",
            hint=f"fleetctl lab heal power-off {fault.node}",
        )
