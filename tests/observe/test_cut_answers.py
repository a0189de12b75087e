"""An answer that was cut, at whichever byte, is never taken for one that says that all is well."""

from __future__ import annotations

import os
import subprocess
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from fleetctl.config import load_text
from fleetctl.health.assess import assess
from fleetctl.model.expectations import derive
from fleetctl.model.facts import CUT_OFF, NodeFacts
from fleetctl.model.layout import instance_dir
from fleetctl.model.look import Look
from fleetctl.model.questions import Questions
from fleetctl.model.status import FleetStatus
from fleetctl.observe.questions import questions
from fleetctl.probes.node import NodeScript, node_script, read_node
from tests.thoroughness import examples

FLEET = load_text(
    """
fleet: cut
internet: null
nodes:
  here: {connection: local}
jobs:
  j:
    services:
      never: {on: here, command: "true"}
      ended: {on: here, command: "true"}
      stopped: {on: here, command: "true"}
""",
    "nodes.yaml",
)
JOB = FLEET.jobs["j"]
EXPECTED = derive(FLEET, JOB)


def judged(facts: NodeFacts) -> FleetStatus:
    looks = {"here": Look(facts=facts)}
    return assess(FLEET, JOB, EXPECTED, looks, duration_s=1.0, depth="check").status


@pytest.fixture(scope="module")
def answered(tmp_path_factory: pytest.TempPathFactory) -> tuple[NodeScript, str, str]:
    """A whole answer of this machine, on which instances ended and were stopped."""
    home = tmp_path_factory.mktemp("home")
    for name, phase in (("ended", "ended"), ("stopped", "stopped")):
        folder = Path(instance_dir("cut", "j", f"{name}@here").replace("~", str(home)))
        folder.mkdir(parents=True)
        text = f"run={name}run\nphase={phase}\nrestarts=0\nexit=0\nended=1700000000\n"
        folder.joinpath("state").write_text(text)
    asked = questions(FLEET, [JOB], EXPECTED, FLEET.nodes["here"], "check")
    script = node_script(asked, without=frozenset({"clock"}))  # its time goes on
    done = subprocess.run(
        ["sh", "-c", script.text],
        capture_output=True,
        text=True,
        errors="replace",
        timeout=60,
        check=True,
        env={**os.environ, "HOME": str(home), "TMUX_TMPDIR": str(home)},
    )
    return script, done.stdout, done.stderr


def test_the_whole_answer_says_what_is(answered: tuple[NodeScript, str, str]) -> None:
    status = judged(read_node(*answered))
    states = {name: s.state for name, s in status.services.items()}
    assert states == {"never@here": "stopped", "ended@here": "exited", "stopped@here": "stopped"}
    assert "answer-incomplete" not in {p.code for p in status.problems}


def test_a_cut_at_any_byte_is_told_and_says_nothing_else(
    answered: tuple[NodeScript, str, str],
) -> None:
    script, output, errors = answered
    whole = judged(read_node(script, output, errors))
    right = {name: s.state for name, s in whole.services.items()}
    known = {p.code for p in whole.problems}
    end = output.rindex("\n\x1e")
    step = max(1, len(output) // examples(3000))
    for at in (*range(0, end, step), end):
        facts = read_node(script, output[:at], errors)
        status = judged(facts)
        codes = {p.code for p in status.problems}
        assert "answer-incomplete" in codes, at
        assert not status.healthy, at
        assert codes - known == {"answer-incomplete"}, at
        assert status.nodes["here"].state == "degraded", at
        for name, now in status.services.items():
            assert now.state in ("unknown", right[name]), (at, name)
            if now.state == "unknown":
                assert now.reason == CUT_OFF
            else:
                assert facts.panes is not None
                assert "records" not in facts.unknown


def test_an_echo_without_a_result_is_not_known() -> None:
    to = IPv4Address("127.0.0.1")
    script = node_script(Questions("cut", "here", echoes={to: None}))
    token = script.script.token
    facts = read_node(script, f"Linux here x86_64\n\n\x1e{token} uname 0\n")
    assert facts.unknown["echo 127.0.0.1"] == CUT_OFF
