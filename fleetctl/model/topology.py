"""The fleet as in nodes.yaml: its networks and nodes. IPv4."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from ipaddress import IPv4Address, IPv4Network
from typing import Literal, get_args

from msgspec import Struct
from msgspec.structs import replace

from fleetctl.model.alerts import AlertRule
from fleetctl.model.history_limits import HistoryLimits
from fleetctl.model.jobs import Job

OS = Literal["linux", "macos"]
OSES: tuple[OS, ...] = get_args(OS)


def supported_os(name: str | None) -> OS | None:
    """``name`` as an operating system; None if it is none that fleetctl supports."""
    return next((os for os in OSES if os == name), None)


Connection = Literal["ssh", "local", "none"]

DEFAULT_CONNECT_TIMEOUT_S = 10.0
DEFAULT_LOSS_PERCENT = 1.0
DHCP = "dhcp"
"""In nodes.yaml in place of an address: the one that a DHCP server gives."""
SSH_PORT = 22
INTERFACE_PATTERN = "^[A-Za-z0-9_][A-Za-z0-9_.-]{0,14}$"
"""Linux and macOS take 15 characters (IFNAMSIZ in net/if.h)."""


class Network(Struct, frozen=True):
    """One subnet: a physical link or a shared segment."""

    name: str
    cidr: IPv4Network
    kind: str = "ethernet"
    """The medium: ``wifi``, ``ethernet``, ``thunderbolt`` or any other word."""
    control: bool = False
    """Whether SSH and default routes use it."""
    expect_rtt_ms: float | None = None
    expect_loss_percent: float = DEFAULT_LOSS_PERCENT
    """Of echoes over the network and back, the share that may be lost."""
    expect_bandwidth_mbps: float | None = None


class SSH(Struct, frozen=True):
    """How to reach a node over SSH; ``None`` leaves the choice to ``~/.ssh/config``."""

    host: str
    """An address, a DNS name or a ``Host`` alias of ``~/.ssh/config``."""
    port: int | None = None
    user: str | None = None
    identity_file: str | None = None
    known_hosts: str | None = None
    proxy_jump: str | None = None
    connect_timeout_s: float = DEFAULT_CONNECT_TIMEOUT_S
    other_hosts: tuple[str, ...] = ()
    """Where it may be instead: these are tried beside ``host``."""
    second_way: bool = True
    """Whether the node is reached through another one when no host answers."""

    @property
    def hosts(self) -> tuple[str, ...]:
        """All hosts, the preferred one first."""
        return (self.host, *self.other_hosts)

    @property
    def each(self) -> tuple[SSH, ...]:
        """The same for each host alone."""
        if not self.other_hosts:
            return (self,)
        return tuple(replace(self, host=host, other_hosts=()) for host in self.hosts)


class Node(Struct, frozen=True, dict=True):
    """One machine of the fleet."""

    name: str
    ssh: SSH
    connection: Connection = "ssh"
    os: OS | None = None
    """``None``: the node is asked."""
    addresses: Mapping[str, IPv4Address] = {}
    """The node's own addresses, by network name; of those that DHCP gives, the ones that are
    known."""
    leased: frozenset[str] = frozenset()
    """Names of the networks on which DHCP gives its address."""
    interfaces: Mapping[str, str] = {}
    """By network name: the port by which the node is on it, where nodes.yaml says so."""
    gateway: bool = False
    """Declared as forwarding; a node that is another one's ``via`` forwards as well."""
    via: Mapping[str, str] = {}
    """By network name: the node through which that network is reached."""
    workdir: str | None = None
    """Where commands run, if their service does not say; ``None``: the home folder."""
    vars: Mapping[str, str] = {}
    """What ``{var.NAME}`` is there, by name."""
    env: Mapping[str, str] = {}
    """Variables of every instance there, as written: placeholders are filled in by instance."""
    only_here: bool = False
    """nodes.yaml says that it is the machine fleetctl runs on, and not how others reach it."""

    @property
    def elsewhere(self) -> bool:
        """Whether it is another machine than this one, and nodes.yaml does not say how it is
        reached: then it is away where it does not answer, and not lost."""
        return self.only_here and self.connection != "local"

    @cached_property
    def networks(self) -> tuple[str, ...]:
        """Names of the networks that it is on, also with an address that is not known."""
        return tuple(dict.fromkeys((*self.addresses, *sorted(self.leased))))

    @property
    def ssh_port(self) -> int | None:
        """The port of its SSH server; None: it is not reached over SSH."""
        return (self.ssh.port or SSH_PORT) if self.connection == "ssh" else None


class Fleet(Struct, frozen=True):
    """All of nodes.yaml."""

    name: str
    networks: Mapping[str, Network]
    nodes: Mapping[str, Node]
    jobs: Mapping[str, Job] = {}
    internet: IPv4Address | None = None
    """The address to ping for the internet check; ``None`` turns that check off."""
    alerts: tuple[AlertRule, ...] = ()
    history: HistoryLimits = HistoryLimits()

    def network_of(self, address: IPv4Address) -> str | None:
        """The name of the network that ``address`` belongs to."""
        return next((name for name, n in self.networks.items() if address in n.cidr), None)

    def way_out(self, node: Node, network: str) -> str | None:
        """The network by which ``node`` sends to ``network``: that itself, or the one on which its
        gateway to it is; ``None``: it has no way there."""
        if network in node.addresses:
            return network
        gateway = node.via.get(network)
        if gateway is None or gateway not in self.nodes or node.name not in self.nodes:
            return None
        shared = self.shared_network(node.name, gateway)
        return shared.name if shared else None

    def shared_network(self, a: str, b: str) -> Network | None:
        """The network on which nodes ``a`` and ``b`` are neighbours.

        A network that is not the control network is preferred, because cluster traffic runs
        there; among several, the first in nodes.yaml.
        """
        both = [
            network
            for name, network in self.networks.items()
            if name in self.nodes[a].networks and name in self.nodes[b].networks
        ]
        return next((n for n in both if not n.control), both[0] if both else None)
