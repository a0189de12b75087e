"""A laptop that sleeps for an hour with a `fleetctl serve`, or (``--dashboard``) with a dashboard:
no storm of connections afterwards, and one event.

Sleeping is SIGSTOP; the nodes' ends of its connections are reset meanwhile, as an hour without an
answer does. Afterwards the connections it makes and the events it tells are counted. A gap of a
minute is what fleetctl calls one, so a few minutes show what an hour does.
"""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import datetime

from chances import Controller, Counts, chance, eventually, options, small_fleet
from measure import FLEETCTL, cannot, say
from proxy import Proxy
from serve_hour import SERVICES, Server
from terminal import Terminal

NODES = 5
AWAKE_S = 15.0
MOST_CONNECTIONS = 2
"""To each node: one that is kept, and one for what nodes noted meanwhile."""


class Served:
    """A `fleetctl serve`."""

    def __init__(self, laptop: Controller) -> None:
        self._laptop = laptop
        self._server = Server(laptop, 2.0)
        self.pid = self._server.process.pid

    def answers(self) -> bool:
        return "by fleetctl serve" in self._laptop.type("status").out

    def said(self) -> str:
        return self._server.said()

    def end(self) -> None:
        self._server.process.terminate()
        self._server.process.wait(60)


class Shown:
    """A dashboard."""

    def __init__(self, laptop: Controller) -> None:
        argv = (*FLEETCTL, "-f", str(laptop.nodes_yaml))
        self._terminal = Terminal(argv, {**laptop.env, "TERM": "xterm-256color"}, (200, 50))
        self.pid = self._terminal.process.pid

    def answers(self) -> bool:
        self._terminal.answer_ms(b"?", r"─ Help")
        self._terminal.answer_ms(b"q", r"─ Problems")
        return True

    def said(self) -> str:
        return "its terminal shows no help after ?"

    def end(self) -> None:
        self._terminal.end(b"q")


def main() -> None:
    parser = options("a laptop that sleeps")
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--keep-connections", action="store_true", help="nodes reset nothing")
    parser.add_argument("--dashboard", action="store_true", help="that sleeps, and not `serve`")
    given = parser.parse_args()
    chance(given)
    counts = Counts()
    with small_fleet(NODES) as fleet, ExitStack() as stack:
        hosts, port = fleet.servers.hosts, fleet.servers.port
        near = [f"127.0.2.{i}" for i in range(1, NODES + 1)]
        proxies = [
            stack.enter_context(Proxy(at, host, port)) for at, host in zip(near, hosts, strict=True)
        ]
        laptop = Controller(fleet.servers.folder / "laptop", fleet.write(SERVICES, near))
        if (said := laptop.type("start")).code != 0:
            cannot(f"the job does not start: {said}")
        began = [proxy.accepted for proxy in proxies]
        sleeper = Shown(laptop) if given.dashboard else Served(laptop)
        try:
            if not eventually(lambda: _more(proxies, began) and sleeper.answers(), 120):
                cannot(f"it does not answer: {sleeper.said()}")
            time.sleep(AWAKE_S)
            os.kill(sleeper.pid, signal.SIGSTOP)
            slept_at = time.time()
            if not given.keep_connections:
                for proxy in proxies:
                    proxy.cut()
            time.sleep(given.minutes * 60)
            before = [proxy.accepted for proxy in proxies]
            woken_at = time.time()
            os.kill(sleeper.pid, signal.SIGCONT)
            time.sleep(3 * AWAKE_S)
            made = [proxy.accepted - had for proxy, had in zip(proxies, before, strict=True)]
            answered = sleeper.answers()
            said = laptop.type("events", "--json", "--since", "1d")
        finally:
            os.kill(sleeper.pid, signal.SIGCONT)
            sleeper.end()
        laptop.type("stop")
    events = [json.loads(text) for text in said.out.splitlines()]
    since = [
        e
        for e in events
        if e["kind"] != "action"
        and datetime.fromisoformat(e.get("until") or e["at"]).timestamp() >= slept_at
    ]
    say(f"asleep for {woken_at - slept_at:.0f} s; connections afterwards, by node: {made}")
    for event in since:
        say(f"  {event['at']} {event['kind']} {event['subject']}: {event['text']}")
    counts.at_most("connections to one node", max(made), MOST_CONNECTIONS)
    counts.at_most("events more or fewer than one", abs(len(since) - 1))
    counts.at_most("not answering afterwards", int(not answered))
    counts.end()


def _more(proxies: Sequence[Proxy], began: Sequence[int]) -> bool:
    """Whether each has accepted a connection since."""
    return all(proxy.accepted > had for proxy, had in zip(proxies, began, strict=True))


if __name__ == "__main__":
    main()
