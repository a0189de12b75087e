"""What nodes share, on the small cluster: over which wires it goes, and what a cut does."""

from __future__ import annotations

import json
import os
import re
import subprocess
from typing import Any

import pytest
import yaml

from fleetctl.lab import Lab
from tests.e2e.cluster import NODES, eventually, running, sh

pytestmark = [pytest.mark.lab, pytest.mark.long]

MEGABYTES = 8
SHARING = ("hub", "mini", "pi")


@pytest.fixture
def nodes_yaml(lab: Lab) -> str:
    """Of a job whose code is in the controller's ``~/code``."""
    models = lab.home / "code/models"
    models.mkdir(parents=True, exist_ok=True)
    (models / "weights").write_bytes(os.urandom(MEGABYTES * 1_000_000))
    (lab.home / "code/run.py").write_text("1")
    whole = {
        "fleet": "sharing",
        **NODES,
        "defaults": {**NODES["defaults"], "workdir": "~/shared"},
        "jobs": {
            "job": {
                "sync": {"from": "code", "share": "models/", "over": "fabric"},
                "services": {"s": {"on": list(SHARING), "command": "exec sleep 1000"}},
            }
        },
    }
    path = lab.home / "sharing.yaml"
    path.write_text(yaml.safe_dump(whole, sort_keys=False))
    for node in SHARING:
        sh(lab, node, "rm -rf ~/shared")
    return str(path)


def sync(lab: Lab, nodes_yaml: str, *arguments: str) -> tuple[int, dict[str, Any]]:
    argv = ["fleetctl", "-f", nodes_yaml, "sync", "--json", *arguments]
    done = lab.run("controller", argv, timeout_s=120)
    assert b"Traceback" not in done.stderr and done.stdout, done.stderr.decode()
    return done.returncode, json.loads(done.stdout)["nodes"]


def sent(lab: Lab) -> int:
    """Bytes that have left the controller over its network."""
    said = sh(lab, "controller", "cat /proc/net/dev")
    rows = re.findall(r"^\s*(\S+):((?:\s+\d+)+)", said, re.MULTILINE)
    return sum(int(figures.split()[8]) for name, figures in rows if name != "lo")


def digests(lab: Lab) -> set[str]:
    return {sh(lab, node, "sha256sum < ~/shared/models/weights").strip() for node in SHARING}


def test_the_controller_sends_it_once(lab: Lab, nodes_yaml: str) -> None:
    before = sent(lab)
    code, nodes = sync(lab, nodes_yaml)
    assert code == 0, nodes
    assert {n: nodes[n]["shared"]["source"] for n in SHARING} == {
        "hub": None,
        "mini": "hub",
        "pi": "hub",
    }
    assert MEGABYTES * 1_000_000 < sent(lab) - before < 1.3 * MEGABYTES * 1_000_000
    assert len(digests(lab)) == 1
    assert not [node for node in SHARING if running(lab, node, "One node's part in sharing")]


def test_a_node_whose_wire_is_cut_gets_it_from_here(lab: Lab, nodes_yaml: str) -> None:
    lab.fault("edge-down", "mini", network="fabric")
    code, nodes = sync(lab, nodes_yaml)
    assert code == 0, nodes
    assert nodes["mini"]["shared"]["source"] is None
    assert "no connection with hub" in nodes["mini"]["shared"]["note"]
    assert nodes["pi"]["shared"]["source"] == "hub" and len(digests(lab)) == 1


def test_the_power_of_the_first_node_is_cut_meanwhile(lab: Lab, nodes_yaml: str) -> None:
    lab.fault("link-narrow", "mini", network="fabric")
    argv = ["fleetctl", "-f", nodes_yaml, "sync", "--json"]
    process = lab.popen("controller", argv, stdout=subprocess.PIPE)
    eventually(
        lambda: "fleetctl-sync" in sh(lab, "mini", "ls -a ~/shared/models 2>/dev/null || true"),
        "mini writes",
        30,
    )
    lab.fault("power-off", "hub")
    said, _ = process.communicate(timeout=170)
    found = json.loads(said)["nodes"]
    assert process.returncode == 1 and found["hub"]["state"] == "failed"
    assert [found[node]["state"] for node in ("mini", "pi")] == ["synced", "synced"]
    lab.heal()
    assert sh(lab, "mini", "ls -A ~/shared/models").strip() == "weights"


def test_a_full_disk_keeps_no_other_from_it(lab: Lab, nodes_yaml: str) -> None:
    lab.fault("disk-full", "mini")
    code, nodes = sync(lab, nodes_yaml)
    lab.heal()
    assert code == 1 and nodes["mini"]["state"] == "failed", nodes
    assert (nodes["hub"]["state"], nodes["pi"]["state"]) == ("synced", "synced")
