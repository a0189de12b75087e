"""Names for nodes."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

from fleetctl.discovery.answer import Answer

_RESERVED = ("controller",)
"""What nodes.yaml does not take as a name."""


def node_names(answers: Sequence[Answer], taken: Collection[str] = ()) -> list[tuple[str, str]]:
    """For each answer a name of its own, and a note where another has the name that it would have
    got; else an empty note.

    :param taken: names of other nodes.
    """
    found: list[tuple[str, str]] = []
    used = {*taken, *_RESERVED, *(a.host.name for a in answers if a.host.kept)}
    for answer in answers:
        if answer.host.kept and answer.host.name:
            found.append((answer.host.name, ""))
            continue
        wanted = plain(_wanted(answer))
        name = next(n for n in _numbered(wanted) if n not in used)
        used.add(name)
        taken_already = f"it calls itself {wanted}, too, as another node does"
        found.append((name, "" if name == wanted else taken_already))
    return found


def plain(text: str) -> str:
    """``text`` as a name that nodes.yaml takes: the first label of a host name."""
    label = text.split(".")[0]
    return re.sub(r"[^A-Za-z0-9_-]+", "-", label).strip("-")[:63] or "node"


def _wanted(answer: Answer) -> str:
    """What the user calls it, else its own name, else its address."""
    if answer.host.name:
        return answer.host.name
    if answer.facts and answer.facts.system and answer.facts.system.hostname:
        return answer.facts.system.hostname
    return "node-" + answer.host.ssh.host.replace(".", "-").replace(":", "-")


def _numbered(name: str) -> list[str]:
    return [name, *(f"{name}-{number}" for number in range(2, 10_000))]
