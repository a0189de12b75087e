"""The problems because of which ``start`` refuses to start a job."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from fleetctl.health.kinds.registry import STOPS_START
from fleetctl.health.network.causes import Way
from fleetctl.model.expectations import Expectations
from fleetctl.model.plan import PlanStep
from fleetctl.model.status import ALIVE_STATES, FleetStatus, Problem
from fleetctl.model.topology import Fleet


def obstacles(
    fleet: Fleet,
    expectations: Expectations,
    status: FleetStatus,
    steps: Sequence[PlanStep],
    *,
    anew: bool = False,
) -> dict[str, tuple[Problem, ...]]:
    """By instance: the problems of ``status`` on the ways that it uses, which would make it fail.

    :param anew: running instances are going to be restarted.
    """
    errors = [p for p in status.problems if p.severity == "error" and p.code in STOPS_START]
    found = {
        step.instance.name: tuple(_of_step(fleet, expectations, status, step, errors))
        for step in steps
        if anew or status.services[step.instance.name].state not in ALIVE_STATES
    }
    return {name: problems for name, problems in found.items() if problems}


def _of_step(
    fleet: Fleet,
    expectations: Expectations,
    status: FleetStatus,
    step: PlanStep,
    errors: Iterable[Problem],
) -> Iterator[Problem]:
    name = step.instance.node
    own = {str(listen.address) for listen in step.instance.listens}
    if any(a.ok is False for a in status.nodes[name].addresses if a.expected in own):
        yield from (p for p in errors if p.node == name or name in p.affects)
    wanted = {listen.address for need in step.needs if (listen := step.instance.endpoint(need))}
    wanted |= set(step.instance.peers.values())
    # rows for addresses that are not known come after the others
    rows = zip(expectations.reach_of(name), status.nodes[name].reachability, strict=False)
    for reach, row in rows:
        if reach.to not in wanted or not reach.expected or row.observed is not False:
            continue
        stations = Way(fleet, expectations, reach).stations
        yield from (
            p for p in errors if p.node in stations or (p.node is None and name in p.affects)
        )
