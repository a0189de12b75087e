"""Programs that a job requires, and what should be equal, on real nodes."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml

from fleetctl.lab import Lab
from tests.e2e.cluster import NODES, sh
from tests.e2e.conftest import MakeUser

pytestmark = pytest.mark.lab

JOB: dict[str, Any] = {
    "requires": ["python3>=3.9", "git", "trainer==2"],
    "services": {
        "server": {"on": "hub", "command": "exec sleep 1000", "stop": {"grace": 1}},
        "worker": {"on": ["mini", "pi"], "command": "exec sleep 1000", "stop": {"grace": 1}},
    },
}
ACCOUNTS = {"hub": "one", "mini": "two", "pi": "pi"}
TRAINER = "#!/bin/sh\necho trainer {}\n"


def install(lab: Lab, node: str, version: str | None) -> None:
    """Put the program ``trainer`` of this version on a node, or take it away."""
    place = "$HOME/.local/bin/trainer"
    script = f"rm -f {place}"
    if version:
        text = TRAINER.format(version)
        script = f"mkdir -p $HOME/.local/bin; printf '%s' '{text}' >{place}; chmod +x {place}"
    sh(lab, node, script, user=ACCOUNTS[node])


def test_what_a_node_lacks_is_named_and_nothing_is_started_there(lab: Lab, user: MakeUser) -> None:
    one = user(JOB["services"])
    whole = {"fleet": one.fleet, **NODES, "jobs": {"job": JOB}}
    one.path.write_text(yaml.safe_dump(whole, sort_keys=False))
    install(lab, "hub", "2.1")
    install(lab, "mini", "1.9")

    checked = one.type("check")
    assert checked.code == 1
    assert (
        "requirement-missing: mini lacks what the job requires: trainer==2 "
        "(/home/two/.local/bin/trainer is 1.9); so worker@mini cannot work there" in checked.out
    )
    assert (
        "requirement-missing: pi lacks what the job requires: trainer==2; "
        "so worker@pi cannot work there" in checked.out
    )
    assert "→ sudo apt-get install -y trainer" in checked.out
    assert checked.out.count("requirement-missing") == 2

    started = one.type("start")
    assert started.code == 1
    assert one.states() == {
        "server@hub": "ready",
        "worker@mini": "stopped",
        "worker@pi": "stopped",
    }
    assert "pi lacks what the job requires: trainer==2. What to do: fleetctl fix pi" in started.err


APT = """#!/bin/sh
echo "$*" >>/root/apt.log
case $1 in
install) cd /usr/local/bin && printf '#!/bin/sh\\necho 2.0\\n' >trainer && chmod 755 trainer ;;
remove) rm /usr/local/bin/trainer ;;
esac
"""


@pytest.mark.long
def test_fix_installs_what_is_missing_and_takes_it_away_again(lab: Lab, user: MakeUser) -> None:
    one = user(JOB["services"])
    whole = {"fleet": one.fleet, **NODES, "jobs": {"job": JOB}}
    one.path.write_text(yaml.safe_dump(whole, sort_keys=False))
    install(lab, "hub", "2.0")
    install(lab, "mini", "1.9")
    install(lab, "pi", None)
    place = "/usr/local/bin/apt-get"
    sh(lab, "pi", f"cat >{place} <<'END'\n{APT}END\nchmod 755 {place}", user="root")
    try:
        shown = one.type("fix")
        assert "undo: sudo apt-get remove -y trainer" in shown.out
        assert "mini: /home/two/.local/bin/trainer comes first in PATH" in shown.out
        done = one.type("fix", "--apply", "--yes", "pi")
        assert "pi: sudo apt-get install -y trainer done" in done.out, done.out
        assert "requirement-missing: pi lacks" not in done.out.partition("still wrong")[2]
        undone = one.type("fix", "--undo", "--yes", "pi")
        assert "pi: sudo apt-get remove -y trainer done" in undone.out
        said = sh(lab, "pi", "cat /root/apt.log", user="root").splitlines()
        assert said == ["install -y trainer", "remove -y trainer"]
    finally:
        sh(lab, "pi", f"rm -f {place}", user="root")


CLONE = """
mkdir -p $HOME/code/src && cd $HOME/code && git init -q && echo one >src/train.py && git add . &&
GIT_COMMITTER_DATE='2026-01-01T00:00:00Z' git -c user.name=a -c user.email=a@b \
commit -q --date 2026-01-01T00:00:00Z -m first && git rev-parse HEAD
"""


def test_code_that_is_changed_on_one_node_is_named(lab: Lab, user: MakeUser) -> None:
    services: dict[str, Any] = {
        "server": {"on": "hub", "command": "python3 train.py", "workdir": "~/code/src"},
        "worker": {"on": ["mini", "pi"], "command": "python3 train.py", "workdir": "~/code/src"},
    }
    one = user(services)
    [commit] = {sh(lab, node, CLONE, user=ACCOUNTS[node]).strip() for node in ACCOUNTS}
    sh(lab, "pi", "echo two >>$HOME/code/src/train.py", user="pi")
    checked = one.type("check")
    short = commit[:7]
    assert (
        f"version-skew: code differs: {short} with changes in src/train.py on pi; "
        f"{short} on the others" in checked.out
    )
    assert "equal on all: system (debian)" in checked.out
    assert checked.code == 0  # a warning

    sh(lab, "pi", "cd $HOME/code && git checkout -q .", user="pi")
    done = one.type("check", "--json")
    parity = {row["thing"]: row for row in json.loads(done.out)["parity"]}
    nodes = ["hub", "mini", "pi"]
    assert parity["code"]["values"] == [{"value": short, "nodes": nodes}]
    assert {thing: row["ok"] for thing, row in parity.items()} == {
        "system": True, "python3": True, "tmux": True, "code": True,
    }  # fmt: skip
    assert json.loads(one.type("status", "--json").out)["parity"] is None
