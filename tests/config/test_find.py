"""Which file is read, and the errors if it cannot be."""

from __future__ import annotations

from pathlib import Path

import pytest

from fleetctl.config import find, load
from fleetctl.errors import ConfigError

TEXT = "fleet: f\nnodes: {n: }\n"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory in an empty home folder."""
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("FLEETCTL_CONFIG", raising=False)
    return tmp_path


def write(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(TEXT)
    return path


def test_the_order_of_the_places(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    at_home = write(home / ".config" / "fleetctl" / "nodes.yaml")
    assert find(None) == at_home
    write(home / "here" / "nodes.yaml")
    assert find(None) == Path("nodes.yaml")
    named = write(home / "named.yaml")
    monkeypatch.setenv("FLEETCTL_CONFIG", str(named))
    assert find(None) == named
    explicit = write(home / "explicit.yaml")
    assert find(explicit) == explicit


def test_no_file_at_all(home: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        find(None)
    (mistake,) = caught.value.mistakes
    assert mistake == f"there is no nodes.yaml and no {home}/.config/fleetctl/nodes.yaml"
    assert "-f FILE" in caught.value.hint


def test_a_named_file_that_is_missing_is_not_replaced_by_another(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(home / "here" / "nodes.yaml")
    with pytest.raises(ConfigError, match=r"absent.yaml: there is no such file \(named with -f\)"):
        find(Path("absent.yaml"))
    monkeypatch.setenv("FLEETCTL_CONFIG", "other.yaml")
    with pytest.raises(ConfigError, match=r"other.yaml: .*FLEETCTL_CONFIG"):
        find(None)


def test_a_folder_is_no_file(home: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
        load(home)


def test_a_name_that_no_file_can_have(home: Path) -> None:
    with pytest.raises(ConfigError):
        load(Path("a\0b"))
    with pytest.raises(ConfigError):
        find(Path("a\0b"))
    with pytest.raises(ConfigError, match="File name too long"):
        load(Path("x" * 5000))


def test_bytes_that_are_no_text_are_reported_with_their_place(home: Path) -> None:
    path = home / "nodes.yaml"
    path.write_bytes("fleet: é\nnodes: {é: ".encode() + b"\xff}\n")
    with pytest.raises(ConfigError) as caught:
        load(path)
    (mistake,) = caught.value.mistakes
    assert mistake.startswith(f"{path}:2:12: not UTF-8 text: ")
    assert "0xff" in mistake


def test_a_file_that_never_ends_is_refused() -> None:
    with pytest.raises(ConfigError, match="larger than 4 MiB"):
        load(Path("/dev/zero"))
