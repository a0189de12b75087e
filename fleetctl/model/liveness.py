"""Liveness: what a running instance is asked again and again, to know that it still works."""

from __future__ import annotations

from typing import Literal, assert_never

from msgspec import Struct

LivenessKind = Literal["http", "connect", "command", "silence"]


class Liveness(Struct, frozen=True):
    """What is asked on the node itself, by a prober beside the supervisor."""

    kind: LivenessKind
    value: str
    """The URL, ``host:port``, shell line, or seconds without new output."""
    interval_s: float = 10.0
    failures: int = 3
    """After so many in a row the instance is unhealthy."""
    restart: bool = False
    """Whether it is then ended and started again, within the limits of its ``restart``."""

    @property
    def question(self) -> str:
        """What is asked, in words."""
        match self.kind:
            case "http":
                return f"GET {self.value}"
            case "connect":
                return f"a connection to {self.value}"
            case "command":
                return f"the command {self.value}"
            case "silence":
                return f"new output within {self.value} s"
            case _:
                assert_never(self.kind)
