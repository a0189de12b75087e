"""Host keys on the terminal: shown, asked about, recorded."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import click

from fleetctl.access.trust import Finding, Trust
from fleetctl.access.witnesses import Seen
from fleetctl.cli.asking import agreed, can_ask
from fleetctl.cli.progress import ProgressLines
from fleetctl.cli.render import plain
from fleetctl.errors import FleetctlError

_COMPARE = (
    "Compare them with what `ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub` prints at each "
    "node's own screen."
)


async def establish(
    trust: Trust, names: Sequence[str], *, yes: bool, told: Sequence[str], quiet: bool = False
) -> set[str]:
    """Show the host keys of ``names``, and record those that are new, if the user says so.

    :param told: all nodes that the command is about, for alignment.
    :param quiet: nodes whose keys are recorded already are not shown.
    :returns: the nodes whose keys are recorded at the end.
    """
    found = await look(trust, names)
    show(found, told, quiet=quiet)
    trusted = {name for name, finding in found.items() if finding.trusted}
    new = [finding for finding in found.values() if finding.new]
    chosen = _without_a_question(new) if yes else await _asked_for(new)
    return trusted | {finding.node for finding in chosen if _record(trust, finding)}


async def look(trust: Trust, names: Sequence[str]) -> dict[str, Finding]:
    """The host keys of ``names``."""
    progress = ProgressLines(names, "asking")
    async with progress.live():
        return await trust.look(names, progress.settle)


def show(found: Mapping[str, Finding], told: Sequence[str], *, quiet: bool = False) -> None:
    """Print them; see :func:`establish`."""
    for line in finding_lines(found, max(map(len, told)), quiet=quiet):
        click.echo(plain(line))


def _without_a_question(new: Sequence[Finding]) -> list[Finding]:
    for finding in new:
        if finding.doubted:
            click.echo(f"fleetctl: {finding.node}: not recorded without a question", err=True)
    return [finding for finding in new if not finding.doubted]


async def _asked_for(new: Sequence[Finding]) -> list[Finding]:
    """Those that the user wants recorded: all in one question, but for those that are doubted."""
    if not new:
        return []
    if not can_ask():
        click.echo(
            f"fleetctl: nothing is recorded: there is no terminal to ask on. {_COMPARE} Then add "
            "--yes.",
            err=True,
        )
        return []
    click.echo(_COMPARE, err=True)
    plain_ones = [finding for finding in new if not finding.doubted]
    groups = [plain_ones, *([finding] for finding in new if finding.doubted)]
    chosen: list[Finding] = []
    for group in groups:
        if group and await agreed(f"Record {_of(group)}?"):
            chosen += group
    return chosen


def _of(findings: Sequence[Finding]) -> str:
    names = ", ".join(finding.node for finding in findings)
    if findings[0].doubted:
        return f"the keys of {names} in spite of that"
    return f"the keys of {names}"


def _record(trust: Trust, finding: Finding) -> bool:
    try:
        file = trust.record(finding)
    except FleetctlError as error:
        click.echo(f"fleetctl: {error}", err=True)
        return False
    click.echo(f"{finding.node}: recorded in {file}")
    return True


def finding_lines(
    found: Mapping[str, Finding], width: int, *, quiet: bool = False
) -> Iterator[str]:
    """All nodes side by side: a line for each key, and below it what is to be said."""
    for name, finding in found.items():
        if quiet and finding.trusted:
            continue
        title = name.ljust(width)
        if finding.shown is None:
            yield f"{title}  ✖ {_said(finding)}"
            continue
        state = "recorded" if finding.trusted else "new" if finding.new else "not the recorded one"
        for key in finding.shown.keys:
            yield f"{title}  {key.title:7}  {key.fingerprint}  {state}"
            title = " " * width
        if finding.error:
            yield f"{title}  ✖ {_said(finding)}"
        if finding.mix_up:
            yield f"{title}  ▲ {finding.mix_up}"
        for seen in finding.seen:
            yield f"{title}  {_seen(seen)}"


def _said(finding: Finding) -> str:
    error = finding.error
    assert error
    if finding.mix_up or not error.hint:  # which says better what to do
        return error.reason
    return f"{error.reason}. {error.hint}"


def _seen(seen: Seen) -> str:
    witness = seen.witness
    where = f"at {witness.address} ({witness.network})"
    if seen.agrees:
        return f"{witness.node} sees the same {where}"
    other = ", ".join(f"{key.title} {key.fingerprint}" for key in seen.other)
    return (
        f"▲ {witness.node} sees another key {where}: {other}. Another machine has one of the two "
        "addresses, or somebody is between"
    )
