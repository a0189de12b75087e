"""``fleetctl exec``: one command on many nodes, identical output shown once."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import click

from fleetctl.cli.context import Context, nodes
from fleetctl.cli.render import plain, style
from fleetctl.errors import LinkError, UsageError
from fleetctl.quoting import join

UNREACHABLE = 255
"""The exit code for a node that was not reached, as with ssh."""


class _AfterDashes(click.Command):
    """Leaves what follows ``--`` unparsed, in ``ctx.meta``."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if "--" in args:
            place = args.index("--")
            args, ctx.meta["argv"] = args[:place], args[place + 1 :]
        return super().parse_args(ctx, args)


@click.command(cls=_AfterDashes, options_metavar="[OPTIONS]")
@click.option(
    "--timeout",
    type=click.FloatRange(min=0.1),
    default=600.0,
    show_default=True,
    metavar="S",
    help="Give a node up after S seconds.",
)
@click.argument("targets", nargs=-1, metavar="TARGET... -- CMD...")
@click.pass_context
def command(ctx: click.Context, timeout: float, targets: tuple[str, ...]) -> int:
    """Run CMD on every node that TARGET names, at the same time.

    With one word, CMD is a shell line for the node's sh; with several it is run as given, every
    word arriving unchanged. The exit code is the worst of all; 255 for a node that was not reached.
    """
    context: Context = ctx.obj
    argv: list[str] = ctx.meta.get("argv", [])
    if not targets or not argv:
        raise UsageError(
            "exec needs targets, then --, then a command",
            hint="For example: fleetctl exec 'pi*' -- uptime",
        )
    script = argv[0] if len(argv) == 1 else f"exec {join(argv)}"
    return asyncio.run(_execute(context, targets, script, timeout))


async def _execute(context: Context, targets: Sequence[str], script: str, timeout_s: float) -> int:
    async with context.service() as service:
        names = [
            name
            for name in nodes(service, targets)
            if service.fleet.nodes[name].connection != "none"
        ]
        if not names:
            raise UsageError("none of these nodes can be logged into")
        results = await service.execute(names, script, timeout_s)
    groups: dict[tuple[bytes, bytes, int], list[str]] = {}
    worst = 0
    for name in names:
        result = results[name]
        if isinstance(result, LinkError):
            click.echo(f"fleetctl: {result}", err=True)
            worst = UNREACHABLE
        else:
            groups.setdefault((result.stdout, result.stderr, result.exit_status), []).append(name)
            worst = max(worst, result.exit_status)
    for (stdout, stderr, status), members in groups.items():
        _show(members, stdout, stderr, status, alone=len(names) == 1)
    return worst


def _show(names: list[str], stdout: bytes, stderr: bytes, status: int, *, alone: bool) -> None:
    if not alone:
        failed = f" (exit code {status})" if status else ""
        head = plain(f"── {', '.join(names)}{failed}")
        click.echo(style(head, "red" if status else "cyan"))
    click.echo(stdout, nl=not stdout.endswith(b"\n") and bool(stdout))
    if stderr:
        click.echo(stderr, err=True, nl=not stderr.endswith(b"\n"))
