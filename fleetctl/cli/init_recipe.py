"""`fleetctl init --recipe` with a nodes.yaml that is there: its job is added, nobody is asked."""

from __future__ import annotations

from pathlib import Path

import click

from fleetctl.cli import init_agreeing, recipes
from fleetctl.cli.saving import save
from fleetctl.errors import FleetctlError
from fleetctl.model.topology import Fleet


def add(path: Path, fleet: Fleet, before: bytes, name: str, *, merge: bool, yes: bool) -> int:
    """Show the job that the recipe ``name`` is for the nodes of the file; the exit code.

    :param before: the content of the file.
    :param merge: also write it, after a yes, with the recipe's files beside it.
    """
    text = before.decode("utf-8-sig")
    newline = "\r\n" if "\r\n" in text else "\n"
    text = text.replace("\r\n", "\n")
    recipe = recipes.read(name)
    new = recipes.with_job(text, fleet, recipe, path)
    diff = init_agreeing.difference(path, text, new)
    if not merge:
        init_agreeing.show(diff)
        click.echo(f"nothing is written; with --merge it is, and {path.parent / name} as well")
        return 0
    if not init_agreeing.agreed(path, diff, yes=yes):
        return 0
    if path.read_bytes() != before:
        raise FleetctlError(f"{path} was changed meanwhile, and is left as it is")
    save(path, new.replace("\n", newline), replace=True, hint="")
    click.echo(f"wrote {path}")
    write_files(recipe, path, first=not fleet.jobs)
    return 0


def write_files(recipe: recipes.Recipe, path: Path, *, first: bool) -> None:
    """Write the recipe's files beside the nodes.yaml at ``path``, and say how to go on.

    :param first: its job is the one that is meant when none is named.
    """
    written, kept = recipes.write_files(recipe, path.parent)
    place = path.parent / recipe.name
    if written:
        click.echo(f"wrote {place}: {', '.join(written)}")
    if kept:
        click.echo(f"{place}: left as they are, other than the recipe's: {', '.join(kept)}")
    command = "fleetctl" if first else f"fleetctl --job {recipe.name}"
    steps = [f"{command} {word}" for word in ("sync", "start") if word == "start" or recipe.synced]
    click.echo(f"{place / 'README.md'} says how to go on: {', '.join(steps)}")
