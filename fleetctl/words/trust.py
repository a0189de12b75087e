"""Which machines a nodes.yaml makes fleetctl trust, or go through: its own known_hosts files and
jump hosts, in place of those of ``~/.ssh/config``."""

from __future__ import annotations

from collections.abc import Iterable

from fleetctl.escaping import visible
from fleetctl.model.topology import Fleet

_NODES_NAMED = 3
_VALUES_NAMED = 3
_MOST_CHARACTERS = 100

Choices = dict[str, dict[str, str]]
"""By key of nodes.yaml's ``ssh``: what it says, by node."""


def choices(fleet: Fleet) -> Choices:
    """What the file decides; a key that it leaves to ``~/.ssh/config`` is left out."""
    reached = [node for node in fleet.nodes.values() if node.connection == "ssh"]
    found = {
        "known_hosts": {node.name: node.ssh.known_hosts or "" for node in reached},
        "proxy_jump": {node.name: node.ssh.proxy_jump or "" for node in reached},
    }
    chosen = {key: {n: v for n, v in of.items() if v} for key, of in found.items()}
    return {key: of for key, of in chosen.items() if of}


def choice_lines(chosen: Choices, file: str) -> list[str]:
    """A line for each key, with its values and their nodes."""
    lines = []
    if hosts := chosen.get("known_hosts"):
        lines.append(f"which host keys count ({_told('known_hosts', hosts)})")
    if jumps := chosen.get("proxy_jump"):
        lines.append(f"through which hosts to go ({_told('proxy_jump', jumps)})")
    return [f"{visible(file)} decides {line}" for line in lines]


def _told(key: str, by_node: dict[str, str]) -> str:
    nodes: dict[str, list[str]] = {}
    for node, value in by_node.items():
        nodes.setdefault(value, []).append(node)
    values = [f"{_short(value)} for {_few(names, _NODES_NAMED)}" for value, names in nodes.items()]
    return f"{key}: {_few(values, _VALUES_NAMED, '; ')}"


def _short(value: str) -> str:
    text = visible(value)
    return text if len(text) <= _MOST_CHARACTERS else f"{text[:_MOST_CHARACTERS]}…"


def _few(texts: Iterable[str], most: int, between: str = ", ") -> str:
    named = list(texts)
    if len(named) <= most + 1:  # a name takes no more room than "1 more"
        return between.join(named)
    return f"{between.join(named[:most])} and {len(named) - most} more"
