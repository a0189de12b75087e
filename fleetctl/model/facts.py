"""What a node said about itself at one moment. ``None``: not known; ``unknown`` says why."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import cached_property
from ipaddress import IPv4Address
from typing import Literal

from msgspec import Struct

from fleetctl.model.network import (
    Echo,
    EchoRound,
    Interface,
    Neighbour,
    PortUse,
    Route,
    RouteTaken,
)
from fleetctl.model.node_status import SystemStatus
from fleetctl.model.records import Record
from fleetctl.model.setup import NetworkSetup
from fleetctl.model.steps import Steps, Tail
from fleetctl.quantities import size

CUT_OFF = "the node's answer was cut off"
NO_ANSWER = "the question had no answer"
NOT_SUPPORTED = "not supported"
OF_BUSYBOX = "its tool is BusyBox's, which does not tell it: install iproute2 and procps"
UNANSWERED = (CUT_OFF, NO_ANSWER, NOT_SUPPORTED)
"""Beginnings of reasons that say only that there was no answer."""

LOST_BY_CHANCE = 3
"""So many echoes in a row, and no answer of the SSH port either, are no chance any more."""


class Pane(Struct, frozen=True):
    """A tmux window of fleetctl with its one pane."""

    session: str
    window_id: str
    dead: bool
    dead_status: int | None
    """None: a signal ended its process, or tmux, which shows a dead pane a moment before it has the
    status, does not know it yet."""
    job: str
    instance: str
    run: str
    definition_hash: str
    started_at: datetime | None


class Listener(Struct, frozen=True):
    """A listening TCP socket."""

    address: str
    """``0.0.0.0``: all IPv4 addresses; ``*``: all of IPv4 and IPv6; ``::``: all of IPv6."""
    port: int
    pids: tuple[int, ...]
    """Empty if the processes belong to another user."""
    process: str | None

    def __str__(self) -> str:
        return f"{self.address}:{self.port}"


class TcpConnection(Struct, frozen=True):
    """An open IPv4 TCP connection."""

    local: IPv4Address
    """The address of the node's own end, which shows the network in use."""
    remote: IPv4Address
    remote_port: int
    pids: tuple[int, ...]
    local_port: int = 0
    """Of the node's own end; 0: not known. By it one connection is told from the next."""


class NetworkFacts(Struct, frozen=True, dict=True):
    """The node's network. What is ``None`` or missing is not known; see ``unknown``."""

    interfaces: tuple[Interface, ...] | None = None
    routes: tuple[Route, ...] | None = None
    taken: Mapping[IPv4Address, RouteTaken] = {}
    """By address: the route that a packet takes, for addresses that were asked."""
    neighbours: tuple[Neighbour, ...] | None = None
    forwarding: bool | None = None
    forwarding_persistent: bool | None = None
    """Whether it forwards after the next boot; asked only of nodes that must forward."""
    persistence: str = ""
    """The file and line that set it."""
    strict_filters: tuple[str, ...] = ()
    """Linux interfaces with a strict reverse-path filter (rp_filter 1), which drops packets that
    arrive by another interface than answers would leave by."""
    echoes: Mapping[IPv4Address, Echo] = {}
    """The results of pings, by address."""
    rounds: Mapping[IPv4Address, tuple[EchoRound, ...]] = {}
    """By address, oldest first: the echoes by which loss and delay are judged. Those of this look,
    or of the last minutes while the node is watched; none from before the address was last
    silent."""
    unheard: Mapping[IPv4Address, int] = {}
    """By address: how many echoes in a row were lost up to now, its SSH port being silent too."""
    answers_tcp: Mapping[IPv4Address, bool] = {}
    """For unanswered pings: whether the SSH port there answered or refused the connection."""
    use: Mapping[str, PortUse] = {}
    """By interface: what goes through it; none in a single look."""
    ssh_address: IPv4Address | None = None
    """The node's own address of the SSH connection; None: not known, or IPv6."""
    ssh_interface: str | None = None
    """The interface that carries the SSH connection, if that is over IPv6."""

    def heard(self, address: IPv4Address) -> bool:
        """Whether the address answers a ping, or at its SSH port.

        While a node is watched, it still does if a few echoes are lost: these may be chance.
        """
        echo = self.echoes.get(address)
        if (echo and echo.received) or self.answers_tcp.get(address):
            return True
        lately = any(r.received for r in self.rounds.get(address, ()))
        return lately and self.unheard.get(address, 0) < LOST_BY_CHANCE

    def interface_of(self, address: IPv4Address) -> Interface | None:
        """The interface that has ``address``."""
        return self._by_address.get(int(address))

    @cached_property
    def _by_address(self) -> Mapping[int, Interface]:
        """The first one that has it."""
        table = reversed(self.interfaces or ())
        return {int(own): interface for interface in table for own in interface.addresses}


class Reliability(Struct, frozen=True):
    """Conditions that make a working node unreliable. ``None``: not known, or of another system."""

    clock_offset_s: float | None = None
    """The node's clock minus the controller's."""
    clock_error_s: float | None = None
    """By how much more or less it may be: half the time in which the node read its clock."""
    sleep_minutes: int | None = None
    """macOS: idle minutes until it sleeps; 0: never."""
    sleep_disabled: bool = False
    """macOS: it never sleeps because of ``pmset disablesleep``, whatever else is set."""
    restarts: bool | None = None
    """macOS: it starts again by itself when power returns (``pmset autorestart``)."""
    filevault: bool | None = None
    """macOS: FileVault is on, so at a boot it waits for a password."""
    wifi_power_save: tuple[str, ...] = ()
    """Linux Wi-Fi interfaces that save power, which makes SSH lag or drop."""
    undervoltage: bool | None = None
    """Raspberry Pi: the supply voltage is too low now."""
    undervoltage_since_boot: bool | None = None
    stealth: bool | None = None
    """macOS: its firewall is on, and answers no ping."""


class Workplace(Struct, frozen=True):
    """Whether the folder and the program that an instance needs exist."""

    workdir: Literal["ok", "missing", "denied"]
    interpreter: str | None
    """Where its command's program was found; None: nowhere."""


class Program(Struct, frozen=True):
    """A program that was looked for."""

    path: str | None
    """``None``: it is not in PATH."""
    version: str | None = None
    """Numbers with dots; ``None``: not known, or not asked."""
    why: str = ""
    """Why its version is not known; empty: it is, or was not asked."""


class Build(Struct, frozen=True):
    """Which build of its system a node runs."""

    kind: str
    """Of machine: ``Mac``, a Raspberry Pi's model, else the distribution. Nodes of one kind should
    have the same build."""
    system: str
    """Such as ``macOS 15.6 (24G84)``, or ``debian 12.5, kernel 6.6.20+rpt-rpi-2712``."""


class Code(Struct, frozen=True):
    """The code of the job on a node."""

    state: Literal["tree", "no folder", "no git", "no tree", "no commit", "unknown"]
    """``tree``: its folder is in a git work tree."""
    commit: str | None = None
    changed: int | None = None
    """How many files differ from the commit, without those that git does not know; None: not
    known."""
    files: tuple[str, ...] = ()
    """The first of these."""
    sum_of: str = ""
    """A checksum of the difference; empty: there is none, or it is not known."""
    why: str = ""
    """Why something of it is not known."""
    synced: str | None = None
    """What stands for the tree that ``sync`` brought last; empty: it brought none; None: not
    asked."""


class Unwritable(Struct, frozen=True):
    """The folder of fleetctl's records, or one above it, which the account cannot write."""

    folder: str
    owner: str
    """Empty: not known."""
    why: str
    """The system's words, such as ``Permission denied``."""
    listing: str
    """What ``ls -ld`` says of it."""


class Swap(Struct, frozen=True):
    """What of a node's memory is swapped out."""

    used_bytes: int
    moved: int | None = None
    """Pages swapped in and out since the boot; None: not known, or nothing is swapped out."""
    at_s: float | None = None
    """When it was asked, by the controller's clock."""
    pages_per_s: float | None = None
    """Pages swapped in and out a second since the look before; None: not known."""

    def __str__(self) -> str:
        busy = "" if self.pages_per_s is None else f", {self.pages_per_s:.0f} pages/s"
        return f"{size(self.used_bytes)} used{busy}"


class ThunderboltPort(Struct, frozen=True):
    """A Thunderbolt receptacle of a Mac."""

    domain: str | None
    """UUID of this Mac's own end."""
    peer: str | None
    """UUID of the other Mac's end; None: no Mac is connected."""


class LocalNetwork(Struct, frozen=True):
    """macOS 15 and later: whether the job's own Python, inside fleetctl's tmux server, may connect
    to its neighbours."""

    allowed: bool
    said: str
    """What the Python process printed."""


class BootStart(Struct, frozen=True):
    """What a node has to start instances of the fleet with at its next boot."""

    user: str
    home: str
    manager: bool
    """There is a systemd, or launchd."""
    text: str | None
    """Of the unit, or the LaunchDaemon; None: there is none."""
    enabled: bool = True
    """The unit is wanted at boot."""
    lingers: bool = True
    """Units of the account start without a login."""
    own_right: bool = False
    """The account may let itself linger, without root."""


class NodeFacts(Struct, frozen=True):
    """What one node said in one round trip."""

    measured_at: datetime
    system: SystemStatus | None
    tmux_version: str | None
    """``None``: tmux is not installed."""
    panes: tuple[Pane, ...] | None
    records: Mapping[tuple[str, str], Record]
    """By job and instance name."""
    log_bytes: Mapping[tuple[str, str], int]
    """Offset of the end of each instance's log."""
    listeners: tuple[Listener, ...] | None
    runs: Mapping[str, tuple[int, ...]] | None
    """By run id: the processes that belong to it."""
    foreign: frozenset[int] = frozenset()
    """Those of ``runs`` that belong to another user, such as root; their sockets cannot be seen."""
    stopped: frozenset[int] = frozenset()
    """Those of ``runs`` that a signal has stopped, such as SIGSTOP."""
    busy: Mapping[str, float] = {}
    """By run id: how many processors its processes kept busy lately; empty: not known, as in a
    single look."""
    supervised: frozenset[str] = frozenset()
    """Those of ``runs`` whose supervisor lives, in a tmux server that lives."""
    damaged: frozenset[tuple[str, str]] = frozenset()
    """By job and instance name: records that are there, and cannot be read."""
    unrecorded: frozenset[tuple[str, str]] = frozenset()
    """Likewise: what was started, not stopped, and has no record, or none yet."""
    unsupported: str = ""
    """What ``uname -s`` says on a system that fleetctl does not support; else empty."""
    network: NetworkFacts = NetworkFacts()
    reliability: Reliability = Reliability()
    unwritable: Unwritable | None = None
    """None: its records can be written, or that was not asked."""
    workplaces: Mapping[tuple[str, str], Workplace] = {}
    """By job and instance name."""
    programs: Mapping[str, Program] | None = None
    """By name, those that a job requires; None: not asked."""
    build: Build | None = None
    codes: Mapping[str, Code] = {}
    """By job; empty: not asked."""
    connections: tuple[TcpConnection, ...] | None = None
    thunderbolt: tuple[ThunderboltPort, ...] | None = None
    local_network: LocalNetwork | None = None
    swap: Swap | None = None
    setup: NetworkSetup | None = None
    """What its next boot brings; None: not asked."""
    boot_start: BootStart | None = None
    """None: not asked."""
    tails: Mapping[tuple[str, str], Tail] = {}
    """By job and instance name: the ends of the logs of what runs; empty: not asked."""
    steps: Mapping[tuple[str, str], Steps] = {}
    """By job and instance name: what these logs say of the work, now and in the last minutes."""
    told: Mapping[str, str] = {}
    """Values that are only shown: a line of text, by label."""
    unknown: Mapping[str, str] = {}
    """By name of the probe: why it has no answer."""
