"""What a node said about itself at one moment. ``None`` is "not known"; ``unknown`` says why."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from ipaddress import IPv4Address
from typing import Literal

from msgspec import Struct

from fleetctl.model.network import Echo, Interface, Neighbour, Route, RouteTaken
from fleetctl.model.status import SystemStatus

CUT_OFF = "the node's answer was cut off"
NO_ANSWER = "the question had no answer"
NOT_SUPPORTED = "not supported"
UNANSWERED = (CUT_OFF, NO_ANSWER, NOT_SUPPORTED)
"""How reasons begin that say nothing of the thing that was asked for."""

Phase = Literal["running", "backoff", "ended", "stopped"]


class Pane(Struct, frozen=True):
    """A tmux window of ours with its one pane."""

    session: str
    window_id: str
    dead: bool
    dead_status: int | None
    """tmux may show a dead pane a moment before its status."""
    job: str
    instance: str
    run: str
    definition_hash: str
    started_at: datetime | None


class Record(Struct, frozen=True):
    """What the supervisor wrote down for an instance."""

    job: str
    instance: str
    run: str
    phase: Phase
    pid: int | None
    started_at: datetime | None
    """When the process of the present attempt began."""
    ended_at: datetime | None
    exit_code: int | None
    restarts: int
    ready: bool
    """A controller saw the ready condition met in this very attempt."""
    log_start: int | None = None
    """Offset in the log at which the output of the present attempt begins."""
    searched: str = ""
    """How far the log of this attempt was searched for the line that makes it ready, as written by
    :mod:`fleetctl.observe.conditions`; empty: not at all."""


class Listener(Struct, frozen=True):
    """A listening TCP socket."""

    address: str
    """``0.0.0.0`` for any IPv4 address, ``*`` or ``::`` for any at all."""
    port: int
    pids: tuple[int, ...]
    """Empty when they belong to another user."""
    process: str | None

    def __str__(self) -> str:
        return f"{self.address}:{self.port}"


class TcpConnection(Struct, frozen=True):
    """An open IPv4 TCP connection."""

    local: IPv4Address
    """Its own end: the network that it really uses."""
    remote: IPv4Address
    remote_port: int
    pids: tuple[int, ...]


class NetworkFacts(Struct, frozen=True):
    """How the node's network is. What is ``None`` or missing was not told; see ``unknown``."""

    interfaces: tuple[Interface, ...] | None = None
    routes: tuple[Route, ...] | None = None
    taken: Mapping[IPv4Address, RouteTaken] = {}
    """The way a packet to an address would take, for those that were asked."""
    neighbours: tuple[Neighbour, ...] | None = None
    forwarding: bool | None = None
    forwarding_persistent: bool | None = None
    """After the next boot. Asked where it must be on."""
    persistence: str = ""
    """What says so: a file and its line."""
    strict_filters: tuple[str, ...] = ()
    """Linux interfaces whose reverse-path filter drops what comes another way (rp_filter 1)."""
    echoes: Mapping[IPv4Address, Echo] = {}
    """What echo requests to an address came to, for those that were asked."""
    answers_tcp: Mapping[IPv4Address, bool] = {}
    """Where no echo came back: whether the SSH port there answered, be it with a refusal."""
    ssh_address: IPv4Address | None = None
    """The node's own address that the SSH connection came in at."""

    def interface_of(self, address: IPv4Address) -> Interface | None:
        """The interface that has ``address``."""
        return next(
            (i for i in self.interfaces or () if any(a.ip == address for a in i.addresses)), None
        )


class Reliability(Struct, frozen=True):
    """What makes a healthy node an unreliable one. ``None``: not told, or not of its system."""

    clock_offset_s: float | None = None
    """The node's clock minus the controller's."""
    sleep_minutes: int | None = None
    """macOS: idle minutes until it sleeps; 0 is never."""
    wifi_power_save: tuple[str, ...] = ()
    """Linux Wi-Fi interfaces that save power, which makes SSH lag or drop."""
    undervoltage: bool | None = None
    """Raspberry Pi: the supply voltage is too low right now."""
    undervoltage_since_boot: bool | None = None
    stealth: bool | None = None
    """macOS: its firewall answers no echo request."""


class Workplace(Struct, frozen=True):
    """Whether an instance finds what it needs to run."""

    workdir: Literal["ok", "missing", "denied"]
    interpreter: str | None
    """Where the first word of its command was found; None: nowhere."""


class ThunderboltPort(Struct, frozen=True):
    """A Thunderbolt receptacle of a Mac."""

    domain: str | None
    """UUID of this Mac's own end."""
    peer: str | None
    """UUID of the other Mac's end; None: no Mac there."""


class LocalNetwork(Struct, frozen=True):
    """macOS 15 and later: whether the job's own interpreter, inside our tmux server, may connect
    to its neighbours."""

    allowed: bool | None
    said: str
    """The interpreter's words."""


class NodeFacts(Struct, frozen=True):
    """One node, one round trip."""

    measured_at: datetime
    system: SystemStatus | None
    tmux_version: str | None
    """``None`` when tmux is not there."""
    panes: tuple[Pane, ...] | None
    records: Mapping[tuple[str, str], Record]
    """By job and instance name."""
    log_bytes: Mapping[tuple[str, str], int]
    """Offset of the end of each instance's log."""
    listeners: tuple[Listener, ...] | None
    runs: Mapping[str, tuple[int, ...]] | None
    """Run id to the processes that belong to it."""
    unsupported: str = ""
    """What ``uname -s`` says of a system that fleetctl does not know how to ask."""
    network: NetworkFacts = NetworkFacts()
    reliability: Reliability = Reliability()
    workplaces: Mapping[str, Workplace] = {}
    """By instance name."""
    connections: tuple[TcpConnection, ...] | None = None
    thunderbolt: tuple[ThunderboltPort, ...] | None = None
    local_network: LocalNetwork | None = None
    told: Mapping[str, str] = {}
    """What is only shown: the label of a row, and a line of text."""
    unknown: Mapping[str, str] = {}
    """Name of a probe to the reason why it has no answer."""
