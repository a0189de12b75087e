"""`vars` and `env` of nodes and defaults."""

from __future__ import annotations

import pytest

from fleetctl.config import load_text
from fleetctl.config.expansion import expand
from fleetctl.errors import ConfigError
from fleetctl.model.jobs import Instance, Job

TEXT = """\
fleet: f
defaults:
  workdir: ~/w
  vars: {venv: ~/venv, level: 3}
  env: {OMP_NUM_THREADS: 4, WHERE: "{node} {var.level}", COMMON: c}
nodes:
  a: {}
  b:
    vars: {venv: /opt/venv, only: b}
    env: {OMP_NUM_THREADS: 1, SET: by node, LATER: "{node}"}
jobs:
  j:
    prepare: "{var.venv}/bin/pip install -r requirements.txt"
    services:
      s:
        on: [a, b]
        command: "{var.venv}/bin/python x.py"
        workdir: "~/{var.level}"
        env: {COMMON: mine, SET: by service, VENV: "{var.venv}"}
        ready: {command: "test -e {var.venv}"}
        liveness: {command: "test -d {var.venv}"}
"""


def job(*edits: tuple[str, str]) -> Job:
    text = TEXT
    for old, new in edits:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    return load_text(text, "nodes.yaml").jobs["j"]


def environment(instance: Instance, **secrets: str) -> dict[str, str]:
    found = instance.environment("f", secrets)
    return {k: v for k, v in found.items() if not k.startswith("FLEETCTL_")}


def test_vars_of_the_node_go_before_those_of_defaults() -> None:
    a, b = job().instances
    assert (a.command, b.command) == ("~/venv/bin/python x.py", "/opt/venv/bin/python x.py")
    assert (a.workdir, b.ready.value) == ("~/3", "test -e /opt/venv")
    assert b.liveness is not None
    assert b.liveness.value == "test -d /opt/venv"
    assert b.env["VENV"] == "/opt/venv"


def test_env_of_the_service_goes_before_that_of_the_node_and_that_before_defaults() -> None:
    a, b = job().instances
    assert environment(a) == {
        "OMP_NUM_THREADS": "4",
        "WHERE": "a 3",
        "COMMON": "mine",
        "SET": "by service",
        "VENV": "~/venv",
    }
    assert environment(b, LATER="secret", COMMON="secret") == {
        "OMP_NUM_THREADS": "1",
        "WHERE": "b 3",
        "COMMON": "mine",
        "SET": "by service",
        "VENV": "/opt/venv",
        "LATER": "secret",
    }


def test_env_of_the_node_is_part_of_the_definition() -> None:
    (_, before), (_, after) = job().instances, job(("SET: by node", "MORE: x")).instances
    assert before.definition_hash != after.definition_hash


def test_show_has_both() -> None:
    shown = expand(load_text(TEXT, "nodes.yaml"))
    assert shown["nodes"]["b"]["vars"] == {"venv": "/opt/venv", "level": "3", "only": "b"}
    assert shown["jobs"]["j"]["services"]["s"]["instances"]["s@a"]["env"]["OMP_NUM_THREADS"] == "4"


def test_prepare_knows_the_node() -> None:
    prepare = job().prepare
    assert prepare is not None
    assert prepare.filled == {
        "a": "~/venv/bin/pip install -r requirements.txt",
        "b": "/opt/venv/bin/pip install -r requirements.txt",
    }


@pytest.mark.parametrize(
    ("edit", "place", "says"),
    [
        (("x.py", "{var.only}"), "17:18", "{var.only} has no value on 'a': its vars"),
        (("x.py", "{var.venw}"), "17:18", "no 'venw': did you mean 'venv'?"),
        (("install -r", "install {rank}"), "13:14", "unknown placeholder '{rank}'"),
        (("{node} {var", "{nod} {var"), "5:36", "unknown placeholder '{nod}': did you mean 'node'"),
        (("SET: by node", "FLEETCTL_X: 1"), "10:31", "FLEETCTL_X in env is reserved"),
        (("COMMON: c", "FLEETCTL_X: 1"), "5:58", "FLEETCTL_X in env is reserved"),
        (("level: 3", "level: [3]"), "4:31", "it must be text, a number, or true or false"),
        (("level: 3", "le vel: 3"), "4:24", "'le vel' in defaults.vars cannot be a name"),
    ],
)
def test_mistakes(edit: tuple[str, str], place: str, says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        job(edit)
    lines = str(caught.value).splitlines()
    assert any(line.startswith(f"nodes.yaml:{place}: ") and says in line for line in lines), lines
