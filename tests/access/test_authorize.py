"""What is run on a node to put a key there, on this machine's sh."""

from __future__ import annotations

import os
import stat
import subprocess
from pathlib import Path

import pytest

from fleetctl.access.authorize import Authorized, read, script
from tests.access.conftest import needs_root

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKey test"
OTHER = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOther other"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    path = tmp_path / "home"
    path.mkdir(mode=0o755)
    return path


def put(home: Path, before: str = "", line: str = KEY) -> subprocess.CompletedProcess[str]:
    """Run it, with a shell text before it in the same shell."""
    return subprocess.run(
        ["sh", "-c", f"{before}\n{script()}"],
        input=f"{line}\n",
        env={"HOME": str(home), "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )


def authorized(home: Path) -> str:
    return (home / ".ssh" / "authorized_keys").read_text()


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_fresh_account(home: Path) -> None:
    done = put(home)
    assert read(done.stdout) == Authorized(added=True, closed=())
    assert authorized(home) == f"{KEY}\n"
    assert mode(home / ".ssh") == 0o700
    assert mode(home / ".ssh" / "authorized_keys") == 0o600
    assert [path.name for path in (home / ".ssh").iterdir()] == ["authorized_keys"]
    assert read(put(home).stdout) == Authorized(added=False, closed=())
    assert authorized(home) == f"{KEY}\n"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (f"{OTHER}\n", f"{OTHER}\n{KEY}\n"),
        (OTHER, f"{OTHER}\n{KEY}\n"),  # its last line has no end
        (f"# {KEY}\n", f"# {KEY}\n{KEY}\n"),
        (f'from="10.0.0.1" {KEY}\n', f'from="10.0.0.1" {KEY}\n'),
        (KEY.replace(" test", " another comment"), KEY.replace(" test", " another comment")),
    ],
)
def test_what_is_there_stays(home: Path, before: str, after: str) -> None:
    (home / ".ssh").mkdir(mode=0o700)
    file = home / ".ssh" / "authorized_keys"
    file.write_text(before)
    file.chmod(0o640)
    assert put(home).returncode == 0
    assert authorized(home) == after
    assert mode(file) == 0o640


def test_what_others_can_write_is_closed(home: Path) -> None:
    (home / ".ssh").mkdir()
    (home / ".ssh" / "authorized_keys").touch()
    for path in (home, home / ".ssh", home / ".ssh" / "authorized_keys"):
        path.chmod(0o777)
    found = read(put(home).stdout)
    assert found
    assert found.closed == ("the home folder", "~/.ssh", "~/.ssh/authorized_keys")
    assert {mode(home), mode(home / ".ssh"), mode(home / ".ssh" / "authorized_keys")} == {0o755}


@pytest.mark.parametrize("folder", [True, False])
def test_a_symbolic_link_is_followed_to_what_is_the_account_s_own(home: Path, folder: bool) -> None:
    kept = home / "dotfiles"
    kept.mkdir()
    link = home / ".ssh" if folder else home / ".ssh" / "authorized_keys"
    if not folder:
        (home / ".ssh").mkdir()
    link.symlink_to("dotfiles" if folder else "../dotfiles/keys")
    assert put(home).returncode == 0
    assert link.is_symlink()
    assert authorized(home) == f"{KEY}\n"

    kept.chmod(0o777)
    refused = put(home, line=OTHER)
    assert refused.returncode == 1
    assert "others can write" in refused.stderr
    assert authorized(home) == f"{KEY}\n"
    assert mode(kept) == 0o777


@pytest.mark.parametrize(
    ("before", "why"),
    [
        ("rmdir $HOME", "is not there"),
        ("touch $HOME/.ssh", "is no folder"),
        ("mkdir -p $HOME/.ssh/authorized_keys", "is no regular file"),
        ("mkdir $HOME/.ssh; ln -s authorized_keys $HOME/.ssh/authorized_keys", "in a circle"),
        ("mkdir $HOME/.ssh; ln -s a $HOME/.ssh/b; exec </dev/null", "no key came"),
    ],
)
def test_what_cannot_be_is_one_sentence(home: Path, before: str, why: str) -> None:
    done = put(home, before)
    assert done.returncode == 1
    assert why in done.stderr.splitlines()[-1]
    assert read(done.stdout) is None


@needs_root
def test_a_file_of_another_account_is_left_alone(home: Path) -> None:
    (home / ".ssh").mkdir()
    file = home / ".ssh" / "authorized_keys"
    file.write_text(f"{OTHER}\n")
    os.chown(file, 47110, 47110)
    done = put(home)
    assert "belongs to another account" in done.stderr
    assert authorized(home) == f"{OTHER}\n"


@needs_root
def test_a_full_disk_leaves_the_old_file(home: Path) -> None:
    (home / "script").write_text(script())
    full = (
        "mount -t tmpfs -o size=16k none $HOME/.ssh && cd $HOME/.ssh && chmod 700 . && "
        "printf '%05000d\\n' 1 >authorized_keys && cp authorized_keys before && "
        "{ cat /dev/zero >filling; sh ../script; echo status $?; } && "
        "cmp authorized_keys before && ls"
    )
    (home / ".ssh").mkdir()
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", full],
        input=f"{KEY}\n",
        env={"HOME": str(home), "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert done.stdout.split() == ["status", "1", "authorized_keys", "before", "filling"]
    assert done.stderr.endswith("authorized_keys is as it was\n")
