"""What is watched is kept, and what nodes noted while nobody watched is entered."""

from __future__ import annotations

import json
import os
import sys
from typing import Any

import pytest

from fleetctl.lab import Lab
from tests.e2e.cluster import User, eventually, running, sh
from tests.e2e.conftest import MakeUser

pytestmark = [pytest.mark.lab, pytest.mark.long]

WATCH = """
import asyncio, sys
from datetime import UTC, datetime
from pathlib import Path
import msgspec
from fleetctl.config import load
from fleetctl.fleet import LiveFleet
from fleetctl.history.store import Store
from fleetctl.recording.missed import Missed, enter_past
from fleetctl.observe.past import fetch_past
from fleetctl.recording import Recorder

async def main():
    fleet = load(Path(sys.argv[1]))
    store = Store(fleet.name, limits=fleet.history)
    missed, recorder = Missed(store), Recorder(store)
    async with LiveFleet(fleet, next(iter(fleet.jobs.values()))) as service:
        async with service.watch(1.0) as watching:
            await watching.all_asked()
            snapshot = watching.snapshot()
            since = missed.take(snapshot.status)
            found = await fetch_past(service.observer, since)
            assert not any(node.error for node in found.values()), found
            enter_past(store, [e for node in found.values() for e in node.events])
            recorder.take(snapshot)
    events = store.events(datetime.fromtimestamp(0, UTC))
    sys.stdout.buffer.write(msgspec.json.encode(events))

asyncio.run(main())
"""
WORKER = {
    "on": ["mini", "pi"],
    "command": "exec sleep 4207",
    "restart": {"policy": "always", "delay": 0.1},
    "stop": {"grace": 3},
}


def watched(user: User) -> list[dict[str, Any]]:
    """All events after a short watch."""
    argv = [sys.executable, "-c", WATCH, str(user.path)]
    env = {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = user.lab.run("controller", argv, timeout_s=60, env=env)
    assert done.returncode == 0, done.stderr.decode()
    events: list[dict[str, Any]] = json.loads(done.stdout)
    return events


def test_a_rank_that_was_killed_at_night_is_told_in_the_morning(lab: Lab, user: MakeUser) -> None:
    one = user({"worker": WORKER})
    none = one.type("history")
    assert none.code == 1
    assert "no history" in none.err
    assert "fleetctl serve" in none.err
    watched(one)
    one.start()

    (pid,) = running(lab, "pi", "sleep 4207")
    sh(lab, "pi", f"kill -9 {pid}", user="root")
    eventually(lambda: running(lab, "pi", "sleep 4207") not in ([], [pid]), "it runs again")

    def told(events: list[dict[str, Any]]) -> list[str]:
        return [e["text"] for e in events if e["kind"] == "instance"]

    for _ in range(2):  # nothing is told twice
        noted = told(watched(one))
        # at once, and by clocks that are compared anew with each look
        assert sorted(noted[:2]) == ["worker@mini was started", "worker@pi was started"]
        assert noted[2:] == [
            "worker@pi ended with exit code 137 (signal 9)",
            "worker@pi was started again, restart 1",
        ]

    said = json.loads(one.type("history", "--json").out)
    assert said["schema"] == "fleetctl.history/1"
    measured = {(s["subject"], s["metric"]) for s in said["series"]}
    assert {("mini:hub/fabric", "rtt_ms"), ("pi", "load1"), ("job/worker@pi", "state")} <= measured
    shown = one.type("history", "pi", "mini:hub")
    assert shown.code == 0, shown.err
    assert "mini:hub/fabric" in shown.out
    wrong = one.type("history", "minni")
    assert wrong.code == 2
    assert "Did you mean 'mini'?" in wrong.err
    one.type("stop")
