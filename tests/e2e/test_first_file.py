"""init on the lab: the guide's cluster from its machines alone, finished and out of the box."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from fleetctl.config import load
from fleetctl.lab import Lab
from fleetctl.model.topology import Fleet
from tests.conftest import MakeLab
from tests.e2e.guide import GUIDE_MACS

pytestmark = [pytest.mark.lab, pytest.mark.long]

HOSTS = {
    "mini1": ("192.168.1.11", "yuvrajsingh1"),
    "mini2": ("192.168.1.12", "yuvrajsingh2"),
    "mini3": ("192.168.1.13", "yuvrajsingh3"),
    "pi5": ("192.168.1.25", "pi"),
    "pi4": ("192.168.1.24", "pi"),
}


@pytest.fixture(scope="module")
def lab(make_lab: MakeLab) -> Iterator[Lab]:
    """pi4 is behind mini3 for the user of the controller: ``~/.ssh/config`` has the jump."""
    lab = make_lab(GUIDE_MACS)
    blocks = [
        f"Host {n}\n  HostName {h}\n  User {u}\n" for n, (h, u) in HOSTS.items() if n != "pi4"
    ]
    blocks.append(
        "Host pi4\n  HostName 192.168.51.4\n  User pi\n  ProxyJump mini3\n"
        "  HostKeyAlias 192.168.1.24\n"
    )
    (lab.home / ".ssh" / "config").write_text("".join(blocks))
    yield lab


def init(lab: Lab, file: str, *hosts: str) -> tuple[Fleet, str]:
    """The fleet that is written, and what is printed."""
    done = lab.run("controller", ["fleetctl", "init", "-f", file, *hosts], timeout_s=60)
    assert done.returncode == 0, done.stderr.decode()
    return load(lab.home / file), done.stdout.decode()


def networks(fleet: Fleet) -> dict[str, tuple[str, bool, frozenset[str]]]:
    """Kind, control and addresses by subnet."""
    return {
        str(network.cidr): (
            network.kind,
            network.control,
            frozenset(
                f"{node.name} {node.addresses[name]}"
                for node in fleet.nodes.values()
                if name in node.addresses and node.name in HOSTS
            ),
        )
        for name, network in fleet.networks.items()
    }


def test_the_cluster_as_it_is(lab: Lab, tmp_path: Path) -> None:
    (tmp_path / "nodes.yaml").write_text(GUIDE_MACS)
    shipped = load(tmp_path / "nodes.yaml")
    fleet, drawn = init(lab, "found.yaml", *HOSTS)
    assert networks(fleet) == networks(shipped)
    names = {str(n.cidr): name for name, n in shipped.networks.items()}
    for name in HOSTS:
        via = {names[str(fleet.networks[n].cidr)]: g for n, g in fleet.nodes[name].via.items()}
        assert (via, fleet.nodes[name].gateway) == (
            shipped.nodes[name].via,
            shipped.nodes[name].gateway,
        )
    assert "guessed" not in (lab.home / "found.yaml").read_text().split("nodes:")[1]
    assert "• mini1" in drawn
    checked = lab.run("controller", ["fleetctl", "-f", "found.yaml", "check", "--json"])
    problems = json.loads(checked.stdout)["problems"]
    assert [p for p in problems if p["severity"] == "error"] == []
    again = lab.run("controller", ["fleetctl", "init", "-f", "found.yaml", "--merge"])
    assert b"nothing to add" in again.stdout


def test_machines_out_of_their_boxes(lab: Lab) -> None:
    """Only Wi-Fi has addresses; cables and bridges are found, and numbered as in the guide."""
    for pi in ("pi5", "pi4"):
        lab.run(pi, ["ip", "addr", "flush", "dev", "eth0"], user="root")
    for mini in ("mini1", "mini2", "mini3"):
        for device in ("en0", "bridge0"):
            said = lab.run(mini, ["ifconfig", device]).stdout.decode()
            for address in re.findall(r"inet (\S+)", said):
                lab.run(mini, ["ifconfig", device, "inet", address, "delete"], user="root")
    config = lab.home / ".ssh" / "config"
    config.write_text(config.read_text().replace("HostName 192.168.51.4", "HostName 192.168.1.24"))
    fleet, _ = init(lab, "fresh.yaml", *HOSTS)
    assert networks(fleet) == {
        "192.168.1.0/24": ("wifi", True, frozenset(f"{n} {h}" for n, (h, _) in HOSTS.items())),
        "10.10.0.0/24": (
            "thunderbolt",
            False,
            frozenset({"mini1 10.10.0.1", "mini2 10.10.0.2", "mini3 10.10.0.3"}),
        ),
        "192.168.50.0/24": (
            "ethernet",
            False,
            frozenset({"mini1 192.168.50.1", "pi5 192.168.50.2"}),
        ),
        "192.168.51.0/24": (
            "ethernet",
            False,
            frozenset({"mini3 192.168.51.1", "pi4 192.168.51.2"}),
        ),
    }
    assert [n for n, node in fleet.nodes.items() if node.gateway] == ["mini1", "mini3"]
    assert {n: dict(fleet.nodes[n].via) for n in ("pi5", "pi4")} == {
        "pi5": {"fabric": "mini1"},
        "pi4": {"fabric": "mini3"},
    }
