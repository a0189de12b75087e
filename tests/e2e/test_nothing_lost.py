"""The short forms of the programs in `benchmarks` that cut, kill and break at random and count what
is lost: 2 is their exit code where something is."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.lab

ROOT = Path(__file__).parents[2]
LONG_S = 900.0


def count(program: str, *options: str, within_s: float = LONG_S) -> None:
    """Run it; all counts must be as they must be. What it prints names its seed."""
    process = subprocess.Popen(
        [sys.executable, f"benchmarks/{program}.py", *options],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    try:
        said, _ = process.communicate(timeout=within_s)
    except BaseException:
        process.terminate()  # it takes its fleet down
        process.communicate(timeout=60)
        raise
    assert process.returncode == 0, said.decode(errors="replace")


def test_a_log_whose_connection_is_cut() -> None:
    count("lossless_logs", "--mb", "9", "--cuts", "4")


@pytest.mark.long
def test_a_controller_that_is_killed() -> None:
    count("killed_controller", "--kills", "5")


@pytest.mark.long
def test_two_controllers_for_some_seconds() -> None:
    count("two_controllers", "--seconds", "15")


@pytest.mark.long
def test_commands_under_faults() -> None:
    faults = ("power-off", "wifi-blackhole", "disk-full", "sshd-hang")
    count("faults_x_commands", "--one-in", "4", "--kinds", *faults)


@pytest.mark.long
def test_a_server_with_faults() -> None:
    count("serve_hour", "--minutes", "4", "--rate", "6")


@pytest.mark.long
@pytest.mark.parametrize("which", [[], ["--dashboard"]], ids=["serve", "dashboard"])
def test_a_laptop_that_sleeps(which: list[str]) -> None:
    count("asleep", "--minutes", "1.2", *which)
