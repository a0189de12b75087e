"""``fleetctl postmortem``: one folder with all that is known of a failure."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fleetctl.cli.context import Context
from fleetctl.cli.folder_options import folder_options
from fleetctl.cli.moments import When
from fleetctl.errors import UsageError

if TYPE_CHECKING:
    from fleetctl.fleet import LiveFleet
    from fleetctl.model.jobs import Job
    from fleetctl.postmortem.collected import Collected
    from fleetctl.postmortem.redacting import Redactor


@click.command(short_help="one folder with all that is known of a failure: what ended first, why")
@click.argument("target", required=False, metavar="[INSTANCE|JOB]")
@click.option(
    "--around",
    type=When(),
    metavar="AGE|TIME",
    help="The failure of that time, such as 10m, 2h or 14:30.",
)
@folder_options
@click.pass_obj
def command(
    context: Context, target: str | None, around: datetime | None, to: Path, no_archive: bool
) -> int:
    """Collect what is known of the newest failure of the job, of JOB, or of INSTANCE.

    The last lines of every rank in one order of time, how each ended, what the kernels say of
    memory, what changed before, versions, the file and the plan, without secrets. report.md begins
    with what ended first, why as far as was measured, and what followed. Nothing is changed on any
    node. Exit code 0: a failure was found; 1: nothing failed, and the folder shows how all is now.
    """
    return asyncio.run(_postmortem(context, target, around, to, archive=not no_archive))


async def _postmortem(
    context: Context, target: str | None, around: datetime | None, to: Path, *, archive: bool
) -> int:
    from fleetctl.config import find
    from fleetctl.local_files import read_bounded
    from fleetctl.postmortem.collecting import Collecting
    from fleetctl.postmortem.files import files
    from fleetctl.postmortem.folder import write_folder
    from fleetctl.postmortem.report_text import paragraph
    from fleetctl.postmortem.versions import versions_here

    yaml_text = read_bounded(find(context.config_path), 16 * 1024 * 1024).decode("utf-8", "replace")
    async with context.service() as service:
        chosen, job, named = _meant(service, target)
        redactor = hiding(service)
        collecting = Collecting(chosen, job, named, around, _tell)
        try:
            found = await collecting.run()
        except asyncio.CancelledError:
            done = "; ".join(collecting.done) or "nothing was answered yet"
            _tell(f"no folder was made. Until then: {done}")
            raise
        texts = files(found, redactor, yaml_text, versions_here())
        made = write_folder(to, _name(found), texts, archive=archive)
    click.echo(redactor.text(paragraph(found)))
    for path in made:
        click.echo(path)
    return 0 if found.story.first else 1


def _tell(line: str) -> None:
    click.echo(f"fleetctl: {line}", err=True)


def _name(found: Collected) -> str:
    at = found.story.begin or found.around or found.at
    return f"postmortem-{found.job.name}-{at.astimezone():%Y%m%d-%H%M%S}"


def _meant(service: LiveFleet, target: str | None) -> tuple[LiveFleet, Job, Sequence[str]]:
    """The job, and the instances of it that are meant, if not all.

    :raises UsageError: there is no such job or instance.
    """
    from fleetctl.model.targets import choose_instances

    fleet = service.fleet
    if service.job is None:
        raise UsageError("nodes.yaml has no job of which anything could have failed")
    if target is None or target in fleet.jobs:
        job = fleet.jobs[target] if target else service.job
        return service.with_job(job), job, ()
    before, slash, instance = target.rpartition("/")
    jobs = [service.job, *(j for j in fleet.jobs.values() if j.name != service.job.name)]
    if slash and before in fleet.jobs:
        jobs, target = [fleet.jobs[before]], instance
    wrong: UsageError | None = None
    for job in jobs:
        try:
            named = choose_instances(fleet, job, [target])
        except UsageError as error:
            wrong = wrong or error
            continue
        if named:
            return service.with_job(job), job, [i.name for i in named]
    raise wrong or UsageError(f"nothing of any job runs on {target}")


def hiding(service: LiveFleet) -> Redactor:
    """What takes secrets out of texts: those of nodes.yaml, and all of env_files."""
    from fleetctl.env_file import read_env_file
    from fleetctl.postmortem.redacting import Redactor

    secrets: list[str] = []
    instances = [i for job in service.fleet.jobs.values() for i in job.instances]
    for path in dict.fromkeys(i.env_file for i in instances if i.env_file):
        try:
            secrets += read_env_file(path).values()
        except UsageError as error:
            _tell(f"{error.message}; values of it are hidden only where they look like secrets")
    return Redactor.of(service.fleet, secrets)
