"""Where nothing more can be written, what is there stays whole, and stop still ends all."""

from __future__ import annotations

import os
import signal

import pytest

from fleetctl.errors import FleetctlError
from fleetctl.model.jobs import AtBoot, Restart
from tests.launch.conftest import BOTH_SHELLS, Node, alive, eventually, installed
from tests.launch.jobs import instance

pytestmark = BOTH_SHELLS


def test_stop_needs_no_file_of_its_own(node: Node) -> None:
    """dash ends where `:` cannot be redirected."""
    one = instance(command="exec sleep 1000", restart=Restart("always"))
    node.start(one)
    pid = int(node.await_phase(one, "running")["pid"])
    (node.folder(one) / "stop").symlink_to("/nowhere/at/all")
    assert node.stop(one)["done"] == ["143"]
    assert not alive(pid)


@pytest.mark.parametrize("file", ["account", "supervisor", "boot/program"])
def test_a_start_that_cannot_write_leaves_no_secret(
    node: Node, file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOKEN", "hunter2")
    real, cat = installed("cat"), node.home / "bin/cat"
    fails = f"[ ! /dev/fd/1 -ef {file}.new ] || exit 1"  # as on a full disk
    cat.write_text(f'#!/bin/sh\n{fails}\nexec {real} "$@"\n')
    cat.chmod(0o755)
    one = instance(command="exec sleep 1000", env={"MINE": "hunter2"}, at_boot=AtBoot())
    with pytest.raises(FleetctlError, match="its files cannot be written"):
        node.start(one)
    folder = node.folder(one)
    assert not [f for f in folder.rglob("*") if f.is_file() and b"hunter2" in f.read_bytes()]
    assert not (folder / "boot").exists()
    assert not (folder / "lock").exists()


def test_a_record_that_cannot_be_written_leaves_the_last_one(node: Node) -> None:
    one = instance(command="echo begins; exec sleep 1000", restart=Restart("always", delay_s=1))
    node.start(one)
    eventually(lambda: "begins" in node.log(one), "it runs")
    pid = int(node.state(one)["pid"])
    os.kill(pid, signal.SIGKILL)
    before = node.await_phase(one, "backoff")
    full = node.folder(one) / "state.new"
    full.symlink_to("/dev/full")
    eventually(lambda: node.log(one).count("begins") == 2, "it runs again")
    assert not (node.folder(one) / "state").is_symlink()
    assert node.state(one) == before
    node.stop(one)


def test_a_record_takes_the_room_that_is_kept_for_it(node: Node) -> None:
    one = instance(command="exec sleep 1000")
    node.start(one)
    node.await_phase(one, "running")
    spare, state = node.folder(one) / "spare", node.folder(one) / "state"
    eventually(spare.exists, "there is a spare one")
    assert spare.stat().st_size == state.stat().st_size
    node.stop(one)
    assert not spare.exists()
