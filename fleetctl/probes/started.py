"""Skips questions about instances on nodes where none was ever started."""

from __future__ import annotations

from fleetctl.model.layout import STATE


def base(fleet: str) -> str:
    """The folder of a fleet's records on a node, as a shell word."""
    return f'"$HOME"/{STATE.removeprefix("~/")}/{fleet}'


def if_started(fleet: str, node: str, text: str) -> str:
    """``text``, to be run only if an instance was ever started on the node."""
    return f'for d in {base(fleet)}/*/*@{node}; do [ -d "$d" ] || exit 0; done\n{text}'
