"""The order of the ring, and an all-reduce on this machine's loopback."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from ipaddress import IPv4Network
from pathlib import Path

import pytest

from fleetctl.bench import allreduce, ring_program
from fleetctl.bench.allreduce import all_reduce
from fleetctl.bench.ring import Edge, Ring, form, members
from fleetctl.link.links import Links
from fleetctl.model.bench import AllReduce
from fleetctl.model.expectations import derive
from fleetctl.model.topology import SSH, Fleet, Network, Node
from fleetctl.probes import python3
from tests.bench.fleets import EXPECTATIONS, FLEET, JOB

USED = {"mini1": "10.10.0.1"}
NAMES = ("a", "b", "c")
LOOP = Fleet(
    "loop",
    {"lo": Network("lo", IPv4Network("127.0.0.0/24"))},
    {name: Node(name, SSH(name), connection="local") for name in NAMES},
)
RING = Ring(NAMES, tuple(Edge(n, f"127.0.0.{i}") for i, n in enumerate(("b", "b", "a"), 1)))


def test_nodes_that_do_not_reach_each_other_are_no_neighbours() -> None:
    ring = form(FLEET, EXPECTATIONS, members(JOB), USED)
    assert ring is not None
    assert sorted(ring.nodes) == ["mini1", "mini2", "mini3", "pi4", "pi5"]
    pairs = [set(pair) for pair in zip(ring.nodes, (*ring.nodes[1:], ring.nodes[0]), strict=True)]
    assert {"pi4", "pi5"} not in pairs
    for pair, edge in zip(pairs, ring.edges, strict=True):
        assert edge.listener in pair
        assert not edge.address.startswith("192.168.1.")
        if edge.listener == "mini1" and pair & {"mini2", "mini3", "pi4"}:
            assert edge.address == "10.10.0.1"


def test_no_ring() -> None:
    assert form(FLEET, EXPECTATIONS, ["mini1", "pi4", "pi5"], USED) is None
    empty = Fleet("none", {}, {})
    assert form(empty, derive(empty), [], {}) is None


def reduced() -> AllReduce:
    async def body() -> AllReduce:
        async with Links(LOOP) as links:
            return await all_reduce(links, RING)

    return asyncio.run(body())


def test_every_node_gets_the_sum(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(allreduce, "NUMBERS", 9_999)
    found = reduced()
    assert (found.ok, found.nodes, found.bytes, found.reason) == (True, NAMES, 79_992, None)
    assert found.median_ms
    assert found.mbit_s


def test_a_node_without_python_is_not_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(python3, "_FIND", python3._FIND.replace("python3)", "python33)"))
    found = reduced()
    assert (found.ok, found.reason) == (None, "a: it has no python3")


def test_a_neighbour_that_cannot_be_reached_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(allreduce, "WAIT_S", 1)
    # an address that no machine has, and to which the kernel sends nothing
    bad = Ring(NAMES, (Edge("b", "0.0.0.1"), *RING.edges[1:]))

    async def body() -> AllReduce:
        async with Links(LOOP) as links:
            return await all_reduce(links, bad)

    found = asyncio.run(body())
    assert found.ok is False
    assert found.reason


def test_it_ends_with_its_stdin() -> None:
    end = {"address": "127.0.0.1", "port": 42999, "listens": True}
    plan = {
        "rank": 0, "size": 2, "to": end, "source": {**end, "port": 42998}, "token": "x" * 32,
        "numbers": 8, "rounds": 1, "wait_s": 20, "most_s": 20,
    }  # fmt: skip
    program = Path(ring_program.__file__)
    done = subprocess.run(
        [sys.executable, "-I", "-S", str(program)],
        input=json.dumps(plan) + "\n",
        capture_output=True,
        text=True,
        timeout=10,
    )
    assert (done.returncode, done.stdout) == (3, "")
