"""``fleetctl config``: validates nodes.yaml, shows what is derived from it, and its schema."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
import msgspec

from fleetctl.config import find, load, load_with_notes

if TYPE_CHECKING:
    from fleetctl.cli.context import Context


@click.group("config")
def command() -> None:
    """Validate nodes.yaml, print what it comes to, or its JSON Schema."""


@command.command()
@click.pass_obj
def check(context: Context) -> None:
    """Say what is wrong with nodes.yaml: every mistake, with its line."""
    path = find(context.config_path)
    fleet, notes = load_with_notes(path)
    for note in notes:
        click.echo(note, err=True)
    parts = [
        _count(len(fleet.nodes), "node"),
        _count(len(fleet.networks), "network"),
        _count(len(fleet.jobs), "job"),
    ]
    click.echo(f"{path} is fine: {', '.join(parts)}")


@command.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of YAML.")
@click.pass_obj
def show(context: Context, as_json: bool) -> None:
    """Print the whole file with everything derived from it."""
    from fleetctl.config.expansion import expand

    expanded = expand(load(find(context.config_path)))
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(expanded)).decode())
        return
    import yaml

    dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
    text = yaml.dump(expanded, Dumper=dumper, sort_keys=False, allow_unicode=True, width=1000)
    click.echo(text, nl=False)


@command.command()
def schema() -> None:
    """Print the JSON Schema of nodes.yaml, for editors that complete and check YAML."""
    from fleetctl.config.schema import schema as make

    click.echo(msgspec.json.format(msgspec.json.encode(make())).decode())


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
