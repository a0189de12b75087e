"""The folder is whole or not there, nobody else's, and its archive has the same."""

from __future__ import annotations

import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

from fleetctl.errors import FleetctlError
from fleetctl.postmortem import folder
from fleetctl.postmortem.folder import write_folder

FILES = {"report.md": "# x\n", "logs/w@a.log": "one\udcff\n"}


def test_a_second_one_is_beside_the_first(tmp_path: Path) -> None:
    made = [write_folder(tmp_path, "pm", FILES, archive=True) for _ in range(2)]
    assert made[0][0].name == "pm"
    assert made[1][0].name == "pm-2"
    assert made[1][1].name.startswith("pm-2.tar.")
    assert set(tmp_path.iterdir()) == {path for two in made for path in two}
    assert made[0][0].stat().st_mode & 0o777 == 0o700
    assert (made[0][0] / "logs/w@a.log").read_text() == "one?\n"
    for path in made[0][0].rglob("*"):
        assert path.stat().st_mode & 0o077 == 0
    assert made[0][1].stat().st_mode & 0o777 == 0o600


def test_without_zstd_it_is_gzip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fleetctl.postmortem.folder.shutil.which", lambda _: None)
    _, archive = write_folder(tmp_path, "pm", FILES, archive=True)
    if archive.suffix == ".gz":
        with tarfile.open(archive) as tar:
            names = tar.getnames()
        assert "pm/logs/w@a.log" in names


def test_zstd_is_read_by_its_own_program(tmp_path: Path) -> None:
    _, archive = write_folder(tmp_path, "pm", FILES, archive=True)
    if archive.suffix == ".zst" and shutil.which("zstd"):
        done = subprocess.run(
            ["zstd", "-q", "-t", str(archive)], timeout=20, check=False, capture_output=True
        )
        assert done.returncode == 0, done


def test_nothing_is_left_of_what_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(FleetctlError, match="nothing can be written to"):
        write_folder(file, "pm", FILES, archive=False)

    def full(*_: object) -> Path:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(folder, "_packed", full)
    with pytest.raises(FleetctlError, match="No space left on device"):
        write_folder(tmp_path, "pm", FILES, archive=True)
    assert list(tmp_path.iterdir()) == [file]
