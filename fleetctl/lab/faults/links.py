"""Faults of links: carriers, and whether packets arrive."""

from __future__ import annotations

from fleetctl.lab.blueprint import ROUTER, Blueprint, Machine, Port
from fleetctl.lab.faults.kind import FaultKind, Places
from fleetctl.lab.state import Fault, State
from fleetctl.lab.wiring import PortState, set_links

LOSS = 0.12
"""Of frames, each way: about a fifth of the echoes do not come back."""
DELAY_MS = 5.0
NARROW_MBIT_S = 100.0
"""What a cable with a broken pair is negotiated down to."""


def port_state(plan: Blueprint, faults: tuple[Fault, ...], key: str, port: Port) -> PortState:
    """Whether a machine's port has a carrier, and whether its packets arrive, under ``faults``."""
    others = {end for end in plan.ends(port.network) if end != key}
    carrier = joined = True
    loss = delay_ms = mbit_s = 0.0
    for fault in faults:
        here = fault.network == port.network
        match fault.kind:
            case "wifi-down" | "fabric-down":
                carrier &= not (here and fault.node == key)
            case "edge-down":
                carrier &= not here
            case "power-off":
                carrier &= not (plan.segments[port.network].cable and fault.node in others)
            case "wifi-blackhole" | "link-blackhole":
                joined &= not (here and fault.node == key)
            case "link-lossy" if here and fault.node == key:
                loss = LOSS
            case "link-slow" if here and fault.node == key:
                delay_ms = DELAY_MS
            case "link-narrow" if here and fault.node == key:
                mbit_s = NARROW_MBIT_S
    return PortState(carrier=carrier, joined=joined, loss=loss, delay_ms=delay_ms, mbit_s=mbit_s)


def settle_ports(now: State) -> None:
    """Set every port of the running machines to its state under the active faults."""
    plan = now.blueprint
    links = [
        (process, port, port_state(plan, now.faults, key, port))
        for key, process in now.processes.items()
        for port in plan.machines[key].ports
    ]
    set_links(plan, now.keeper, links)


def _apply(now: State, _fault: Fault, _active: bool) -> State:
    settle_ports(now)
    return now


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


def _cluster(plan: Blueprint, machine: Machine) -> list[str | None]:
    return [*_fabric(plan, machine), *_edge(plan, machine)]


def _any_link(plan: Blueprint, machine: Machine) -> list[str | None]:
    return [*_cluster(plan, machine), *_control(plan, machine)]


def _kind(
    name: str, sentence: str, places: Places, lacks: str, *, both_ends: bool = False
) -> FaultKind:
    return FaultKind(
        name=name,
        sentence=sentence,
        places=places,
        lacks=lacks,
        lives="outside",
        apply=_apply,
        both_ends=both_ends,
    )


KINDS = (
    _kind(
        "wifi-down",
        "The machine's control link loses its carrier.",
        _control,
        "it is on no control network",
    ),
    _kind(
        "wifi-blackhole",
        "Packets on the machine's control link vanish; its carrier and all connections stay.",
        _control,
        "it is on no control network",
    ),
    _kind(
        "fabric-down",
        "The machine's port on a shared cluster network loses its carrier.",
        _fabric,
        "it is on no cluster network with more than two members",
    ),
    _kind(
        "edge-down",
        "The cable of a two-ended link is out: both ends lose their carrier.",
        _edge,
        "it has no two-ended link",
        both_ends=True,
    ),
    _kind(
        "link-blackhole",
        "Packets on one of the machine's cluster links vanish; its carrier stays.",
        _cluster,
        "it is on no cluster network",
    ),
    _kind(
        "link-lossy",
        "One of the machine's links loses an eighth of the packets, each way.",
        _any_link,
        "it is on no network",
    ),
    _kind(
        "link-slow",
        "Packets on one of the machine's links are 5 ms late, each way.",
        _any_link,
        "it is on no network",
    ),
    _kind(
        "link-narrow",
        "One of the machine's links carries no more than 100 Mbit/s.",
        _any_link,
        "it is on no network",
    ),
)
