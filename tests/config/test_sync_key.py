"""`sync` and `prepare` of a job."""

from __future__ import annotations

import pytest

from fleetctl.config import load_text
from fleetctl.config.expansion import expand
from fleetctl.errors import ConfigError
from fleetctl.model.jobs import Prepare, Sync
from fleetctl.model.topology import Fleet

TEXT = """\
fleet: f
nodes:
  a: {workdir: ~/a}
  b: {}
  c: {}
  ipad: {connection: none, workdir: /x}
jobs:
  j:
    sync: SYNC
    services:
      one: {on: a, command: x, workdir: sub}
      two: {on: b, command: x, workdir: /srv/b}
      too: {on: b, command: x, workdir: /srv/b}
      screen: {on: ipad, ready: {connect: "ipad:80"}}
"""


def fleet(sync: str) -> Fleet:
    return load_text(TEXT.replace("SYNC", sync), "/etc/lab/nodes.yaml")


def read(sync: str) -> Sync | None:
    return fleet(sync).jobs["j"].sync


def test_it_goes_into_the_workdir_of_the_node_else_of_its_instances() -> None:
    workdirs = {"a": "~/a", "b": "/srv/b"}
    assert read("{}") == Sync("/etc/lab", workdirs)
    assert read("{from: code, exclude: ['*.ckpt'], delete: true}") == Sync(
        "/etc/lab/code", workdirs, ("*.ckpt",), delete=True
    )
    assert read("") is None


def test_show_has_it_with_its_folders() -> None:
    expanded = expand(fleet("{exclude: [data]}"))
    assert expanded["jobs"]["j"]["sync"] == {
        "from": "/etc/lab",
        "exclude": ["data"],
        "delete": False,
        "to": {"a": "~/a", "b": "/srv/b"},
    }


@pytest.mark.parametrize(
    ("sync", "edit", "place", "says"),
    [
        (
            "{}",
            ("on: b, command: x, workdir: /srv/b", "on: c, command: x"),
            "9:5",
            "needs a workdir of node 'c'",
        ),
        ("{}", ("command: x, workdir: /srv/b}", "command: x}"), "9:5", "workdir of node 'b'"),
        ("{exclude: [a, '!b']}", ("", ""), "9:25", "'!' takes none back"),
        ("{frm: .}", ("", ""), "9:12", "did you mean 'from'"),
        ("{from: ''}", ("", ""), "9:18", "not empty"),
        ("{delete: maybe}", ("", ""), "9:20", "true or false"),
    ],
)
def test_a_mistake_in_it_has_its_place(
    sync: str, edit: tuple[str, str], place: str, says: str
) -> None:
    text = TEXT.replace("SYNC", sync).replace(*edit, 1)
    with pytest.raises(ConfigError) as raised:
        load_text(text, "nodes.yaml")
    [mistake] = raised.value.mistakes
    assert mistake.startswith(f"nodes.yaml:{place}: ") and says in mistake


PREPARE = TEXT.replace("    sync: SYNC\n", "    prepare: uv sync\n    prepare_on: [uv.lock]\n")


def test_a_job_is_prepared_where_its_code_is() -> None:
    loaded = load_text(PREPARE, "nodes.yaml")
    workdirs = {"a": "~/a", "b": "/srv/b"}
    assert loaded.jobs["j"].prepare == Prepare("uv sync", ("uv.lock",), workdirs)
    shown = expand(loaded)["jobs"]["j"]
    assert (shown["prepare"], shown["prepare_on"]) == ("uv sync", ["uv.lock"])


@pytest.mark.parametrize(
    ("edit", "place", "says"),
    [
        (("on: b, command: x, workdir: /srv/b", "on: c, command: x"), "9:5", "node 'c' to run in"),
        (("    prepare: uv sync\n", ""), "9:5", "needs a prepare, the line that is run"),
        (("[uv.lock]", "uv.lock"), "10:17", "it must be a list"),
    ],
)
def test_a_mistake_in_prepare_has_its_place(edit: tuple[str, str], place: str, says: str) -> None:
    with pytest.raises(ConfigError) as raised:
        load_text(PREPARE.replace(*edit, 1), "nodes.yaml")
    [mistake] = raised.value.mistakes
    assert mistake.startswith(f"nodes.yaml:{place}: ") and says in mistake
