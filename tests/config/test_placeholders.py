"""Placeholders, and texts that look like some."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest

from fleetctl.config import load_text
from fleetctl.config.scalars import Framework
from fleetctl.config.scope import OF_INSTANCE, OF_NETWORK, OF_SERVICE
from fleetctl.errors import ConfigError

FLEET = """\
fleet: f
networks:
  data: {cidr: 10.0.0.0/24}
  wifi: {cidr: 10.1.0.0/24, control: true}
nodes:
  a: {ssh: {host: login.a}, addresses: {data: 10.0.0.1, wifi: 10.1.0.1}}
  b.lan: {ssh: {host: login.b}, addresses: {data: 10.0.0.2}}
jobs:
  j:
    services:
      bound: {on: [b.lan, a], command: x, listen: data:80}
      anywhere: {on: a, command: x, listen: 0.0.0.0:81}
      on-wifi: {on: [a, b.lan], command: x}
      alone: {on: b.lan, command: x}
      probe:
        on: [a, b.lan]
        command: |-
          COMMAND
"""


def filled(command: str) -> list[str | None]:
    """``command`` as filled in on ``a`` and on ``b.lan``."""
    job = load_text(FLEET.replace("COMMAND", command), "nodes.yaml").jobs["j"]
    return [instance.command for instance in job.services["probe"].instances]


@pytest.mark.parametrize(
    ("command", "on_a", "on_b"),
    [
        ("{node}", "a", "b.lan"),
        ("{rank}/{world_size}", "1/2", "2/2"),
        ("{address.data}", "10.0.0.1", "10.0.0.2"),
        ("{bound.node}", "b.lan", "b.lan"),
        ("{bound.host}:{bound.port}", "10.0.0.2:80", "10.0.0.2:80"),
        ("{anywhere.host}", "10.0.0.1", "10.0.0.1"),
        ("{on-wifi.host}", "10.0.0.1", "10.0.0.1"),
        ("{alone.host}", "10.0.0.2", "10.0.0.2"),
        ('{"rank":{rank}}', '{"rank":1}', '{"rank":2}'),
    ],
)
def test_filled(command: str, on_a: str, on_b: str) -> None:
    assert filled(command) == [on_a, on_b]


@pytest.mark.parametrize(
    "command",
    [
        "echo ${HOME} $HOME ${node} ${rank:-1}",
        "find . -exec wc {} +",
        "echo {1..3} {a,b} {a, b}",
        "awk '{print $1}' f",
        """echo '{"a":{"b":{"c":1}}}'""",
        "f() { node; }",
        "docker ps --format '{{.Names}} {{ .ID }}'",
        "a{2,3}b \\d{4} {é} {-x} {9lives}",
        "}{ {{ }} {",
    ],
)
def test_not_a_placeholder(command: str) -> None:
    assert filled(command) == [command, command]


@pytest.mark.parametrize(
    ("command", "comes_to"),
    [("{{node}}", "{node}"), ("{{{node}}}", "{{node}}"), ("awk '{{print}}'", "awk '{print}'")],
)
def test_doubled_braces_keep_a_word(command: str, comes_to: str) -> None:
    assert filled(command) == [comes_to, comes_to]


WORDS = """\
fleet: f
networks:
  wifi: {cidr: 10.9.0.0/24, control: true}
  fabric: {cidr: 10.0.0.0/24}
  edge: {cidr: 10.1.0.0/24}
nodes:
  m1: {addresses: {wifi: 10.9.0.1, fabric: 10.0.0.1, edge: 10.1.0.1}, gateway: true}
  m2: {addresses: {wifi: 10.9.0.2, fabric: 10.0.0.2}}
  pi: {addresses: {wifi: 10.9.0.3, edge: 10.1.0.3}, via: {fabric: m1}}
  tablet: {addresses: {wifi: 10.9.0.4}}
jobs:
  j:
    MORE
    services:
      server: {on: m1, command: x, listen: fabric:80}
      quiet: {on: m1, command: x, network: fabric}
      wild: {on: [m2, m1], command: x, listen: 0.0.0.0:81, network: fabric}
      worker: {on: [m2, pi], command: COMMAND, AFTER}
      tab: {on: tablet, command: x}
"""


def on_m2_and_pi(command: str, after: str = "after: server", more: str = "") -> list[str | None]:
    text = WORDS.replace("COMMAND", f'"{command}"').replace("AFTER", after).replace("MORE", more)
    job = load_text(text, "nodes.yaml").jobs["j"]
    return [instance.command for instance in job.services["worker"].instances]


@pytest.mark.parametrize(
    ("command", "after", "on_m2", "on_pi"),
    [
        ("{rank0}", "", "0", "1"),
        ("{m1.edge} {pi.wifi}", "", "10.1.0.1 10.9.0.3", "10.1.0.1 10.9.0.3"),
        ("{hosts.wifi}", "", "10.9.0.2,10.9.0.3", "10.9.0.2,10.9.0.3"),
        ("{wild.hosts} {wild.size}", "", "10.0.0.2,10.0.0.1 2", "10.0.0.2,10.0.0.1 2"),
        ("{quiet.host}", "", "10.0.0.1", "10.0.0.1"),
        ("{tab.host}", "", "10.9.0.4", "10.9.0.4"),
        ("{worker.hosts}", "network: fabric", "10.0.0.2,10.1.0.3", "10.0.0.2,10.1.0.3"),
        ("{local}", "after: server", "10.0.0.2", "10.1.0.3"),
        ("{local}", "after: quiet", "10.0.0.2", "10.1.0.3"),
        ("{local}", "after: tab", "10.9.0.2", "10.9.0.3"),
        ("{local}", "after: server, network: wifi", "10.9.0.2", "10.9.0.3"),
        ("{local}", "", "10.0.0.2", "10.1.0.3"),
    ],
)
def test_words_for_launchers(command: str, after: str, on_m2: str, on_pi: str) -> None:
    assert on_m2_and_pi(command, after or "restart: never") == [on_m2, on_pi]


def test_the_network_of_the_job_is_that_of_its_services() -> None:
    command = "{server.host} {worker.host} {tab.node}"
    found = on_m2_and_pi(command, "restart: never", "network: fabric")
    assert found == ["10.0.0.1 10.0.0.2 tablet"] * 2


@pytest.mark.parametrize(
    ("command", "on_m2", "on_pi", "networks"),
    [
        ("{interface.wifi}", "<interface on wifi>", "<interface on wifi>", ("wifi", "wifi")),
        ("{interface}", "<interface on fabric>", "<interface on edge>", ("fabric", "edge")),
    ],
)
def test_interfaces_are_left_to_the_node(
    command: str, on_m2: str, on_pi: str, networks: tuple[str, str]
) -> None:
    text = WORDS.replace("COMMAND", f'"{command}"').replace("AFTER", "after: server")
    fleet = load_text(text.replace("MORE", ""), "nodes.yaml")
    instances = fleet.jobs["j"].services["worker"].instances
    assert [instance.command for instance in instances] == [on_m2, on_pi]
    assert [dict(instance.interfaces) for instance in instances] == [
        {network: fleet.nodes[instance.node].addresses[network]}
        for instance, network in zip(instances, networks, strict=True)
    ]


def test_a_host_file_has_the_nodes_in_order_of_rank() -> None:
    text = WORDS.replace("COMMAND", '"run {hostfile.wifi}"').replace("AFTER", "restart: never")
    job = load_text(text.replace("MORE", ""), "nodes.yaml").jobs["j"]
    for instance in job.services["worker"].instances:
        assert instance.command == "run <path of hosts.wifi>"
        assert instance.files == {"hosts.wifi": "10.9.0.2\n10.9.0.3\n"}


def test_members_of_an_elastic_job_do_not_change_its_definition() -> None:
    text = WORDS.replace("COMMAND", '"{hostfile.wifi} {hosts.wifi} {worker.size} {server.hosts}"')
    text = text.replace("AFTER", "restart: never").replace("MORE", "elastic: true")
    before, after = (
        load_text(one, "nodes.yaml").jobs["j"].services["worker"].instances[0]
        for one in (text, text.replace("on: [m2, pi]", "on: [m2, m1, pi]"))
    )
    assert before.files != after.files
    assert before.definition_hash == after.definition_hash


@pytest.mark.parametrize(
    ("command", "more", "says"),
    [
        ("{interface.edge}", "", "{interface.edge} has no value on 'm2', which is on wifi, fabric"),
        ("{hosts.fabric}", "", "{hosts.fabric} has no value: 'pi' is on wifi, edge"),
        ("{hosts.fabrik}", "", "unknown network 'fabrik' in {hosts.fabrik}: did you mean 'fabric'"),
        ("{m2.edge}", "", "{m2.edge} has no value on 'm2', which is on wifi, fabric"),
        ("{m2.fabrik}", "", "unknown network 'fabrik' in {m2.fabrik}: did you mean 'fabric'"),
        ('x", workdir: "{interface.wifi}', "", "workdir cannot have the interface on wifi"),
        ('x", ready: {log: "{interface}"}, workdir: "y', "", "log cannot have the interface on"),
        ("{rank1}", "", "unknown placeholder '{rank1}': did you mean 'rank"),
        ("{server.hots}", "", "did you mean 'server.ho"),
        ("{locals}", "", "did you mean 'local'?"),
        (
            "{tab.host}",
            "network: fabric",
            "{tab.host} has no value: 'tablet' is neither on network 'fabric' nor has a via to it",
        ),
        ("x", "network: fabrik", "unknown network 'fabrik' in network: did you mean 'fabric'"),
    ],
)
def test_words_without_a_value(command: str, more: str, says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        on_m2_and_pi(command, "restart: never", more)
    assert says in str(caught.value)


def test_the_page_has_every_word_and_every_framework() -> None:
    page = Path(__file__).parents[2].joinpath("docs/nodes-yaml.md").read_text("utf-8")
    words = [f"{{{word}" for word in (*OF_INSTANCE, *(f"{what}.NETWORK" for what in OF_NETWORK))]
    words += [f"{{SERVICE.{what}}}" for what in OF_SERVICE]
    words += [f"| `{framework}` |" for framework in get_args(Framework) if framework != "none"]
    assert [word for word in words if word not in page] == []
