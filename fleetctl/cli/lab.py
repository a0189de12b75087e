"""`fleetctl lab`: a virtual fleet, made from any nodes.yaml, to see, test and rehearse on."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from fleetctl.cli.context import Context
from fleetctl.cli.told import remember
from fleetctl.errors import UsageError
from fleetctl.lab import Lab, app
from fleetctl.lab.faults.registry import KINDS
from fleetctl.lab.loopback import CANNOT_SHOW, LOOPBACK_KINDS, LoopbackLab
from fleetctl.lab.requirements import why_only_loopback


@click.group(name="lab", short_help="A virtual fleet to see, test and rehearse on.")
def command() -> None:
    """A virtual fleet, made from any nodes.yaml, to see, test and rehearse on.

    Every node is a set of Linux namespaces with a real SSH server, real tmux and real routes; one
    with `os: macos` has a Mac's commands instead of Linux's. All traffic stays inside; this
    machine's own network is not touched. Needs root on Linux. Elsewhere, or with --loopback, the
    nodes are SSH servers on this machine's loopback: real logins, real tmux, and no networks.
    """


_NAME = click.option("--name", help="Which lab; may be left out while only one runs.")


@command.command()
@click.option("--name", help="What to call it; the fleet's name when left out.")
@click.option(
    "--copy",
    "copies",
    multiple=True,
    metavar="SRC:DEST",
    help="Copy a local file or folder to ~/DEST on every node; may be repeated.",
)
@click.option(
    "--mount",
    "mounts",
    multiple=True,
    metavar="SRC[:DEST]",
    help="Show a local folder, such as a big venv, on every node, read-only; may be repeated.",
)
@click.option("--as-guide", is_flag=True, help="Leave out the return routes, as the guide does.")
@click.option(
    "--factory",
    is_flag=True,
    help="Nodes as out of their boxes: only the addresses that SSH needs; for `fix` to set up.",
)
@click.option("--loopback", is_flag=True, help="SSH servers on the loopback: needs no root.")
@click.pass_obj
def up(
    context: Context,
    name: str | None,
    copies: tuple[str, ...],
    mounts: tuple[str, ...],
    as_guide: bool,
    factory: bool,
    loopback: bool,
) -> None:
    """Build the fleet of nodes.yaml."""
    from fleetctl import config

    for number in (signal.SIGTERM, signal.SIGHUP):  # as with Ctrl-C: what was built is taken down
        signal.signal(number, lambda n, _frame: sys.exit(128 + n))
    path = config.find(context.config_path)
    fleet = config.load(path)
    pairs = [_copy(text) for text in copies]
    wanted = [_mount(text) for text in mounts]
    if not loopback and (why := why_only_loopback()):
        click.echo(f"lab: {why}: building the small lab on the loopback", err=True)
        loopback = True
    if loopback:
        if as_guide or factory:
            option = "--as-guide is about routes" if as_guide else "--factory is about networks"
            raise UsageError(f"{option}, and the loopback has none")
        for source, place in wanted:
            if place is not None or not source.is_dir():
                raise UsageError(
                    "nodes on the loopback see the folders of this machine, and no other places",
                    hint=f"Use {source} there at its own path: --mount without :DEST.",
                )
            _say(f"{source} is there: nodes on the loopback see this machine's folders")
        small = LoopbackLab.up(fleet, path, name=name, copies=pairs, progress=_say)
        remember(small.config_path, config.load(small.config_path), home=small.home)
        _show_loopback(small, len(_running()))
        return
    lab = Lab.up(
        fleet,
        path,
        name=name,
        copies=pairs,
        mounts=wanted,
        as_guide=as_guide,
        factory=factory,
        progress=_say,
    )
    option = "" if len(_running()) == 1 else f" --name {lab.name}"
    node = next(iter(lab.blueprint.nodes), "controller")
    routes = "netstat -rn" if lab.blueprint.machine(node).os == "macos" else "ip route"
    click.echo(
        f"The lab {lab.name!r} is up. On its controller, in {lab.home}:\n"
        f"  fleetctl lab run{option} -- fleetctl status\n"
        f"  fleetctl lab run{option} --on {node} -- {routes}\n"
        f"  fleetctl lab fault{option} --list\n"
        f"Take it down: fleetctl lab down {lab.name}"
    )


def _say(line: str) -> None:
    click.echo(f"lab: {line}", err=True)


def _show_loopback(lab: LoopbackLab, running: int) -> None:
    option = "" if running == 1 else f" --name {lab.name}"
    node = next(iter(lab.state.nodes), "controller")
    for note in lab.state.notes:
        _say(note)
    click.echo(
        f"The lab {lab.name!r} is up on the loopback, its controller in {lab.home}:\n"
        f"  fleetctl lab run{option} -- fleetctl status\n"
        f"  fleetctl lab run{option} --on {node} -- tmux -L fleetctl ls\n"
        f"  fleetctl lab fault{option} node-down {node}\n"
        f"{CANNOT_SHOW}\n"
        f"Take it down: fleetctl lab down {lab.name}"
    )


@command.command()
@click.argument("name", required=False)
@click.option("--all", "everything", is_flag=True, help="All labs, also what was left of one.")
def down(name: str | None, everything: bool) -> None:
    """Take a lab down: its processes, namespaces, mounts and files."""
    known = _left_behind()
    if everything:
        for left in known:
            _of(left).down()
        return
    if name is None:
        if not known:
            click.echo("No lab runs.", err=True)
            return
        name = _only(known)
    if name in known:
        _of(name).down()
    else:
        click.echo(f"No lab {name!r} runs.", err=True)


@command.command()
@_NAME
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def status(name: str | None, as_json: bool) -> None:
    """What runs in a lab, and what is broken in it."""
    found = _lab(name).status()
    if as_json:
        click.echo(json.dumps(found, indent=2))
    elif "loopback" in found:
        _print_loopback(found)
    else:
        _print(found)


def _print_loopback(found: Mapping[str, Any]) -> None:
    click.echo(f"lab {found['lab']}: fleet {found['fleet']}, on the loopback; home {found['home']}")
    width = max(map(len, found["nodes"]), default=0)
    for node, about in found["nodes"].items():
        power = "on  " if about["on"] else "down"
        click.echo(f"  {node:{width}}  {power}  {about['ssh']}  {about['home']}")
    click.echo(CANNOT_SHOW)


def _print(found: Mapping[str, Any]) -> None:
    guide = ", as the guide says (no return routes)" if found["as_guide"] else ""
    guide += ", nodes built as out of their boxes" if found["factory"] else ""
    click.echo(f"lab {found['lab']}: fleet {found['fleet']}{guide}; home {found['home']}")
    width = max(len(node) for node in found["nodes"])
    for node, about in found["nodes"].items():
        power = "on " if about["on"] else "off"
        links = ", ".join(
            f"{about['interfaces'][network]} {addresses[0]} ({network})"
            for network, addresses in about["addresses"].items()
        )
        click.echo(f"  {node:{width}}  {power}  {about['user']:12}  {links}")
    for place, source in found["mounts"].items():
        click.echo(f"  read-only on every node: {place}" + (f" ({source})" * (place != source)))
    for fault in found["faults"]:
        where = f" ({fault['network']})" if fault["network"] else ""
        click.echo(f"  broken: {fault['kind']} on {fault['node']}{where}")


@command.command(
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False}
)
@_NAME
@click.option("--on", "where", default="controller", help="A node; the controller when left out.")
@click.option("--user", help="The node's account (when left out) or root.")
@click.argument("argv", nargs=-1, required=True, metavar="-- CMD...", type=click.UNPROCESSED)
def run(name: str | None, where: str, user: str | None, argv: tuple[str, ...]) -> None:
    """Run CMD inside: in this terminal, with CMD's exit code."""
    _lab(name).exec(where, argv, user=user)


@command.command()
@_NAME
@click.option("--list", "listing", is_flag=True, help="The kinds of faults, with what they do.")
@click.option("--network", help="Which of the node's networks; the first that fits when left out.")
@click.argument("kind", required=False)
@click.argument("node", required=False)
def fault(
    name: str | None, listing: bool, network: str | None, kind: str | None, node: str | None
) -> None:
    """Break something on NODE."""
    if listing:
        small = LoopbackLab.names()
        only_small = bool(why_only_loopback()) or (small and not Lab.left_behind())
        on_loopback = name in small if name else only_small
        kinds = LOOPBACK_KINDS if on_loopback else {k.name: k.sentence for k in KINDS.values()}
        width = max(map(len, kinds))
        for known, sentence in kinds.items():
            click.echo(f"{known:{width}}  {sentence}")
        return
    if kind is None or node is None:
        raise UsageError(
            "lab fault needs a kind and a node", hint="The kinds: fleetctl lab fault --list"
        )
    done = _lab(name).fault(kind, node, network=network)
    where = f" ({done.network})" if done.network else ""
    click.echo(f"broken: {kind} on {node}{where}", err=True)


@command.command()
@_NAME
@click.argument("kind", required=False)
@click.argument("node", required=False)
def heal(name: str | None, kind: str | None, node: str | None) -> None:
    """Mend what was broken: all of it, or only KIND, or only KIND on NODE."""
    mended = _lab(name).heal(kind, node)
    for one in mended:
        click.echo(f"mended: {one.kind} on {one.node.removeprefix('@')}", err=True)
    if not mended:
        click.echo("Nothing of that is broken.", err=True)


@command.command(name="app")
@_NAME
@click.argument("node")
@click.argument("action", type=click.Choice(["start", "stop"]))
def app_command(name: str | None, node: str, action: str) -> None:
    """Start or stop a stand-in for the app on NODE, which nobody can log into.

    It plays the iPad of the job in examples/pipeline, and listens where the node's service without
    a command says.
    """
    from fleetctl import config

    lab = _lab(name)
    if action == "start":
        where = app.start(lab, config.load(lab.config_path), node)
        click.echo(f"the app on {node} listens at {where}", err=True)
    elif app.stop(lab, node):
        click.echo(f"the app on {node} has ended", err=True)
    else:
        click.echo(f"No app runs on {node}.", err=True)


def _running() -> list[str]:
    """The running labs of both kinds; those of namespaces only if this is root."""
    small = LoopbackLab.names()
    if small and why_only_loopback():
        return small
    return [*Lab.names(), *small]


def _left_behind() -> list[str]:
    small = LoopbackLab.left_behind()
    if small and why_only_loopback():
        return small
    return [*Lab.left_behind(), *small]


def _lab(name: str | None) -> Lab | LoopbackLab:
    chosen = name if name is not None else _only(_running())
    return LoopbackLab.open(chosen) if chosen in LoopbackLab.names() else Lab.open(chosen)


def _of(name: str) -> Lab | LoopbackLab:
    """The lab with that name, or what is left of it."""
    return LoopbackLab(name) if name in LoopbackLab.left_behind() else Lab(name)


def _only(known: list[str]) -> str:
    if len(known) == 1:
        return known[0]
    if not known:
        raise UsageError("no lab runs", hint="Start one: fleetctl lab up")
    raise UsageError("several labs run", hint=f"Say which: {', '.join(known)}.")


def _copy(text: str) -> tuple[Path, str]:
    source, colon, destination = text.rpartition(":")
    if not (source and colon and destination):
        raise UsageError(f"--copy {text!r} is not SRC:DEST", hint="Like --copy job:~/job")
    return Path(source).expanduser(), destination


def _mount(text: str) -> tuple[Path, str | None]:
    source, colon, destination = text.partition(":")
    if not source or (colon and not destination):
        raise UsageError(f"--mount {text!r} is not SRC or SRC:DEST", hint="Like --mount ~/venv.")
    return Path(source).expanduser(), destination or None
