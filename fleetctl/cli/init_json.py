"""What ``init`` prints with ``--json`` (docs/cli.md)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from fleetctl.discovery.answer import Answer
from fleetctl.discovery.draft import Draft, DraftNetwork, DraftNode, Noted
from fleetctl.observe.first_look import label

SCHEMA = "fleetctl.init/1"


def outcome_json(path: Path, made: Draft, answers: Sequence[Answer], *, written: bool) -> bytes:
    """
    :param written: whether the file at ``path`` was.
    """
    outcome = {
        "schema": SCHEMA,
        "ok": all(answer.facts is not None for answer in answers),
        "file": str(path),
        "written": written,
        "hosts": [
            {
                "host": label(answer.host),
                "asked": answer.facts is not None,
                "reason": answer.error or None,
            }
            for answer in answers
        ],
        "networks": {network.name: _network(network) for network in made.networks},
        "nodes": {node.name: _node(node) for node in made.nodes},
        "left_out": [{"host": one.host, "reason": one.why} for one in made.left_out],
        "guessed": made.guesses,
        "notes": list(made.notes),
    }
    return msgspec.json.format(msgspec.json.encode(outcome))


def _network(network: DraftNetwork) -> dict[str, Any]:
    return {
        "cidr": str(network.cidr),
        "kind": network.kind,
        "control": network.control,
        "guessed": network.guessed,
        "why": network.why,
    }


def _node(node: DraftNode) -> dict[str, Any]:
    return {
        "os": node.os.value if node.os else None,
        "addresses": _noted(node.addresses),
        "gateway": bool(node.gateway and node.gateway.value),
        "via": _noted(node.via),
        "notes": list(node.notes),
    }


def _noted(values: Mapping[str, Noted[Any]]) -> dict[str, Any]:
    return {
        network: {"value": str(noted.value), "guessed": noted.guessed, "why": noted.why}
        for network, noted in values.items()
    }
