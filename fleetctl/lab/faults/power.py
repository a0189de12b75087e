"""Loss of power."""

from __future__ import annotations

from msgspec.structs import replace

from fleetctl.errors import LabError
from fleetctl.lab import building, state, wiring
from fleetctl.lab.blueprint import Machine
from fleetctl.lab.faults.kind import FaultKind, own_machine
from fleetctl.lab.faults.links import settle_ports
from fleetctl.lab.state import Fault, State


def _power(now: State, fault: Fault, off: bool) -> State:
    machine = now.blueprint.machines[fault.node]
    now = _cut(now, machine) if off else _boot(now, machine)
    settle_ports(now)
    return now


def _cut(now: State, machine: Machine) -> State:
    process = now.processes.get(machine.key)
    if process is None:
        return now
    # The cables first, so that ending processes send nothing to their peers.
    wiring.ip_batch(now.keeper, wiring.unplug(machine), "the switch")
    if not process.kill(timeout_s=building.STOP_TIMEOUT_S):
        raise LabError(f"{machine.key}: its process {process.pid} does not end")
    rest = {key: p for key, p in now.processes.items() if key != machine.key}
    now = replace(now, processes=rest)
    state.write(now)
    return now


def _boot(now: State, machine: Machine) -> State:
    if machine.key in now.processes:
        return now
    now = building.boot(now, [machine.key])
    building.await_ssh(now, machine.key)
    return now


KINDS = (
    FaultKind(
        name="power-off",
        sentence=(
            "The machine loses power: all its processes die at once, its links lose their carrier; "
            "healing boots it again with the same disk."
        ),
        places=own_machine,
        lacks="it is this very controller",
        lives="outside",
        apply=_power,
    ),
)
