"""`fleetctl status --json`, cold, against pdsh and clush gathering the same facts over OpenSSH.

Each node is an address of this machine's loopback. The peers run the same script that fleetctl
sends; their answers are read with fleetctl's parsers, to be sure that they are complete.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping

from loopback import Loopback, loopback
from measure import FLEETCTL, cannot, environment, interleave, judge, ratio, run, say, show

from fleetctl.config import load
from fleetctl.link.shell import NoiseFilter, command_line
from fleetctl.model.expectations import derive
from fleetctl.observe.questions import questions
from fleetctl.probes.node import node_script, read_node

TARGETS = {5: (1.0, 11), 50: (0.5, 5), 200: (0.35, 3)}
"""By number of nodes: the highest ratio to the faster peer, and rounds."""
MEMORY_MB = 100.0
FANOUT = {"pdsh": 32, "clush": 64}
"""The peers' own defaults."""


def fleetctl(servers: Loopback, count: int, memory_mb: list[float]) -> Callable[[], float]:
    argv = (*FLEETCTL, "-f", str(servers.nodes_yaml(count)), "status", "--json")

    def measure() -> float:
        done = run(argv, env=environment(servers.folder))
        try:
            nodes = json.loads(done.stdout)["nodes"]
        except ValueError:
            cannot(f"fleetctl status --json ended with exit code {done.exit_code}")
        reached = [n for n in nodes.values() if n["ssh"]["reachable"] and n["system"]["cpus"]]
        if len(reached) != count:
            cannot(f"fleetctl reached {len(reached)} of {count} nodes")
        memory_mb.append(done.peak_rss_mb)
        return done.wall_s

    return measure


def peer(servers: Loopback, count: int, argv: tuple[str, ...]) -> Callable[[], float]:
    fleet = load(servers.nodes_yaml(count))
    job = fleet.jobs["idle"]
    asked = questions(fleet, job, derive(fleet), fleet.nodes["n1"], "status")
    script = node_script(asked)
    options = f"-F {servers.folder}/ssh_config"
    env = {**environment(servers.folder), "PDSH_SSH_ARGS_APPEND": options}
    hosts = servers.hosts[:count]

    def measure() -> float:
        done = run((*argv, ",".join(hosts), command_line(script.text)), env=env)
        answers: dict[str, list[str]] = {}
        for line in done.stdout.split("\n"):
            host, _, text = line.partition(": ")
            answers.setdefault(host.removesuffix(":"), []).append(text)
        for host in hosts:
            output = NoiseFilter().feed("\n".join(answers.get(host, ())).encode())
            facts = read_node(script, output.decode())
            if facts.system is None or facts.system.cpus is None or facts.listeners is None:
                cannot(f"{argv[0]} brought no whole answer from {host}: {dict(facts.unknown)}")
        return done.wall_s

    return measure


def contenders(
    servers: Loopback, count: int, memory_mb: list[float]
) -> Mapping[str, Callable[[], float]]:
    pdsh = ("pdsh", "-R", "ssh", "-f", str(FANOUT["pdsh"]), "-w")
    options = ("-o", f"-F {servers.folder}/ssh_config")
    clush = ("clush", "-f", str(FANOUT["clush"]), *options, "-w")
    return {
        "fleetctl status --json": fleetctl(servers, count, memory_mb),
        "pdsh": peer(servers, count, pdsh),
        "clush": peer(servers, count, clush),
    }


def main() -> None:
    missing = [name for name in ("pdsh", "clush", "ssh") if shutil.which(name) is None]
    if missing:
        cannot(f"{', '.join(missing)} missing: apt-get install pdsh clustershell openssh-client")
    with loopback(max(TARGETS)) as servers:
        for count, (target, rounds) in TARGETS.items():
            memory_mb: list[float] = []
            measures = contenders(servers, count, memory_mb)
            for measure in measures.values():
                measure()  # the first call reads from the disk
            results = interleave(measures, rounds)
            show(f"{count} nodes, {rounds} rounds", results, "s")
            ours, *peers = results.values()
            faster = min(peers, key=lambda values: sorted(values)[len(values) // 2])
            judge("fleetctl against the faster peer", ratio(ours, faster), target, "x")
            judge("fleetctl's peak memory", max(memory_mb), MEMORY_MB, " MB")
            say()


if __name__ == "__main__":
    main()
