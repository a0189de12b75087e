"""A job from start to stop, as its user sees it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fleetctl.lab import Lab
from tests.e2e.cluster import User, commands, eventually, running, sh
from tests.e2e.conftest import MakeUser

pytestmark = pytest.mark.lab

SECRET = "s3cr3t'quoted $(touch /tmp/pwned) ünicode"
SERVER = {
    "on": "hub",
    "command": "exec python3 -u -m http.server {server.port} --bind {server.host}",
    "listen": "fabric:7000",
    "stop": {"grace": 3},
}
WORKER = {
    "on": ["mini", "pi"],
    "after": ["server"],
    "command": 'echo "worker {rank} of {world_size} on {node}"; sleep 4201 & exec sleep 4202',
    "env_file": "secret.env",
    "stop": {"grace": 3},
}
PANEL = {**WORKER, "on": "here", "after": ["worker"]}
JOB = {"server": SERVER, "worker": WORKER, "panel": PANEL}
NAMES = ["server@hub", "worker@mini", "worker@pi", "panel@here"]


@pytest.fixture
def job(lab: Lab, user: MakeUser) -> User:
    (lab.home / "secret.env").write_text(f'TOKEN="{SECRET}"\nKEEP=1\n')
    return user(JOB)


def everything_about(lab: Lab, node: str, fleet: str) -> str:
    """What others could read of an instance on a node: arguments, tmux, logs, state."""
    return sh(
        lab,
        node,
        "ps -eo args=; tmux -L fleetctl show-environment -g; "
        f"tmux -L fleetctl show-environment -t {fleet}; "
        "tmux -L fleetctl list-panes -a -F '#{pane_start_command}'; tmux -L fleetctl show-options "
        "-g; find ~/.local/state/fleetctl -type f ! -name spec -exec cat {} +",
    )


def test_start_change_and_stop(lab: Lab, job: User) -> None:
    said = job.start()
    assert "all 4 ready" in said.err
    assert said.out == ""

    before = job.status()
    assert before["healthy"] is True
    assert before["problems"] == []
    assert {n: s["state"] for n, s in before["services"].items()} == dict.fromkeys(NAMES, "ready")
    assert before["services"]["server@hub"]["listening"] == ["10.10.0.1:7000"]
    assert [before["services"][name]["rank"] for name in NAMES] == [1, 1, 2, 1]
    for node in ("hub", "mini", "pi", "here"):
        where = "controller" if node == "here" else node
        assert job.fleet in sh(lab, where, "tmux -L fleetctl ls")
        if where != "hub":
            found = commands(lab, where)
            (pid,) = running(lab, where, "sleep 4202")
            environ = sh(lab, where, f"tr '\\0' '\\n' </proc/{pid}/environ")
            assert f"TOKEN={SECRET}" in environ.splitlines()
            assert "KEEP=1" in environ.splitlines()
            assert f"FLEETCTL_NODE={node}" in environ.splitlines()
            assert not any("s3cr3t" in command for command in found.values())
            assert "s3cr3t" not in everything_about(lab, where, job.fleet)
            spec = f"~/.local/state/fleetctl/{job.fleet}/job/*@{node}/spec"
            assert sh(lab, where, f"stat -c %a {spec}") == "600\n"
    assert "s3cr3t" not in json.dumps(before)

    # once more changes nothing
    assert "all 4 ready" in job.start().err
    assert pids(job.services()) == pids(before["services"])

    # another definition is reported, and restart renews it
    job.write({**JOB, "worker": {**WORKER, "env": {"MORE": "1"}}})
    again = job.start()
    assert "worker@mini runs with another definition" in again.err
    changed = job.status()
    assert pids(changed["services"]) == pids(before["services"])
    assert [s["changed"] for s in changed["services"].values()] == [False, True, True, False]
    assert [(p["code"], p["severity"]) for p in changed["problems"]] == [
        ("service-changed", "warning")
    ] * 2
    renewed = job.type("restart", "worker")
    assert renewed.code == 0, renewed.err
    after = job.status()
    assert after["problems"] == []
    assert pids(after["services"])["server@hub"] == pids(before["services"])["server@hub"]
    assert pids(after["services"])["worker@mini"] != pids(before["services"])["worker@mini"]

    stopped = job.type("stop")
    assert stopped.code == 0, stopped.err
    assert "all 4 stopped" in stopped.err
    ends = [line.split()[1] for line in stopped.err.splitlines() if line.endswith("○ stopped")]
    assert (ends[0], set(ends[1:3]), ends[3]) == ("panel@here", {*NAMES[1:3]}, "server@hub")
    assert set(job.states().values()) == {"stopped"}
    for where in ("hub", "mini", "pi", "controller"):
        left = commands(lab, where).values()
        assert not [c for c in left if "sleep 42" in c or "http.server" in c or "tmux" in c]
        assert not [c for c in left if "supervisor" in c or "logger" in c]
        assert ":7000" not in sh(lab, where, "ss -ltnH")
        base = f"~/.local/state/fleetctl/{job.fleet}"
        assert sh(lab, where, f"find {base} -name 'spec*' -o -name lock -o -name stop") == ""
        assert sh(lab, where, f"grep -r s3cr3t {base} || true") == ""
    assert job.type("stop").code == 0


def pids(services: dict[str, dict[str, object]]) -> dict[str, object]:
    return {name: service["pid"] for name, service in services.items()}


def test_a_part_is_started_and_stopped(lab: Lab, job: User) -> None:
    said = job.type("start", "worker@mini")
    assert said.code == 1
    assert "worker@mini is waiting: server@hub is stopped" in said.err
    job.start("server", "worker@m*")
    assert job.states() == {
        "server@hub": "ready",
        "worker@mini": "ready",
        "worker@pi": "stopped",
        "panel@here": "stopped",
    }
    assert job.type("stop", "hub").code == 0
    assert job.states()["server@hub"] == "stopped"
    assert job.states()["worker@mini"] == "ready"  # a stop ends what it was told to end
    assert job.type("stop").code == 0


def test_workdir_env_and_command_arrive_exactly(lab: Lab, user: MakeUser) -> None:
    odd = "two  blanks 'single' \"double\" $(touch pwned) `x` \\ $HOME\nline two\tünï ☃"
    folder = 'odd dir/it\'s $(here) "ü"'
    show = 'printf "%s" "$ODD" >odd.out; pwd >pwd.out; exec sleep 4300'
    for where in ("mini", "controller"):
        lab.run(where, ["mkdir", "-p", folder])
    job = user(
        {
            "odd": {
                "on": ["mini", "here"],
                "command": f"true 'ü ☃' \"a\nb\"; {show}",
                "workdir": f"~/{folder}",
                "env": {"ODD": odd},
            }
        }
    )
    job.start()
    for where in ("mini", "controller"):
        got = lab.run(where, ["cat", f"{folder}/odd.out"]).stdout.decode()
        assert got == odd
        assert lab.run(where, ["cat", f"{folder}/pwd.out"]).stdout.decode().endswith(f"/{folder}\n")
        assert b"pwned" not in lab.run(where, ["ls", folder]).stdout
    assert job.type("stop").code == 0
    eventually(lambda: not running(lab, "mini", "sleep 4300"), "all is gone")


def test_dry_run_changes_nothing(lab: Lab, job: User) -> None:
    said = job.type("start", "--dry-run")
    assert said.code == 0
    assert "1. server@hub  at once" in said.out
    assert "2. worker@pi  after server@hub" in said.out
    plan = json.loads(job.type("start", "--dry-run", "--json").out)
    assert [(s["instance"], s["stage"]) for s in plan] == [
        ("server@hub", 0),
        ("worker@mini", 1),
        ("worker@pi", 1),
        ("panel@here", 2),
    ]
    assert not Path(lab.home, ".local/state/fleetctl", job.fleet).exists()


def test_outcome_as_json(lab: Lab, job: User) -> None:
    started = json.loads(job.type("start", "--json", "server").out)
    assert (started["schema"], started["action"], started["ok"]) == (
        "fleetctl.result/1",
        "start",
        True,
    )
    assert started["services"]["server@hub"]["state"] == "ready"
    stopped = json.loads(job.type("stop", "--json").out)
    assert stopped["ok"] is True
    assert {s["state"] for s in stopped["services"].values()} == {"stopped"}


@pytest.mark.long
def test_words_after_dashes_are_added_to_the_command_until_the_next_start(
    lab: Lab, user: MakeUser
) -> None:
    job = user(
        {
            "echo": {
                "on": "mini",
                "command": "exec python3 -c 'import sys, time; "
                "print(sys.argv[1:], flush=True); time.sleep(999)'\n",
            }
        }
    )
    words = ["--resume", "it's a\nckpt $(x).pt", "--token", "s3cr3t"]

    def printed() -> str:
        return job.type("logs", "-n", "1", "echo").out.strip()

    planned = job.type("start", "--dry-run", "echo", "--", "--resume", "x.pt")
    assert "time.sleep(999)' --resume x.pt" in planned.out
    assert job.type("start", "echo", "--", *words).code == 0
    eventually(lambda: printed() == str(words), "it has the words")
    status = job.status()
    assert status["problems"] == []
    shown = status["services"]["echo@mini"]["arguments"]
    assert shown == "--resume 'it'\"'\"'s a\nckpt $(x).pt' --token (hidden)"
    again = job.type("start", "echo", "--", "--other")
    assert "echo@mini runs already, and not with --other" in again.err

    before = pids(job.services())
    assert job.type("restart").code == 0
    assert pids(job.services()) != before
    eventually(lambda: printed() == str(words), "they are kept")
    assert job.type("restart", "echo", "--", "b").code == 0
    eventually(lambda: printed() == "['b']", "others take their place")
    assert job.type("stop").code == 0
    assert job.type("start").code == 0
    eventually(lambda: printed() == "[]", "another start begins without them")
    assert job.services()["echo@mini"]["arguments"] is None
    assert job.type("stop").code == 0
