"""Whatever a node sends: a command ends in time, holds little, and has the other nodes' answers."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from tests.hostile.conftest import Hostile

MOST_BYTES = 50 * 1024 * 1024
"""The most that a command may hold beside what it needs itself."""
FLOODS = ["yes", "no-newline", "stderr", "both", "noise"]


@pytest.fixture(scope="module")
def idle_bytes(hostile: Hostile) -> int:
    """What a command needs itself."""
    hostile.fleet(["right"])
    ran = hostile.fleetctl("exec", "right", "--", "true")
    assert (ran.code, ran.out, ran.err) == (0, "", "")
    return ran.peak_bytes


def test_exec_of_one_that_floods(hostile: Hostile, idle_bytes: int, tmp_path: Path) -> None:
    hostile.fleet(["yes", "right"])
    began = time.monotonic()
    ran = hostile.fleetctl(
        "exec", "--timeout", "4", "*", "--output", str(tmp_path), "--", "echo ok"
    )
    assert time.monotonic() - began < 25
    assert ran.code == 255
    assert "── right\nok\n" in ran.out
    assert "── yes (cut off: a command did not end within 4 s)\ny\ny\n" in ran.out
    assert f"more of its output were not kept; all of it is in {tmp_path}" in ran.err
    assert "2 nodes: 1 ok, 1 timed out (yes)" in ran.err
    assert (tmp_path / "right.out").read_bytes() == b"ok\n"
    assert (tmp_path / "yes.out").stat().st_size > 4 * 1024 * 1024
    assert not (tmp_path / "yes.err").exists()
    assert ran.peak_bytes - idle_bytes < MOST_BYTES


def test_exec_of_all_kinds_of_floods(hostile: Hostile, idle_bytes: int) -> None:
    hostile.fleet([*FLOODS, "after", "right"])
    ran = hostile.fleetctl("exec", "--timeout", "4", "*", "--", "echo ok")
    assert ran.code == 255
    assert "── after, right\nok\n" in ran.out
    assert "7 nodes: 2 ok, 5 timed out" in ran.err
    assert ran.peak_bytes - idle_bytes < MOST_BYTES


@pytest.mark.parametrize("command", ["status", "check"])
def test_a_look_at_floods(hostile: Hostile, idle_bytes: int, command: str) -> None:
    hostile.fleet(["yes", "no-newline", "stderr", "both", "words", "cut", "after", "right"])
    began = time.monotonic()
    ran = hostile.fleetctl(command, "--json")
    assert time.monotonic() - began < 40
    assert (ran.code, ran.err) == (1, "")
    status = json.loads(ran.out)
    states = {name: node["state"] for name, node in status["nodes"].items()}
    assert states.pop("right") == states.pop("after") == "ok"
    assert set(states.values()) <= {"degraded", "unreachable", "unknown"}
    told = {p["node"]: p["code"] for p in status["problems"] if p["severity"] == "error"}
    assert set(told) == set(states)
    assert set(told.values()) == {"answer-incomplete"}
    assert ran.peak_bytes - idle_bytes < MOST_BYTES
    assert "\x1b" not in ran.out


def test_fix_says_that_it_could_not_ask(hostile: Hostile) -> None:
    hostile.fleet(["cut", "right"])
    ran = hostile.fleetctl("fix")
    assert ran.code == 1
    assert "cut could not be asked everything" in ran.out
