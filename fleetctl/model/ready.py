"""Ready conditions: when an instance counts as ready."""

from __future__ import annotations

from typing import Literal, assert_never

from msgspec import Struct

ReadyKind = Literal["listening", "log", "http", "command", "connect", "delay", "alive"]
JudgedKind = Literal["listening", "delay", "alive"]
"""Conditions that the node's facts answer."""
AskedKind = Literal["log", "http", "command", "connect"]
"""Conditions that a controller has to ask for; once met, that is noted on the node."""

ALIVE_S = 1.0
"""A service with neither ``ready`` nor ``listen`` is ready once it has run this long."""


class Ready(Struct, frozen=True):
    """A ready condition."""

    kind: ReadyKind
    value: str = ""
    """The regular expression, URL, shell line, ``host:port`` or seconds; empty where unused."""
    timeout_s: float = 60.0
    interval_s: float = 0.5
    body: str = ""
    """Of ``http``: a regular expression that the answer must match; empty: any will do."""

    @property
    def judged(self) -> JudgedKind | None:
        """Its kind, if the node's facts answer it."""
        match self.kind:
            case "listening" | "delay" | "alive":
                return self.kind
            case "log" | "http" | "command" | "connect":
                return None
            case _:
                assert_never(self.kind)

    @property
    def asked(self) -> AskedKind | None:
        """Its kind, if a controller has to ask for it."""
        match self.kind:
            case "log" | "http" | "command" | "connect":
                return self.kind
            case "listening" | "delay" | "alive":
                return None
            case _:
                assert_never(self.kind)

    @property
    def not_yet(self) -> str | None:
        """Why it does not hold yet, as a clause; None for the kinds that the facts answer."""
        match self.kind:
            case "log":
                return f"its log has no line matching {self.value!r} yet"
            case "http" if self.body:
                return f"{self.value} does not answer with what matches {self.body!r} yet"
            case "http":
                return f"{self.value} does not answer with success yet"
            case "connect":
                return f"{self.value} does not accept connections yet"
            case "command":
                return f"its ready command does not succeed yet: {self.value}"
            case "listening" | "delay" | "alive":
                return None
            case _:
                assert_never(self.kind)
