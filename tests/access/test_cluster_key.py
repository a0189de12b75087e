"""The key on this machine: found, closed to others, made; keys are ssh-keygen's."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from fleetctl.access import cluster_key
from fleetctl.errors import FleetctlError
from tests.openssh import fingerprint, make_key, public_key
from tests.processes import killed_at_end


def test_there_is_none(tmp_path: Path) -> None:
    assert cluster_key.find(str(tmp_path / "key")) is None


def test_one_is_made_once(client_home: Path) -> None:
    made = cluster_key.make("~/.ssh/new/cluster", "my minis; $(date)")
    path = client_home / ".ssh" / "new" / "cluster"
    assert made.path == "~/.ssh/new/cluster"
    assert made.public.line == path.with_suffix(".pub").read_text().strip()
    assert made.public.line.endswith(" my minis; $(date)")
    assert made.public.fingerprint == fingerprint(path)
    assert cluster_key.usable(made)
    before = path.read_bytes()
    with pytest.raises(FleetctlError, match="ssh-keygen cannot make"):
        cluster_key.make("~/.ssh/new/cluster", "again")
    assert path.read_bytes() == before


@pytest.mark.parametrize("kind", ["ed25519", "rsa", "ecdsa"])
def test_the_public_half_is_the_private_one_s(tmp_path: Path, kind: str) -> None:
    path, other = make_key(tmp_path / "key", kind=kind), make_key(tmp_path / "other")
    found = cluster_key.find(str(path))
    assert found
    assert found.public.line == f"{public_key(path)} key"
    shutil.copy(f"{other}.pub", f"{path}.pub")
    assert cluster_key.find(str(path)) == found
    Path(f"{path}.pub").unlink()
    assert cluster_key.find(str(path)) == found


def test_one_that_others_can_read_is_closed(tmp_path: Path) -> None:
    path = make_key(tmp_path / "key")
    path.chmod(0o644)
    found = cluster_key.find(str(path))
    assert found
    assert found.mode == 0o644
    cluster_key.close(found)
    again = cluster_key.find(str(path))
    assert again
    assert again.mode == 0


def test_one_with_a_passphrase_is_usable_with_the_agent(
    client_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make_key(client_home / "key", passphrase="secret")
    found = cluster_key.find(str(path))
    assert found
    assert found.public.line.startswith(public_key(path))
    assert found.public.locked
    assert not cluster_key.usable(found)
    open_one = client_home / "open"
    shutil.copy(path, open_one)
    change = ["ssh-keygen", "-q", "-p", "-P", "secret", "-N", "", "-f", str(open_one)]
    subprocess.run(change, check=True, stdout=subprocess.DEVNULL)
    argv = ["ssh-agent", "-D", "-a", str(client_home / "agent")]
    with killed_at_end(argv, stdout=subprocess.PIPE) as agent:
        assert agent.stdout
        agent.stdout.readline()  # it listens
        monkeypatch.setenv("SSH_AUTH_SOCK", str(client_home / "agent"))
        subprocess.run(["ssh-add", "-q", str(open_one)], check=True)
        assert cluster_key.usable(found)


def test_what_is_no_key_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text("nothing")
    with pytest.raises(FleetctlError, match="no key that can be read"):
        cluster_key.find(str(path))
    make_key(tmp_path / "half")
    (tmp_path / "half").unlink()
    with pytest.raises(FleetctlError, match=r"there is .*half\.pub, but not the private key"):
        cluster_key.find(str(tmp_path / "half"))
    public = cluster_key.find(str(tmp_path / "half.pub"))
    assert public
    assert not public.public.private
    assert public.mode == 0
    with pytest.raises(FleetctlError, match="cannot be read as a key"):
        cluster_key.find(str(tmp_path))
