"""Everything that depends on the operating system is complete for each of them.

A third name in ``fleetctl.model.topology.OS`` makes these tests list what is to be done for it.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pytest

from fleetctl.health.assess import assess
from fleetctl.health.kinds.registry import KINDS
from fleetctl.health.repairs.target import Remedy
from fleetctl.health.wording import WORDING
from fleetctl.model.expectations import derive
from fleetctl.model.facts import NodeFacts
from fleetctl.model.look import Look
from fleetctl.model.questions import Questions
from fleetctl.model.topology import OSES, SSH, Fleet, Node
from fleetctl.probes import echoes, setup
from fleetctl.probes.asked import records, sockets, workplaces
from fleetctl.probes.node import node_script, read_node
from fleetctl.probes.probe import Ask, Beside, NotAsked, PartOf
from fleetctl.probes.registry import BY_NAME, PROBES
from fleetctl.probes.script import UNAME
from tests.launch.jobs import job

TABLES: Mapping[str, Mapping[Any, object]] = {
    "what uname says": UNAME,
    "ping": echoes._PING,
    "asking an SSH port": echoes._CONNECT,
    "listing listeners": sockets.LISTENING,
    "reading that list": sockets.PARSERS,
    "looking into a folder": workplaces._LISTING,
    "whether a prober runs": records._ASKS,
    "what the next boot brings": setup.TEXTS,
    "the words of problems": WORDING,
    **{f"the probe {probe.name}": probe.on for probe in PROBES},
    **{f"what repairs {kind.code}": kind.remedies for kind in KINDS.values()},
}


def missing(oses: Sequence[str]) -> list[str]:
    """What is missing for one of ``oses``."""
    return [f"{what} on {os}" for what, table in TABLES.items() for os in oses if os not in table]


def test_nothing_is_missing_for_any_system() -> None:
    assert missing(OSES) == []


def test_a_third_system_would_be_a_list_of_work() -> None:
    work = missing([*OSES, "freebsd"])
    assert {"the probe routes on freebsd", "ping on freebsd"} <= set(work)
    assert "what repairs forwarding-off on freebsd" in work
    assert len(work) >= len(PROBES) + 6


def test_what_is_not_asked_or_not_repaired_has_its_reason() -> None:
    for probe in PROBES:
        for os in OSES:
            match probe.on[os]:
                case NotAsked(why):
                    assert why, probe.name
                case PartOf(other):
                    assert isinstance(BY_NAME[other].on[os], Ask), probe.name
                case Ask(text) | Beside(text):
                    assert text, probe.name
    for kind in KINDS.values():
        for remedy in kind.remedies.values():
            assert remedy, kind.code
            assert isinstance(remedy, str) or remedy.lasting, kind.code


def test_something_is_repaired_on_each_system() -> None:
    """Otherwise the list above would mean nothing."""
    for os in OSES:
        assert sum(isinstance(kind.remedies[os], Remedy) for kind in KINDS.values()) >= 8


def asked_on(system: str) -> Iterator[NodeFacts]:
    """The facts of a node on which ``uname -s`` says ``system``."""
    script = node_script(Questions("boxes", "box", "check"))
    for shell in ("dash", "bash"):
        assert shutil.which(shell), f"{shell} is not installed"
        done = subprocess.run(
            [shell, "-c", f"uname() {{ echo '{system} box amd64'; }}\n{script.text}"],
            capture_output=True,
            timeout=20,
            check=True,
        )
        yield read_node(script, done.stdout.decode(), done.stderr.decode())


@pytest.mark.parametrize("system", ["FreeBSD", "SunOS"])
def test_an_unknown_system_is_not_taken_for_another(system: str) -> None:
    for facts in asked_on(system):
        assert facts.unsupported == system
        assert set(facts.unknown.values()) == {f"not supported: {system}"}
        assert (facts.system, facts.panes, facts.listeners) == (None, None, None)
        assert set(facts.unknown) >= {"system", "tmux", "interfaces"}


def test_a_node_with_an_unknown_system_is_unknown_with_the_reason() -> None:
    work = job({"worker": (["box"], [])})
    fleet = Fleet("boxes", {}, {"box": Node("box", SSH("box"))}, {"job": work})
    (facts, _) = asked_on("FreeBSD")
    looks = {"box": Look(facts=facts)}
    status = assess(fleet, work, derive(fleet), looks, duration_s=0.0).status
    assert status.nodes["box"].state == "unknown"
    worker = status.services["worker@box"]
    assert (worker.state, worker.reason) == ("unknown", "not supported: FreeBSD")
    [problem] = [p for p in status.problems if p.severity == "error"]
    assert (problem.code, problem.summary) == (
        "os-mismatch",
        "box runs FreeBSD, which is not supported",
    )
    assert not status.healthy
