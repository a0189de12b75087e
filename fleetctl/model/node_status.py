"""A node, as a part of ``status --json``. Null: not known, for the ``reason`` beside it."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

NodeState = Literal["ok", "degraded", "unreachable", "unknown", "external"]


class SSHStatus(Struct, frozen=True):
    """Whether the node can be reached over SSH; a local node always can, without SSH."""

    reachable: bool | None
    address: str | None = None
    connect_ms: float | None = None
    error: str | None = None
    via: str | None = None
    """The node through which it is reached because the direct way is silent; null: none."""

    @property
    def unasked(self) -> bool:
        """Whether the node has neither answered nor failed to yet."""
        return self.reachable is None and self.error is None


class SystemStatus(Struct, frozen=True):
    """The machine; null: not known."""

    os: str | None = None
    os_version: str | None = None
    arch: str | None = None
    hostname: str | None = None
    uptime_s: int | None = None
    load1: float | None = None
    cpus: int | None = None
    memory_total_bytes: int | None = None
    memory_used_bytes: int | None = None
    disk_free_bytes: int | None = None
    """Free for this user on the file system of the home folder."""
    temperature_c: float | None = None
    throttled: bool | None = None
    cpu_percent: float | None = None
    """How busy its processors were since the look before; on Linux null in a single look."""
    net_in_bytes_per_s: int | None = None
    """Of all its network hardware, since the look before; null in a single look."""
    net_out_bytes_per_s: int | None = None

    @property
    def memory_percent(self) -> int | None:
        """Used memory in percent."""
        if self.memory_used_bytes is None or not self.memory_total_bytes:
            return None
        return 100 * self.memory_used_bytes // self.memory_total_bytes


class AddressStatus(Struct, frozen=True):
    """An address the node must have."""

    network: str
    expected: str
    interface: str | None = None
    up: bool | None = None
    ok: bool | None = None
    reason: str | None = None
    persistent: bool | None = None
    """Whether the node has it after its next boot, too."""
    persistent_reason: str | None = None
    """What sets it at boot, what will be there instead, or why that is not known."""
    in_bytes_per_s: int | None = None
    """Through ``interface``, since the look before; null in a single look."""
    out_bytes_per_s: int | None = None
    dhcp: bool = False
    """DHCP gives it: ``expected`` is the one that the node has, or ``dhcp`` if none is known."""


class RouteStatus(Struct, frozen=True):
    """A route the node must have."""

    to: str
    kind: Literal["route", "return", "default"]
    expected_via: str | None
    via: str | None = None
    interface: str | None = None
    ok: bool | None = None
    reason: str | None = None
    persistent: bool | None = None
    persistent_reason: str | None = None


class ForwardingStatus(Struct, frozen=True):
    """Whether the node forwards IPv4 packets, now and after a reboot."""

    expected: bool
    ipv4: bool | None = None
    persistent: bool | None = None
    ok: bool | None = None
    reason: str | None = None
    persistent_reason: str | None = None


class SleepStatus(Struct, frozen=True):
    """Whether a Mac stays awake, now and after a reboot."""

    minutes: int | None = None
    """Idle minutes until it goes to sleep; 0: never."""
    ok: bool | None = None
    reason: str | None = None
    persistent: bool | None = None
    persistent_reason: str | None = None


class RebootStatus(Struct, frozen=True):
    """Whether a Mac is there again after its next boot without anybody touching it."""

    restarts: bool | None = None
    """It starts again by itself when power returns after a failure."""
    unattended: bool | None = None
    """It can be logged into without a password being typed at it first."""
    reason: str | None = None


class ReachStatus(Struct, frozen=True):
    """Whether the node gets an answer from an address, and whether it should."""

    to: str
    node: str
    network: str
    expected: bool
    observed: bool | None = None
    rtt_ms: float | None = None
    """The shortest of those measured."""
    loss_percent: float | None = None
    """Null if only one echo request was sent."""
    ok: bool | None = None
    reason: str | None = None


class NodeStatus(Struct, frozen=True):
    """One node."""

    state: NodeState
    ssh: SSHStatus
    system: SystemStatus | None
    addresses: tuple[AddressStatus, ...]
    routes: tuple[RouteStatus, ...]
    forwarding: ForwardingStatus
    reachability: tuple[ReachStatus, ...]
    services: tuple[str, ...]
    """Names of the chosen job's instances on it."""
    sleep: SleepStatus | None = None
    """Null: no Mac, or not known what it is."""
    reboot: RebootStatus | None = None
    """Null: no Mac, or not known what it is."""
