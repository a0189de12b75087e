"""A start, stop or restart as the dashboard sees it: frozen, replaced whole as it goes on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from fleetctl.launch.events import Progress

Kind = Literal["start", "stop", "restart"]
SETTLED: Mapping[Kind, frozenset[str]] = {
    "start": frozenset({"ready", "failed", "exited", "unknown"}),
    "restart": frozenset({"ready", "failed", "exited", "unknown"}),
    "stop": frozenset({"stopped", "failed", "unknown"}),
}
"""States in which nothing more is awaited of an instance."""


class JobAction(Struct, frozen=True):
    """One of them, from its beginning to its end."""

    number: int
    kind: Kind
    targets: tuple[str, ...]
    """Names of the instances it is about, in the order of the job."""
    steps: Mapping[str, tuple[Progress, ...]] = {}
    """Instance to what became of it, in order."""
    ended: bool = False
    error: str = ""
    """Why it could not be done."""

    def with_progress(self, progress: Progress) -> JobAction:
        before = self.steps.get(progress.instance, ())
        return replace(self, steps={**self.steps, progress.instance: (*before, progress)})

    def over(self, error: str = "") -> JobAction:
        return replace(self, ended=True, error=error)

    def state_of(self, instance: str) -> str:
        """The newest word on ``instance``; ``waiting`` before there is any."""
        steps = self.steps.get(instance)
        return steps[-1].state if steps else "waiting"

    @property
    def settled(self) -> int:
        """How many instances are where they will stay."""
        done = SETTLED[self.kind]
        return sum(name in self.steps and self.state_of(name) in done for name in self.targets)

    @property
    def summary(self) -> str:
        """What it does or did, for a line on the screen."""
        if self.error:
            return f"{self.kind}: {self.error}"
        counted = f"{self.settled} of {len(self.targets)}"
        if not self.ended:
            doing = {"start": "starting", "stop": "stopping", "restart": "restarting"}[self.kind]
            return f"{doing} … {counted}"
        good = {"start": "ready", "restart": "ready", "stop": "stopped"}[self.kind]
        well = sum(self.state_of(name) in (good, "exited") for name in self.targets)
        return f"{self.kind}: {well} of {len(self.targets)} {good}"
