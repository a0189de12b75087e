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
from fleetctl.link.ssh.host_keys import HostKey, ShownKeys
from fleetctl.model.topology import Fleet

AT_MOST = 3
"""So many nodes are asked about one."""
_SCAN_S = 4
_TIMEOUT_S = 30.0
_MOST_BYTES = 64 * 1024


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
        if name != about and network and fleet.nodes[name].connection == "ssh":
            address = fleet.nodes[about].addresses[network.name]
            found.append(Witness(name, network.name, address))
    found.sort(key=lambda witness: fleet.networks[witness.network].control)
    return found[:AT_MOST]


async def ask(
    connector: Connector, fleet: Fleet, witness: Witness, shown: ShownKeys
) -> Seen | None:
    """Let a node scan another; None: it cannot be asked, or nothing answers there."""
    scan = (
        f"ssh-keyscan -T {_SCAN_S} -p {shown.port} -t ed25519,ecdsa,rsa {witness.address} "
        "2>/dev/null"
    )
    try:
        with of_node(witness.node):
            link = await connector.connect(fleet.nodes[witness.node])
            try:
                done = await link.run(scan, timeout_s=_TIMEOUT_S, most_bytes=_MOST_BYTES)
            finally:
                await link.close()
    except LinkError:
        return None
    keys = read_scan(done.text)
    return Seen(witness, unexpected(keys, shown.keys)) if keys else None


def read_scan(text: str) -> tuple[HostKey, ...]:
    """The keys that ssh-keyscan(1) prints, as lines of known_hosts."""
    found = []
    for line in text.splitlines():
        words = line.split()
        if len(words) < 3 or line.startswith("#"):
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
