"""``fleetctl sync``: copies the code of a job to its nodes."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

import click
import msgspec

from fleetctl.cli.context import Context, nodes
from fleetctl.cli.progress import ProgressLines
from fleetctl.cli.render import plain
from fleetctl.errors import UsageError
from fleetctl.model.syncing import NodeSync, Shared
from fleetctl.service import FleetService
from fleetctl.words.sync import dry_lines, sync_line

SCHEMA = "fleetctl.sync/1"


@click.command()
@click.argument("targets", nargs=-1, metavar="[TARGET]...")
@click.option("--dry-run", is_flag=True, help="Only list what would be sent and deleted.")
@click.option("--force", is_flag=True, help="Overwrite and delete what was changed on a node, too.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object, alone on stdout.")
@click.pass_obj
def command(
    context: Context, targets: tuple[str, ...], dry_run: bool, force: bool, as_json: bool
) -> int:
    """Copy the code of the job, its `sync` in nodes.yaml, to the nodes that TARGETs name, or to all
    on which it runs: all at the same time, into each node's workdir, only what changed.

    What git ignores is left out. A node on which a file was changed since the last sync, and would
    be overwritten, is named and left as it is. Exit code 0: every node has the code.
    """
    return asyncio.run(_sync(context, targets, dry_run, force, as_json))


async def _sync(
    context: Context, targets: Sequence[str], dry_run: bool, force: bool, as_json: bool
) -> int:
    async with context.service(warm=False) as service:
        chosen = _chosen(service, targets)
        lines = ProgressLines(chosen, "comparing" if dry_run else "syncing")
        found: dict[str, NodeSync] = {}

        def took(result: NodeSync) -> None:
            found[result.node] = result
            lines.settle(result.node)
            if result.error:
                lines.say(f"fleetctl: {result.error}")
            if result.note:
                lines.say(f"{result.node}: {result.note}. So whole files were sent, by tar")
            if not dry_run and not as_json and result.state != "failed":
                lines.say(plain(sync_line(result)), err=not result.ok)

        try:
            async with lines.live():
                await service.sync(chosen, took, dry_run=dry_run, force=force)
        except asyncio.CancelledError:
            left = [name for name in chosen if name not in found]
            click.echo(f"stopped; not synced: {', '.join(left)}", err=True)
            raise
        if as_json:
            _print_json(service, chosen, found, dry_run)
        elif dry_run:
            results = [found[name] for name in chosen if found[name].state != "failed"]
            for line in dry_lines(results):
                click.echo(plain(line))
        return 0 if all(result.ok for result in found.values()) else 1


def _chosen(service: FleetService, targets: Sequence[str]) -> list[str]:
    """The nodes of ``targets`` that can be logged into; without targets those of the job.

    :raises UsageError: there is none.
    """
    names = nodes(service, targets)
    if not targets and service.job:
        used = {instance.node for instance in service.job.instances}
        names = [name for name in names if name in used]
    names = [name for name in names if service.fleet.nodes[name].connection != "none"]
    if not names:
        raise UsageError("none of these nodes can be logged into")
    return names


def _print_json(
    service: FleetService, chosen: Sequence[str], found: Mapping[str, NodeSync], dry_run: bool
) -> None:
    assert service.job and service.job.sync
    outcome = {
        "schema": SCHEMA,
        "ok": all(result.ok for result in found.values()),
        "job": service.job.name,
        "from": service.job.sync.source,
        "dry_run": dry_run,
        "nodes": {name: _node_json(found[name]) for name in chosen},
    }
    click.echo(msgspec.json.format(msgspec.json.encode(outcome)))


def _node_json(result: NodeSync) -> dict[str, object]:
    return {
        "state": result.state,
        "workdir": result.workdir or None,
        "files": _texts(result.files),
        "size_bytes": result.size_bytes,
        "deleted": _texts(result.deleted),
        "changed_there": _texts(result.changed_there),
        "shared": _shared_json(result.shared) if result.shared else None,
        "way": result.way,
        "note": result.note or None,
        "reason": result.error.message if result.error else None,
        "hint": (result.error.hint or None) if result.error else None,
    }


def _shared_json(shared: Shared) -> dict[str, object]:
    return {
        "files": _texts(shared.files),
        "size_bytes": shared.size_bytes,
        "source": shared.source,
        "seconds": None if shared.seconds is None else round(shared.seconds, 3),
        "note": shared.note or None,
    }


def _texts(paths: Sequence[str]) -> list[str]:
    """Paths may hold bytes that are no UTF-8, and JSON may not."""
    return [path.encode("utf-8", "surrogateescape").decode("utf-8", "replace") for path in paths]
