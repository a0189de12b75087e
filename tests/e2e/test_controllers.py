"""Controllers that are interrupted, killed, or two at once."""

from __future__ import annotations

import re
import signal
import subprocess
from contextlib import suppress
from functools import partial
from pathlib import Path
from threading import Timer
from typing import Any

import pytest

from fleetctl.lab import Lab
from tests.e2e.cluster import eventually, finish, interrupt, running, sh
from tests.e2e.conftest import MakeUser
from tests.waiting import patient

pytestmark = pytest.mark.lab

QUICK = {"grace": 1}
JOB: dict[str, dict[str, Any]] = {
    "server": {
        "on": "hub",
        "command": "sleep 0.5; exec python3 -m http.server {server.port} --bind {server.host}",
        "listen": "fabric:7300",
        "stop": QUICK,
    },
    "worker": {
        "on": ["mini", "pi"],
        "after": ["server"],
        "command": "exec sleep 4700",
        "stop": QUICK,
    },
}
NAMES = ["server@hub", "worker@mini", "worker@pi"]


def loaded(process: subprocess.Popen[bytes]) -> bool:
    """Whether a command has loaded most of the program."""
    return "_asyncio" in Path(f"/proc/{process.pid}/maps").read_text()


def wait_for_line(process: subprocess.Popen[bytes], pattern: str, timeout_s: float = 10.0) -> None:
    """Read a command's stderr until a line matches; may read a little more."""
    assert process.stderr
    watchdog = Timer(patient(timeout_s), process.kill)
    watchdog.start()
    try:
        found = any(re.search(pattern, line.decode()) for line in process.stderr)
    finally:
        watchdog.cancel()
    assert found, f"it ended, or was killed after {timeout_s} s, before it said {pattern!r}"


def connecting(process: subprocess.Popen[bytes]) -> bool:
    """Whether a command waits for the answer to a TCP connection: SYN_SENT, proc_net_tcp(5)."""
    proc = Path(f"/proc/{process.pid}")
    own = set()
    for fd in (proc / "fd").iterdir():
        with suppress(FileNotFoundError):  # closed meanwhile
            own.add(str(fd.readlink()))
    sockets = [line.split() for line in (proc / "net/tcp").read_text().splitlines()[1:]]
    return any(s[3] == "02" and f"socket:[{s[9]}]" in own for s in sockets)


def counts(lab: Lab) -> list[int]:
    """How often each instance of JOB runs."""
    return [
        len(running(lab, "hub", "python3 -m http.server 7300")),
        len(running(lab, "mini", "sleep 4700")),
        len(running(lab, "pi", "sleep 4700")),
    ]


def assert_tidy(lab: Lab) -> None:
    """No node has a lock, or a window without an instance."""
    for node in ("hub", "mini", "pi"):
        assert sh(lab, node, "find .local/state/fleetctl -name lock 2>/dev/null || true") == ""
        windows = "tmux -L fleetctl list-windows -a -F '#{@fleetctl_instance}.' 2>/dev/null || true"
        assert "." not in sh(lab, node, windows).splitlines()


@pytest.mark.parametrize(
    "moment",
    [
        "",
        pytest.param("server@hub .*starting", marks=pytest.mark.long),
        "server@hub .*ready",
        pytest.param("worker@pi .*starting", marks=pytest.mark.long),
    ],
)
def test_ctrl_c_during_start(lab: Lab, user: MakeUser, moment: str) -> None:
    job = user({**JOB, "worker": {**JOB["worker"], "ready": {"delay": 1}}})  # it ends no sooner
    starting = job.begin("start")
    eventually(lambda: loaded(starting), "the program is loaded")
    if moment:
        wait_for_line(starting, moment)
    said = interrupt(starting)
    assert said.code == 130
    assert said.err.endswith("interrupted\n")
    assert_tidy(lab)
    if "stopped waiting; running on: " in said.err:
        line = next(x for x in said.err.splitlines() if x.startswith("stopped waiting"))
        told = line.removeprefix("stopped waiting; running on: ")
        runs = [n for n, s in job.states().items() if s in ("starting", "running", "ready")]
        assert told == (", ".join(runs) or "nothing")
    job.start()
    assert counts(lab) == [1, 1, 1]
    assert job.type("stop").code == 0
    assert counts(lab) == [0, 0, 0]


def test_ctrl_c_while_no_node_answers(lab: Lab, user: MakeUser) -> None:
    job = user(JOB)
    lab.fault("wifi-blackhole", "hub")
    for arguments in (["start"], ["status"], ["stop"], ["logs"], ["exec", "hub", "--", "true"]):
        process = job.begin(*arguments)
        eventually(partial(connecting, process), "it tries to connect to the hub")
        assert interrupt(process).code == 130


def test_the_controller_is_killed(lab: Lab, user: MakeUser) -> None:
    job = user(JOB)
    starting = job.begin("start")
    eventually(lambda: running(lab, "mini", "sleep 4700"), "a worker runs")
    starting.send_signal(signal.SIGKILL)
    starting.wait()
    assert running(lab, "hub", "python3 -m http.server 7300")
    job.start()
    assert counts(lab) == [1, 1, 1]

    # and while everything runs: the job runs on, and another controller finds it all
    before = job.services()
    watching = job.begin("status", "--watch", "0.2", "--json")
    assert watching.stdout
    assert b'"fleetctl.status/1"' in watching.stdout.readline()
    watching.send_signal(signal.SIGKILL)
    watching.communicate()
    after = job.services()
    assert {n: (s["state"], s["pid"]) for n, s in after.items()} == {
        n: ("ready", s["pid"]) for n, s in before.items()
    }
    assert job.type("stop").code == 0


def test_two_controllers_at_once(lab: Lab, user: MakeUser) -> None:
    job = user(JOB)
    starts = [job.begin("start") for _ in range(3)]
    said = [finish(process) for process in starts]
    assert [s.code for s in said] == [0, 0, 0], [s.err for s in said]
    assert counts(lab) == [1, 1, 1]
    assert_tidy(lab)
    assert [s["restarts"] for s in job.services().values()] == [0, 0, 0]
    stops = [job.begin("stop") for _ in range(2)]
    assert [finish(process).code for process in stops] == [0, 0]
    assert counts(lab) == [0, 0, 0]


def test_stop_while_another_starts(lab: Lab, user: MakeUser) -> None:
    job = user(JOB)
    starting = job.begin("start")
    eventually(lambda: running(lab, "hub", "python3 -m http.server 7300"), "the server runs")
    assert job.type("stop").code == 0
    said = finish(starting)
    assert said.code in (0, 1)  # the last one wins, and reports the outcome
    job.type("stop")
    assert counts(lab) == [0, 0, 0]
    assert_tidy(lab)


def test_a_lock_that_a_dead_controller_left(lab: Lab, user: MakeUser) -> None:
    job = user({"worker": {"on": "mini", "command": "exec sleep 4701", "stop": QUICK}})
    folder = job.folder("worker@mini")
    sh(lab, "mini", f"mkdir -p {folder}/lock")
    starting = job.begin("start")
    wait_for_line(starting, "starting")
    said = interrupt(starting)  # it need not wait for the lock to its end
    assert said.code == 130
    sh(lab, "mini", f"touch -d '-3 minutes' {folder}/lock")
    job.start()
    assert_tidy(lab)
    assert job.type("stop").code == 0


def test_ctrl_c_during_stop(lab: Lab, user: MakeUser) -> None:
    deaf = "trap '' TERM; while :; do sleep 0.1; done"
    job = user({"deaf": {"on": "pi", "command": deaf, "stop": {"grace": 2}}})
    job.start()
    stopping = job.begin("stop")
    assert stopping.stderr
    assert b"TERM sent" in stopping.stderr.readline()
    said = interrupt(stopping)
    assert said.code == 130
    assert job.type("stop").code == 0
    assert running(lab, "pi", "sh -c trap") == []


def test_ctrl_c_ends_watching_and_following(lab: Lab, user: MakeUser) -> None:
    job = user({"talker": {"on": "mini", "command": "while echo talk; do sleep 0.2; done"}})
    job.start()
    for arguments in (["status", "--watch", "0.2"], ["logs", "-f"]):
        process = job.begin(*arguments)
        assert process.stdout
        assert process.stdout.readline()
        said = interrupt(process)
        assert (said.code, said.err.strip()) == (130, "interrupted")
    assert job.type("stop").code == 0
