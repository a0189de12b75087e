"""Nodes that are lost or partly broken: everything else works, within that node's deadline."""

from __future__ import annotations

import json
import re
import subprocess
import threading
import time
from typing import Any

import pytest

from fleetctl.lab import Lab
from tests.e2e.cluster import CONNECT_TIMEOUT_S, eventually, finish, running, sh
from tests.e2e.conftest import MakeUser
from tests.waiting import patient

pytestmark = pytest.mark.lab

A_LITTLE_S = 20.0
"""The longest time of a command on this small cluster on a busy machine, with Python's start."""
QUICK = {"grace": 1}
SLEEPERS: dict[str, dict[str, Any]] = {
    "server": {"on": "hub", "command": "exec sleep 4600", "stop": QUICK},
    "worker": {
        "on": ["mini", "pi"],
        "after": ["server"],
        "command": "exec sleep 4600",
        "stop": QUICK,
    },
}


def test_a_node_is_off_from_the_beginning(lab: Lab, user: MakeUser) -> None:
    job = user(SLEEPERS)
    lab.fault("power-off", "pi")
    said = job.type("start")
    assert said.took_s < patient(CONNECT_TIMEOUT_S + 1 + A_LITTLE_S)
    assert said.code == 1
    assert "start: 2 of 3 done" in said.err
    assert "worker@pi is unknown: no " in said.err  # no answer, or no route to it

    shown = job.type("status")
    assert shown.took_s < patient(CONNECT_TIMEOUT_S + A_LITTLE_S)
    assert shown.code == 1
    status = job.status()
    states = {name: service["state"] for name, service in status["services"].items()}
    assert states == {"server@hub": "ready", "worker@mini": "ready", "worker@pi": "unknown"}
    assert {name: node["state"] for name, node in status["nodes"].items()} == {
        "hub": "ok",
        "mini": "ok",
        "pi": "unreachable",
        "here": "ok",
    }
    (problem,) = status["problems"]
    assert problem["code"] in ("ssh-timeout", "ssh-unreachable")
    assert (problem["node"], problem["affects"]) == ("pi", ["worker@pi"])

    stopped = job.type("stop")
    assert stopped.took_s < patient(CONNECT_TIMEOUT_S + 1 + A_LITTLE_S)
    assert stopped.code == 1
    assert "stop: 2 of 3 done" in stopped.err
    assert running(lab, "mini", "sleep 4600") == []


@pytest.mark.long  # 15 s
def test_what_a_server_needs_is_off(lab: Lab, user: MakeUser) -> None:
    job = user(SLEEPERS)
    lab.fault("power-off", "hub")
    said = job.type("start")
    assert said.took_s < patient(CONNECT_TIMEOUT_S + A_LITTLE_S)
    assert said.code == 1
    assert "worker@mini is waiting: server@hub is unknown (no " in said.err
    assert len(job.problems()) == 1
    lab.heal()
    job.start()
    assert job.type("stop").code == 0


def test_power_is_lost_while_start_waits(lab: Lab, user: MakeUser) -> None:
    never = {"on": "pi", "command": "exec sleep 4601", "ready": {"log": "never", "timeout": 60}}
    job = user({"never": never, "fine": {"on": "mini", "command": "exec sleep 4601"}})
    starting = job.begin("start")
    eventually(lambda: running(lab, "pi", "sleep 4601"), "it runs")
    eventually(lambda: job.states()["fine@mini"] == "ready", "the other one is ready")
    lab.fault("power-off", "pi")
    said = finish(starting, timeout_s=25)
    # silence is noticed by keepalive or by a look's deadline
    assert said.took_s < patient(12 + A_LITTLE_S)
    assert said.code == 1
    assert "start: 1 of 2 done" in said.err
    assert "never@pi is unknown: " in said.err

    # after the power is back it is known that nothing runs there, and a start brings it back
    lab.heal()
    assert job.states() == {"never@pi": "failed", "fine@mini": "ready"}
    job.write({"never": {**never, "ready": {"delay": 0.1}}, "fine": {"on": "mini", "command": "x"}})
    job.start("never")
    assert len(running(lab, "pi", "sleep 4601")) == 1


def test_power_is_lost_while_stop_waits(lab: Lab, user: MakeUser) -> None:
    deaf = "trap '' TERM; while :; do sleep 0.2; done"
    job = user(
        {
            "deaf": {"on": "pi", "command": deaf, "stop": {"grace": 30}},
            "fine": {"on": "mini", "command": "exec sleep 4602", "stop": QUICK},
        }
    )
    job.start()
    stopping = job.begin("stop")
    eventually(lambda: not running(lab, "mini", "sleep 4602"), "the other one is stopped")
    lab.fault("power-off", "pi")
    said = finish(stopping, timeout_s=40)
    assert said.took_s < patient(12 + A_LITTLE_S)
    assert said.code == 1
    assert "deaf@pi is unknown: " in said.err
    assert "stop: 1 of 2 done" in said.err
    lab.heal()
    assert job.type("stop").code == 0
    assert set(job.states().values()) == {"stopped"}


def test_packets_vanish_during_status(lab: Lab, user: MakeUser) -> None:
    job = user(SLEEPERS)
    lab.fault("edge-down", "pi")  # over which it would still be reached
    lab.fault("wifi-blackhole", "pi")
    status = job.status()
    assert status["duration_s"] < patient(CONNECT_TIMEOUT_S + A_LITTLE_S)
    (problem,) = status["problems"]
    assert problem["code"] in ("ssh-timeout", "ssh-unreachable")
    assert problem["node"] == "pi"
    direct, through = status["nodes"]["pi"]["ssh"]["error"].split("; ")
    assert direct in (
        "no answer from 192.168.1.25:22 within its connect_timeout",
        "no route to 192.168.1.25:22",  # if its Ethernet address is forgotten by then
    )
    assert through == "hub and mini cannot reach it either"


@pytest.mark.long  # 13 s
def test_the_ssh_server_hangs(lab: Lab, user: MakeUser) -> None:
    job = user(SLEEPERS)
    lab.fault("sshd-hang", "pi")
    status = job.status()
    assert status["duration_s"] < patient(CONNECT_TIMEOUT_S + A_LITTLE_S)
    assert [(p["code"], p["node"]) for p in status["problems"]] == [("ssh-hung", "pi")]
    said = job.type("start")
    assert said.took_s < patient(CONNECT_TIMEOUT_S + 1 + A_LITTLE_S)
    assert "start: 2 of 3 done" in said.err
    assert job.type("exec", "mini", "--", "true").took_s < patient(A_LITTLE_S)


def test_keys_of_host_and_user(lab: Lab, user: MakeUser) -> None:
    job = user(SLEEPERS)
    lab.fault("host-key-changed", "pi")
    lab.fault("key-revoked", "mini")
    status = job.status()
    found = {p["node"]: p for p in status["problems"]}
    assert found["pi"]["code"] == "ssh-host-key-changed"
    assert "ssh-keygen -R" in found["pi"]["summary"]
    assert found["mini"]["code"] == "ssh-auth-failed"
    assert (
        "~/.ssh/cluster" in found["mini"]["summary"] or ".ssh/cluster" in found["mini"]["summary"]
    )
    assert len(found) == len(status["problems"]) == 2
    said = job.type("exec", "pi", "mini", "hub", "--", "echo", "here")
    assert said.code == 255
    assert said.out == "── hub\nhere\n"
    assert said.err.count("fleetctl: ") == 2


@pytest.mark.long  # 11 s; test_every_fault tries it, too
def test_tmux_is_missing(lab: Lab, user: MakeUser) -> None:
    job = user(SLEEPERS)
    lab.fault("tmux-missing", "hub")
    said = job.type("start")
    assert said.code == 1
    assert "server@hub is failed: tmux is not installed, or not in PATH. Install it: " in said.err
    assert "worker@mini is waiting: server@hub is failed (tmux is not installed" in said.err
    assert job.problems() == [("tmux-missing", "hub")]
    assert sh(lab, "hub", f"find {job.folder('server@hub')} -name 'spec*' -o -name lock") == ""
    lab.heal()
    job.start()

    # it goes away while something runs: that is not "stopped"
    lab.fault("tmux-missing", "mini")
    status = job.status()
    assert [(p["code"], p["node"]) for p in status["problems"]] == [("tmux-missing", "mini")]
    assert status["services"]["worker@mini"]["state"] == "unknown"
    assert job.type("start").code == 1
    lab.heal()
    assert set(job.states().values()) == {"ready"}
    assert job.type("stop").code == 0


@pytest.mark.long  # 10 s; test_every_fault tries it, too
def test_the_disk_is_full(lab: Lab, user: MakeUser) -> None:
    job = user(
        {
            "old": {
                "on": "mini",
                "command": "exec sleep 4603",
                "restart": {"policy": "always", "delay": 0.1},
                "stop": QUICK,
            },
            "new": {"on": "mini", "command": "exec sleep 4603", "env_file": "secret.env"},
        }
    )
    (lab.home / "secret.env").write_text("TOKEN=hunter2\n" + "FILLING=" + "x" * 50000)
    job.start("old")
    lab.fault("disk-full", "mini")
    said = job.type("start", "new")
    assert said.code == 1
    assert "new@mini is failed: its files cannot be written on mini: " in said.err
    assert "No space left on device" in said.err
    assert "fleetctl exec mini -- df -h" in said.err
    status = job.status()
    assert status["services"]["old@mini"]["state"] == "ready"
    assert [(p["code"], p["node"]) for p in status["problems"]] == [("disk-full", "mini")]
    assert b"hunter2" not in lab.run("mini", ["grep", "-r", "hunter2", ".local"]).stdout

    stopped = job.type("stop")
    assert stopped.code == 0, stopped.err
    assert running(lab, "mini", "sleep 4603") == []
    lab.heal()
    assert job.states() == {"old@mini": "stopped", "new@mini": "stopped"}
    job.start("new")
    assert job.type("stop").code == 0


def test_a_lost_node_delays_no_line_of_the_others(lab: Lab, user: MakeUser) -> None:
    """While exec waits for the lost node, the others' commands run at once."""
    job = user(SLEEPERS)
    lab.fault("edge-down", "pi")  # over which it would still be reached
    lab.fault("wifi-blackhole", "pi")
    sh(lab, "mini", "rm -f ran")
    began = time.monotonic()
    waiting = job.begin("exec", "*", "--", "touch ran")
    eventually(lambda: sh(lab, "mini", "ls").find("ran") >= 0, "it ran", timeout_s=A_LITTLE_S)
    assert waiting.poll() is None or time.monotonic() - began > CONNECT_TIMEOUT_S
    said = finish(waiting)
    assert said.code == 255
    assert re.search("fleetctl: pi: no (answer from|route to) 192.168.1.25:22", said.err)


SERVED: dict[str, dict[str, Any]] = {
    "server": {
        "on": "hub",
        "command": "exec python3 -m http.server {server.port} --bind {server.host}",
        "listen": "fabric:7200",
        "ready": {"delay": 3},
        "stop": QUICK,
    },
    "worker": {
        "on": "mini",
        "after": ["server"],
        "command": "exec sleep 4604",
        "ready": {"delay": 0.1, "timeout": 20},
    },
}


def test_start_refuses_where_the_network_would_break_the_job(lab: Lab, user: MakeUser) -> None:
    job = user(SERVED)
    lab.fault("edge-down", "mini")
    said = job.type("start")
    assert said.code == 1
    assert "interface-down: mini: eth0 has no carrier" in said.err
    assert "nothing was started, because the network would break it" in said.err
    assert "--no-check" in said.err
    assert running(lab, "hub", "python3 -m http.server") == []
    refused = json.loads(job.type("start", "--json").out)
    assert (refused["ok"], refused["services"]) == (False, {})
    assert [p["code"] for p in refused["problems"]] == ["interface-down"]

    # --no-check starts it; and what runs is not stopped if it could not be started again
    assert job.type("start", "--no-check").code == 0
    assert job.type("restart").code == 1
    assert set(job.states().values()) == {"ready"}
    assert job.type("stop").code == 0


def test_a_path_is_lost_while_start_waits(lab: Lab, user: MakeUser) -> None:
    job = user(SERVED)
    starting = job.begin("start")
    eventually(lambda: running(lab, "hub", "python3 -m http.server"), "the server runs")
    lab.fault("edge-down", "mini")
    # the wait ends the moment the path is there
    healer = threading.Timer(8.0, lab.heal)
    healer.start()
    said = finish(starting)
    healer.join()
    assert said.code == 0
    assert "no path from mini to 10.10.0.1 and back (server@hub)" in said.err
    assert job.type("stop").code == 0


def test_nothing_is_left_on_a_node_by_a_lost_controller(lab: Lab, user: MakeUser) -> None:
    job = user(SLEEPERS)
    job.start("server")
    following = job.begin("logs", "-f", "server")
    eventually(lambda: running(lab, "hub", "tail -c"), "it is followed")
    following.kill()
    following.wait()
    eventually(lambda: not running(lab, "hub", "tail -c"), "the follower is gone")
    assert job.type("stop").code == 0
    assert isinstance(following, subprocess.Popen)


def test_a_tmux_that_is_too_old_is_reported(lab: Lab, user: MakeUser) -> None:
    job = user({"worker": {"on": "mini", "command": "exec sleep 4890", "stop": {"grace": 1}}})
    # a server that runs already has the version that counts, and it is a new one
    sh(lab, "mini", "tmux -L fleetctl kill-server || true")
    old = '#!/bin/sh\n[ "$1" = -V ] && { echo tmux 2.9a; exit; }\nexec /usr/bin/tmux.new "$@"\n'
    sh(lab, "mini", "mv /usr/bin/tmux /usr/bin/tmux.new", user="root")
    try:
        lab.run(
            "mini",
            ["sh", "-c", "cat >/usr/bin/tmux; chmod 755 /usr/bin/tmux"],
            input=old.encode(),
            user="root",
        )
        assert job.problems() == [("tmux-missing", "mini")]
        said = job.type("start")
        assert said.code == 1
        assert "worker@mini is failed: tmux 2.9a is too old: 3.0 is needed. Install" in said.err
        assert running(lab, "mini", "sleep 4890") == []
    finally:
        sh(lab, "mini", "mv -f /usr/bin/tmux.new /usr/bin/tmux", user="root")
    job.start()
    assert len(running(lab, "mini", "sleep 4890")) == 1
