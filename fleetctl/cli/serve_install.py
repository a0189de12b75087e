"""``fleetctl serve --install`` and ``--uninstall``."""

from __future__ import annotations

import getpass
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import click

from fleetctl.cli.asking import agreed, can_ask
from fleetctl.cli.context import Context
from fleetctl.cli.serve_http import HttpOptions, made_token
from fleetctl.errors import FleetctlError, UsageError
from fleetctl.local_files import private_folder, write_private
from fleetctl.serve.units import Unit, launchd, systemd

COMMAND_S = 30.0
_DECLINED = 1


async def change(
    context: Context, interval_s: float, page: HttpOptions | None, *, install: bool, yes: bool
) -> int:
    """Show what keeps a server running, or ends that, and do it on a yes; returns the exit code.

    :param page: what it serves by HTTP.
    :raises FleetctlError: it cannot be done.
    """
    unit = _unit(context, interval_s, page.words if page else ())
    if not install and not unit.path.exists():
        click.echo(f"{unit.path} is not there: nothing is installed", err=True)
        return 0
    _show(unit, install=install)
    if not yes:
        if not can_ask():
            raise UsageError("there is no terminal to ask on", hint="Agree beforehand: --yes.")
        if not await agreed("Do this?"):
            return _DECLINED
    if install:
        if page:
            made_token(context, page)  # here, for what it prints later goes into a log
        _install(unit)
    else:
        _uninstall(unit)
    return 0


def _unit(context: Context, interval_s: float, http: tuple[str, ...]) -> Unit:
    """:raises FleetctlError: this system has neither systemd nor launchd."""
    from fleetctl.config import find

    fleet = context.service(lambda _: None, several=True, warm=False).fleet.name
    file = str(find(context.config_path).absolute())
    job = ("--job", context.job) if context.job else ()
    argv = (sys.executable, "-m", "fleetctl", "-f", file, *job, "serve", "--interval")
    argv = (*argv, f"{interval_s:g}", *http)
    if sys.platform == "darwin":
        return launchd(fleet, argv, Path.home(), os.getuid())
    if shutil.which("systemctl") is None:
        raise FleetctlError(
            "there is no systemd on this machine, which would keep it running",
            hint=f"Let what starts programs here run: {shlex.join(argv)}",
        )
    return systemd(fleet, argv, Path.home(), getpass.getuser())


def _show(unit: Unit, *, install: bool) -> None:
    if install:
        click.echo(f"{unit.path}:\n")
        click.echo("".join(f"    {line}\n" for line in unit.text.splitlines()))
    else:
        click.echo(f"removes {unit.path}")
    for argv in unit.begin if install else unit.end:
        click.echo(f"→ {shlex.join(argv)}")
    if install and unit.note:
        click.echo(f"note: {unit.note}")


def _install(unit: Unit) -> None:
    again = unit.path.exists()
    try:
        private_folder(unit.path.parent)
        write_private(unit.path, unit.text.encode())
    except OSError as error:
        raise FleetctlError(f"{unit.path} cannot be written: {error.strerror}") from None
    if again and unit.manager == "launchd":  # it has the former text until then
        for argv in unit.end:
            _run(argv)
    for argv in unit.begin:
        if why := _run(argv):
            raise FleetctlError(
                f"{unit.path} is written, but {shlex.join(argv)} failed: {why}",
                hint="Once that works, run it again; --uninstall removes the file.",
            )
    click.echo("installed, and begun; fleetctl serve --status tells of it", err=True)


def _uninstall(unit: Unit) -> None:
    failed = [why for argv in unit.end if (why := _run(argv))]
    try:
        unit.path.unlink(missing_ok=True)
    except OSError as error:
        raise FleetctlError(f"{unit.path} cannot be removed: {error.strerror}") from None
    failed += [why for argv in unit.after_removal if (why := _run(argv))]
    for why in failed:
        click.echo(f"note: it is removed, though ending it failed: {why}", err=True)
    click.echo("removed", err=True)


def _run(argv: tuple[str, ...]) -> str:
    """Run it; why it failed, empty: it did not."""
    try:
        done = subprocess.run(
            argv,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=COMMAND_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"it had not ended after {COMMAND_S:g} s"
    except OSError as error:
        return str(error.strerror)
    said = done.stderr.strip().splitlines()[-1:] or [f"it ended with status {done.returncode}"]
    return said[0] if done.returncode else ""
