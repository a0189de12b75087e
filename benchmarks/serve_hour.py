"""An hour of `fleetctl serve`, with five chatty nodes and random faults: its memory, descriptors
and processes, what is left on the nodes, and whether the history has everything.

Faults are a killed instance, a reset connection, packets that vanish, a server that refuses for a
while, and a client of the server that is killed. With ``--rate`` all of them, and the looks, come
so many times as often, for less time.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import statistics
import time
from collections import Counter
from contextlib import ExitStack, suppress
from datetime import UTC, datetime
from pathlib import Path

from chances import Controller, Counts, SmallFleet, chance, eventually, finish, options, small_fleet
from measure import cannot, say
from proxy import Proxy

from fleetctl.history.store import Store

NODES = 5
CHATTER = (
    "i=0; while :; do i=$((i+1)); echo step=$i loss=0.$i some words that a program prints;"
    " sleep 0.1; done"
)
SERVICES = (
    "{chatty: {on: [n1, n2, n3, n4, n5], restart: always, stop: {grace: 1}, "
    f"command: {json.dumps(CHATTER)}}}, "
    "still: {on: [n1, n2, n3, n4, n5], restart: always, stop: {grace: 1}, "
    "command: exec sleep 86403}}"
)
INTERVAL_S = 2.0
FAULT_S = 20.0
WARM_PART = 0.25
"""So much of the time passes before memory is compared: caches and histories of rates fill."""
REFUSED_S = 12.0
EVENT_WITHIN_S = 90.0
WATCH_GAP_S = 60.0
"""A longer stretch without a look is a gap; fleetctl's own measure."""


class Server:
    """A `fleetctl serve`, seen from outside (proc(5))."""

    def __init__(self, controller: Controller, interval_s: float) -> None:
        self._log = controller.home / "serve.log"
        self.process = controller.begin_into(self._log, "serve", "--interval", f"{interval_s:g}")
        self.memory_mb: list[float] = []
        self.descriptors: list[int] = []

    def look(self) -> None:
        folder = Path(f"/proc/{self.process.pid}")
        pages = int((folder / "statm").read_text().split()[1])
        self.memory_mb.append(pages * os.sysconf("SC_PAGE_SIZE") / 1e6)
        self.descriptors.append(len(list((folder / "fd").iterdir())))

    def said(self) -> str:
        return self._log.read_text(errors="replace")

    def children(self) -> list[str]:
        """Processes that it started and that live."""
        with suppress(OSError):
            task = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
            return task.read_text().split()
        return []


class Faults:
    """Breaks something at random, and knows what the history must say of it."""

    def __init__(
        self, fleet: SmallFleet, proxies: list[Proxy], laptop: Controller, luck: random.Random
    ) -> None:
        self._fleet, self._proxies, self._laptop, self._luck = fleet, proxies, laptop, luck
        self.made: Counter[str] = Counter()
        self.killed: list[tuple[str, float]] = []
        """Instances, and when."""
        self.unreachable: list[tuple[str, float]] = []

    def one(self) -> None:
        kind = self._luck.choice(("kill", "kill", "reset", "freeze", "refuse", "client"))
        self.made[kind] += 1
        place = self._luck.randrange(NODES)
        proxy = self._proxies[place]
        if kind == "kill":
            self._kill(f"still@n{place + 1}")
        elif kind == "reset":
            proxy.cut()
        elif kind == "freeze":
            proxy.freeze()
        elif kind == "refuse":
            self.unreachable.append((f"n{place + 1}", time.time()))
            proxy.refusing = True
            proxy.cut()
            time.sleep(REFUSED_S)
            proxy.refusing = False
        else:
            client = self._laptop.begin(*self._luck.choice((("logs", "-f"), ("top",), ("check",))))
            time.sleep(self._luck.uniform(0.2, 3.0))
            client.kill()
            client.communicate()

    def _kill(self, instance: str) -> None:
        for pid in self._fleet.running().get(instance, [])[:1]:
            self.killed.append((instance, time.time()))
            os.kill(pid, signal.SIGKILL)


def on_nodes(fleet: SmallFleet) -> Counter[str]:
    """How many processes of each name are in the nodes' PID namespaces."""
    found: Counter[str] = Counter()
    roots = {str(pid) for pid in fleet.servers.pids}
    parents: dict[str, str] = {}
    names: dict[str, str] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal():
            with suppress(OSError):
                name, _, rest = (folder / "stat").read_text().partition("(")[2].rpartition(")")
                parents[folder.name], names[folder.name] = rest.split()[1], name
    for pid, name in names.items():
        above = pid
        while above in parents and above not in roots:
            above = parents[above]
        if above in roots and pid not in roots:
            found[name] += 1
    return found


def untold(faults: Faults, laptop: Controller) -> list[str]:
    """Faults of which the history has no event."""
    said = laptop.type("events", "--json", "--since", "1d")
    events = [json.loads(text) for text in said.out.splitlines()]
    at = {id(e): datetime.fromisoformat(e["at"]).timestamp() for e in events}
    missing = []
    for what, when in (*faults.killed, *faults.unreachable):
        near = [
            e
            for e in events
            if what in (e.get("subject"), e.get("node"), *e.get("affects", ()))
            and -5 < at[id(e)] - when < EVENT_WITHIN_S
        ]
        if not near:
            missing.append(f"{what} at {datetime.fromtimestamp(when, UTC):%H:%M:%S}")
    return missing


def gaps(home: Path, fleet: str, from_s: float, until_s: float) -> float:
    """Seconds in which the history says that nobody watched."""
    before = os.environ.get("HOME", "")
    os.environ["HOME"] = str(home)
    try:
        store = Store(fleet)
        watched = store.watched(from_s, until_s)
        store.close()
    finally:
        os.environ["HOME"] = before
    missing, at_s = 0.0, from_s
    for one in watched:
        missing += max(0.0, one.from_s - at_s)
        at_s = max(at_s, one.until_s)
    return missing + max(0.0, until_s - at_s)


def compare(counts: Counts, server: Server) -> None:
    """The end against the time after warming up."""
    warm = int(len(server.memory_mb) * WARM_PART)
    part = max(1, (len(server.memory_mb) - warm) // 5)
    first, last = server.memory_mb[warm : warm + part], server.memory_mb[-part:]
    grown = 100 * (statistics.median(last) / statistics.median(first) - 1)
    say(
        f"memory: {server.memory_mb[0]:.1f} MB at first, {statistics.median(first):.1f} MB warm, "
        f"{statistics.median(last):.1f} MB at the end, {max(server.memory_mb):.1f} MB at most"
    )
    few = min(server.descriptors[warm : warm + part])
    say(f"descriptors: {few} warm, {min(server.descriptors[-part:])} at the end")
    counts.at_most("memory grown", max(0.0, grown), 5, " %")
    counts.at_most("descriptors more", max(0, min(server.descriptors[-part:]) - few))


def watch(server: Server, faults: Faults, given: argparse.Namespace, luck: random.Random) -> None:
    """Break something now and then, and look at the server."""
    until_s = time.monotonic() + given.minutes * 60
    next_s = time.monotonic() + FAULT_S / given.rate
    while time.monotonic() < until_s:
        time.sleep(1)
        if server.process.poll() is not None:
            cannot(f"the server ended: {server.said()[-2000:]}")
        server.look()
        if time.monotonic() > next_s and time.monotonic() < until_s - 60:
            faults.one()
            next_s = time.monotonic() + luck.expovariate(given.rate / FAULT_S)


def main() -> None:
    parser = options("an hour of serve")
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--rate", type=float, default=1.0, help="times as often")
    given = parser.parse_args()
    luck, counts = chance(given), Counts()
    with small_fleet(NODES) as fleet, ExitStack() as stack:
        hosts, port = fleet.servers.hosts, fleet.servers.port
        near = [f"127.0.2.{i}" for i in range(1, NODES + 1)]
        proxies = [
            stack.enter_context(Proxy(at, host, port)) for at, host in zip(near, hosts, strict=True)
        ]
        path = fleet.write(SERVICES, near)
        laptop = Controller(fleet.servers.folder / "laptop", path)
        if (said := laptop.type("start")).code != 0:
            cannot(f"the job does not start: {said}")
        before = on_nodes(fleet)
        server = Server(laptop, INTERVAL_S / given.rate)
        try:
            if not eventually(lambda: "by fleetctl serve" in laptop.type("status").out, 120):
                cannot(f"it does not answer: {server.said()}")
            from_s = time.time()
            faults = Faults(fleet, proxies, laptop, luck)
            watch(server, faults, given, luck)
            until_s = time.time()
            told = laptop.type("status")
            children = server.children()
        finally:
            server.process.terminate()
            ended = finish(server.process, 60)
        missing = untold(faults, laptop)
        gap_s = gaps(laptop.home, fleet.name, from_s + 30, until_s - 30)

        left = Counter[str]()

        def none_more() -> bool:
            left.clear()
            left.update(on_nodes(fleet) - before)
            return not left

        eventually(none_more, 60)
        traceback = "Traceback" in server.said() or told.mistake
        laptop.type("stop")
    say(f"{given.minutes:g} minutes at {given.rate:g} times the rate; faults {dict(faults.made)}")
    say(f"{len(faults.killed)} instances killed, {len(faults.unreachable)} nodes unreachable")
    for text in missing[:5]:
        say(f"not in the history: {text}")
    if left:
        say(f"more on the nodes than before: {dict(left)}")
    compare(counts, server)
    counts.at_most("child processes", len(children))
    counts.at_most("processes left on nodes", sum(left.values()))
    counts.at_most("faults that the history does not have", len(missing))
    counts.at_most("time not watched", gap_s, 0, " s")
    counts.at_most("exit code of the server", ended.code or 0)
    counts.at_most("tracebacks", int(traceback))
    counts.end()


if __name__ == "__main__":
    main()
