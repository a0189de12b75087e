"""What ``keys --check`` and ``trust --check`` print with ``--json`` (docs/cli.md)."""

from __future__ import annotations

from collections.abc import Mapping

import click
import msgspec

from fleetctl.access.trust import Finding
from fleetctl.link.ssh.shown_keys import HostKey

KEYS_SCHEMA = "fleetctl.keys/1"
TRUST_SCHEMA = "fleetctl.trust/1"


def print_json(schema: str, *, ok: bool, nodes: Mapping[str, object]) -> None:
    outcome = {"schema": schema, "ok": ok, "nodes": nodes}
    click.echo(msgspec.json.format(msgspec.json.encode(outcome)))


def finding_json(finding: Finding) -> dict[str, object]:
    """A node of ``fleetctl.trust/1``."""
    shown, error = finding.shown, finding.error
    if shown is None:
        state = "failed"
    else:
        state = "recorded" if finding.trusted else "new" if finding.new else "changed"
    return {
        "state": state,
        "keys": [_key(key) for key in shown.keys] if shown else [],
        "file": shown.file if shown else None,
        "mix_up": finding.mix_up or None,
        "seen": [
            {
                "node": seen.witness.node,
                "network": seen.witness.network,
                "address": str(seen.witness.address),
                "agrees": seen.agrees,
                "other": [_key(key) for key in seen.other],
            }
            for seen in finding.seen
        ],
        "reason": error.reason if error else None,
        "hint": (error.hint or None) if error else None,
    }


def _key(key: HostKey) -> dict[str, str]:
    return {"type": key.title, "fingerprint": key.fingerprint}
