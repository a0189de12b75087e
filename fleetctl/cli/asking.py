"""Questions to the user, which do not block the event loop: connections stay alive meanwhile."""

from __future__ import annotations

import os
import sys

import click

from fleetctl.link.readiness import readable


def can_ask() -> bool:
    """Whether there is a terminal to ask on."""
    return sys.stdin.isatty() and sys.stderr.isatty()


async def asked(question: str) -> str:
    """What the user types, without blanks around it."""
    click.echo(f"{question} ", err=True, nl=False)
    stdin = sys.stdin.fileno()
    await readable(stdin)
    answer = os.read(stdin, 1024).decode("utf-8", "replace")
    if not answer.endswith("\n"):
        click.echo(err=True)
    return answer.strip()


async def agreed(question: str) -> bool:
    """Whether the user says yes."""
    return (await asked(f"{question} [y/N]")).lower() in ("y", "yes")
