"""What runs and does not do its work, on real nodes: it is seen, and restarted if asked."""

from __future__ import annotations

from typing import Any

import pytest

from fleetctl.lab import Lab
from tests.e2e.cluster import commands, eventually, running
from tests.e2e.conftest import MakeUser

pytestmark = pytest.mark.lab


def served(port: int, **liveness: Any) -> dict[str, Any]:
    """A server on pi that is asked."""
    return {
        "on": "pi",
        "command": f"exec python3 -m http.server {port} --bind 127.0.0.1",
        "listen": f"127.0.0.1:{port}",
        "ready": {"listening": True, "timeout": 30},
        "liveness": {"http": f"http://127.0.0.1:{port}/", "interval": 0.5, **liveness},
        "stop": {"grace": 1},
    }


def test_a_server_that_answers_nothing_any_more(lab: Lab, user: MakeUser) -> None:
    job = user(
        {
            "hangs": served(7201, failures=2),
            "comes-back": served(7202, failures=2, restart=True),
            "client": {"on": "mini", "after": ["hangs"], "command": "exec sleep 4601"},
        }
    )
    started = job.type("start", "hangs", "comes-back")
    assert started.code == 0, started.err
    eventually(lambda: job.services()["hangs@pi"]["liveness"]["state"] == "ok", "it is asked", 20)
    lab.fault("silent-process", "pi")
    eventually(lambda: job.states()["hangs@pi"] == "unhealthy", "it is noticed", 30)
    hangs = job.services()["hangs@pi"]
    assert hangs["reason"] == "http://127.0.0.1:7201/ did not answer within 1 s"
    assert hangs["liveness"]["failures"] >= 2
    said = job.type("status")
    assert said.code == 1
    assert "✖ service-unhealthy: hangs@pi is unhealthy for " in said.out
    assert "affects hangs@pi, client@mini" in said.out

    said = job.type("start", "client", "--timeout", "3")
    assert said.code == 1
    assert not running(lab, "mini", "sleep 4601")

    eventually(lambda: job.states()["comes-back@pi"] == "ready", "it is started anew", 30)
    back = job.services()["comes-back@pi"]
    assert back["restarts"] == 1
    assert back["reason"].startswith("restarted: http://127.0.0.1:7202/ did not answer within 1 s")

    lab.heal("silent-process", "pi")
    eventually(lambda: job.states()["hangs@pi"] == "ready", "it answers again", 30)
    assert job.type("start").code == 0
    assert job.type("stop").code == 0
    assert not [line for line in commands(lab, "pi").values() if "/prober" in line]
