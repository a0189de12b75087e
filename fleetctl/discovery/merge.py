"""What a draft has and a nodes.yaml has not, written into its text. Everything else stays as it is.

Mappings in block form get new lines at their end, those in braces new entries inside.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import yaml

from fleetctl.discovery.draft import Draft, DraftNode, Noted
from fleetctl.discovery.subnets import IN_FILE
from fleetctl.discovery.text import fields, network_lines, node_lines, words
from fleetctl.errors import UsageError
from fleetctl.model.topology import Fleet


def merged(text: str, draft: Draft, fleet: Fleet) -> str:
    """``text`` with the networks, nodes, addresses, ``interfaces``, ``gateway`` and ``via`` of
    ``draft`` that it lacks.

    :param text: of the valid file that ``fleet`` was read from.
    :raises UsageError: the file has a form into which nothing can be written.
    """
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    nodes = _get(root, "nodes")
    assert root is not None
    if not isinstance(nodes, yaml.MappingNode) or nodes.flow_style:
        raise UsageError(
            "nodes.yaml cannot be added to: its nodes are no mapping with a line for each",
            hint="docs/nodes-yaml.md shows the form.",
        )
    editor = _Editor(text)
    _add_networks(editor, root, draft, fleet)
    new = [node for node in draft.nodes if node.name not in fleet.nodes]
    for node in draft.nodes:
        if node.name in fleet.nodes:
            _complete(editor, nodes, node, fleet)
    if new:
        editor.append(nodes, [line for node in new for line in node_lines(node, "")])
    return editor.result()


def _add_networks(editor: _Editor, root: yaml.Node, draft: Draft, fleet: Fleet) -> None:
    lines = [
        line
        for network in draft.networks
        if network.name not in fleet.networks
        for line in network_lines(network, "")
    ]
    if not lines:
        return
    networks = _get(root, "networks")
    if isinstance(networks, yaml.MappingNode) and not networks.flow_style:
        editor.append(networks, lines)
    elif networks is None:
        editor.before(_key(root, "nodes"), ["networks:", *(f"  {line}" for line in lines), ""])
    elif isinstance(networks, yaml.ScalarNode) and not networks.value:
        editor.below(_key(root, "networks"), lines)
    else:
        raise UsageError(
            "nodes.yaml cannot be added to: its networks are no mapping with a line for each",
            hint="docs/nodes-yaml.md shows the form.",
        )


def _complete(editor: _Editor, nodes: yaml.MappingNode, node: DraftNode, fleet: Fleet) -> None:
    """Add what a node of the file lacks."""
    lacks = _lacking(node, fleet)
    if not fields(lacks):
        return
    key, entry = next((k, v) for k, v in nodes.value if k.value == node.name)
    if isinstance(entry, yaml.ScalarNode) and not entry.value:
        editor.below(key, [line for lines in fields(lacks).values() for line in lines])
        return
    if not isinstance(entry, yaml.MappingNode):
        raise UsageError(f"nodes.yaml cannot be added to: {node.name} is no mapping")
    found = sorted(fields(lacks).items(), key=lambda item: _get(entry, item[0]) is None)
    for name, lines in found:  # what goes into a value stands above what follows that value
        held = _get(entry, name)
        inner = [line.removeprefix("  ") for line in lines[1:]]
        if isinstance(held, yaml.MappingNode):
            editor.add(held, inner)
        elif held is None:
            editor.add(entry, lines)
        elif isinstance(held, yaml.ScalarNode) and not held.value and not entry.flow_style:
            editor.below(_key(entry, name), inner)
        else:
            raise UsageError(f"nodes.yaml cannot be added to at {name} of {node.name}")
    if entry.flow_style and (guessed := list(_guesses(lacks))):
        editor.before(key, [f"# guessed: {words('; '.join(guessed))}"])


def _lacking(node: DraftNode, fleet: Fleet) -> DraftNode:
    known = fleet.nodes[node.name]
    return DraftNode(
        node.name,
        node.ssh,
        os=None if known.os else node.os,
        interfaces={n: i for n, i in node.interfaces.items() if n not in known.interfaces},
        addresses={n: a for n, a in node.addresses.items() if n not in known.networks},
        leased=node.leased,
        gateway=None if known.gateway else node.gateway,
        via={n: v for n, v in node.via.items() if v.why != IN_FILE and n not in known.via},
    )


def _guesses(node: DraftNode) -> list[str]:
    noted: list[tuple[str, Noted[Any]]] = [*node.addresses.items(), *node.via.items()]
    if node.gateway:
        noted.append(("gateway", node.gateway))
    return [f"{name} {one.value}: {one.why}" for name, one in noted if one.guessed]


class _Editor:
    """Collects what is written into a text, by the places of its YAML nodes."""

    def __init__(self, text: str) -> None:
        self._text = text if text.endswith("\n") else text + "\n"
        self._written: list[tuple[int, int, str]] = []
        """Where, in which order, and what."""

    def add(self, mapping: yaml.MappingNode, lines: Sequence[str]) -> None:
        """Entries of one line, or of a key and its indented lines."""
        if mapping.flow_style:
            self._inside(mapping, lines)
        else:
            self.append(mapping, lines)

    def append(self, mapping: yaml.MappingNode, lines: Sequence[str]) -> None:
        """Lines at the end of a mapping in block form."""
        indent = mapping.value[0][0].start_mark.column
        self._lines_after(_end(mapping), indent, lines)

    def below(self, key: yaml.Node, lines: Sequence[str]) -> None:
        """Lines below a key without a value."""
        self._lines_after(key.end_mark.index, key.start_mark.column + 2, lines)

    def before(self, key: yaml.Node, lines: Sequence[str]) -> None:
        """Lines above that of a key."""
        column = key.start_mark.column
        self._write(key.start_mark.index - column, _indented(lines, column))

    def result(self) -> str:
        text = self._text
        for place, _, new in sorted(self._written, reverse=True):
            text = text[:place] + new + text[place:]
        return text

    def _lines_after(self, place: int, indent: int, lines: Sequence[str]) -> None:
        end = self._text.index("\n", place) + 1
        self._write(end, _indented(lines, indent))

    def _inside(self, mapping: yaml.MappingNode, lines: Sequence[str]) -> None:
        entries = [line.split(" # ")[0].rstrip() for line in lines]
        flow = ", ".join(entries)
        if len(entries) > 1 and entries[0].endswith(":") and lines[1].startswith(" "):
            flow = f"{entries[0]} {{{', '.join(entry.strip() for entry in entries[1:])}}}"
        place = mapping.end_mark.index - 1
        first = not any(where == place for where, _, _ in self._written)
        bare = first and self._text[:place].rstrip().endswith(("{", ","))
        self._write(place, flow if bare else f", {flow}")

    def _write(self, place: int, new: str) -> None:
        self._written.append((place, len(self._written), new))


def _indented(lines: Sequence[str], indent: int) -> str:
    return "".join(f"{' ' * indent}{line}\n" if line else "\n" for line in lines)


def _end(node: yaml.Node) -> int:
    """The place behind a value's last character; a block mapping's own mark is behind comments that
    follow."""
    if isinstance(node, yaml.CollectionNode) and not node.flow_style and node.value:
        last = node.value[-1]
        key, value = last if isinstance(last, tuple) else (last, last)
        return max(_end(key), _end(value))
    if isinstance(node, yaml.ScalarNode) and node.style in ("|", ">"):
        return node.end_mark.index - 1
    return int(node.end_mark.index)


def _get(node: yaml.Node | None, key: str) -> yaml.Node | None:
    items = node.value if isinstance(node, yaml.MappingNode) else ()
    return next((value for name, value in items if name.value == key), None)


def _key(node: yaml.Node, key: str) -> yaml.Node:
    found: yaml.Node = next(name for name, _ in node.value if name.value == key)
    return found
