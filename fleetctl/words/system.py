"""Load, memory, disk and uptime of a machine as short texts. Pure."""

from __future__ import annotations

from fleetctl.model.node_status import SystemStatus
from fleetctl.quantities import duration, size

UNKNOWN = "-"


def load(system: SystemStatus | None) -> str:
    """The load average of the last minute."""
    return UNKNOWN if system is None or system.load1 is None else f"{system.load1:.1f}"


def cpu(system: SystemStatus | None) -> str:
    """How busy the processors are, all together."""
    percent = system.cpu_percent if system else None
    return UNKNOWN if percent is None else f"{percent:.0f}%"


def network(system: SystemStatus | None) -> str:
    """What comes in and goes out by its network hardware, in bytes a second."""
    return in_and_out(system.net_in_bytes_per_s, system.net_out_bytes_per_s) if system else UNKNOWN


def in_and_out(in_bytes_per_s: int | None, out_bytes_per_s: int | None) -> str:
    """Bytes a second in both directions: ``9.5M/310K``."""
    if in_bytes_per_s is None or out_bytes_per_s is None:
        return UNKNOWN
    return f"{size(in_bytes_per_s)}/{size(out_bytes_per_s)}"


def memory(system: SystemStatus | None) -> str:
    """How much of the memory is used."""
    percent = system.memory_percent if system else None
    return UNKNOWN if percent is None else f"{percent}%"


def disk_free(system: SystemStatus | None) -> str:
    """Free space on the file system of the home folder."""
    free = system.disk_free_bytes if system else None
    return UNKNOWN if free is None else size(free)


def uptime(system: SystemStatus | None) -> str:
    """Time since the boot."""
    up_s = system.uptime_s if system else None
    return UNKNOWN if up_s is None else duration(up_s)
