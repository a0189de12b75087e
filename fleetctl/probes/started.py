"""Texts that ask nothing where nothing of a fleet was ever started."""

from __future__ import annotations

from fleetctl.model.layout import STATE


def base(fleet: str) -> str:
    """The folder of a fleet's records on a node, as a word of a shell."""
    return f'"$HOME"/{STATE.removeprefix("~/")}/{fleet}'


def if_started(fleet: str, node: str, text: str) -> str:
    """``text``, where anything was ever started on the node; elsewhere nothing can be found."""
    return f'for d in {base(fleet)}/*/*@{node}; do [ -d "$d" ] || exit 0; done\n{text}'
