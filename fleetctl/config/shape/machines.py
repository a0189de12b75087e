"""The keys of networks and nodes in nodes.yaml."""

from typing import Annotated, Literal

from msgspec import UNSET, UnsetType

from fleetctl.config.scalars import (
    EnvName,
    Host,
    InterfaceName,
    Jump,
    Name,
    NodeAddress,
    NodeRef,
    Percent,
    Port,
    Positive,
    PositiveSeconds,
    Subnet,
    Text,
    User,
    Value,
)
from fleetctl.config.shape.entry import SOME, Entry, means
from fleetctl.model.topology import OS


class ExpectEntry(Entry):
    """How fast a network should be."""

    rtt_ms: Annotated[
        Positive | UnsetType,
        means("Round-trip time between neighbours, milliseconds; a check warns of twice as much."),
    ] = UNSET
    loss_percent: Annotated[
        Percent | UnsetType,
        means("Echoes that may be lost between neighbours, there and back, percent; default 1."),
    ] = UNSET
    bandwidth_mbps: Annotated[
        Positive | UnsetType,
        means("TCP bandwidth between neighbours, megabits per second; `bench` measures it."),
    ] = UNSET


class NetworkEntry(Entry):
    """One subnet: a physical link or a shared segment."""

    cidr: Annotated[Subnet, means("The IPv4 subnet, such as 10.10.0.0/24.")]
    kind: Annotated[
        Text | UnsetType, means("wifi, ethernet, thunderbolt or any other word; default ethernet.")
    ] = UNSET
    control: Annotated[
        bool | UnsetType, means("Whether SSH and default routes use it; default false.")
    ] = UNSET
    expect: Annotated[ExpectEntry | None, means("How fast this network should be.")] = None


class SSHEntry(Entry):
    """How to log in. What is left out comes from ~/.ssh/config, then from OpenSSH's defaults."""

    host: Annotated[
        Host | Annotated[list[Host], SOME] | UnsetType,
        means(
            "Address, name, or Host alias of ~/.ssh/config, or a list of them, which are tried "
            "side by side; default: the node's own name."
        ),
    ] = UNSET
    port: Annotated[Port | UnsetType, means("The SSH server's port.")] = UNSET
    user: Annotated[User | UnsetType, means("The account on the node.")] = UNSET
    identity_file: Annotated[Text | UnsetType, means("The private key to log in with.")] = UNSET
    known_hosts: Annotated[Text | UnsetType, means("The file with the nodes' host keys.")] = UNSET
    proxy_jump: Annotated[
        Jump | UnsetType, means("Hosts to go through, as in ssh -J: [user@]host[:port].")
    ] = UNSET
    connect_timeout: Annotated[
        PositiveSeconds | UnsetType,
        means("Seconds to wait for an answer; default 10."),
    ] = UNSET
    second_way: Annotated[
        bool | UnsetType,
        means(
            "Whether the node is reached through another node on one of its data networks when it "
            "does not answer directly; default true."
        ),
    ] = UNSET


class DefaultsEntry(Entry):
    """Values for all nodes that do not give their own."""

    os: Annotated[OS | UnsetType, means("The operating system.")] = UNSET
    ssh: Annotated[SSHEntry | None, means("How to log in.")] = None
    connection: Annotated[
        Literal["ssh", "local", "none"] | UnsetType, means("How fleetctl connects to the node.")
    ] = UNSET
    workdir: Annotated[Text | UnsetType, means("Where commands run on the node.")] = UNSET
    vars: Annotated[
        dict[Name, Value] | None, means("Texts that differ between nodes, for {var.NAME}.")
    ] = None
    env: Annotated[
        dict[EnvName, Value] | None,
        means("Environment variables of all instances there, unless their service has its own."),
    ] = None


class NodeEntry(DefaultsEntry):
    """One machine."""

    os: Annotated[
        OS | UnsetType,
        means("Detected on the node when left out, checked when given."),
    ] = UNSET
    connection: Annotated[
        Literal["ssh", "local", "none"] | UnsetType,
        means(
            "ssh (default); local: the machine fleetctl runs on; none: it cannot be logged into, "
            "only its ports are watched."
        ),
    ] = UNSET
    addresses: Annotated[
        dict[Name, NodeAddress] | None,
        means(
            "Network name to this node's IPv4 address on it; dhcp: whatever it has there, which "
            "is asked and must be inside the network's cidr."
        ),
    ] = None
    interfaces: Annotated[
        dict[Name, InterfaceName] | None,
        means("Network name to the port by which this node is on it; default: found by its kind."),
    ] = None
    gateway: Annotated[
        bool | UnsetType, means("Forwards packets between its networks; default false.")
    ] = UNSET
    via: Annotated[
        dict[Name, NodeRef] | None,
        means("Network name to the gateway node through which this node reaches it."),
    ] = None
    workdir: Annotated[
        Text | UnsetType,
        means("Where commands run, ~/ allowed; default: the home folder."),
    ] = UNSET
