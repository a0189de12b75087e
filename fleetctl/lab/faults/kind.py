"""A kind of fault."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from msgspec import Struct

from fleetctl.lab.blueprint import Blueprint, Machine
from fleetctl.lab.state import Fault, State

Places = Callable[[Blueprint, Machine], list[str | None]]
Apply = Callable[[State, Fault, bool], State]
Lives = Literal["memory", "disk", "outside"]
"""Where a fault is: in a machine's memory, so that a reboot ends it; on its disk, so that it stays;
or outside, on cables and power, so that it can be changed while the machine is off."""


class FaultKind(Struct, frozen=True, kw_only=True):
    """Everything that all faults with one name have in common."""

    name: str
    sentence: str
    """What happens, as `lab fault --list` says it."""
    places: Places
    """The networks of a machine it can affect; ``[None]`` if it affects the whole machine."""
    lacks: str
    """The clause after a machine's name that says why it does not fit that machine."""
    lives: Lives
    apply: Apply
    """Put a fault that was just added (True) or removed (False) into effect; may be called twice
    with the same."""
    both_ends: bool = False
    """Whether it also affects the machine at the other end of the link."""
    by_login: bool = False
    """Whether it is set and undone over SSH, so that others are healed before it."""


def on_machine(act: Callable[[State, Machine, bool], None]) -> Apply:
    """An :data:`Apply` that acts on the machine and leaves the state as it is."""

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
