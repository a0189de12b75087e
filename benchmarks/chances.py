"""What the programs that break things at random have in common: chance that can be repeated, counts
with what they must be, and fleets on the loopback whose processes can be counted."""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NoReturn

from loopback import Loopback, loopback
from measure import FLEETCTL, environment, say

from fleetctl.model.layout import STATE

DEADLINE_S = 180.0
"""No command of a small fleet on a busy machine takes so long."""


def options(about: str) -> argparse.ArgumentParser:
    """With ``--seed``, which :func:`chance` takes.

    From now on SIGTERM ends the program as Ctrl-C does: its fleet is taken down.
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--seed", type=int, help="the same chances again")
    return parser


def chance(given: argparse.Namespace) -> random.Random:
    """Chance by the given seed, or by a new one, which is printed."""
    seed = random.SystemRandom().randrange(10**6) if given.seed is None else given.seed
    say(f"seed {seed}")
    return random.Random(seed)


class Counts:
    """What was counted, with what is allowed at most."""

    def __init__(self) -> None:
        self._wrong = False

    def at_most(self, what: str, value: float, most: float = 0, unit: str = "") -> None:
        """Print it; more is wrong."""
        verdict = "as it must be" if value <= most else "WRONG"
        self._wrong |= value > most
        say(f"{what}: {value:g}{unit} (at most {most:g}{unit}) {verdict}")

    def end(self) -> NoReturn:
        """End the program: 2 if something is wrong."""
        raise SystemExit(2 if self._wrong else 0)


class Controller:
    """Types commands, as one laptop of several: with a home of its own."""

    def __init__(self, home: Path, nodes_yaml: Path) -> None:
        home.mkdir(exist_ok=True)
        self.home = home
        self.env = environment(home)
        self.nodes_yaml = nodes_yaml

    def begin(self, *arguments: str) -> subprocess.Popen[bytes]:
        """Begin a command, in a process group of its own, with pipes."""
        return self._begin(arguments, subprocess.PIPE)

    def begin_into(self, file: Path, *arguments: str) -> subprocess.Popen[bytes]:
        """The same, with what it prints in a file."""
        with file.open("wb") as out:
            return self._begin(arguments, out.fileno())

    def _begin(self, arguments: Sequence[str], out: int) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [*FLEETCTL, "-f", str(self.nodes_yaml), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            env=self.env,
            cwd=self.home,
            start_new_session=True,
        )

    def type(self, *arguments: str) -> Said:
        """Run a command to its end."""
        return finish(self.begin(*arguments))


class Said:
    """How a command ended."""

    def __init__(self, code: int | None, out: bytes, err: bytes, took_s: float) -> None:
        self.code = code
        """None: it hung, and was killed."""
        self.out, self.err = out.decode(errors="replace"), err.decode(errors="replace")
        self.took_s = took_s

    @property
    def mistake(self) -> bool:
        """Whether it hung, or ended by a mistake of the program's own."""
        text = self.out + self.err
        return self.code is None or "Traceback" in text or "fleetctl: this is a " in text

    def __str__(self) -> str:
        return f"exit code {self.code} after {self.took_s:.1f} s: {self.err.strip()[-600:]}"


def finish(process: subprocess.Popen[bytes], within_s: float = DEADLINE_S) -> Said:
    """Wait for a command; one that is late is killed."""
    began = time.monotonic()
    code: int | None
    try:
        out, err = process.communicate(timeout=within_s)
        code = process.returncode
    except subprocess.TimeoutExpired:
        process.kill()
        out, err = process.communicate()
        code = None
    return Said(code, out or b"", err or b"", time.monotonic() - began)


class SmallFleet:
    """Nodes n1, n2, … on the loopback, each with a home of its own."""

    def __init__(self, servers: Loopback) -> None:
        self.servers = servers
        self.name = f"lossless{os.getpid()}"
        self.nodes = [f"n{i}" for i in range(1, len(servers.hosts) + 1)]

    def write(self, services: str, hosts: Sequence[str] = (), *, connect_s: int = 30) -> Path:
        """A nodes.yaml with the services of its job, a YAML mapping in one line.

        :param hosts: where nodes are reached, if not at their own addresses.
        """
        servers = self.servers
        names = ",".join(f"[{host}]:{servers.port}" for host in hosts)
        if hosts:
            _, kind, key = (servers.folder / "known_hosts").read_text().split()[:3]
            with (servers.folder / "known_hosts").open("a") as known:
                known.write(f"{names} {kind} {key}\n")
        nodes = "".join(
            f"  {node}: {{ssh: {{host: {at}}}, addresses: {{lan: {host}}}}}\n"
            for node, at, host in zip(
                self.nodes, hosts or servers.hosts, servers.hosts, strict=True
            )
        )
        path = servers.folder / "small.yaml"
        path.write_text(
            f"fleet: {self.name}\ninternet: null\nnetworks: {{lan: {{cidr: 127.0.0.0/16}}}}\n"
            f"defaults:\n  ssh: {{port: {servers.port}, user: root, connect_timeout: {connect_s},\n"
            f"        identity_file: {servers.folder}/id,\n"
            f"        known_hosts: {servers.folder}/known_hosts}}\n"
            f"nodes:\n{nodes}jobs:\n  job: {{services: {services}}}\n"
        )
        return path

    def running(self, program: str = "sleep") -> dict[str, list[int]]:
        """The processes of ``program`` by the instance that they run for."""
        found: dict[str, list[int]] = {}
        for folder in Path("/proc").iterdir():
            if folder.name.isdecimal():
                with suppress(OSError):
                    self._see(folder, program, found)
        return found

    def _see(self, folder: Path, program: str, found: dict[str, list[int]]) -> None:
        if (folder / "comm").read_text().strip() != program:
            return
        pairs = (folder / "environ").read_bytes().decode(errors="replace").split("\0")
        env = dict(pair.partition("=")[::2] for pair in pairs)
        if env.get("FLEETCTL_FLEET") == self.name:
            instance = f"{env.get('FLEETCTL_SERVICE')}@{env.get('FLEETCTL_NODE')}"
            found.setdefault(instance, []).append(int(folder.name))

    def counts(self) -> Counter[str]:
        """How many processes each instance has."""
        return Counter({name: len(pids) for name, pids in self.running().items()})

    def left(self) -> list[str]:
        """What no command that ended leaves on a node: locks."""
        homes = [self.servers.home(host) for host in self.servers.hosts]
        states = [home / STATE.removeprefix("~/") / self.name for home in homes]
        return [str(lock) for state in states for lock in state.rglob("lock")]


@contextmanager
def small_fleet(count: int) -> Iterator[SmallFleet]:
    """A fleet of ``count`` nodes, until the context is left."""
    with loopback(count) as servers:
        yield SmallFleet(servers)


def eventually(condition: Callable[[], object], within_s: float) -> bool:
    """Whether it holds within that time."""
    deadline_s = time.monotonic() + within_s
    while not condition():
        if time.monotonic() > deadline_s:
            return False
        time.sleep(0.05)
    return True
