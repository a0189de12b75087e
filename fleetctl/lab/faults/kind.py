"""A kind of fault, with everything it is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from msgspec import Struct

from fleetctl.lab.blueprint import Blueprint, Machine
from fleetctl.lab.state import Fault, State

Places = Callable[[Blueprint, Machine], list[str | None]]
Apply = Callable[[State, Fault, bool], State]
Lives = Literal["memory", "disk", "outside"]
"""Where a fault is: in a machine's memory, and gone when that was off; on its disk, and still there
after; or outside, on cables and power, so that it comes and goes while the machine is off, too."""


class FaultKind(Struct, frozen=True, kw_only=True):
    """What is the same for all faults of one name. The families beside this file hold them."""

    name: str
    sentence: str
    """What happens, as `lab fault --list` says it."""
    places: Places
    """The networks of a machine it can hit; ``[None]`` where it hits the machine as such."""
    lacks: str
    """Why it does not fit a machine without places, after the machine's name."""
    lives: Lives
    apply: Apply
    """Make the state true for a fault that was just added (True) or removed (False); the same may
    come twice."""
    both_ends: bool = False
    """It is as much about the machine at the other end of the link."""


def on_machine(act: Callable[[State, Machine, bool], None]) -> Apply:
    """An act that is done on a machine and changes nothing in the state."""

    def apply(now: State, fault: Fault, active: bool) -> State:
        act(now, now.blueprint.machines[fault.node], active)
        return now

    return apply


def own_machine(_plan: Blueprint, machine: Machine) -> list[str | None]:
    """Every machine but the controller and the router."""
    return [None] if machine.role in ("ssh", "silent") else []


def with_ssh(_plan: Blueprint, machine: Machine) -> list[str | None]:
    """Every machine that can be logged into."""
    return [None] if machine.role == "ssh" else []
