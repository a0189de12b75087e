"""What a node that is trusted already sees of a new one's host keys, over a network of both.

Whoever stands between this machine and the new node would have to stand there, too.
"""

from __future__ import annotations

import base64
from binascii import Error as Base64Error
from collections.abc import Sequence
from ipaddress import IPv4Address

from msgspec import Struct

from fleetctl.errors import LinkError
from fleetctl.link.mistakes import of_node
from fleetctl.link.ssh.connect import Connector
from fleetctl.link.ssh.shown_keys import HostKey
from fleetctl.model.topology import SSH_PORT, Fleet

AT_MOST = 3
"""So many nodes are asked about one. Each is asked about all in one connection."""
_SCAN_S = 4
_TIMEOUT_S = 30.0


class Witness(Struct, frozen=True):
    """A node that can be asked about another."""

    node: str
    network: str
    address: IPv4Address
    """Of the other one, on that network."""


class Seen(Struct, frozen=True):
    """What a witness sees."""

    witness: Witness
    other: tuple[HostKey, ...]
    """Keys that answer there and that this machine was not shown; none: it sees the same."""

    @property
    def agrees(self) -> bool:
        return not self.other


def witnesses(fleet: Fleet, about: str, trusted: Sequence[str]) -> list[Witness]:
    """Of ``trusted``, the nodes that share a network with ``about``, cables before the control
    network."""
    found = []
    for name in trusted:
        network = fleet.shared_network(name, about)
        address = fleet.nodes[about].addresses.get(network.name) if network else None
        if name != about and network and address and fleet.nodes[name].connection == "ssh":
            found.append(Witness(name, network.name, address))
    found.sort(key=lambda witness: fleet.networks[witness.network].control)
    return found[:AT_MOST]


async def ask(
    connector: Connector, fleet: Fleet, name: str, about: Sequence[tuple[Witness, int]]
) -> list[tuple[HostKey, ...]]:
    """Let the node ``name`` scan others, each at an address and a port: the keys that each shows;
    none where it cannot be asked, or nothing answers."""
    scans = [
        f"ssh-keyscan -T {_SCAN_S} -p {port} -t ed25519,ecdsa,rsa "
        + " ".join(str(witness.address) for witness, p in about if p == port)
        for port in sorted({port for _, port in about})
    ]
    try:
        with of_node(name):
            link = await connector.connect(fleet.nodes[name])
            try:
                done = await link.run(" 2>/dev/null\n".join([*scans, ""]), timeout_s=_TIMEOUT_S)
            finally:
                await link.close()
    except LinkError:
        return [()] * len(about)
    return [read_scan(done.text, witness.address, port) for witness, port in about]


def read_scan(text: str, address: IPv4Address, port: int) -> tuple[HostKey, ...]:
    """The keys of one server of those that ssh-keyscan(1) prints, as lines of known_hosts."""
    name = str(address) if port == SSH_PORT else f"[{address}]:{port}"
    found = []
    for line in text.splitlines():
        words = line.split()
        if len(words) < 3 or words[0] != name:
            continue
        try:
            key = HostKey(base64.b64decode(words[2]))
        except (ValueError, Base64Error):
            continue
        if key.algorithm == words[1]:
            found.append(key)
    return tuple(found)


def unexpected(scanned: Sequence[HostKey], shown: Sequence[HostKey]) -> tuple[HostKey, ...]:
    """Of ``scanned`` those that differ from a shown key of the same type; all, if nothing is of the
    same type."""
    kinds = {key.algorithm for key in shown}
    alike = [key for key in scanned if key.algorithm in kinds]
    return tuple(key for key in alike or scanned if key not in shown)
