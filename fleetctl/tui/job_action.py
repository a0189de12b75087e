"""A start, stop or restart as the dashboard sees it: frozen, replaced whole as it goes on; and
what carries it out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from fleetctl.errors import FleetctlError
from fleetctl.fleet import FleetService, StartRefused
from fleetctl.launch.events import Progress
from fleetctl.model.jobs import Instance

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


async def carry_out(
    service: FleetService,
    kind: Kind,
    chosen: Sequence[Instance],
    report: Callable[[Progress], None],
) -> str:
    """Start, stop or restart ``chosen``; why that could not be done, empty when it was."""
    try:
        # before anything is stopped: what could not be started again is left running
        if kind == "restart" and (problems := await service.obstacles(chosen, anew=True)):
            raise StartRefused(problems)
        if kind != "start":
            stopped = await service.stop(chosen, report)
            left = [name for name, status in stopped.items() if status.state != "stopped"]
            if kind == "restart" and left:
                return f"{', '.join(left)} did not stop, so nothing was started again."
        if kind != "stop":
            await service.start(chosen, report, {})
    except StartRefused as refused:
        said = "\n".join(f"{p.code}: {p.summary}" for p in refused.problems)
        hint = "To repair it: f. To start all the same: fleetctl start --no-check."
        return f"{refused.message}:\n{said}\n{hint}"
    except FleetctlError as error:
        return str(error)
    return ""
