"""The script that asks one node everything, and the facts in its answer."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from fleetctl.model.facts import CUT_OFF, NOT_SUPPORTED, NodeFacts
from fleetctl.model.look import RawAnswer
from fleetctl.model.questions import Questions
from fleetctl.model.topology import OS, OSES
from fleetctl.probes.probe import (
    AnyProbe,
    Ask,
    Beside,
    NotAsked,
    PartOf,
    Read,
    Told,
    Unanswered,
    When,
)
from fleetctl.probes.registry import BY_NAME, PROBES, RANK
from fleetctl.probes.script import UNAME, Answer, Answers, Script, Texts, compose, read

MACHINE, ECHOES = "uname", "echoes"
"""Names of raw answers that no probe's text has: which machine it is, and all pings."""
_CONTROLS = {c: "?" for c in (*range(32), *range(127, 160)) if chr(c) not in "\n\t\r\x1e\x1f"}
"""Control characters are replaced, since the texts are shown on terminals."""


class NodeScript(Struct, frozen=True):
    """A script for one node, and what it asks."""

    script: Script
    questions: Questions
    depth: When
    asked: tuple[AnyProbe, ...]

    @property
    def text(self) -> str:
        return self.script.text


class Answered(Struct, frozen=True):
    """What a node said at one moment; :meth:`renewed` combines several."""

    at: datetime
    values: Mapping[str, Any]
    """By name of the probe: its value, or :class:`Unanswered`. Nothing for a probe without one."""
    asked: frozenset[str] = frozenset()
    """Names of the probes that were asked."""
    unsupported: str = ""
    """What ``uname -s`` says on a system that fleetctl does not support; else empty."""
    whole: bool = True
    """The newest answer has its end mark."""

    def facts(self) -> NodeFacts:
        """The facts in these answers."""
        facts = NodeFacts(
            measured_at=self.at,
            unsupported=self.unsupported,
            system=None,
            tmux_version=None,
            panes=None,
            records={},
            log_bytes={},
            listeners=None,
            runs=None,
        )
        unknown: dict[str, str] = {} if self.whole else {"the end": CUT_OFF}
        told: dict[str, str] = {}
        for probe in PROBES:
            value = self.values.get(probe.name)
            if isinstance(value, Unanswered):
                unknown[probe.name] = value.why
            elif value is not None:
                facts = probe.into(facts, value)
                if probe.label:
                    told[probe.label] = " ".join(str(value).split())
        return replace(facts, told=told, unknown={**facts.unknown, **unknown})

    def renewed(self, later: Answered) -> Answered:
        """These answers, replaced by ``later`` ones, which may cover fewer probes."""
        values = {name: v for name, v in self.values.items() if name not in later.asked}
        for name, value in later.values.items():
            old = self.values.get(name)
            if old is None or isinstance(old, Unanswered) or isinstance(value, Unanswered):
                values[name] = value
            else:
                values[name] = BY_NAME[name].renew(old, value)
        return Answered(later.at, values, self.asked | later.asked, later.unsupported, later.whole)

    def without_answer(self, names: frozenset[str], why: str) -> Answered:
        """The same, with the reason ``why`` for the probes ``names``, which were left out."""
        return replace(self, values={**self.values, **dict.fromkeys(names, Unanswered(why))})


def node_script(questions: Questions, without: frozenset[str] = frozenset()) -> NodeScript:
    """The script that asks all of ``questions``.

    :param without: names of probes to leave out.
    """
    return _script(questions, questions.depth, without)


def echoes_script(questions: Questions) -> NodeScript:
    """The script that only sends the echoes of ``questions``."""
    return node_script(questions, without=frozenset(BY_NAME) - {"echoes"})


def services_script(fleet: str, node: str) -> NodeScript:
    """The script that asks only for the state of the instances on ``node``: cheap to run often."""
    return _script(Questions(fleet, node), "services", frozenset())


def interfaces_script(fleet: str, node: str) -> NodeScript:
    """The script that asks only for the addresses and routes of ``node``."""
    wanted = {"interfaces", "routes"}
    return _script(Questions(fleet, node), "status", frozenset(BY_NAME) - wanted)


def clock_script(fleet: str, node: str) -> NodeScript:
    """The script that asks only how far the clock of ``node`` is from the controller's."""
    return _script(Questions(fleet, node), "check", frozenset(BY_NAME) - {"clock"})


def _script(questions: Questions, depth: When, without: frozenset[str]) -> NodeScript:
    asked = tuple(p for p in PROBES if RANK[p.when] <= RANK[depth] and p.name not in without)
    texts = {os: _texts(asked, os, questions) for os in OSES}
    return NodeScript(compose(texts), questions, depth, asked)


def _texts(probes: tuple[AnyProbe, ...], os: OS, questions: Questions) -> Texts:
    asked: dict[str, str] = {}
    background = ""
    for probe in probes:
        match probe.on[os]:
            case Ask(text):
                if put := text if isinstance(text, str) else text(questions):
                    asked[probe.name] = put
            case Beside(text):
                background += text if isinstance(text, str) else text(questions)
            case PartOf() | NotAsked():
                pass
    return Texts(asked, background)


def answered(
    script: NodeScript, output: str, errors: str = "", asked_s: float | None = None
) -> Answered:
    """The values in the script's output; never raises, whatever that is.

    :param asked_s: when the script was sent, by the controller's clock.
    """
    answers = read(script.script, output.translate(_CONTROLS))
    values = _values(script, answers, errors.translate(_CONTROLS), asked_s)
    told = {name: value for name, value in values if value is not None}
    machine = answers.machine
    unsupported = "" if machine.known_os else machine.os
    asked = frozenset(probe.name for probe in script.asked)
    return Answered(datetime.now(UTC), told, asked, unsupported, answers.whole)


def read_node(script: NodeScript, output: str, errors: str = "") -> NodeFacts:
    """The facts in the script's output; never raises, whatever that is."""
    return answered(script, output, errors).facts()


def _values(
    script: NodeScript, answers: Answers, errors: str, asked_s: float | None
) -> Iterator[tuple[str, Any]]:
    os = answers.machine.known_os
    if os is None:
        why = f"{NOT_SUPPORTED}: {answers.machine.os}" if answers.machine.os else CUT_OFF
        yield from ((probe.name, Unanswered(why)) for probe in script.asked)
        return

    def told(answer: Answer) -> Told:
        token = script.script.token
        return Told(answer, answers.machine, script.questions, errors, token, asked_s)

    def value(source: str, reader: Read[Any]) -> Any:
        """What ``reader`` finds in the answer of the probe ``source``; None: that was not asked."""
        if answer := answers.by_name.get(source):
            return reader(told(answer))
        return Unanswered(CUT_OFF) if source in script.script.texts[os].asked else None

    for probe in script.asked:
        match probe.on[os]:
            case Beside(_, reader):
                yield probe.name, reader(told(Answer("", 0)))
            case Ask(_, reader):
                yield probe.name, value(probe.name, reader)
            case PartOf(source, reader):
                yield probe.name, value(source, reader)
            case NotAsked():
                pass


def read_raw(script: NodeScript, output: str) -> tuple[RawAnswer, ...]:
    """The literal answers in the script's output, with their commands."""
    answers = read(script.script, output.translate(_CONTROLS))
    os = answers.machine.known_os
    asked = script.script.texts[os].asked if os else {}
    machine = answers.machine
    named = (UNAME[os] if os else machine.os, machine.hostname, machine.arch)
    return (
        RawAnswer(MACHINE, "uname -snm", " ".join(named).strip(), 0),
        *(
            RawAnswer(name, asked.get(name, ""), answer.text, answer.exit_status)
            for name, answer in answers.by_name.items()
        ),
    )


def read_again(script: NodeScript, raw: Sequence[RawAnswer]) -> Answered:
    """What is read in answers of :func:`read_raw`, and of the pings, that came at another time.

    :param script: with the questions that were asked then.
    """
    token = script.script.token
    answers = {answer.name: answer for answer in raw}
    machine, echoes = answers.pop(MACHINE, None), answers.pop(ECHOES, None)
    output = f"{machine.text if machine else ''}\n\n\x1e{token} uname 0\n"
    for answer in answers.values():
        output += f"{answer.text}\n\x1e{token} {answer.name} {answer.exit_status}\n"
    errors = re.sub(r"\x1e[0-9a-f]{12} ", f"\x1e{token} ", echoes.text if echoes else "")
    return answered(script, f"{output}\n\x1e{token} end 0\n", errors)


def hanging(script: NodeScript, output: str) -> str | None:
    """The probe that was running when ``output`` was cut off; None: not even ``uname`` answered."""
    answers = read(script.script, output)
    os = answers.machine.known_os
    if os is None:
        return None
    waiting = (name for name in script.script.texts[os].asked if name not in answers.by_name)
    return next(waiting, "echoes")
