"""When an instance is ready, and what is reported of those that never are."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from fleetctl.lab import Lab
from tests.e2e.cluster import User, eventually, running, sh
from tests.e2e.conftest import MakeUser

pytestmark = pytest.mark.lab

SERVE = "exec python3 -m http.server {{{0}.port}} --bind {1}"
QUICK = {"grace": 1}


def serve(service: str, address: str) -> str:
    """A command that listens on the port of ``service``, on ``address``."""
    return SERVE.format(service, address)


GOOD: dict[str, dict[str, Any]] = {
    "listening": {
        "on": "hub",
        "command": serve("listening", "{listening.host}"),
        "listen": "fabric:7101",
        "ready": {"listening": True, "timeout": 20},
    },
    "log": {
        "on": "mini",
        "command": "sleep 0.4; printf 'almost\\nready in 42'; exec sleep 4500",
        "ready": {"log": r"^ready in \d+$", "timeout": 20},
    },
    "http": {
        "on": "mini",
        "command": serve("http", "127.0.0.1"),
        "listen": "127.0.0.1:7102",
        "ready": {"http": "http://127.0.0.1:7102/", "timeout": 20},
    },
    "body": {
        "on": "mini",
        "command": serve("body", "127.0.0.1"),
        "listen": "127.0.0.1:7107",
        "ready": {
            "http": {"url": "http://127.0.0.1:7107/", "body": "(?i)directory listing"},
            "timeout": 20,
        },
    },
    "command": {
        "on": "pi",
        "command": "rm -f flag; sleep 0.4; touch flag; exec sleep 4500",
        "env": {"FLAG": "flag"},
        "ready": {"command": 'test -e "$FLAG"', "timeout": 20},
    },
    "connect": {
        "on": "pi",
        "command": serve("connect", "127.0.0.1"),
        "listen": "127.0.0.1:7103",
        "ready": {"connect": "127.0.0.1:7103", "timeout": 20},
    },
    "delay": {"on": "pi", "command": "exec sleep 4500", "ready": {"delay": 0.5}},
    "plain": {"on": "here", "command": "exec sleep 4500"},
    "once": {"on": "here", "command": "true"},
    "last": {
        "on": "mini",
        "after": [
            "listening",
            "log",
            "http",
            "body",
            "command",
            "connect",
            "delay",
            "plain",
            "once",
        ],
        "command": "exec sleep 4500",
    },
}


def test_each_ready_condition(lab: Lab, user: MakeUser) -> None:
    job = user({name: {**service, "stop": QUICK} for name, service in GOOD.items()})
    said = job.type("start")
    assert said.code == 0, said.err
    wanted = {f"{name}@{service['on']}": "ready" for name, service in GOOD.items()}
    wanted["once@here"] = "exited"
    status = job.status()
    assert {n: s["state"] for n, s in status["services"].items()} == wanted
    assert status["healthy"] is True
    assert status["problems"] == []
    # another controller finds the same: it is written down on the nodes
    assert job.start().took_s < 18
    assert job.type("stop").code == 0


BAD: dict[str, dict[str, Any]] = {
    "inner": {  # the server that binds an address of its machine alone
        "on": "hub",
        "command": serve("inner", "127.0.0.1"),
        "listen": "fabric:7104",
        "ready": {"listening": True, "timeout": 2},
    },
    "taken": {"on": "hub", "command": "exec sleep 4501", "listen": "fabric:7105"},
    "user": {"on": "pi", "after": ["taken"], "command": "exec sleep 4501"},
    "dies": {"on": "mini", "command": "echo no luck; exit 3"},
    "missing": {"on": "mini", "command": "no-such-program --at all"},
    "killed": {"on": "mini", "command": "kill -SEGV $$"},
    "never": {
        "on": "pi",
        "command": "exec sleep 4501",
        "ready": {"log": "it is up", "timeout": 1},
    },
    "waits": {"on": "mini", "after": ["never"], "command": "exec sleep 4501"},
    "nowhere": {"on": "pi", "command": "exec sleep 4501", "workdir": "~/not there"},
    "fine": {"on": "here", "command": "exec sleep 4501"},
}


@pytest.fixture
def stranger(lab: Lab) -> Iterator[subprocess.Popen[bytes]]:
    """Another server on a port of the job."""
    process = lab.popen(
        "hub",
        ["python3", "-m", "http.server", "7105", "--bind", "10.10.0.1"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    eventually(lambda: ":7105" in sh(lab, "hub", "ss -ltnH"), "the stranger listens")
    with process:
        yield process
        process.kill()


def test_each_way_not_to_be_ready(
    lab: Lab, user: MakeUser, stranger: subprocess.Popen[bytes]
) -> None:
    job = user({name: {**service, "stop": QUICK} for name, service in BAD.items()})
    said = job.type("start")
    assert said.code == 1
    summary = said.err[said.err.index("start: ") :].splitlines()
    assert summary[0] == "start: 1 of 10 done"
    assert summary[summary.index("dies@mini is failed: exit code 3") + 1] == "    no luck"
    indented = [line for line in summary if line.startswith("    ")]
    outcome = dict(line.split(" is ", 1) for line in summary[1:] if line not in indented)
    pid = running(lab, "hub", "python3 -m http.server 7105")[0]
    assert outcome == {
        "inner@hub": "running: not ready after 2 s: does not listen on 10.10.0.1:7104 yet; "
        "it listens on 127.0.0.1:7104",
        "taken@hub": f"failed: port 7105 on hub is taken by python3 (pid {pid}, user one), which "
        "listens on 10.10.0.1:7105 and is not taken@hub. End it, or give the service another port "
        "in nodes.yaml.",
        "user@pi": outcome["user@pi"],
        "dies@mini": "failed: exit code 3",
        "missing@mini": "failed: exit code 127 (command not found)",
        "killed@mini": "failed: exit code 139 (signal 11)",
        "never@pi": "running: not ready after 1 s: its log has no line matching 'it is up' yet",
        "waits@mini": outcome["waits@mini"],
        "nowhere@pi": "failed: its workdir ~/not there on pi does not exist or may not be entered. "
        "Create it there, or change workdir in nodes.yaml.",
    }
    assert outcome["user@pi"].startswith("waiting: taken@hub is failed (port 7105 on hub is taken")
    assert outcome["waits@mini"].startswith("waiting: never@pi is running (not ready after 1 s")
    assert not running(lab, "pi", "tmux: client")

    status = job.status()
    services = status["services"]
    codes = {name: services[name]["exit_code"] for name in ("dies@mini", "missing@mini")}
    assert codes == {"dies@mini": 3, "missing@mini": 127}
    assert services["inner@hub"]["listening"] == ["127.0.0.1:7104"]
    problems = {(p["code"], (p["affects"] or [None])[0]) for p in status["problems"]}
    assert problems == {
        ("port-wrong-address", "inner@hub"),
        ("service-failed", "dies@mini"),
        ("command-missing", "missing@mini"),
        ("service-failed", "killed@mini"),
        ("workdir-missing", "nowhere@pi"),
        ("service-failed", "never@pi"),  # it is overdue; waits@mini is explained by it
    }

    assert job.type("stop").code == 0
    assert stranger.poll() is None
    assert running(lab, "hub", "python3 -m http.server 7105") == [pid]


def test_a_timeout_ends_the_waiting_and_nothing_else(lab: Lab, user: MakeUser) -> None:
    job = user(
        {
            "slow": {
                "on": "pi",
                "command": "exec sleep 4502",
                "ready": {"log": "never", "timeout": 60},
                "stop": QUICK,
            }
        }
    )
    said = job.type("start", "--timeout", "2")
    assert said.code == 1
    assert said.took_s < 30
    assert "gave up after 2 s, not ready: slow@pi" in said.err
    assert job.states() == {"slow@pi": "running"}
    assert len(running(lab, "pi", "sleep 4502")) == 1


def test_a_worker_is_killed(lab: Lab, user: MakeUser) -> None:
    job = user(
        {
            "mortal": {"on": "mini", "command": "exec sleep 4503", "stop": QUICK},
            "phoenix": {
                "on": "mini",
                "command": "exec sleep 4504",
                "restart": {"policy": "on-failure", "delay": 0.2},
                "stop": QUICK,
            },
            "doomed": {
                "on": "mini",
                "command": "exit 9",
                "restart": {"policy": "on-failure", "delay": 0, "max": 2},
            },
        }
    )
    assert job.type("start").code == 1  # doomed
    (mortal,) = running(lab, "mini", "sleep 4503")
    (phoenix,) = running(lab, "mini", "sleep 4504")
    before = job.services()
    assert (before["mortal@mini"]["pid"], before["phoenix@mini"]["pid"]) == (mortal, phoenix)
    assert before["doomed@mini"]["state"] == "failed"
    assert before["doomed@mini"]["reason"] == "exit code 9, after 2 restarts"
    assert before["doomed@mini"]["restarts"] == 2

    sh(lab, "mini", f"kill -9 {mortal} {phoenix}", user="root")
    eventually(lambda: running(lab, "mini", "sleep 4504") not in ([], [phoenix]), "it is restarted")
    eventually(lambda: job.states()["phoenix@mini"] == "ready", "it is ready again")
    after = job.services()
    assert after["mortal@mini"]["state"] == "failed"
    assert after["mortal@mini"]["exit_code"] == 137
    assert after["mortal@mini"]["reason"] == "exit code 137 (signal 9)"
    assert (after["phoenix@mini"]["restarts"], after["phoenix@mini"]["exit_code"]) == (1, None)

    # start brings back what failed, and only that
    again = job.start("mortal", "phoenix")
    assert "all 2 ready" in again.err
    renewed = job.services()
    assert renewed["mortal@mini"]["state"] == "ready"
    assert renewed["phoenix@mini"]["pid"] == after["phoenix@mini"]["pid"], str(
        renewed["phoenix@mini"]
    )
    assert job.type("stop").code == 0
    assert running(lab, "mini", "sleep 450") == []


def test_readiness_is_found_again_by_a_second_controller(lab: Lab, user: MakeUser) -> None:
    """The first one gave up before the line was printed; the second one begins after it."""
    job = user(
        {
            "late": {
                "on": "pi",
                "command": "until test -e go; do sleep 0.1; done; echo up; exec sleep 4505",
                "ready": {"log": "^up$", "timeout": 10},
                "stop": QUICK,
            }
        }
    )

    def gave_up() -> bool:
        """On a busy machine it may give up before it has begun."""
        assert User.type(job, "start", "--timeout", "1").code == 1
        return job.states() == {"late@pi": "running"}

    eventually(gave_up, "it runs, and its controller gave up")
    sh(lab, "pi", "touch go")
    eventually(lambda: "up" in job.type("logs").out, "the line is logged")
    assert job.type("start", "--timeout", "8").code == 0
    assert job.states() == {"late@pi": "ready"}


def test_readiness_after_a_restart_that_no_controller_saw(lab: Lab, user: MakeUser) -> None:
    job = user(
        {
            "again": {
                "on": "mini",
                "command": "echo up; exec sleep 4506",
                "ready": {"log": "^up$"},
                "restart": {"policy": "always", "delay": 0.2},
                "stop": QUICK,
            }
        }
    )
    job.start()
    (first,) = running(lab, "mini", "sleep 4506")
    sh(lab, "mini", f"kill -9 {first}", user="root")
    eventually(lambda: running(lab, "mini", "sleep 4506") not in ([], [first]), "it is restarted")
    eventually(lambda: job.states() == {"again@mini": "ready"}, "status finds it ready")
    assert job.services()["again@mini"]["restarts"] == 1
    assert job.type("stop").code == 0
