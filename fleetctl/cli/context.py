"""What every command begins with: the file, the job, the chosen instances."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click
from msgspec import Struct

from fleetctl.loading import uncollected

if TYPE_CHECKING:  # `config` and `lab` use Context too, and do not need these
    from fleetctl.fleet import LiveFleet
    from fleetctl.model.events import Actor
    from fleetctl.model.jobs import Instance, Job
    from fleetctl.model.topology import Fleet
    from fleetctl.service import FleetService


class Context(Struct, frozen=True):
    """The options before the command."""

    config_path: Path | None
    job: str | None
    fresh: bool = False
    """Do without a `fleetctl serve`."""

    def service(
        self,
        tell: Callable[[str], object] | None = None,
        *,
        several: bool = False,
        warm: bool = True,
    ) -> LiveFleet:
        """The fleet of the file, seen from this machine, and its chosen job.

        :param several: whether the command takes all jobs; :meth:`each_job` has their services.
        :param warm: whether connections of a `fleetctl serve` may be used.
        :param tell: takes what the user should know of the file before anything is connected to;
            None: it is printed on stderr.
        :raises ConfigError: the file is missing or wrong.
        :raises UsageError: there is no such job.
        """
        with uncollected():
            from fleetctl.cli.told import not_yet_told
            from fleetctl.config import find, load
            from fleetctl.fleet import LiveFleet
            from fleetctl.link.here import seen_from_here
            from fleetctl.model.targets import choose_job

        path = find(self.config_path)
        fleet = seen_from_here(load(path))
        job = choose_job(fleet, None if several and self.means_all(fleet) else self.job)
        tell = tell or _note
        for line in not_yet_told(path, fleet):
            tell(line)
        warm = warm and not self.fresh
        return LiveFleet(fleet, job, warm=warm, by=_actor, tell=tell)

    def means_all(self, fleet: Fleet) -> bool:
        """Whether all jobs of ``fleet`` are chosen, and not one of them."""
        from fleetctl.model.targets import ALL_JOBS

        return self.job == ALL_JOBS and ALL_JOBS not in fleet.jobs

    def each_job(self, service: LiveFleet) -> list[LiveFleet]:
        """The service of each job that is chosen, over the connections of ``service``."""
        jobs = service.fleet.jobs.values() if self.means_all(service.fleet) else ()
        return [service.with_job(job) for job in jobs] or [service]


def _actor() -> Actor:
    from fleetctl.cli import COMMANDS
    from fleetctl.noting.actor import this_actor

    return this_actor(sys.argv[1:], COMMANDS)


def _note(line: str) -> None:
    click.echo(f"note: {line}", err=True)


class NodesFile:
    """The nodes.yaml of ``context``, which may change while it is in use.

    :param several: see :meth:`Context.service`.
    :param warm: as well.
    """

    def __init__(self, context: Context, *, several: bool = False, warm: bool = True) -> None:
        self._context = context
        self._several = several
        self._warm = warm
        self._notes: list[str] = []
        self._seen = self._stamp()

    def news(self) -> bool:
        """Whether it changed since the last call, or the last :meth:`read`."""
        before, self._seen = self._seen, self._stamp() or self._seen
        return before != self._seen

    def read(self) -> LiveFleet:
        """The fleet of the file as it is now.

        :raises ConfigError: the file is missing or wrong.
        :raises UsageError: the chosen job is no longer there.
        """
        self._seen = self._stamp() or self._seen
        return self._context.service(self._notes.append, several=self._several, warm=self._warm)

    def jobs(self, service: LiveFleet) -> tuple[Job, ...]:
        """The job of ``service``, which was read, if one was chosen; else all jobs."""
        fleet = service.fleet
        if service.job is None or self._context.job is None or self._context.means_all(fleet):
            return tuple(fleet.jobs.values())
        return (service.job,)

    def path(self) -> Path:
        """Where it is.

        :raises ConfigError: there is none.
        """
        from fleetctl.config import find

        return find(self._context.config_path)

    def notes(self) -> list[str]:
        """What the user should know of the files that were read, each told once."""
        notes, self._notes = self._notes, []
        return notes

    def _stamp(self) -> tuple[int, int, int] | None:
        from fleetctl.config import find
        from fleetctl.errors import ConfigError

        try:
            found = find(self._context.config_path).stat()
        except (ConfigError, OSError):  # editors remove it for a moment
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino


def instances(service: FleetService, targets: Sequence[str]) -> list[Instance]:
    """See :func:`fleetctl.model.targets.choose_instances`."""
    from fleetctl.model.targets import choose_instances

    return choose_instances(service.fleet, service.job, targets)


def instances_of_each(
    services: Sequence[FleetService], targets: Sequence[str]
) -> list[list[Instance]]:
    """See :func:`fleetctl.model.targets.choose_in_each`."""
    from fleetctl.model.targets import choose_in_each

    return choose_in_each(services[0].fleet, [one.job for one in services], targets)


def nodes(service: FleetService, targets: Sequence[str]) -> list[str]:
    """See :func:`fleetctl.model.targets.choose_nodes`."""
    return nodes_of_each([service], targets)


def nodes_of_each(services: Sequence[FleetService], targets: Sequence[str]) -> list[str]:
    """See :func:`fleetctl.model.targets.choose_nodes`."""
    from fleetctl.model.targets import choose_nodes

    return choose_nodes(services[0].fleet, [one.job for one in services], targets)
