"""What a draft has and a nodes.yaml lacks, written into its text; the rest stays as it is."""

from __future__ import annotations

from typing import Any

import yaml

from fleetctl.discovery.draft import Draft, DraftNode, Noted
from fleetctl.discovery.editor import Editor, get, key_of
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
    nodes = get(root, "nodes")
    assert root is not None
    if not isinstance(nodes, yaml.MappingNode) or nodes.flow_style:
        raise UsageError(
            "nodes.yaml cannot be added to: its nodes are no mapping with a line for each",
            hint="docs/nodes-yaml.md shows the form.",
        )
    editor = Editor(text)
    _add_networks(editor, root, draft, fleet)
    new = [node for node in draft.nodes if node.name not in fleet.nodes]
    for node in draft.nodes:
        if node.name in fleet.nodes:
            _complete(editor, nodes, node, fleet)
    if new:
        editor.append(nodes, [line for node in new for line in node_lines(node, "")])
    return editor.result()


def _add_networks(editor: Editor, root: yaml.Node, draft: Draft, fleet: Fleet) -> None:
    lines = [
        line
        for network in draft.networks
        if network.name not in fleet.networks
        for line in network_lines(network, "")
    ]
    if not lines:
        return
    networks = get(root, "networks")
    if isinstance(networks, yaml.MappingNode) and not networks.flow_style:
        editor.append(networks, lines)
    elif networks is None:
        editor.before(key_of(root, "nodes"), ["networks:", *(f"  {line}" for line in lines), ""])
    elif isinstance(networks, yaml.ScalarNode) and not networks.value:
        editor.below(key_of(root, "networks"), lines)
    else:
        raise UsageError(
            "nodes.yaml cannot be added to: its networks are no mapping with a line for each",
            hint="docs/nodes-yaml.md shows the form.",
        )


def _complete(editor: Editor, nodes: yaml.MappingNode, node: DraftNode, fleet: Fleet) -> None:
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
    found = sorted(fields(lacks).items(), key=lambda item: get(entry, item[0]) is None)
    for name, lines in found:  # what goes into a value stands above what follows that value
        held = get(entry, name)
        inner = [line.removeprefix("  ") for line in lines[1:]]
        if isinstance(held, yaml.MappingNode):
            editor.add(held, inner)
        elif held is None:
            editor.add(entry, lines)
        elif isinstance(held, yaml.ScalarNode) and not held.value and not entry.flow_style:
            editor.below(key_of(entry, name), inner)
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
