"""A laptop that sleeps for an hour with a `fleetctl serve`: no storm afterwards, and one event.

Sleeping is SIGSTOP; the nodes' ends of its connections are reset meanwhile, as an hour without an
answer does. Afterwards the connections it makes and the events it tells are counted. A gap of a
minute is what fleetctl calls one, so a few minutes show what an hour does.
"""

from __future__ import annotations

import json
import signal
import time
from contextlib import ExitStack
from datetime import datetime

from chances import Controller, Counts, chance, eventually, options, small_fleet
from measure import cannot, say
from proxy import Proxy
from serve_hour import SERVICES, Server

NODES = 5
AWAKE_S = 20.0
MOST_CONNECTIONS = 2
"""To each node: one that is kept, and one for what nodes noted meanwhile."""


def main() -> None:
    parser = options("a laptop that sleeps")
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--keep-connections", action="store_true", help="nodes reset nothing")
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
        server = Server(laptop, 2.0)
        try:
            if not eventually(lambda: "by fleetctl serve" in laptop.type("status").out, 120):
                cannot(f"it does not answer: {server.said()}")
            time.sleep(AWAKE_S)
            server.process.send_signal(signal.SIGSTOP)
            slept_at = time.time()
            if not given.keep_connections:
                for proxy in proxies:
                    proxy.cut()
            time.sleep(given.minutes * 60)
            before = [proxy.accepted for proxy in proxies]
            woken_at = time.time()
            server.process.send_signal(signal.SIGCONT)
            time.sleep(3 * AWAKE_S)
            made = [proxy.accepted - had for proxy, had in zip(proxies, before, strict=True)]
            answered = "by fleetctl serve" in laptop.type("status").out
            said = laptop.type("events", "--json", "--since", "1d")
        finally:
            server.process.send_signal(signal.SIGCONT)
            server.process.terminate()
            server.process.wait(60)
        laptop.type("stop")
    events = [json.loads(text) for text in said.out.splitlines()]
    since = [
        e
        for e in events
        if datetime.fromisoformat(e["at"]).timestamp() >= slept_at - 1 and e["kind"] != "action"
    ]
    say(f"asleep for {woken_at - slept_at:.0f} s; connections afterwards, by node: {made}")
    for event in since:
        say(f"  {event['at']} {event['kind']} {event['subject']}: {event['text']}")
    counts.at_most("connections to one node", max(made), MOST_CONNECTIONS)
    counts.at_most("events more or fewer than one", abs(len(since) - 1))
    counts.at_most("not answering afterwards", int(not answered))
    counts.end()


if __name__ == "__main__":
    main()
