"""Hosts from the command line and from files of other programs."""

from __future__ import annotations

import pytest

from fleetctl.discovery.answer import Host
from fleetctl.discovery.hosts import parse_host, ssh_config_hosts, ssh_config_includes
from fleetctl.discovery.sources import file_hosts
from fleetctl.errors import UsageError
from fleetctl.model.topology import SSH


@pytest.mark.parametrize(
    ("text", "ssh", "name"),
    [
        ("mini1", SSH("mini1"), "mini1"),
        ("pi@192.168.1.25", SSH("192.168.1.25", user="pi"), None),
        ("pi@pi5.local:2222", SSH("pi5.local", user="pi", port=2222), "pi5.local"),
        ("[fe80::1%en0]:22", SSH("fe80::1%en0", port=22), None),
        ("fd00::7", SSH("fd00::7"), None),
    ],
)
def test_a_host_of_the_command_line(text: str, ssh: SSH, name: str | None) -> None:
    assert parse_host(text) == Host(ssh, "given on the command line", name=name)


@pytest.mark.parametrize(
    "text", ["", "-oProxyCommand=x", "a b", "a:0", "a:70000", "a;b", "u@", "$x", "\udcff@a"]
)
def test_what_is_no_host(text: str) -> None:
    with pytest.raises(UsageError, match="no host"):
        parse_host(text)


def test_names_of_an_ssh_configuration() -> None:
    text = """\
Include conf.d/* "~/other file"
Host *
  User me
Host mini1 mini2 *.lan !x # the minis
  HostName 192.168.1.11
host=pi5
Match host pi4
"""
    assert [h.ssh.host for h in ssh_config_hosts(text, "in x")] == ["mini1", "mini2", "pi5"]
    assert ssh_config_includes(text) == ["conf.d/*", "~/other file"]
    assert [h.name for h in file_hosts(text, "config")] == ["mini1", "mini2", "pi5"]


INI = """\
; an inventory
bare
[minis]
mini1 ansible_host=192.168.1.11 ansible_user=one ansible_port=2201  # first
mini2 ansible_host=192.168.1.12
[pis]
pi[4:5].lan
10.0.0.9:2222
[minis:vars]
ansible_user=both
ansible_ssh_private_key_file="~/.ssh/the key"
[all_of_them:children]
minis
pis
[all_of_them:vars]
ansible_user = outer
ansible_ssh_common_args='-o ProxyJump=gate:2200 -o X=y'
[local]
localhost ansible_connection=local
"""
JUMP = "gate:2200"


def test_an_ini_inventory() -> None:
    found = {h.name or h.ssh.host: h.ssh for h in file_hosts(INI, "hosts")}
    key = "~/.ssh/the key"
    assert found == {
        "bare": SSH("bare"),
        "mini1": SSH("192.168.1.11", 2201, "one", identity_file=key, proxy_jump=JUMP),
        "mini2": SSH("192.168.1.12", None, "both", identity_file=key, proxy_jump=JUMP),
        "pi4.lan": SSH("pi4.lan", None, "outer", proxy_jump=JUMP),
        "pi5.lan": SSH("pi5.lan", None, "outer", proxy_jump=JUMP),
        "10.0.0.9": SSH("10.0.0.9", 2222, "outer", proxy_jump=JUMP),
    }


YAML = """\
all:
  vars: {ansible_user: outer}
  hosts:
    alone:
  children:
    minis:
      vars: {ansible_user: inner, ansible_ssh_common_args: -J gate:2200}
      hosts:
        mini1: {ansible_host: 192.168.1.11, ansible_port: 2201}
        mini2: {ansible_user: '{{ secret }}'}
"""


def test_a_yaml_inventory() -> None:
    assert [(h.name, h.ssh) for h in file_hosts(YAML, "hosts.yaml")] == [
        ("alone", SSH("alone", user="outer")),
        ("mini1", SSH("192.168.1.11", 2201, "inner", proxy_jump=JUMP)),
        ("mini2", SSH("mini2", proxy_jump=JUMP)),
    ]


def test_smolcluster_s_inventory() -> None:
    text = "nodes:\n  - {alias: mini1, ip: 10.10.0.1, user: one}\n  - {alias: pi5, ip: pi5.local}\n"
    assert [(h.name, h.ssh) for h in file_hosts(text, "nodes.yaml")] == [
        ("mini1", SSH("10.10.0.1", user="one")),
        ("pi5", SSH("pi5.local")),
    ]


@pytest.mark.parametrize(
    ("workers", "names"),
    [
        ("[mini2, mini3]", ["mini1", "mini2", "mini3"]),
        (
            "{regular: [{hostname: mini2, user: me, rank: 1}], tablets: [{hostname: ipad}]}",
            ["mini1", "mini2"],
        ),
    ],
)
def test_smolcluster_s_cluster_config(workers: str, names: list[str]) -> None:
    text = f"host_ip: {{mini2: 10.10.0.1}}\nport: 65432\nserver: mini1\nworkers: {workers}\n"
    assert [h.ssh.host for h in file_hosts(text, "cluster_config_edp.yaml")] == names


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("a: 1\nb: 2\n", "none of the files"),
        ("# nothing\n", "names no hosts"),
        ("[x]\na ansible_port=q\n", "the port of 'a' is 'q'"),
        ("[x]\na 'b\n", "line 2"),
        ("nodes: [{ip: 1}]", "no alias and ip"),
    ],
)
def test_a_file_that_is_wrong(text: str, why: str) -> None:
    with pytest.raises(UsageError, match=why):
        file_hosts(text, "x")
