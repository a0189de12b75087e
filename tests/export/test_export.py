"""Exported forms, each read by its real reader where that is here."""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import yaml

from fleetctl.cli.export import FORMATS
from fleetctl.config import load, load_text
from fleetctl.errors import UsageError
from fleetctl.model.jobs import Job
from fleetctl.model.topology import Fleet

GUIDE = load(Path(__file__).parents[2] / "nodes.yaml")
EDP = GUIDE.jobs["edp"]
ODD = """\
fleet: odd
internet: null
networks:
  lan: {cidr: 192.168.7.0/24, kind: '<w&fi "x">', control: true}
nodes:
  one:
    ssh:
      {host: 192.168.7.1, user: me, port: 2222, identity_file: '~/my keys/id "1"',
       proxy_jump: 'pi@gate:2200', connect_timeout: 2.5}
    addresses: {lan: 192.168.7.1}
  two: {}
  three.local: {connection: none, addresses: {lan: 192.168.7.3}}
"""


def odd() -> Fleet:
    return load_text(ODD, "nodes.yaml")


def exported(form: str, fleet: Fleet = GUIDE, job: Job | None = EDP) -> str:
    return FORMATS[form](fleet, job)


def test_an_address_that_dhcp_gives_is_no_address_of_a_hostfile() -> None:
    leased = load_text(ODD.replace("{lan: 192.168.7.1}", "{lan: dhcp}"), "nodes.yaml")
    assert 'label="dhcp"' in exported("dot", leased, None)
    assert "network_lan" in exported("ansible", leased, None)
    named = ODD.replace("host: 192.168.7.1", "host: one.local")
    named = named.replace("{lan: 192.168.7.1}", "{lan: dhcp}").replace("  two: {}\n", "")
    with pytest.raises(UsageError, match=r"nodes\.yaml has only dhcp of 'one'"):
        exported("mpi", load_text(named, "nodes.yaml"), None)
    by_number = named.replace("host: one.local", "host: 192.168.7.1")
    assert "192.168.7.1" in exported("mpi", load_text(by_number, "nodes.yaml"), None)


# ssh


def asked(tmp_path: Path, text: str, host: str) -> dict[str, str]:
    """What ``ssh -G`` reads for ``host``."""
    file = tmp_path / "config"
    file.write_text(text)
    done = subprocess.run(
        ["ssh", "-G", "-F", file, host], capture_output=True, text=True, timeout=10, check=True
    )
    return dict(line.split(" ", 1) for line in done.stdout.splitlines() if " " in line)


def test_ssh_reads_its_block(tmp_path: Path) -> None:
    found = asked(tmp_path, exported("ssh"), "pi4")
    assert found["hostname"] == "192.168.1.24"
    assert found["user"] == "pi"
    assert found["identityfile"] == "~/.ssh/macmini_cluster"
    assert found["connecttimeout"] == "5"
    assert "Host macbook" not in exported("ssh")


def test_ssh_reads_values_with_blanks_and_quotes(tmp_path: Path) -> None:
    found = asked(tmp_path, exported("ssh", odd(), None), "one")
    assert (found["port"], found["proxyjump"]) == ("2222", "pi@gate:2200")
    assert found["identityfile"] == '~/my keys/id "1"'
    assert found["connecttimeout"] == "3"


def test_a_value_with_the_end_of_a_line_is_refused() -> None:
    fleet = load_text(ODD.replace("'~/my keys/id \"1\"'", '"a\\nProxyCommand x"'), "nodes.yaml")
    with pytest.raises(UsageError, match="cannot be written"):
        exported("ssh", fleet, None)


# hostfiles


def test_mlx_has_a_name_and_an_address_for_each_rank() -> None:
    assert json.loads(exported("mlx")) == [
        {"ssh": "mini1", "ips": ["10.10.0.1"]},
        {"ssh": "mini2", "ips": ["10.10.0.2"]},
        {"ssh": "mini3", "ips": ["10.10.0.3"]},
        {"ssh": "pi5", "ips": ["192.168.50.2"]},
        {"ssh": "pi4", "ips": ["192.168.51.4"]},
    ]


def test_mlx_of_nodes_without_addresses() -> None:
    assert json.loads(exported("mlx", odd(), None)) == [
        {"ssh": "one", "ips": ["192.168.7.1"]},
        {"ssh": "two", "ips": []},
    ]


def hosts(text: str) -> list[str]:
    return [line for line in text.splitlines() if not line.startswith("#")]


@pytest.mark.parametrize("form", ["mpi", "torchrun"])
def test_hostfiles_are_in_the_order_of_ranks(form: str) -> None:
    addresses = ["10.10.0.1", "10.10.0.2", "10.10.0.3", "192.168.50.2", "192.168.51.4"]
    assert hosts(exported(form)) == [f"{address} slots=1" for address in addresses]


def test_torchrun_has_the_line_of_each_node() -> None:
    line = exported("torchrun").splitlines()[3]
    assert line == (
        "# pi5: torchrun --nnodes 5 --node-rank 3 --master-addr 10.10.0.1 --master-port 65432 …"
    )


def test_a_node_without_an_address_is_named() -> None:
    with pytest.raises(UsageError, match="'two'"):
        exported("mpi", odd(), None)


def test_a_fleet_without_a_login_has_no_hosts() -> None:
    fleet = load_text("fleet: f\nnodes: {a: {connection: none}}\n", "nodes.yaml")
    with pytest.raises(UsageError, match="no node that can be logged into"):
        exported("mlx", fleet, None)


# ansible


def inventory(fleet: Fleet, job: Job | None) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(exported("ansible", fleet, job))["all"]
    return found


def test_ansible_has_hosts_and_groups() -> None:
    found = inventory(GUIDE, EDP)
    assert found["hosts"]["pi4"] == {
        "ansible_host": "192.168.1.24",
        "ansible_user": "pi",
        "ansible_ssh_private_key_file": "~/.ssh/macmini_cluster",
    }
    assert found["hosts"]["macbook"] == {"ansible_connection": "local"}
    assert "ipad" not in found["hosts"]
    groups = {name: list(group["hosts"]) for name, group in found["children"].items()}
    assert groups["role_gateway"] == ["mini1", "mini3"]
    assert groups["service_worker"] == ["mini2", "mini3", "pi5", "pi4"]
    assert groups["network_edge51"] == ["mini3", "pi4"]


def test_ansible_goes_through_a_jump_host() -> None:
    host = inventory(odd(), None)["hosts"]["one"]
    assert host["ansible_port"] == 2222
    assert shlex.split(host["ansible_ssh_common_args"]) == ["-o", "ProxyJump=pi@gate:2200"]


@pytest.mark.long
def test_ansible_reads_it(tmp_path: Path) -> None:
    assert shutil.which("ansible-inventory"), "apt-get install ansible-core"
    file = tmp_path / "inventory.yaml"
    file.write_text(exported("ansible"))
    done = subprocess.run(
        ["ansible-inventory", "-i", file, "--host", "mini1"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert json.loads(done.stdout)["ansible_host"] == "192.168.1.11"


# pictures


def texts(picture: str) -> list[str]:
    root = ElementTree.fromstring(picture)
    return [element.text or "" for element in root.iter("{http://www.w3.org/2000/svg}text")]


def test_the_picture_names_nodes_networks_and_services() -> None:
    found = " ".join(texts(exported("svg")))
    for text in ("mini1", "ipad", "10.10.0.3", "edge51 192.168.51.0/24", "worker"):
        assert text in found
    assert "?" not in found


def test_the_picture_escapes_what_the_file_says() -> None:
    assert any('<w&fi "x">' in text for text in texts(exported("svg", odd(), None)))


def test_dot_quotes_what_the_file_says() -> None:
    assert r"\"x\"" in exported("dot", odd(), None)
    assert '"node pi5" -- "node mini1"' in exported("dot")


@pytest.mark.long
@pytest.mark.parametrize("fleet", [GUIDE, odd()])
def test_graphviz_reads_it(fleet: Fleet) -> None:
    assert shutil.which("dot"), "apt-get install graphviz"
    text = exported("dot", fleet, next(iter(fleet.jobs.values()), None))
    subprocess.run(["dot", "-Tplain"], input=text, text=True, timeout=30, check=True)
