"""init --recipe on a nodes.yaml that is there: shown, then written, with the files beside it."""

from __future__ import annotations

from pathlib import Path

import pytest

from fleetctl import cli
from fleetctl.config import load
from tests.discovery.test_recipe import NODES


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FLEETCTL_CONFIG", raising=False)
    (tmp_path / "nodes.yaml").write_text(NODES)
    return tmp_path


def test_it_is_shown_then_written_with_its_files(
    folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(["init", "--recipe", "torchrun"]) == 0
    said = capfd.readouterr().out
    assert "+        on: [one, two, three]\n" in said
    assert "nothing is written; with --merge it is, and torchrun as well" in said
    assert [path.name for path in folder.iterdir()] == ["nodes.yaml"]

    assert cli.run(["init", "--recipe", "torchrun", "--merge"]) == 2
    assert "there is no terminal to ask on" in capfd.readouterr().err
    assert cli.run(["init", "--recipe", "torchrun", "--merge", "--yes"]) == 0
    said = capfd.readouterr().out
    assert "wrote torchrun: README.md, allreduce.py\n" in said
    assert said.endswith("torchrun/README.md says how to go on: fleetctl sync, fleetctl start\n")
    assert load(folder / "nodes.yaml").jobs.keys() == {"torchrun"}
    assert {path.name for path in (folder / "torchrun").iterdir()} == {"README.md", "allreduce.py"}
    assert cli.run(["start", "--dry-run"]) == 0
    assert "RANK=2" in capfd.readouterr().out

    (folder / "dask").mkdir()
    (folder / "dask" / "compute.py").write_text("mine")
    (folder / "nodes.yaml").write_bytes(
        (folder / "nodes.yaml").read_bytes().replace(b"\n", b"\r\n")
    )
    assert cli.run(["init", "--recipe", "dask", "--merge", "--yes"]) == 0
    said = capfd.readouterr().out
    assert "dask: left as they are, other than the recipe's: compute.py\n" in said
    assert said.endswith(": fleetctl --job dask sync, fleetctl --job dask start\n")
    assert (folder / "dask" / "compute.py").read_text() == "mine"
    written = (folder / "nodes.yaml").read_bytes()
    assert written.count(b"\n") == written.count(b"\r\n")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["dask", "host"], "--recipe adds a job to nodes.yaml, and nothing else"),
        (["dask", "--json"], "--recipe adds a job to nodes.yaml, and nothing else"),
        (["dsk"], "is not one of 'dask', 'llama-rpc', 'mlx', 'mpi', 'ray', 'torchrun'"),
        (["ray", "-f", "no.yaml"], "no hosts are given"),
        (["ray", "-f", "no.yaml", "--merge"], "no such file"),
    ],
)
def test_wrong_recipe_calls(
    folder: Path, capfd: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    assert cli.run(["init", "--recipe", *arguments]) == 2
    assert said in capfd.readouterr().err
    assert (folder / "nodes.yaml").read_text() == NODES
