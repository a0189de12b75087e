"""Reads the older form of nodes.yaml: only a list of nodes with alias, ip and user."""

from __future__ import annotations

import re
from ipaddress import IPv4Address

from msgspec import UNSET, UnsetType

from fleetctl.config.report import Report, quoted
from fleetctl.config.scalars import Host, Name, NodeName, Port, User
from fleetctl.config.shape.entry import Entry, given
from fleetctl.config.tree import Mapping, Sequence, Tree
from fleetctl.config.validation import read
from fleetctl.model.topology import SSH, Fleet, Node

FLEET_NAME = "fleet"
"""The fleet's name, if the older form gives none."""

NOTES = (
    "this is the older form of nodes.yaml (a list of alias, ip and user): it can be read, but it "
    "names no networks, so addresses, routes and reachability cannot be checked",
    "it has no jobs, so there is nothing to start",
    "to upgrade: write 'nodes:' as a mapping ('mini1: {ssh: {host: 192.168.1.11, user: me}}'), "
    "then add 'fleet', 'networks' and 'jobs'; docs/nodes-yaml.md shows each key",
)


class OlderNodeEntry(Entry):
    """A node of the older form of the file."""

    alias: NodeName
    ip: Host
    user: User | UnsetType = UNSET
    port: Port | UnsetType = UNSET


class OlderFileEntry(Entry):
    """The older form: a list of nodes, and nothing else."""

    nodes: list[OlderNodeEntry]
    fleet: Name | UnsetType = UNSET


def is_older(tree: Tree) -> bool:
    """Whether the file is written in the older form."""
    if not isinstance(tree, Mapping) or "nodes" not in tree.entries:
        return False
    nodes = tree.entries["nodes"][1]
    if not isinstance(nodes, Sequence) or not set(tree.entries) <= {"fleet", "nodes"}:
        return False
    return bool(nodes.items)


def read_older(tree: Tree, report: Report) -> Fleet:
    """The fleet; mistakes go into ``report``."""
    file = read(tree, OlderFileEntry, report)
    nodes: dict[str, Node] = {}
    owners: dict[str, str] = {}
    for index, entry in enumerate(file.nodes):
        if entry.alias in nodes and entry.alias:
            what = f"duplicate alias {entry.alias!r}; each node needs a name of its own"
            report.mistake(("nodes", index, "alias"), what)
        if entry.ip in owners and entry.ip:
            what = f"duplicate address {entry.ip}: {owners[entry.ip]!r} has it already"
            report.mistake(("nodes", index, "ip"), what)
        _check_ip(entry.ip, index, report)
        owners.setdefault(entry.ip, entry.alias)
        ssh = SSH(entry.ip, port=given(entry.port, None), user=given(entry.user, None))
        nodes[entry.alias] = Node(entry.alias, ssh)
    return Fleet(given(file.fleet, FLEET_NAME), networks={}, nodes=nodes)


def _check_ip(ip: str, index: int, report: Report) -> None:
    if not re.fullmatch(r"[0-9.]+", ip):
        return  # a host name
    try:
        IPv4Address(ip)
    except ValueError as error:
        report.mistake(("nodes", index, "ip"), f"ip is {quoted(ip)}, which is no address: {error}")
