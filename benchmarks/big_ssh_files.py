"""`fleetctl status` of five nodes where the SSH files are big, against `ssh` itself.

``~/.ssh/config`` has 60,000 Host blocks and known_hosts 60,000 lines, half of them hashed; the
nodes stand at the end. ssh reads both anew for each host, so it is asked for the five side by side.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import resource
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence

from loopback import Loopback, loopback
from measure import FLEETCTL, cannot, environment, interleave, judge, ratio, run, show

NODES = 5
ENTRIES = 60_000
ROUNDS = 7
TARGET_RATIO = 1.0


class Home:
    """A home folder with big SSH files, and a nodes.yaml that leaves everything to them."""

    def __init__(self, servers: Loopback) -> None:
        self.path = servers.folder / "big"
        ssh = self.path / ".ssh"
        ssh.mkdir(parents=True, mode=0o700)
        self.names = [f"n{i}" for i in range(1, NODES + 1)]
        self.config, self.known = ssh / "config", ssh / "known_hosts"
        self.nodes_yaml = self.path / "nodes.yaml"
        self.kept = self.path / ".cache/fleetctl/ssh-config.json"
        key = " ".join((servers.folder / "host_key.pub").read_text().split()[:2])
        others = (
            f"Host other{i}\n  HostName 10.{i >> 16}.{i >> 8 & 255}.{i & 255}\n  User me\n"
            for i in range(ENTRIES - NODES)
        )
        own = (
            f"Host {name}\n  HostName {host}\n  Port {servers.port}\n  User root\n"
            f"  IdentityFile {servers.folder}/id\n"
            for name, host in zip(self.names, servers.hosts, strict=True)
        )
        rest = f"Host *\n  BatchMode yes\n  UserKnownHostsFile {self.known}\n"
        self.config.write_text("".join((*others, *own)) + rest)
        hosts = [f"other{i}.example.org" for i in range(ENTRIES - NODES)]
        hosts += [f"[{host}]:{servers.port}" for host in servers.hosts]
        self.known.write_text("".join(lines(hosts, key)))
        nodes = "".join(f"  {name}: {{ssh: {{host: {name}}}}}\n" for name in self.names)
        self.nodes_yaml.write_text(f"fleet: big\ninternet: null\nnodes:\n{nodes}")


def lines(hosts: Sequence[str], key: str) -> Iterator[str]:
    """Of known_hosts, every other one hashed; ``key`` is that of the nodes."""
    for number, host in enumerate(hosts):
        name = hashed(host) if number % 2 else host
        yield f"{name} {key if host[0] == '[' else made(number)}\n"


def hashed(host: str) -> str:
    """As `ssh-keygen -H` writes it."""
    salt = os.urandom(20)
    digest = hmac.digest(salt, host.encode(), hashlib.sha1)
    return "|1|" + "|".join(base64.b64encode(part).decode() for part in (salt, digest))


def made(number: int) -> str:
    """A host key of its own."""
    kind = b"ssh-ed25519"
    parts = (kind, hashlib.sha256(str(number).encode()).digest())
    sent = b"".join(len(part).to_bytes(4) + part for part in parts)
    return f"{kind.decode()} {base64.b64encode(sent).decode()}"


def fleetctl(home: Home, *, first: bool) -> Callable[[], float]:
    """
    :param first: nothing is known of former commands.
    """
    argv = (*FLEETCTL, "-f", str(home.nodes_yaml), "status", "--json")

    def measure() -> float:
        if first:
            home.kept.unlink(missing_ok=True)
        done = run(argv, env=environment(home.path))
        nodes = json.loads(done.stdout)["nodes"] if done.stdout else {}
        if [n for n in nodes if nodes[n]["ssh"]["reachable"]] != home.names:
            cannot("fleetctl did not reach all nodes")
        return done.wall_s

    return measure


def ssh(home: Home, option: str, command: Sequence[str]) -> Callable[[], float]:
    """ssh for each node, side by side."""

    def measure() -> float:
        began = time.perf_counter()
        running = [
            subprocess.Popen(
                ["ssh", "-F", str(home.config), option, name, *command],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                env=environment(home.path),
            )
            for name in home.names
        ]
        if any(process.wait(60) for process in running):
            cannot("ssh did not reach all nodes")
        return time.perf_counter() - began

    return measure


def costing(measure: Callable[[], float], cost: list[float]) -> Callable[[], float]:
    """The same, which also takes down the processor time of what it runs."""

    def measured() -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        wall_s = measure()
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        cost.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
        return wall_s

    return measured


def main() -> None:
    if shutil.which("ssh") is None:
        cannot("ssh is missing: apt-get install openssh-client")
    with loopback(NODES) as servers:
        home = Home(servers)
        contenders = {
            "fleetctl status": fleetctl(home, first=False),
            "the same, the first time": fleetctl(home, first=True),
            f"{NODES} times ssh true": ssh(home, "-T", ["true"]),
            f"{NODES} times ssh -G": ssh(home, "-TG", []),
        }
        for measure in contenders.values():
            measure()  # the first call reads from the disk
        cost: dict[str, list[float]] = {name: [] for name in contenders}
        timed = {name: costing(measure, cost[name]) for name, measure in contenders.items()}
        results = interleave(timed, ROUNDS)
        show(f"{ENTRIES} hosts, {ROUNDS} rounds", results, "s")
        show("processor time", cost, "s")
        later, first, login, asked = results.values()
        judge("fleetctl against ssh true", ratio(later, login), TARGET_RATIO, "x")
        both = [a + b for a, b in zip(login, asked, strict=True)]
        judge("the first time, against ssh -G and ssh true", ratio(first, both), TARGET_RATIO, "x")


if __name__ == "__main__":
    main()
