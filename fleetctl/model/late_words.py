"""Texts that stand for what only the node knows, until an instance is started there."""

from __future__ import annotations

from fleetctl.patterns import pattern

_WORD = pattern(r"<(interface on|path of) [\w.-]+>")


def late_word(text: str) -> str | None:
    """The first such word in ``text``."""
    found = _WORD.search(text)
    return found[0] if found else None


def interface_word(network: str) -> str:
    """Stands for the name of the interface by which the node is on ``network``."""
    return f"<interface on {network}>"


def path_word(file: str) -> str:
    """Stands for the path of one of the instance's ``files``."""
    return f"<path of {file}>"
