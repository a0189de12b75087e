"""What follows ``--`` on a command line, word for word."""

from __future__ import annotations

import click


class AfterDashes(click.Command):
    """Leaves what follows ``--`` unparsed, for :func:`words_after_dashes`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if "--" in args:
            place = args.index("--")
            args, ctx.meta["argv"] = args[:place], args[place + 1 :]
        return super().parse_args(ctx, args)


def words_after_dashes(ctx: click.Context) -> list[str] | None:
    """``None``: there is no ``--``."""
    found: list[str] | None = ctx.meta.get("argv")
    return found
