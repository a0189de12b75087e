"""bench on the guide's cluster: what it measures, and what it calls a narrow cable."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fleetctl.lab import Lab
from tests.conftest import MakeLab
from tests.e2e.cluster import eventually, finish, running, sh
from tests.e2e.guide import GUIDE_MACS

pytestmark = [pytest.mark.lab, pytest.mark.long]

EXPECTED = "expect: {rtt_ms: 1.5, bandwidth_mbps: 300}}"
NODES_YAML = (
    GUIDE_MACS.replace("kind: thunderbolt}", f"kind: thunderbolt, {EXPECTED}").replace(
        "kind: ethernet}", f"kind: ethernet, {EXPECTED}"
    )
    + """\
jobs:
  job:
    services:
      server:
        on: mini1
        command: exec python3 -m http.server 7000 --bind 10.10.0.1
        listen: "fabric:7000"
        ready: {listening: true}
        stop: {grace: 1}
      worker: {on: [mini2, pi4], after: [server], command: exec sleep 1000, stop: {grace: 1}}
"""
)
NODES = ("mini1", "mini2", "mini3", "pi4")


@pytest.fixture(scope="module")
def guide(make_lab: MakeLab) -> Lab:
    return make_lab(NODES_YAML)


@pytest.fixture
def lab(guide: Lab) -> Iterator[Lab]:
    """Healed after each test, and without former figures: memory, which carries the packets here,
    is not as steady as a cable."""
    history(guide).unlink(missing_ok=True)
    yield guide
    guide.heal()


def history(lab: Lab) -> Path:
    return lab.home / ".local/state/fleetctl/smolcluster/bench.jsonl"


def bench(lab: Lab, *arguments: str) -> tuple[int, dict[str, Any]]:
    argv = ["fleetctl", "bench", "--json", "--seconds", "1", *arguments]
    done = lab.run("controller", argv, timeout_s=180)
    assert b"Traceback" not in done.stderr, done.stderr.decode()
    assert done.stdout, done.stderr.decode()
    return done.returncode, json.loads(done.stdout)


def left_running(lab: Lab) -> list[int]:
    return [pid for node in NODES for pid in running(lab, node, "iperf3")]


def test_a_narrow_cable_is_named_after_a_sound_one_was_measured(lab: Lab) -> None:
    code, report = bench(lab, "pi4")
    assert (code, report["problems"]) == (0, [])
    assert [len(p["path"]["hops"]) for p in report["paths"]] == [1, 1, 2]
    lab.fault("link-narrow", "pi4", network="edge51")
    code, report = bench(lab, "pi4")
    [problem] = report["problems"]
    assert (code, problem["code"], problem["node"]) == (1, "bandwidth-low", "pi4")
    assert set(problem["affects"]) == {"mini1", "mini3"}
    assert "what it was on" in problem["summary"]
    edge, fabric, both = report["paths"]
    assert [p["stands_on"] for p in (edge, fabric, both)] == ["quick", "wide", "quick"]
    assert 60 < edge["there"]["mbit_s"] < 100
    assert edge["best"]["there_mbit_s"] > 300
    assert left_running(lab) == []


def test_an_all_reduce_of_the_job_comes_last(lab: Lab) -> None:
    code, report = bench(lab)
    found = report["all_reduce"]
    assert (code, found["ok"], found["reason"]) == (0, True, None), report["problems"]
    assert sorted(found["nodes"]) == ["mini1", "mini2", "pi4"]


def test_a_route_that_is_missing_is_the_rung(lab: Lab) -> None:
    lab.fault("return-route-missing", "mini1")
    _, report = bench(lab, "pi4")
    [path] = [p for p in report["paths"] if len(p["path"]["hops"]) == 2]
    assert path["stands_on"] == "addressed"
    assert "mini1, route to edge51" in path["verdict"]


def test_nothing_is_measured_beside_the_job(lab: Lab) -> None:
    assert lab.run("controller", ["fleetctl", "start", "server"], timeout_s=60).returncode == 0
    try:
        done = lab.run("controller", ["fleetctl", "bench", "pi4"], timeout_s=60)
        assert done.returncode == 1
        assert b"nothing was measured: server@mini1 is" in done.stderr
    finally:
        lab.run("controller", ["fleetctl", "stop"], timeout_s=60)


def test_ctrl_c_shows_and_keeps_what_is_measured_and_ends_iperf3(lab: Lab) -> None:
    process = lab.popen(
        "controller",
        ["fleetctl", "bench", "--seconds", "20", "mini2"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    eventually(lambda: len(left_running(lab)) == 2, "both sides run", timeout_s=60)
    process.send_signal(signal.SIGINT)
    said = finish(process, timeout_s=15)
    assert said.code == 130
    assert "mini2 → mini1 (fabric)" in said.out
    assert "interrupted" in said.out
    eventually(lambda: left_running(lab) == [], "iperf3 has ended", timeout_s=5)
    assert json.loads(history(lab).read_text())["echoes"]["received"] == 100


def test_iperf3_ends_also_when_the_controller_is_killed(lab: Lab) -> None:
    process = lab.popen(
        "controller",
        ["fleetctl", "bench", "--seconds", "30", "mini2"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    eventually(lambda: len(left_running(lab)) == 2, "both sides run", timeout_s=60)
    process.kill()
    process.wait()
    eventually(lambda: left_running(lab) == [], "iperf3 has ended", timeout_s=10)


def test_a_node_without_iperf3(lab: Lab) -> None:
    sh(lab, "mini2", "mv /opt/homebrew/bin/iperf3 /opt/homebrew/bin/away", user="root")
    try:
        code, report = bench(lab, "mini2")
        argv = ["fleetctl", "bench", "--install", "--yes", "mini2"]
        done = lab.run("controller", argv, timeout_s=120)
    finally:
        sh(lab, "mini2", "mv /opt/homebrew/bin/away /opt/homebrew/bin/iperf3", user="root")
    [path] = report["paths"]
    assert (code, path["echoes"]["received"], path["there"]["mbit_s"]) == (1, 100, None)
    assert report["notes"] == ["mini2 has no iperf3 (brew install iperf3)"]
    assert done.returncode == 1
    said = done.stderr.decode()
    assert "mini2: brew install iperf3" in said
    assert "mini2: that failed with exit code 127: run it there" in said
    assert b"mini2 has no iperf3 (brew install iperf3)" in done.stdout
