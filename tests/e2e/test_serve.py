"""`fleetctl serve`: what other commands do over its connections, and without it once it is gone."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from fleetctl.lab import Lab
from tests.e2e.cluster import User, commands, eventually, finish, running, sh
from tests.e2e.conftest import MakeUser
from tests.e2e.terminal import Terminal

pytestmark = pytest.mark.lab

REMOTE = ("hub", "mini", "pi")
WARM = "by fleetctl serve"
JOB: dict[str, dict[str, Any]] = {
    "worker": {
        "on": ["hub", "mini", "pi", "here"],
        "command": 'echo begun; read line; echo "got <$line>"; exec sleep 4717',
        "stop": {"grace": 1},
    },
}


def logins(lab: Lab) -> list[int]:
    """How often each node was logged into so far."""
    count = "grep -c 'Accepted publickey' /var/log/sshd.log || :"
    return [int(sh(lab, node, count, user="root")) for node in REMOTE]


def serve(user: User) -> subprocess.Popen[bytes]:
    """One that runs, and knows all of the fleet."""
    process = user.begin("serve", "--interval", "1")
    eventually(lambda: WARM in user.type("status").out, "it answers", timeout_s=45)
    return process


@pytest.fixture
def served(user: MakeUser) -> Iterator[tuple[User, subprocess.Popen[bytes]]]:
    one = user(JOB)
    process = serve(one)
    yield one, process
    one.type("stop")


def states(user: User) -> set[str]:
    """Those of all instances, which must be told by the server: at once, but for a machine that
    cannot look again within the server's patience after something was done on a node."""
    eventually(lambda: WARM in user.type("status").out, "the server tells it", timeout_s=30)
    said = user.type("status", "--json")
    return {service["state"] for service in json.loads(said.out)["services"].values()}


def test_nothing_logs_in_again(lab: Lab, served: tuple[User, subprocess.Popen[bytes]]) -> None:
    """status, exec, start, logs, attach, check and stop; and each state is told at once."""
    user, process = served
    before = logins(lab)
    assert states(user) == {"stopped"}
    said = user.type("exec", "*", "--", "cat; echo its $(hostname)")
    assert said.code == 0, said.err
    assert "its mini" in said.out
    assert user.type("exec", "mini", "--", "exit 7").code != 0
    user.start()
    assert states(user) == {"ready"}
    assert user.type("logs").out.count("begun") == 4
    with Terminal(lab, user.argv("attach", "worker@mini")) as terminal:
        terminal.wait_for("begun")
        terminal.type("hello there\r")
        terminal.wait_for("got <hello there>")
        assert terminal.detach() == 0
    following = user.begin("logs", "-f", "worker@mini")
    assert user.type("check").code == 0
    assert user.type("stop").code == 0
    assert states(user) == {"stopped"}
    following.send_signal(signal.SIGINT)
    assert "got <hello there>" in finish(following).out
    assert logins(lab) == before
    assert user.type("--fresh", "exec", "mini", "--", "true").code == 0
    assert sum(logins(lab)) == sum(before) + 1
    process.send_signal(signal.SIGTERM)
    ended = finish(process)
    assert (ended.code, ended.err) == (0, "")
    assert "worker@mini is ready" in ended.out
    assert WARM not in user.type("status").out


def test_it_is_killed(lab: Lab, served: tuple[User, subprocess.Popen[bytes]]) -> None:
    """A second one says which process serves; a dead one keeps neither lock nor socket."""
    user, process = served
    second = user.type("serve")
    assert second.code == 1
    assert "serves this fleet already" in second.err
    following = user.begin("exec", "mini", "--", "echo begun; exec sleep 4718")
    eventually(lambda: running(lab, "mini", "sleep 4718"), "it runs")
    process.kill()
    process.wait(10)
    said = finish(following)
    assert said.code != 0
    assert "fleetctl serve" in said.err
    assert user.type("serve", "--status").code == 1
    cold = user.type("status")
    assert WARM not in cold.out
    assert "4/4 nodes" in cold.out
    again = serve(user)
    assert "process" in user.type("serve", "--status").out
    user.start()
    assert states(user) == {"ready"}
    again.terminate()
    assert finish(again).code == 0


@pytest.mark.long
def test_two_jobs_with_an_instance_of_one_name(lab: Lab, user: MakeUser) -> None:
    """All are told at once, and of what happens it is told to which job."""
    one = user(JOB)
    whole = yaml.safe_load(one.path.read_text())
    for name, seconds in (("first", 4731), ("second", 4732)):
        worker = {"on": ["mini", "pi"], "command": f"echo begun; exec sleep {seconds}"}
        whole["jobs"][name] = {"services": {"worker": {**worker, "stop": {"grace": 1}}}}
    whole["jobs"]["never"] = {"services": {"other": {"on": "pi", "command": "no-such-program"}}}
    one.path.write_text(yaml.safe_dump(whole, sort_keys=False))
    process = serve(one)
    before = logins(lab)

    def told(*words: str) -> dict[str, set[str]]:
        """By job: the states that the server tells."""
        assert WARM in one.type(*words, "status").out, words
        jobs = json.loads(one.type(*words, "status", "--json").out)["jobs"]
        return {name: {s["state"] for s in job["services"].values()} for name, job in jobs.items()}

    try:
        for name in ("first", "second"):
            said = one.type("--job", name, "start")
            assert said.code == 0, said.err
        ready = {"job": {"stopped"}, "first": {"ready"}, "second": {"ready"}, "never": {"stopped"}}
        assert told("--job", "all") == ready
        listed = json.loads(one.type("--job", "second", "status", "pi", "--json").out)
        assert list(listed["services"]) == ["worker@pi"]
        assert "as of" in one.type("--job", "second", "status", "mini").out
        assert one.type("status", "nothing-like-it").code == 2
        sh(lab, "mini", "kill -9 $(pgrep -xf 'sleep 4732')")
        eventually(lambda: told("--job", "all")["second"] == {"ready", "failed"}, "it is told")
        assert told("--job", "all")["first"] == {"ready"}
        assert logins(lab) == before

        def kept() -> list[dict[str, Any]]:
            lines = one.type("events", "worker@mini", "--json").out.splitlines()
            return [event for line in lines if (event := json.loads(line))["state"] == "failed"]

        eventually(kept, "it is kept")
        assert [(event["job"], event["subject"]) for event in kept()] == [("second", "worker@mini")]
        fresh = one.type("--fresh", "--job", "all", "status")
        assert WARM not in fresh.out and "second/worker@mini failed" in fresh.out
        process.send_signal(signal.SIGTERM)
        said = finish(process)
        assert "second/worker@mini is failed" in said.out
        assert "first/worker@mini is ready" in said.out
        assert "never" not in said.out
        report = one.type("postmortem", "second", "--no-archive").out
        assert "worker@mini" in report
    finally:
        one.type("--job", "all", "stop")


@pytest.mark.long
def test_a_client_that_is_killed_leaves_nothing(
    lab: Lab, served: tuple[User, subprocess.Popen[bytes]]
) -> None:
    user, _ = served
    client = user.begin("exec", "mini", "pi", "--", "exec sleep 4719")
    for node in ("mini", "pi"):
        eventually(lambda node=node: running(lab, node, "sleep 4719"), "it runs")  # type: ignore[misc]
    client.kill()
    client.wait(10)
    for node in ("mini", "pi"):
        eventually(lambda node=node: not running(lab, node, "sleep 4719"), "it ends")  # type: ignore[misc]
    assert states(user) == {"stopped"}


@pytest.mark.long
def test_the_file_changes(lab: Lab, served: tuple[User, subprocess.Popen[bytes]]) -> None:
    """A good one is taken up, over the same connections; a wrong one is not, and said to be so."""
    user, process = served
    before = logins(lab)
    user.write({**JOB, "other": {"on": "mini", "command": "sleep 4720"}})
    eventually(lambda: WARM in user.type("status").out, "the new one is told", timeout_s=20)
    assert "other@mini" in user.type("status").out
    user.path.write_text("fleet: [\n")
    assert user.type("status").code == 2
    user.write(JOB)
    eventually(lambda: WARM in user.type("status").out, "the first one is told", timeout_s=20)
    assert logins(lab) == before
    process.terminate()
    assert "has changed, and is taken up" in finish(process).out


@pytest.mark.long
def test_a_node_is_lost_and_comes_back(
    lab: Lab, served: tuple[User, subprocess.Popen[bytes]]
) -> None:
    user, _ = served
    lab.fault("power-off", "pi")
    eventually(lambda: "3/4 nodes" in user.type("status").out, "pi is lost", timeout_s=40)
    lab.heal()
    eventually(lambda: "4/4 nodes" in user.type("status").out, "pi is back", timeout_s=60)


def descriptors(lab: Lab, fleet: str) -> tuple[int, int]:
    """Open files and kilobytes of memory of the server of a fleet."""
    found = commands(lab, "controller")
    pids = [
        pid
        for pid, command in found.items()
        if f"{fleet}.yaml serve" in command and "nsenter" not in command
    ]
    assert len(pids) == 1, found
    pid = pids[0]
    asked = f"ls /proc/{pid}/fd | wc -l; grep VmRSS: /proc/{pid}/status"
    files, _, memory, _ = sh(lab, "controller", asked, user="root").split()
    return int(files), int(memory)


@pytest.mark.long
def test_it_grows_by_nothing(lab: Lab, user: MakeUser) -> None:
    """In three minutes of quick looks, with clients that come, go and are killed."""
    one = user(JOB)
    one.begin("serve", "--interval", "0.2")
    eventually(lambda: WARM in one.type("status").out, "it answers", timeout_s=45)
    one.start()

    def round_of_use() -> None:
        assert one.type("exec", "*", "--", "echo a").code == 0
        assert one.type("logs").code == 0
        states(one)
        cut = one.begin("exec", "mini", "--", "exec sleep 4716")
        eventually(lambda: running(lab, "mini", "sleep 4716"), "it runs", timeout_s=30)
        cut.kill()
        cut.wait(10)

    for _ in range(5):
        round_of_use()
    files, memory_kb = descriptors(lab, one.fleet)
    until_s = time.monotonic() + 180
    while time.monotonic() < until_s:
        round_of_use()
    eventually(lambda: descriptors(lab, one.fleet)[0] <= files, "no more files are open")
    assert descriptors(lab, one.fleet)[1] < memory_kb * 1.1 + 2048
    one.type("stop")


@pytest.mark.long
def test_the_dashboard_goes_over_it_too(
    lab: Lab, served: tuple[User, subprocess.Popen[bytes]]
) -> None:
    user, process = served
    before = logins(lab)
    with Terminal(lab, user.argv(), columns=120, rows=40) as terminal:
        terminal.wait_for("0/4 ready", timeout_s=30)
        user.start()
        terminal.wait_for("4/4 ready", timeout_s=30)
        terminal.type("q")
        terminal.wait_for_end(20)
    assert logins(lab) == before
    process.terminate()
    assert finish(process).code == 0
