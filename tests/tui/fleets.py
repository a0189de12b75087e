"""Fleets of any size for the dashboard's tests: nodes, names, steps that the ranks print."""

from __future__ import annotations

from fleetctl.config import load_text
from fleetctl.model.steps import StepReading, Steps
from fleetctl.model.topology import Fleet
from tests.tui.stage import Stage

JOB = "train"


def fleet_of(number: int, *, long: bool = False) -> Fleet:
    """``number`` nodes on Wi-Fi and a fabric; the first serves, and all others are ranks.

    :param long: with names of 27 columns.
    """
    prefix, word = ("rack-two-shelf-", "-mac-mini") if long else ("n", "")
    names = [f"{prefix}{i:03}{word}" for i in range(1, number + 1)]
    role = "gradient-worker" if long else "worker"
    nodes = "\n".join(
        f"  {name}: {{ssh: {{host: 10.1.0.{i}}}, addresses: {{lan: 10.1.0.{i}, data: 10.2.0.{i}}}}}"
        for i, name in enumerate(names, 1)
    )
    return load_text(
        "fleet: many\nnetworks:\n  lan: {cidr: 10.1.0.0/24, control: true}\n"
        f"  data: {{cidr: 10.2.0.0/24}}\nnodes:\n{nodes}\njobs:\n  {JOB}:\n    services:\n"
        f"      {role}: {{on: [{', '.join(names)}], command: sleep 9}}\n",
        "nodes.yaml",
    )


def stage_of(number: int, *, long: bool = False) -> Stage:
    """All run, and print steps."""
    fleet = fleet_of(number, long=long)
    stage = Stage(fleet, fleet.jobs[JOB])
    for rank, instance in enumerate(stage.job.instances):
        stage.steps[instance.name] = moving(7739 - rank % 3)
    return stage


def moving(step: int, *, quiet_s: float = 1.0, loss: float | None = 2.05) -> Steps:
    """Steps at 3.9 a second, the last of which was ``step``, ``quiet_s`` ago."""
    now = 1000.0
    last = now - quiet_s
    readings = tuple(StepReading(last - ago, step - round(3.9 * ago)) for ago in range(10, -1, -1))
    return Steps(now, readings, loss=loss)
