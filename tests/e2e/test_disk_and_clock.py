"""A disk that a job fills, and a clock that NTP sets while a job runs."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import Any

import pytest

from fleetctl.lab import Lab
from tests.e2e.cluster import User, eventually, running, sh
from tests.e2e.conftest import MakeUser

pytestmark = [pytest.mark.lab, pytest.mark.long]

QUICK = {"grace": 1}
DRAINING = "dd bs=65536 count=1"
LOST = "fleetctl: output was lost here, the disk was full\n"
"""What the logger runs while there is no room, and writes afterwards (launch/logger.sh)."""


def test_a_job_fills_the_disk(lab: Lab, user: MakeUser) -> None:
    """Its restart is recorded, what is lost is told, and stop works."""
    job = user(
        {
            "greedy": {
                "on": "mini",
                "command": "[ ! -e fat ] || exec sleep 4605; cat /dev/zero >fat",
                "restart": {"policy": "on-failure", "delay": 0.1},
                "stop": QUICK,
            },
            "loud": {
                "on": "mini",
                "command": "while :; do seq 1000; sleep 0.1; done",
                "ready": {"delay": 0},
                "stop": QUICK,
            },
        }
    )
    job.start("loud")
    lab.fault("disk-filling", "mini")
    job.type("start", "greedy")
    eventually(lambda: running(lab, "mini", "sleep 4605"), "it failed and begins again", 30)
    eventually(lambda: running(lab, "mini", DRAINING), "output is lost", 30)
    greedy = job.services()["greedy@mini"]
    assert (greedy["state"], greedy["restarts"]) == ("ready", 1)
    assert running(lab, "mini", "sleep 4605") == [greedy["pid"]]
    assert ("disk-full", "mini") in job.problems()
    sh(lab, "mini", "rm fat")
    log = f"cat {job.folder('loud@mini')}/log/*.log"
    eventually(lambda: LOST in sh(lab, "mini", log), "what was lost is told", 30)
    assert job.type("stop").code == 0
    assert set(job.states().values()) == {"stopped"}


def test_the_kernel_ends_a_process_for_lack_of_memory(lab: Lab, user: MakeUser) -> None:
    """On a node whose clock is wrong, too."""
    job = user({"greedy": {"on": "pi", "command": "exec sleep 4608", "ready": {"delay": 0}}})
    lab.fault("clock-behind", "pi")
    job.start()
    lab.fault("out-of-memory", "pi")
    eventually(lambda: job.states() == {"greedy@pi": "failed"}, "it has failed", 30)
    said = job.type("postmortem", "--no-archive").out
    assert said.startswith("greedy@pi was ended by SIGKILL (9) at ")
    assert "The kernel of pi ended it for lack of memory" in said
    assert job.type("stop").code == 0


def checked(job: User) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(job.type("check", "--json").out)["problems"]
    return found


@pytest.mark.parametrize("fault", ["clock-behind", "clock-ahead"])
def test_a_clock_is_set_while_a_job_runs(lab: Lab, user: MakeUser, fault: str) -> None:
    """All moments are by the controller's clock, before it is set and after."""
    job = user(
        {
            "steps": {
                "on": "mini",
                "command": "i=0; while :; do i=$((i+1)); echo step $i loss 1; sleep 0.5; done",
                "ready": {"delay": 0},
                "stop": QUICK,
            }
        }
    )
    lab.fault(fault, "mini")
    began = datetime.now(UTC)
    job.start()
    way = "behind" if fault == "clock-behind" else "ahead of"
    (skew,) = checked(job)
    assert skew["code"] == "clock-skew"
    assert re.search(rf"is (59|60)\d s {way} this machine's", skew["summary"])
    lab.heal()
    eventually(lambda: checked(job) == [], "the clock is right", 30)
    steps = job.services()["steps@mini"]
    assert steps["restarts"] == 0
    began_s = (datetime.now(UTC) - began).total_seconds()
    since_s = (datetime.now(UTC) - datetime.fromisoformat(steps["started_at"])).total_seconds()
    assert 0 <= since_s <= began_s + 2
    assert steps["progress"]["since_step_s"] < 30
    assert job.type("stop").code == 0
    ended = next(line for line in job.type("events").out.splitlines() if "stop" in line)
    at = datetime.strptime(ended[:19], "%Y-%m-%d %H:%M:%S").astimezone()
    assert abs((at - datetime.now(UTC)).total_seconds()) < 120
