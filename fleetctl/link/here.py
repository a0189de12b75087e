"""Which node of a fleet this machine is, so that one nodes.yaml serves on every machine."""

from __future__ import annotations

import os
import pwd
import socket
from collections.abc import Callable
from ipaddress import IPv4Address

from msgspec.structs import replace

from fleetctl.model.topology import SSH_PORT, Fleet, Node


def seen_from_here(fleet: Fleet) -> Fleet:
    """``fleet`` with the node that this machine is as the one with ``connection: local``.

    It is known by its addresses on networks for data, which no other machine has; where it has none
    there, by all of its addresses, but not where DHCP gives one of these. A node whose ``ssh.user``
    is another account is reached over SSH, and so is one with a port of its own, which leads into a
    container or a tunnel.
    """
    return seen_from(fleet, is_own, _account())


def seen_from(fleet: Fleet, own: Callable[[IPv4Address], bool], account: str | None) -> Fleet:
    """See :func:`seen_from_here`. Pure.

    :param own: whether an address is one of this machine.
    :param account: the name of the account that fleetctl runs as.
    """
    found = [node.name for node in fleet.nodes.values() if _is(fleet, node, own, account)]
    if len(found) != 1 or fleet.nodes[found[0]].connection == "local":
        return fleet
    here = {"local": "ssh"}
    nodes = {
        node.name: replace(node, connection=here.get(node.connection, node.connection))
        for node in fleet.nodes.values()
    }
    nodes[found[0]] = replace(nodes[found[0]], connection="local")
    return replace(fleet, nodes=nodes)


def _is(fleet: Fleet, node: Node, own: Callable[[IPv4Address], bool], account: str | None) -> bool:
    if node.connection == "none" or node.ssh.user not in (None, account):
        return False
    if node.ssh.port not in (None, SSH_PORT):
        return False
    data = [a for name, a in node.addresses.items() if not fleet.networks[name].control]
    asked = data or ([] if node.leased else list(node.addresses.values()))
    if any(address.is_loopback for address in asked):
        return False
    return (any if data else all)(map(own, asked)) if asked else False


def is_own(address: IPv4Address) -> bool:
    """Whether an interface of this machine has ``address``: only then can a socket have it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((str(address), 0))
        except OSError:
            return False
        return True


def _account() -> str | None:
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # it has no name
        return None
