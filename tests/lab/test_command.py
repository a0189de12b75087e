"""`fleetctl lab` as a user calls it, in processes of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from fleetctl.errors import LabError
from fleetctl.lab import Lab, state
from fleetctl.lab.building import _tell
from fleetctl.lab.faults.registry import KINDS
from tests.lab.fleets import PAIR
from tests.lab.observe import bounded, eventually

pytestmark = pytest.mark.lab

NAME = f"command-{os.getpid()}"
ARGV = [sys.executable, "-m", "fleetctl"]


def fleetctl(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*ARGV, *arguments], cwd=folder, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("user")
    (folder / "nodes.yaml").write_text(PAIR)
    (folder / "job.py").write_text("print('ran')\n")
    done = fleetctl(folder, "lab", "up", "--name", NAME, "--copy", "job.py:~/jobs/job.py")
    try:
        assert done.returncode == 0, done.stderr
        assert f"fleetctl lab down {NAME}" in done.stdout
        yield folder
    finally:
        assert fleetctl(folder, "lab", "down", NAME).returncode == 0
        assert NAME not in state.left_behind()


def test_run_passes_arguments_exactly_and_the_exit_code(folder: Path) -> None:
    words = ["--on", "a b", "$(x)", "'", "-n", "--", "é\n"]
    show = "import sys, json; print(json.dumps(sys.argv[1:])); sys.exit(7)"
    done = fleetctl(folder, "lab", "run", "--name", NAME, "--", "python", "-c", show, *words)
    assert json.loads(done.stdout) == words
    assert done.returncode == 7


def test_run_on_a_node(folder: Path) -> None:
    run = ("lab", "run", "--name", NAME, "--on", "a")
    assert fleetctl(folder, *run, "--", "python3", "jobs/job.py").stdout == "ran\n"
    assert fleetctl(folder, *run, "id", "-un").stdout == "fleet\n"
    assert fleetctl(folder, *run, "--user", "root", "id", "-un").stdout == "root\n"


def test_a_signal_to_run_reaches_the_command_and_run_ends_with_it(folder: Path) -> None:
    script = "trap 'exit 9' TERM; echo ready; while :; do sleep 0.05; done"
    argv = [*ARGV, "lab", "run", "--name", NAME, "--", "sh", "-c", script]
    with bounded(subprocess.Popen(argv, cwd=folder, stdout=subprocess.PIPE)) as running:
        assert running.stdout
        assert running.stdout.readline() == b"ready\n"
        running.terminate()
        assert running.wait(timeout=10) == 9
    killed = fleetctl(folder, "lab", "run", "--name", NAME, "--", "sh", "-c", "kill -9 $$")
    assert killed.returncode == 128 + 9


def test_run_has_the_real_terminal(folder: Path) -> None:
    inner = f"{sys.executable} -m fleetctl lab run --name {NAME} -- tty"
    done = subprocess.run(
        ["script", "-qec", inner, "/dev/null"],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=30,
        check=True,
    )
    assert done.stdout.startswith(b"/dev/pts/")


def test_fleetctl_itself_runs_on_the_controller_unchanged(folder: Path) -> None:
    done = fleetctl(folder, "lab", "run", "--name", NAME, "--", "fleetctl", "config", "check")
    assert done.returncode == 0, done.stderr
    assert "nodes.yaml" in done.stdout + done.stderr


def test_fault_status_and_heal(folder: Path) -> None:
    option = ("--name", NAME)
    assert fleetctl(folder, "lab", "fault", *option, "power-off", "b").returncode == 0
    found = json.loads(fleetctl(folder, "lab", "status", *option, "--json").stdout)
    assert found["nodes"]["b"]["on"] is False
    assert found["faults"] == [{"kind": "power-off", "node": "b", "network": None}]
    text = fleetctl(folder, "lab", "status", *option).stdout
    assert "broken: power-off on b" in text
    refused = fleetctl(folder, "lab", "run", *option, "--on", "b", "true")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "b is powered off" in refused.stderr
    assert "mended: power-off on b" in fleetctl(folder, "lab", "heal", *option).stderr
    assert fleetctl(folder, "lab", "run", *option, "--on", "b", "true").returncode == 0


def test_list_of_faults_needs_no_lab(tmp_path: Path) -> None:
    listed = fleetctl(tmp_path, "lab", "fault", "--list")
    assert listed.returncode == 0
    assert len(listed.stdout.splitlines()) == len(KINDS)


def test_wrong_calls(folder: Path) -> None:
    for arguments, code, words in (
        (("run", "--name", "nosuch", "true"), 1, "no lab 'nosuch' runs"),
        (("run", "--name", NAME, "--on", "c", "true"), 1, "no machine 'c'"),
        (("fault", "--name", NAME, "power-off"), 2, "needs a kind and a node"),
        (("up", "--name", "a/b"), 1, "cannot be called 'a/b'"),
        (("up", "--name", f"{NAME}-2", "--copy", "job.py"), 2, "SRC:DEST"),
        (("up", "--name", f"{NAME}-2", "--copy", "nosuch:~/x"), 1, "no such file"),
        (("up", "--name", f"{NAME}-2", "--copy", "job.py:/etc/x"), 1, "a place like ~/demo"),
        (("up", "--name", NAME), 1, "runs already"),
    ):
        done = fleetctl(folder, "lab", *arguments)
        assert (done.returncode, done.stdout) == (code, ""), arguments
        assert words in done.stderr
        assert "Traceback" not in done.stderr
    assert f"{NAME}-2" not in state.left_behind()


def write_many(folder: Path) -> None:
    """Write a nodes.yaml whose lab takes long enough to be interrupted."""
    nodes = "".join(f"  n{i}: {{ssh: {{host: 10.1.1.{i + 2}}}}}\n" for i in range(20))
    (folder / "many.yaml").write_text(f"fleet: many\nnodes:\n{nodes}")


def test_an_up_that_is_ended_midway_leaves_nothing(folder: Path) -> None:
    name = f"{NAME}-ended"
    write_many(folder)
    argv = [*ARGV, "-f", "many.yaml", "lab", "up", "--name", name]
    with bounded(subprocess.Popen(argv, cwd=folder, stderr=subprocess.PIPE)) as building:
        assert building.stderr
        for line in building.stderr:
            if b"building" in line:
                break
        found = None
        deadline = time.monotonic() + 10
        while found is None:
            assert time.monotonic() < deadline
            found = state.living_keeper(name)
        building.terminate()
        assert building.wait(timeout=20) == 128 + 15
    assert name not in state.left_behind()
    eventually(lambda: not found.alive, "its keeper is gone")


def test_a_builder_killed_midway_leaves_what_down_removes(folder: Path) -> None:
    name = f"{NAME}-killed"
    write_many(folder)
    argv = [*ARGV, "-f", "many.yaml", "lab", "up", "--name", name]
    with bounded(subprocess.Popen(argv, cwd=folder, stderr=subprocess.DEVNULL)) as building:
        deadline = time.monotonic() + 10
        while (found := state.living_keeper(name)) is None:
            assert time.monotonic() < deadline
        building.kill()
    with pytest.raises(LabError, match="not complete"):
        Lab.open(name)
    down = fleetctl(folder, "lab", "down", name)
    assert down.returncode == 0, down.stderr
    assert name not in state.left_behind()
    eventually(lambda: not found.alive, "its keeper is gone")
    assert name not in Lab.names()


def test_a_keeper_that_ends_before_its_task_says_why() -> None:
    keeper = subprocess.Popen(
        ["sh", "-c", "exec <&-; echo unshare: no mount point"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert _tell(keeper, b"x" * 1_000_000) == "unshare: no mount point\n"
    assert keeper.wait(timeout=20) == 0
