"""The real prober, beside the real supervisor in tmux, with the shells that nodes have."""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from shutil import which
from typing import Any

import psutil
import pytest
from msgspec.structs import replace

from fleetctl import lab
from fleetctl.model.jobs import Instance, Restart, Stop
from fleetctl.model.liveness import Liveness, LivenessKind
from fleetctl.model.ready import Ready
from fleetctl.model.status import LivenessStatus
from tests.launch.conftest import Node, alive, eventually
from tests.launch.jobs import instance
from tests.launch.test_stop import read_pid

FAST_S = 0.2


class Server(ThreadingHTTPServer):
    """Answers with ``status``; with 0 it says nothing."""

    daemon_threads = True
    status = 200

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/health?full=1"


class Answers(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        if self.path != "/health?full=1":
            self.send_error(404)
        elif self.server.status:
            self.send_response(self.server.status)
            self.end_headers()
        else:
            self.rfile.read()  # until the other end is closed

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server(("127.0.0.1", 0), Answers)
    thread = threading.Thread(target=made.serve_forever, args=(0.05,))
    thread.start()
    yield made
    made.shutdown()
    thread.join()
    made.server_close()


def asked(
    kind: LivenessKind, value: str, *, restart: bool = False, failures: int = 2, **more: Any
) -> Instance:
    liveness = Liveness(kind, value, FAST_S, failures, restart)
    fields: dict[str, Any] = {"command": "exec sleep 1000", "stop": Stop(grace_s=1), **more}
    return instance(liveness=liveness, **fields)


def told(node: Node, one: Instance) -> LivenessStatus:
    """What is known; before anything is, that it is pending."""
    return node.status(one).liveness or LivenessStatus("", "pending")


def until(node: Node, one: Instance, state: str, why: str | None) -> None:
    seen: list[object] = []

    def is_so() -> bool:
        status = node.status(one)
        seen[:] = [status.state, status.reason]
        return seen == [state, why]

    try:
        eventually(is_so, f"{state}: {why}", 20)
    finally:
        print("seen last:", seen)


def probers(node: Node) -> list[int]:
    """The processes of the instance's prober; first the prober itself."""
    home = str(node.home)
    found = []
    for process in psutil.process_iter(["cmdline"]):
        words = process.info["cmdline"] or []
        if any(home in word and word.endswith("/prober") for word in words):
            found.append(process.pid)
    return found


def sleepers(node: Node, *seconds: str) -> list[int]:
    """``sleep`` processes of that many seconds that work in the node's home folder."""
    return [
        process.pid
        for process in psutil.process_iter(["cwd", "cmdline"])
        if process.info["cwd"] == str(node.home)
        and process.info["cmdline"][1:] in [[one] for one in seconds]
    ]


def test_a_server_that_answers_503_is_unhealthy_until_it_answers_well(
    node: Node, server: Server
) -> None:
    one = asked("http", server.url)
    node.start(one)
    eventually(lambda: told(node, one).state == "ok", "it answers")
    assert told(node, one).reason == f"{server.url} answered 200"
    assert node.status(one).state in ("running", "ready")  # alive for a second
    until(node, one, "ready", None)
    server.status = 503
    until(node, one, "unhealthy", f"{server.url} answered 503")
    assert told(node, one).failures >= 2
    assert "answered 503" in (told(node, one).reason or "")
    assert node.status(one).pid is not None
    server.status = 204
    until(node, one, "ready", None)
    node.stop(one)
    assert not probers(node)
    left = {path.name for path in node.folder(one).iterdir()}
    assert left == {"state", "past", "log", "tmux.conf"}


LAB_NC = f"""#!{sys.executable}
import sys
sys.path.insert(0, {str(Path(lab.__file__).parent)!r})
from programs.macos import nc
sys.exit(nc.main(sys.argv[1:], "nc"))
"""
"""That of the lab's Macs."""


def only(node: Node, *tools: str) -> None:
    """Let the node have only some of the tools that can ask, and what any node has."""
    there = ("sh", "cat", "date", "sed", "grep", "ls", "sort", "tail", "head", "wc", "mv", "rm",
             "dd", "stty", "sleep", "ps", "awk", "kill", "tmux", "find", "rmdir", "mkdir", "touch",
             "uname", "ss", "tr", "env", "id", *tools)  # fmt: skip
    folder = node.home / "only"
    folder.mkdir()
    for name in there:
        if name == "nc":
            (folder / "nc").write_text(LAB_NC)
            (folder / "nc").chmod(0o755)
            continue
        place = sys.executable if name == "python3" else which(name)
        assert place, f"{name} is not installed"
        (folder / name).symlink_to(Path(place).resolve() if name == "sh" else place)
    os.environ["PATH"] = str(folder)  # the fixture of the node brings it back


@pytest.mark.parametrize("tool", ["curl", "wget", "python3", "bash", "nc"])
def test_each_tool_tells_what_came_back(node: Node, server: Server, tool: str) -> None:
    only(node, tool)
    one = asked("http", server.url)
    node.start(one)
    eventually(lambda: told(node, one).reason == f"{server.url} answered 200", "well", 20)
    server.status = 503
    until(node, one, "unhealthy", f"{server.url} answered 503")
    server.status = 0
    # nc has sent all that it was given, and closes its half of the connection
    came = "gave no answer" if tool == "nc" else "did not answer within 1 s"
    until(node, one, "unhealthy", f"{server.url} {came}")
    node.stop(one)
    assert not probers(node)


@pytest.mark.parametrize("tool", ["curl", "wget", "python3", "bash"])
def test_each_tool_tells_that_nothing_listens(node: Node, tool: str) -> None:
    only(node, tool)
    with socket.create_server(("127.0.0.1", 0)) as unused:
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/"
    one = asked("http", url)
    node.start(one)
    said = (f"{url} refused the connection", f"{url} accepted no connection")
    eventually(lambda: node.status(one).state == "unhealthy", "it is unhealthy", 20)
    assert node.status(one).reason in said
    node.stop(one)


@pytest.mark.parametrize("tool", ["bash", "python3", "nc"])
def test_a_port(node: Node, tool: str) -> None:
    only(node, tool)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        place = f"127.0.0.1:{listening.getsockname()[1]}"
        one = asked("connect", place)
        node.start(one)
        eventually(lambda: told(node, one).reason == f"{place} accepted a connection", "well", 20)
        until(node, one, "ready", None)
    until(node, one, "unhealthy", f"{place} refused the connection")
    node.stop(one)


def test_where_nothing_can_ask_it_is_not_known_and_not_well(node: Node) -> None:
    only(node)
    one = asked("http", "http://127.0.0.1:1/")
    node.start(one)
    why = "its node has none of curl, wget, python3, bash and nc, to ask http://127.0.0.1:1/"
    until(node, one, "running", f"whether it works is not known: {why}")
    assert told(node, one).state == "unknown"
    node.stop(one)


def test_a_command_runs_in_the_folder_and_environment_of_the_instance(node: Node) -> None:
    (node.home / "work").mkdir()
    line = 'test "$WORD" = "two words" && test -z "$FLEETCTL_RUN" && test -e ./well'
    one = asked("command", line, workdir="~/work", env={"WORD": "two words", "asked": "false"})
    node.start(one)
    until(node, one, "unhealthy", f"{line} ended with exit code 1")
    (node.home / "work/well").touch()
    until(node, one, "ready", None)
    node.stop(one)


def test_a_command_that_cannot_be_run_is_no_failure(node: Node) -> None:
    one = asked("command", "no-such-program --at all", failures=1, restart=True)
    node.start(one)
    why = "no-such-program --at all cannot be run (exit code 127)"
    until(node, one, "running", f"whether it works is not known: {why}")
    assert (told(node, one).state, told(node, one).failures) == ("unknown", 0)
    assert node.state(one)["restarts"] == "0"
    node.stop(one)


def test_a_command_that_hangs_is_ended_with_all_that_it_started(node: Node) -> None:
    line = "sh -c 'echo $$ >pid; trap : TERM; sleep 1001; sleep 1002'; true"
    one = asked("command", line)
    node.start(one)
    until(node, one, "unhealthy", f"{line} did not answer within 1 s")
    first = read_pid(node.home / "pid")
    eventually(lambda: not alive(first), "it is ended")
    node.stop(one)
    assert not probers(node)
    assert not sleepers(node, "1001", "1002")


def test_silence(node: Node) -> None:
    one = asked("silence", "0.6", command="while read -r line; do echo $line; done")
    node.start(one)
    until(node, one, "unhealthy", "it printed nothing for 0.6 s")

    def ready() -> bool:
        node.tmux("send-keys", "-t", "fleet:worker", "word", "Enter")
        return node.status(one).state == "ready"

    eventually(ready, "it prints again", 20)
    node.stop(one)


def test_a_restart_counts_as_any_other_and_says_why(node: Node, server: Server) -> None:
    one = replace(
        asked("http", server.url, restart=True),
        command="trap 'exit 0' TERM; while :; do sleep 0.05; done",
        restart=Restart(delay_s=0.05, max=2),
    )
    node.start(one)
    eventually(lambda: told(node, one).state == "ok", "it answers")
    server.status = 503
    eventually(lambda: node.state(one).get("restarts") == "1", "it is restarted", 20)
    server.status = 200
    until(node, one, "ready", f"restarted: {server.url} answered 503 twice")
    assert f"{server.url} answered 503 (2 in a row): ended with exit code 0; restart 1" in node.log(
        one
    )
    server.status = 503
    eventually(lambda: node.status(one).state == "failed", "it is out of restarts", 20)
    start = f"exit code 0, after 2 restarts; it was ended, for {server.url} answered 503 "
    assert (node.status(one).reason or "").startswith(start)
    assert "not restarted again after 2 restarts in a row" in node.log(one)
    assert not probers(node)
    assert not (node.folder(one) / "spec").exists()
    node.stop(one)


def test_a_restart_ends_what_is_stopped_and_what_left_its_group(node: Node) -> None:
    code = "import os; os.setsid(); os.execvp('sleep', ['sleep', '1003'])"
    command = f'{sys.executable} -c "{code}" & echo $! >other; exec sleep 1004'
    one = asked(
        "command",
        "! test -e bad",
        restart=True,
        command=command,
    )
    node.start(one)
    eventually(lambda: told(node, one).state == "ok", "it works")
    first = int(node.state(one)["pid"])
    other = read_pid(node.home / "other")
    os.kill(first, signal.SIGSTOP)
    (node.home / "bad").touch()
    eventually(lambda: node.state(one).get("phase") == "backoff", "it is ended", 20)
    assert not alive(first)
    assert not alive(other)
    (node.home / "bad").unlink()
    node.stop(one)


def test_what_is_not_ready_yet_is_not_restarted(node: Node) -> None:
    """Whatever its node's clock is set to meanwhile."""
    node.date_moves(10000)
    one = asked("command", "test -e well", restart=True, ready=Ready("log", "up", timeout_s=1000))
    node.start(one)
    eventually(lambda: told(node, one).failures >= 5, "it fails again and again", 20)
    assert node.state(one)["restarts"] == "0"
    assert node.status(one).state == "running"
    run = node.state(one)["run"]
    (node.folder(one) / "ready").write_text(f"{run} 0\n")  # as a controller that saw the line
    eventually(lambda: node.state(one)["restarts"] == "1", "it is restarted", 20)
    node.stop(one)


def test_the_prober_does_not_outlive_its_supervisor(node: Node) -> None:
    one = asked("command", "sleep 1005", failures=1000)
    node.start(one)
    eventually(lambda: sleepers(node, "1005"), "it asks")
    os.kill(int(node.tmux("list-panes", "-a", "-F", "#{pane_pid}")), signal.SIGKILL)
    eventually(lambda: not probers(node), "it is gone")
    assert not sleepers(node, "1005")
    node.stop(one)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP])
def test_a_prober_that_asks_no_more_is_told(node: Node, how: signal.Signals) -> None:
    one = asked("command", "true")
    node.start(one)
    until(node, one, "ready", None)
    os.killpg(probers(node)[0], how)
    until(node, one, "running", "whether it works is not known: its prober does not run")
    node.stop(one)
    assert not probers(node)


def test_the_prober_holds_neither_the_terminal_nor_the_log(node: Node) -> None:
    one = asked("command", "true", command="sleep 1; exit 3")
    node.start(one)
    eventually(lambda: probers(node), "it runs")
    prober = probers(node)[0]
    held = {str(Path(f"/proc/{prober}/fd/{n}").readlink()) for n in (0, 1, 2)}
    assert held == {"/dev/null"}
    assert b"FLEETCTL_RUN" not in Path(f"/proc/{prober}/environ").read_bytes()
    until(node, one, "failed", "exit code 3")
    eventually(lambda: not probers(node), "it ends with the instance")
    node.stop(one)


def test_a_service_without_liveness_has_no_prober(node: Node) -> None:
    one = instance(command="exec sleep 1000", stop=Stop(grace_s=1))
    node.start(one)
    node.await_phase(one, "running")
    assert not probers(node)
    assert not (node.folder(one) / "prober").exists()
    node.stop(one)
