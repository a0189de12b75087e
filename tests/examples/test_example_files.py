"""The nodes.yaml of every example: `config check` has nothing to say, and plans are as meant."""

from __future__ import annotations

from pathlib import Path

import pytest

from fleetctl.cli import run
from fleetctl.config.file import load_with_notes

EXAMPLES = Path(__file__).parents[2] / "examples"
FILES = sorted(EXAMPLES.glob("*/nodes.yaml"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.parent.name)
def test_config_check_has_nothing_to_say(path: Path) -> None:
    fleet, notes = load_with_notes(path)
    assert fleet.jobs and notes == []


def test_smolclusters_own_commands_are_started_in_order(capfd: pytest.CaptureFixture[str]) -> None:
    file = str(EXAMPLES / "smolcluster/nodes.yaml")
    assert run(["-f", file, "start", "--dry-run"]) == 0
    said = capfd.readouterr().out
    train = "exec ../../.venv/bin/python train.py"
    assert f"1. server@mini1  at once\n     {train} server mini1 --algorithm edp\n" in said
    for rank, node in enumerate(("mini2", "mini3", "pi5", "pi4"), start=1):
        assert f"worker@{node}  after server@mini1\n     {train} worker {rank} {node} --alg" in said

    assert run(["-f", file, "--job", "chat", "start", "--dry-run"]) == 0
    lines = [x for x in capfd.readouterr().out.splitlines() if not x.startswith("     ")]
    assert [line.split()[1] for line in lines] == [
        "server@mini1",
        "ipad@ipad",
        "proxy@macbook",
        "worker@mini2",
        "api@macbook",
        "page@macbook",
    ]


def test_llama_server_is_told_where_the_others_listen(capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["-f", str(EXAMPLES / "llama-rpc/nodes.yaml"), "start", "--dry-run"]) == 0
    said = capfd.readouterr().out
    assert "exec ./rpc-server --host 192.168.50.2 --port 50052\n" in said
    assert "$(echo 10.10.0.2,10.10.0.3,192.168.50.2,192.168.51.4 | sed" in said


def test_members_of_an_mlx_ring_get_their_ranks(capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["-f", str(EXAMPLES / "mlx/nodes.yaml"), "start", "--dry-run"]) == 0
    said = capfd.readouterr().out
    for rank in range(5):
        assert f"MLX_RANK={rank}\n     MLX_HOSTFILE=<path of mlx-ring.json>\n" in said
