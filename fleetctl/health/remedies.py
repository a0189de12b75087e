"""The commands that repair a finding, by kind of problem and operating system. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from msgspec import Struct

from fleetctl.health.finding import Finding
from fleetctl.health.kinds.registry import FINDING_KINDS
from fleetctl.health.repairs.target import RepairTarget
from fleetctl.model.facts import NodeFacts
from fleetctl.model.setup import NetworkSetup
from fleetctl.model.status import RepairStep
from fleetctl.model.topology import Fleet, supported_os


class Plan(Struct, frozen=True):
    """The repair of one finding."""

    steps: tuple[RepairStep, ...] = ()
    notes: tuple[str, ...] = ()
    """What cannot be repaired, or not for good, and why; sentences for the user."""
    setup: NetworkSetup | None = None
    """The setup after the steps, from which the next finding's plan starts."""


def steps(
    fleet: Fleet, finding: Finding, facts: NodeFacts, setup: NetworkSetup | None = None
) -> tuple[RepairStep, ...]:
    """The steps that repair ``finding``; see :func:`plan`."""
    return plan(fleet, finding, facts, setup).steps


def plan(
    fleet: Fleet, finding: Finding, facts: NodeFacts, setup: NetworkSetup | None = None
) -> Plan:
    """What repairs ``finding`` on its node.

    :param setup: of the node; without it only what works until the next boot is planned.
    """
    os = supported_os(facts.system.os) if facts.system else None
    if os is None:
        return Plan(notes=(f"it is not known what system {finding.node} runs",), setup=setup)
    remedy = FINDING_KINDS[finding.code].remedies[os]
    if isinstance(remedy, str):
        return Plan(setup=setup)
    target = RepairTarget(fleet, finding, facts, setup)
    live = tuple(remedy.live(target))
    if not live and (why := remedy.why_nothing(target)):
        return Plan(notes=(why,), setup=setup)
    if setup is None or isinstance(remedy.lasting, str):
        return Plan(live, setup=setup)
    change = remedy.lasting(target, setup)
    return Plan((*live, *change.steps), change.notes, change.setup)


def plans(
    fleet: Fleet, findings: Iterable[Finding], facts: NodeFacts, setup: NetworkSetup | None
) -> Iterator[Plan]:
    """The plans for several findings of one node; each starts from what the former leave."""
    for finding in findings:
        made = plan(fleet, finding, facts, setup)
        setup = made.setup
        yield made
