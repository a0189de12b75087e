"""Two laptops, each with its own files, see one story: what was done, by whom, and what broke."""

from __future__ import annotations

import json
import shutil
import subprocess
import threading
from pathlib import Path
from typing import Any

import pytest

from fleetctl.history.store import Store
from fleetctl.lab import Lab
from tests.e2e.cluster import User, eventually, interrupt, running, sh
from tests.e2e.conftest import MakeUser

pytestmark = pytest.mark.lab

JOB: dict[str, dict[str, Any]] = {
    "worker": {"on": ["mini", "pi"], "command": "exec sleep 4712", "stop": {"grace": 1}}
}


class Person:
    """A user of the fleet with a home folder of their own."""

    def __init__(self, job: User, name: str) -> None:
        self._job = job
        home = job.lab.home / f"of-{name}-{job.fleet}"
        home.mkdir()
        shutil.copytree(job.lab.home / ".ssh", home / ".ssh")
        self.env = {"HOME": str(home), "LOGNAME": name}

    def type(self, *arguments: str) -> str:
        said = self._job.type(*arguments, env=self.env)
        assert said.code == 0, said.err
        return said.out

    def begin(self, *arguments: str) -> subprocess.Popen[bytes]:
        return self._job.begin(*arguments, env=self.env)

    def events(self, *arguments: str) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.type("events", "--json", *arguments).splitlines()]


class Followed:
    """The lines of ``events -f --json``."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.events: list[dict[str, Any]] = []
        self.process = process
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            self.events.append(json.loads(line))

    def has(self, **fields: Any) -> list[dict[str, Any]]:
        return [e for e in self.events if fields.items() <= e.items()]


def watched(folder: Path) -> bool:
    """Whether the history knows that the fleet is watched."""
    store = Store("any", folder / "history.sqlite3")
    try:
        return bool(store.watched(0, 1e12))
    finally:
        store.close()


def test_two_controllers_see_who_did_what(lab: Lab, user: MakeUser) -> None:
    job = user(JOB)
    ann, bob = Person(job, "ann"), Person(job, "bob")
    ann.type("start")
    bob.type("stop", "worker@mini")
    seen = ann.events()
    story = [(e["action"], e["by"]["user"], e["state"]) for e in seen]
    assert story == [("start", "ann", "ok"), ("stop", "bob", "ok")]
    assert bob.events("--fresh") == seen
    assert {e["by"]["host"] for e in seen} == {sh(lab, "controller", "uname -n").strip()}
    assert seen[1]["by"]["command"].endswith("stop worker@mini")
    assert seen[0]["affects"] == ["mini", "pi", "worker@mini", "worker@pi"]
    mode = sh(lab, "pi", f"stat -c %a .local/state/fleetctl/{job.fleet}/.actions").strip()
    assert mode == "600"
    bob.type("stop")


@pytest.mark.long
def test_what_is_watched_has_causes_and_ends(lab: Lab, user: MakeUser) -> None:
    job = user(JOB)
    ann, bob = Person(job, "ann"), Person(job, "bob")
    ann.type("start")
    followed = Followed(ann.begin("events", "-f", "--json"))
    started = {"action": "start", "state": "ok"}
    eventually(lambda: followed.has(**started), "the start is told", timeout_s=60)
    folder = Path(ann.env["HOME"], ".local/state/fleetctl", job.fleet)
    eventually(
        lambda: (folder / "history.sqlite3-wal").exists(), "the history is kept", timeout_s=20
    )

    # it watches once it knows that an instance was ended, and by what
    [pid] = running(lab, "mini", "sleep 4712")
    sh(lab, "mini", f"kill -9 {pid}", user="root")
    ended = {"subject": "worker@mini", "state": "failed"}
    eventually(lambda: followed.has(**ended), "its end is told", timeout_s=60)
    [failed] = followed.has(**ended)[:1]
    assert failed["cause"] == "exit code 137 (signal 9)"

    lab.fault("power-off", "pi")
    eventually(lambda: followed.has(subject="pi", state="unreachable"), "it is lost", timeout_s=60)
    lab.heal()
    eventually(lambda: followed.has(subject="pi", end="reached again"), "it is back", timeout_s=90)
    assert interrupt(followed.process).code == 130
    told = [e for e in ann.events("pi") if e["text"] != "pi was booted"]  # noted by pi itself
    lost = [e for e in told if e["kind"] == "node" or "ssh-" in e["code"]]
    assert [(e["subject"], e["end"]) for e in lost] == [("pi", "reached again")], lost
    assert "worker@pi" in lost[0]["affects"]
    bob.type("stop")
