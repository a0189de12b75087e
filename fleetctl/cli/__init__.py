"""The command line: one module per command, imported when it is used."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from pathlib import Path

import click

from fleetctl import __version__
from fleetctl.cli.context import Context
from fleetctl.errors import ConfigError, FleetctlError, UsageError
from fleetctl.interrupts import held_back
from fleetctl.loading import lacking, uncollected
from fleetctl.streams import OutputLost, ReaderGone

INTERRUPTED = 130

COMMANDS = {
    "init": "write a first nodes.yaml, from what the machines say",
    "keys": "make the cluster's key, and put it on every node",
    "trust": "show nodes' host keys side by side, and record them on a yes",
    "start": "check, then start services in order, each when what it waits for is ready",
    "stop": "stop services, dependents first; leave nothing of them running",
    "restart": "stop, then start",
    "status": "nodes, services and problems at this moment",
    "wait": "return once services are ready, healthy, stopped or have exited",
    "signal": "send a signal to the processes of services",
    "send": "type a text into the windows of services",
    "top": "how far the job is: step, rate, lag and loss of each rank",
    "history": "values and problems over time: links, nodes, instances",
    "attach": "the tmux window of an instance, in this terminal",
    "open": "web pages of the job, in the browser here",
    "logs": "lines of one or several instances",
    "events": "what changed in the fleet, why, and who asked for it",
    "check": "verify the network: routes there and back, forwarding, which node reaches which",
    "bench": "measure round trips and bandwidth of the job's paths",
    "fix": "show, or with --apply run, the commands that repair what check found",
    "postmortem": "one folder with all that is known of a failure: what ended first, why",
    "report": "raw answers of nodes, to report a fault of fleetctl or a wrong reading",
    "explain": "what a problem code means, and how it is repaired",
    "exec": "run a command on nodes, identical output folded",
    "serve": "watch the fleet without a screen, keep what is seen, answer other commands at once",
    "alerts": "who is told of what goes wrong, what is raised now, and a test of it",
    "sync": "copy the code of a job to its nodes, only what changed",
    "config": "validate and show nodes.yaml, or its schema",
    "export": "nodes.yaml for ssh, MLX, Ansible, torchrun or MPI, or the topology as a picture",
    "lab": "a virtual fleet made from nodes.yaml, to see, test and rehearse on",
    "demo": "a virtual fleet with its job running, and the dashboard on it",
}


def _import_asyncio() -> None:
    """Without its TLS, which is slow to import, and which not every command needs."""
    with lacking("ssl"):
        import_module("asyncio")


class _Commands(click.Group):
    """Knows every command's name and help, and imports a command only to run it."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        with held_back(), uncollected():
            if cmd_name == "status":
                _import_asyncio()
            command = import_module(f"fleetctl.cli.{cmd_name}").command
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except BrokenPipeError as error:
            # click ends silently on EPIPE, as if the reader of stdout were gone
            if not isinstance(error, ReaderGone):
                error.errno = 0
            raise

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            from difflib import get_close_matches

            close = get_close_matches(args[0], COMMANDS, n=1)
            hint = f" Did you mean '{close[0]}'?" if close else ""
            raise click.UsageError(error.message + hint, ctx) from None


@click.group(
    cls=_Commands,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.option(
    "-f",
    "--file",
    "file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="The fleet's file; else $FLEETCTL_CONFIG, ./nodes.yaml, ~/.config/fleetctl/nodes.yaml.",
)
@click.option(
    "--job",
    metavar="NAME",
    help="A job of the file; else its first one. all: every job (status, start, stop, logs).",
)
@click.option(
    "--fresh",
    is_flag=True,
    help="Ask the nodes anew, over connections of its own, also where `fleetctl serve` runs.",
)
@click.option(
    "--read-only",
    is_flag=True,
    help="The dashboard shows, and changes nothing: for a wall, or guests.",
)
@click.option("--browser-of", type=int, hidden=True, help="The server of a dashboard in a browser.")
@click.version_option(__version__, prog_name="fleetctl", message="%(prog)s %(version)s")
@click.pass_context
def command(
    ctx: click.Context,
    file: Path | None,
    job: str | None,
    fresh: bool,
    read_only: bool,
    browser_of: int | None,
) -> None:
    """Start, watch and repair the jobs of a small cluster, over SSH and tmux.

    A TARGET is a node (pi4), a service (worker), one instance (worker@pi4) or a shell pattern of
    any of these ('pi*'); with no TARGET a command is about the whole job.

    Without a COMMAND it opens the dashboard.
    """
    ctx.obj = Context(config_path=file, job=job, fresh=fresh)
    if ctx.invoked_subcommand is None:
        with held_back(), uncollected():
            _import_asyncio()
            from fleetctl.cli.dashboard import run as show_dashboard

        ctx.exit(show_dashboard(ctx.obj, read_only=read_only, browser_of=browser_of))
    if read_only:
        raise UsageError("--read-only is about the dashboard, and goes with no command")


def run(arguments: list[str]) -> int:
    """Run the command line.

    :returns: the exit code (docs/cli.md, "Exit codes").
    """
    try:
        result = command.main(list(arguments), prog_name="fleetctl", standalone_mode=False)
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except ConfigError as error:
        for mistake in error.mistakes:
            _complain(mistake)
        if error.hint:
            _complain(error.hint)
        return error.exit_code
    except OutputLost as lost:  # main() says so
        return lost.exit_code
    except FleetctlError as error:
        _complain(f"fleetctl: {error}")
        return error.exit_code
    except (KeyboardInterrupt, click.Abort):
        _complain("interrupted")
        return INTERRUPTED
    except SystemExit as end:  # a signal ended the command, which has cleaned up
        return end.code if isinstance(end.code, int) else 1
    except ReaderGone:
        # the reader of stdout has closed it; keep the interpreter from flushing into it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except BaseException as error:
        # Ctrl-C while asyncio's Runner installs its handler comes out as CancelledError
        asyncio = sys.modules.get("asyncio")
        if asyncio is not None and isinstance(error, asyncio.CancelledError):
            _complain("interrupted")
            return INTERRUPTED
        if not isinstance(error, Exception):
            raise
        from fleetctl.link.mistakes import told

        _complain(f"fleetctl: this is {told(error)}")
        return 1
    return result if isinstance(result, int) else 0


def _complain(text: str) -> None:
    click.echo(text, err=True)
