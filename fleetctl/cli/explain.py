"""`fleetctl explain`: what a problem code means, and how it is repaired."""

from __future__ import annotations

import click

from fleetctl.errors import UsageError
from fleetctl.problem_pages import CODES, page, title


@click.command()
@click.argument("code", required=False)
def command(code: str | None) -> None:
    """Print the page of a problem CODE, such as forwarding-off; with none, list all codes."""
    if code is None:
        width = max(map(len, CODES))
        for name in CODES:
            click.echo(f"{name:{width}}  {title(name)}")
    elif code in CODES:
        click.echo(page(code), nl=False)
    else:
        raise _unknown(code)


def _unknown(code: str) -> UsageError:
    from difflib import get_close_matches

    close = get_close_matches(code.lower(), CODES, n=1)
    return UsageError(
        f"there is no problem code '{code}'",
        hint=f"Did you mean '{close[0]}'?" if close else "`fleetctl explain` lists all codes.",
    )
