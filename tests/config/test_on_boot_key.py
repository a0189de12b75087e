"""`on_boot` of a service."""

from __future__ import annotations

from pathlib import Path

import pytest

from fleetctl.config import load_text
from fleetctl.config.expansion import expand
from fleetctl.config.file import load_with_notes
from fleetctl.errors import ConfigError
from fleetctl.model.jobs import Instance
from fleetctl.model.topology import Fleet

TEXT = """\
fleet: f
networks:
  wifi: {cidr: 192.168.1.0/24, kind: wifi, control: true}
  fabric: {cidr: 10.10.0.0/24}
  edge: {cidr: 192.168.50.0/24}
nodes:
  a: {addresses: {wifi: 192.168.1.1, fabric: 10.10.0.1, edge: 192.168.50.1}, gateway: true}
  b: {addresses: {wifi: dhcp, edge: 192.168.50.2}, via: {fabric: a}}
internet: null
jobs:
  j:
    services:
      s: {on: a, command: serve, listen: "fabric:7000", on_boot: start}
      w: {on: b, command: work, after: s, restart: on-failure, on_boot: start}
      alone: {on: b, command: idle, on_boot: start}
"""


def fleet(*changes: tuple[str, str]) -> Fleet:
    text = TEXT
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    return load_text(text, "nodes.yaml")


def mistakes(*changes: tuple[str, str]) -> str:
    with pytest.raises(ConfigError) as raised:
        fleet(*changes)
    return str(raised.value)


def of(found: Fleet, name: str) -> Instance:
    return next(i for i in found.jobs["j"].instances if i.name == name)


@pytest.mark.parametrize(
    ("name", "addresses", "ways"),
    [
        ("s@a", {"fabric": "10.10.0.1"}, []),
        ("w@b", {"edge": "192.168.50.2"}, [("10.10.0.1", "192.168.50.1", "fabric")]),
        # of what uses no network that is known, all of its node's count, but for leased addresses
        ("alone@b", {"edge": "192.168.50.2"}, [("10.10.0.1", "192.168.50.1", "fabric")]),
    ],
)
def test_a_node_waits_for_the_networks_that_are_used(
    name: str, addresses: dict[str, str], ways: list[tuple[str, str, str]]
) -> None:
    needs = of(fleet(), name).at_boot
    assert needs
    assert {network: str(own) for network, own in needs.addresses.items()} == addresses
    assert [(str(way.to), str(way.via), way.network) for way in needs.ways] == ways


def test_it_is_left_to_the_user_unless_it_is_said() -> None:
    for changes in ([(", on_boot: start", "")], [("on_boot: start", "on_boot: leave")]):
        left = fleet(*changes)
        assert {i.at_boot for i in left.jobs["j"].instances} == {None}
        assert of(left, "s@a").definition_hash != of(fleet(), "s@a").definition_hash
        assert "on_boot" not in expand(left)["jobs"]["j"]["services"]["s"]["instances"]["s@a"]


def test_an_elastic_job_has_it_too() -> None:
    before, elastic = fleet(), ("    services:\n", "    elastic: true\n    services:\n")
    found = of(fleet(elastic), "w@b")
    assert found.at_boot == of(before, "w@b").at_boot
    left = of(fleet(elastic, (", on_boot: start", "")), "w@b")
    assert found.definition_hash != left.definition_hash


def test_it_is_shown() -> None:
    shown = expand(fleet())["jobs"]["j"]["services"]["w"]["instances"]["w@b"]["on_boot"]
    assert shown == {
        "start_once": {
            "addresses": {"edge": "192.168.50.2"},
            "ways": ["10.10.0.1 (fabric) via 192.168.50.1"],
        }
    }


def test_what_can_be_wrong_is_told() -> None:
    said = mistakes(('"fabric:7000", on_boot: start', '"fabric:7000", on_boot: soon'))
    assert "on_boot" in said
    assert "leave" in said
    said = mistakes(("command: idle", "ready: {connect: '192.168.50.2:80'}"))
    assert "service 'alone' has no command, so nothing can start it at boot: remove on_boot" in said
    said = mistakes(("    services:\n", "    on_member_failure: stop-all\n    services:\n"))
    assert "on_member_failure stop-all decides what follows when a node of job 'j' goes off" in said


def test_an_order_that_no_node_can_keep_is_a_warning(tmp_path: Path) -> None:
    path = tmp_path / "nodes.yaml"
    path.write_text(TEXT)
    assert load_with_notes(path)[1] == []
    path.write_text(TEXT.replace("restart: on-failure, ", ""))
    [warning] = load_with_notes(path)[1]
    assert "after a power cut service 'w' may begin before 's'" in warning
    assert "give it restart: on-failure" in warning
