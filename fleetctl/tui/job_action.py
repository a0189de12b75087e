"""A start, stop or restart as the dashboard shows it: frozen, replaced as it goes on."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from msgspec import Struct
from msgspec.structs import replace

from fleetctl.errors import FleetctlError
from fleetctl.model.progress import GOOD, ActionKind, ActionStage, Progress
from fleetctl.model.status import ServiceStatus
from fleetctl.port_holders import PortsTaken, StartRefused
from fleetctl.service import Action


class JobAction(Struct, frozen=True):
    """One start, stop or restart, from beginning to end."""

    number: int
    kind: ActionKind
    targets: tuple[str, ...]
    """Names of the instances, in the order of the job."""
    steps: Mapping[str, tuple[Progress, ...]] = {}
    """Progress by instance, oldest first."""
    ended: bool = False
    error: str = ""
    """Why it failed; empty if it did not."""
    given_up: bool = False
    """Whether the user stopped waiting for its end."""

    def with_progress(self, progress: Progress) -> JobAction:
        before = self.steps.get(progress.instance, ())
        return replace(self, steps={**self.steps, progress.instance: (*before, progress)})

    def over(self, error: str = "", *, given_up: bool = False) -> JobAction:
        return replace(self, ended=True, error=error, given_up=given_up)

    @property
    def starting(self) -> bool:
        """Whether it is a start that goes on, or a restart that has stopped everything."""
        begun = self.kind == "start" or (self.kind == "restart" and self.begun)
        return bool(begun and not self.ended)

    @property
    def begun(self) -> tuple[str, ...]:
        """The instances that it is starting or has started; such as ran before among them."""
        return tuple(
            name
            for name, steps in self.steps.items()
            if any(s.stage == "start" and s.state == "starting" for s in steps)
        )

    def state_of(self, instance: str) -> str:
        """The newest state of ``instance``; ``waiting`` before there is one."""
        steps = self.steps.get(instance)
        return steps[-1].state if steps else "waiting"

    def settled(self, instance: str) -> bool:
        """Whether ``instance`` is in its final state."""
        newest = self.steps.get(instance, ())[-1:]
        return any(step.stage == self._last_stage and step.settled for step in newest)

    @property
    def succeeded(self) -> bool:
        """Whether every instance is in a good state; asked once it has ended."""
        return not self.error and not self._bad

    @property
    def _last_stage(self) -> ActionStage:
        return "stop" if self.kind == "stop" else "start"

    @property
    def summary(self) -> str:
        """What it does or did, in one line."""
        if self.error:
            return f"{self.kind}: {self.error}"
        of = len(self.targets)
        if not self.ended:
            doing = {"start": "starting", "stop": "stopping", "restart": "restarting"}[self.kind]
            return f"{doing} … {sum(map(self.settled, self.targets))} of {of}"
        if self.given_up:
            well = sum(self.state_of(name) in GOOD["start"] for name in self.targets)
            return f"{self.kind}: no longer waited for; {well} of {of} ready, the rest as it is"
        return f"{self.kind}: {self.well} of {of} {'stopped' if self.kind == 'stop' else 'ready'}"

    @property
    def well(self) -> int:
        """How many instances are as it was to make them, by its own progress."""
        return len(self.targets) - len(self._bad)

    @property
    def _bad(self) -> tuple[str, ...]:
        good = GOOD[self._last_stage]
        return tuple(name for name in self.targets if self.state_of(name) not in good)

    def well_now(self, services: Mapping[str, ServiceStatus]) -> int:
        """How many of its instances are so by ``services``."""
        good = GOOD[self._last_stage]
        return sum(services[n].state in good for n in self.targets if n in services)

    def left(self, services: Mapping[str, ServiceStatus]) -> tuple[str, ...]:
        """The instances for which it failed, and which are not so by ``services`` either."""
        if not self.ended or self.given_up:
            return ()
        good = GOOD[self._last_stage]
        known = {name: status.state for name, status in services.items()}
        return tuple(name for name in self._bad if known.get(name) not in good)

    @property
    def outcome(self) -> str:
        """``starting`` while it goes on, then ``ok`` or ``failed``: words of fleetctl.marks."""
        if not self.ended:
            return "failed" if self.error else "starting"
        if self.given_up:
            return "stopped"
        return "ok" if self.succeeded else "failed"


async def carry_out(kind: ActionKind, action: Action, taken: Callable[[PortsTaken], object]) -> str:
    """Run ``action``; returns why it failed, empty if it did not.

    :param taken: called if other instances of the fleet have its ports.
    """
    try:
        result = await action.run()
    except StartRefused as refused:
        said = "\n".join(f"{p.code}: {p.summary}" for p in refused.problems)
        hint = "To repair it: F. To start all the same: fleetctl start --no-check."
        if isinstance(refused, PortsTaken):
            taken(refused)
            hint = "To stop what has them: J goes to its job, where x stops it."
        return f"{refused.message}:\n{said}\n{hint}"
    except FleetctlError as error:
        return str(error)
    if kind == "restart" and result.stage == "stop":
        return f"{', '.join(result.bad)} did not stop, so nothing was started again."
    return ""
