"""``fleetctl init``: a first nodes.yaml, from what the machines say."""

from __future__ import annotations

import asyncio
import os
from datetime import date
from pathlib import Path

import click

from fleetctl.cli import init_recipe, recipes
from fleetctl.cli.context import Context
from fleetctl.cli.init_agreeing import agreed, difference
from fleetctl.cli.init_asking import ask_all, has_terminal
from fleetctl.cli.init_json import outcome_json
from fleetctl.cli.init_sources import from_file, offered
from fleetctl.cli.render import plain
from fleetctl.cli.saving import require_place, save
from fleetctl.discovery.answer import Host
from fleetctl.discovery.assemble import draft
from fleetctl.discovery.draft import Draft
from fleetctl.discovery.hosts import parse_host, unique
from fleetctl.discovery.merge import merged
from fleetctl.discovery.text import file_text
from fleetctl.errors import ConfigError, FleetctlError, UsageError
from fleetctl.model.topology import SSH_PORT, Fleet
from fleetctl.observe.first_look import ask_here
from fleetctl.quantities import count

_COLUMNS = 100
_RECIPE = "fleetctl init --merge HOST... adds nodes; -f names another file."
_EXISTS = "--merge shows what would be added to it; -f names another file."


@click.command(short_help="write a first nodes.yaml, from what the machines say")
@click.argument("hosts", nargs=-1, metavar="[HOST]...")
@click.option(
    "--from",
    "source",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Also the hosts in FILE: an SSH configuration, an Ansible inventory, smolcluster's files.",
)
@click.option(
    "-f",
    "--file",
    "file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="The file to write; else as for every command, and ./nodes.yaml if there is none.",
)
@click.option(
    "--recipe",
    type=click.Choice(recipes.NAMES),
    metavar="NAME",
    help=f"Also a job that is ready to run: {', '.join(recipes.NAMES)}.",
)
@click.option("--merge", is_flag=True, help="Add to the file what it lacks, after showing it.")
@click.option("--yes", is_flag=True, help="With --merge, do not ask.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object, alone on stdout.")
@click.pass_obj
def command(
    context: Context,
    hosts: tuple[str, ...],
    source: Path | None,
    file: Path | None,
    recipe: str | None,
    merge: bool,
    yes: bool,
    as_json: bool,
) -> int:
    """Ask each HOST over SSH what it is and how it is connected, and write nodes.yaml.

    A HOST is [USER@]HOST[:PORT] or a name of ~/.ssh/config. Without any, what is in ~/.ssh/config
    and on this network is offered to choose from. Networks, gateways and routes follow from the
    answers; what is not there yet is proposed, and marked as guessed. An existing file is never
    overwritten. Nothing is changed on any machine. Exit code 1: a host could not be asked.
    """
    path = _path(file or context.config_path)
    if yes and not merge:
        raise UsageError("--yes is for --merge")
    if as_json and merge and not yes:
        raise UsageError("with --json nothing is asked before the file is changed: add --yes")
    if recipe and path.exists():
        if hosts or source or as_json:
            raise UsageError(f"--recipe adds a job to {path}, and nothing else", hint=_RECIPE)
        return init_recipe.add(path, *_existing(path), recipe, merge=merge, yes=yes)
    if path.exists() and not merge:
        raise UsageError(f"{path} exists already, so nothing was asked", hint=_EXISTS)
    require_place(path)
    fleet, before = _existing(path) if merge else (None, b"")
    given = [parse_host(host) for host in hosts]
    if source:
        given += from_file(source)
    if fleet:
        given = _with_nodes_of(fleet, path, given)
    if not given and not has_terminal():
        raise UsageError(
            "no hosts are given, and there is no terminal to choose some on",
            hint="Name them: fleetctl init mini1 pi@192.168.1.25, or --from FILE.",
        )
    return _Init(path, fleet, before, recipe, yes=yes, as_json=as_json).run(unique(given))


def _path(named: Path | None) -> Path:
    from fleetctl.config.file import NAME, VARIABLE

    return named or Path(os.environ.get(VARIABLE) or NAME)


def _existing(path: Path) -> tuple[Fleet, bytes]:
    """The fleet of the file, and its content.

    :raises ConfigError: it is missing or wrong.
    :raises UsageError: its text cannot be added to.
    """
    from fleetctl.config import find, load

    fleet = load(find(path))
    before = path.read_bytes()
    try:
        before.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UsageError(f"{path} cannot be added to: it is not UTF-8") from None
    return fleet, before


def _with_nodes_of(fleet: Fleet, path: Path, given: list[Host]) -> list[Host]:
    """The nodes of the file, which keep their names and logins, and then what else is given."""
    own = [
        Host(node.ssh, f"in {path}", name=node.name, kept=True)
        for node in fleet.nodes.values()
        if node.connection == "ssh"
    ]
    known = {(name, h.ssh.port or SSH_PORT) for h in own for name in (h.name, h.ssh.host)}
    known |= {(host.name, SSH_PORT) for host in own}
    return own + [h for h in given if (h.ssh.host, h.ssh.port or SSH_PORT) not in known]


class _Init:
    def __init__(
        self,
        path: Path,
        fleet: Fleet | None,
        before: bytes,
        recipe: str | None,
        *,
        yes: bool,
        as_json: bool,
    ) -> None:
        """
        :param fleet: of the file to add to; None: a new one is written.
        :param before: its content.
        :param recipe: whose job a new file gets.
        """
        self._path = path
        self._fleet = fleet
        self._before = before
        self._recipe = recipes.read(recipe) if recipe else None
        text = before.decode("utf-8-sig")
        self._newline = "\r\n" if "\r\n" in text else "\n"
        self._text = text.replace("\r\n", "\n")
        self._yes = yes
        self._as_json = as_json

    def run(self, hosts: list[Host]) -> int:
        here = None
        if not hosts:  # questions are asked outside of the event loop, where Ctrl-C ends them
            here = asyncio.run(ask_here())
            hosts = offered(here)
        answers, here = ask_all(hosts, here)
        made = draft(answers, here, self._fleet)
        if not made.nodes:
            raise FleetctlError(f"no host could be asked, so {self._path} is not written")
        written = self._write(made)
        if self._as_json:
            click.echo(outcome_json(self._path, made, answers, written=written))
        failed = [answer for answer in answers if answer.facts is None]
        if any(not answer.silent for answer in failed):
            click.echo(
                "What accepts no login can be asked later: fleetctl trust, fleetctl keys, then "
                "fleetctl init --merge.",
                err=True,
            )
        return 1 if failed else 0

    def _write(self, made: Draft) -> bool:
        """Whether the file was written."""
        from fleetctl.config.file import load_text

        if self._fleet:
            new = merged(self._text, made, self._fleet)
            if not self._agreed(new):
                return False
            fleet = _checked(new, made, self._fleet, self._path)
        else:
            new = file_text(made, date.today(), jobs=self._recipe is not None)
            fleet = load_text(new, str(self._path))
            if self._recipe:
                new = recipes.with_job(new, fleet, self._recipe, self._path)
        if self._fleet and self._path.read_bytes() != self._before:
            raise FleetctlError(f"{self._path} was changed meanwhile, and is left as it is")
        new = new.replace("\n", self._newline)
        save(self._path, new, replace=self._fleet is not None, hint=_EXISTS)
        if self._as_json:
            if self._recipe:
                recipes.write_files(self._recipe, self._path.parent)
            return True
        _show(fleet)
        parts = [count(len(fleet.nodes), "node"), count(len(fleet.networks), "network")]
        click.echo(f"\nwrote {self._path}: {', '.join(parts)}")
        if self._recipe:
            init_recipe.write_files(self._recipe, self._path, first=True)
        if made.guesses:
            click.echo(f"{count(made.guesses, 'value')} marked as guessed: look at them first")
        click.echo("fleetctl check says what is not as it must be, fleetctl fix what repairs it")
        return True

    def _agreed(self, new: str) -> bool:
        """Show what would change, and ask.

        :raises UsageError: there is no terminal to ask on.
        """
        diff = difference(self._path, self._text, new)
        return bool(diff) if self._as_json else agreed(self._path, diff, yes=self._yes)


def _checked(new: str, made: Draft, before: Fleet, path: Path) -> Fleet:
    """The fleet of the merged text, in which everything is that was there.

    :raises FleetctlError: it is not, because of a form that was not foreseen.
    """
    from fleetctl.config.file import load_text

    try:
        fleet = load_text(new, str(path))
    except ConfigError as error:
        raise FleetctlError(
            f"{path} is left as it is: with what was found it would be wrong: {error.mistakes[0]}"
        ) from None
    drafted = {node.name: node for node in made.nodes}
    for name, node in before.nodes.items():
        made_of = drafted.get(name)
        given = made_of.addresses.items() if made_of else ()
        found = {n: a.value for n, a in given if made_of and n not in made_of.leased | node.leased}
        if fleet.nodes[name].addresses != {**found, **node.addresses}:
            raise FleetctlError(
                f"{path} is left as it is: its form does not let {name} be completed by itself"
            )
    if fleet.jobs.keys() != before.jobs.keys():
        raise FleetctlError(f"{path} is left as it is: its jobs would have changed")
    return fleet


def _show(fleet: Fleet) -> None:
    from fleetctl.tui.topology.stateless import stateless

    for line in stateless(fleet, None, _COLUMNS).plain.splitlines():
        click.echo(plain(line))
