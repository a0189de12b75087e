"""``fleetctl serve``: the observer without a screen, whose connections other commands use."""

from __future__ import annotations

import asyncio
import signal
from datetime import UTC, datetime

import click

from fleetctl.cli.context import Context, NodesFile
from fleetctl.cli.serve_http import HttpOptions, options, site
from fleetctl.errors import UsageError
from fleetctl.streams import OutputLost

INTERVAL_S = 2.0


@click.command(short_help="watch the fleet without a screen; answer other commands at once")
@click.option(
    "--interval",
    "interval_s",
    type=click.FloatRange(min=0.2),
    default=INTERVAL_S,
    metavar="S",
    help="Seconds between two looks at a node (2); at least 0.05 for each node.",
)
@click.option("--status", "status", is_flag=True, help="Tell whether one runs, and exit: 0 or 1.")
@click.option("--install", is_flag=True, help="Keep it running: a systemd user unit, or launchd.")
@click.option("--uninstall", is_flag=True, help="Undo --install.")
@click.option("--yes", is_flag=True, help="Do not ask before --install or --uninstall.")
@click.option(
    "--http",
    metavar="ADDRESS:PORT",
    help="Also answer HTTP there: the dashboard in a browser, /metrics, /status.json, /events.",
)
@click.option("--token", is_flag=True, help="Of --http: let in only who knows a token, made once.")
@click.option(
    "--http-name",
    "names",
    multiple=True,
    metavar="NAME",
    help="Of --http: a further host name under which it is reached.",
)
@click.option(
    "--allow-actions",
    is_flag=True,
    help="Of --http: the dashboard in a browser may start, stop and repair, too.",
)
@click.pass_obj
def command(
    context: Context,
    interval_s: float,
    status: bool,
    install: bool,
    uninstall: bool,
    yes: bool,
    http: str | None,
    token: bool,
    names: tuple[str, ...],
    allow_actions: bool,
) -> int:
    """Watch the fleet as the dashboard does, without a screen, until Ctrl-C.

    All jobs of nodes.yaml are watched, in the same looks; with --job before the command, that one
    alone. What is seen is kept as history. Other commands of this user on this machine use its
    connections and its newest looks, through a socket that nobody else may use.
    """
    if status + install + uninstall > 1:
        raise UsageError("of --status, --install and --uninstall only one can be done at a time")
    if status:
        return _status(context)
    page = options(http, token, names, allow_actions)
    if install or uninstall:
        from fleetctl.cli.serve_install import change

        return asyncio.run(change(context, interval_s, page, install=install, yes=yes))
    return asyncio.run(_serve(context, interval_s, page))


def _status(context: Context) -> int:
    from fleetctl.serve.running import running

    fleet = context.service(lambda _: None, several=True, warm=False).fleet.name
    found = running(fleet)
    if found is None:
        click.echo(f"no fleetctl serve of {fleet} runs on this machine")
        return 1
    since_s = (datetime.now(UTC) - found.since).total_seconds()
    from fleetctl.quantities import duration

    of_job = f", job {found.job}" if found.job else ""
    click.echo(
        f"process {found.pid} serves {fleet}{of_job}, of {found.file}, "
        f"for {duration(since_s)}, version {found.version}"
    )
    return 0


class Lines:
    """Prints lines. Where the first one cannot be written, that ends the server; later the disk may
    be full for a while, and what is watched is kept as history anyway."""

    def __init__(self) -> None:
        self._begun = False

    def __call__(self, text: str) -> None:
        """
        :raises OutputLost: the first one cannot be written.
        """
        try:
            click.echo(text)
        except OutputLost:
            if not self._begun:
                raise
        self._begun = True


async def _serve(context: Context, interval_s: float, page: HttpOptions | None) -> int:
    from fleetctl.serve.running import Serving

    beside = [site(context, page)] if page else []
    file = NodesFile(context, several=True, warm=False)
    serving = Serving(file, interval_s, Lines(), beside=beside)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, serving.end)
    loop.add_signal_handler(signal.SIGHUP, serving.look)
    await serving.run()
    return 0
