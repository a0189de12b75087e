"""What lasting repairs write for systemd-networkd, dhcpcd and ifupdown, written for real below
another root, read by the script that asks a node for it, and taken back."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from fleetctl.health.remedies import plans
from fleetctl.model.setup import InterfaceSetup, NetworkSetup
from fleetctl.model.status import RepairStep
from fleetctl.probes.setup import MANAGERS_LINUX, with_managers
from tests.health.test_interface_files import ADDRESS, ROUTE
from tests.health.test_remedies import FLEET, PI5

LINK = {
    "sys/class/net/eth0/ifindex": "2\n",
    "run/systemd/netif/links/2": "ADMIN_STATE=configured\nNETWORK_FILE={}\n",
}
USERS = "# Zürich \N{SNOWMAN} \"$HOME\" `x` 'y' \\ %s\n"


def networkd(file: str, text: str) -> dict[str, str]:
    links = {name: said.format(f"/{file}") for name, said in LINK.items()}
    return {**links, file: text}


TREES = {
    "networkd, one interface": networkd(
        "usr/lib/systemd/network/eth0.network", "[Match]\nName=eth0\n"
    ),
    "networkd, with drop-ins": {
        **networkd("etc/systemd/network/eth0.network", "[Match]\nMACAddress=0a:00:00:00:00:01\n"),
        "etc/systemd/network/eth0.network.d/z.conf": "[Network]\nDHCP=no\n",
    },
    "networkd, all interfaces": networkd(
        "etc/systemd/network/20-wired.network", "[Match]\nName=e*\n\n[Network]\nDHCP=yes\n"
    ),
    "dhcpcd": {
        "sys/class/net/eth0/ifindex": "2\n",
        "run/dhcpcd/pid": "7\n",
        "etc/dhcpcd.conf": f"{USERS}hostname\n\ninterface wlan0\nstatic routers=10.1.1.1\n",
    },
    "ifupdown": {
        "sys/class/net/eth0/ifindex": "2\n",
        "sbin/ifup": "",
        "etc/network/interfaces": "source interfaces.d/*\nauto eth0\niface eth0 inet manual\n",
        "etc/network/interfaces.d/users": USERS,
    },
}


def plant(root: Path, tree: Mapping[str, str]) -> None:
    for name, text in tree.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(below(root, text) if name.startswith("run/") else text)


def below(root: Path, text: str) -> str:
    """A script whose files are below ``root``."""
    return re.sub(r"(?<![\w$}*])/(?=(?:etc|run|sys|sbin|usr/lib)\b)", f"{root}/", text)


def read(root: Path) -> NetworkSetup:
    done = subprocess.run(["sh", "-c", below(root, MANAGERS_LINUX)], capture_output=True, text=True)
    assert done.stderr == ""
    setup = NetworkSetup(unknown={"profiles": "there is no NetworkManager"})
    return with_managers(setup, done.stdout.replace(str(root), ""))


def run(root: Path, command: str) -> None:
    script = below(root, command.removeprefix("sudo ")).replace("chown 0:0", "true")
    subprocess.run(["sh", "-c", f"umask 022; {script}"], check=True)


def kept(root: Path) -> dict[str, bytes | None]:
    """All files with their texts, and all folders."""
    return {
        str(path.relative_to(root)): path.read_bytes() if path.is_file() else None
        for path in (root / "etc").rglob("*")
    }


def eth0(setup: NetworkSetup) -> InterfaceSetup:
    return setup.interfaces["eth0"]


@pytest.mark.parametrize("tree", TREES.values(), ids=TREES)
def test_what_is_written_is_read_and_taken_back(tmp_path: Path, tree: dict[str, str]) -> None:
    (tmp_path / "etc/systemd/network").mkdir(parents=True)
    (tmp_path / "etc/network/interfaces.d").mkdir(parents=True)
    plant(tmp_path, tree)
    before = kept(tmp_path)
    first = read(tmp_path)
    made = list(plans(FLEET, [ADDRESS, ROUTE], PI5, first))
    steps: list[RepairStep] = [s for p in made for s in p.steps]
    assert len(steps) == 2
    for step in steps:
        run(tmp_path, step.command)

    after = read(tmp_path)
    assert made[-1].setup
    planned, found = eth0(made[-1].setup), eth0(after)
    assert (found.addresses, found.routes) == (planned.addresses, planned.routes)
    assert (found.own, found.where) == (planned.own, planned.where)
    again = list(plans(FLEET, [ADDRESS, ROUTE], PI5, after))
    assert not any(p.steps or p.notes for p in again)
    for name, text in before.items():
        if text is not None:
            assert text in (tmp_path / name).read_bytes()

    for step in reversed(steps):
        run(tmp_path, step.undo)
    assert kept(tmp_path) == before
    assert read(tmp_path) == first


def test_a_last_line_without_its_end_stays_a_line(tmp_path: Path) -> None:
    tree = {**TREES["dhcpcd"], "etc/dhcpcd.conf": "hostname"}
    plant(tmp_path, tree)
    [step] = [s for p in plans(FLEET, [ADDRESS], PI5, read(tmp_path)) for s in p.steps]
    run(tmp_path, step.command)
    text = (tmp_path / "etc/dhcpcd.conf").read_text()
    assert text.startswith("hostname\n# fleetctl eth0 begin\ninterface eth0\n")
    run(tmp_path, step.undo)
    assert (tmp_path / "etc/dhcpcd.conf").read_text() == "hostname\n"
