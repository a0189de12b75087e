"""``listen`` of a service: the one address and port each of its instances is bound to."""

from __future__ import annotations

import re
from collections.abc import Iterable
from ipaddress import IPv4Address

from fleetctl.config.report import Report, TreePath, choices, nearest, quoted
from fleetctl.model.jobs import Instance, Listen
from fleetctl.model.topology import Fleet

_PORT = re.compile(r"0*[0-9]{1,5}")


def read_listen(
    text: str, node: str, fleet: Fleet, path: TreePath, report: Report
) -> Listen | None:
    """``NETWORK:PORT`` or ``ADDRESS:PORT`` on ``node``; ``None`` after a mistake."""
    host, colon, port_text = text.rpartition(":")
    port = read_port(port_text)
    if not colon or not host or port is None or ":" in host:
        why = "a port is a number from 1 to 65535"
        if not host and port is not None:
            why = f"the address is missing, such as 'fabric:{port}'"
        elif not colon:
            why = "the port is missing, such as 'fabric:65432'"
        elif ":" in host:
            why = "IPv6 is not supported"
        what = f"listen is {quoted(text)}; it must be NETWORK:PORT or ADDRESS:PORT: {why}"
        report.mistake(path, what)
        return None
    if re.fullmatch(r"[0-9.]+", host) and host not in fleet.networks:
        return _literal(host, port, node, fleet, path, report)
    if host not in fleet.networks:
        ending = ": write 127.0.0.1" if host == "localhost" else nearest(host, fleet.networks)
        report.mistake(path, f"unknown network {host!r} in listen{ending}")
        return None
    if host not in fleet.nodes[node].addresses:
        if not report.wrong("nodes", node, "addresses"):
            on = choices(fleet.nodes[node].addresses) or "no network"
            what = f"{node!r} cannot listen on {host!r}: it has no address there, but on {on}"
            report.mistake(path, what)
        return None
    return Listen(fleet.nodes[node].addresses[host], port, host)


def _literal(
    host: str, port: int, node: str, fleet: Fleet, path: TreePath, report: Report
) -> Listen | None:
    try:
        address = IPv4Address(host)
    except ValueError:
        report.mistake(path, f"listen is on {quoted(host)}, which is no IPv4 address")
        return None
    for other in fleet.nodes.values():
        if other.name != node and address in other.addresses.values():
            what = f"{node!r} cannot listen on {address}: that is an address of {other.name!r}"
            report.mistake(path, what)
            return None
    return Listen(address, port)


def read_port(text: str) -> int | None:
    """A port number, or ``None`` when ``text`` is none."""
    if not _PORT.fullmatch(text):
        return None
    return int(text) if 1 <= int(text) <= 65535 else None


def check_ports(instances: Iterable[Instance], report: Report) -> None:
    """Two instances of a job cannot be bound to one address and port of one node."""
    taken: dict[tuple[str, int], list[Instance]] = {}
    for instance in instances:
        if instance.listen is None:
            continue
        others = taken.setdefault((instance.node, instance.listen.port), [])
        for other in others:
            assert other.listen is not None
            mine, theirs = instance.listen.address, other.listen.address
            if mine == theirs or mine.is_unspecified or theirs.is_unspecified:
                path = ("jobs", instance.job, "services", instance.service, "listen")
                what = (
                    f"{instance.name} cannot listen on {instance.listen}: "
                    f"{other.name} listens on {other.listen}"
                )
                report.mistake(path, what)
                break
        others.append(instance)
