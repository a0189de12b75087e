"""Several jobs in one file: what runs of the others is told, and what has a port makes room."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

import pytest
import yaml

from tests.e2e.cluster import User, running
from tests.e2e.conftest import MakeUser
from tests.e2e.screen import Screen
from tests.e2e.terminal import Terminal

pytestmark = [pytest.mark.lab, pytest.mark.long]  # 80 s

QUICK = {"grace": 1}


def web(port: int) -> dict[str, Any]:
    command = f"exec python3 -m http.server {port} --bind 10.10.0.1"
    return {"on": "hub", "command": command, "listen": f"fabric:{port}", "stop": QUICK}


def sleeper(seconds: int, *on: str) -> dict[str, Any]:
    return {"on": list(on), "command": f"echo slept; exec sleep {seconds}", "stop": QUICK}


def write(user: User, **jobs: dict[str, Any]) -> None:
    whole = yaml.safe_load(user.path.read_text())
    whole["jobs"] = {name: {"services": services} for name, services in jobs.items()}
    user.path.write_text(yaml.safe_dump(whole, sort_keys=False))


def test_a_port_that_another_job_has(user: MakeUser) -> None:
    one = user({})
    write(
        one,
        first={"server": web(7511), "worker": sleeper(4911, "mini")},
        second={"page": web(7511), "also": sleeper(4912, "mini")},
    )
    assert one.type("start").code == 0
    said = one.type("--job", "second", "status")
    assert said.code == 0
    assert "first      ● 2/2 ready" in said.out

    said = one.type("--job", "second", "start")  # nobody to ask
    assert said.code == 1
    assert "port 7511 on hub is taken by server@hub of job first" in said.err
    assert "fleetctl --job second start --stop-others" in said.err
    assert not running(one.lab, "mini", "sleep 4912") and running(one.lab, "mini", "sleep 4911")
    said = one.type("--job", "second", "restart")
    assert said.code == 1 and "ports that it needs are taken" in said.err
    said = one.type("--job", "second", "start", "--stop-others", "--json")
    assert said.code == 0, said.err
    assert json.loads(said.out)["ok"]
    assert "first/worker@mini" in said.err
    assert not running(one.lab, "mini", "sleep 4911") and running(one.lab, "mini", "sleep 4912")

    said = one.type("--job", "all", "start")
    assert said.code == 2
    assert "server@hub of first and page@hub of second both listen on port 7511" in said.err
    assert one.type("--job", "all", "stop").code == 0
    assert not running(one.lab, "mini", "sleep 4912")


def test_all_jobs(user: MakeUser) -> None:
    one = user({})
    write(
        one,
        first={"server": web(7521), "worker": sleeper(4921, "mini", "pi")},
        second={"server": web(7522), "other": sleeper(4922, "pi")},
    )
    said = one.type("--job", "all", "start", "--json")
    assert said.code == 0, said.err
    told = json.loads(said.out)
    assert (told["schema"], told["ok"], list(told["jobs"])) == (
        "fleetctl.results/1",
        True,
        ["first", "second"],
    )
    status = json.loads(one.type("--job", "all", "status", "--json").out)
    assert (status["job"], status["services"]) == (None, {})
    states = [s["state"] for job in status["jobs"].values() for s in job["services"].values()]
    assert states == ["ready"] * 5
    assert "other@pi" in status["nodes"]["pi"]["services"]
    shown = one.type("--job", "all", "status").out
    assert "job first: ● 3/3 ready" in shown and "job second: ● 2/2 ready" in shown
    logs = one.type("--job", "all", "logs", "pi").out
    assert "first/worker@pi | slept" in logs and "second/other@pi | slept" in logs
    said = one.type("--job", "all", "send", "worker", "x")
    assert said.code == 2 and "this is done for one job at a time" in said.err
    assert "restart, status, wait, signal, top, open, logs, check and serve" in said.err
    told = json.loads(one.type("--job", "all", "check", "--json", timeout_s=90).out)
    assert (told["job"], told["healthy"], list(told["jobs"])) == (None, True, ["first", "second"])
    said = one.type("--job", "all", "wait", "--for", "ready", "--timeout", "30")
    assert said.code == 0
    assert "job first: 3 ready" in said.err and "job second: 2 ready" in said.err
    top = one.type("--job", "all", "top", "--once").out
    assert "/first · " in top and "/second · " in top and "other@pi" in top
    before = running(one.lab, "pi", "sleep 4921"), running(one.lab, "pi", "sleep 4922")
    said = one.type("--job", "all", "restart", "pi", "--json")
    assert said.code == 0, said.err
    names = {job: list(told["services"]) for job, told in json.loads(said.out)["jobs"].items()}
    assert names == {"first": ["worker@pi"], "second": ["other@pi"]}
    after = running(one.lab, "pi", "sleep 4921"), running(one.lab, "pi", "sleep 4922")
    assert all(after) and not {*before[0], *before[1]} & {*after[0], *after[1]}
    said = one.type("--job", "all", "signal", "other", "TERM")
    assert said.code == 0 and "second/other@pi: TERM sent to" in said.out
    said = one.type("--job", "all", "wait", "other", "--for", "exited", "--json")
    assert said.code == 143
    assert json.loads(said.out)["jobs"]["second"]["exit_code"] == 143
    said = one.type("--job", "all", "stop", "wroker")
    assert said.code == 2 and "'wroker' is no node, service or instance" in said.err
    assert one.type("--job", "second", "stop", "--orphans").code == 0  # first is meant to run
    assert running(one.lab, "pi", "sleep 4921")
    assert one.type("--job", "all", "stop").code == 0
    assert not running(one.lab, "pi", "sleep 4921") and not running(one.lab, "pi", "sleep 4922")


def test_the_question_on_a_terminal(user: MakeUser) -> None:
    one = user({})
    write(
        one,
        first={"server": web(7531), "worker": sleeper(4931, "mini")},
        second={"page": web(7531)},
    )
    assert one.type("start").code == 0
    with Terminal(one.lab, one.argv("--job", "second", "start")) as terminal:
        terminal.wait_for("Stop job first first? [y/N]", 30)
        terminal.type("n\n")
        assert terminal.wait_for_end(20) == 1
    assert running(one.lab, "mini", "sleep 4931")
    with Terminal(one.lab, one.argv("--job", "second", "start")) as terminal:
        terminal.wait_for("Stop job first first? [y/N]", 30)
        terminal.type("y\n")
        assert terminal.wait_for_end(40) == 0
        assert "all 1 ready" in terminal.text
    assert not running(one.lab, "mini", "sleep 4931")
    assert one.type("--job", "all", "stop").code == 0


def test_the_dashboard_goes_from_one_job_to_the_other(user: MakeUser) -> None:
    talk = "n=0; while n=$((n+1)); do echo $FLEETCTL_JOB line $n; sleep 0.5; done"
    one = user({})
    write(
        one,
        first={"server": web(7541), "worker": {"on": ["pi"], "command": talk, "stop": QUICK}},
        second={"page": web(7541), "writer": {"on": ["pi"], "command": talk, "stop": QUICK}},
    )
    assert one.type("start").code == 0
    with Screen(partial(one.lab.run, "controller"), one.argv(), columns=80, rows=24) as screen:
        screen.until("· first", "2/2 ready", "first line")
        screen.type("J")
        screen.until("first is shown now", "second  ○ 2 stopped")
        screen.type("Down", "Enter")
        screen.until("· second", "0/2 ready", "writer", gone="first line")
        screen.type("s")
        screen.until("start all of second")
        screen.type("Enter")
        screen.until("Ports are taken", "server@hub", "stop job first, then start")
        screen.type("Down", "Enter")
        screen.until("Start: 2 of 2 ready", timeout_s=40)
        screen.back()
        screen.until("· second", "2/2 ready", "second line", timeout_s=40)
        screen.type("J")
        screen.until("first   ○ 2 stopped", "second  ● 2/2 ready")
        screen.type("Up", "Enter")
        screen.until("· first", "0/2 ready", gone="second line")
        screen.type("q")
        screen.until("left with 0")
    assert one.type("--job", "all", "stop").code == 0
