"""The processes of instances are found, whatever those do to hide; and no other ones."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest

from fleetctl.model.jobs import Instance, Restart
from fleetctl.model.ready import Ready
from fleetctl.probes.members import members_text
from tests.launch.conftest import Node, alive, eventually
from tests.launch.jobs import listen
from tests.launch.test_stop import DAEMON, pane_pid, read_pid, started
from tests.processes import killed_at_end

# As setproctitle, redis and gunicorn do, it writes over the memory that the kernel shows.
TITLED = """\
import ctypes, sys, time
stat = open("/proc/self/stat").read().rpartition(")")[2].split()
start, _, _, end = (int(n) for n in stat[45:49])
ctypes.memset(start, 0, end - start)
ctypes.memmove(start, b"smol::server", 12)
import socket
s = socket.create_server(("127.0.0.1", int(sys.argv[1])))
time.sleep(1000)
"""


@pytest.fixture
def port() -> int:
    """A free one."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def members(node: Node, one: Instance) -> set[int]:
    """The processes of ``one``, by the text that every look uses."""
    script = f"cd {node.folder(one)} && {members_text()}members state"
    said = subprocess.run(["sh", "-c", script], capture_output=True, text=True, timeout=20)
    assert said.stderr == ""
    return {int(line.split()[1]) for line in said.stdout.splitlines()}


def environment(pid: int) -> bytes:
    return Path(f"/proc/{pid}/environ").read_bytes()


def test_a_server_that_overwrites_its_title(node: Node, port: int) -> None:
    (node.home / "titled.py").write_text(TITLED)
    one = started(
        node,
        f"exec python3 ~/titled.py {port}",
        listen=listen(port=port, address="127.0.0.1"),
        ready=Ready("listening"),
    )
    eventually(lambda: node.status(one).state == "ready", "it is ready")
    status = node.status(one)
    assert status.pid and b"FLEETCTL_RUN" not in environment(status.pid)
    assert status.listening == (f"127.0.0.1:{port}",)
    node.stop(one)
    assert not alive(status.pid)


def test_without_its_environment_in_a_group_of_its_own(node: Node) -> None:
    one = started(node, "env -i setsid sleep 1001 & echo $! >~/pid; exec sleep 1002")
    child, leader = read_pid(node.home / "pid"), int(node.state(one)["pid"])
    eventually(lambda: os.getsid(child) == child, "it is in a session of its own")
    assert b"FLEETCTL_RUN" not in environment(child)
    assert members(node, one) == {child, leader}
    node.stop(one)


def test_the_supervisor_is_not_a_process_of_the_instance(node: Node) -> None:
    one = started(node, "exec sleep 1000", restart=Restart("always", delay_s=1000))
    assert members(node, one) == {int(node.state(one)["pid"])}
    os.kill(int(node.state(one)["pid"]), signal.SIGTERM)
    node.await_phase(one, "backoff")
    assert members(node, one) == set()  # only the pause of the supervisor runs


@pytest.mark.parametrize("what", ["supervisor", "tmux"])
def test_what_outlives_its_supervisor(node: Node, what: str) -> None:
    one = started(node, "trap '' HUP; env -i sleep 1000 & echo $! >~/pid; wait")
    child = read_pid(node.home / "pid")
    left = members(node, one)
    assert len(left) == 2 and child in left
    os.kill(pane_pid(node), signal.SIGKILL) if what == "supervisor" else node.tmux("kill-server")
    eventually(lambda: "still run" in (node.status(one).reason or ""), "it is told")
    assert node.status(one).state == "failed"
    assert members(node, one) == left
    node.stop(one)
    assert not any(map(alive, left))
    assert node.status(one).state == "stopped"


def test_secrets_go_when_nothing_is_left_that_would_remove_them(node: Node) -> None:
    """A supervisor that is killed cannot."""
    one = started(node, "exec sleep 1000")
    spec = node.folder(one) / "spec"
    run = spec.read_text().splitlines()[0]
    assert node.status(one).state in ("running", "ready") and spec.exists()
    pids = [pane_pid(node), *members(node, one)]
    for pid in pids:
        with suppress(ProcessLookupError):  # some end with their supervisor
            os.kill(pid, signal.SIGKILL)
    eventually(lambda: not any(map(alive, pids)), "all of it is dead")
    text = spec.read_text()
    spec.write_text(text.replace(run, "run=0123456789abcdef"))  # of a start that has just begun
    assert node.status(one).state == "failed" and spec.exists()
    spec.write_text(text)
    (node.folder(one) / "lock").mkdir()
    assert node.status(one).state == "failed" and spec.exists()
    (node.folder(one) / "lock").rmdir()
    # as when tmux has not taken note of the supervisor's end
    ended = subprocess.Popen(["true"])
    eventually(lambda: not alive(ended.pid), "it has ended, and nothing has waited for it")
    born = Path(f"/proc/{ended.pid}/stat").read_text().rpartition(") ")[2].split()[19]
    state = node.folder(one) / "state"
    zombie = f"supervisor={ended.pid} {born}"
    state.write_text(re.sub(r"supervisor=\d+ \d+", zombie, state.read_text()))
    eventually(lambda: node.status(one).state == "failed" and not spec.exists(), "they are gone")
    ended.wait()


def test_a_server_in_the_background_is_the_instance(node: Node, port: int) -> None:
    one = started(
        node,
        f"setsid nohup python3 -m http.server {port} --bind 127.0.0.1 >/dev/null 2>&1 &",
        listen=listen(port=port, address="127.0.0.1"),
        ready=Ready("listening"),
        restart=Restart("always", delay_s=0),
    )
    eventually(
        lambda: (
            "in the background" in (node.status(one).reason or "")
            and node.status(one).state == "ready"
        ),
        "it is ready in the background",
    )
    status = node.status(one)
    assert (status.restarts, status.exit_code) == (0, 0)
    assert status.pid in members(node, one)
    assert status.pid
    os.kill(status.pid, signal.SIGKILL)
    eventually(lambda: node.state(one)["restarts"] == "1", "it is restarted when that has ended")
    node.stop(one)
    assert node.status(one).state == "stopped"


def test_an_instance_ends_when_nothing_of_it_is_left(node: Node) -> None:
    one = started(node, "sleep 1000 & echo $! >~/pid")
    pid = read_pid(node.home / "pid")
    eventually(lambda: "in the background" in (node.status(one).reason or ""), "it is told")
    assert node.status(one).state in ("running", "ready")
    os.kill(pid, signal.SIGTERM)
    node.await_phase(one, "ended")
    assert node.status(one).state == "exited"
    assert "run on in the background" in node.log(one)


def test_a_name_can_contain_anything(node: Node) -> None:
    command = "printf '#!/bin/sh\\nsleep 1000\\n' >'a) S 1\n2 (b'; chmod +x a*; exec ./a*"
    one = started(node, f"cd ~; {command}")
    pid = int(node.state(one)["pid"])
    name = Path(f"/proc/{pid}/comm")
    eventually(lambda: name.read_text() == "a) S 1\n2 (b\n", "it has its name")
    assert pid in members(node, one)
    node.stop(one)
    assert not alive(pid)


def test_a_number_that_another_process_has_now(node: Node) -> None:
    """After a reboot, or when the numbers are used up, a record names processes of others."""
    one = started(node, "exec sleep 1000")
    with killed_at_end(["sleep", "1000"], start_new_session=True) as stranger:
        state = node.folder(one) / "state"
        real = state.read_text()
        claimed = [
            line for line in real.splitlines() if not line.startswith(("supervisor=", "group="))
        ]
        for key in ("supervisor", "group"):
            state.write_text("\n".join([*claimed, f"{key}={stranger.pid} 1"]) + "\n")
            assert stranger.pid not in members(node, one)
        state.write_text(real.replace("boot=", "boot=x"))
        assert members(node, one) == {int(node.state(one)["pid"])}  # by its mark
        state.write_text(real)
    node.stop(one)


def test_a_group_of_others_is_left_alone(node: Node) -> None:
    """A process with the mark does not make its whole group the instance's."""
    one = started(node, "exec sleep 1000")
    run = node.state(one)["run"]
    script = f"FLEETCTL_RUN={run} sleep 1001 & sleep 1002 & echo $! $$; wait"
    with killed_at_end(
        ["sh", "-c", script], stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as shell:
        assert shell.stdout
        other, _ = map(int, shell.stdout.readline().split())
        eventually(lambda: len(members(node, one)) == 2, "the marked one is found")
        assert not {other, shell.pid} & members(node, one)
        node.stop(one)
        assert alive(other)


def test_a_daemon_that_forked_twice(node: Node) -> None:
    (node.home / "daemon.py").write_text(DAEMON)
    one = started(node, "python3 ~/daemon.py ~/daemon.pid; exec sleep 1000")
    assert read_pid(node.home / "daemon.pid") in members(node, one)
    node.stop(one)


def test_without_awk_nothing_is_said(node: Node) -> None:
    one = started(node, "exec sleep 1000")
    (node.home / "bin/awk").symlink_to("/bin/false")
    status = node.status(one)
    assert status.listening is None
    with pytest.raises(AssertionError):  # the script ends early, and says why
        node.stop(one)
    (node.home / "bin/awk").unlink()
    assert node.stop(one)["done"]
