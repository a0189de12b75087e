"""The problems that measured paths show, each told once, of the shortest path that has it. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from fleetctl.bench.verdict import (
    Judged,
    expected_loss_percent,
    figures,
    held_against,
    narrow_because,
    quick,
    wide,
)
from fleetctl.health.kinds.reachability import BANDWIDTH_LOW, PACKET_LOSS, RTT_HIGH
from fleetctl.health.network.paths import blamed_first
from fleetctl.health.network.quality import HARDLY_ANYTHING
from fleetctl.model.bench import Measured, PathResult
from fleetctl.model.expectations import Expectations
from fleetctl.model.status import Problem
from fleetctl.model.topology import Fleet
from fleetctl.quantities import rtt


def problems(
    fleet: Fleet, expectations: Expectations, results: Sequence[PathResult]
) -> Iterator[Problem]:
    """What loses packets, is too narrow or too slow. A longer path over a link that is, is affected
    by that; and TCP is slow over what loses packets, which is no second problem."""
    lossy = [g for g in _roots(results, "answers") if g[0].echoes.received]
    for group in lossy:
        yield _loss(fleet, expectations, group[0], group)
    explained = {id(result) for group in lossy for result in group}
    for narrow in _roots([r for r in results if id(r) not in explained], "wide"):
        yield _narrow(fleet, expectations, narrow[0], narrow)
    for slow in _roots(results, "quick"):
        yield _slow(fleet, expectations, slow[0], slow)


def _roots(results: Sequence[PathResult], rung: str) -> Iterator[list[PathResult]]:
    """The paths without that rung: of each group the shortest first, then those that cross it."""
    groups: list[list[PathResult]] = []
    for result in sorted(results, key=lambda r: len(r.path.hops)):
        if any(r.name == rung and r.ok is False for r in result.ladder):
            groups_of = [g for g in groups if set(g[0].path.hops) & set(_either(result))]
            if groups_of:
                groups_of[0].append(result)
            else:
                groups.append([result])
    yield from groups


def _either(result: PathResult) -> Iterator[object]:
    """The hops in both directions."""
    for hop in result.path.hops:
        yield hop
        yield type(hop)(hop.peer, hop.node, hop.network)


def measured_of(result: PathResult) -> Measured:
    """The figures alone."""
    return Measured(result.path, result.at, result.echoes, result.there, result.back)


def judged(fleet: Fleet, result: PathResult) -> tuple[Judged, Judged]:
    """Whether it is quick enough, and wide enough."""
    measured, held = measured_of(result), held_against(fleet, result.path, result.best)
    return (
        quick(measured, result.expected_rtt_ms, held),
        wide(measured, result.expected_mbit_s, held),
    )


def _loss(
    fleet: Fleet, expectations: Expectations, result: PathResult, group: Sequence[PathResult]
) -> Problem:
    node, peer = _named(fleet, expectations, result)
    echoes = result.echoes
    share = 1 - echoes.received / echoes.sent
    return PACKET_LOSS.problem(
        node,
        severity="error" if share >= HARDLY_ANYTHING else None,
        percent=round(100 * share),
        which=f"between {node} and {peer}",
        network=result.path.network,
        expected=round(expected_loss_percent(fleet, result.path), 2),
        affects=_affected(fleet, node, group),
        evidence=(
            f"{result.path.node}: ping {result.path.address}: {echoes.received} of {echoes.sent} "
            f"echoes came back"
        ),
    )


def _narrow(
    fleet: Fleet, expectations: Expectations, result: PathResult, group: Sequence[PathResult]
) -> Problem:
    node, peer = _named(fleet, expectations, result)
    held = held_against(fleet, result.path, result.best)
    before = [m for m in (held.there_mbit_s, held.back_mbit_s) if m is not None]
    wanted = result.expected_mbit_s or max(before, default=None)
    measured = measured_of(result)
    return BANDWIDTH_LOW.problem(
        node,
        which=f"{node} and {peer}",
        figures=figures(measured),
        network=result.path.network,
        where=judged(fleet, result)[1].where,
        reason=narrow_because(measured, result.ports, wanted),
        affects=_affected(fleet, node, group),
        evidence=(
            f"{result.path.node}: iperf3 -c {result.path.address}: {figures(measured)}"
            + "".join(f"; {p.interface} of {p.node} says {p.says}" for p in result.ports if p.says)
        ),
    )


def _slow(
    fleet: Fleet, expectations: Expectations, result: PathResult, group: Sequence[PathResult]
) -> Problem:
    node, peer = _named(fleet, expectations, result)
    told = judged(fleet, result)[0]
    echoes = result.echoes
    by_best = result.expected_rtt_ms is None or told.limit != result.expected_rtt_ms
    return RTT_HIGH.problem(
        node,
        which=f"{node} needs",
        rtt_ms=echoes.median_ms or 0.0,
        peer=peer,
        network=result.path.network,
        limit_ms=round(told.limit or 0.0, 3),
        also=f": {told.where.removeprefix('where ')}" if by_best else "",
        affects=_affected(fleet, node, group),
        evidence=(
            f"{result.path.node}: ping {result.path.address}: the middle one of "
            f"{echoes.received} echoes took {rtt(echoes.median_ms or 0.0)}"
        ),
    )


def _named(fleet: Fleet, expectations: Expectations, result: PathResult) -> tuple[str, str]:
    """The end that is named, and the other one."""
    blamed = blamed_first(expectations, fleet.nodes.values())
    node, peer = sorted((result.path.node, result.path.peer), key=blamed.__getitem__)
    return node, peer


def _affected(fleet: Fleet, node: str, group: Sequence[PathResult]) -> tuple[str, ...]:
    ends = {end for result in group for end in (result.path.node, result.path.peer)} - {node}
    return tuple(name for name in fleet.nodes if name in ends)
