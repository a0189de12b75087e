"""An instance has its account's environment of now, not that of tmux's first day."""

from __future__ import annotations

import pytest

from tests.launch.conftest import Node, eventually
from tests.launch.jobs import instance
from tests.launch.test_stop import started

SHOW = "/usr/bin/env -0 >~/has.new; mv ~/has.new ~/has; exec sleep 1000"


def has(node: Node) -> dict[str, str]:
    """The environment of the command SHOW."""
    file = node.home / "has"
    eventually(file.exists, "it has written its environment")
    variables = file.read_text().split("\0")[:-1]
    file.unlink()
    return dict(one.split("=", 1) for one in variables)


def test_a_changed_start_up_file(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODELS", "/data/old")
    monkeypatch.setenv("GONE", "soon")
    keeps_tmux = started(node, "exec sleep 1000", service="other")
    one = instance(command=SHOW, env={"OWN": "value"})
    node.start(one)
    first = has(node)
    assert (first["MODELS"], first["GONE"]) == ("/data/old", "soon")
    node.stop(one)
    monkeypatch.setenv("MODELS", "/data/new $x 'a'\n\"b\" \\")
    monkeypatch.setenv("ADDED", "line\nexport PATH=/nowhere")
    monkeypatch.delenv("GONE")
    node.start(one)
    now = has(node)
    assert now["MODELS"] == "/data/new $x 'a'\n\"b\" \\"
    assert now["ADDED"] == "line\nexport PATH=/nowhere"
    assert "GONE" not in now
    assert now["OWN"] == "value"
    assert now["HOME"] == str(node.home)
    assert now["TERM"] == first["TERM"] == "screen-256color"
    assert now["TMUX_PANE"].startswith("%")
    assert now["FLEETCTL_RUN"] == node.state(one)["run"]
    assert not (node.folder(one) / "account").exists()
    for each in (one, keeps_tmux):
        node.stop(each)


@pytest.mark.parametrize(
    "name", ["UID", "EUID", "PPID", "SHELLOPTS", "TMUX", "TERM", "roots", "dir"]
)
def test_names_that_a_shell_or_tmux_has(
    node: Node, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """`export UID` in a start-up file, for docker compose, breaks no instance."""
    monkeypatch.setenv(name, "braceexpand" if name == "SHELLOPTS" else "0")
    one = started(node, "exec sleep 1000")
    assert node.stop(one)["done"] == ["143"]


def test_an_outer_tmux_or_instance_is_not_inherited(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMUX", "/tmp/other,1,0")
    monkeypatch.setenv("FLEETCTL_RUN", "feed")
    monkeypatch.setenv("FLEETCTL_X", "1")
    one = instance(command=SHOW)
    node.start(one)
    now = has(node)
    assert now["TMUX"].startswith(str(node.home))
    assert now["FLEETCTL_RUN"] == node.state(one)["run"]
    assert "FLEETCTL_X" not in now
    node.stop(one)


def test_an_agent_and_the_connection_are_of_the_session_and_not_inherited(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = ("SSH_AUTH_SOCK", "SSH_CLIENT", "SSH_CONNECTION", "SSH_TTY")
    for name in session:
        monkeypatch.setenv(name, "/tmp/ssh-Ab3xYz/agent.17")
    without, own = instance(command=SHOW), instance(command=SHOW, env={"SSH_AUTH_SOCK": "/own"})
    node.start(without)
    assert not {*session} & {*has(node)}
    node.stop(without)
    node.start(own)
    assert {name: value for name, value in has(node).items() if name in session} == {
        "SSH_AUTH_SOCK": "/own"
    }
    node.stop(own)
