"""Faults of forwarding."""

from __future__ import annotations

from fleetctl.lab import persistence
from fleetctl.lab.blueprint import ROUTER, Blueprint, Machine
from fleetctl.lab.faults.commands import as_root
from fleetctl.lab.faults.kind import FaultKind, on_machine
from fleetctl.lab.personality import personality
from fleetctl.lab.state import State


def _stop(now: State, machine: Machine, stopped: bool) -> None:
    value = "0" if stopped else "1"
    setting = f"{personality(machine.os).proc}/sys/net/ipv4/ip_forward"
    as_root(now, machine, ["sh", "-c", f"echo {value} >{setting}"])


def _forget(now: State, machine: Machine, forgotten: bool) -> None:
    """Remove, or put back, the file that enables a gateway's forwarding at boot."""
    persistence.keep_forwarding(machine, now.processes[machine.key].root, kept=not forgotten)


def _forwards(_plan: Blueprint, machine: Machine) -> list[str | None]:
    return [None] if machine.forwarding and machine.key != ROUTER else []


KINDS = (
    FaultKind(
        name="forwarding-off",
        sentence="The gateway no longer forwards packets.",
        places=_forwards,
        lacks="it is no gateway",
        lives="memory",
        apply=on_machine(_stop),
    ),
    FaultKind(
        name="forwarding-not-persistent",
        sentence="The gateway forwards packets, but no longer after its next boot.",
        places=_forwards,
        lacks="it is no gateway",
        lives="disk",
        apply=on_machine(_forget),
    ),
)
