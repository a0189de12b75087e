"""Asking the hosts of ``init``: with the keys that there are, then, if the user wants, by ssh's own
prompts where no key is accepted."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable, Mapping, Sequence

import click

from fleetctl.cli.progress import ProgressLines
from fleetctl.cli.render import state
from fleetctl.discovery.answer import Answer, Host
from fleetctl.escaping import visible
from fleetctl.link.prompted import PromptedLink, PromptedLogins, has_ssh
from fleetctl.model.facts import NodeFacts
from fleetctl.observe.first_look import FirstLook, ask_here, label


def has_terminal() -> bool:
    """Whether there is a terminal to ask the user on."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def ask_all(hosts: Sequence[Host], here: NodeFacts | None) -> tuple[list[Answer], NodeFacts | None]:
    """The answers of ``hosts``, in their order, and of this machine.

    Questions to the user come between two runs of the event loop, so that Ctrl-C ends them.

    :param here: what this machine said, if it was asked already.
    """
    prompts = has_terminal() and has_ssh()
    answers, here = asyncio.run(_first(hosts, here, cables_if=lambda a: not (prompts and _shut(a))))
    if prompts and (shut := _shut(answers)):
        names = ", ".join(visible(label(hosts[place])) for place in shut)
        click.echo(f"No key gets into {names}. ssh can ask for the password.", err=True)
        wanted = click.confirm("Log in that way now?", err=True)
        with PromptedLogins() as logins:
            links = _log_in(logins, hosts, shut) if wanted else {}
            answers = asyncio.run(_again(hosts, answers, links))
    return [answers[place] for place in range(len(hosts))], here


def _shut(answers: Mapping[int, Answer]) -> list[int]:
    return [place for place, answer in answers.items() if answer.shut]


def _log_in(
    logins: PromptedLogins, hosts: Sequence[Host], places: Sequence[int]
) -> dict[int, PromptedLink]:
    found = {}
    for place in places:
        click.echo(f"{visible(label(hosts[place]))}:", err=True)
        if link := logins.log_in(label(hosts[place]), hosts[place].ssh):
            found[place] = link
    return found


async def _first(
    hosts: Sequence[Host],
    here: NodeFacts | None,
    cables_if: Callable[[Mapping[int, Answer]], bool],
) -> tuple[dict[int, Answer], NodeFacts | None]:
    async def own() -> NodeFacts | None:
        return here or await ask_here()

    async with FirstLook(hosts, {}) as look:
        answers, here = await asyncio.gather(_shown(look, hosts, range(len(hosts))), own())
        if cables_if(answers):
            answers = await look.cables(answers)
    return answers, here


async def _again(
    hosts: Sequence[Host], answers: Mapping[int, Answer], links: Mapping[int, PromptedLink]
) -> dict[int, Answer]:
    async with FirstLook(hosts, links) as look:
        more = await _shown(look, hosts, list(links)) if links else {}
        return await look.cables({**answers, **more})


async def _shown(
    look: FirstLook, hosts: Sequence[Host], places: Sequence[int]
) -> dict[int, Answer]:
    """Ask, and print each answer as it comes."""
    names = [label(host) for host in hosts]
    lines = ProgressLines([names[place] for place in places], "asking")
    wide, began = max(map(len, names)), time.monotonic()

    def answered(place: int, answer: Answer) -> None:
        lines.settle(names[place])
        word = state("ok" if answer.facts else "unreachable", err=True)
        name = visible(names[place].ljust(wide))
        lines.say(f"{time.monotonic() - began:6.1f}s  {name}  {word}  {_told(answer)}")

    async with lines.live():
        return await look.ask(places, answered)


def _told(answer: Answer) -> str:
    if answer.facts is None:
        return visible(answer.error)
    system = answer.facts.system
    parts = [system.os_version, system.arch] if system else [answer.facts.unsupported]
    return visible(" ".join(part for part in parts if part))
