"""Placeholders such as ``{node}`` or ``{server.port}`` in the texts of a service.

Only a word in braces, possibly with dots, is a placeholder: ``{}``, ``{1..3}``, ``{print $1}``,
``{"a": 1}`` and the shell's ``${HOME}`` are not. Doubled braces make a word literal: ``{{node}}``
gives ``{node}``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from fleetctl.config.report import Report, TreePath, choices, nearest, quoted
from fleetctl.model.jobs import Listen
from fleetctl.model.topology import Fleet, Node

OF_NODE = "address"
"""``{address.NETWORK}``; no service can have this name."""
ANY_NODE = "any."
"""Stand-in for the name of an unknown node; no node can have this name."""

_OF_INSTANCE = ("node", "rank", "world_size")
_OF_SERVICE = ("node", "host", "port")
_STAND_INS = {"node": ANY_NODE, "host": "0.0.0.0", "port": "1"}
"""Values for those that are unknown because of a mistake, valid wherever these may be used."""
_PLACEHOLDER = re.compile(r"(?<![${])(?P<open>\{++)(?P<word>[A-Za-z_][\w.-]*+)(?P<close>\}++)")


@dataclass(frozen=True, slots=True)
class ServicePlace:
    """Where a service runs: its nodes in order, and where it listens on the first of them."""

    nodes: tuple[str, ...]
    listen: Listen | None


class _Unfillable(Exception):
    """A placeholder has no value; the message says why."""


@dataclass(frozen=True, slots=True)
class Scope:
    """The values of the placeholders for one instance.

    :param places: where each service of the job runs; ``None``: reported as wrong already.
    :param rank: 1-based index of ``node`` among the ``world_size`` nodes of its service.
    """

    fleet: Fleet
    places: Mapping[str, ServicePlace | None]
    node: Node
    rank: int
    world_size: int
    of_instance: bool = True
    """Else it is about the node alone, which has no rank."""

    def fill(self, text: str, path: TreePath, report: Report) -> str:
        """``text`` with all placeholders replaced; those without a value are reported."""

        def replace(match: re.Match[str]) -> str:
            word = match["word"]
            pairs = min(len(match["open"]), len(match["close"]))
            if pairs > 1:
                return match.group()[1:-1]
            try:
                value = self._value(word, report)
            except _Unfillable as why:
                report.mistake(path, str(why))
                value = ""
            return match["open"][1:] + value + match["close"][1:]

        return _PLACEHOLDER.sub(replace, text)

    def _value(self, word: str, report: Report) -> str:
        if word in self._own():
            return self.node.name if word == "node" else str(getattr(self, word))
        first, _, last = word.rpartition(".")
        if first == OF_NODE:
            return self._address(last, report)
        if first in self.places and last in _OF_SERVICE:
            return self._of_service(first, last)
        ending = nearest(word, self._words())
        raise _Unfillable(
            f"unknown placeholder {quoted('{' + word + '}')}{ending}; "
            f"for the text itself write {{{{{word}}}}}"
        )

    def _own(self) -> tuple[str, ...]:
        return _OF_INSTANCE if self.of_instance else ("node",)

    def _words(self) -> Iterator[str]:
        yield from self._own()
        for network in self.fleet.networks:
            yield f"{OF_NODE}.{network}"
        for service in self.places:
            for what in _OF_SERVICE:
                yield f"{service}.{what}"

    def _address(self, network: str, report: Report) -> str:
        name, addresses = self.node.name, self.node.addresses
        if network in addresses:
            return str(addresses[network])
        if network in self.fleet.networks:
            if report.incomplete(("nodes", name, "addresses"), self.fleet.networks):
                return _STAND_INS["host"]
            on = choices(addresses) or "no network"
            raise _Unfillable(f"{{{OF_NODE}.{network}}} has no value on {name!r}, which is on {on}")
        raise _Unfillable(
            f"unknown network {network!r} in {{{OF_NODE}.{network}}}"
            + nearest(network, self.fleet.networks)
        )

    def _of_service(self, service: str, what: str) -> str:
        place = self.places[service]
        if place is None:
            return _STAND_INS[what]
        if what == "node":
            return place.nodes[0]
        if what == "host":
            return _host(self.fleet, self.fleet.nodes[place.nodes[0]], place.listen)
        if place.listen is None:
            raise _Unfillable(f"{{{service}.port}} has no value: service {service!r} has no listen")
        return str(place.listen.port)


def _host(fleet: Fleet, node: Node, listen: Listen | None) -> str:
    """Its listen address, else its address on a control network, else its SSH host."""
    if listen is not None and not listen.address.is_unspecified:
        return str(listen.address)
    for name, network in fleet.networks.items():
        if network.control and name in node.addresses:
            return str(node.addresses[name])
    return node.ssh.host
