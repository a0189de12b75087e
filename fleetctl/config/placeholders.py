"""Placeholders such as ``{node}`` or ``{server.port}`` in the texts of nodes.yaml.

Only a word in braces, possibly with dots, is a placeholder: ``{}``, ``{1..3}``, ``{print $1}``,
``{"a": 1}`` and the shell's ``${HOME}`` are not. Doubled braces make a word literal: ``{{node}}``
gives ``{node}``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from msgspec import Struct

from fleetctl.config.report import Report, TreePath, choices, nearest, quoted
from fleetctl.model.topology import Fleet, Node
from fleetctl.patterns import pattern

ANY_NODE = "any."
"""Stand-in for the name of an unknown node; no node can have this name."""
ANY_ADDRESS = "0.0.0.0"
"""Stand-in for an address that is unknown because of a mistake, valid wherever one may be used."""
OF_NODE = "address"
"""``{address.NETWORK}``; no service can have this name."""
_VAR = "var"
_PLACEHOLDER = pattern(r"(?<![${])(?P<open>\{++)(?P<word>[A-Za-z_][\w.-]*+)(?P<close>\}++)")


class Unfillable(Exception):
    """A placeholder has no value; the message says why."""


class NodeScope(Struct, frozen=True):
    """The values of the placeholders that depend on the node alone."""

    fleet: Fleet
    node: Node
    report: Report
    """Gets the mistakes."""

    def fill(self, text: str, path: TreePath) -> str:
        """``text`` with all placeholders replaced; those without a value are reported."""

        def replace(match: re.Match[str]) -> str:
            word = match["word"]
            pairs = min(len(match["open"]), len(match["close"]))
            if pairs > 1:
                return match.group()[1:-1]
            try:
                value = self.value(word)
                if value is None:
                    ending = nearest(word, self.words())
                    raise Unfillable(
                        f"unknown placeholder {quoted('{' + word + '}')}{ending}; "
                        f"for the text itself write {{{{{word}}}}}"
                    )
            except Unfillable as why:
                self.report.mistake(path, str(why))
                value = ""
            return match["open"][1:] + value + match["close"][1:]

        return _PLACEHOLDER.sub(replace, text)

    def value(self, word: str) -> str | None:
        """What stands for ``{word}``; ``None``: it is none of these words.

        :raises Unfillable: it has no value on this node.
        """
        if word == "node":
            return self.node.name
        first, _, last = word.rpartition(".")
        if first == OF_NODE:
            return self.address(self.node, last, word)
        if first == _VAR:
            return self._var(last)
        if first in self.fleet.nodes:
            return self.address(self.fleet.nodes[first], last, word)
        return None

    def words(self) -> Iterator[str]:
        """All that have a value here or elsewhere, for a mistake."""
        yield "node"
        for network in self.fleet.networks:
            yield f"{OF_NODE}.{network}"
        for name in self._all_vars():
            yield f"{_VAR}.{name}"
        for name, node in self.fleet.nodes.items():
            for network in node.addresses:
                yield f"{name}.{network}"

    def address(self, node: Node, network: str, word: str) -> str:
        """The address of ``node`` on ``network``, for ``{word}``.

        :raises Unfillable: it has none there.
        """
        if network in node.addresses:
            return str(node.addresses[network])
        if network in node.leased:
            raise Unfillable(
                f"{{{word}}} has no value on {node.name!r}: DHCP gives its address there, which "
                "is not known before it is asked; write a name that leads there, such as "
                f"{node.name}.local, or give it a fixed address"
            )
        if network in self.fleet.networks:
            if self.report.incomplete(("nodes", node.name, "addresses"), self.fleet.networks):
                return ANY_ADDRESS
            on = choices(node.networks) or "no network"
            where = f" on {node.name!r}, which" if node is self.node else f": {node.name!r}"
            raise Unfillable(f"{{{word}}} has no value{where} is on {on}")
        raise Unfillable(
            f"unknown network {network!r} in {{{word}}}" + nearest(network, self.fleet.networks)
        )

    def _var(self, name: str) -> str:
        node = self.node
        if name in node.vars:
            return node.vars[name]
        if (
            node.name == ANY_NODE
            or self.report.wrong("nodes", node.name, "vars")
            or self.report.wrong("defaults", "vars")
        ):
            return ""
        known = self._all_vars()
        ending = "" if name in known else nearest(name, known)
        raise Unfillable(
            f"{{{_VAR}.{name}}} has no value on {node.name!r}: its vars, and those of defaults, "
            f"have no {name!r}{ending}"
        )

    def _all_vars(self) -> dict[str, None]:
        return dict.fromkeys(name for node in self.fleet.nodes.values() for name in node.vars)
