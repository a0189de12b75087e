"""``fleetctl sync``: what it prints, and its exit code."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from msgspec.structs import replace

from fleetctl.cli import code_there
from fleetctl.errors import LinkLost, UsageError
from fleetctl.model.jobs import Job, Sync
from fleetctl.model.syncing import NodeSync, Shared
from fleetctl.words.sync import dry_lines, sync_line
from tests.launch.jobs import job

FLEET = """\
fleet: f
internet: null
nodes:
  here: {connection: local, workdir: ~/there}
  away: {workdir: ~/there, ssh: {host: 127.0.0.1, port: 1, connect_timeout: 5}}
jobs:
  code: {sync: {from: code}, services: {s: {on: [here, away], command: x}}}
  none: {services: {s: {on: here, command: x}}}
"""


class Said(NamedTuple):
    code: int
    out: str
    err: str


def fleetctl(folder: Path, *arguments: str) -> Said:
    done = subprocess.run(
        [sys.executable, "-m", "fleetctl", "-f", str(folder / "nodes.yaml"), *arguments],
        env={**os.environ, "HOME": str(folder), "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    return Said(done.returncode, done.stdout, done.stderr)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "nodes.yaml").write_text(FLEET)
    (tmp_path / "code/sub").mkdir(parents=True)
    (tmp_path / "code/a").write_text("1")
    (tmp_path / "code/sub/b\x1b[2J").write_text("2")
    return tmp_path


def test_a_sync_from_outside(folder: Path) -> None:
    would = fleetctl(folder, "sync", "here", "--dry-run")
    assert would.code == 0 and not (folder / "there").exists()
    assert would.out.startswith("── here\nsend    a\nsend    sub/b") and "\x1b" not in would.out
    assert would.out.endswith("2 files (2B) to send\n")
    done = fleetctl(folder, "sync")
    assert (done.code, done.out) == (1, "here: 2 files (2B) sent\n")
    assert done.err.startswith("fleetctl: away: ") and "refused" in done.err
    assert fleetctl(folder, "sync", "here") == (0, "here: nothing to do\n", "")
    (folder / "there/a").write_text("33")
    told = fleetctl(folder, "sync", "here", "--json")
    found = json.loads(told.out)
    assert (told.code, found["schema"], found["ok"]) == (1, "fleetctl.sync/1", False)
    assert found["nodes"]["here"]["state"] == "changed there"
    assert found["nodes"]["here"]["changed_there"] == ["a"]


def test_a_job_without_it_is_a_sentence(folder: Path) -> None:
    said = fleetctl(folder, "--job", "none", "sync")
    assert (said.code, said.out) == (2, "")
    assert said.err.startswith("fleetctl: job 'none' has no sync in nodes.yaml. Say which folder")


def test_the_lines_of_a_node() -> None:
    paths = tuple(f"f{number}" for number in range(7))
    assert sync_line(NodeSync("a", "synced", "~", files=paths, size_bytes=2048)) == (
        "a: 7 files (2.0K) sent"
    )
    assert sync_line(NodeSync("a", "synced", "~", deleted=("x",))) == "a: 1 deleted"
    assert sync_line(NodeSync("a", "changed there", "~", changed_there=paths)) == (
        "a: changed there, and nothing is sent: f0, f1, f2, f3, f4 and 2 more. "
        "To overwrite that: --force"
    )


def test_the_lines_of_what_nodes_share() -> None:
    shared = Shared(("m/a", "m/b"), 2_000_000_000, "mini3", 4.0)
    assert sync_line(NodeSync("a", "synced", "~", shared=shared)) == (
        "a: 2 files (1.9G) from mini3, 500 MB/s"
    )
    direct = Shared(("m",), 10, None, None, "it has no python3")
    result = NodeSync("a", "synced", "~", files=("x",), size_bytes=1, shared=direct)
    assert sync_line(result) == (
        "a: 1 file (1B) sent, 1 file (10B) from this machine (it has no python3)"
    )
    would = NodeSync("a", "would sync", "~", shared=Shared(("m",), 10))
    assert list(dry_lines([would])) == [
        "── a",
        "share   m",
        "0 files (0B) to send, 1 file (10B) to share",
    ]


def test_what_would_be_done_stands_once_for_nodes_of_which_it_is_the_same() -> None:
    alike = {"workdir": "~", "files": ("a",), "size_bytes": 1, "deleted": ("b",)}
    results = [
        NodeSync("a", "would sync", **alike),  # type: ignore[arg-type]
        NodeSync("b", "same", "~"),
        NodeSync("c", "would sync", **alike),  # type: ignore[arg-type]
        NodeSync("d", "changed there", "~", changed_there=("x",)),
    ]
    assert list(dry_lines(results)) == [
        "── a, c",
        "send    a",
        "delete  b",
        "1 file (1B) to send, 1 to delete",
        "── b",
        "nothing to do",
        "── d",
        "changed there, and nothing is sent: x. To overwrite that: --force",
    ]
    assert not NodeSync("a", "failed", "~", error=LinkLost("a", "gone")).ok


class _Compared:
    """A service whose nodes have other code, but for b."""

    def __init__(self, job: Job, *, hangs: bool = False, error: Exception | None = None) -> None:
        self.job = job
        self.hangs = hangs
        self.error = error

    async def sync(
        self, nodes: list[str], took: Callable[[NodeSync], object], *, dry_run: bool
    ) -> None:
        assert dry_run and nodes == ["a", "b", "c"]
        if self.error:
            raise self.error
        for name, state in zip(nodes, ("would sync", "same", "changed there"), strict=True):
            took(NodeSync(name, state, "~"))  # type: ignore[arg-type]
        if self.hangs:
            await asyncio.sleep(60)


@pytest.mark.parametrize(
    ("service", "says"),
    [
        ({}, "the code on a, c is not what is here; to copy it: fleetctl sync\n"),
        ({"hangs": True}, "the code on a, c is not what is here; to copy it: fleetctl sync\n"),
        (
            {"error": UsageError("no folder")},
            "the code on the nodes could not be compared: no folder\n",
        ),
        ({"error": LinkLost("a", "gone")}, ""),
        ({"synced": False}, ""),
    ],
)
def test_a_start_says_where_the_code_is_another(
    service: dict[str, Any],
    says: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(code_there, "LATE_S", 0.01)
    synced = service.pop("synced", True)
    plain = job({"worker": (["a", "b", "c"], [])})
    compared = _Compared(replace(plain, sync=Sync("/", {}) if synced else None), **service)

    async def body() -> None:
        async with code_there.code_compared(compared, plain.instances):  # type: ignore[arg-type]
            pass

    asyncio.run(body())
    assert capsys.readouterr() == ("", says)
