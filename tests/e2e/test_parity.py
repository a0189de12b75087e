"""Programs that a job requires, on real nodes."""

from __future__ import annotations

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
TRAINER = "#!/bin/sh\necho trainer {}\n"


def install(lab: Lab, node: str, version: str | None) -> None:
    """Put the program ``trainer`` of this version on a node, or take it away."""
    place = "$HOME/.local/bin/trainer"
    script = f"rm -f {place}"
    if version:
        text = TRAINER.format(version)
        script = f"mkdir -p $HOME/.local/bin; printf '%s' '{text}' >{place}; chmod +x {place}"
    sh(lab, node, script, user={"hub": "one", "mini": "two", "pi": "pi"}[node])


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

    shown = one.type("fix")
    assert "undo: sudo apt-get remove -y trainer" in shown.out
    assert "mini: /home/two/.local/bin/trainer comes first in PATH" in shown.out

    started = one.type("start")
    assert started.code == 1
    assert one.states() == {
        "server@hub": "ready",
        "worker@mini": "stopped",
        "worker@pi": "stopped",
    }
    assert "pi lacks what the job requires: trainer==2. What to do: fleetctl fix pi" in started.err

    install(lab, "mini", "2.0")
    install(lab, "pi", "2")
    assert one.type("start").code == 0
