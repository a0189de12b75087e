"""Everything that is asked of one node, in one script, and the facts in its answer."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TypeVar

from msgspec import Struct
from msgspec.structs import replace as _replace

from fleetctl.model.facts import CUT_OFF, Comfort, NetworkFacts, NodeFacts
from fleetctl.model.look import RawAnswer
from fleetctl.model.questions import Questions
from fleetctl.probes import comfort
from fleetctl.probes.echoes import echoes_text, read_echoes
from fleetctl.probes.macs import (
    MACMON,
    THUNDERBOLT,
    local_network_probe,
    read_macs,
    read_temperature_c,
)
from fleetctl.probes.network import network_probes, read_network
from fleetctl.probes.probe import Answer, Answers, Probe, Script, compose, read
from fleetctl.probes.services import (
    TMUX,
    listeners_probe,
    read_connections,
    read_listeners,
    read_records,
    read_runs,
    read_tmux,
    records_probe,
    runs_probe,
)
from fleetctl.probes.system import SYSTEM, read_system
from fleetctl.probes.workplace import read_workplaces, workplace_probe

_T = TypeVar("_T")

_CONTROLS = {c: "?" for c in (*range(32), *range(127, 160)) if chr(c) not in "\n\t\r\x1e\x1f"}
"""What would move a terminal's cursor has no place in a text that people are shown."""


class NodeScript(Struct, frozen=True):
    """A script for one node, and what it asks."""

    script: Script
    questions: Questions | None = None
    """None: it only asks how the instances are."""

    @property
    def text(self) -> str:
        return self.script.text


def node_script(questions: Questions, without: frozenset[str] = frozenset()) -> NodeScript:
    """The script that asks all of ``questions``.

    :param without: names of probes to leave out.
    """
    probes: list[Probe] = [
        SYSTEM,
        comfort.comfort_probe(questions.depth),
        *network_probes(questions),
        *_services(questions.fleet, questions.node),
    ]
    probes.append(workplace_probe(questions.instances))
    if questions.depth == "check":
        probes += [THUNDERBOLT, MACMON, local_network_probe(questions)]
    asked = [probe for probe in probes if probe.name not in without]

    def echoes(os: str, token: str) -> str:
        return "" if "echoes" in without else echoes_text(questions, os, token)

    return NodeScript(compose(asked, echoes), questions)


def services_script(fleet: str, node: str) -> NodeScript:
    """Only how the instances on ``node`` are: cheap enough to ask again and again."""
    return NodeScript(compose(_services(fleet, node)))


def _services(fleet: str, node: str) -> tuple[Probe, ...]:
    return (
        TMUX,
        records_probe(fleet, node),
        listeners_probe(fleet, node),
        runs_probe(fleet, node),
    )


def read_raw(script: NodeScript, output: str) -> tuple[RawAnswer, ...]:
    """The answers in what the script printed, with the commands behind them."""
    answers = read(script.script, output.translate(_CONTROLS))
    texts = script.script.texts["macos" if answers.machine.os == "macos" else "linux"]
    return tuple(
        RawAnswer(name, texts.get(name, ""), answer.text, answer.exit_status)
        for name, answer in answers.by_name.items()
    )


def hanging(script: NodeScript, output: str) -> str | None:
    """The probe that had not ended when ``output`` was cut; None when none began to answer."""
    answers = read(script.script, output)
    if not answers.machine.os:
        return None
    asked = script.script.texts["macos" if answers.machine.os == "macos" else "linux"]
    waiting = (n for n in script.script.names if n in asked and n not in answers.by_name)
    return next(waiting, "echoes")


def read_node(script: NodeScript, output: str, errors: str = "") -> NodeFacts:
    """The facts in what the script printed; never raises, whatever that is."""
    answers = read(script.script, output.translate(_CONTROLS))
    return _Reader(script, answers, errors.translate(_CONTROLS)).facts()


class _Reader:
    def __init__(self, script: NodeScript, answers: Answers, errors: str) -> None:
        self._names = script.script.names
        self._token = script.script.token
        self._questions = script.questions
        self._answers = answers
        self._errors = errors
        self._unknown: dict[str, str] = {}

    def _ask(self, name: str, parse: Callable[[Answer], _T]) -> _T | None:
        answer = self._answers.by_name.get(name)
        if answer is None:
            self._unknown[name] = CUT_OFF
            return None
        parsed = parse(answer)
        if parsed is None:
            said = answer.text.strip().splitlines()[-1:] or ["no output"]
            self._unknown[name] = f"{said[0]} (exit status {answer.exit_status})"
        return parsed

    def facts(self) -> NodeFacts:
        machine = self._answers.machine
        system = None
        if SYSTEM.name in self._names:
            system = self._ask(SYSTEM.name, lambda a: read_system(machine, a))
        version, panes, why = self._ask("tmux", read_tmux) or (None, None, CUT_OFF)
        if panes is None:
            self._unknown["tmux"] = why
        records, ends = self._ask("records", read_records) or ({}, {})
        facts = NodeFacts(
            measured_at=datetime.now(UTC),
            system=system,
            tmux_version=version,
            panes=panes,
            records=records,
            log_bytes=ends,
            listeners=self._ask("listeners", lambda a: read_listeners(machine.os, a)),
            connections=self._ask("listeners", lambda a: read_connections(machine.os, a)),
            runs=self._ask("runs", read_runs),
            unknown=self._unknown,
        )
        return self._with_answers(facts, self._questions) if self._questions else facts

    def _with_answers(self, facts: NodeFacts, questions: Questions) -> NodeFacts:
        os, by_name = self._answers.machine.os, self._answers.by_name
        thunderbolt, local_network = read_macs(by_name)
        system = facts.system
        if system and system.temperature_c is None:
            system = _replace(system, temperature_c=read_temperature_c(by_name))
        if comfort.NAME not in by_name:
            self._unknown[comfort.NAME] = CUT_OFF
        return _replace(
            facts,
            system=system,
            network=self._network(os, questions),
            comfort=comfort.read_comfort(os, by_name) or Comfort(),
            workplaces=self._ask("workplace", read_workplaces) or {},
            thunderbolt=thunderbolt,
            local_network=local_network,
        )

    def _network(self, os: str, questions: Questions) -> NetworkFacts:
        network, unknown = read_network(os, questions, self._answers.by_name)
        echoes, knocks, odd = read_echoes(self._token, self._errors)
        self._unknown.update(unknown)
        self._unknown.update({f"echo {address}": said for address, said in odd.items()})
        return _replace(network, echoes=echoes, answers_tcp=knocks)
