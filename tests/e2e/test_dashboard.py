"""The real dashboard: in a terminal, over SSH, with faults."""

from __future__ import annotations

import re
from functools import partial
from typing import Any

import pytest

from fleetctl.lab import Lab
from tests.e2e.cluster import User, eventually, running, sh
from tests.e2e.conftest import MakeUser
from tests.e2e.screen import Screen

pytestmark = pytest.mark.lab

TALK = "n=0; while n=$((n+1)); do echo $FLEETCTL_SERVICE line $n; sleep 0.5; done"
JOB: dict[str, dict[str, Any]] = {
    "server": {"on": "hub", "command": TALK, "stop": {"grace": 1}},
    "worker": {
        "on": ["mini", "pi"],
        "after": ["server"],
        "command": f"echo joined; {TALK}",
        "ready": {"log": "joined"},
        "stop": {"grace": 1},
    },
}


def row(text: str, node: str) -> str:
    """A node's line in the table."""
    found = [line for line in text.splitlines() if re.search(rf"[●✖?-] +(\d+ +)?{node} ", line)]
    assert found, text
    return found[0].rpartition("││")[2]


def on_screen(job: User) -> Screen:
    """The dashboard of a job, at the lab's controller."""
    return Screen(partial(job.lab.run, "controller"), job.argv())


@pytest.fixture
def job(user: MakeUser) -> User:
    return user(JOB)


def test_start_attach_and_return_resize_and_leave(lab: Lab, job: User) -> None:
    with on_screen(job) as screen:
        screen.until("4/4 nodes", "0/3 ready", "nothing is wrong")
        screen.type("s")
        screen.until("start all of job (3 instances)")
        screen.type("Enter")
        screen.until("Start: 3 of 3 ready")
        screen.back()
        screen.until("3/3 ready", "server@hub ", "| server line", "worker@pi", "| worker line")

        screen.type("Down", "a")  # the real window of worker@mini, within the tmux of this test
        screen.until("worker line", "read-only · detach: Ctrl-b Ctrl-b d", gone="Topology")
        screen.type("C-b", "d")  # past that one
        screen.until("Topology", "3/3 ready", "Left the window of worker@mini; it runs on.")

        for columns, rows in ((80, 24), (200, 60), (120, 40)):  # while lines stream in
            screen.resize(columns, rows)
            text = screen.until("3/3 ready", "| worker line", "q leave", "nothing is wrong")
            assert max(map(len, text.splitlines())) <= columns

        screen.type("q")
        screen.until("Left the dashboard; what was started runs on", "left with 0")
    assert set(job.states().values()) == {"ready"}
    assert job.type("stop").code == 0


def test_killed_processes_and_lost_nodes_show_and_recover(lab: Lab, job: User) -> None:
    job.start()
    with on_screen(job) as screen:
        screen.until("3/3 ready")
        (pid,) = running(lab, "mini", "sh -c echo joined")
        sh(lab, "mini", f"kill -9 {pid}", user="root")
        text = screen.until("2/3 ready", "service-failed", "exit code 137")
        assert "✖ failed" in row(text, "mini")

        lab.fault("edge-down", "mini")  # over which it would still be reached
        lab.fault("wifi-down", "mini")
        text = screen.until("3/4 nodes", "lost")
        assert row(text, "mini").split()[0] == "✖"
        lab.heal()
        text = screen.until("4/4 nodes", timeout_s=40)

        screen.type("s", "Enter")
        screen.until("Start: 3 of 3 ready")
        screen.back()
        screen.type("e")
        text = screen.until("mini cannot be reached", "reached again after")
        assert "mini cannot be reached" in text
        assert "worker@mini is failed" in text
        screen.back()
        screen.type("q")
        screen.until("left with 0")
    assert job.type("stop").code == 0


def test_a_fault_is_explained_and_repaired_by_keys(lab: Lab, job: User) -> None:
    with on_screen(job) as screen:
        screen.until("4/4 nodes", "nothing is wrong")
        lab.fault("forwarding-off", "hub")
        screen.until("✖ forwarding-off")
        screen.type("Tab", "Tab", "Enter")
        screen.until("What repairs it, on hub", "sysctl")
        screen.type("f")
        screen.until("on hub: sudo sysctl -w net.ipv4.ip_forward=1")
        screen.until("y runs 1 command on hub")
        screen.type("y")
        screen.until("● hub: sudo sysctl", "the check no longer finds forwarding-off on hub")
        screen.type("u")
        screen.until(
            "Undo · hub", "sudo sysctl -w net.ipv4.ip_forward=0", "takes back, of", "y runs"
        )
        screen.type("y")
        screen.until("● hub: sudo sysctl -w net.ipv4.ip_forward=0 done", "nothing to undo")
        screen.back()
        screen.until("✖ forwarding-off")
        screen.type("F")
        screen.until("Fix · all problems · 4 nodes", "y runs")
        screen.type("y")
        screen.until("all is as nodes.yaml wants it")
        screen.back()
        screen.until("nothing is wrong")
        assert sh(lab, "hub", "cat /proc/sys/net/ipv4/ip_forward").strip() == "1"


# that q hands a start over is seen by tests/tui/test_actions.py, too
@pytest.mark.parametrize("how", [pytest.param("q", marks=pytest.mark.long), "its window is closed"])
def test_leaving_while_starting_lets_the_start_go_on(lab: Lab, user: MakeUser, how: str) -> None:
    slow = {**JOB["server"], "command": f"sleep 4; echo up; {TALK}", "ready": {"log": "up"}}
    job = user({**JOB, "server": slow})
    with on_screen(job) as screen:
        screen.until("0/3 ready", "nothing is wrong")
        screen.type("s", "Enter")
        screen.until("waits for server@hub")
        if how == "q":
            screen.back()
            screen.type("q")
            screen.until("goes on with the start", "left with 0")
        else:
            # before that, a process blocked in a write to the closed terminal leaves a lock
            screen.until("◐ running")
    log = lab.home / f".local/state/fleetctl/{job.fleet}/.start.log"

    def started() -> bool:
        return log.exists() and "all 3 ready" in log.read_text()

    eventually(started, "the rest is started", 20)
    assert set(job.states().values()) == {"ready"}, log.read_text()
    assert job.type("stop").code == 0


# tests/tui/test_actions.py sees it, too
@pytest.mark.parametrize("stopped", [pytest.param(False, marks=pytest.mark.long), True])
def test_a_start_is_ended_by_a_key(lab: Lab, user: MakeUser, stopped: bool) -> None:
    slow = {**JOB["server"], "command": f"sleep 600; echo up; {TALK}", "ready": {"log": "up"}}
    job = user({**JOB, "server": slow})
    with on_screen(job) as screen:
        screen.until("0/3 ready", "nothing is wrong")
        screen.type("s", "Enter")
        screen.until("waits for server@hub", "◐ running")
        screen.type("C-c")
        screen.until("A start goes on", "Begun by it: server@hub.")
        screen.type("Down", *(["Down"] if stopped else []), "Enter")
        screen.until("Stop: 1 of 1 stopped" if stopped else "Start: no longer waited for")
        screen.back()
        screen.type("q")
        screen.until("left with 0", gone="goes on with the start")
    assert job.states()["server@hub"] == ("stopped" if stopped else "running")
    assert job.states()["worker@mini"] in ("stopped", "waiting")
    assert job.type("stop").code == 0


@pytest.mark.long  # 11 s
def test_killed_and_started_again(lab: Lab, job: User) -> None:
    job.start()
    with on_screen(job) as screen:
        screen.until("3/3 ready")
        sh(lab, "controller", f"pkill -9 -P {screen.pid} -f fleetctl", user="root")
        screen.until("the dashboard was killed; what was started runs on", gone="Topology")
    with on_screen(job) as screen:
        screen.until("3/3 ready", "| worker line")
        screen.type("q")
        screen.until("left with 0")
    # nothing of the first one goes on asking
    eventually(
        lambda: not running(lab, "mini", "sh -c eval"), "no shell of the dashboard is left", 15
    )
    assert job.type("stop").code == 0
