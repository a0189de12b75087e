"""`sync` and `prepare` of a job."""

from __future__ import annotations

import pytest

from fleetctl.config import load_text
from fleetctl.config.expansion import expand
from fleetctl.errors import ConfigError
from fleetctl.model.jobs import Prepare, Share, Sync
from fleetctl.model.topology import Fleet

TEXT = """\
fleet: f
networks: {x: {cidr: 10.9.0.0/24}}
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


def test_what_nodes_share_has_its_network() -> None:
    loaded = fleet("{share: [models/, ./data/x], over: x}")
    found = loaded.jobs["j"].sync
    assert found and found.share == Share(("models", "data/x"), "x")
    shown = expand(loaded)["jobs"]["j"]["sync"]
    assert (shown["share"], shown["over"]) == (["models", "data/x"], "x")
    one = read("{share: models, over: x}")
    assert one and one.share == Share(("models",), "x")


@pytest.mark.parametrize(
    ("sync", "edit", "place", "says"),
    [
        (
            "{}",
            ("on: b, command: x, workdir: /srv/b", "on: c, command: x"),
            "10:5",
            "needs a workdir of node 'c'",
        ),
        ("{}", ("command: x, workdir: /srv/b}", "command: x}"), "10:5", "workdir of node 'b'"),
        ("{exclude: [a, '!b']}", ("", ""), "10:25", "'!' takes none back"),
        ("{frm: .}", ("", ""), "10:12", "did you mean 'from'"),
        ("{from: ''}", ("", ""), "10:18", "not empty"),
        ("{delete: maybe}", ("", ""), "10:20", "true or false"),
        ("{share: m}", ("", ""), "10:12", "share needs over"),
        ("{over: m}", ("", ""), "10:12", "over needs share"),
        ("{share: m, over: fabrik}", ("", ""), "10:28", "over 'fabrik' is no network"),
        ("{share: [m, ../n], over: x}", ("", ""), "10:23", "a path in the folder of from"),
        ("{share: ., over: x}", ("", ""), "10:19", "and not all of it"),
        ("{share: [], over: x}", ("", ""), "10:19", "share names nothing"),
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
    assert loaded.jobs["j"].prepare.line("a") == "uv sync"
    assert (shown["prepare"], shown["prepare_on"]) == ("uv sync", ["uv.lock"])


def test_what_is_of_a_node_is_filled_into_prepare() -> None:
    text = PREPARE.replace("prepare: uv sync", "prepare: 'x {node} {address.x} {{y}} ${HOME}'")
    text = text.replace("{workdir: ~/a}", "{workdir: ~/a, addresses: {x: 10.9.0.1}}")
    text = text.replace("b: {}", "b: {addresses: {x: 10.9.0.2}}")
    prepare = load_text(text, "nodes.yaml").jobs["j"].prepare
    assert prepare and prepare.line("a") == "x a 10.9.0.1 {y} ${HOME}"
    assert prepare.line("b") == "x b 10.9.0.2 {y} ${HOME}"


@pytest.mark.parametrize(
    ("edit", "place", "says"),
    [
        (("on: b, command: x, workdir: /srv/b", "on: c, command: x"), "10:5", "node 'c' to run in"),
        (("    prepare: uv sync\n", ""), "10:5", "needs a prepare, the line that is run"),
        (("uv sync", "x {rank}"), "10:14", "unknown placeholder '{rank}'"),
        (("uv sync", "x {one.port}"), "10:14", "unknown placeholder '{one.port}'"),
        (("[uv.lock]", "uv.lock"), "11:17", "it must be a list"),
    ],
)
def test_a_mistake_in_prepare_has_its_place(edit: tuple[str, str], place: str, says: str) -> None:
    with pytest.raises(ConfigError) as raised:
        load_text(PREPARE.replace(*edit, 1), "nodes.yaml")
    [mistake] = raised.value.mistakes
    assert mistake.startswith(f"nodes.yaml:{place}: ") and says in mistake
