"""`requires` of a job."""

from __future__ import annotations

import pytest

from fleetctl.config import load_text
from fleetctl.config.expansion import expand
from fleetctl.errors import ConfigError
from fleetctl.model.requirements import Requirement

TEXT = """\
fleet: f
nodes: {a: {}}
jobs:
  j:
    requires: REQUIRES
    services: {one: {on: a, command: x}}
"""


def test_each_is_read_once_and_shown() -> None:
    fleet = load_text(
        TEXT.replace("REQUIRES", "[python3>=3.11, uv, uv, 'python3<3.14']"), "nodes.yaml"
    )
    assert fleet.jobs["j"].requires == (
        Requirement("python3", ">=", "3.11"),
        Requirement("uv"),
        Requirement("python3", "<", "3.14"),
    )
    shown = expand(fleet)["jobs"]["j"]
    assert shown["requires"] == ["python3>=3.11", "uv", "python3<3.14"]


def test_it_may_be_empty() -> None:
    for empty in ("", "[]"):
        fleet = load_text(TEXT.replace("REQUIRES", empty), "nodes.yaml")
        assert fleet.jobs["j"].requires == ()
        assert "requires" not in expand(fleet)["jobs"]["j"]


@pytest.mark.parametrize(
    ("requires", "place", "says"),
    [
        ("[git, python3~=3.11]", "5:21", "'python3~=3.11' in requires of job 'j' is no program"),
        ("['a; b']", "5:16", "is no program"),
        ("['']", "5:16", "not empty"),
        ("uv", "5:15", "it must be a list"),
    ],
)
def test_a_mistake_in_it_has_its_place(requires: str, place: str, says: str) -> None:
    with pytest.raises(ConfigError) as raised:
        load_text(TEXT.replace("REQUIRES", requires), "nodes.yaml")
    [mistake] = raised.value.mistakes
    assert mistake.startswith(f"nodes.yaml:{place}: ") and says in mistake
