"""What happens to instances while they are started or stopped."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from msgspec import Struct

from fleetctl.model.status import ServiceState, ServiceStatus

ActionStage = Literal["start", "stop"]
ActionKind = Literal["start", "stop", "restart"]
"""A restart is a stop and then a start."""

GOOD: Mapping[ActionStage, frozenset[ServiceState]] = {
    "start": frozenset({"ready", "exited"}),
    "stop": frozenset({"stopped"}),
}
"""States in which a start or stop has done what it was to do."""
SETTLED: Mapping[ActionStage, frozenset[ServiceState]] = {
    stage: good | {"failed", "unknown"} for stage, good in GOOD.items()
}
"""States in which nothing more is awaited of an instance."""


class Progress(Struct, frozen=True):
    """What just became of an instance."""

    stage: ActionStage
    """Whether it is being started or stopped."""
    instance: str
    state: ServiceState
    reason: str | None
    elapsed_s: float
    """Since the start, stop or restart began."""

    @property
    def settled(self) -> bool:
        """Nothing more is awaited of the instance in this stage."""
        return self.state in SETTLED[self.stage]


class ActionResult(Struct, frozen=True):
    """How a start, stop or restart ended."""

    stage: ActionStage
    """How far it came: a restart that could not stop everything starts nothing."""
    services: Mapping[str, ServiceStatus]
    """What became of each instance in that stage."""

    @property
    def bad(self) -> tuple[str, ...]:
        """The instances of which it did not do what it was to do."""
        good = GOOD[self.stage]
        return tuple(name for name, status in self.services.items() if status.state not in good)
