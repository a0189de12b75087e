"""What the lab's programs on a machine are told of it, in a hidden file there."""

from __future__ import annotations

import uuid

from fleetctl.lab.blueprint import Blueprint, Machine, Port
from fleetctl.lab.personality import is_mac
from fleetctl.lab.programs import node

_UUIDS = uuid.UUID("6f1d4ad0-1f6d-4b6f-9c38-3d6f0a2f5a11")
"""The namespace of the lab's UUIDs, which are the same for a machine each time."""
THUNDERBOLT_PORTS = 3


def description(plan: Blueprint, machine: Machine) -> str:
    """The text of the hidden file that describes the machine to the lab's programs."""
    mac = uuid_of(machine.key, "thunderbolt")[:8].lower()
    own = ":".join(["36", *(mac[i : i + 2] for i in range(0, 8, 2)), "40"])
    lines = [["os", machine.os], ["name", machine.hostname], ["user", machine.user]]
    lines.append(["thunderbolt_mac", own])
    for port in machine.ports:
        gateway, metric = lease(machine, port)
        kind = plan.segments[port.network].kind
        addresses = "" if plan.bare(machine, port) else " ".join(port.addresses)
        lines.append(["port", port.interface, kind, port.mac, addresses, gateway, metric])
    if is_mac(machine):
        lines += (
            [f"domain{bus}", uuid_of(machine.key, f"thunderbolt {bus}")]
            for bus in range(THUNDERBOLT_PORTS)
        )
        lines += _peers(plan, machine)
    return "".join("\t".join(line) + "\n" for line in lines)


def lease(machine: Machine, port: Port) -> tuple[str, str]:
    """The router that DHCP offers on a port, and the metric of the route to it."""
    if machine.default is not None and machine.default.interface == port.interface:
        return machine.default.via, str(machine.default.metric)
    return "", "600"


def _peers(plan: Blueprint, machine: Machine) -> list[list[str]]:
    """The Macs at the other ends of the Thunderbolt cables: a chain, in the order of nodes.yaml."""
    found = []
    bus = 0
    for port in machine.ports:
        if plan.segments[port.network].kind != "thunderbolt":
            continue
        chain = [key for key in plan.nodes if plan.machines[key].port_on(port.network)]
        place = chain.index(machine.key)
        for other, other_bus in ((place - 1, 1), (place + 1, 0)):
            # The first port of each Mac is connected to the previous one, the second to the next.
            own_bus = bus + (0 if other < place else 1)
            if 0 <= other < len(chain) and own_bus < THUNDERBOLT_PORTS:
                key = chain[other]
                domain = uuid_of(key, f"thunderbolt {bus + other_bus}")
                name = plan.machines[key].hostname
                found.append(["peer", str(own_bus), port.interface, name, domain])
        bus += 2
    return found


def uuid_of(*what: str) -> str:
    """An identifier that is the same each time for the same texts, as macOS prints it."""
    return str(uuid.uuid5(_UUIDS, "\0".join(what))).upper()


def ports_of(plan: Blueprint, machine: Machine) -> list[node.Port]:
    """The interfaces as the lab's programs on the node know them.

    Not by the file that is there: root can change that, and `ip` is told these names outside.
    """
    return node.Machine(description(plan, machine)).ports
