"""Listening sockets and open connections, with the processes that this user may see."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from msgspec import Struct
from msgspec.structs import replace

from fleetctl.model.facts import Listener, NodeFacts, TcpConnection
from fleetctl.model.questions import Questions
from fleetctl.model.topology import OS, supported_os
from fleetctl.probes.members import sockets_text
from fleetctl.probes.parsers.lsof import parse_lsof, parse_lsof_connections
from fleetctl.probes.parsers.netstat_tcp import parse_netstat_listeners
from fleetctl.probes.parsers.ss import parse_ss, parse_ss_connections
from fleetctl.probes.probe import Ask, Probe, Told, Unanswered, cannot_read
from fleetctl.probes.script import Answer
from fleetctl.probes.started import if_started

# lsof shows the sockets of this user only; it fails with 1 if there is nothing to list
_MACOS = (
    "netstat -an -p tcp 2>/dev/null | grep LISTEN\nlsof -nP -iTCP -sTCP:{} -Fpctn || [ $? -eq 1 ]"
)


def _linux_text(options: str) -> str:
    """``ss``, or where there is none the same from /proc."""
    return f"if command -v ss >/dev/null; then ss {options}\nelse\n{sockets_text()}proc_sockets\nfi"


LISTENING: Mapping[OS, str] = {
    "linux": _linux_text("-ltnpH"),
    "macos": _MACOS.format("LISTEN"),
}
"""Lists every listening TCP socket."""


def _macos_listeners(text: str) -> tuple[Listener, ...]:
    """What lsof shows, and those of other users, which only netstat shows."""
    everyones = dict.fromkeys(parse_netstat_listeners(text))
    own = {}
    for one in parse_lsof(text):
        only_ipv6 = one.address == "*" and ("*", one.port) not in everyones
        if only_ipv6 and ("::", one.port) in everyones:
            one = replace(one, address="::")
        own[one.address, one.port] = one
    others = [Listener(*key, (), None) for key in everyones if key not in own]
    return (*own.values(), *others)


PARSERS: Mapping[OS, Callable[[str], tuple[Listener, ...]]] = {
    "linux": parse_ss,
    "macos": _macos_listeners,
}


class Sockets(Struct, frozen=True):
    """TCP on a node."""

    listeners: tuple[Listener, ...]
    connections: tuple[TcpConnection, ...]


def read_listeners(os: str, answer: Answer) -> tuple[Listener, ...] | None:
    """The output of :data:`LISTENING`; None if the tool is missing or failed, or the system is not
    known."""
    known = supported_os(os)
    if known is None or answer.exit_status != 0:
        return None
    return PARSERS[known](answer.text)


def _linux(questions: Questions) -> str:
    text = _linux_text("-tnpH state listening state established")
    return if_started(questions.fleet, questions.node, text)


def _macos(questions: Questions) -> str:
    return if_started(questions.fleet, questions.node, _MACOS.format("LISTEN,ESTABLISHED"))


def _read_linux(told: Told) -> Sockets | Unanswered:
    if told.answer.exit_status != 0:
        return cannot_read(told.answer)
    return Sockets(parse_ss(told.answer.text), parse_ss_connections(told.answer.text))


def _read_macos(told: Told) -> Sockets | Unanswered:
    if told.answer.exit_status != 0:
        return cannot_read(told.answer)
    text = told.answer.text
    return Sockets(_macos_listeners(text), parse_lsof_connections(text))


def _into(facts: NodeFacts, sockets: Sockets) -> NodeFacts:
    return replace(facts, listeners=sockets.listeners, connections=sockets.connections)


PROBE = Probe(
    name="listeners",
    when="services",
    on={"linux": Ask(_linux, _read_linux), "macos": Ask(_macos, _read_macos)},
    into=_into,
)
