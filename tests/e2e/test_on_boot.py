"""After a power cut a node starts again by itself what on_boot says."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from fleetctl.lab import Lab
from tests.conftest import MakeLab
from tests.e2e.cluster import NODES, User, eventually, running, sh

pytestmark = pytest.mark.lab

COUNT = 'i=0; while :; do i=$((i+1)); echo "line $i of $FLEETCTL_NODE"; sleep 0.1; done'
SECRET = "hunter2-in-no-unit"
WORKER: dict[str, Any] = {
    "on": ["pi", "mini"],
    "command": COUNT,
    "env_file": "secrets.env",
    "on_boot": "start",
    "stop": {"grace": 1},
    "network": "fabric",
}


@pytest.fixture(scope="module")
def lab(make_lab: MakeLab) -> Lab:
    """The small cluster; mini is a Mac."""
    nodes: dict[str, Any] = json.loads(json.dumps(NODES))
    nodes["nodes"]["mini"]["os"] = "macos"
    return make_lab(json.dumps({"fleet": "booting", **nodes}))


@pytest.fixture
def job(lab: Lab) -> Iterator[User]:
    (lab.home / "secrets.env").write_text(f"TOKEN={SECRET}\n")
    user = User(lab, "booting", {"worker": WORKER})
    yield user
    user.leave()
    lab.heal()


def boot_problems(job: User) -> list[str]:
    decoded = json.loads(job.type("check", "--json", timeout_s=90).out)
    return [p["node"] for p in decoded["problems"] if p["code"] == "boot-start-differs"]


def power_cycle(lab: Lab, *nodes: str) -> None:
    for node in nodes:
        lab.fault("power-off", node)
    lab.heal("power-off")


def ready(job: User) -> bool:
    return set(job.states().values()) == {"ready"}


def lines(job: User, node: str) -> list[int]:
    said = job.type("logs", "-n", "100000", f"worker@{node}").out.splitlines()
    return [int(line.split()[1]) for line in said if line.startswith("line ")]


UNITS = {
    "pi": "cat ~/.config/systemd/user/fleetctl-booting.service",
    "mini": "cat /Library/LaunchDaemons/dev.fleetctl.boot.booting.plist",
}


@pytest.mark.long  # 50 s
def test_a_power_cut_brings_it_back_and_a_stop_does_not(lab: Lab, job: User) -> None:
    assert boot_problems(job) == ["mini", "pi"]
    fixed = job.type("fix", "--apply", "--persistent", "--yes", timeout_s=120)
    assert fixed.code == 0, (fixed.out, fixed.err)
    assert boot_problems(job) == []
    for node, show in UNITS.items():
        text = sh(lab, node, show)
        assert f"/.local/state/fleetctl/booting/job/worker@{node}" in text
        assert SECRET not in text
    job.start()
    power_cycle(lab, *UNITS)
    eventually(lambda: ready(job), "both are back by themselves", timeout_s=60)
    for node in UNITS:
        found = lines(job, node)
        again = found.index(1, 1)
        assert found[:again] == list(range(1, again + 1)), "nothing of the first run is lost"
        assert found[again:] == list(range(1, len(found) - again + 1))
    services = job.services()
    assert {service["restarts"] for service in services.values()} == {0}
    assert {services[f"worker@{node}"]["changed"] for node in UNITS} == {False}

    assert job.type("stop").code == 0
    power_cycle(lab, *UNITS)
    assert set(job.states().values()) == {"stopped"}
    for node in UNITS:
        assert running(lab, node, "sh -c i=0") == []

    job.write({"worker": {**WORKER, "on_boot": "leave"}})
    assert boot_problems(job) == ["mini", "pi"]  # their units are left over
    undone = job.type("fix", "--undo", "--yes", timeout_s=120)
    assert undone.code == 0, (undone.out, undone.err)
    assert boot_problems(job) == []
    for node, show in UNITS.items():
        assert lab.run(node, ["sh", "-c", show]).returncode != 0


@pytest.mark.long  # 20 s
def test_it_waits_until_its_network_is_as_nodes_yaml_wants_it(lab: Lab, job: User) -> None:
    job.write({"worker": {**WORKER, "on": ["pi"]}})
    fixed = job.type("fix", "--apply", "--yes", "pi", timeout_s=120)
    assert fixed.code == 0, (fixed.out, fixed.err)
    job.start()
    lab.fault("route-not-persistent", "pi")
    power_cycle(lab, "pi")
    eventually(lambda: job.states() == {"worker@pi": "waiting"}, "it waits", timeout_s=30)
    reason = job.services()["worker@pi"]["reason"]
    assert "its way to 10.10.0." in reason
    assert "on fabric is not through 192.168.50.1" in reason
    fixed = job.type("fix", "--apply", "--yes", "pi", timeout_s=120)
    assert fixed.code == 0, (fixed.out, fixed.err)
    eventually(lambda: ready(job), "it is started once the route is there", timeout_s=30)
    assert job.type("stop").code == 0
    assert job.type("fix", "--undo", "--yes", timeout_s=120).code == 0
