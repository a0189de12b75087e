"""Runs an all-reduce among the nodes of a ring, with nothing but python3 on them."""

from __future__ import annotations

import asyncio
import json
import random
import secrets
from pathlib import Path
from statistics import median
from typing import Any

from fleetctl.bench.measuring import PORTS, read_all
from fleetctl.bench.ring import Edge, Ring
from fleetctl.errors import LinkError
from fleetctl.escaping import visible
from fleetctl.link.links import Links
from fleetctl.link.mistakes import of_node
from fleetctl.model.bench import AllReduce
from fleetctl.probes.parsers import json_text
from fleetctl.probes.python3 import python3

NUMBERS = 128 * 1024
"""Of eight bytes each: 1 MiB."""
ROUNDS = 5
WAIT_S = 10
"""For a neighbour: to connect, and for its next piece."""
MOST_S = 30
"""The node ends its part after this in any case."""


async def all_reduce(links: Links, ring: Ring) -> AllReduce:
    """The result; what fails on a node is its reason."""
    size = len(ring.nodes)
    script = python3(Path(__file__).with_name("ring_program.py").read_text("utf-8"))
    token = secrets.token_hex(16)
    ports = random.sample(PORTS, size)

    def end(node: str, number: int) -> dict[str, Any]:
        edge: Edge = ring.edges[number]
        listens = edge.listener == node
        return {"address": edge.address, "port": ports[number], "listens": listens}

    async def part(rank: int, node: str) -> dict[str, Any]:
        plan = {
            "rank": rank,
            "size": size,
            "to": end(node, rank),
            "source": end(node, rank - 1),
            "token": token,
            "numbers": NUMBERS,
            "rounds": ROUNDS,
            "wait_s": WAIT_S,
            "most_s": MOST_S,
        }
        with of_node(node):
            link = await links.get(node)
            async with link.stream(script) as stream:
                stream.write(json.dumps(plan).encode() + b"\n")
                text = await read_all(link, stream, MOST_S + WAIT_S)
        found = next((v for v in json_text.json_values(text) if isinstance(v, dict)), {})
        return found or {"error": "it printed no result"}

    told = await asyncio.gather(
        *(part(rank, node) for rank, node in enumerate(ring.nodes)), return_exceptions=True
    )
    return _result(ring, dict(zip(ring.nodes, told, strict=True)))


def _result(ring: Ring, told: dict[str, dict[str, Any] | BaseException]) -> AllReduce:
    slowest_s = 0.0
    for node, found in told.items():
        if isinstance(found, LinkError):
            return AllReduce(ring.nodes, None, reason=str(found))
        if isinstance(found, BaseException):
            raise found
        if error := json_text.string(found.get("error")):
            ok = None if "no python3" in error else False
            return AllReduce(ring.nodes, ok, reason=f"{node}: {visible(error[:200])}")
        times = found.get("times_s")
        known = [json_text.decimal(t) for t in times] if isinstance(times, list) else []
        whole = [t for t in known if t is not None]
        if len(whole) != ROUNDS:
            return AllReduce(ring.nodes, None, reason=f"{node}: it printed no result")
        slowest_s = max(slowest_s, median(whole))
    size = len(ring.nodes)
    sent_bits = 2 * (size - 1) / size * NUMBERS * 8 * 8
    return AllReduce(
        ring.nodes,
        True,
        NUMBERS * 8,
        round(slowest_s * 1000, 2),
        round(sent_bits / 1e6 / max(slowest_s, 1e-6), 1),
    )
