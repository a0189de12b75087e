"""Stops what has the ports of a job that is to be started, if the user says so."""

from __future__ import annotations

import click

from fleetctl.cli.asking import agreed, can_ask
from fleetctl.cli.progress import ProgressLines
from fleetctl.cli.render import problem_lines
from fleetctl.port_holders import PortsTaken, stops_to_make_room
from fleetctl.service import FleetService


async def make_room(service: FleetService, taken: PortsTaken, stop_others: bool) -> bool:
    """Stop what has the ports.

    :param stop_others: without asking. Else the user is asked, where there is a terminal.
    :returns: whether all of it is stopped.
    """
    if not stop_others and not can_ask():
        return False
    click.echo("\n".join(problem_lines(taken.problems, err=True)), err=True)
    if not stop_others and not await agreed(f"Stop {taken.told} first?"):
        return False
    lines = ProgressLines([f"{h.job}/{h.instance}" for h in taken.holders], "stopping")
    async with lines.live():
        results = [
            await action.run() for action in stops_to_make_room(taken, service, lines.report)
        ]
    for result in results:
        for name in result.bad:
            status = result.services[name]
            why = f": {status.reason}" if status.reason else ""
            click.echo(f"{name} is {status.state}{why}", err=True)
    return not any(result.bad for result in results)
