"""The topology in Graphviz's language (graphviz.org, "DOT Language")."""

from __future__ import annotations

from collections.abc import Iterator

from fleetctl.model.jobs import Job
from fleetctl.model.topology import DHCP, Fleet


def dot(fleet: Fleet, job: Job | None) -> str:
    """Networks are boxes, nodes ellipses; each edge has an address; a ``via`` is a dashed arrow."""
    body = "".join(f"  {line}\n" for line in _body(fleet, job))
    return f"graph {_quoted(fleet.name)} {{\n{body}}}\n"


def _body(fleet: Fleet, job: Job | None) -> Iterator[str]:
    for network in fleet.networks.values():
        label = "\n".join([network.name, str(network.cidr), network.kind])
        yield f"{_network(network.name)} [shape=box, label={_quoted(label)}];"
    for node in fleet.nodes.values():
        services = [i.service for i in job.on(node.name)] if job else []
        label = "\n".join([node.name, *services])
        yield f"{_node(node.name)} [label={_quoted(label)}];"
    for node in fleet.nodes.values():
        for name in node.networks:
            address = node.addresses.get(name, DHCP)
            yield f"{_node(node.name)} -- {_network(name)} [label={_quoted(str(address))}];"
        for name, gateway in node.via.items():
            label = _quoted(f"to {name}")
            looks = "style=dashed, dir=forward, constraint=false"
            yield f"{_node(node.name)} -- {_node(gateway)} [{looks}, label={label}];"


def _node(name: str) -> str:
    return _quoted(f"node {name}")


def _network(name: str) -> str:
    return _quoted(f"network {name}")


def _quoted(text: str) -> str:
    """A quoted string, in which ``\\n`` ends a line of a label."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
