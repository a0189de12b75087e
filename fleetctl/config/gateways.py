"""Checks that every ``via`` of nodes.yaml leads, hop by hop, to the network that it names."""

from __future__ import annotations

from collections.abc import Mapping

from fleetctl.config.report import Report, choices, nearest
from fleetctl.model.topology import Network, Node


def check_gateways(nodes: Mapping[str, Node], known: Mapping[str, Network], report: Report) -> None:
    """Report every ``via`` that cannot work.

    :param known: all networks of the file.
    """
    vias = [(node, *via) for node in nodes.values() for via in node.via.items()]
    for node, network, _ in vias:
        if network not in known:
            what = f"unknown network {network!r} in via of {node.name!r}"
            place = ("nodes", node.name, "via", network)
            report.mistake(place, what + nearest(network, known), key=True)
    check = _Check(nodes, known, report)
    for node, network, gateway in vias:
        why = check.no_node(node, network, gateway)
        if why is None and gateway and network in known:
            why = check.no_way(node, network, nodes[gateway])
        if why is not None:
            report.mistake(("nodes", node.name, "via", network), why)


class _Check:
    def __init__(
        self, nodes: Mapping[str, Node], known: Mapping[str, Network], report: Report
    ) -> None:
        self._nodes = nodes
        self._known = known
        self._report = report

    def no_node(self, node: Node, network: str, gateway: str) -> str | None:
        """Why ``gateway`` cannot be one; an empty one is reported already."""
        if gateway and gateway not in self._nodes:
            gateways = [name for name, other in self._nodes.items() if other.gateway]
            ending = nearest(gateway, gateways or self._nodes)
            return f"unknown node {gateway!r} in via of {node.name!r}{ending}"
        if gateway == node.name:
            return f"{node.name!r} cannot be its own gateway to {network!r}"
        return None

    def no_way(self, node: Node, network: str, hop: Node) -> str | None:
        """Why ``node`` cannot reach ``network`` through ``hop``; None also if that may only follow
        from a mistake that is reported already."""
        if network in node.networks:
            return f"{node.name!r} is on {network!r} itself and needs no via to it"
        if not hop.gateway and not self._report.wrong("nodes", hop.name, "gateway"):
            return self._not_a_gateway(node, network, hop)
        unsure = self._incomplete(node, "addresses") or self._incomplete(hop, "addresses")
        if not unsure and not any(name in hop.networks for name in node.networks):
            on, hop_on = (choices(n.networks) or "no network" for n in (node, hop))
            return (
                f"{node.name!r} and its gateway {hop.name!r} share no network: "
                f"{node.name!r} is on {on}, {hop.name!r} on {hop_on}"
            )
        if why := self._not_fixed(node, network, hop):
            return why
        if network in hop.networks:
            return None
        if network in hop.via:
            return self._circle(node, network)
        if self._incomplete(hop, "addresses") or self._incomplete(hop, "via"):
            return None
        return (
            f"gateway {hop.name!r} is neither on {network!r} nor has a via to it, "
            f"so it leads {node.name!r} nowhere"
        )

    def _not_fixed(self, node: Node, network: str, hop: Node) -> str | None:
        """Why packets of ``node`` cannot be routed to ``hop``, or answers back through it: DHCP
        gives the address that is the next hop of a route."""
        after = self._nodes.get(hop.via.get(network, ""))
        there = network if network in hop.networks else after and self._link(after, hop)
        for name in (self._link(node, hop), there):
            if name in hop.leased:
                return (
                    f"{hop.name!r} is the gateway of {node.name!r} to {network!r}, so routes lead "
                    f"to its address on {name!r}: it must be a fixed one, not dhcp"
                )
        return None

    def _link(self, one: Node, other: Node) -> str | None:
        """The network on which they are neighbours; see :meth:`Fleet.shared_network`."""
        both = [n for n in self._known if n in one.networks and n in other.networks]
        return next((n for n in both if not self._known[n].control), both[0] if both else None)

    def _incomplete(self, node: Node, key: str) -> bool:
        return self._report.incomplete(("nodes", node.name, key), self._known)

    def _not_a_gateway(self, node: Node, network: str, hop: Node) -> str:
        gateways = [n.name for n in self._nodes.values() if n.gateway and network in n.networks]
        end = f" or go through a gateway: {choices(gateways)}" if gateways else ""
        return (
            f"{hop.name!r} is not a gateway, so {node.name!r} cannot reach {network!r} through it; "
            f"give {hop.name!r} 'gateway: true'{end}"
        )

    def _circle(self, node: Node, network: str) -> str | None:
        """The mistake that the way of ``node`` to ``network`` comes back to ``node``."""
        way = [node.name]
        while (here := self._nodes.get(way[-1])) is not None and network in here.via:
            if here.via[network] == node.name:
                return f"via to {network!r} runs in a circle: {' → '.join([*way, node.name])}"
            if here.via[network] in way:
                return None  # reported at the nodes that are in the circle
            way.append(here.via[network])
        return None
