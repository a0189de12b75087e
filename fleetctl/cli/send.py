"""``fleetctl send``: types a text into the windows of services."""

from __future__ import annotations

import asyncio
import os
import sys

import click

from fleetctl.cli.context import Context, instances
from fleetctl.cli.deliveries import tell
from fleetctl.errors import UsageError

SEND_SCHEMA = "fleetctl.send/1"
MOST_BYTES = 64 * 1024


@click.command(short_help="type a text into the windows of services")
@click.argument("target")
@click.argument("text")
@click.option("--no-enter", is_flag=True, help="Do not press Enter after it.")
@click.option("--json", "as_json", is_flag=True, help="What became of it as JSON on stdout.")
@click.pass_obj
def command(context: Context, target: str, text: str, no_enter: bool, as_json: bool) -> int:
    """Type TEXT, and Enter, into the window of each instance that TARGET names.

    With - as TEXT it is read from stdin, without its last newline: for a secret, which nobody then
    sees in the list of processes.
    """
    typed = _stdin() if text == "-" else os.fsencode(text)
    if len(typed) > MOST_BYTES:
        raise UsageError(f"the text has more than {MOST_BYTES} bytes")
    return asyncio.run(_send(context, target, typed if no_enter else typed + b"\n", as_json))


def _stdin() -> bytes:
    return sys.stdin.buffer.read(MOST_BYTES + 2).removesuffix(b"\n")


async def _send(context: Context, target: str, typed: bytes, as_json: bool) -> int:
    if not typed:
        raise UsageError("there is nothing to type", hint="Without --no-enter, Enter is typed.")
    async with context.service() as service:
        found = await service.send(instances(service, [target]), typed)
    return tell(found, "typed", as_json, {"schema": SEND_SCHEMA})
