"""The block in ~/.ssh/config, and what ssh makes of it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from fleetctl.access import ssh_config_file
from fleetctl.access.ssh_block import Host, block, others, put_in
from fleetctl.errors import FleetctlError

MINI = Host("mini1", "192.168.1.11", "yuvrajsingh1", None, "~/.ssh/macmini_cluster")
PI = Host("pi4", "192.168.1.24", "pi", 2222, "~/my keys/100%", "~/hosts", "mini1")
WRITTEN = """\
# >>> fleetctl: smol >>> written by `fleetctl keys --ssh-config`, and again by it

Host mini1
    HostName 192.168.1.11
    User yuvrajsingh1
    IdentityFile ~/.ssh/macmini_cluster
    IdentitiesOnly yes

Host pi4
    HostName 192.168.1.24
    User pi
    Port 2222
    IdentityFile "~/my keys/100%%"
    IdentitiesOnly yes
    UserKnownHostsFile ~/hosts
    ProxyJump mini1

Host *
# <<< fleetctl: smol <<<
"""
THEIRS = b"User me\r\nCompression yes\n\nHost pi4 mini1\n  User wrong\nHost *\n  Port 7\n# \xff"


def test_the_block() -> None:
    assert block("smol", [MINI, PI]) == WRITTEN


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"", "{block}"),
        (THEIRS, "{block}\n{theirs}"),
        (b"Host a\n" + block("smol", [PI]).encode() + THEIRS, "Host a\n{block}{theirs}"),
        (block("other", [PI]).encode(), "{block}\n{other}"),
    ],
)
def test_every_other_byte_stays(before: bytes, after: str) -> None:
    wanted = after.encode().replace(b"{block}", WRITTEN.encode()).replace(b"{theirs}", THEIRS)
    wanted = wanted.replace(b"{other}", block("other", [PI]).encode())
    assert put_in(before, "smol", WRITTEN) == wanted
    assert put_in(wanted, "smol", WRITTEN) == wanted


@pytest.mark.parametrize("line", [0, -1])
def test_a_block_without_an_end_is_refused(line: int) -> None:
    lines = WRITTEN.splitlines()
    del lines[line]
    with pytest.raises(FleetctlError, match="not one beginning and one end"):
        put_in("\n".join(lines).encode(), "smol", WRITTEN)
    with pytest.raises(FleetctlError, match="not one beginning and one end"):
        put_in(WRITTEN.encode() * 2, "smol", WRITTEN)


def test_other_entries_for_the_same_nodes() -> None:
    config = put_in(THEIRS, "smol", WRITTEN)
    line = config[: config.index(b"Host pi4 mini1")].count(b"\n") + 1
    assert others(config, ["mini1", "pi4", "pi5"], "smol") == {"mini1": line, "pi4": line}


def test_a_path_that_cannot_be_written() -> None:
    with pytest.raises(FleetctlError, match="cannot be written"):
        block("smol", [Host("pi4", identity_file='a"b')])


def test_ssh_takes_the_block_and_then_what_was_there(tmp_path: Path) -> None:
    file = tmp_path / "config"
    file.write_bytes(put_in(THEIRS, "smol", WRITTEN))

    def asked(host: str) -> list[str]:
        said = subprocess.run(
            ["ssh", "-G", "-F", str(file), host], capture_output=True, text=True, check=True
        )
        return said.stdout.splitlines()

    pi4 = {"user pi", "port 2222", "hostname 192.168.1.24", "proxyjump mini1", "compression yes"}
    assert pi4 <= set(asked("pi4"))
    assert "identityfile ~/my keys/100%%" in asked("pi4")
    assert {"user me", "port 7", "compression yes"} <= set(asked("elsewhere"))


def test_a_file_that_ssh_refuses_is_not_put_in_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "kept").write_text("Port 7\n")
    (tmp_path / ".ssh").mkdir()
    (tmp_path / ".ssh" / "config").symlink_to("../kept")
    with pytest.raises(FleetctlError, match=r"ssh refuses ~/\.ssh/config with the block: .*prot"):
        ssh_config_file.replace(b"Prot 7\n", "pi4")
    assert ssh_config_file.read() == b"Port 7\n"
    ssh_config_file.replace(b"Port 8\n", "pi4")
    assert (tmp_path / "kept").read_text() == "Port 8\n"
    assert (tmp_path / ".ssh" / "config").is_symlink()
    assert sorted(path.name for path in tmp_path.iterdir()) == [".ssh", "kept"]
