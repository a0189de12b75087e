"""The password that sudo on the nodes asks for."""

from __future__ import annotations


class SudoPassword:
    """A password that was typed for this run. It goes to ``sudo -S`` over stdin and nowhere else.

    Once a node's sudo has refused it, it is offered to no node that has not accepted it before: a
    few wrong passwords lock an account, which all nodes may share.
    """

    def __init__(self, text: str) -> None:
        self._line = text.encode("utf-8", "surrogateescape") + b"\n"
        self._accepted: set[str] = set()
        self.refused_by = ""
        """The node that refused it; empty: none so far."""

    @property
    def stdin(self) -> bytes:
        """What ``sudo -S`` reads."""
        return self._line

    def may_try(self, node: str) -> bool:
        """Whether it may be offered to the sudo of ``node``."""
        return not self.refused_by or node in self._accepted

    def accepted(self, node: str) -> bool:
        """Whether the sudo of ``node`` has accepted it."""
        return node in self._accepted

    def accept(self, node: str) -> None:
        self._accepted.add(node)

    def refuse(self, node: str) -> None:
        self.refused_by = node
