"""``fleetctl restart``: stops, then starts, by nodes.yaml as it is now."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial

import click

from fleetctl.cli.action import carry_out
from fleetctl.cli.added_words import told, with_words
from fleetctl.cli.after_dashes import AfterDashes, words_after_dashes
from fleetctl.cli.context import Context, instances


@click.command(cls=AfterDashes, short_help="stop, then start")
@click.argument("targets", nargs=-1, metavar="[TARGET]... [-- WORD...]")
@click.option("--timeout", type=click.FloatRange(min=0), metavar="S", help="Give up waiting then.")
@click.option("--json", "as_json", is_flag=True, help="The outcome as JSON on stdout.")
@click.pass_context
def command(
    ctx: click.Context, targets: tuple[str, ...], timeout: float | None, as_json: bool
) -> int:
    """Stop and start the job, or only the TARGETs; a changed definition takes effect so.

    What the last start added to a command is added again, unless other WORDs are said, or none
    after --.
    """
    context: Context = ctx.obj
    return asyncio.run(_restart(context, targets, words_after_dashes(ctx), timeout, as_json))


async def _restart(
    context: Context,
    targets: Sequence[str],
    words: Sequence[str] | None,
    timeout_s: float | None,
    as_json: bool,
) -> int:
    async with context.service() as service:
        chosen = with_words(instances(service, targets), words)
        if note := told(chosen):
            click.echo(f"note: {note}", err=True)
        begin = partial(service.restart, chosen)
        return await carry_out(begin, chosen, "stopping", as_json, timeout_s)
