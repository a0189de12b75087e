"""Reads ``listen`` of a service: the address and port on which each of its instances listens."""

from __future__ import annotations

import re
from collections.abc import Iterable
from ipaddress import IPv4Address

from fleetctl.config.report import Report, TreePath, choices, nearest, quoted
from fleetctl.model.jobs import Instance, Listen
from fleetctl.model.topology import Fleet, Node

_PORT = re.compile(r"0*[0-9]{1,5}")


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
        keys: list[tuple[str, ...]] = [("listen",), *(("ports", name) for name in instance.ports)]
        for key, door in zip(keys, instance.doors, strict=False):
            others = taken.setdefault((instance.node, door.port), [])
            for other, theirs in others:
                both = (door.address, theirs.address)
                if both[0] == both[1] or any(address.is_unspecified for address in both):
                    who = "it" if other is instance else other.name
                    report.mistake(
                        ("jobs", instance.job, "services", instance.service, *key),
                        f"{instance.name} cannot listen on {door}: {who} listens on {theirs}",
                    )
                    break
            others.append((instance, door))
