"""Where ``init`` gets its hosts from: the command line, files, or a choice among what is near."""

from __future__ import annotations

import asyncio
import glob
from collections.abc import Sequence
from ipaddress import IPv4Address
from pathlib import Path

import click
from msgspec.structs import replace

from fleetctl.discovery.answer import Host
from fleetctl.discovery.hosts import parse_host, ssh_config_hosts, ssh_config_includes, unique
from fleetctl.discovery.interfaces import real
from fleetctl.discovery.sources import file_hosts, is_ssh_config
from fleetctl.errors import UsageError
from fleetctl.escaping import visible
from fleetctl.local_files import TooLarge, read_bounded
from fleetctl.model.facts import NodeFacts
from fleetctl.model.topology import SSH_PORT
from fleetctl.observe.nearby import MOST, WITHOUT_ZEROCONF, announced, answering, has_zeroconf

SSH_CONFIG = Path("~/.ssh/config")
_MOST_BYTES = 4 * 2**20
_MOST_FILES = 64
"""That an SSH configuration includes."""


def from_file(path: Path) -> list[Host]:
    """The hosts in a file; see :mod:`fleetctl.discovery.sources`.

    :raises UsageError: it cannot be read, or has none.
    """
    try:
        text = read_bounded(path.expanduser(), _MOST_BYTES).decode("utf-8", "replace")
    except (OSError, ValueError) as error:
        large = isinstance(error, TooLarge)
        why = f"is larger than {_MOST_BYTES // 2**20} MiB" if large else _why(error)
        raise UsageError(f"{path} {why}") from None
    if is_ssh_config(text):
        hosts = from_ssh_config(path.expanduser())
        if not hosts:
            raise UsageError(f"{path} names no host: every Host in it is a pattern")
        return hosts
    return unique(file_hosts(text, str(path)))


def from_ssh_config(path: Path) -> list[Host]:
    """The names in an SSH configuration and in what it includes; none if it cannot be read."""
    waiting, read, found = [path], set[Path](), list[Host]()
    while waiting and len(read) < _MOST_FILES:
        file = waiting.pop(0)
        if file in read:
            continue
        read.add(file)
        try:
            text = read_bounded(file, _MOST_BYTES).decode("utf-8", "replace")
        except (OSError, ValueError):
            continue
        found += ssh_config_hosts(text, f"in {_shown(file)}")
        for pattern in ssh_config_includes(text):
            place = Path(pattern).expanduser()
            whole = place if place.is_absolute() else SSH_CONFIG.expanduser().parent / place
            waiting += map(Path, sorted(glob.glob(str(whole)))[:_MOST_FILES])  # noqa: PTH207 -- an absolute pattern
    return unique(found)


def _shown(file: Path) -> str:
    home = Path("~").expanduser()
    return f"~/{file.relative_to(home)}" if file.is_relative_to(home) else str(file)


def _why(error: Exception) -> str:
    return f"cannot be read: {error.strerror if isinstance(error, OSError) else error}"


def offered(here: NodeFacts | None) -> list[Host]:
    """What the user chooses of the names in ``~/.ssh/config`` and, after a yes, of what answers on
    this machine's networks.

    :raises UsageError: there is nothing to choose from, or nothing was chosen.
    """
    choices = from_ssh_config(SSH_CONFIG.expanduser())
    near = _neighbours(here)
    what = f"the SSH port of {len(near)} machines that this one has talked to" if near else ""
    ways = " and ".join(filter(None, ["mDNS" if has_zeroconf() else "", what]))
    if not has_zeroconf():
        click.echo(WITHOUT_ZEROCONF, err=True)
    if ways and click.confirm(f"Look for machines on this network by {ways}?", err=True):
        choices += asyncio.run(_near(near))
    choices = unique(choices)
    if not choices:
        raise UsageError(
            "no hosts were found", hint="Name them: fleetctl init mini1 pi@192.168.1.25."
        )
    return _chosen(choices)


def _neighbours(here: NodeFacts | None) -> list[str]:
    """The machines in this one's neighbour table, on interfaces that lead out of it."""
    outside = {interface.name for interface in real(here)} if here else set()
    known = (here.network.neighbours or ()) if here else ()
    found = dict.fromkeys(str(n.address) for n in known if n.interface in outside and n.mac)
    return list(found)[:MOST]


async def _near(addresses: Sequence[str]) -> list[Host]:
    hosts: list[Host] = []
    if has_zeroconf():
        try:
            for one in await announced():
                port = "" if one.port == SSH_PORT else f":{one.port}"
                source = " ".join(["announced by mDNS as", *one.addresses])
                hosts.append(parse_host(one.name + port, source))
        except (OSError, UsageError) as error:
            click.echo(f"mDNS cannot be asked: {error}", err=True)
    known = {address for host in hosts for address in host.source.split() if address}
    found = await answering([IPv4Address(address) for address in addresses])
    hosts += [
        parse_host(str(address), "its SSH port answered")
        for address in found
        if str(address) not in known
    ]
    return hosts


def _chosen(choices: Sequence[Host]) -> list[Host]:
    """
    :raises UsageError: nothing is chosen.
    """
    wide = max(len(host.ssh.host) for host in choices)
    for number, host in enumerate(choices, 1):
        click.echo(f"{number:4}  {host.ssh.host:{wide}}  {visible(host.source)}", err=True)
    names = {host.ssh.host: host for host in choices}
    names |= {str(number): host for number, host in enumerate(choices, 1)}
    while True:
        typed = click.prompt(
            "Which? Numbers or names, also as USER@NUMBER, or all",
            default="",
            show_default=False,
            err=True,
        )
        words = typed.replace(",", " ").split()
        if not words:
            raise UsageError("no host was chosen, so nothing was asked")
        if words == ["all"]:
            return list(choices)
        parted = [word.rpartition("@") for word in words]
        unknown = [name for _, _, name in parted if name not in names]
        if not unknown:
            return unique([_as_user(names[name], user) for user, _, name in parted])
        click.echo(f"{visible(unknown[0])} is none of them", err=True)


def _as_user(host: Host, user: str) -> Host:
    """
    :raises UsageError: no account can have that name.
    """
    if not user:
        return host
    return replace(host, ssh=replace(host.ssh, user=parse_host(f"{user}@x").ssh.user))
