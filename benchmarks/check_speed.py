"""`fleetctl check`, cold, against its lower bound: a ping round and an SSH handshake.

First in the lab of the shipped nodes.yaml, without faults: the slowest ping round is the one of ten
echoes, to the server behind a gateway; the handshake is OpenSSH's. Then with 200 nodes on the
loopback.
"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Sequence
from pathlib import Path

from loopback import loopback
from measure import FLEETCTL, cannot, environment, interleave, judge, run, show
from virtual import fleetctl, on_controller, virtual_fleet

from fleetctl import config
from fleetctl.lab import Lab

ROOT = Path(__file__).parents[1]
NODES_YAML = ROOT / "nodes.yaml"
ROUNDS = 7
FACTOR, LAB_LIMIT_S = 1.3, 3.0
MANY, MANY_LIMIT_S = 200, 15.0
ASKER, ASKED = "pi4", "10.10.0.1"


def timed(lab: Lab, *argv: str) -> float:
    began = time.perf_counter()
    on_controller(lab, *argv)
    return time.perf_counter() - began


def ping_round(lab: Lab) -> float:
    """The echo requests that check sends to an address that must answer."""
    argv = ["ping", "-q", "-c", "10", "-i", "0.2", "-W", "1", ASKED]
    began = time.perf_counter()
    done = lab.run(ASKER, argv)
    took_s = time.perf_counter() - began
    if done.returncode != 0:
        cannot(f"{' '.join(argv)} on {ASKER} got no answer")
    return took_s


def in_the_lab() -> None:
    fleet = config.load(NODES_YAML)
    folders = {i.workdir for job in fleet.jobs.values() for i in job.instances if i.workdir}
    copies = [(ROOT / "examples/elastic", folder) for folder in folders]
    login = fleet.nodes[ASKER].ssh
    with virtual_fleet(NODES_YAML, copies) as lab:
        key = (login.identity_file or "").replace("~", str(lab.home), 1)
        ssh = ("ssh", "-i", key, "-o", "BatchMode=yes", f"{login.user}@{login.host}", "true")
        results = interleave(
            {
                "fleetctl check": lambda: timed(lab, *fleetctl("check", "--json")),
                "slowest ping round": lambda: ping_round(lab),
                "one SSH handshake": lambda: timed(lab, *ssh),
            },
            ROUNDS,
        )
    show(f"the guide's cluster, {ROUNDS} rounds", results, "s")
    ours, ping, handshake = results.values()
    floor = [FACTOR * (p + h) for p, h in zip(ping, handshake, strict=True)]
    judge(
        f"check against {FACTOR} times a ping round and a handshake",
        statistics.median(o / f for o, f in zip(ours, floor, strict=True)),
        1.0,
        "x",
    )
    judge("check", statistics.median(ours), LAB_LIMIT_S, " s")


def many() -> None:
    took: list[float] = []
    with loopback(MANY) as servers:
        argv: Sequence[str] = (*FLEETCTL, "-f", str(servers.nodes_yaml(MANY)), "check", "--json")
        for _ in range(3):
            done = run(argv, env=environment(servers.folder))
            nodes = json.loads(done.stdout)["nodes"]
            if sum(n["ssh"]["reachable"] for n in nodes.values()) != MANY:
                cannot(f"not all of the {MANY} nodes were reached")
            took.append(done.wall_s)
    show(f"{MANY} light nodes, {len(took)} rounds", {"fleetctl check": took}, "s")
    judge("check", statistics.median(took), MANY_LIMIT_S, " s")


def main() -> None:
    in_the_lab()
    many()


if __name__ == "__main__":
    main()
