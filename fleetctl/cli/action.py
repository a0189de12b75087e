"""Running a start, stop or restart: progress and result on the terminal."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence

import click
import msgspec

from fleetctl.cli.progress import ProgressLines
from fleetctl.cli.render import plain, problem_lines
from fleetctl.health.services import not_asked_yet, shown_words
from fleetctl.model.jobs import Instance
from fleetctl.model.progress import ActionResult, ActionStage
from fleetctl.model.status import ALIVE_STATES, ServiceStatus
from fleetctl.port_holders import PortsTaken, StartRefused
from fleetctl.service import Action, Report

RESULT_SCHEMA = "fleetctl.result/1"


async def carry_out(
    begin: Callable[[Report], Action],
    chosen: Sequence[Instance],
    doing: str,
    as_json: bool,
    timeout_s: float | None = None,
    *,
    nothing: str = "",
    make_room: Callable[[PortsTaken], Awaitable[bool]] | None = None,
    told: Callable[[Mapping[str, object]], object] | None = None,
) -> int:
    """Run a start, stop or restart of ``chosen``, print progress and result; returns the exit code.

    :param begin: makes the action, given the callback for its progress.
    :param doing: what is done first: "starting", "stopping".
    :param timeout_s: seconds to wait at most.
    :param nothing: what is said if there was nothing to do.
    :param make_room: stops what has the ports of a start that was refused; whether it did.
    :param told: takes the outcome that is printed as JSON; None: it is printed here.
    """
    told = told or show_json
    lines = ProgressLines([i.name for i in chosen], doing)
    action = begin(lines.report)
    try:
        async with lines.live(), asyncio.timeout(timeout_s):
            result = await action.run()
    except TimeoutError:
        result = ActionResult("start", _statuses(action, chosen))
        click.echo(f"gave up after {timeout_s:g} s, not ready: {', '.join(result.bad)}", err=True)
    except asyncio.CancelledError:
        if doing == "starting":
            _say_what_runs(_statuses(action, chosen))
        raise
    except StartRefused as refused:
        if isinstance(refused, PortsTaken) and make_room and await make_room(refused):
            again = (begin, chosen, doing, as_json, timeout_s)
            return await carry_out(*again, nothing=nothing, told=told)
        return _refuse(refused, as_json, told)
    if result.stage == "start":
        _say_what_changed(result.services, chosen)
    for node, why in result.unasked.items():
        if not any(status.node == node for status in result.services.values()):
            click.echo(f"what else runs on {node} is not known: {why}", err=True)
    return _report_result(result, as_json, nothing, told)


def show_json(outcome: Mapping[str, object]) -> None:
    click.echo(msgspec.json.format(msgspec.json.encode(outcome)))


def _statuses(action: Action, chosen: Sequence[Instance]) -> dict[str, ServiceStatus]:
    """The newest status of each instance, also if the action ended before any node answered."""
    return {i.name: action.known.get(i.name) or not_asked_yet(i) for i in chosen}


def _refuse(
    refused: StartRefused, as_json: bool, told: Callable[[Mapping[str, object]], object]
) -> int:
    """Print the problems that would break the job; returns the exit code."""
    if as_json:
        outcome = {
            "schema": RESULT_SCHEMA,
            "action": "start",
            "ok": False,
            "services": {},
            "problems": refused.problems,
        }
        told(outcome)
    else:
        click.echo("\n".join(problem_lines(refused.problems, err=True)), err=True)
        click.echo(f"fleetctl: {refused}", err=True)
    return refused.exit_code


def _report_result(
    result: ActionResult,
    as_json: bool,
    nothing: str,
    told: Callable[[Mapping[str, object]], object],
) -> int:
    """Print the result; returns the exit code."""
    services, bad = result.services, result.bad
    if as_json:
        outcome = {
            "schema": RESULT_SCHEMA,
            "action": result.stage,
            "ok": not bad,
            "services": services,
        }
        told(outcome)
    elif bad:
        done = len(services) - len(bad)
        click.echo(f"{result.stage}: {done} of {len(services)} done", err=True)
        for name in bad:
            status = services[name]
            reason = f": {status.reason}" if status.reason else ""
            click.echo(f"{name} is {status.state}{reason}", err=True)
            for line in status.last_lines or ():
                click.echo(plain(f"    {line}", err=True), err=True)
    elif nothing and not services:
        click.echo(nothing, err=True)
    else:
        click.echo(_all_good(result.stage, services), err=True)
    return 1 if bad else 0


def _all_good(stage: ActionStage, services: Mapping[str, ServiceStatus]) -> str:
    """What is true of all of them; what has done its work and ended is not ready."""
    word = "ready" if stage == "start" else "stopped"
    ended = sum(status.state == "exited" for status in services.values())
    if not ended:
        return f"all {len(services)} {word}"
    ready = len(services) - ended
    return f"{f'{ready} ready, ' if ready else ''}{ended} ended with exit code 0"


def _say_what_changed(services: Mapping[str, ServiceStatus], chosen: Sequence[Instance]) -> None:
    for instance in chosen:
        status = services.get(instance.name)
        added = shown_words(instance.words)
        if added and status and status.state in ALIVE_STATES and status.arguments != added:
            click.echo(
                f"{instance.name} runs already, and not with {added}; "
                f"to run it so: fleetctl restart {instance.name} -- {added}",
                err=True,
            )
    for name, status in services.items():
        if status.changed and status.done:
            click.echo(
                f"{name} was done with another definition than nodes.yaml has now; "
                f"to run it with this one: fleetctl start --again {name}",
                err=True,
            )
        elif status.changed:
            click.echo(
                f"{name} runs with another definition than nodes.yaml has now; "
                f"to renew it: fleetctl restart {name}",
                err=True,
            )


def _say_what_runs(known: Mapping[str, ServiceStatus]) -> None:
    running = [name for name, status in known.items() if status.state in ALIVE_STATES]
    what = ", ".join(running) if running else "nothing"
    click.echo(f"stopped waiting; running on: {what}", err=True)
    if unknown := [name for name, status in known.items() if status.state == "unknown"]:
        click.echo(f"not known: {', '.join(unknown)}; ask with: fleetctl status", err=True)
