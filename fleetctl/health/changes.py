"""What changed from one status of the fleet to the next, as sentences. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from msgspec import Struct

from fleetctl.model.status import FleetStatus, NodeStatus, Problem, ServiceStatus


class FleetChange(Struct, frozen=True):
    """One change, such as a node that became unreachable."""

    at: datetime
    state: str
    """The new state, a word that :mod:`fleetctl.marks` knows."""
    text: str


def changes(before: FleetStatus, after: FleetStatus) -> Iterator[FleetChange]:
    """Changes of nodes, then instances, then problems. What was not known before is no change."""
    at = after.generated_at
    for name, node in after.nodes.items():
        if name in before.nodes and (said := _node(name, before.nodes[name], node)):
            yield FleetChange(at, node.state, said)
    for name, service in after.services.items():
        if name in before.services and (said := _service(name, before.services[name], service)):
            yield FleetChange(at, service.state, said)
    old = {_key(problem): problem for problem in before.problems}
    new = {_key(problem): problem for problem in after.problems}
    for key, problem in new.items():
        if key not in old:
            text = f"{problem.code}: {problem.summary}"
            yield FleetChange(at, problem.severity, text)
    for key, problem in old.items():
        if key not in new:
            yield FleetChange(at, "ok", f"{problem.code} is over")


def _key(problem: Problem) -> tuple[str, str | None, tuple[str, ...]]:
    return problem.code, problem.node, problem.affects if problem.node is None else ()


def _node(name: str, before: NodeStatus, after: NodeStatus) -> str:
    if (before.state == "unreachable") == (after.state == "unreachable"):
        return ""
    if after.state == "unreachable":
        return f"{name} cannot be reached: {after.ssh.error}"
    return "" if after.state == "unknown" else f"{name} is reached again"


def _service(name: str, before: ServiceStatus, after: ServiceStatus) -> str:
    if before.state == after.state and before.restarts == after.restarts:
        return ""
    if before.state == "unknown" and before.started_at is None and after.state != "failed":
        return ""  # it was not asked yet, or its node can be asked again
    why = f": {after.reason}" if after.reason else ""
    again = f", restart {after.restarts}" if after.restarts > before.restarts else ""
    return f"{name} is {after.state}{again}{why}"
