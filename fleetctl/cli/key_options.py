"""The options of ``fleetctl keys``."""

from __future__ import annotations

from msgspec import Struct


class Options(Struct, frozen=True):
    """What was asked for."""

    check: bool
    """Change nothing."""
    yes: bool
    """Ask nothing but passwords."""
    name: str | None
    """The comment of a key that is made; None: the user is asked."""
    ssh_config: bool
    """Also write ``~/.ssh/config``."""
    as_json: bool = False
    """With ``check``: nothing is printed but one JSON object."""
