"""libtmux runs tmux as fleetctl/tmux/seam.py expects. If this fails, that module must change."""

from __future__ import annotations

import inspect
import subprocess
from collections.abc import Iterator
from importlib.metadata import version

import libtmux
import libtmux.common
import libtmux.neo
import libtmux.server
import pytest

from fleetctl.errors import LinkLost
from fleetctl.tmux import seam
from fleetctl.tmux.seam import Result, register, unregister

BIN = "fleetctl://canary"


class Recorder:
    """An engine that runs the real tmux and records the commands."""

    def __init__(self, socket: str) -> None:
        self.socket = socket
        self.asked: list[tuple[str, ...]] = []

    def run(self, argv: tuple[str, ...]) -> Result:
        self.asked.append(argv)
        done = subprocess.run(
            ["tmux", "-u", *argv], capture_output=True, text=True, timeout=20, check=False
        )
        return Result(done.stdout, done.stderr, done.returncode)

    def commands(self) -> list[str]:
        """The tmux commands among the arguments."""
        known = {"new-session", "new-window", "list-sessions", "list-windows", "list-panes",
                 "display-message", "has-session", "kill-session"}  # fmt: skip
        return [word for argv in self.asked for word in argv if word in known]


@pytest.fixture
def recorder(own_tmux: str) -> Iterator[Recorder]:
    engine = Recorder(own_tmux)
    register(BIN, engine)
    yield engine
    unregister(BIN)


def test_the_version_is_the_one_the_seam_is_for() -> None:
    assert version("libtmux").split(".")[:2] == ["0", "62"]


def test_every_call_site_shares_the_one_class() -> None:
    assert libtmux.server.tmux_cmd is libtmux.common.tmux_cmd  # type: ignore[attr-defined]  # as below
    assert libtmux.neo.tmux_cmd is libtmux.common.tmux_cmd  # type: ignore[attr-defined]  # imported there, not exported
    parameters = inspect.signature(seam._original).parameters
    assert list(parameters) == ["self", "args", "tmux_bin"]
    assert "tmux_bin" in inspect.signature(libtmux.Server).parameters


def test_all_commands_of_libtmux_reach_the_engine(recorder: Recorder) -> None:
    server = libtmux.Server(socket_name=recorder.socket, tmux_bin=BIN)
    session = server.new_session("canary", window_command="sleep 60", x=90, y=30)
    window = session.new_window(window_name="second", window_shell="sleep 60")
    assert window.active_pane is not None
    assert [s.session_name for s in server.sessions] == ["canary"]
    assert server.has_session("canary")
    assert not server.has_session("other")
    assert server.cmd("display-message", "-p", "hello").stdout == ["hello"]
    repr(window.active_pane)
    session.kill()
    commands = recorder.commands()
    for command in ("new-session", "new-window", "list-sessions", "has-session",
                    "display-message", "kill-session"):  # fmt: skip
        assert command in commands
    assert all(f"-L{recorder.socket}" in argv or argv == ("-V",) for argv in recorder.asked)


def test_results_look_like_libtmuxs_own(recorder: Recorder) -> None:
    ours = libtmux.Server(socket_name=recorder.socket, tmux_bin=BIN)
    theirs = libtmux.Server(socket_name=recorder.socket)
    ours.new_session("same", window_command="sleep 60")
    for argv in (
        ("display-message", "-p", "one"),
        ("display-message", "-p", "\n\n two \n\n"),
        ("display-message", "-p", ""),
        ("list-windows", "-t", "=nowhere"),
        ("has-session", "-t", "=nowhere"),
        ("no-such-command",),
    ):
        mine, its = ours.cmd(*argv), theirs.cmd(*argv)
        assert (mine.stdout, mine.stderr, mine.returncode) == (
            its.stdout,
            its.stderr,
            its.returncode,
        ), argv
    assert ours.sessions[0].session_id == theirs.sessions[0].session_id


def test_an_unregistered_binary_is_run_by_libtmux(recorder: Recorder) -> None:
    server = libtmux.Server(socket_name=recorder.socket)
    server.new_session("plain", window_command="sleep 60")
    assert server.has_session("plain")
    assert recorder.asked == []


def test_an_engine_that_was_unregistered_is_not_used(recorder: Recorder) -> None:
    unregister(BIN)
    unregister(BIN)
    with pytest.raises(libtmux.exc.TmuxCommandNotFound):
        libtmux.Server(socket_name=recorder.socket, tmux_bin=BIN).cmd("list-sessions")
    assert recorder.asked == []


def test_a_lost_node_is_an_error_and_not_an_empty_list(recorder: Recorder) -> None:
    class Lost:
        def run(self, argv: tuple[str, ...]) -> Result:
            raise LinkLost("pi4", "the connection broke")

    register(BIN, Lost())
    server = libtmux.Server(socket_name=recorder.socket, tmux_bin=BIN)
    with pytest.raises(LinkLost):
        list(server.sessions)
    with pytest.raises(LinkLost):
        server.has_session("x")
    with pytest.raises(LinkLost):
        server.new_session("x")
