"""What happens to instances while they are started or stopped. Pure."""

from __future__ import annotations

from msgspec import Struct

from fleetctl.model.status import ServiceState


class Progress(Struct, frozen=True):
    """What just became of an instance."""

    instance: str
    state: ServiceState
    reason: str | None
    elapsed_s: float
    """Since the command began."""
