"""A rank is killed, the others fail for it, and one node is cut off: one folder tells the story."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.e2e.cluster import User, eventually, interrupt, running, sh
from tests.e2e.conftest import MakeUser

pytestmark = pytest.mark.lab

SECRET, FILED, PLANTED = "planted-in-env-7Q", "planted in a file 8R", "hf_plantedplantedplanted"
SERVER = """\
import socket, sys, time
server = socket.create_server(("{server.host}", {server.port}))
held = [server.accept()[0] for _ in range(3)]
print("all are here", flush=True)
import select
while True:
    for one in select.select(held, [], [])[0]:
        if not one.recv(1):
            print("a worker is gone", flush=True)
            time.sleep(9)  # as programs do that wait for a peer to come back
            sys.exit(4)
"""
WORKER = """\
import os, socket, sys
own = socket.create_connection(("{server.host}", {server.port}))
print("connected with", os.environ["MY_THING"], os.environ["API_TOKEN"], flush=True)
print("and HF_TOKEN=%s" % sys.argv[2], flush=True)
if not own.recv(1):
    print("ConnectionResetError: the server is gone", flush=True)
    sys.exit(3)
"""


def program(text: str, *words: str) -> str:
    return f"exec python3 -c '{text}' {' '.join(words)}"


JOB: dict[str, Any] = {
    "server": {"on": "hub", "command": program(SERVER), "listen": "fabric:7901"},
    "worker": {
        "on": ["hub", "mini", "pi"],
        "after": ["server"],
        "command": program(WORKER, "{node}", PLANTED),
        "ready": {"log": "connected", "timeout": 20},
        "env": {"API_TOKEN": SECRET},
        "env_file": "secrets.env",
    },
}


@pytest.fixture
def broken(user: MakeUser) -> User:
    """The worker on pi was killed, and all others ended for it."""
    one = user(JOB)
    secrets = one.lab.home / "secrets.env"
    secrets.write_text(f'MY_THING="{FILED}"\n')
    secrets.chmod(0o600)
    one.start()
    (pid,) = running(one.lab, "pi", "python3 -c import os, socket, sys")
    sh(one.lab, "pi", f"kill -KILL {pid}", user="root")
    eventually(lambda: set(one.states().values()) == {"failed"}, "all have failed", 60)
    return one


def made(user: User, *arguments: str) -> tuple[str, dict[str, str]]:
    """What the command prints, and the texts of the folder's files."""
    said = user.type("postmortem", *arguments, "--to", "pm", timeout_s=90)
    assert said.code == 0, said
    *_, folder, archive = said.out.splitlines()
    sh(user.lab, "controller", f"test -s {archive}")
    names = sh(user.lab, "controller", f"cd {folder} && find . -type f").split()
    return said.out, {n[2:]: sh(user.lab, "controller", f"cat {folder}/{n}") for n in names}


def test_the_first_its_signal_and_the_followers(broken: User) -> None:
    named = broken.type("status").out.splitlines()[-1]
    assert named == "what ended first, and why: fleetctl postmortem worker@pi"

    said, texts = made(broken)
    first, _, rest = said.partition(". ")
    assert first.startswith("worker@pi ended first at ")
    assert first.endswith(": it was ended by SIGKILL (9)")
    for name in ("worker@mini ended with exit code 3", "server@hub ended with exit code 4"):
        assert name in rest
    assert texts["report.md"].splitlines()[2] == said.splitlines()[0]
    assert json.loads(texts["status.json"])["services"]["worker@pi"]["exit_code"] == 137
    lines = texts["timeline.log"].splitlines()
    places = [next(i for i, line in enumerate(lines) if text in line) for text in (
        "| all are here", "| *** was ended by SIGKILL (9)", "| *** ended with exit code 3",
    )]  # fmt: skip
    assert places == sorted(places)
    assert "nothing watched the fleet from this machine" in texts["report.md"]

    noted = broken.type("events").out
    assert "start of job" in noted
    assert "postmortem" not in noted  # it only asks

    everything = "\n".join(texts.values())
    for secret in (SECRET, FILED, PLANTED):
        assert secret not in everything
    assert "connected with (hidden) (hidden)" in texts["logs/worker@hub.log"]
    assert sh(broken.lab, "controller", "ls -A pm | grep -c '^[.]' || true").strip() == "0"


@pytest.mark.long
def test_a_node_that_is_cut_off_is_told_with_its_reason(broken: User) -> None:
    broken.lab.fault("edge-down", "mini")  # over which it would still be reached
    broken.lab.fault("wifi-down", "mini")
    said, texts = made(broken, "worker@pi")
    assert said.startswith("worker@pi ended first at ")
    assert "How worker@mini is is not known, and may have ended before: " in said
    assert "logs/worker@mini.log" not in texts
    report = texts["report.md"]
    unknown = report.partition("## What is not known")[2].partition("##")[0]
    assert "- worker@mini: " in unknown
    assert "- the log of worker@mini: " in unknown
    assert "- mini: not asked: " in report


@pytest.mark.long
def test_nothing_failed_is_said(user: MakeUser) -> None:
    one = user({"idle": {"on": "hub", "command": "exec sleep 4321"}})
    one.start()
    said = one.type("postmortem", "--no-archive", "--to", "well")
    assert said.code == 1
    assert said.out.startswith("Nothing of job has failed, as far as is known.\n")
    assert len(said.out.splitlines()) == 2
    wrong = one.type("postmortem", "nobody@hub")
    assert (wrong.code, wrong.out) == (2, "")

    one.lab.fault("edge-down", "mini")
    one.lab.fault("wifi-down", "mini")  # which makes it last
    process = one.begin("postmortem", "--to", "broken-off")
    assert process.stderr
    assert process.stderr.readline() == b"fleetctl: asking 4 nodes\n"
    said = interrupt(process)
    assert said.code == 130
    assert "fleetctl: no folder was made. Until then: " in said.err
    assert sh(one.lab, "controller", "ls -A broken-off 2>/dev/null || true") == ""
    one.lab.heal()
    one.type("stop")
