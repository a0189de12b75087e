"""``fleetctl report``: raw answers of nodes, for a report of a fault of fleetctl itself."""

from __future__ import annotations

import asyncio
import getpass
import socket
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fleetctl.cli.context import Context, nodes
from fleetctl.cli.folder_options import folder_options
from fleetctl.cli.postmortem import hiding

if TYPE_CHECKING:
    from fleetctl.fleet import LiveFleet
    from fleetctl.model.look import RawAnswer


@click.command(short_help="raw answers of nodes, to report a fault of fleetctl or a wrong reading")
@click.argument("targets", nargs=-1, metavar="[NODE]...")
@click.option("--anonymous", is_flag=True, help="Replace names, accounts and addresses.")
@folder_options
@click.pass_obj
def command(
    context: Context, targets: tuple[str, ...], anonymous: bool, to: Path, no_archive: bool
) -> int:
    """Ask NODEs, or all nodes, all that `check` asks, and write down what they literally say.

    The folder has the form of the project's fixtures, so that a machine on which something is read
    wrongly becomes a test. With --anonymous the same name or address is replaced by the same, and
    networks stay networks. Tracebacks of mistakes in fleetctl are in it, too. Nothing is changed,
    and nothing is sent. Exit code 0: every node answered.
    """
    return asyncio.run(_report(context, targets, anonymous, to, archive=not no_archive))


async def _report(
    context: Context, targets: Sequence[str], anonymous: bool, to: Path, *, archive: bool
) -> int:
    from fleetctl.config import find
    from fleetctl.local_files import read_bounded
    from fleetctl.postmortem.folder import write_folder
    from fleetctl.postmortem.report_files import Report

    yaml_text = read_bounded(find(context.config_path), 16 * 1024 * 1024).decode("utf-8", "replace")
    async with context.service() as service:
        chosen = [n for n in nodes(service, targets) if service.fleet.nodes[n].connection != "none"]
        answers, unasked = await _asked(service, chosen)
        redactor = hiding(service)
    report = Report(
        service.fleet,
        service.job,
        answers,
        unasked,
        yaml_text,
        mistakes(),
        own=(socket.gethostname(), getpass.getuser()),
    )
    texts = report.files(redactor, anonymous=anonymous)
    fleet = "" if anonymous else f"{service.fleet.name}-"
    name = f"report-{fleet}{datetime.now(UTC).astimezone():%Y%m%d-%H%M%S}"
    for path in write_folder(to, name, texts, archive=archive):
        click.echo(path)
    look = "names that have no form of their own" if anonymous else "names and addresses"
    click.echo(f"fleetctl: look through it before you give it away: {look} are in it", err=True)
    return 1 if unasked else 0


async def _asked(
    service: LiveFleet, chosen: Sequence[str]
) -> tuple[dict[str, Sequence[RawAnswer]], dict[str, str]]:
    """What each says; why others say nothing."""
    from fleetctl.errors import LinkError

    answers: dict[str, Sequence[RawAnswer]] = {}
    unasked: dict[str, str] = {}

    async def ask(node: str) -> None:
        try:
            answers[node] = await service.raw_answers(node)
            click.echo(f"fleetctl: {node} answered", err=True)
        except LinkError as error:
            unasked[node] = error.reason
            click.echo(f"fleetctl: {node} cannot be asked: {error.reason}", err=True)

    await asyncio.gather(*map(ask, chosen))
    return {n: answers[n] for n in chosen if n in answers}, unasked


def mistakes() -> dict[str, str]:
    """The newest tracebacks of mistakes in fleetctl, by file name (link/mistakes.py)."""
    from fleetctl.link.mistakes import newest

    return newest()
