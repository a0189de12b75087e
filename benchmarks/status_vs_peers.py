"""`fleetctl status --json` against pdsh and clush gathering the same facts over OpenSSH.

Cold, each connects anew. Warm, a `fleetctl serve` runs, and pdsh goes over connections that OpenSSH
keeps (ControlPersist). ``python benchmarks/status_vs_peers.py [cold] [warm] [--nodes 5]``

Each node is an address of this machine's loopback. The peers run the same script that fleetctl
sends; their answers are read with fleetctl's parsers, to be sure that they are complete.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from loopback import Loopback, loopback
from measure import FLEETCTL, cannot, environment, interleave, judge, ratio, run, say, show

from fleetctl.config import load
from fleetctl.link.shell import NoiseFilter, command_line
from fleetctl.model.expectations import derive
from fleetctl.observe.questions import questions
from fleetctl.probes.node import node_script, read_node
from fleetctl.serve.quick import served

TARGETS = {5: (0.75, 21), 50: (0.5, 5), 200: (0.35, 3)}
"""By number of nodes: the highest ratio to the faster peer, and rounds."""
WARM_TARGETS = {5: (0.25, 21), 200: (0.05, 7)}
"""The same for what is warm."""
KNOWN_S = 300.0
"""How long a server may take until it knows all nodes."""
ANSWERS, ANSWER_EVERY_S = 50, 0.23
MEMORY_MB = 100.0
FANOUT = {"pdsh": 32, "clush": 64}
"""The peers' own defaults."""


def fleetctl(servers: Loopback, count: int, memory_mb: list[float]) -> Callable[[], float]:
    argv = (*FLEETCTL, "--file", str(servers.nodes_yaml(count)), "status", "--json")

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


def peer(
    servers: Loopback, count: int, argv: tuple[str, ...], config: str = "ssh_config"
) -> Callable[[], float]:
    fleet = load(servers.nodes_yaml(count))
    job = fleet.jobs["idle"]
    asked = questions(fleet, [job], derive(fleet), fleet.nodes["n1"], "status")
    script = node_script(asked)
    options = f"-F {servers.folder}/{config}"
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


@contextmanager
def kept_connections(servers: Loopback, count: int) -> Iterator[str]:
    """The name of an ssh_config by which OpenSSH keeps its connections."""
    config = servers.folder / "ssh_config-kept"
    config.write_text(
        f"ControlMaster auto\nControlPath {servers.folder}/cm-%h\nControlPersist 3600\n"
        + (servers.folder / "ssh_config").read_text()
    )
    try:
        yield config.name
    finally:
        for host in servers.hosts[:count]:
            argv = ("ssh", "-F", str(config), "-O", "exit", host)
            subprocess.run(argv, capture_output=True, timeout=30, check=False)


def answer(servers: Loopback, count: int) -> float | None:
    """How long the server takes to answer, without the start of a client; None: it does not, or not
    all nodes are reached by now."""
    before = os.environ["HOME"]
    os.environ["HOME"] = str(servers.folder)  # where its socket is
    try:
        began_s = time.perf_counter()
        found = served(str(servers.nodes_yaml(count)), None)
        took_s = time.perf_counter() - began_s
    finally:
        os.environ["HOME"] = before
    nodes = json.loads(found[1])["nodes"].values() if found else ()
    return took_s if sum(node["ssh"]["reachable"] is True for node in nodes) == count else None


def cpu_s(process: int) -> float:
    """Processor time of a process so far: proc(5), stat, 14 and 15."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def server(servers: Loopback, count: int) -> Iterator[int]:
    """The process of a `fleetctl serve` that knows all nodes."""
    call = (*FLEETCTL, "-f", str(servers.nodes_yaml(count)))
    env = environment(servers.folder)
    with (servers.folder / "serve.log").open("wb") as log:
        began_s = time.monotonic()
        process = subprocess.Popen((*call, "serve"), env=env, stdout=log, stderr=log)
        try:
            while answer(servers, count) is None:  # by nothing that asks the nodes itself
                if time.monotonic() > began_s + KNOWN_S:
                    cannot(f"fleetctl serve does not know {count} nodes within {KNOWN_S:g} s")
                time.sleep(0.5)
            say(f"fleetctl serve knows {count} nodes after {time.monotonic() - began_s:.1f} s")
            yield process.pid
        finally:
            process.terminate()
            process.wait(30)


def compare(
    title: str, measures: Mapping[str, Callable[[], float]], rounds: int, target: float
) -> None:
    """Measure, and judge the first against the faster of the others."""
    for measure in measures.values():
        measure()  # the first call reads from the disk, or makes the connections that are kept
    results = interleave(measures, rounds)
    show(f"{title}, {rounds} rounds", results, "s")
    ours, *peers = results.values()
    faster = min(peers, key=lambda values: sorted(values)[len(values) // 2])
    judge("fleetctl against the faster peer", ratio(ours, faster), target, "x")


def cold(servers: Loopback, count: int) -> None:
    target, rounds = TARGETS[count]
    memory_mb: list[float] = []
    compare(f"{count} nodes", contenders(servers, count, memory_mb), rounds, target)
    judge("fleetctl's peak memory", max(memory_mb), MEMORY_MB, " MB")
    say()


def warm(servers: Loopback, count: int) -> None:
    target, rounds = WARM_TARGETS[count]
    pdsh = ("pdsh", "-R", "ssh", "-f", str(FANOUT["pdsh"]), "-w")
    with kept_connections(servers, count) as config, server(servers, count) as process:
        measures = {
            "fleetctl status --json, served": fleetctl(servers, count, []),
            "pdsh, connections kept": peer(servers, count, pdsh, config),
        }
        began_s, used_s = time.monotonic(), cpu_s(process)
        compare(f"{count} nodes, warm", measures, rounds, target)
        part = (cpu_s(process) - used_s) / (time.monotonic() - began_s)
        say(f"the server used {part:.0%} of a processor meanwhile")
        took_s: list[float] = []
        while len(took_s) < ANSWERS:
            time.sleep(ANSWER_EVERY_S)  # some come while the server is busy with looks
            took_s.append(answer(servers, count) or cannot("fleetctl serve does not answer"))
        show(f"its answer alone, {ANSWERS} times", {"served": took_s}, "s")
    say()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("which", nargs="*", choices=["cold", "warm", []])
    parser.add_argument("--nodes", type=int, nargs="*", help="only so many nodes")
    given = parser.parse_args()
    missing = [name for name in ("pdsh", "clush", "ssh") if shutil.which(name) is None]
    if missing:
        cannot(f"{', '.join(missing)} missing: apt-get install pdsh clustershell openssh-client")
    counts = [n for n in TARGETS if not given.nodes or n in given.nodes]
    with loopback(max(counts)) as servers:
        for name, measure, targets in (("cold", cold, TARGETS), ("warm", warm, WARM_TARGETS)):
            for count in counts:
                if count in targets and (not given.which or name in given.which):
                    measure(servers, count)


if __name__ == "__main__":
    main()
