"""Every fault that a lab can make, and every command under it: no traceback, no hang.

A lab of a Mac and three Linux machines, each fault at one of its places (``--all-places``: each),
and then each command, several side by side; what goes on is begun before the fault, and ended by
Ctrl-C. A command hangs if it has not ended by its deadline.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import signal
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO

from chances import Counts, Said, chance, finish, options
from measure import FLEETCTL, cannot, say
from virtual import CONTROLLER, virtual_fleet

from fleetctl.errors import FleetctlError
from fleetctl.lab import Lab
from fleetctl.lab.faults.registry import KINDS

SLEEPER = "trap '' USR1; exec sleep 86402"
FLEET = {
    "fleet": "faulty",
    "internet": "10.99.0.1",
    "networks": {
        "wifi": {"cidr": "192.168.1.0/24", "kind": "wifi", "control": True},
        "fabric": {"cidr": "10.10.0.0/24", "kind": "thunderbolt"},
        "cable": {"cidr": "192.168.50.0/24", "kind": "ethernet"},
    },
    "defaults": {"ssh": {"identity_file": "~/.ssh/cluster", "connect_timeout": 4}},
    "nodes": {
        "hub": {
            "ssh": {"host": "192.168.1.11", "user": "one"},
            "addresses": {
                "wifi": "192.168.1.11",
                "fabric": "10.10.0.1",
                "cable": "192.168.50.1",
            },
            "gateway": True,
        },
        "mini": {
            "os": "macos",
            "ssh": {"host": "192.168.1.12", "user": "two"},
            "addresses": {"wifi": "192.168.1.12", "fabric": "10.10.0.2"},
        },
        "spare": {
            "ssh": {"host": "192.168.1.13", "user": "three"},
            "addresses": {"wifi": "192.168.1.13", "fabric": "10.10.0.3"},
        },
        "pi": {
            "ssh": {"host": "192.168.1.25", "user": "pi"},
            "addresses": {"wifi": "192.168.1.25", "cable": "192.168.50.2"},
            "via": {"fabric": "hub"},
        },
    },
    "jobs": {
        "job": {
            "sync": {"from": "code"},
            "services": {
                "server": {
                    "on": "hub",
                    "workdir": "~/code",
                    "command": "exec python3 -m http.server 7000 --bind 10.10.0.1",
                    "listen": "fabric:7000",
                    "web": 7000,
                    "ready": {"listening": True},
                    "stop": {"grace": 1},
                },
                "worker": {
                    "on": ["mini", "pi"],
                    "after": ["server"],
                    "workdir": "~/code",
                    "command": SLEEPER,
                    "liveness": {"silence": 100000, "interval": 5, "failures": 2},
                    "stop": {"grace": 1},
                },
            },
        }
    },
}
TAKES_A_PORT = {"mapped-listener"}
"""Faults that need the port of an instance, which therefore must not run."""
SIDE_BY_SIDE = 4
CONNECTED_S = 5.0
"""After that most of what goes on has its connections; else it meets the fault while it begins."""
INTERRUPTED_S = 20.0
OWN_S = 60.0
"""What a command may take beside what it is told to wait: three nodes' connect timeouts of 4 s, the
nodes' answers of 20 s, and Python's start on a busy machine."""
LONGER_S = {"bench": 240.0, "fix": 180.0, "start": 240.0, "restart": 300.0, "stop": 240.0}
"""Of a stop each service after the other may take 62 s where a node is silent."""

LOOKS: tuple[tuple[str, ...], ...] = (
    ("status",),
    ("status", "--json"),
    ("--job", "all", "status"),
    ("check",),
    ("check", "--json"),
    ("logs",),
    ("logs", "--since", "1h", "--timestamps"),
    ("exec", "*", "--", "hostname"),
    ("exec", "*", "--", "cat"),
    ("events", "--fresh"),
    ("events", "--json"),
    ("history",),
    ("wait", "--timeout", "3"),
    ("keys", "--check"),
    ("trust", "--check"),
    ("top", "--once"),
    ("attach", "worker@pi"),
    ("export", "ssh"),
    ("export", "dot"),
    ("config", "check"),
    ("config", "show"),
    ("sync", "--dry-run"),
    ("fix",),
    ("serve", "--status"),
    ("init", "--json", "192.168.1.11"),
    ("explain", "ssh-timeout"),
)
FOLLOWS: tuple[tuple[str, ...], ...] = (
    ("logs", "-f"),
    ("events", "-f"),
    ("serve", "--interval", "3"),
    ("wait", "--for", "stopped"),
    ("open", "server", "--no-browser"),
)
"""These go on: begun before the fault, ended by Ctrl-C under it."""
ACTS: tuple[tuple[str, ...], ...] = (
    ("send", "worker@pi", "hello"),
    ("signal", "worker@pi", "USR1"),
    ("sync",),
    ("stop", "worker"),
    ("start",),
    ("restart", "worker"),
    ("stop",),
    ("start",),
    ("bench", "--seconds", "1", "--anyway"),
)
"""One after the other, for they change what runs."""


class Tried:
    """Commands and how they ended."""

    def __init__(self, lab: Lab, patience: float, *, tell_all: bool) -> None:
        self._lab = lab
        self._patience = patience
        self._tell_all = tell_all
        self.codes: Counter[int | None] = Counter()
        self.usage: set[str] = set()
        """Commands that were typed wrong, which is a mistake of this program."""
        self.hung: list[str] = []
        self.mistakes: list[str] = []
        self.longest: tuple[float, str] = (0.0, "")

    def type(self, command: tuple[str, ...], under: str) -> None:
        name = " ".join(command)
        limit_s = LONGER_S.get(command[0], OWN_S) * self._patience
        self._judge(name, under, self._said(command, limit_s), limit_s)

    def _judge(self, name: str, under: str, said: Said, limit_s: float) -> None:
        self.codes[said.code] += 1
        if self._tell_all:
            say(f"  {name}: {said}")
        self.longest = max(self.longest, (said.took_s, f"{name} under {under}"))
        if "Usage: " in said.err:
            self.usage.add(f"{name}: {said.err.strip()[-200:]}")
        if said.code is None:
            self.hung.append(f"{name} under {under}: nothing within {limit_s:g} s")
            say(self.hung[-1])
        elif said.mistake or said.code < 0 or (said.code and not (said.err + said.out).strip()):
            self.mistakes.append(f"{name} under {under}: {said}")
            say(self.mistakes[-1])

    def _said(self, command: tuple[str, ...], limit_s: float) -> Said:
        began_s = time.monotonic()
        try:
            done = self._lab.run(CONTROLLER, (*FLEETCTL, *command), timeout_s=limit_s)
        except (subprocess.TimeoutExpired, FleetctlError) as error:
            return Said(None, b"", str(error).encode(), time.monotonic() - began_s)
        return Said(done.returncode, done.stdout, done.stderr, time.monotonic() - began_s)

    @contextmanager
    def followed(self, under: str, luck: random.Random, how_many: int) -> Iterator[None]:
        """Some that go on are begun before, and ended by Ctrl-C afterwards."""
        with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
            begun = []
            for number, command in enumerate(luck.sample(FOLLOWS, how_many)):
                file = stack.enter_context(Path(folder, str(number)).open("w+b"))
                process = self._lab.popen(
                    CONTROLLER,
                    (*FLEETCTL, *command),
                    stdin=subprocess.DEVNULL,
                    stdout=file,
                    stderr=file,
                    start_new_session=True,
                )
                begun.append((" ".join(command), process, file))
            time.sleep(CONNECTED_S)
            try:
                yield
            finally:
                for name, process, file in begun:
                    self._interrupt(f"{name}, interrupted", process, file, under)

    def _interrupt(
        self, name: str, process: subprocess.Popen[bytes], file: IO[bytes], under: str
    ) -> None:
        process.send_signal(signal.SIGINT)
        said = finish(process, INTERRUPTED_S * self._patience)
        file.seek(0)
        self._judge(name, under, Said(said.code, file.read(), b"", said.took_s), INTERRUPTED_S)

    def all(self, under: str, parts: int, luck: random.Random) -> None:
        """Every command, or one in ``parts`` of them, chosen by chance."""
        looks = luck.sample(LOOKS, max(1, len(LOOKS) // parts))
        acts = [act for act in ACTS if luck.random() < 1 / parts]
        with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
            list(pool.map(lambda look: self.type(look, under), looks))
        for act in acts:
            self.type(act, under)


Place = tuple[str, str, str | None]


def places(lab: Lab, luck: random.Random, *, all_of_them: bool) -> list[Place]:
    """Kind, node and network of each fault to make."""
    plan = lab.blueprint
    found: list[Place] = []
    for kind in KINDS.values():
        fit = [
            (kind.name, key, network)
            for key in plan.nodes
            for network in kind.places(plan, plan.machines[key])
        ]
        if not fit:
            say(f"{kind.name} fits no machine of this lab")
        found += fit if all_of_them or not fit else [luck.choice(fit)]
    return found


def one_by_one(lab: Lab, given: argparse.Namespace, luck: random.Random) -> Tried:
    tried = Tried(lab, given.patience, tell_all=given.tell_all)
    until_s = time.monotonic() + given.minutes * 60
    chosen = [one for one in places(lab, luck, all_of_them=given.all_places) if _wanted(one, given)]
    for number, (kind, node, network) in list(enumerate(chosen, 1))[given.first - 1 :]:
        under = "-".join(filter(None, (kind, node, network)))
        began_s = time.monotonic()
        if began_s > until_s:
            left = len(chosen) + 1 - number
            say(f"{left} faults are left out: {given.minutes:g} minutes are over")
            break
        if kind in TAKES_A_PORT:
            tried.type(("stop",), under)
        with tried.followed(under, luck, max(1, len(FOLLOWS) // given.one_in)):
            try:
                lab.fault(kind, node, network=network)
            except FleetctlError as error:
                say(f"{under}: {error}")
                continue
            tried.all(under, given.one_in, luck)
        lab.heal()
        say(f"{number}/{len(chosen)} {under}: {time.monotonic() - began_s:.0f} s")
        tried.type(("start",), f"{under}, healed")
    return tried


def _wanted(one: Place, given: argparse.Namespace) -> bool:
    return not given.kinds or one[0] in given.kinds


def main() -> None:
    parser = options("faults and commands")
    parser.add_argument("--all-places", action="store_true")
    parser.add_argument("--kinds", nargs="*", choices=list(KINDS), help="only these faults")
    parser.add_argument("--one-in", type=int, default=1, help="one command in so many, by chance")
    parser.add_argument("--patience", type=float, default=1.0, help="times the deadlines, if busy")
    parser.add_argument("--minutes", type=float, default=600.0, help="begin no fault after that")
    parser.add_argument("--from", dest="first", type=int, default=1, help="the first one's number")
    parser.add_argument("--tell-all", action="store_true", help="print how each command ended")
    given = parser.parse_args()
    # a shell ignores it in what it starts with `&`, and so would all that is interrupted here
    signal.signal(signal.SIGINT, signal.default_int_handler)
    luck, counts = chance(given), Counts()
    began_s = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "nodes.yaml")
        path.write_text(json.dumps(FLEET))
        code = Path(folder, "code")
        code.mkdir()
        (code / "train.py").write_text("print()\n")
        with virtual_fleet(path, [(code, "~/code")]) as lab:
            done = lab.run(CONTROLLER, (*FLEETCTL, "start"), timeout_s=120)
            if done.returncode != 0:
                cannot(done.stderr.decode())
            shutil.copytree(code, lab.home / code.name)
            tried = one_by_one(lab, given, luck)
    total = sum(tried.codes.values())
    say(f"{total} commands in {time.monotonic() - began_s:.0f} s; exit codes {dict(tried.codes)}")
    say(f"longest: {tried.longest[0]:.1f} s, {tried.longest[1]}")
    for line in sorted(tried.usage):
        say(line)
    counts.at_most("commands that hung", len(tried.hung))
    counts.at_most("commands with a mistake, or without a word why", len(tried.mistakes))
    counts.at_most("commands that this program typed wrong", len(tried.usage))
    counts.end()


if __name__ == "__main__":
    main()
