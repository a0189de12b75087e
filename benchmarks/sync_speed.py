"""`fleetctl sync` of 200 MB to five nodes, against `clush --copy` and a shell loop of rsync; and,
with nothing to do, against `rsync -n` to the slowest node.

Each node is an address of this machine's loopback, and its copy a folder of its own; that of clush
is one for all, for it has one destination.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
from collections.abc import Callable
from pathlib import Path

from loopback import Loopback, loopback
from measure import FLEETCTL, cannot, environment, interleave, judge, ratio, run, show

NODES = 5
ROUNDS, IDLE_ROUNDS = 3, 7
FACTOR = 1.5
SMALL, SMALL_BYTES = 2000, 10_000
LARGE, LARGE_BYTES = 20, 9_000_000


def make_tree(folder: Path) -> None:
    """200 MB: many small files, and some large ones."""
    for number in range(SMALL):
        place = folder / f"package{number % 50}"
        place.mkdir(parents=True, exist_ok=True)
        (place / f"module{number}.py").write_bytes(os.urandom(SMALL_BYTES))
    (folder / "data").mkdir()
    for number in range(LARGE):
        (folder / "data" / f"part{number}").write_bytes(os.urandom(LARGE_BYTES))


class Copies:
    """The tree, and the folders that it is copied into."""

    def __init__(self, servers: Loopback) -> None:
        self.servers = servers
        self.tree = servers.folder / "tree"
        make_tree(self.tree)
        self.env = environment(servers.folder)
        nodes = "".join(
            f"  n{number}: {{ssh: {{host: {host}}}, workdir: {self.folder(host)}}}\n"
            for number, host in enumerate(servers.hosts)
        )
        names = ", ".join(f"n{number}" for number in range(len(servers.hosts)))
        self.nodes_yaml = servers.folder / "nodes.yaml"
        self.nodes_yaml.write_text(
            "fleet: loopback\ninternet: null\n"
            f"defaults: {{ssh: {{port: {servers.port}, user: root,\n"
            f"  identity_file: {servers.folder}/id, known_hosts: {servers.folder}/known_hosts}}}}\n"
            f"nodes:\n{nodes}"
            "jobs:\n  j:\n    sync: {from: tree}\n"
            f"    services: {{s: {{on: [{names}], command: x}}}}\n"
        )

    def folder(self, host: str) -> Path:
        return self.servers.folder / "copies" / host

    def rsync(self, host: str, *options: str) -> tuple[str, ...]:
        ssh = f"ssh -F {self.servers.folder}/ssh_config"
        return ("rsync", "-a", *options, "-e", ssh, f"{self.tree}/", f"{host}:{self.folder(host)}/")

    def fleetctl(self, state: str) -> Callable[[], float]:
        def measure() -> float:
            done = run((*FLEETCTL, "-f", str(self.nodes_yaml), "sync", "--json"), env=self.env)
            found = json.loads(done.stdout)["nodes"]
            if {node["state"] for node in found.values()} != {state}:
                cannot(f"a node was not {state}: {[node['reason'] for node in found.values()]}")
            return done.wall_s

        return measure

    def anew(self, measure: Callable[[], float]) -> Callable[[], float]:
        """``measure``, with nothing copied yet."""

        def whole() -> float:
            shutil.rmtree(self.servers.folder / "copies", ignore_errors=True)
            shutil.rmtree(self.servers.folder / "home" / ".local", ignore_errors=True)
            for host in self.servers.hosts:
                self.folder(host).mkdir(parents=True)
            took_s = measure()
            wanted = SMALL * SMALL_BYTES + LARGE * LARGE_BYTES
            for folder in (self.servers.folder / "copies").iterdir():
                files = [path for path in folder.rglob("*") if path.is_file()]
                if files and sum(path.stat().st_size for path in files) != wanted:
                    cannot(f"{folder} is no whole copy")
            return took_s

        return whole

    def clush(self) -> float:
        options = f"-F {self.servers.folder}/ssh_config"
        to = ("--dest", str(self.folder(self.servers.hosts[0])))
        hosts = ",".join(self.servers.hosts)
        what = [str(path) for path in self.tree.iterdir()]
        return self._took("clush", "-o", options, "-w", hosts, "--copy", *what, *to)

    def loop(self) -> float:
        return sum(self._took(*self.rsync(host)) for host in self.servers.hosts)

    def dry_rsync(self) -> float:
        return max(self._took(*self.rsync(host, "-n")) for host in self.servers.hosts)

    def _took(self, *argv: str) -> float:
        done = run(argv, env=self.env)
        if done.exit_code != 0:
            cannot(f"{argv[0]} ended with exit code {done.exit_code}")
        return done.wall_s


def main() -> None:
    for program in ("clush", "rsync", "git"):
        if shutil.which(program) is None:
            cannot(f"{program} is missing: apt-get install clustershell rsync git")
    with loopback(NODES) as servers:
        copies = Copies(servers)
        whole = interleave(
            {
                "fleetctl sync": copies.anew(copies.fleetctl("synced")),
                "clush --copy": copies.anew(copies.clush),
                "a loop of rsync": copies.anew(copies.loop),
            },
            ROUNDS,
        )
        show(f"200 MB to {NODES} nodes, {ROUNDS} rounds", whole, "s")
        ours, *peers = whole.values()
        for name, peer in zip(("clush --copy", "a loop of rsync"), peers, strict=True):
            judge(f"sync against {name}", ratio(ours, peer), 1.0, "x")
        copies.anew(copies.fleetctl("synced"))()
        idle = interleave(
            {
                "fleetctl sync": copies.fleetctl("same"),
                "rsync -n, slowest node": copies.dry_rsync,
            },
            IDLE_ROUNDS,
        )
        show(f"nothing to do, {IDLE_ROUNDS} rounds", idle, "s")
        judge("sync with nothing to do against rsync -n", ratio(*idle.values()), FACTOR, "x")
        judge("sync with nothing to do", statistics.median(idle["fleetctl sync"]), 3.0, " s")


if __name__ == "__main__":
    main()
