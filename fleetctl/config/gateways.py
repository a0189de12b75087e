"""Checks every ``via`` of nodes.yaml: hop by hop it must lead to the network it names."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from fleetctl.config.report import Report, choices, nearest
from fleetctl.model.topology import Node


def check_gateways(nodes: Mapping[str, Node], known: Collection[str], report: Report) -> None:
    """Report every ``via`` that cannot work.

    :param known: the names of all networks of the file.
    """
    for node in nodes.values():
        for network, gateway in node.via.items():
            if network not in known:
                what = f"unknown network {network!r} in via of {node.name!r}"
                place = ("nodes", node.name, "via", network)
                report.mistake(place, what + nearest(network, known), key=True)
            elif not _doubtful(node.name, gateway, report):
                why = _why_not(node, network, gateway, nodes)
                if why is not None:
                    report.mistake(("nodes", node.name, "via", network), why)


def _doubtful(node: str, gateway: str, report: Report) -> bool:
    """Whether what this ``via`` stands on was reported already."""
    return not gateway or any(
        report.wrong("nodes", name, key)
        for name, key in ((node, "addresses"), (gateway, "addresses"), (gateway, "gateway"))
    )


def _why_not(node: Node, network: str, gateway: str, nodes: Mapping[str, Node]) -> str | None:
    if gateway not in nodes:
        known = [name for name, other in nodes.items() if other.gateway] or list(nodes)
        return f"unknown node {gateway!r} in via of {node.name!r}" + nearest(gateway, known)
    if gateway == node.name:
        return f"{node.name!r} cannot be its own gateway to {network!r}"
    if network in node.addresses:
        return f"{node.name!r} is on {network!r} itself and needs no via to it"
    hop = nodes[gateway]
    if not hop.gateway:
        others = [n.name for n in nodes.values() if n.gateway and network in n.addresses]
        end = f" or go through a gateway: {choices(others)}" if others else ""
        return (
            f"{gateway!r} is not a gateway, so {node.name!r} cannot reach {network!r} through it; "
            f"give {gateway!r} 'gateway: true'{end}"
        )
    shared = [name for name in node.addresses if name in hop.addresses]
    if not shared:
        on, hop_on = (choices(n.addresses) or "no network" for n in (node, hop))
        return (
            f"{node.name!r} and its gateway {gateway!r} share no network: "
            f"{node.name!r} is on {on}, {gateway!r} on {hop_on}"
        )
    if network in hop.addresses:
        return None
    if network not in hop.via:
        return (
            f"gateway {gateway!r} is neither on {network!r} nor has a via to it, "
            f"so it leads {node.name!r} nowhere"
        )
    return _circle(node, network, nodes)


def _circle(node: Node, network: str, nodes: Mapping[str, Node]) -> str | None:
    """The way of ``node`` to ``network`` when it comes back to ``node``."""
    way = [node.name]
    while (here := nodes.get(way[-1])) is not None and network in here.via:
        if here.via[network] == node.name:
            return f"via to {network!r} runs in a circle: {' → '.join([*way, node.name])}"
        if here.via[network] in way:
            return None  # reported at the nodes that are in the circle
        way.append(here.via[network])
    return None
