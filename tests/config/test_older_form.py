"""The older form of the file: a list of alias, ip and user."""

from __future__ import annotations

from pathlib import Path

import pytest

from fleetctl.config import load_text, load_with_notes
from fleetctl.errors import ConfigError
from fleetctl.model.topology import SSH, Fleet, Node

OLDER = """\
# Only worker nodes
nodes:
  - alias: mini1
    ip: 10.10.0.1
    user: yuvrajsingh1

  - {alias: mini2, ip: mini2.local}
"""


def test_its_nodes_are_read_and_notes_say_what_it_lacks(tmp_path: Path) -> None:
    path = tmp_path / "nodes.yaml"
    path.write_text(OLDER)
    fleet, notes = load_with_notes(path)
    assert fleet == Fleet(
        "fleet",
        networks={},
        nodes={
            "mini1": Node("mini1", SSH("10.10.0.1", user="yuvrajsingh1")),
            "mini2": Node("mini2", SSH("mini2.local")),
        },
    )
    assert "networks" in notes[0]
    assert "jobs" in notes[1]
    assert "upgrade" in notes[2]


def test_it_may_have_a_name() -> None:
    assert load_text("fleet: lab\n" + OLDER, "nodes.yaml").name == "lab"


@pytest.mark.parametrize(
    ("old", "new", "place", "says"),
    [
        ("alias: mini2", "alias: mini1", "7:13", "duplicate alias 'mini1'"),
        ("ip: mini2.local", "ip: 10.10.0.1", "7:24", "duplicate address 10.10.0.1: 'mini1'"),
        ("ip: mini2.local", "ip: 10.10.0.256", "7:24", "no address"),
        ("ip: mini2.local", "pi: mini2.local", "7:20", "unknown key 'pi' in nodes[2]"),
        ("    ip: 10.10.0.1\n", "", "3:5", "nodes[1] lacks 'ip'"),
        ("alias: mini1", "alias: mini 1", "3:12", "'mini 1'"),
        ("user: yuvrajsingh1", "user: [x]", "5:11", "is a list"),
    ],
)
def test_its_mistakes(old: str, new: str, place: str, says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_text(OLDER.replace(old, new), "nodes.yaml")
    assert any(
        mistake.startswith(f"nodes.yaml:{place}: ") and says in mistake
        for mistake in caught.value.mistakes
    ), caught.value.mistakes


def test_a_list_of_nodes_among_newer_keys_is_a_mistake() -> None:
    with pytest.raises(ConfigError, match="nodes is a list; it must be a mapping"):
        load_text(OLDER + "networks: {}\n", "nodes.yaml")
