"""The real supervisor, in tmux, with the shells that nodes have."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from fleetctl.model.jobs import Instance, Restart, Stop
from tests.launch.conftest import BOTH_SHELLS, Node, alive, eventually
from tests.launch.jobs import instance

pytestmark = BOTH_SHELLS

FAST = Stop(grace_s=1)


def policy(name: str, **more: float) -> Restart:
    return Restart(name, delay_s=more.pop("delay_s", 0.05), **more)  # type: ignore[arg-type]  # a table of numbers


def pid(node: Node, of: Instance) -> int:
    return int(node.await_phase(of, "running")["pid"])


@pytest.mark.parametrize(
    ("command", "code"),
    [
        ("true", 0),
        ("exit 3", 3),
        ("no-such-program-here", 127),
        ("/etc/passwd", 126),
        ("kill -TERM $$", 143),
        ("kill -SEGV $$", 139),
        ("kill -INT $$", 130),
        ("exit 255", 255),
    ],
)
def test_the_exit_code_is_kept(node: Node, command: str, code: int) -> None:
    one = instance(command=command)
    node.start(one)
    state = node.await_phase(one, "ended")
    assert (state["exit"], state["restarts"]) == (str(code), "0")
    assert float(state["ended_up"]) >= float(state["up"])
    eventually(lambda: node.status(one).state in ("exited", "failed"), "it is seen to have ended")
    status = node.status(one)
    assert status.exit_code == code
    assert status.state == ("exited" if code == 0 else "failed")
    assert status.ended_at
    assert abs(time.time() - status.ended_at.timestamp()) < 60
    assert not (node.folder(one) / "spec").exists()  # secrets do not outlive the process
    last = f"fleetctl: ended with exit code {code}"
    eventually(lambda: last in node.log(one), "its end is in the log")
    node.stop(one)


def test_variables_of_the_instance_may_have_any_name(node: Node) -> None:
    env = dict.fromkeys(("command", "run", "dir", "restarts", "liveness"), "mine")
    one = instance(command='echo "$command $run $dir $restarts $liveness"; exit 3', env=env)
    node.start(one)
    assert node.await_phase(one, "ended")["exit"] == "3"
    eventually(lambda: "mine mine mine mine mine" in node.log(one), "it has them")
    node.stop(one)


def test_a_folder_that_cannot_be_entered(node: Node) -> None:
    (node.home / "work").mkdir()
    one = instance(
        workdir="~/work", command="rmdir ~/work; exit 1", restart=policy("always", max=1)
    )
    node.start(one)
    assert node.await_phase(one, "ended")["exit"] == "126"
    node.stop(one)


@pytest.mark.parametrize(
    ("restart", "code", "runs"),
    [
        (policy("never"), 1, 1),
        (policy("on-failure", max=5), 0, 1),
        (policy("on-failure", max=2), 7, 3),
        (policy("always", max=2), 0, 3),
        (policy("always", max=0), 1, 1),
    ],
)
def test_restart_policies(node: Node, restart: Restart, code: int, runs: int) -> None:
    one = instance(command=f"echo ran; exit {code}", restart=restart)
    node.start(one)
    state = node.await_phase(one, "ended")
    assert (state["exit"], int(state["restarts"])) == (str(code), runs - 1)
    eventually(lambda: node.log(one).count("ran\n") == runs, "all runs are in the log")
    if runs > 1:
        last = f"not restarted again after {runs - 1} restarts in a row"
        eventually(lambda: last in node.log(one), "its end is in the log")
    node.stop(one)


@pytest.mark.parametrize("ignores", ["", "trap '' TERM; "])
def test_what_a_failed_attempt_left_behind_is_ended_before_the_next(
    node: Node, ignores: str, tmp_path: Path
) -> None:
    """Such as the loaders of data of a program that was killed; also where they ignore TERM."""
    counts, pids = tmp_path / "counts", tmp_path / "pids"
    daemon = f"({ignores}while :; do sleep 0.1; done) & echo $! >>{pids}"
    lives = "grep -q '^State:.[RSD]' /proc/$p/status"  # and is no zombie
    others = f"for p in $(cat {pids}); do {lives} && n=$((n+1)); done 2>/dev/null"
    command = f"touch {pids}; n=0; {others}; echo $n >>{counts}; {daemon}; exit 3"
    one = instance(command=command, restart=policy("on-failure", max=1), stop=FAST)
    node.start(one)
    node.await_phase(one, "ended")
    assert counts.read_text().split() == ["0", "0"], "what the first one left had ended"
    said = "of its processes run on, and are ended before it begins again"
    eventually(lambda: node.log(one).count(said) == 1, "it says so")
    node.stop(one)
    assert not any(alive(int(one)) for one in pids.read_text().split())


def test_the_log_has_no_word_of_the_shell_of_a_signal(node: Node) -> None:
    """It would be told as what the program said last."""
    one = instance(command="echo its last word >&2; kill -KILL $$")
    node.start(one)
    node.await_phase(one, "ended")
    eventually(lambda: "exit code 137" in node.log(one), "its end is in the log")
    said = [line for line in node.log(one).splitlines() if line]
    assert said == ["its last word", "fleetctl: ended with exit code 137"]
    node.stop(one)


def test_the_pauses_grow_and_are_announced(node: Node) -> None:
    one = instance(command="exit 4", restart=policy("always", max=4, max_delay_s=0.2))
    node.start(one)
    node.await_phase(one, "ended")
    eventually(lambda: "not restarted again" in node.log(one), "its end is in the log")
    said = [x for x in node.log(one).splitlines() if "; restart " in x]
    assert [line.split("; ")[1] for line in said] == [
        "restart 1 in 0.05 s",
        "restart 2 in 0.1 s",
        "restart 3 in 0.2 s",
        "restart 4 in 0.2 s",
    ]
    node.stop(one)


@pytest.mark.parametrize("set_back", [False, True])
def test_a_long_run_resets_the_count(node: Node, set_back: bool) -> None:
    """Also while its node's clock is set back."""
    if set_back:
        node.date_moves(-1000)
    one = instance(
        command="sleep 1.1; exit 1", restart=policy("always", max=1, reset_after_s=1, delay_s=0)
    )
    node.start(one)
    eventually(lambda: int(node.state(one).get("restarts", 0)) >= 2, "more than max in all")
    assert node.stop(one)["done"] is not None


def test_it_waits_in_backoff_and_stop_ends_that_at_once(node: Node) -> None:
    one = instance(command="exit 5", restart=policy("always", delay_s=1000, max_delay_s=1000))
    node.start(one)
    state = node.await_phase(one, "backoff")
    assert (state["exit"], state["restarts"]) == ("5", "1")
    assert node.status(one).state == "restarting"
    (pane,) = node.tmux("list-panes", "-a", "-F", "#{pane_pid}").split()
    (sleep,) = Path(f"/proc/{pane}/task/{pane}/children").read_text().split()
    node.stop(one)
    assert not alive(int(sleep))
    assert not alive(int(pane))
    assert node.status(one).state == "stopped"


def test_what_ends_within_its_first_second_was_never_ready(node: Node) -> None:
    one = instance(command="sleep 0.6; exit 3")
    node.start(one)
    seen = set()
    while node.state(one).get("phase") != "ended":
        seen.add(node.status(one).state)
    assert "ready" not in seen
    node.stop(one)


def test_a_stop_file_means_no_restart(node: Node) -> None:
    one = instance(command="exec sleep 100", restart=policy("always"))  # nothing else of it is left
    node.start(one)
    running = pid(node, one)
    (node.folder(one) / "stop").touch()
    os.kill(running, signal.SIGKILL)
    state = node.await_phase(one, "ended")
    assert (state["exit"], state["restarts"], state["asked"]) == ("137", "0", "stop")
    assert node.status(one).state == "stopped"  # also before stop.sh says that all has ended
    node.stop(one)


def has_terminal(process: int) -> bool:
    """Whether its process group is the terminal's: proc(5), /proc/PID/stat, pgrp and tpgid."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(") ")[2].split()
    return fields[2] == fields[5]


def type_until(node: Node, condition: Callable[[], object], what: str) -> None:
    """Type Ctrl-C again and again until ``condition`` holds.

    On a busy machine a key is lost if it comes while a shell takes over the terminal.
    """
    typed_s = 0.0

    def typed() -> object:
        nonlocal typed_s
        if not condition() and time.monotonic() - typed_s > 3:
            typed_s = time.monotonic()
            node.tmux("send-keys", "-t", "fleet:worker", "C-c")
        return condition()

    eventually(typed, what)


def test_ctrl_c_typed_is_for_the_command(node: Node) -> None:
    one = instance(command="sleep 100", restart=policy("on-failure"))
    node.start(one)
    first = pid(node, one)
    eventually(lambda: has_terminal(first), "what is typed goes to it")
    type_until(node, lambda: node.state(one).get("restarts") == "1", "it is restarted")
    second = pid(node, one)
    assert second != first
    assert not alive(first)
    eventually(lambda: has_terminal(second), "what is typed goes to it")
    node.tmux("send-keys", "-t", "fleet:worker", "C-z")  # stops nothing
    type_until(node, lambda: node.state(one).get("restarts") == "2", "it is restarted again")
    node.stop(one)


def test_sigint_to_the_command_alone_is_an_ordinary_exit(node: Node) -> None:
    one = instance(command="exec sleep 100", restart=policy("on-failure"))
    node.start(one)
    first = pid(node, one)
    name = Path(f"/proc/{first}/comm")
    eventually(lambda: name.read_text() == "sleep\n", "it replaces the shell")
    os.kill(first, signal.SIGINT)
    eventually(lambda: node.state(one).get("restarts") == "1", "it is restarted")
    assert pid(node, one) != first
    node.stop(one)


def test_a_stopped_command_has_not_ended(node: Node) -> None:
    one = instance(command="exec sleep 100", restart=policy("always"))
    node.start(one)
    running = pid(node, one)
    os.kill(running, signal.SIGSTOP)
    stat = Path(f"/proc/{running}/stat")
    eventually(lambda: stat.read_text().rpartition(") ")[2][0] == "T", "it is stopped")
    os.kill(running, signal.SIGCONT)
    os.kill(running, signal.SIGTERM)
    eventually(lambda: node.state(one).get("restarts") == "1", "its end is seen")
    eventually(lambda: "ended with exit code 143" in node.log(one), "its end is in the log")
    node.stop(one)


def test_the_command_is_alone_in_its_group_and_reads_the_terminal(node: Node) -> None:
    one = instance(command='read line; echo "got <$line>"; exec sleep 100')
    node.start(one)
    running = pid(node, one)
    supervisor = int(node.tmux("list-panes", "-a", "-F", "#{pane_pid}"))
    assert os.getpgid(running) != os.getpgid(supervisor)
    node.tmux("send-keys", "-t", "fleet:worker", "typed words", "Enter")
    eventually(lambda: "got <typed words>" in node.log(one), "it reads what is typed")
    node.stop(one)


def test_where_the_log_of_an_attempt_begins(node: Node) -> None:
    one = instance(command="echo one two three; sleep 0.5; exit 1", restart=policy("always", max=1))
    node.start(one)
    assert node.await_phase(one, "running")["log"] in ("", "0")
    eventually(lambda: node.state(one).get("restarts") == "1", "it is restarted")
    start = int(node.await_phase(one, "running")["log"])
    (file,) = (node.folder(one) / "log").glob("*.log")
    eventually(lambda: file.read_bytes()[start:].count(b"one two three") == 1, "the second attempt")
    assert file.read_bytes()[:start].count(b"one two three") == 1
    node.stop(one)


def test_secrets_are_in_the_environment_and_nowhere_else(node: Node, tmp_path: Path) -> None:
    (tmp_path / "secret.env").write_text("TOKEN='hunter2 $x'\n")
    one = instance(command="exec sleep 100", env_file=str(tmp_path / "secret.env"))
    node.start(one)
    running = pid(node, one)
    eventually(
        lambda: b"TOKEN=hunter2 $x" in Path(f"/proc/{running}/environ").read_bytes().split(b"\0"),
        "the command has it",
    )
    folder = node.folder(one)
    assert [f.name for f in folder.rglob("*") if f.is_file() and b"hunter2" in f.read_bytes()] == [
        "spec"
    ]
    assert (folder / "spec").stat().st_mode & 0o777 == 0o600
    assert folder.stat().st_mode & 0o777 == 0o700
    pane = node.tmux("list-panes", "-a", "-F", "#{pane_pid}").strip()
    for process in (pane, node.tmux("display", "-p", "#{pid}").strip()):
        assert b"hunter2" not in Path(f"/proc/{process}/environ").read_bytes()
        assert b"hunter2" not in Path(f"/proc/{process}/cmdline").read_bytes()
    assert "hunter2" not in node.tmux("show-environment", "-g")
    node.stop(one)
    assert not list(folder.glob("spec*"))


@pytest.mark.parametrize(
    ("command", "last"),
    [
        (r"printf 'one\n\033[31;1mno \033[0mluck\033[K\n\n'; exit 3", ("no luck",)),
        (r"printf '10%%\r20%%'; exit 3", ("20%",)),
        ("exit 3", None),
        ("echo fine", None),
    ],
)
def test_a_status_has_the_last_line_of_what_failed(
    node: Node, command: str, last: tuple[str, ...] | None
) -> None:
    it = instance(command=command)
    node.start(it)
    node.await_phase(it, "ended")
    eventually(lambda: "fleetctl: ended" in node.log(it) or last is None, "its output is logged")
    assert node.status(it).last_lines == last
    dead = ("list-panes", "-a", "-F", "#{pane_dead}")
    eventually(lambda: node.tmux(*dead) == "1\n", "its window is dead")
    again = instance(command="exit 4")
    node.start(again)
    eventually(lambda: node.state(again).get("exit") == "4", "it ended again")
    assert node.status(again).last_lines is None, "an earlier run's is not its own"
