"""attach in a real terminal, to a remote and to a local instance."""

from __future__ import annotations

import termios
from typing import Any

import pytest

from fleetctl.lab import Lab
from tests.e2e.cluster import User, eventually, running, sh
from tests.e2e.conftest import MakeUser
from tests.e2e.terminal import Terminal

pytestmark = pytest.mark.lab

ECHO = (
    "stty size; echo ready now; "
    'while read line; do stty size; echo "got <$line>"; [ "$line" != quit ] || exit 5; done'
)
JOB: dict[str, dict[str, Any]] = {
    "echo": {"on": ["mini", "here"], "command": ECHO, "stop": {"grace": 1}},
    "other": {"on": "mini", "command": "echo the other; exec sleep 4800", "stop": {"grace": 1}},
}


@pytest.fixture
def job(user: MakeUser) -> User:
    job = user(JOB)
    job.start()
    return job


def screen(job: User, where: str) -> str:
    """What the window of the instance "echo" shows."""
    return sh(job.lab, where, f"tmux -L fleetctl capture-pane -p -t ={job.fleet}:=echo")


def asked_for_size(terminal: Terminal, job: User, where: str) -> str:
    """The last size that the instance "echo" printed; then ask it again."""
    terminal.type("size\r")
    terminal.read(0.2)
    sizes = [line for line in screen(job, where).splitlines() if line.replace(" ", "").isdigit()]
    return sizes[-1] if sizes else ""


@pytest.mark.parametrize(("node", "where"), [("mini", "mini"), ("here", "controller")])
def test_attach_shows_the_live_window_and_detach_leaves_it(
    lab: Lab, job: User, node: str, where: str
) -> None:
    argv = ["env", "COLUMNS=70", "LINES=20", *job.argv("attach", f"echo@{node}")]  # not the size
    with Terminal(lab, argv) as terminal:
        before = termios.tcgetattr(terminal._fd)
        terminal.wait_for("ready now")  # printed before attach
        terminal.type("hello there\r")
        terminal.wait_for("got <hello there>")
        eventually(
            lambda: asked_for_size(terminal, job, where) == "29 100",
            "full size, less tmux's status line",
        )
        terminal.resize(120, 40)
        terminal.process.send_signal(28)  # as the terminal's own program would: SIGWINCH
        eventually(lambda: asked_for_size(terminal, job, where) == "39 120", "the new size")
        assert terminal.detach() == 0
        assert f"left the window of echo@{node}; it runs on" in terminal.text
        assert termios.tcgetattr(terminal._fd)[3] == before[3]  # the terminal is as it was
    assert job.states()[f"echo@{node}"] == "ready"
    left = sh(lab, where, "tmux -L fleetctl list-sessions -F '#{session_name}'").split()
    assert job.fleet in left
    assert not [name for name in left if name.startswith(f"{job.fleet}-")]
    assert job.type("stop").code == 0


def test_read_only_sends_nothing(lab: Lab, job: User) -> None:
    with Terminal(lab, job.argv("attach", "--read-only", "echo@mini")) as terminal:
        terminal.wait_for("ready now")
        terminal.type("sneaky\r\x03")
        assert terminal.detach() == 0  # that much it takes
    assert "sneaky" not in screen(job, "mini")
    assert job.states()["echo@mini"] == "ready"
    assert job.type("stop").code == 0


def test_two_users_look_at_different_windows(lab: Lab, job: User) -> None:
    with (
        Terminal(lab, job.argv("attach", "echo@mini")) as first,
        Terminal(lab, job.argv("attach", "other@mini")) as second,
    ):
        first.wait_for("ready now")
        second.wait_for("the other")
        first.type("mine\r")
        first.wait_for("got <mine>")
        assert "got <mine>" not in second.text
        assert "the other" not in first.text
        assert second.detach() == 0
        first.type("still\r")
        first.wait_for("got <still>")
        # the instance ends while it is attached to
        first.type("quit\r")
        eventually(lambda: job.states()["echo@mini"] == "failed", "it is seen to have ended")
        assert first.detach() == 0
    assert job.services()["echo@mini"]["exit_code"] == 5
    assert job.type("stop").code == 0


def test_ctrl_c_typed_there_is_for_the_command_alone(lab: Lab, user: MakeUser) -> None:
    job = user(
        {
            "trap": {
                "on": "mini",
                "command": "trap 'echo caught; exit 7' INT; echo set; while :; do sleep 0.1; done",
                "restart": {"policy": "on-failure", "delay": 0.1},
                "stop": {"grace": 1},
            }
        }
    )
    job.start()
    with Terminal(lab, job.argv("attach", "trap")) as terminal:
        terminal.wait_for("set")
        terminal.type("\x03")
        terminal.wait_for("caught")
        terminal.wait_for("ended with exit code 7; restart 1")
        assert terminal.detach() == 0
    eventually(lambda: job.services()["trap@mini"]["restarts"] == 1, "its restart is counted")
    assert job.type("stop").code == 0


def test_the_node_is_lost_while_attached(lab: Lab, job: User) -> None:
    with Terminal(lab, job.argv("attach", "echo@mini")) as terminal:
        before = termios.tcgetattr(terminal._fd)
        terminal.wait_for("ready now")
        lab.fault("power-off", "mini")
        assert terminal.wait_for_end(timeout_s=15) == 1
        assert "fleetctl: mini: the connection broke" in terminal.text
        assert termios.tcgetattr(terminal._fd)[3] == before[3]
    job.type("stop", "here")


def test_what_cannot_be_attached_to(lab: Lab, job: User) -> None:
    piped = job.type("attach", "echo@mini")
    assert (piped.code, piped.err) == (
        2,
        "fleetctl: attach needs a terminal. See its output: fleetctl logs echo@mini\n",
    )
    job.type("stop", "other")
    for arguments, code, sentence in (
        (("other",), 1, "other@mini: has no window: it is not started. Start it: "),
        (("echo",), 2, "echo is echo@mini, echo@here. Name one instance, as service@node."),
        (("ecko",), 2, "'ecko' is no node, service or instance. Did you mean 'echo'?"),
        (("hub",), 2, "hub is nothing of the job."),
    ):
        with Terminal(lab, job.argv("attach", *arguments), columns=200) as terminal:
            assert terminal.wait_for_end() == code
            assert sentence in terminal.text
    assert job.type("stop").code == 0
    assert running(lab, "mini", "sh -c stty") == []
