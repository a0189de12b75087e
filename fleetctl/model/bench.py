"""What `bench` measured of the fleet's links: the shape of ``bench --json``, version 1
(docs/cli.md, "fleetctl.bench/1").

Fields may be added, never changed. A figure that is null is not known, and the ``reason`` beside it
says why. Bandwidths are of TCP's payload, in megabits (10^6) a second.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from msgspec import Struct

from fleetctl.model.status import Problem

SCHEMA = "fleetctl.bench/1"

RungName = Literal["cable", "addressed", "routed", "answers", "quick", "wide"]


class Hop(Struct, frozen=True):
    """Two neighbours and the network between them."""

    node: str
    peer: str
    network: str


class BenchPath(Struct, frozen=True):
    """What is measured: from a node to an address of another one."""

    node: str
    peer: str
    network: str
    """Of a link its network, else that of ``address``."""
    source: str | None
    """The node's own address on the first hop; null: it has none in nodes.yaml."""
    address: str
    hops: tuple[Hop, ...]

    @property
    def key(self) -> tuple[str, str, str]:
        """By which a measurement is compared with former ones."""
        return self.node, self.peer, self.network

    @property
    def is_link(self) -> bool:
        """Whether the two are neighbours on it."""
        return len(self.hops) == 1

    @property
    def stations(self) -> tuple[str, ...]:
        """The nodes on it, in order."""
        return (self.node, *(hop.peer for hop in self.hops))

    @property
    def label(self) -> str:
        """``pi4 → mini3 → mini1 (fabric)``."""
        return f"{' → '.join(self.stations)} ({self.network})"


class Echoes(Struct, frozen=True):
    """Round trips of echo requests (``ping``), in milliseconds."""

    sent: int = 0
    received: int = 0
    loss_percent: float | None = None
    min_ms: float | None = None
    median_ms: float | None = None
    p99_ms: float | None = None
    jitter_ms: float | None = None
    """The mean difference between one round trip and the next."""
    reason: str | None = None


class Flow(Struct, frozen=True):
    """One TCP transfer of iperf3, in one direction."""

    mbit_s: float | None = None
    """As received."""
    retransmits: int | None = None
    """Segments that were sent again; null: the sender's system does not tell."""
    sent_bytes: int | None = None
    busy_percent: float | None = None
    """Of one processor core, what iperf3 used at the busier end."""
    reason: str | None = None


class Port(Struct, frozen=True):
    """What one end of a hop says of its interface."""

    node: str
    network: str
    interface: str | None = None
    mbit_s: float | None = None
    """The speed that it runs at; null: not known, or it has none, as of Wi-Fi."""
    says: str | None = None
    """In the system's own words."""


class Best(Struct, frozen=True):
    """The best figures of a path so far, each with its time."""

    rtt_ms: float | None = None
    """The lowest median."""
    rtt_at: datetime | None = None
    there_mbit_s: float | None = None
    there_at: datetime | None = None
    back_mbit_s: float | None = None
    back_at: datetime | None = None


class Rung(Struct, frozen=True):
    """One step of a path's ladder: each needs those below it."""

    name: RungName
    ok: bool | None
    reason: str | None = None


class Measured(Struct, frozen=True):
    """The figures of one path."""

    path: BenchPath
    at: datetime
    echoes: Echoes = Echoes()
    there: Flow = Flow()
    back: Flow = Flow()
    ports: tuple[Port, ...] = ()
    """Of both ends of each hop."""

    @property
    def empty(self) -> bool:
        """Whether nothing of it was measured."""
        return not self.echoes.sent and self.there.mbit_s is None and self.back.mbit_s is None


class PastBench(Struct, frozen=True):
    """What former runs measured of one path."""

    newest: Measured
    best: Best
    """What it is held against: nothing over Wi-Fi."""
    expected_mbit_s: float | None
    """By nodes.yaml."""


class PathResult(Struct, frozen=True):
    """One path: its figures and what they mean."""

    path: BenchPath
    at: datetime
    echoes: Echoes
    there: Flow
    back: Flow
    ports: tuple[Port, ...]
    """Of both ends of each hop."""
    expected_rtt_ms: float | None
    expected_mbit_s: float | None
    best: Best
    """Before this measurement."""
    ladder: tuple[Rung, ...]
    stands_on: RungName | None
    """The highest rung that holds, with all below it; null: not even the lowest."""
    verdict: str
    """One sentence: why it is on no higher rung, or that all is well."""


class LeftOut(Struct, frozen=True):
    """A path that cannot be measured."""

    node: str
    peer: str
    network: str | None
    reason: str


class AllReduce(Struct, frozen=True):
    """The sum of a vector over all nodes of the job, round a ring of their data addresses."""

    nodes: tuple[str, ...]
    """In the order of the ring; without one, of nodes.yaml."""
    ok: bool | None
    """Whether every node got the right sum; null: it was not tried, or could not be."""
    bytes: int | None = None
    """Of the vector."""
    median_ms: float | None = None
    """Of the slowest node, over several rounds."""
    mbit_s: float | None = None
    """What each node sent in that time."""
    reason: str | None = None


class BenchReport(Struct, frozen=True):
    """One run of ``bench``."""

    schema: str
    fleet: str
    job: str | None
    began_at: datetime
    duration_s: float
    complete: bool
    """False: it was interrupted."""
    ok: bool
    """Every path was measured whole, and stands on the highest rung that it can be held to."""
    paths: tuple[PathResult, ...]
    left_out: tuple[LeftOut, ...]
    problems: tuple[Problem, ...]
    all_reduce: AllReduce | None
    """Null: not asked for, as with TARGETs, or nothing to reduce among."""
    notes: tuple[str, ...]
    """What was not measured, or not kept, and what to do."""
