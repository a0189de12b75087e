"""What former runs measured of each path, for those who show it."""

from __future__ import annotations

from collections.abc import Mapping

from fleetctl.bench.history import History, Key
from fleetctl.bench.verdict import expected_mbit_s, held_against
from fleetctl.model.bench import PastBench
from fleetctl.model.topology import Fleet


def past_bench(fleet: Fleet) -> Mapping[Key, PastBench]:
    """By path: node, peer, network. Paths over networks that nodes.yaml no longer has are left
    out; what cannot be read is missing."""
    history = History(fleet.name)
    best = history.best
    return {
        key: PastBench(
            newest, held_against(fleet, newest.path, best[key]), expected_mbit_s(fleet, newest.path)
        )
        for key, newest in history.newest.items()
        if all(hop.network in fleet.networks for hop in newest.path.hops)
    }
