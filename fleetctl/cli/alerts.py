"""``fleetctl alerts``: the rules of nodes.yaml, what is raised; and a test of them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime

import click
import msgspec
from msgspec import Struct

from fleetctl.alerts.keeping import Kept, place, read_kept
from fleetctl.cli.context import Context
from fleetctl.errors import UsageError
from fleetctl.model.alerts import AlertKind, AlertRule, Cause
from fleetctl.model.topology import Fleet
from fleetctl.quantities import duration

SCHEMA = "fleetctl.alerts/1"
TEST_SCHEMA = "fleetctl.alerts-test/1"


class DestinationView(Struct, frozen=True):
    """One destination in the JSON."""

    to: str
    """Without secrets."""
    tried_at: datetime | None
    """When the newest message was sent, or could not be; null: none was, or it is not known."""
    error: str
    waiting: int
    """Messages that are not sent yet."""
    by: str
    """Another server which sent the newest message, or is to send those that wait, as USER@HOST;
    empty: this one."""


class RuleView(Struct, frozen=True):
    """One rule in the JSON."""

    name: str
    on: tuple[AlertKind, ...]
    for_s: float
    quiet: str | None
    sent_at: datetime | None
    """When it said something last."""
    to: tuple[DestinationView, ...]
    raised: tuple[Cause, ...]
    held: tuple[Cause, ...]
    """Kept for the summary after quiet hours."""


class AlertsView(Struct, frozen=True):
    """The JSON (docs/alerts.md, "fleetctl.alerts/1")."""

    schema: str
    fleet: str
    serving: bool | None
    """Whether a `fleetctl serve` runs on this machine; null: that is not known."""
    known_at: datetime | None
    """When the newest look was, to half a minute; null: nobody watched yet."""
    rules: tuple[RuleView, ...]


class TestView(Struct, frozen=True):
    """What came of one destination."""

    rule: str
    to: str
    error: str
    """Empty: it was sent."""


class TestsView(Struct, frozen=True):
    """The JSON of a test."""

    schema: str
    fleet: str
    sent: tuple[TestView, ...]


@click.group("alerts", invoke_without_command=True, short_help="who is told of what goes wrong")
@click.option("--json", "as_json", is_flag=True, help="One JSON object, alone on stdout.")
@click.pass_context
def command(ctx: click.Context, as_json: bool) -> int:
    """Show the alerts of nodes.yaml: each rule, what it has raised, and how sending went.

    They are sent by `fleetctl serve`.
    """
    if ctx.invoked_subcommand is not None:
        if as_json:
            raise UsageError("--json belongs after the name of the command")
        return 0
    fleet = _fleet(ctx.obj)
    shown = view(fleet, *_known(fleet))
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(shown)))
    else:
        for line in _lines(shown, datetime.now(UTC)):
            click.echo(line)
    return 0


@command.command()
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--json", "as_json", is_flag=True, help="One JSON object, alone on stdout.")
@click.pass_obj
def test(context: Context, names: tuple[str, ...], as_json: bool) -> int:
    """Send a test from this machine by each rule, or those called NAME, and say what came of it.

    Quiet hours and waiting do not count for it.
    """
    fleet = _fleet(context)
    rules = _chosen(fleet, names)
    sent = asyncio.run(_test(fleet, rules, tell=not as_json))
    if as_json:
        done = TestsView(TEST_SCHEMA, fleet.name, tuple(sent))
        click.echo(msgspec.json.format(msgspec.json.encode(done)))
    return 1 if any(one.error for one in sent) else 0


def _fleet(context: Context) -> Fleet:
    from fleetctl.config import find, load

    return load(find(context.config_path))


def _chosen(fleet: Fleet, names: tuple[str, ...]) -> list[AlertRule]:
    """
    :raises UsageError: there is no such rule, or none at all.
    """
    known = {rule.name: rule for rule in fleet.alerts}
    if not known:
        raise UsageError(
            "nodes.yaml has no alerts", hint="docs/alerts.md shows how they are written."
        )
    for name in names:
        if name not in known:
            raise UsageError(f"no alert is called {name!r}", hint=f"There are: {', '.join(known)}.")
    return [known[name] for name in dict.fromkeys(names or known)]


async def _test(fleet: Fleet, rules: list[AlertRule], *, tell: bool) -> list[TestView]:
    from fleetctl.alerts.deciding import test_message
    from fleetctl.alerts.sending import send

    sent = []
    for rule in rules:
        message = test_message(fleet.name, rule, datetime.now(UTC))
        for to in rule.to:
            why = await send(rule, to, message)
            sent.append(TestView(rule.name, to.shown, why))
            if tell:
                said = f"not sent: {why}" if why else "sent"
                click.echo(f"{rule.name}: {to.shown}: {said}")
    return sent


def _known(fleet: Fleet) -> tuple[Kept, bool | None]:
    """What a server remembers, and whether one runs."""
    from fleetctl.errors import FleetctlError
    from fleetctl.serve.running import running

    kept, why = read_kept(place(fleet.name))
    if why:
        click.echo(f"note: what was told is not known: {why}", err=True)
    try:
        return kept, running(fleet.name) is not None
    except (FleetctlError, OSError):
        return kept, None


def view(fleet: Fleet, kept: Kept, serving: bool | None) -> AlertsView:
    """What is shown."""
    rules = tuple(_rule(rule, kept) for rule in fleet.alerts)
    known_at = kept.past.at if kept.past else None
    return AlertsView(SCHEMA, fleet.name, serving, known_at, rules)


def _rule(rule: AlertRule, kept: Kept) -> RuleView:
    said = kept.rules.get(rule.name)
    destinations = []
    for index, to in enumerate(rule.to):
        newest = kept.deliveries.get(f"{rule.name} {index}")
        waiting = [w for w in kept.outbox if w.rule == rule.name and w.to == index]
        tried_at, error = (newest.at, newest.why) if newest else (None, "")
        by = next((w.left_to for w in waiting), newest.by if newest else "")
        destinations.append(DestinationView(to.shown, tried_at, error, len(waiting), by))
    return RuleView(
        rule.name,
        rule.on,
        rule.for_s,
        str(rule.quiet) if rule.quiet else None,
        said.newest if said else None,
        tuple(destinations),
        tuple(entry.cause for entry in said.open.values() if entry.told) if said else (),
        tuple(said.held) if said else (),
    )


def _lines(shown: AlertsView, now: datetime) -> Iterator[str]:
    if not shown.rules:
        yield f"{shown.fleet} has no alerts; docs/alerts.md shows how they are written"
        return
    if not shown.serving:
        said = "it is not known whether" if shown.serving is None else "no"
        runs = "one runs" if shown.serving is None else "runs"
        yield f"{said} fleetctl serve {runs} on this machine: alerts are sent by it alone"
    for rule in shown.rules:
        quiet = f", quiet {rule.quiet}" if rule.quiet else ""
        yield f"{rule.name}: {', '.join(rule.on)}; after {duration(rule.for_s)}{quiet}"
        for to in rule.to:
            yield f"  to {to.to}: {_tried(to, now)}"
        for cause in rule.raised:
            yield f"  raised {_ago(cause.since, now)}: {cause.text}"
        for cause in rule.held:
            yield f"  for the summary: {cause.text}"


def _tried(to: DestinationView, now: datetime) -> str:
    by = f" by {to.by}" if to.by else ""
    waiting = f"; {to.waiting} wait to be sent{by}" if to.waiting else ""
    if to.tried_at is None:
        return f"nothing sent yet{waiting}"
    ago = _ago(to.tried_at, now)
    if to.error:
        return f"could not be sent {ago}: {to.error}{waiting}"
    return f"{f'left to {to.by}' if to.by else 'sent'} {ago}{waiting}"


def _ago(at: datetime, now: datetime) -> str:
    return f"{duration(max(0.0, (now - at).total_seconds()))} ago"
