"""Networks of two machines each: where a service listens, and where the others reach it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fleetctl.config import load_text, load_with_notes
from fleetctl.config.expansion import expand
from fleetctl.errors import ConfigError
from fleetctl.model.jobs import Instance

TRIANGLE = """\
fleet: triangle
networks:
  wifi: {cidr: 192.168.1.0/24, kind: wifi, control: true}
  cable12: {cidr: 10.0.12.0/30, kind: thunderbolt}
  cable13: {cidr: 10.0.13.0/30, kind: thunderbolt}
  cable23: {cidr: 10.0.23.0/30, kind: thunderbolt}
nodes:
  m1: {addresses: {wifi: 192.168.1.11, cable12: 10.0.12.1, cable13: 10.0.13.1}}
  m2: {addresses: {wifi: 192.168.1.12, cable12: 10.0.12.2, cable23: 10.0.23.1}}
  m3: {addresses: {wifi: 192.168.1.13, cable13: 10.0.13.2, cable23: 10.0.23.2}}
  pi: {addresses: {wifi: 192.168.1.14}}
internet: null
jobs:
  ring:
    services:
      server: {on: m1, command: serve, listen: LISTEN}
      worker: {on: [m2, m3], command: COMMAND, after: [server]}
"""


def text(listen: str, command: str = "x {server.host}:{server.port}") -> str:
    return TRIANGLE.replace("LISTEN", listen).replace("COMMAND", f"'{command}'")


def workers(listen: str, command: str = "x {server.host}:{server.port}") -> tuple[Instance, ...]:
    return load_text(text(listen, command), "nodes.yaml").jobs["ring"].services["worker"].instances


def notes(tmp_path: Path, file: str) -> list[str]:
    path = tmp_path / "nodes.yaml"
    path.write_text(file)
    return [note.partition(": warning: ")[2] for note in load_with_notes(path)[1]]


@pytest.mark.parametrize(
    ("listen", "on_m2", "on_m3"),
    [
        ("[cable12:6000, cable13:6000]", "10.0.12.1:6000", "10.0.13.1:6000"),
        ("[cable13:6001, cable12:6000]", "10.0.12.1:6000", "10.0.13.1:6001"),
        ("[wifi:6000, cable12:6000]", "10.0.12.1:6000", "192.168.1.11:6000"),
        ("[10.0.12.1:6000, 10.0.13.1:6000]", "10.0.12.1:6000", "10.0.13.1:6000"),
        ("0.0.0.0:6000", "10.0.12.1:6000", "10.0.13.1:6000"),
    ],
)
def test_each_reaches_it_on_the_network_that_both_are_on(
    listen: str, on_m2: str, on_m3: str
) -> None:
    found = workers(listen)
    assert [one.command for one in found] == [f"x {on_m2}", f"x {on_m3}"]
    server = load_text(text(listen), "nodes.yaml").jobs["ring"].services["server"].instances[0]
    assert [str(one.endpoint(server)) for one in found] == [on_m2, on_m3]


def test_one_on_no_known_network_comes_over_the_control_network() -> None:
    both = text("[cable12:6000, wifi:6001]").replace("on: [m2, m3]", "on: here")
    both = both.replace("internet:", "  here: {connection: local}\ninternet:")
    (worker,) = load_text(both, "nodes.yaml").jobs["ring"].services["worker"].instances
    assert worker.command == "x 192.168.1.11:6001"


def test_the_other_words_follow() -> None:
    m2, m3 = workers("[cable12:6000, cable13:6000]", "{local} {interface} {worker.hosts}")
    assert m2.command == "10.0.12.2 <interface on cable12> 10.0.12.2,10.0.23.2"
    assert m3.command == "10.0.13.2 <interface on cable13> 10.0.23.1,10.0.13.2"


def test_all_instances_of_a_ring_share_one_list() -> None:
    ring = TRIANGLE.partition("      server:")[0] + (
        "      member: {on: [m1, m2, m3], command: x, "
        "listen: [cable12:7000, cable13:7000, cable23:7000]}\n"
    )
    fleet = load_text(ring, "nodes.yaml")
    members = fleet.jobs["ring"].instances
    assert [list(map(str, one.listens)) for one in members] == [
        ["10.0.12.1:7000", "10.0.13.1:7000"],
        ["10.0.12.2:7000", "10.0.23.1:7000"],
        ["10.0.13.2:7000", "10.0.23.2:7000"],
    ]


def test_an_mlx_ring_uses_the_cables_between_its_members(tmp_path: Path) -> None:
    ring = TRIANGLE.partition("      server:")[0] + (
        "      member: {on: [m1, m2, m3], command: x, framework: mlx-ring}\n"
    )
    for member in load_text(ring, "nodes.yaml").jobs["ring"].instances:
        hosts = json.loads(member.files["mlx-ring.json"])
        assert hosts == [["10.0.13.1:32323"], ["10.0.12.2:32324"], ["10.0.23.2:32325"]]
    assert notes(tmp_path, ring) == []
    (warning,) = notes(tmp_path, ring.replace("m3]", "m3, pi]"))
    assert "will use the control network 'wifi'" in warning


def test_all_of_it_is_in_the_definition_and_shown() -> None:
    one, both = (
        load_text(text(listen), "nodes.yaml")
        for listen in ("cable12:6000", "[cable12:6000, cable13:6000]")
    )
    hashes = [fleet.jobs["ring"].instances[0].definition_hash for fleet in (one, both)]
    assert hashes[0] != hashes[1]
    services = expand(both)["jobs"]["ring"]["services"]
    shown = services["server"]["instances"]["server@m1"]["listen"]
    assert shown == ["10.0.12.1:6000", "10.0.13.1:6000"]
    reaches = services["worker"]["instances"]["worker@m3"]["reaches"]
    assert reaches == {"server@m1": "10.0.13.1:6000"}


def test_only_the_control_network_is_a_warning(tmp_path: Path) -> None:
    assert notes(tmp_path, text("[cable12:6000, cable13:6000]")) == []
    far = text("0.0.0.0:6000").replace("on: [m2, m3]", "on: [m2, pi]")
    what = (
        "service 'worker' on pi reaches 'server' over the control network 'wifi': there is no "
        "other to which both have a way"
    )
    assert notes(tmp_path, far) == [what]
    assert (
        notes(
            tmp_path,
            far.replace("listen: 0.0.0.0:6000", "network: wifi").replace(":{server.port}", ""),
        )
        == []
    )
    alone = far.replace("listen: 0.0.0.0:6000", "stop: {grace: 1}").replace(":{server.port}", "")
    assert notes(tmp_path, alone) == [what]


def test_one_that_no_cable_leads_to_is_a_warning(tmp_path: Path) -> None:
    (warning,) = notes(tmp_path, text("[cable12:6000, cable13:6000]").replace("m3], c", "pi], c"))
    assert "pi cannot reach 10.0.12.1:6000, 10.0.13.1:6000 of server@m1" in warning


@pytest.mark.parametrize(
    ("listen", "says"),
    [
        ("[]", "listen"),
        ("[cable12:6000, cable12:6000]", "16:63: 'cable12:6000' is listed twice in listen"),
        ("[cable23:6000]", "'m1' cannot listen on cable23:6000: it is on wifi, cable12, cable13"),
        ("[cable12:6000, cable23:6000]", "no node of the service is on network 'cable23'"),
        ("[cable12:6000, cabel13:6000]", "unknown network 'cabel13' in listen: did you mean"),
        ("[cable12:6000, cable13]", "listen is 'cable13'; it must be NETWORK:PORT"),
        ("[0.0.0.0:6000, cable12:6000]", "server@m1 cannot listen on 10.0.12.1:6000: server@m1"),
    ],
)
def test_mistakes(listen: str, says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        workers(listen)
    assert says in str(caught.value)
