"""status --watch on the lab: killed processes and lost nodes show, and so does their return."""

from __future__ import annotations

import json
import subprocess
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from fleetctl.lab import Lab
from tests.e2e.cluster import running, sh
from tests.e2e.conftest import MakeUser

pytestmark = pytest.mark.lab

INTERVAL_S = 0.5
JOB: dict[str, dict[str, Any]] = {
    "worker": {"on": ["mini", "pi"], "command": "exec sleep 4711", "stop": {"grace": 1}}
}


class Screen:
    """The lines of a running status --watch."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.lines: list[dict[str, Any]] = []
        self._process = process
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self._process.stdout
        for line in self._process.stdout:
            self.lines.append(json.loads(line))

    def until(self, condition: Callable[[dict[str, Any]], bool], timeout_s: float) -> float:
        """Wait for a line; the seconds that took."""
        began = time.monotonic()
        while not any(condition(line) for line in self.lines[-1:]):
            assert time.monotonic() - began < timeout_s, self.lines[-1:]
            time.sleep(0.02)
        return time.monotonic() - began


@pytest.mark.long  # test_dashboard sees the same through the dashboard
def test_killed_processes_and_lost_nodes_show_and_recover(lab: Lab, user: MakeUser) -> None:
    job = user(JOB)
    job.start()
    screen = Screen(job.begin("status", "--watch", str(INTERVAL_S), "--json"))

    def state(line: dict[str, Any], instance: str) -> str:
        return str(line["services"][instance]["state"])

    screen.until(lambda line: state(line, "worker@mini") == "ready", 15)
    (pid,) = running(lab, "mini", "sleep 4711")
    sh(lab, "mini", f"kill -9 {pid}", user="root")
    screen.until(lambda line: state(line, "worker@mini") == "failed", 6)

    lab.fault("edge-down", "pi")  # over which it would still be reached
    lab.fault("wifi-blackhole", "pi")
    screen.until(lambda line: line["nodes"]["pi"]["state"] == "unreachable", 20)
    assert state(screen.lines[-1], "worker@pi") == "unknown"
    # the others are asked all the while: a worker that comes back shows at once
    job.start("worker@mini")
    screen.until(lambda line: state(line, "worker@mini") == "ready", 6)
    assert screen.lines[-1]["nodes"]["pi"]["state"] == "unreachable"

    lab.heal()
    screen.until(lambda line: state(line, "worker@pi") == "ready", 30)
    assert job.type("stop").code == 0
