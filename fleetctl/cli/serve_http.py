"""What ``fleetctl serve --http`` needs: where it listens, which token it asks for."""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec
from typing import TYPE_CHECKING

import click
from msgspec import Struct

from fleetctl.cli.context import Context
from fleetctl.errors import UsageError
from fleetctl.model.targets import ALL_JOBS

if TYPE_CHECKING:
    from fleetctl.serve.page.site import Site

_NEEDED = ("aiohttp", "prometheus_client", "textual_serve")


class HttpOptions(Struct, frozen=True):
    """The options as they were typed."""

    address: str
    token: bool = False
    names: tuple[str, ...] = ()
    allow_actions: bool = False

    @property
    def words(self) -> tuple[str, ...]:
        """As words of a command line."""
        names = (word for name in self.names for word in ("--http-name", name))
        token = ("--token",) if self.token else ()
        actions = ("--allow-actions",) if self.allow_actions else ()
        return ("--http", self.address, *token, *names, *actions)


def options(
    address: str | None, token: bool, names: tuple[str, ...], allow_actions: bool
) -> HttpOptions | None:
    """
    :returns: None: nothing is to be served.
    :raises UsageError: they do not go together, or what they need is not installed.
    """
    from fleetctl.serve.page.settings import address_of, require_token

    if address is None:
        if token or names or allow_actions:
            raise UsageError("--token, --http-name and --allow-actions need --http ADDRESS:PORT")
        return None
    host, _ = address_of(address)
    require_token(host, token=token)
    if missing := [name for name in _NEEDED if find_spec(name) is None]:
        raise UsageError(
            f"--http needs {', '.join(missing).replace('_', '-')}, which is not installed here",
            hint="pip install 'fleetctl[serve]' brings it; serve itself needs none of it.",
        )
    return HttpOptions(address, token, names, allow_actions)


def site(context: Context, given: HttpOptions) -> Site:
    """What is served.

    :raises FleetctlError: the token cannot be used.
    """
    from fleetctl.config import find
    from fleetctl.serve.page.settings import HttpSettings, address_of
    from fleetctl.serve.page.site import Site

    token = made_token(context, given)
    file = str(find(context.config_path).absolute())
    named = context.job if context.job != ALL_JOBS else None
    job = ("--job", named) if named else ()
    limits = () if given.allow_actions else ("--read-only",)
    dashboard = (sys.executable, "-m", "fleetctl", "-f", file, *job, *limits)
    dashboard = (*dashboard, "--browser-of", str(os.getpid()))
    address, port = address_of(given.address)
    settings = HttpSettings(address, port, token, given.names, given.allow_actions, dashboard)
    return Site(settings, click.echo)


def made_token(context: Context, given: HttpOptions) -> str | None:
    """The token; one that was made just now is shown, if somebody looks. None: none is asked for.

    :raises FleetctlError: it cannot be used.
    """
    if not given.token:
        return None
    from fleetctl.serve.page.token import token_of, token_path

    fleet = context.service(lambda _: None, several=True, warm=False).fleet.name
    token, new = token_of(fleet)
    if new and sys.stdout.isatty():  # where it is no terminal, it is a log
        click.echo(f"the token, shown this once: {token}\nIt is kept in {token_path(fleet)}")
    else:
        click.echo(f"the token is in {token_path(fleet)}")
    return token
