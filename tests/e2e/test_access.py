"""Host keys and the cluster's key, over the networks of a lab."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import pytest

from fleetctl.lab import Lab
from tests.e2e.cluster import User
from tests.e2e.conftest import MakeUser

pytestmark = [pytest.mark.lab, pytest.mark.long]

HUB, MINI, PI = "192.168.1.11", "192.168.1.12", "192.168.1.25"


class Recorded:
    """The controller's known_hosts file."""

    def __init__(self, lab: Lab) -> None:
        self._file = lab.home / ".ssh" / "known_hosts"
        self.before = self._file.read_text()

    @property
    def keys(self) -> dict[str, str]:
        """By address."""
        lines = self._file.read_text().splitlines()
        return dict(line.split(" ", 1) for line in lines)

    def write(self, keys: dict[str, str]) -> None:
        self._file.write_text("".join(f"{host} {key}\n" for host, key in keys.items()))

    def restore(self) -> None:
        self._file.write_text(self.before)


@pytest.fixture
def recorded(lab: Lab) -> Iterator[Recorded]:
    """Restored after the test."""
    found = Recorded(lab)
    yield found
    found.restore()


@pytest.fixture
def someone(user: MakeUser) -> User:
    return user({"worker": {"on": ["mini"], "command": "true"}})


def test_a_trusted_node_speaks_for_new_ones_over_the_cables(
    someone: User, recorded: Recorded
) -> None:
    all_of_them = recorded.keys
    recorded.write({HUB: all_of_them[HUB]})
    said = someone.type("trust", "--yes")
    assert said.code == 0, said.err
    assert "hub sees the same at 10.10.0.2 (fabric)" in said.out
    assert "hub sees the same at 192.168.50.2 (cable)" in said.out
    assert len(recorded.keys) == 3
    again = someone.type("trust")
    assert (again.code, again.out.count("  recorded\n")) == (0, 3)


def test_nodes_that_swapped_addresses(someone: User, recorded: Recorded) -> None:
    keys = recorded.keys
    recorded.write({**keys, MINI: keys[PI], PI: keys[MINI]})
    said = someone.type("trust", "--yes")
    assert said.code == 1
    assert "mini and pi have swapped addresses" in said.out
    assert recorded.keys[MINI] == keys[PI]


def test_a_new_key_goes_where_the_old_one_works(lab: Lab, someone: User) -> None:
    """But not on a full disk, which keeps the old file."""
    ssh = lab.home / ".ssh"
    key = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "new", "-f", str(ssh / "new")]
    subprocess.run(key, check=True)
    someone.path.write_text(
        someone.path.read_text().replace("identity_file: ~/.ssh/cluster\n", "port: 22\n")
    )
    (ssh / "config").write_text("IdentityFile ~/.ssh/new\nIdentityFile ~/.ssh/cluster\n")
    try:
        lab.fault("disk-full", "pi")
        said = someone.type("keys")
        assert said.code == 1
        assert "hub   ● takes the key now" in said.out
        assert "mini  ● takes the key now" in said.out
        assert "pi    ✖ the key cannot be put there" in said.out
        assert "No space left on device" in said.out
        lab.heal()
        assert someone.type("keys").code == 0
        again = someone.type("keys", "--check")
        assert again.code == 0
        assert again.out.count("takes the key already") == 3
    finally:
        (ssh / "config").write_text("")
