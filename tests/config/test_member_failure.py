"""`on_member_failure` of a job."""

from __future__ import annotations

import pytest

from fleetctl.config import load_text
from fleetctl.errors import ConfigError
from fleetctl.model.jobs import GroupRule, Job

TEXT = """\
fleet: f
networks:
  wifi: {cidr: 192.168.1.0/24, kind: wifi, control: true}
  fabric: {cidr: 10.10.0.0/24}
  edge: {cidr: 192.168.50.0/24}
nodes:
  a: {addresses: {wifi: 192.168.1.1, fabric: 10.10.0.1, edge: 192.168.50.1}, gateway: true}
  b: {addresses: {wifi: 192.168.1.2, edge: 192.168.50.2}, via: {fabric: a}}
  c: {addresses: {wifi: 192.168.1.3}}
internet: null
jobs:
  j:
    RULE
    services:
      s: {on: a, command: serve, listen: "fabric:7000" READY}
      w: {on: [ON], command: work, after: s}
"""


def job(rule: str, on: str = "b", ready: str = "") -> Job:
    text = TEXT.replace("RULE", rule).replace("ON]", f"{on}]").replace(" READY", ready)
    return load_text(text, "nodes.yaml").jobs["j"]


def mistake(rule: str, on: str = "b", ready: str = "") -> str:
    with pytest.raises(ConfigError) as raised:
        job(rule, on, ready)
    return str(raised.value)


@pytest.mark.parametrize("rule", ["stop-all", "restart-all"])
def test_it_is_decided_beside_the_first_instance(rule: str) -> None:
    found = job(f"on_member_failure: {rule}")
    rules = {i.group for i in found.instances}
    assert [(g.rule, g.first, g.node, str(g.address)) for g in rules if g] == [
        (rule, "s@a", "a", "10.10.0.1")
    ]
    assert "python3>=3.7" in map(str, found.requires)
    assert found.instances[0].definition_hash != job("").instances[0].definition_hash


def test_without_it_members_are_kept() -> None:
    for text in ("", "on_member_failure: keep"):
        found = job(text)
        assert [i.group for i in found.instances] == [None, None] and found.requires == ()


def test_on_one_node_it_stays_there() -> None:
    group = job("on_member_failure: stop-all", "a").instances[0].group
    assert isinstance(group, GroupRule) and group.address.is_loopback


def test_a_control_network_only_where_there_is_no_other() -> None:
    group = job("on_member_failure: stop-all", "b, c").instances[0].group
    assert group and str(group.address) == "192.168.1.1"


def test_mistakes() -> None:
    elastic = "{elastic: true, on_member_failure: stop-all}"
    said = mistake(elastic.strip("{}").replace(", ", "\n    "))
    assert "job 'j' is elastic" in said and "must be keep, not stop-all" in said
    job("on_member_failure: restart-all", ready=", ready: {log: up}")
    assert "restart-all" in mistake("on_member_failure: restart")
