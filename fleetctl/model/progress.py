"""Progress and result of a start, stop or restart."""

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
"""States in which a start or stop of an instance has succeeded."""
SETTLED: Mapping[ActionStage, frozenset[ServiceState]] = {
    stage: good | {"failed", "unknown"} for stage, good in GOOD.items()
}
"""States in which a start or stop of an instance is over."""


class Progress(Struct, frozen=True):
    """A change of an instance during an action."""

    stage: ActionStage
    """Whether it is being started or stopped."""
    instance: str
    state: ServiceState
    reason: str | None
    elapsed_s: float
    """Since the start, stop or restart began."""
    last_lines: tuple[str, ...] = ()
    """After a start that failed: what the process printed last."""

    @property
    def settled(self) -> bool:
        """Whether this stage is over for the instance."""
        return self.state in SETTLED[self.stage]


class ActionResult(Struct, frozen=True):
    """How a start, stop or restart ended."""

    stage: ActionStage
    """The last stage: a restart that could not stop everything ends with ``stop``."""
    services: Mapping[str, ServiceStatus]
    """The status of each instance after that stage."""
    unasked: Mapping[str, str] = {}
    """Nodes of which it is not known what else runs there, with the reason; only if a stop was to
    end orphans, too."""

    @property
    def bad(self) -> tuple[str, ...]:
        """The instances for which the stage did not succeed."""
        good = GOOD[self.stage]
        return tuple(name for name, status in self.services.items() if status.state not in good)
