"""What `fleetctl report` wrote is read again as it was; reports of users become tests that way.

FLEETCTL_REPORTS names one more folder that it made.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from msgspec.structs import replace

from fleetctl.config import load_text
from fleetctl.model.facts import NodeFacts
from fleetctl.model.look import RawAnswer
from fleetctl.postmortem.raw import asked_of, parsed_of, read_samples, reading
from fleetctl.postmortem.redacting import Redactor
from fleetctl.postmortem.report_files import Report
from fleetctl.probes.node import ECHOES, MACHINE, node_script, read_node, read_raw

HERE = Path(__file__).parents[1] / "fixtures" / "reports"
FOLDERS = [
    *(HERE.iterdir() if HERE.is_dir() else ()),
    *map(Path, filter(None, [os.environ.get("FLEETCTL_REPORTS")])),
]
MACOS = Path(__file__).parents[1] / "fixtures" / "macos"
FLEET = """\
fleet: home-of-anna
internet: null
networks:
  lan: {cidr: 192.168.50.0/24, control: true}
  fabric: {cidr: 10.10.0.0/24}
nodes:
  mini1:
    ssh: {host: 192.168.50.1, user: anna}
    addresses: {lan: 192.168.50.1, fabric: 10.10.0.1}
    gateway: true
  pi5: {ssh: {host: 192.168.50.2, user: pi}, addresses: {lan: 192.168.50.2}, via: {fabric: mini1}}
jobs:
  llm:
    services:
      worker:
        on: [mini1, pi5]
        env: {API_KEY: planted-9Z}   # an env_file is better for secrets
        command: work
"""


def texts_of(folder: Path) -> dict[str, str]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(p.relative_to(folder)): p.read_text("utf-8") for p in files}


def read_as_expected(texts: dict[str, str]) -> None:
    """Each answer is read as the file beside it says."""
    fleet = load_text(texts["nodes.yaml"], "nodes.yaml")
    job = next(iter(fleet.jobs.values()), None)
    read = 0
    for node in fleet.nodes:
        raw = read_samples(texts, node)
        found = reading(fleet, job, node, raw)
        for path, text in texts.items():
            if path.endswith(f"/{node}.expected.json"):
                system, probe, _ = path.split("/")
                expected = json.loads(text)["parsed"]
                assert json.loads(json.dumps(parsed_of(probe, system, found))) == expected, path
                read += 1
    assert read


def test_reports_are_read_as_they_say() -> None:
    for folder in FOLDERS:
        read_as_expected(texts_of(folder))


def answers_here() -> tuple[Sequence[RawAnswer], NodeFacts]:
    """What this machine says as ``pi5``, and what is read in it at once."""
    fleet = load_text(FLEET, "nodes.yaml")
    asked = replace(asked_of(fleet, fleet.jobs["llm"], "pi5", ()), echoes={}, silent=())
    script = node_script(asked)
    done = subprocess.run(
        ["sh", "-c", script.text], capture_output=True, text=True, timeout=60, check=True
    )
    raw = (*read_raw(script, done.stdout), RawAnswer(ECHOES, "ping", done.stderr, 0))
    return raw, read_node(script, done.stdout, done.stderr)


def answers_of_a_mac() -> Sequence[RawAnswer]:
    """The network of one, by recorded texts."""

    def text(place: str) -> str:
        return (MACOS / f"{place}.txt").read_text(errors="replace")

    pings = "\x1e0123456789ab 192.168.50.2 ping 0 2 packets transmitted, 2 packets received, 0.0%\n"
    return (
        RawAnswer(MACHINE, "uname -snm", "Darwin Annas Mac mini arm64", 0),
        RawAnswer("interfaces", "ifconfig", text("ifconfig/tunnel-and-bridge100"), 0),
        RawAnswer("routes", "netstat -rn -f inet", text("netstat-rn/vpn-halves"), 0),
        RawAnswer("neighbours", "arp -an", text("arp-an/two-interfaces"), 0),
        RawAnswer(ECHOES, "ping", pings, 0),
    )


def report(answers: dict[str, Sequence[RawAnswer]], *, anonymous: bool) -> dict[str, str]:
    fleet = load_text(FLEET, "nodes.yaml")
    made = Report(
        fleet,
        fleet.jobs["llm"],
        answers,
        {"mini1": "no route"} if "mini1" not in answers else {},
        FLEET,
        {"1234.txt": "File /Users/anna/fleetctl/x.py"},
        own=("annas-laptop", "anna"),
    )
    return made.files(Redactor.of(fleet), anonymous=anonymous)


def test_facts_of_a_report_are_those_of_the_node() -> None:
    raw, facts = answers_here()
    texts = report({"pi5": raw}, anonymous=False)
    fleet = load_text(texts["nodes.yaml"], "nodes.yaml")
    again = reading(fleet, fleet.jobs["llm"], "pi5", read_samples(texts, "pi5")).facts()
    assert again.network.interfaces == facts.network.interfaces
    assert again.network.routes == facts.network.routes
    assert again.network.taken == facts.network.taken
    for field in ("tmux_version", "listeners", "programs", "build", "workplaces", "told"):
        assert getattr(again, field) == getattr(facts, field), field
    assert again.system
    assert facts.system
    assert again.system.hostname == facts.system.hostname
    read_as_expected(texts)
    everything = "\n".join(texts.values())
    assert "planted-9Z" not in everything
    assert "mini1 cannot be asked: no route" in texts["README.md"]


def test_an_anonymous_report_is_the_same_case() -> None:
    here, _ = answers_here()
    texts = report({"pi5": here, "mini1": answers_of_a_mac()}, anonymous=True)
    read_as_expected(texts)
    everything = "\n".join([*texts, *texts.values()])
    for word in ("anna", "Annas", "mini1", "pi5", "llm", "192.168.50.", "10.10.0.", "planted-9Z"):
        assert word not in everything, word
    fleet, before = load_text(texts["nodes.yaml"], "n"), load_text(FLEET, "n")
    plain = report({"mini1": answers_of_a_mac()}, anonymous=False)
    found = reading(fleet, None, "node1", read_samples(texts, "node1")).facts().network
    as_was = reading(before, None, "mini1", read_samples(plain, "mini1")).facts().network
    assert found.interfaces
    assert as_was.interfaces
    assert found.routes
    assert as_was.routes
    for now, then in zip(found.interfaces, as_was.interfaces, strict=True):
        assert (now.name, now.link, len(now.addresses)) == (
            then.name,
            then.link,
            len(then.addresses),
        )
    for route, old in zip(found.routes, as_was.routes, strict=True):
        assert (route.to.prefixlen, route.interface) == (old.to.prefixlen, old.interface)
        for network in fleet.networks:
            inside = route.to.subnet_of(fleet.networks[network].cidr)
            assert inside == old.to.subnet_of(before.networks[network].cidr)
    assert len(found.echoes) == len(as_was.echoes)
