"""Breaking something in a lab, and mending it."""

from __future__ import annotations

from msgspec.structs import replace

from fleetctl.errors import LabError
from fleetctl.lab import state
from fleetctl.lab.blueprint import Blueprint
from fleetctl.lab.faults.kind import FaultKind
from fleetctl.lab.faults.registry import KINDS
from fleetctl.lab.state import Fault, State


def inject(name: str, kind: str, node: str, network: str | None = None) -> Fault:
    """Break something in the lab ``name``, also if it is broken already.

    :param network: which of the node's networks, if the kind is about one; None: the first.
    :raises LabError: no such kind, node or network; the kind does not fit the node, or the node is
        off.
    """
    with state.locked(name):
        now = state.read(name)
        fault = _fitting(now.blueprint, kind, node, network)
        _require_power(now, fault)
        others = tuple(f for f in now.faults if f != fault)
        now = KINDS[kind].apply(replace(now, faults=(*others, fault)), fault, True)
        state.write(_remembered(now))
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
        for fault in sorted(chosen, key=_turn):
            _require_power(now, fault)
            now = replace(now, faults=tuple(f for f in now.faults if f != fault))
            now = KINDS[fault.kind].apply(now, fault, False)
            state.write(now)
    return tuple(chosen)


def _turn(fault: Fault) -> tuple[bool, bool]:
    """Power is healed among the first, for a machine must be on for its other faults to be mended;
    what needs a login to it, last."""
    kind = KINDS[fault.kind]
    return kind.lives != "outside", kind.by_login


def _remembered(now: State) -> State:
    """The state without faults in the memory of machines that are off."""
    kept = (f for f in now.faults if f.node in now.processes or KINDS[f.kind].lives != "memory")
    return replace(now, faults=tuple(kept))


def _concerns(plan: Blueprint, fault: Fault, key: str) -> bool:
    both_ends = KINDS[fault.kind].both_ends and fault.network is not None
    return fault.node == key or (both_ends and key in plan.ends(fault.network or ""))


def _kind(name: str) -> FaultKind:
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
    if fault.node not in now.processes and KINDS[fault.kind].lives != "outside":
        raise LabError(
            f"{fault.node} is powered off, so {fault.kind} cannot be changed there",
            hint=f"fleetctl lab heal power-off {fault.node}",
        )
