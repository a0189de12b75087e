"""Two mistakes in one file give exactly the messages that each of them gives alone:
no mistake hides another, and none adds a message about what is right."""

from __future__ import annotations

import copy
import json
import re
from functools import cache
from itertools import combinations
from typing import Any

import pytest

from fleetctl.config import load_text
from fleetctl.errors import ConfigError
from tests.thoroughness import one_of

RIGHT: dict[str, Any] = {
    "fleet": "lab",
    "networks": {
        "wifi": {"cidr": "192.168.1.0/24"},
        "fabric": {"cidr": "10.10.0.0/24"},
        "edge": {"cidr": "192.168.50.0/24"},
        "attic": {"cidr": "192.168.60.0/24"},
    },
    "nodes": {
        "mini": {
            "gateway": True,
            "addresses": {"wifi": "192.168.1.11", "fabric": "10.10.0.1", "edge": "192.168.50.1"},
        },
        "pi": {
            "addresses": {"edge": "192.168.50.2", "wifi": "192.168.1.12"},
            "via": {"fabric": "mini"},
            "vars": {"venv": "~/venv"},
            "env": {"VENV": "{var.venv}"},
        },
        "ipad": {"connection": "none", "addresses": {"wifi": "192.168.1.40"}},
    },
    "jobs": {
        "train": {
            "services": {
                "server": {"on": "pi", "command": "serve", "listen": "edge:80"},
                "worker": {
                    "on": ["pi"],
                    "command": "work {server.host} {server.port} {address.edge}",
                    "listen": "edge:8080",
                    "ready": {"log": "up"},
                    "liveness": {"http": "http://127.0.0.1:{worker.port}/"},
                    "env": {"LEVEL": "debug", "HERE": "{local} {interface} {hostfile.edge}"},
                    "framework": "torchrun",
                    "network": "fabric",
                    "restart": {"policy": "always", "delay": 3},
                },
                "watch": {
                    "on": "ipad",
                    "ready": {"connect": "{worker.host}:{worker.port}"},
                },
            }
        }
    },
}

WORKER = "jobs.train.services.worker"
WATCH = "jobs.train.services.watch"
MISTAKES: dict[str, tuple[str, Any]] = {
    "no subnet": ("networks.fabric.cidr", "10.10.0.0"),
    "internet": ("internet", "off"),
    "history": ("history", {"days": 0}),
    "gateway": ("nodes.mini.gateway", "maybe"),
    "address's network": ("nodes.pi.addresses", {"ege": "192.168.50.2"}),
    "no address": ("nodes.pi.addresses.wifi", "192.168.1.256"),
    "address outside": ("nodes.mini.addresses.fabric", "10.11.0.1"),
    "via's node": ("nodes.pi.via.fabric", "minni"),
    "via's network": ("nodes.pi.via.fabrik", "mini"),
    "via leads nowhere": ("nodes.pi.via.attic", "mini"),
    "connection": ("nodes.pi.connection", "shh"),
    "node's workdir": ("nodes.pi.workdir", "~me"),
    "server's node": ("jobs.train.services.server.on", "nowhere"),
    "server's port": ("jobs.train.services.server.listen", "edge:0"),
    "node": (f"{WORKER}.on", ["pie"]),
    "after": (f"{WORKER}.after", "sever"),
    "listen's network": (f"{WORKER}.listen", "eddge:8080"),
    "command": (f"{WORKER}.command", "work {nosuch}"),
    "condition": (f"{WORKER}.ready.log", "up("),
    "two conditions": (f"{WORKER}.ready.http", "http://127.0.0.1:80/"),
    "timeout": (f"{WORKER}.ready.timeout", 0),
    "liveness": (f"{WORKER}.liveness.http", "127.0.0.1:{nosuch}"),
    "two questions": (f"{WORKER}.liveness.silence", 60),
    "liveness's failures": (f"{WORKER}.liveness.failures", 0),
    "liveness by hand": (f"{WATCH}.liveness", {"silence": 60}),
    "workdir": (f"{WORKER}.workdir", "~you"),
    "env's name": (f"{WORKER}.env.LOG-LEVEL", "debug"),
    "reserved env": (f"{WORKER}.env.FLEETCTL_RANK", "1"),
    "placeholder in env": (f"{WORKER}.env.LEVEL", "{level}"),
    "placeholder's network": (f"{WORKER}.env.WHERE", "{address.eddge}"),
    "placeholder's word": (f"{WORKER}.env.HOST", "{server.hots}"),
    "vars": ("nodes.pi.vars", ["~/venv"]),
    "var": (f"{WORKER}.env.VAR", "{var.nosuch}"),
    "node's env": ("nodes.pi.env.WHAT", "{what}"),
    "reserved node's env": ("nodes.pi.env.FLEETCTL_NODE", "x"),
    "network": (f"{WORKER}.network", "atic"),
    "job's network": ("jobs.train.network", "atik"),
    "framework": (f"{WORKER}.framework", "torch"),
    "max_delay": (f"{WORKER}.restart.max_delay", 2),
    "signal": (f"{WORKER}.stop.signal", "STOP"),
    "no way to watch": (f"{WATCH}.ready", {"timeout": 0}),
    "command on none": (f"{WATCH}.command", "watch {rang}"),
    "misspelt key": (f"{WATCH}.redy", {}),
    "no command": ("jobs.train.services.idle", {"on": "unheard-of", "restart": "often"}),
    "same port": (
        "jobs.train.services.twin",
        {"on": "pi", "command": "serve", "listen": "192.168.50.2:8080"},
    ),
    "not there": (
        "jobs.train.services.lost",
        {"on": "mini", "command": "serve", "listen": "attic:80"},
    ),
    "what after": (
        "jobs.train.services.late",
        {"on": "pi", "command": "serve", "after": {"server": "soon"}},
    ),
    "cycle": ("jobs.train.services.turn", {"on": "pi", "command": "serve", "after": "turn"}),
    "no mapping": ("jobs.train.services.other", "idle"),
}
"""The edits, parents before their children."""

SEVERAL = {"no way to watch": 2, "command on none": 2, "no command": 3}
"""How many messages a mistake gives alone, if not one."""

FOLLOWS: dict[tuple[str, str], str] = {
    # whether an address is in a subnet cannot be told without the subnet
    ("no subnet", "address outside"): "address 10.11.0.1 is outside",
    # without a known port, nothing listens there
    ("node", "same port"): "twin@pi cannot listen",
    ("listen's network", "same port"): "twin@pi cannot listen",
    ("address's network", "same port"): "twin@pi cannot listen",
    # nor is it known which vars there are
    ("node", "var"): "{var.nosuch} has no value",
    ("vars", "var"): "{var.nosuch} has no value",
    # instead of it a command was required
    ("no way to watch", "command on none"): "service 'watch' has no command",
    # the misspelt key may be the command
    ("liveness by hand", "misspelt key"): "service 'watch' has no command, and liveness",
    ("liveness by hand", "command on none"): "service 'watch' has no command, and liveness",
    # the misspelt key may be the ready with connect or http
    ("no way to watch", "misspelt key"): "service 'watch' has no command",
}
"""Messages that are left out beside another mistake."""


@cache
def messages(*names: str) -> frozenset[str]:
    """The messages, without positions, which move, and without proposals."""
    entries = copy.deepcopy(RIGHT)
    for name in names:
        path, value = MISTAKES[name]
        *parents, last = path.split(".")
        here = entries
        for parent in parents:
            here = here.setdefault(parent, {})
        here[last] = copy.deepcopy(value)
    try:
        load_text(json.dumps(entries), "nodes.yaml")
    except ConfigError as error:
        mistakes = error.mistakes
        return frozenset(
            re.sub(r"^.*?: |: (did you mean|allowed are) .*", "", mistake) for mistake in mistakes
        )
    return frozenset()


def union(*names: str) -> set[str]:
    """The messages of each alone, without those that are left out beside another."""
    silent = tuple(FOLLOWS[pair] for pair in combinations(names, 2) if pair in FOLLOWS)
    return {m for name in names for m in messages(name) if not m.startswith(silent)}


def test_the_text_that_is_edited_is_valid() -> None:
    assert not messages()


PAIRS = one_of(4, list(combinations(MISTAKES, 2)))


@pytest.mark.parametrize("name", MISTAKES)
def test_each_mistake_is_reported_with_each_other(name: str) -> None:
    assert len(messages(name)) == SEVERAL.get(name, 1)
    for first, second in PAIRS:
        if name == first:
            assert messages(first, second) == union(first, second), second


def test_all_mistakes_are_reported_at_once() -> None:
    assert messages(*MISTAKES) == union(*MISTAKES)


def test_a_service_on_an_unknown_node_is_checked_too() -> None:
    text = """\
fleet: lab
networks: {fabric: {cidr: 10.10.0.0/24}}
nodes: {mini: {addresses: {fabric: 10.10.0.1}}}
jobs:
  train:
    services:
      server:
        on: [nowhere]
        command: serve {nosuch} {node} {address.fabric}
        listen: fabrik:99999
        workdir: ~you/{rank}
        env: {A: "{level}", B: "{address.fabrik}"}
        ready: {http: "https://{address.fabric}:80/"}
      worker:
        on: mini
        command: work {server.node} {server.host} {server.port}
        ready: {connect: "{server.node}:{server.port}"}
"""
    with pytest.raises(ConfigError) as caught:
        load_text(text, "nodes.yaml")
    told = [mistake.split(": ")[0:2] for mistake in caught.value.mistakes]
    assert told == [
        ["nodes.yaml:8:14", "unknown node 'nowhere' in on"],
        ["nodes.yaml:9:18", "unknown placeholder '{nosuch}'"],
        ["nodes.yaml:10:17", "listen is 'fabrik:99999'; it must be NETWORK:PORT or ADDRESS:PORT"],
        ["nodes.yaml:10:17", "unknown network 'fabrik' in listen"],
        ["nodes.yaml:11:18", "workdir is '~you/1'"],
        ["nodes.yaml:12:18", "unknown placeholder '{level}'"],
        ["nodes.yaml:12:32", "unknown network 'fabrik' in {address.fabrik}"],
        [
            "nodes.yaml:13:23",
            "ready.http is 'https://0.0.0.0:80/'; it must be an http:// URL, for https:// is not "
            "supported; a URL such as http://127.0.0.1:8080/health",
        ],
    ]
