"""Reads ``listen`` of a service: where each of its instances listens."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address

from fleetctl.config.report import Report, TreePath, choices, nearest, quoted
from fleetctl.model.jobs import Instance, Listen
from fleetctl.model.topology import Fleet, Node
from fleetctl.patterns import pattern

_PORT = pattern(r"0*[0-9]{1,5}")


def read_listens(
    written: str | Sequence[str], node: Node, fleet: Fleet, path: TreePath, report: Report
) -> tuple[Listen, ...]:
    """What ``listen`` comes to on ``node``; empty after a mistake.

    Of a list, networks that ``node`` is not on are those of other instances.
    """
    if isinstance(written, str):
        one = read_listen(written, node, fleet, path, report)
        return (one,) if one else ()
    found: dict[Listen, None] = {}
    elsewhere = []
    for index, text in enumerate(written):
        if text.rpartition(":")[0] in fleet.networks.keys() - node.networks:
            elsewhere.append(text)
            continue
        one = read_listen(text, node, fleet, (*path, index), report)
        if one in found:
            report.mistake((*path, index), f"{quoted(text)} is listed twice in listen")
        elif one:
            found[one] = None
    if len(elsewhere) == len(written) and not report.wrong("nodes", node.name, "addresses"):
        on = choices(node.networks) or "no network"
        what = f"{node.name!r} cannot listen on {choices(elsewhere)}: it is on {on}"
        report.mistake(path, what)
    return tuple(found)


def check_listed(
    written: str | Sequence[str],
    nodes: Iterable[Node],
    fleet: Fleet,
    path: TreePath,
    report: Report,
) -> None:
    """Report networks in a list that none of ``nodes`` is on."""
    on = {network for node in nodes for network in node.networks}
    for index, text in enumerate([] if isinstance(written, str) else written):
        network = text.rpartition(":")[0]
        if network in fleet.networks and network not in on and not report.wrong("nodes"):
            what = f"no node of the service is on network {network!r}, so none can listen there"
            report.mistake((*path, index), what)


def read_listen(
    text: str, node: Node, fleet: Fleet, path: TreePath, report: Report, what: str = "listen"
) -> Listen | None:
    """``NETWORK:PORT`` or ``ADDRESS:PORT`` on ``node``; ``None`` after a mistake.

    :param node: a node of the fleet, or a stand-in for an unknown one.
    :param what: what it is called in a mistake.
    """
    host, _, port_text = text.rpartition(":")
    port = read_port(port_text)
    why = ""
    if not host and port is not None:
        why = f"the address is missing, such as 'fabric:{port}'"
    elif ":" not in text:
        why = "the port is missing, such as 'fabric:65432'"
    elif ":" in host:
        why = "IPv6 is not supported"
    elif port is None:
        why = "a port is a number from 1 to 65535"
    if why:
        report.mistake(
            path, f"{what} is {quoted(text)}; it must be NETWORK:PORT or ADDRESS:PORT: {why}"
        )
    if not host or ":" in host:
        return None
    named = host in fleet.networks or not re.fullmatch(r"[0-9.]+", host)
    address = (_on_network if named else _literal)(host, node, fleet, path, report)
    if address is None or port is None:
        return None
    return Listen(address, port, host if named else None)


def _on_network(
    name: str, node: Node, fleet: Fleet, path: TreePath, report: Report
) -> IPv4Address | None:
    if name not in fleet.networks:
        ending = ": write 127.0.0.1" if name == "localhost" else nearest(name, fleet.networks)
        report.mistake(path, f"unknown network {name!r} in listen{ending}")
    elif name in node.addresses:
        return node.addresses[name]
    elif name in node.leased:
        what = (
            f"{node.name!r} cannot listen on {name!r} alone: DHCP gives its address there, which "
            "is not known before it is asked; listen on all with '0.0.0.0:PORT', or give it a "
            "fixed address"
        )
        report.mistake(path, what)
    elif not report.incomplete(("nodes", node.name, "addresses"), fleet.networks):
        on = choices(node.networks) or "no network"
        what = f"{node.name!r} cannot listen on {name!r}: it has no address there, but on {on}"
        report.mistake(path, what)
    return None


def _literal(
    text: str, node: Node, fleet: Fleet, path: TreePath, report: Report
) -> IPv4Address | None:
    try:
        address = IPv4Address(text)
    except ValueError:
        report.mistake(path, f"listen is on {quoted(text)}, which is no IPv4 address")
        return None
    owners = [other.name for other in fleet.nodes.values() if address in other.addresses.values()]
    if owners and node.name in fleet.nodes and node.name not in owners:
        what = f"{node.name!r} cannot listen on {address}: that is an address of {owners[0]!r}"
        report.mistake(path, what)
        return None
    return address


def read_port(text: str) -> int | None:
    """A port number; ``None`` if ``text`` is none."""
    if not _PORT.fullmatch(text):
        return None
    return int(text) if 1 <= int(text) <= 65535 else None


def check_ports(instances: Iterable[Instance], report: Report) -> None:
    """Report instances of a job that would listen on the same address and port of one node."""
    taken: dict[tuple[str, int], list[tuple[Instance, Listen]]] = {}
    for instance in instances:
        keys: list[tuple[str, ...]] = [("listen",) for _ in instance.listens]
        keys += [("ports", name) for name in instance.ports]
        for key, listen in zip(keys, instance.bindings, strict=True):
            others = taken.setdefault((instance.node, listen.port), [])
            for other, theirs in others:
                both = (listen.address, theirs.address)
                if both[0] == both[1] or any(address.is_unspecified for address in both):
                    who = "it" if other is instance else other.name
                    report.mistake(
                        ("jobs", instance.job, "services", instance.service, *key),
                        f"{instance.name} cannot listen on {listen}: {who} listens on {theirs}",
                    )
                    break
            others.append((instance, listen))
