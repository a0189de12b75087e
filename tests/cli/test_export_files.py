"""export: where it writes, and what it leaves alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from fleetctl import cli

NODES = "fleet: f\ninternet: null\nnodes: {a: {ssh: {user: me}}}\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "nodes.yaml").write_text(NODES)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_to_stdout(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["export", "ssh"]) == 0
    out, err = capfd.readouterr()
    assert "Host a\n    User me\n" in out
    assert err == ""


def test_a_file_is_not_replaced_unasked(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["export", "ssh", "-o", "config"]) == 0
    written = (folder / "config").read_text()
    assert "Host a" in written
    (folder / "config").write_text("mine")
    assert cli.run(["export", "ssh", "-o", "config"]) == 2
    assert "config exists already. --force replaces it." in capfd.readouterr().err
    assert (folder / "config").read_text() == "mine"
    assert cli.run(["export", "ssh", "-o", "config", "--force"]) == 0
    assert (folder / "config").read_text() == written
    assert sorted(path.name for path in folder.iterdir()) == ["config", "nodes.yaml"]


def test_a_place_that_cannot_be_written(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["export", "mlx", "-o", "no/such/folder"]) == 1
    assert "no/such/folder cannot be written: No such file" in capfd.readouterr().err


def test_an_unknown_format_and_job(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["export", "slurm"]) == 2
    assert "'ssh', 'mlx'" in capfd.readouterr().err
    assert cli.run(["--job", "x", "export", "mlx"]) == 2
