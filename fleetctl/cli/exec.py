"""``fleetctl exec``: one command on many nodes, identical output shown once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import click

from fleetctl.cli import standard_input
from fleetctl.cli.after_dashes import AfterDashes, words_after_dashes
from fleetctl.cli.context import Context, nodes
from fleetctl.cli.exec_files import OutputFiles
from fleetctl.cli.exec_outcomes import Outcome, exit_code, summary
from fleetctl.cli.exec_output import AsItComes, Folded, Output
from fleetctl.errors import UsageError
from fleetctl.model.execution import Broken, Ended, ExecutionEvent, Said
from fleetctl.quoting import join


@click.command(cls=AfterDashes, options_metavar="[OPTIONS]")
@click.option(
    "--timeout",
    type=click.FloatRange(min=0.1),
    default=600.0,
    show_default=True,
    metavar="S",
    help="Give a node up after S seconds.",
)
@click.option(
    "--stream", is_flag=True, help="Print each line as it comes, with its node's name before it."
)
@click.option(
    "--diff", is_flag=True, help="Print what differs from the output that most nodes have."
)
@click.option(
    "--output",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Also write all that nodes print into DIR: NODE.out, and NODE.err where there is any.",
)
@click.option(
    "--no-stdin", "-n", is_flag=True, help="Leave stdin alone, as in a loop that reads it."
)
@click.argument("targets", nargs=-1, metavar="TARGET... -- CMD...")
@click.pass_context
def command(
    ctx: click.Context,
    timeout: float,
    stream: bool,
    diff: bool,
    folder: Path | None,
    no_stdin: bool,
    targets: tuple[str, ...],
) -> int:
    """Run CMD on every node that TARGET names, at the same time.

    With one word, CMD is a shell line for the node's sh; with several it is run as given, every
    word arriving unchanged. Each CMD gets all of stdin. Identical output of several nodes is
    printed once, when all have ended; Ctrl-C and --timeout keep what was said until then. The exit
    code is the worst of all; 255 for a node that was not reached or given up.
    """
    context: Context = ctx.obj
    argv = words_after_dashes(ctx) or []
    if not targets or not argv:
        raise UsageError(
            "exec needs targets, then --, then a command",
            hint="For example: fleetctl exec 'pi*' -- uptime",
        )
    if stream and diff:
        raise UsageError("--stream and --diff exclude each other")
    script = argv[0] if len(argv) == 1 else f"exec {join(argv)}"

    def output(names: Sequence[str]) -> Output:
        if stream:
            return AsItComes(names)
        if len(names) == 1:
            return AsItComes(())
        if folder:
            return Folded(names, compared=diff, all_of_it=f"all of it is in {folder}")
        return Folded(names, compared=diff)

    read = None if no_stdin else standard_input.read
    return asyncio.run(_execute(context, targets, script, timeout, output, folder, read))


async def _execute(
    context: Context,
    targets: Sequence[str],
    script: str,
    timeout_s: float,
    output: Callable[[Sequence[str]], Output],
    folder: Path | None,
    read: Callable[[], Awaitable[bytes]] | None,
) -> int:
    """Run it, and print what the nodes say, and of several how they ended."""
    async with context.service() as service:
        names = [
            name
            for name in nodes(service, targets)
            if service.fleet.nodes[name].connection != "none"
        ]
        if not names:
            raise UsageError("none of these nodes can be logged into")
        printer = output(names)
        files = OutputFiles(folder, names) if folder else None
        outcomes: dict[str, Outcome] = dict.fromkeys(names)

        def took(event: ExecutionEvent) -> None:
            match event:
                case Said():
                    if files:
                        files.said(event)
                    printer.said(event)
                case Broken(node, _, error):
                    outcomes[node] = event
                    click.echo(f"fleetctl: {error}", err=True)
                case Ended(node, _):
                    outcomes[node] = event

        def finish() -> None:
            printer.finish(outcomes)
            if len(names) > 1:
                click.echo(summary(outcomes), err=True)

        try:
            await service.execute(names, script, timeout_s, took, read)
        except asyncio.CancelledError:
            finish()
            raise
        finally:
            if files:
                files.close()
        finish()
        return exit_code(outcomes)
