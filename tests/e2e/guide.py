"""The shipped cluster of Macs and Pis, and what `check` says of it."""

from __future__ import annotations

import json
import re
from typing import Any

from fleetctl.lab import Lab
from tests.e2e.cluster import CONNECT_TIMEOUT_S
from tests.lab.fleets import GUIDE

TIMEOUT = f"defaults: {{ssh: {{connect_timeout: {CONNECT_TIMEOUT_S}}}}}\n"
GUIDE_MACS = re.sub(r"(  mini\d:\n)", r"\1    os: macos\n", GUIDE) + TIMEOUT

Errors = set[tuple[str, str | None]]


def check(lab: Lab) -> dict[str, Any]:
    """``check --json``, decoded; its exit code must say whether it is healthy."""
    done = lab.run("controller", ["fleetctl", "check", "--json"], timeout_s=45)
    assert b"Traceback" not in done.stderr, done.stderr.decode()
    decoded: dict[str, Any] = json.loads(done.stdout)
    assert done.returncode == (0 if decoded["healthy"] else 1)
    return decoded


def errors(status: dict[str, Any]) -> Errors:
    return {(p["code"], p["node"]) for p in status["problems"] if p["severity"] == "error"}
