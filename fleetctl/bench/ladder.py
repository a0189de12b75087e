"""The ladder of a path: on which rung it stands, and why on no higher one. Pure.

The lower rungs are what ``check`` says; the upper ones what was measured.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address

from fleetctl.bench.verdict import Judged
from fleetctl.health.network.causes import Way
from fleetctl.model.bench import BenchPath, Measured, Rung, RungName
from fleetctl.model.expectations import Expectations, ExpectedReach
from fleetctl.model.node_status import AddressStatus, RouteStatus
from fleetctl.model.status import FleetStatus
from fleetctl.model.topology import Fleet

_Found = tuple[bool | None, str | None]
_NOT_ASKED = "not asked"


def ladder(
    fleet: Fleet,
    expectations: Expectations,
    status: FleetStatus,
    measured: Measured,
    is_whole: Judged,
    is_quick: Judged,
    is_wide: Judged,
) -> tuple[Rung, ...]:
    """All rungs of a path, lowest first."""
    path = measured.path
    way = Way(fleet, expectations, reach_of(fleet, path))
    rows = [_address(status, node, network) for node, network in way.crossed]
    found: dict[RungName, _Found] = {
        "cable": _all(_cable(node, row) for (node, _), row in zip(way.crossed, rows, strict=True)),
        "addressed": _all(
            (None, f"{node} was not asked") if row is None else (row.ok, _why(node, row))
            for (node, _), row in zip(way.crossed, rows, strict=True)
        ),
        "routed": _all(_routed(fleet, status, way, path)),
        "answers": _answers(status, measured, is_whole),
        "quick": (is_quick.ok, is_quick.reason or is_quick.where or None),
        "wide": (is_wide.ok, is_wide.reason or is_wide.where or None),
    }
    return tuple(Rung(name, ok, None if ok else why) for name, (ok, why) in found.items())


def reach_of(fleet: Fleet, path: BenchPath) -> ExpectedReach:
    """The path as one of what is derived from nodes.yaml."""
    address = IPv4Address(path.address)
    network = fleet.network_of(address) or path.network
    return ExpectedReach(path.node, address, path.peer, network, expected=True)


def stands_on(rungs: Sequence[Rung]) -> RungName | None:
    """The highest rung that holds, with all below it."""
    reached: RungName | None = None
    for rung in rungs:
        if not rung.ok:
            break
        reached = rung.name
    return reached


def next_rung(rungs: Sequence[Rung]) -> Rung | None:
    """The first rung that does not hold, or of which that is not known."""
    return next((rung for rung in rungs if not rung.ok), None)


def _all(found: Iterable[_Found]) -> _Found:
    """The worst of several: one that is wrong, else one that is not known."""
    rows = list(found)
    wrong = [row for row in rows if row[0] is False]
    unknown = [row for row in rows if row[0] is None]
    return next(iter(wrong or unknown), (True, None))


def _address(status: FleetStatus, node: str, network: str) -> AddressStatus | None:
    return next((r for r in status.nodes[node].addresses if r.network == network), None)


def _cable(node: str, row: AddressStatus | None) -> _Found:
    if row is None or (row.up is None and row.ok is None):
        return None, f"{node}: {row.reason if row and row.reason else _NOT_ASKED}"
    if row.up is None:
        return None, f"no interface of {node} has {row.expected}, so its cable is not known"
    return row.up, None if row.up else _why(node, row)


def _why(node: str, row: AddressStatus | RouteStatus) -> str:
    return f"{node}: {row.reason or _NOT_ASKED}"


def _routed(fleet: Fleet, status: FleetStatus, way: Way, path: BenchPath) -> Iterable[_Found]:
    for node, network in way.routes:
        cidr = str(fleet.networks[network].cidr)
        row = next((r for r in status.nodes[node].routes if r.to == cidr), None)
        if row is not None:
            via = f"via {row.via}" if row.via else "directly"
            seen = row.reason or f"{via}, not via {row.expected_via}"
            yield row.ok, f"{node}, route to {network}: {seen}"
    for node in way.forwarders:
        told = status.nodes[node].forwarding
        yield told.ok, f"{node}: {told.reason or 'it does not forward packets'}"
    for row_reach in status.nodes[path.node].reachability:
        if row_reach.to == path.address and row_reach.observed and row_reach.ok is False:
            yield False, f"{path.node}: {row_reach.reason or 'its packets take another way'}"


def _answers(status: FleetStatus, measured: Measured, is_whole: Judged) -> _Found:
    path, echoes = measured.path, measured.echoes
    if echoes.received:
        return is_whole.ok, is_whole.where or None
    rows = [r for r in status.nodes[path.node].reachability if r.to == path.address]
    if any(row.observed and row.rtt_ms is None for row in rows):
        return True, None  # by its SSH port: a firewall drops pings
    if echoes.sent:
        return False, f"{path.peer} does not answer {path.node}: {echoes.reason or 'no echo'}"
    return None, echoes.reason or _NOT_ASKED
