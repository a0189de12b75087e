"""What becomes of one command that runs on many nodes, as it happens."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from fleetctl.errors import LinkError

Failure = Literal["timed out", "cut off", "not reached"]
"""``cut off``: the connection broke while the command ran; ``not reached``: it was not begun."""


class Said(Struct, frozen=True):
    """Some of its output on one node."""

    node: str
    data: bytes
    error: bool
    """Whether it is of stderr."""


class Ended(Struct, frozen=True):
    """Its end on one node."""

    node: str
    exit_status: int
    """0 to 255; 128 + N if signal N ended it."""


class Broken(Struct, frozen=True):
    """It did not come to its end there."""

    node: str
    how: Failure
    error: LinkError


ExecutionEvent = Said | Ended | Broken
