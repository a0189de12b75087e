"""Statuses of a small fleet, made by hand, and snapshots of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from msgspec.structs import replace

from fleetctl.config import load_text
from fleetctl.health.assess import Checked
from fleetctl.model.expectations import derive
from fleetctl.model.node_status import (
    ForwardingStatus,
    NodeState,
    NodeStatus,
    ReachStatus,
    SSHStatus,
    SystemStatus,
)
from fleetctl.model.status import (
    SCHEMA,
    FleetStatus,
    JobStatus,
    Problem,
    ServiceState,
    ServiceStatus,
)
from fleetctl.model.topology import Fleet
from fleetctl.undertakings import Snapshot

BEGIN = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
NODES_YAML = """\
fleet: home
nodes: {a: {}, b: {}, c: {}}
jobs:
  train:
    services: {worker: {on: [a, b], command: x}, log: {on: c, command: x}}
  other:
    elastic: true
    services: {batch: {on: [a, c], command: x, once: true}}
alerts: ALERTS
"""


def fleet(alerts: str = "[]", folder: str = "/nowhere") -> Fleet:
    return load_text(NODES_YAML.replace("ALERTS", alerts), f"{folder}/nodes.yaml")


def at(seconds: float) -> datetime:
    return BEGIN + timedelta(seconds=seconds)


def node(state: NodeState = "ok", **more: Any) -> NodeStatus:
    lost = "no answer from 10.0.0.1 within 4 s" if state == "unreachable" else None
    known = None if state == "unknown" else state != "unreachable"
    ssh = SSHStatus(known, error=lost)
    system = SystemStatus(disk_free_bytes=50 * 1024**3) if known else None
    usual: dict[str, Any] = {"system": system, "reachability": ()}
    return NodeStatus(
        state, ssh, addresses=(), routes=(), services=(),
        forwarding=ForwardingStatus(False), **{**usual, **more},
    )  # fmt: skip


def service(name: str, state: ServiceState = "ready", **more: Any) -> ServiceStatus:
    kind, _, place = name.partition("@")
    return ServiceStatus(kind, place, 0, state, once=kind == "batch", **more)


WORKERS = ("worker@a", "worker@b", "log@c")
BATCH = ("batch@a", "batch@c")


def status(
    seconds: float,
    *changed: ServiceStatus,
    problems: tuple[Problem, ...] = (),
    **nodes: NodeStatus,
) -> FleetStatus:
    """All well but for what is given; instances on nodes that cannot be asked are unknown."""
    every = {name: node() for name in "abc"} | nodes
    given = {f"{s.service}@{s.node}": s for s in changed}

    def one(name: str, usual: ServiceState) -> ServiceStatus:
        if name in given:
            return given[name]
        unheard = every[name[-1]].state in ("unreachable", "unknown")
        return service(name, "unknown" if unheard else usual)

    return FleetStatus(
        schema=SCHEMA,
        fleet="home",
        job=None,
        generated_at=at(seconds),
        duration_s=0.1,
        healthy=not problems,
        nodes=every,
        services={},
        problems=problems,
        jobs={
            "train": JobStatus({name: one(name, "ready") for name in WORKERS}),
            "other": JobStatus({name: one(name, "stopped") for name in BATCH}),
        },
    )


def failed(name: str, **more: Any) -> ServiceStatus:
    return service(name, "failed", exit_code=137, reason="killed by signal 9", **more)


def link(ok: bool | None) -> NodeStatus:
    """A node whose link to b works, or does not."""
    row = ReachStatus("10.0.0.2", "b", "fabric", True, observed=ok, ok=ok)
    return node(reachability=(row,))


LOSS = Problem("packet-loss", "warning", "a loses 5 % of echoes to b", "a", ("b",))


def snapshot(seen: FleetStatus, of: Fleet, *, complete: bool = True) -> Snapshot:
    checked = Checked(seen, (), {}, of, derive(of))
    return Snapshot(checked, dict.fromkeys(seen.nodes, seen.generated_at), complete)


def later(seen: FleetStatus, seconds: float) -> FleetStatus:
    return replace(seen, generated_at=at(seconds))
