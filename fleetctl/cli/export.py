"""``fleetctl export``: the fleet in a form that another program reads."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import click

from fleetctl.cli.context import Context
from fleetctl.cli.saving import save
from fleetctl.export.ansible import ansible
from fleetctl.export.dot import dot
from fleetctl.export.hostfiles import mpi, torchrun
from fleetctl.export.mlx import mlx
from fleetctl.export.ssh import ssh
from fleetctl.model.jobs import Job
from fleetctl.model.topology import Fleet

_SVG_COLUMNS = 140
_STDOUT = Path("-")


def _svg(fleet: Fleet, job: Job | None) -> str:
    from fleetctl.tui.topology.stateless import stateless
    from fleetctl.tui.topology.svg import svg

    return svg(stateless(fleet, job, _SVG_COLUMNS), f"The topology of {fleet.name}")


FORMATS: Mapping[str, Callable[[Fleet, Job | None], str]] = {
    "ssh": ssh,
    "mlx": mlx,
    "ansible": ansible,
    "torchrun": torchrun,
    "mpi": mpi,
    "dot": dot,
    "svg": _svg,
}


@click.command()
@click.argument("form", type=click.Choice(list(FORMATS)), metavar="FORMAT")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    default=_STDOUT,
    metavar="FILE",
    help="Write into FILE; else to stdout.",
)
@click.option("--force", is_flag=True, help="Replace FILE if it exists.")
@click.pass_obj
def command(context: Context, form: str, output: Path, force: bool) -> None:
    """Print what nodes.yaml says in a FORMAT of another program.

    ssh: a block for ~/.ssh/config. mlx: the hostfile of mlx.launch. ansible: an inventory.
    torchrun, mpi: a hostfile. dot, svg: the topology. Hostfiles have the job's nodes in the order
    of ranks. No node is asked.
    """
    from fleetctl.config import find, load
    from fleetctl.model.targets import choose_job

    fleet = load(find(context.config_path))
    text = FORMATS[form](fleet, choose_job(fleet, context.job))
    if output == _STDOUT:
        click.echo(text, nl=False)
    else:
        save(output, text, replace=force, hint="--force replaces it.")
        click.echo(f"wrote {output}", err=True)
