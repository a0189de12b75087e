"""``fleetctl bench``: what the links carry, one path after another."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Sequence

import click
import msgspec
from msgspec import Struct

from fleetctl.bench.scripts import INSTALL
from fleetctl.cli.bench_lines import head_line, report_lines, result_lines
from fleetctl.cli.context import Context, nodes
from fleetctl.cli.progress import ProgressLines
from fleetctl.errors import UsageError
from fleetctl.link.readiness import readable
from fleetctl.model.bench import PathResult
from fleetctl.model.execution import Broken, Ended, ExecutionEvent, Said
from fleetctl.service import BENCH_S, FleetService
from fleetctl.undertakings import Benching

INSTALL_TIMEOUT_S = 900.0


class _Options(Struct, frozen=True):
    everything: bool
    seconds: int
    install: bool
    yes: bool
    anyway: bool
    as_json: bool


@click.command(short_help="measure round trips and bandwidth of the job's paths")
@click.argument("targets", nargs=-1, metavar="[TARGET]...")
@click.option("--all", "everything", is_flag=True, help="Every data path, not only the job's.")
@click.option(
    "--seconds",
    type=click.IntRange(1, 60),
    default=BENCH_S,
    show_default=True,
    metavar="N",
    help="How long each transfer takes, each way.",
)
@click.option("--install", is_flag=True, help="Offer to install iperf3 where it is missing.")
@click.option("--yes", is_flag=True, help="With --install: do not ask.")
@click.option("--anyway", is_flag=True, help="Measure though a job runs on these nodes.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object, alone on stdout.")
@click.pass_obj
def command(
    context: Context,
    targets: tuple[str, ...],
    everything: bool,
    seconds: int,
    install: bool,
    yes: bool,
    anyway: bool,
    as_json: bool,
) -> int:
    """Measure every path that the job uses, first link by link: round trips by ping, bandwidth by
    iperf3 both ways, against nodes.yaml's `expect` and against the best so far.

    Paths are measured one after the other, so that none disturbs another, and nothing is measured
    while a job of the fleet runs there. iperf3 listens on the node's data address only, and is
    ended always. TARGETs limit it to paths that begin or end there. Ctrl-C keeps what is measured.
    Exit code 0: all of it was measured, and nothing is wrong.
    """
    if install and not yes and not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise UsageError("there is no terminal to ask on before iperf3 is installed", hint="--yes")
    return asyncio.run(
        _bench(context, targets, _Options(everything, seconds, install, yes, anyway, as_json))
    )


async def _bench(context: Context, targets: Sequence[str], options: _Options) -> int:
    async with context.service(warm=False) as service:
        asked = [n.name for n in service.fleet.nodes.values() if n.connection != "none"]
        lines = ProgressLines(asked, "asking")
        bench = service.bench(
            nodes(service, targets),
            everything=options.everything,
            seconds=options.seconds,
            answered=lambda name, _: lines.settle(name),
        )
        async with lines.live():
            await bench.look(anyway=options.anyway)
        if options.install and bench.without_iperf:
            await _install(service, bench, options)
        try:
            await _measure(bench, options)
        finally:
            if bench.results or not bench.paths:
                _show(bench, options)
        return 0 if bench.report.ok else 1


async def _measure(bench: Benching, options: _Options) -> None:
    names = [path.label for path in bench.paths]
    lines = ProgressLines(names, "measuring")
    if names and not options.as_json:
        click.echo(head_line(bench.paths))

    def took(result: PathResult) -> None:
        lines.settle(result.path.label)
        if not options.as_json:
            lines.clear()
            click.echo("\n".join(result_lines(result, bench.paths)))

    async with lines.live():
        await bench.measure(took)


def _show(bench: Benching, options: _Options) -> None:
    if options.as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(bench.report)))
    else:
        click.echo("\n".join(report_lines(bench.report)))


async def _install(service: FleetService, bench: Benching, options: _Options) -> None:
    """Install iperf3 on the nodes that lack it, each after a yes; what fails is said."""
    for node in list(bench.without_iperf):
        system = bench.system_of(node)
        if system is None:
            continue
        click.echo(f"{node}: {INSTALL[system]}", err=True)
        if options.yes or await _agreed(f"Run this command on {node}?"):
            await service.execute([node], INSTALL[system], INSTALL_TIMEOUT_S, _installed)
    await bench.ask_nodes()


def _installed(event: ExecutionEvent) -> None:
    match event:
        case Said(_, data):
            click.echo(data.decode("utf-8", "replace"), err=True, nl=False)
        case Broken(_, _, error):
            click.echo(f"fleetctl: {error}", err=True)
        case Ended(node, code) if code:
            click.echo(f"{node}: that failed with exit code {code}: run it there", err=True)


async def _agreed(question: str) -> bool:
    """Ask the user, without blocking the event loop."""
    click.echo(f"{question} [y/N] ", err=True, nl=False)
    stdin = sys.stdin.fileno()
    await readable(stdin)
    return os.read(stdin, 1024).decode("utf-8", "replace").strip().lower() in ("y", "yes")
