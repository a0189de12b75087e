"""A node without Wi-Fi is worked with over the fabric, and directly again afterwards."""

from __future__ import annotations

import pytest

from fleetctl.lab import Lab
from tests.e2e.cluster import running
from tests.e2e.conftest import MakeUser

pytestmark = pytest.mark.lab

JOB = {"worker": {"on": ["mini", "pi"], "command": "exec sleep 5301", "stop": {"grace": 1}}}


def test_everything_works_over_the_fabric(lab: Lab, user: MakeUser) -> None:
    job = user(JOB)
    lab.fault("wifi-down", "mini")
    job.start()
    status = job.status()
    assert status["nodes"]["mini"]["ssh"]["via"] == "hub"
    assert status["nodes"]["mini"]["ssh"]["address"] == "10.10.0.2"
    assert [(p["code"], p["node"]) for p in status["problems"]] == [("interface-down", "mini")]
    assert job.type("stop", "worker@mini").code == 0
    assert running(lab, "mini", "sleep 5301") == []
    assert running(lab, "pi", "sleep 5301")

    lab.heal()
    ssh = job.status()["nodes"]["mini"]["ssh"]
    assert (ssh["via"], ssh["address"]) == (None, "192.168.1.12")
    assert job.type("stop").code == 0
