"""A start that goes on without the terminal, on this machine."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from fleetctl.cli.apart import handing_over
from fleetctl.model.progress import Progress
from fleetctl.model.status import ServiceState
from tests.launch.conftest import tmux_servers

NODES_YAML = """\
fleet: here
internet: null
nodes:
  here: {connection: local}
jobs:
  job:
    services:
      fetch: {on: here, once: true, command: "until [ -e ~/go ]; do sleep 0.05; done"}
      train: {on: here, once: true, after: fetch, command: "exit $(cat ~/go)"}
"""


class Home(NamedTuple):
    path: Path
    environ: dict[str, str]

    def run(self, *words: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, "-m", "fleetctl", *words],
            cwd=self.path,
            env=self.environ,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == code, done.stderr
        return done


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    (tmp_path / "nodes.yaml").write_text(NODES_YAML)
    (tmp_path / "tmux").mkdir()
    changed = {"HOME": str(tmp_path), "TMUX_TMPDIR": str(tmp_path / "tmux")}
    yield Home(tmp_path, {**os.environ, **changed})
    for server in tmux_servers(tmp_path):
        os.kill(server, signal.SIGTERM)


def test_a_start_goes_on_and_wait_tells_how_it_ended(home: Home) -> None:
    detached = json.loads(home.run("start", "--detach", "--json").stdout)
    assert detached["schema"] == "fleetctl.detached/1"
    assert detached["ok"]
    log = home.path / ".local/state/fleetctl/here/.start.log"
    assert Path(detached["log"]).expanduser().name == log.name
    assert "waits for fetch@here" in log.read_text()
    (home.path / "go").write_text("7")
    waited = home.run("wait", "--for", "exited", "--timeout", "40", "--json", code=7)
    told = json.loads(waited.stdout)
    assert told["exit_code"] == 7
    assert {name: one["state"] for name, one in told["services"].items()} == {
        "fetch@here": "exited",
        "train@here": "failed",
    }


@pytest.mark.long
def test_an_earlier_end_is_not_taken_for_this_one_and_what_is_done_needs_again(home: Home) -> None:
    go = home.path / "go"
    go.write_text("7")
    home.run("start", code=1)
    go.write_text("0")
    said = home.run("start", "--detach").stderr
    assert "goes on with the start; to see what comes of it: fleetctl wait" in said
    home.run("wait", "--for", "exited", "--timeout", "40")
    assert (
        "fetch@here  ○ exited  done already; --again runs it once more" in home.run("start").stderr
    )
    go.unlink()
    home.run("start", "--detach", "--again")
    assert home.run("wait", "--for", "exited", "--timeout", "2", code=124)
    go.write_text("0")
    home.run("wait", "--for", "exited", "--timeout", "40")


@pytest.mark.long
def test_what_is_refused_is_refused_at_once(home: Home) -> None:
    nodes_yaml = home.path / "nodes.yaml"
    nodes_yaml.write_text(NODES_YAML.replace("once: true, after", "env_file: none, after"))
    done = home.run("start", "--detach", code=2)
    assert "env_file" in done.stderr
    assert "cannot be read" in done.stderr
    assert "goes on" not in done.stderr
    assert "is no node" in home.run("start", "--detach", "nothing", code=2).stderr


def test_it_is_handed_over_once_all_instances_were_told_of() -> None:
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    told: list[Progress] = []
    report = handing_over(told.append, ["a", "b"], writer)

    def tell(name: str, state: ServiceState) -> None:
        report(Progress("start", name, state, None, 0.0))

    tell("a", "waiting")
    tell("a", "starting")
    with pytest.raises(BlockingIOError):
        os.read(reader, 1)
    tell("b", "unknown")
    tell("b", "unknown")
    assert os.read(reader, 9) == b"1"
    assert os.read(reader, 9) == b""  # closed
    os.close(reader)
    assert len(told) == 4
