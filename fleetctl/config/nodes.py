"""Reads the nodes of nodes.yaml: how to connect to them, and their addresses."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv4Address, IPv4Network

from msgspec import UNSET

from fleetctl.config.networks import read_address
from fleetctl.config.report import Report, TreePath, dotted, nearest
from fleetctl.config.shape.entry import filled, given
from fleetctl.config.shape.file import FileEntry
from fleetctl.config.shape.machines import DefaultsEntry, NodeEntry, SSHEntry
from fleetctl.model.topology import DEFAULT_CONNECT_TIMEOUT_S, DHCP, SSH, Network, Node

RESERVED_NAME = "controller"
"""The name of the machine that fleetctl runs on, in ``Fix.on``."""
RESERVED_ENV = "FLEETCTL_"


def read_nodes(file: FileEntry, networks: Mapping[str, Network], report: Report) -> dict[str, Node]:
    """All nodes; mistakes go into ``report``. A wrong address is replaced by a stand-in.

    Where DHCP gives an address, there is none yet: the node has to be asked.

    :param networks: all networks of the file.
    """
    nodes = {}
    defaults = file.defaults or DefaultsEntry()
    check_env(defaults.env, ("defaults", "env"), report)
    owners: dict[IPv4Address, str] = {}
    for name, written in file.nodes.items():
        entry = written or NodeEntry()
        ssh = entry.ssh or SSHEntry()
        host: TreePath = ("nodes", name, "ssh", "host")
        if ssh.host is UNSET:
            host = ("defaults", "ssh", "host")
        workdir: TreePath = ("nodes", name, "workdir")
        if entry.workdir is UNSET:
            workdir = ("defaults", "workdir")
        check_env(entry.env, ("nodes", name, "env"), report)
        entry = filled(entry, defaults)
        ssh = filled(ssh, defaults.ssh or SSHEntry())
        nodes[name] = Node(
            name=name,
            ssh=_ssh(name, ssh, host, report),
            connection=given(entry.connection, "ssh"),
            os=given(entry.os, None),
            addresses=_addresses(name, entry, networks, owners, report),
            interfaces=_interfaces(name, entry, networks, report),
            leased=_leased(entry, networks),
            gateway=given(entry.gateway, False),
            via=entry.via or {},
            workdir=read_workdir(given(entry.workdir, None), workdir, report),
            vars={**texts(defaults.vars), **texts(entry.vars)},
            env={**texts(defaults.env), **texts(entry.env)},
            only_here=entry.connection == "local" and entry.ssh is None,
        )
    if not nodes and not report.wrong("nodes"):
        report.mistake(("nodes",), "nodes is empty: a fleet needs at least one node")
    _check_local(nodes, report)
    return nodes


def read_workdir(workdir: str | None, path: TreePath, report: Report) -> str | None:
    """The folder as written; ``~name`` is a mistake, since no shell expands it here."""
    if workdir and workdir.startswith("~") and workdir != "~" and not workdir.startswith("~/"):
        what = f"workdir is {workdir!r}: only '~' and '~/…' are expanded, not '~name'"
        report.mistake(path, what)
    return workdir


def texts(values: Mapping[str, object] | None) -> dict[str, str]:
    """The values as text, also numbers and words such as ``true``."""
    return {key: str(value) for key, value in (values or {}).items()}


def check_env(env: Mapping[str, object] | None, path: TreePath, report: Report) -> None:
    """Report variables that only fleetctl sets."""
    for key in env or {}:
        if key.startswith(RESERVED_ENV):
            what = f"{key} in env is reserved: fleetctl sets the {RESERVED_ENV}* variables itself"
            report.mistake((*path, key), what, key=True)


def _ssh(name: str, entry: SSHEntry, path: TreePath, report: Report) -> SSH:
    """:param path: where its hosts stand, if anywhere."""
    host = given(entry.host, name)
    if not host and not report.wrong(*path):
        report.mistake(path, f"{dotted(path)} is empty; it must be a host or a list of them")
    first, *others = dict.fromkeys([host] if isinstance(host, str) else host or [name])
    return SSH(
        host=first,
        port=given(entry.port, None),
        user=given(entry.user, None),
        identity_file=given(entry.identity_file, None),
        known_hosts=given(entry.known_hosts, None),
        proxy_jump=given(entry.proxy_jump, None),
        connect_timeout_s=given(entry.connect_timeout, DEFAULT_CONNECT_TIMEOUT_S),
        other_hosts=tuple(others),
        second_way=given(entry.second_way, True),
    )


def _addresses(
    name: str,
    entry: NodeEntry,
    networks: Mapping[str, Network],
    owners: dict[IPv4Address, str],
    report: Report,
) -> dict[str, IPv4Address]:
    addresses = {}
    for network, text in (entry.addresses or {}).items():
        path = ("nodes", name, "addresses", network)
        if network not in networks:
            what = f"unknown network {network!r} in addresses of {name!r}"
            report.mistake(path, what + nearest(network, networks), key=True)
        if text == DHCP and network in networks:
            if entry.connection == "none":
                what = (
                    f"{name!r} cannot be logged into, so the address that DHCP gives it on "
                    f"{network!r} is never known, and nothing asks whether it is reached"
                )
                report.warning(path, what)
            continue
        address = read_address(text, path, report) if text and text != DHCP else None
        if address is None:
            if network in networks:
                addresses[network] = networks[network].cidr.broadcast_address
            continue
        if network in networks and not report.wrong("networks", network, "cidr"):
            _check_on_network(address, networks[network], path, report)
        if address in owners:
            what = f"duplicate address {address}: {owners[address]} has it already"
            report.mistake(path, what)
        owners.setdefault(address, f"{name!r} on {network!r}")
        if network in networks:
            addresses[network] = address
    return addresses


def _interfaces(
    name: str, entry: NodeEntry, networks: Mapping[str, Network], report: Report
) -> dict[str, str]:
    addresses = entry.addresses or {}
    found: dict[str, str] = {}
    for network, interface in (entry.interfaces or {}).items():
        path = ("nodes", name, "interfaces", network)
        if network not in networks:
            what = f"unknown network {network!r} in interfaces of {name!r}"
            report.mistake(path, what + nearest(network, networks), key=True)
        elif network not in addresses:
            what = f"{name!r} has no address on {network!r}, so no interface there; add the address"
            report.mistake(path, what, key=True)
        elif not interface:
            continue  # reported already
        elif other := next((n for n, taken in found.items() if taken == interface), None):
            what = f"{interface} of {name!r} is on {other!r} already; each network has its own port"
            report.mistake(path, what)
        else:
            found[network] = interface
    return found


def _leased(entry: NodeEntry, networks: Mapping[str, Network]) -> frozenset[str]:
    written = (entry.addresses or {}).items()
    return frozenset(name for name, text in written if text == DHCP and name in networks)


def _check_on_network(
    address: IPv4Address, network: Network, path: TreePath, report: Report
) -> None:
    cidr: IPv4Network = network.cidr
    if address not in cidr:
        what = f"address {address} is outside {cidr}, the cidr of network {network.name!r}"
        report.mistake(path, what)
    elif cidr.prefixlen < 31 and address in (cidr.network_address, cidr.broadcast_address):
        kind = "network" if address == cidr.network_address else "broadcast"
        what = f"address {address} is the {kind} address of {cidr}; no node can have it"
        report.mistake(path, what)


def _check_local(nodes: Mapping[str, Node], report: Report) -> None:
    local = [name for name, node in nodes.items() if node.connection == "local"]
    for name in local[1:]:
        what = f"{name!r} is a second node with connection local; {local[0]!r} is one already"
        report.mistake(("nodes", name, "connection"), what)
    if RESERVED_NAME in nodes and RESERVED_NAME not in local:
        what = f"the node name {RESERVED_NAME!r} is reserved for the machine fleetctl runs on"
        report.mistake(("nodes", RESERVED_NAME), what, key=True)
