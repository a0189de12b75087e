"""A node's facts, renewed by an answer to fewer questions than it was asked before."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address

from msgspec.structs import replace

from fleetctl.model.facts import NodeFacts

SERVICES = frozenset({"tmux", "records", "listeners", "runs"})
"""The probes of a script that only asks how the instances are."""


def with_services(facts: NodeFacts, services: NodeFacts) -> NodeFacts:
    """``facts`` with what a later answer says about the instances."""
    kept = {name: why for name, why in facts.unknown.items() if name not in SERVICES}
    return replace(
        facts,
        measured_at=services.measured_at,
        tmux_version=services.tmux_version,
        panes=services.panes,
        records=services.records,
        log_bytes=services.log_bytes,
        listeners=services.listeners,
        connections=services.connections,
        runs=services.runs,
        unknown={**kept, **services.unknown},
    )


def with_depth(
    facts: NodeFacts, deep: NodeFacts, silent: Iterable[IPv4Address], only_deep: frozenset[str]
) -> NodeFacts:
    """``facts`` with what only an earlier, longer look can tell.

    :param silent: addresses that only the longer look sends echo requests to.
    :param only_deep: names of the probes that only it asks.
    """
    echoes = {a: deep.network.echoes[a] for a in silent if a in deep.network.echoes}
    unasked = {f"echo {address}" for address in silent} | only_deep
    kept = {name: why for name, why in deep.unknown.items() if name in unasked}
    system = facts.system
    if system and deep.system and system.temperature_c is None:
        system = replace(system, temperature_c=deep.system.temperature_c)
    return replace(
        facts,
        system=system,
        network=replace(facts.network, echoes={**echoes, **facts.network.echoes}),
        comfort=replace(facts.comfort, clock_offset_s=deep.comfort.clock_offset_s),
        thunderbolt=deep.thunderbolt,
        local_network=deep.local_network,
        unknown={**kept, **facts.unknown},
    )
