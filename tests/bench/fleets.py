"""The guide's cluster with its job, and figures of its paths."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from fleetctl.bench.results import result_of
from fleetctl.config import load_text
from fleetctl.health.assess import assess
from fleetctl.model.bench import BenchPath, Best, Echoes, Flow, Hop, Measured, PathResult
from fleetctl.model.expectations import derive
from fleetctl.model.status import FleetStatus
from tests.health.world import World

NODES_YAML = """\
fleet: guide
networks:
  wifi: {cidr: 192.168.1.0/24, kind: wifi, control: true}
  fabric: {cidr: 10.10.0.0/24, kind: thunderbolt, expect: {rtt_ms: 0.5, bandwidth_mbps: 10000}}
  edge50: {cidr: 192.168.50.0/24, expect: {rtt_ms: 1.5, bandwidth_mbps: 800}}
  edge51: {cidr: 192.168.51.0/24, expect: {rtt_ms: 1.5, bandwidth_mbps: 800}}
internet: null
nodes:
  mini1: {addresses: {wifi: 192.168.1.11, fabric: 10.10.0.1, edge50: 192.168.50.1}, gateway: true}
  mini2: {addresses: {wifi: 192.168.1.12, fabric: 10.10.0.2}}
  mini3: {addresses: {wifi: 192.168.1.13, fabric: 10.10.0.3, edge51: 192.168.51.2}, gateway: true}
  pi5: {addresses: {wifi: 192.168.1.25, edge50: 192.168.50.2}, via: {fabric: mini1}}
  pi4: {addresses: {wifi: 192.168.1.24, edge51: 192.168.51.4}, via: {fabric: mini3}}
  ipad: {connection: none, addresses: {wifi: 192.168.1.40}}
  laptop: {connection: local}
jobs:
  training:
    services:
      server: {on: mini1, command: serve, listen: "fabric:6500"}
      worker: {on: [mini1, mini2, mini3, pi5, pi4], after: [server], command: work}
  inference:
    services:
      rank1: {on: ipad, ready: {connect: "192.168.1.40:8000"}, listen: "wifi:8000"}
      rank2: {on: mini2, after: [rank1], command: work}
      api: {on: mini1, command: api, listen: "fabric:80"}
      page: {on: laptop, after: [api], command: page}
"""
FLEET = load_text(NODES_YAML, "nodes.yaml")
JOB = FLEET.jobs["training"]
EXPECTATIONS = derive(FLEET, JOB)

EDGE = BenchPath(
    "pi4", "mini3", "edge51", "192.168.51.4", "192.168.51.2", (Hop("pi4", "mini3", "edge51"),)
)
FABRIC = BenchPath(
    "mini3", "mini1", "fabric", "10.10.0.3", "10.10.0.1", (Hop("mini3", "mini1", "fabric"),)
)
LONG = BenchPath("pi4", "mini1", "fabric", "192.168.51.4", "10.10.0.1", (*EDGE.hops, *FABRIC.hops))
MAY = datetime(2026, 5, 12, 12, tzinfo=UTC)
NEVER = Best()
NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)


def measured(
    path: BenchPath = EDGE,
    there: float | None = 941.0,
    back: float | None = 938.0,
    *,
    median_ms: float | None = 0.4,
    lost: float = 0.0,
    resent: int = 0,
    busy: float | None = None,
    at: datetime = NOW,
) -> Measured:
    """Figures of a path; by default those of a sound link of 1000 Mbit/s."""
    echoes = Echoes(
        100, round(100 - lost), lost, median_ms, median_ms, median_ms, median_ms and 0.05
    )
    flows = [Flow(m, resent, None if m is None else int(m * 1e6 / 8), busy) for m in (there, back)]
    return Measured(path, at, echoes, flows[0], flows[1])


def world(fault: Callable[[World], object] = lambda _: None) -> FleetStatus:
    """What a check says of the cluster, with a fault."""
    made = World(FLEET)
    fault(made)
    looks = {name: made.look(name, "check") for name in made.hosts}
    return assess(FLEET, None, EXPECTATIONS, looks, duration_s=1, depth="check").status


def result(
    figures: Measured, *, fault: Callable[[World], object] = lambda _: None, best: Best = NEVER
) -> PathResult:
    """What the figures mean on the cluster, with a fault."""
    return result_of(FLEET, EXPECTATIONS, world(fault), figures, [], best)
