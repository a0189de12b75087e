"""A fleet that can be looked at, and nothing else."""

from __future__ import annotations

from typing import Any, NoReturn, cast

from fleetctl.errors import FleetctlError
from fleetctl.model.jobs import Instance, Job
from fleetctl.service import Attached, FleetService
from fleetctl.undertakings import Repairs

READS = frozenset(
    {
        "fleet",
        "job",
        "observe",
        "check",
        "watch",
        "raw_answers",
        "plan",
        "past_logs",
        "follow_logs",
        "actions",
        "past",
    }
)
"""What of a :class:`FleetService` changes nothing anywhere. What is not named here is refused."""
REPAIR_READS = frozenset(
    {
        "checked",
        "proposal",
        "outcomes",
        "look",
        "check",
        "ways",
        "open_problems",
        "still_wrong",
        "more_with_persistent",
        "steps_of",
        "todo",
        "decline",
        "records",
    }
)
"""The same of :class:`Repairs`."""
SENTENCE = "This dashboard is read-only: it shows, and changes nothing"


class ReadOnly(FleetctlError):
    """It was asked for something that is not only looking."""


class _Shown:
    """Hands on what is in ``reads``; anything else is refused where it is called."""

    def __init__(self, whole: object, reads: frozenset[str]) -> None:
        self._whole = whole
        self._reads = reads

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self._whole, name) if name in self._reads else _refuse


class _ReadOnlyFleet(_Shown):
    def __init__(self, service: FleetService) -> None:
        super().__init__(service, READS)
        self._service = service

    async def __aenter__(self) -> _ReadOnlyFleet:
        await self._service.__aenter__()
        return self

    async def __aexit__(self, *why: object) -> None:
        await self._service.__aexit__(*why)

    def with_job(self, job: Job) -> FleetService:
        return read_only(self._service.with_job(job))

    async def attach(self, instance: Instance, *, read_only: bool = False, **how: Any) -> Attached:
        """Looking is allowed: tmux takes no keys then."""
        return await (self._service.attach if read_only else _refuse)(
            instance, read_only=read_only, **how
        )

    def fix(self, *nodes: Any, **how: Any) -> Repairs:
        return cast(Repairs, _Shown(self._service.fix(*nodes, **how), REPAIR_READS))


def read_only(service: FleetService) -> FleetService:
    """``service`` without anything that changes a node, a process or a file.

    What is refused raises :class:`ReadOnly` when it is called; repairs are shown, and not applied.
    """
    return cast(FleetService, _ReadOnlyFleet(service))


def _refuse(*_: object, **__: object) -> NoReturn:
    raise ReadOnly(SENTENCE)
