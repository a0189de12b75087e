"""The draft of a nodes.yaml from what hosts answered."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence

from fleetctl.discovery.answer import Answer
from fleetctl.discovery.draft import Draft, DraftNetwork, DraftNode, LeftOut, Noted
from fleetctl.discovery.gateways import Via, find_gateways, forwarding
from fleetctl.discovery.names import node_names
from fleetctl.discovery.proposals import propose
from fleetctl.discovery.subnets import Found, find_networks, known_subnets, tell_lone
from fleetctl.model.facts import NodeFacts
from fleetctl.model.topology import SSH, SSH_PORT, Fleet, supported_os

FLEET_NAME = "fleet"
"""Until the user gives it another one."""


def draft(answers: Sequence[Answer], here: NodeFacts | None, fleet: Fleet | None = None) -> Draft:
    """
    :param here: what this machine says of itself; None: not known.
    :param fleet: what a nodes.yaml says already; it is kept, and its nodes keep their names.
    """
    named, left_out = _nodes(answers, fleet.nodes if fleet else ())
    facts = {name: answer.facts for name, (answer, _) in named.items() if answer.facts}
    found = find_networks(facts, here, fleet)
    known = known_subnets([*facts.values(), *([here] if here else [])])
    heard = {name: answer.heard for name, (answer, _) in named.items()}
    notes = propose(found, facts, heard, known)
    tell_lone(found)
    via = find_gateways(found, facts, fleet)
    nodes = tuple(
        _node(name, answer, note, found, via, facts) for name, (answer, note) in named.items()
    )
    networks = tuple(_ordered(found))
    return Draft(fleet.name if fleet else FLEET_NAME, networks, nodes, left_out, tuple(notes))


def _ordered(found: Found) -> list[DraftNetwork]:
    """The control network first, then as they were found."""
    return sorted(found.networks.values(), key=lambda network: not network.control)


def _nodes(
    answers: Sequence[Answer], taken: Collection[str]
) -> tuple[dict[str, tuple[Answer, str]], tuple[LeftOut, ...]]:
    """The answers by node name, each with a note; and what becomes no node: hosts of which nothing
    was heard, and names of a machine that is there already."""
    kept: list[Answer] = []
    left: list[LeftOut] = []
    for answer in answers:
        twin = next((other for other in kept if _same(other, answer)), None)
        if answer.facts is None and answer.silent:
            left.append(LeftOut(shown(answer.host.ssh), answer.error))
        elif twin is not None:
            why = f"it is the same machine as {shown(twin.host.ssh)}"
            left.append(LeftOut(shown(answer.host.ssh), why))
        else:
            kept.append(answer)
    names = node_names(kept, taken)
    named = {name: (answer, note) for (name, note), answer in zip(names, kept, strict=True)}
    return named, tuple(left)


def _same(one: Answer, other: Answer) -> bool:
    """Whether both are one machine: SSH went to the same address and port, or their network
    interfaces are the same and so is the port."""
    if (one.host.ssh.port or SSH_PORT) != (other.host.ssh.port or SSH_PORT):
        return False
    if one.peer is not None and one.peer == other.peer:
        return True
    macs = [_macs(answer) for answer in (one, other)]
    return bool(macs[0]) and macs[0] == macs[1]


def _macs(answer: Answer) -> frozenset[str]:
    interfaces = (answer.facts.network.interfaces if answer.facts else None) or ()
    return frozenset(i.mac for i in interfaces if i.mac and i.mac != "00:00:00:00:00:00")


def shown(ssh: SSH) -> str:
    """``user@host:port``, as far as it is given."""
    user = f"{ssh.user}@" if ssh.user else ""
    return f"{user}{ssh.host}" + (f":{ssh.port}" if ssh.port else "")


def _node(
    name: str, answer: Answer, note: str, found: Found, via: Via, facts: Mapping[str, NodeFacts]
) -> DraftNode:
    ssh = Noted(answer.host.ssh, answer.host.source)
    notes = [note] if note else []
    if answer.facts is None:
        notes.append(f"not asked yet: {answer.error}")
        return DraftNode(name, ssh, notes=tuple(notes))
    notes += [*found.notes[name], *_unknown(answer.facts)]
    system = answer.facts.system
    os = supported_os(system.os) if system else None
    version = " ".join(filter(None, (system.os_version, system.arch))) if system else ""
    if answer.facts.unsupported:
        notes.append(f"its system, {answer.facts.unsupported}, is not supported")
    return DraftNode(
        name,
        ssh,
        os=Noted(os, version) if os else None,
        addresses={
            network.name: found.addresses[name][network.name]
            for network in _ordered(found)
            if network.name in found.addresses[name]
        },
        interfaces=found.ports[name],
        leased=_left_to_dhcp(name, ssh.value, found, via),
        gateway=forwarding(name, via, facts),
        via=via.get(name, {}),
        notes=tuple(notes),
    )


def _left_to_dhcp(name: str, ssh: SSH, found: Found, via: Via) -> frozenset[str]:
    """The control networks on which the node may have another address tomorrow, and is found all
    the same: by name, and not as the next hop of a route."""
    by_name = re.fullmatch(r"[0-9.]+", ssh.host) is None and ":" not in ssh.host
    forwards = any(noted.value == name for own in via.values() for noted in own.values())
    if not by_name or forwards:
        return frozenset()
    return frozenset(
        network
        for node, network in found.leased
        if node == name and found.networks[network].control
    )


def _unknown(facts: NodeFacts) -> Iterator[str]:
    for name in ("interfaces", "routes"):
        if why := facts.unknown.get(name):
            yield f"its {name} are not known: {why}"
