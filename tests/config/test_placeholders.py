"""Placeholders, and texts that look like some."""

from __future__ import annotations

import pytest

from fleetctl.config import load_text

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
        ("{anywhere.host}", "10.1.0.1", "10.1.0.1"),
        ("{on-wifi.host}", "10.1.0.1", "10.1.0.1"),
        ("{alone.host}", "login.b", "login.b"),
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
