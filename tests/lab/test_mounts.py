"""Folders of this machine that nodes of a lab can read: where they may be, and what comes along."""

from __future__ import annotations

import venv
from pathlib import Path

import pytest
from msgspec.structs import replace

from fleetctl import config
from fleetctl.errors import LabError
from fleetctl.lab import Lab
from fleetctl.lab.draft import draw
from fleetctl.lab.mounts import Mount, checked
from tests.conftest import MakeLab

FLEET = """
fleet: mounted
internet: null
networks: {lan: {cidr: 10.0.0.0/24, control: true}}
nodes:
  pi: {ssh: {host: 10.0.0.1, user: pi}, addresses: {lan: 10.0.0.1}}
  mac: {os: macos, ssh: {host: 10.0.0.2, user: me}, addresses: {lan: 10.0.0.2}}
"""
PLAN = draw(config.load_text(FLEET, "/x/nodes.yaml"))


@pytest.mark.parametrize(
    ("place", "says"),
    [
        ("/usr/local/venv", "a node's own /usr is there"),
        ("/etc", "a node's own /etc is there"),
        ("/var/../etc/x", "a node's own /etc is there"),
        ("/System/x", "a node's own /System is there"),
        ("/", "must be a place like"),
        ("~", "must be a place like"),
        ("venv", "must be a place like"),
        ("~/../x", "must be a place like"),
        ("/tmp", "hide a node's own /tmp"),
        ("/home/pi", "hide a node's own /home/pi"),
        ("/home", "hide a node's own /home"),
        ("/Users/me", "hide a node's own /Users/me"),
    ],
)
def test_nothing_of_a_node_s_own_is_hidden(tmp_path: Path, place: str, says: str) -> None:
    with pytest.raises(LabError, match=says):
        checked([(tmp_path, place)], PLAN)


def test_places_are_the_same_path_or_in_the_home(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    found = checked([(tmp_path / "link", None), (tmp_path, "~/a/./b"), (tmp_path, "/v/x/")], PLAN)
    here = str(tmp_path)
    places = (f"{tmp_path}/link", "~/a/b", "/v/x")
    assert found.mounts == tuple(Mount(here, place) for place in places)
    pi, mac = PLAN.machine("pi"), PLAN.machine("mac")
    assert found.mounts[1].path_on(pi) == "/home/pi/a/b"
    assert found.mounts[1].path_on(replace(mac, home="/Users/me")) == "/Users/me/a/b"
    with pytest.raises(LabError, match="there is no such folder"):
        checked([(tmp_path / "none", None)], PLAN)


def test_the_python_of_a_venv_comes_along_by_both_its_names(tmp_path: Path) -> None:
    base = tmp_path / "pythons/3.12.1"
    (base / "bin").mkdir(parents=True)
    (base / "bin/python3.12").touch()
    (tmp_path / "pythons/3.12").symlink_to(base)
    made = tmp_path / "project/.venv"
    (made / "bin").mkdir(parents=True)
    (made / "bin/python").symlink_to(base / "bin/python3.12")
    (made / "pyvenv.cfg").write_text(f"home = {tmp_path}/pythons/3.12/bin\nversion = 3.12.1\n")
    found = checked([(tmp_path / "project", None)], PLAN)
    assert [mount.place for mount in found.mounts] == [
        f"{tmp_path}/project",
        f"{tmp_path}/pythons/3.12",
        str(base),
    ]
    assert f"its Python in {base} comes along, read-only" in found.notes

    (made / "bin/python").unlink()
    (made / "bin/python").symlink_to("/usr/bin/python3.11")
    (made / "pyvenv.cfg").write_text("home = /usr/bin\n")
    found = checked([(tmp_path / "project", None)], PLAN)
    assert [mount.place for mount in found.mounts] == [f"{tmp_path}/project"]
    assert found.pythons == (Path("/usr/bin/python3.11"),)


@pytest.mark.long
@pytest.mark.lab
def test_a_venv_works_on_nodes_of_both_systems_and_stays_as_it_is(
    make_lab: MakeLab, tmp_path: Path
) -> None:
    made = tmp_path / "made"
    venv.create(made, symlinks=True)
    packages = next(made.glob("lib/python*/site-packages"))
    (packages / "tiny.py").write_text("import ssl, sys\nprint('tiny', sys.prefix)\n")
    (made / "bin/tiny").write_text(f"#!{made}/bin/python\nimport tiny\n")
    (made / "bin/tiny").chmod(0o755)
    lab = make_lab(FLEET, mounts=[(made, None), (made, "~/envs/other")])
    assert lab.status()["mounts"][str(made)] == str(made)

    def works_everywhere(lab: Lab) -> None:
        for node in ("pi", "mac", "controller"):
            done = lab.run(
                node, ["sh", "-c", f"{made}/bin/tiny && ~/envs/other/bin/python -m tiny"]
            )
            home = lab.run(node, ["sh", "-c", "cd; pwd -P"]).stdout.decode().strip()
            assert done.stdout.decode().splitlines() == [
                f"tiny {made}",
                f"tiny {home}/envs/other",
            ], done.stderr

    works_everywhere(lab)
    for user in (None, "root"):
        done = lab.run("pi", ["touch", f"{made}/new"], user=user)
        assert b"Read-only file system" in done.stderr
    assert lab.run("pi", ["mkdir", "/home/pi/envs/mine"]).returncode == 0
    lab.fault("power-off", "pi")
    lab.heal()
    works_everywhere(lab)
