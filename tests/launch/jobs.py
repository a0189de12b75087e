"""Short definitions of jobs for tests."""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import Any

from fleetctl.model.jobs import Instance, Job, Listen, Restart, Service, Stop
from fleetctl.model.ready import Ready

Shape = dict[str, tuple[list[str], list[str]]]
"""By service name: its nodes, and the services that it starts after."""


def instance(service: str = "worker", node: str = "pi4", **more: Any) -> Instance:
    """An instance without dependencies; ``more`` are fields of :class:`Instance`."""
    fields: dict[str, Any] = {
        "job": "job",
        "service": service,
        "node": node,
        "rank": 1,
        "world_size": 1,
        "command": "sleep 100",
        "workdir": None,
        "listen": None,
        "ready": Ready("alive"),
        "after": (),
        "env": {},
        "env_file": None,
        "restart": Restart(),
        "stop": Stop(),
    }
    return Instance(**{**fields, **more})


def job(shape: Shape, **more: dict[str, Any]) -> Job:
    """A job of ``shape``; ``more`` are fields of the instances of a service."""
    services = {
        name: Service(
            tuple(after),
            tuple(
                instance(
                    name,
                    node,
                    rank=rank,
                    world_size=len(nodes),
                    after=tuple(after),
                    **more.get(name, {}),
                )
                for rank, node in enumerate(nodes, 1)
            ),
        )
        for name, (nodes, after) in shape.items()
    }
    return Job("job", services)


def listen(port: int = 6000, address: str = "10.0.0.1") -> Listen:
    return Listen(IPv4Address(address), port)
