"""The kernel really ends a rank for lack of memory: the report says that it did."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.cluster import eventually

pytestmark = [pytest.mark.lab, pytest.mark.long]

GROUPS = Path("/sys/fs/cgroup")
PLACES = {GROUPS / "memory": "memory.limit_in_bytes", GROUPS: "memory.max"}
"""Where groups with a bound of memory are made, with version 1 and 2 of control groups."""
FILE = """\
fleet: greedy
internet: null
networks: {lan: {cidr: 192.168.99.0/24, control: true}}
nodes: {here: {connection: local}}
jobs:
  train:
    services:
      worker:
        on: here
        ready: {delay: 0}
        command: echo $$ >GROUP/cgroup.procs; echo step 1; exec python3 -c 'bytearray(200 << 20)'
"""


def made() -> Path:
    """A control group whose processes get 20 MB."""
    for place, bound in PLACES.items():
        found = place / f"fleetctl-test-{os.getpid()}"
        try:
            found.mkdir()
            with (found / bound).open("r+") as file:  # which the kernel has made
                file.write("20M")
        except OSError:
            if found.is_dir():
                found.rmdir()
        else:
            return found
    pytest.skip("no control group with a bound of memory can be made here")


@pytest.fixture
def group() -> Iterator[Path]:
    found = made()
    yield found
    eventually(lambda: not (found / "cgroup.procs").read_text(), "it is empty")
    found.rmdir()


def test_a_kill_by_the_kernel_is_told(group: Path, tmp_path: Path) -> None:
    (tmp_path / "nodes.yaml").write_text(FILE.replace("GROUP", str(group)))

    def fleetctl(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "fleetctl", *words],
            cwd=tmp_path,
            env={
                "HOME": str(tmp_path),
                "TMUX_TMPDIR": str(tmp_path),
                "PATH": "/usr/bin:/bin:/usr/sbin:/sbin",
                "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
            },
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    fleetctl("start")
    eventually(lambda: "exit code 137" in fleetctl("status").stdout, "it was ended", 60)
    said = fleetctl("postmortem", "--no-archive")
    if "is not known" in said.stdout:
        pytest.skip("the kernel's messages cannot be read here")
    assert said.stdout.startswith("worker@here was ended by SIGKILL (9) at ")
    assert "The kernel of here ended it for lack of memory" in said.stdout
    fleetctl("stop")
