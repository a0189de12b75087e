"""What `init` would change in a file, shown and asked."""

from __future__ import annotations

from difflib import unified_diff
from pathlib import Path

import click

from fleetctl.cli.init_asking import has_terminal
from fleetctl.cli.render import plain, style
from fleetctl.errors import UsageError
from fleetctl.escaping import visible

_COLOURS = {"+": "green", "-": "red", "@": "cyan"}


def difference(path: Path, before: str, after: str) -> list[str]:
    """The lines of a unified diff of the file at ``path``; empty if nothing would change."""
    pair = before.splitlines(), after.splitlines()
    return list(unified_diff(*pair, str(path), "merged", lineterm=""))


def show(diff: list[str]) -> None:
    """Print it."""
    for line in diff:
        click.echo(style(plain(visible(line)), _COLOURS.get(line[0])))


def agreed(path: Path, diff: list[str], *, yes: bool) -> bool:
    """Show what would change, and ask, unless ``yes``.

    :raises UsageError: there is no terminal to ask on.
    """
    if not diff:
        click.echo(f"{path} has all of it: nothing to add")
        return False
    show(diff)
    if yes:
        return True
    if not has_terminal():
        raise UsageError(
            f"there is no terminal to ask on before {path} is changed", hint="Add --yes."
        )
    return click.confirm(f"Write this into {path}?", err=True)
