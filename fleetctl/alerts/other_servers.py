"""Several machines that serve one fleet: the one that began first sends, the others hold back.

They know of each other by notes on a few nodes, renewed again and again; ages are by the node's
clock. The order is that of what the notes say, so that all see the same one. What is not known does
not hold anything back: twice is better than never.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Callable, Collection, Mapping
from typing import Literal

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from fleetctl.errors import LinkError
from fleetctl.link.links import Links
from fleetctl.link.mistakes import of_node
from fleetctl.model.alerts import AlertRule
from fleetctl.model.layout import serving_dir
from fleetctl.package_files import package_text
from fleetctl.quoting import quote, quote_path

NOTE_S = 20.0
"""How often a server notes that it is there."""
FIRST_S = 20.0
"""How long it waits at first for what the nodes say."""
HEARD_S = 90.0
"""One that was not heard for so long is gone, and another sends in its place."""
SURE_S = 60.0
"""One that is heard so long after something had to be told has told it: it would have noted by then
that it could not."""
MOST_NODES = 5
"""Notes are on so many nodes; a server is there if it is heard on more than half of them."""
MOST_RULES = 64
MOST_TOLD = 150
NODE_S = 10.0
_LONGEST = 200

Verdict = Literal["send", "wait", "drop"]


class Claim(Struct, frozen=True):
    """What a server notes of itself."""

    id: str
    began: float
    """When, by its own clock, in seconds since 1970."""
    by: str
    """USER@HOST."""
    rules: tuple[str, ...] = ()
    """Digests of the rules by which it can send."""
    told: tuple[str, ...] = ()
    """What is raised, each as :func:`told_as` has it."""


class _Heard(Struct, frozen=True):
    claim: Claim
    at_s: float
    """When it noted it, by this machine's clock."""


def digest(rule: AlertRule) -> str:
    """The same on all machines that have the same rule."""
    whole = msgspec.json.encode(replace(rule, folder="", env_file=None))
    return hashlib.sha256(whole).hexdigest()[:12]


def told_as(rule: str, key: str) -> str:
    """What is raised by a rule, for others that have the rule."""
    return hashlib.sha256(f"{rule} {key}".encode()).hexdigest()[:10]


class OtherServers:
    """
    :param id: of this server, the same after a restart.
    :param able: digests of the rules by which this one can send at present.
    :param told: what is raised.
    :param heard: called after each round.
    """

    def __init__(
        self,
        id: str,
        by: str,
        able: Callable[[], Collection[str]],
        told: Callable[[], Collection[str]],
        heard: Callable[[], object],
    ) -> None:
        self.reached: tuple[str, ...] = ()
        """Nodes that can be asked at present."""
        self._mine = Claim(id, time.time(), by[:_LONGEST])
        self._able = able
        self._told = told
        self._done = heard
        self._began_s = time.monotonic()
        self._asked_s: float | None = None
        self._others: tuple[_Heard, ...] = ()
        self._links: Links | None = None
        self._fleet = ""

    def follow(self, fleet: str, links: Links | None) -> None:
        """Ask by ``links`` from now on; None: there is nothing that another one could send."""
        self._fleet, self._links = fleet, links

    def verdict(
        self, rule: str, created_s: float, raised: Collection[str] = ()
    ) -> tuple[Verdict, str]:
        """Whether this server sends what has to be told by a rule since ``created_s``, or waits, or
        leaves it to another one; and which that is, if one is there.

        :param rule: its digest.
        :param raised: what is raised by it; if the other one has not raised that, it does not see
            it, and this one tells it.
        """
        if self._links is None:
            return "send", ""
        now_s = time.monotonic()
        if self._asked_s is None:
            return ("wait" if now_s - self._began_s <= FIRST_S else "send"), ""
        if now_s - self._asked_s > HEARD_S:
            return "send", ""
        first = self._first(rule)
        if first is None:
            return "send", ""
        if first.at_s - created_s < SURE_S:
            return "wait", first.claim.by
        return ("drop" if {*raised} <= {*first.claim.told} else "send"), first.claim.by

    def _first(self, rule: str) -> _Heard | None:
        """Another one which began earlier, and has that rule, if one is there."""
        mine = self._mine.began, self._mine.id
        there = (
            one
            for one in self._others
            if rule in one.claim.rules
            and time.time() - one.at_s <= HEARD_S
            and (one.claim.began, one.claim.id) < mine
        )
        return min(there, key=lambda one: (one.claim.began, one.claim.id), default=None)

    async def run(self) -> None:
        """Note and ask until cancelled."""
        while True:
            if self._links is not None:
                await self._round(self._links)
                self._done()
            await asyncio.sleep(NOTE_S if self.reached else 1.0)

    async def _round(self, links: Links) -> None:
        names = sorted(self.reached)[:MOST_NODES]
        rules = tuple(sorted(self._able()))[:MOST_RULES]
        told = tuple(sorted(self._told()))[:MOST_TOLD]
        script = note_script(self._fleet, replace(self._mine, rules=rules, told=told))

        async def ask(name: str) -> dict[str, _Heard] | None:
            try:
                async with asyncio.timeout(NODE_S):
                    with of_node(name):
                        link = await links.get(name)
                        done = await link.run(script, timeout_s=NODE_S)
            except (LinkError, TimeoutError):
                return None
            return read_claims(done.text, time.time()) if done.exit_status == 0 else None

        found = await asyncio.gather(*(ask(name) for name in names))
        noted = [one for one in found if one is not None]
        if noted:
            self._asked_s = time.monotonic()
            self._others = _agreed(noted, self._mine.id)


def _agreed(noted: Collection[Mapping[str, _Heard]], mine: str) -> tuple[_Heard, ...]:
    """The servers that are heard on more than half of the nodes, by their newest note."""
    found: dict[str, list[_Heard]] = {}
    for node in noted:
        for name, one in node.items():
            found.setdefault(name, []).append(one)
    return tuple(
        max(several, key=lambda one: one.at_s)
        for name, several in found.items()
        if name != mine and 2 * len(several) > len(noted)
    )


def read_claims(text: str, now_s: float) -> dict[str, _Heard] | None:
    """What :func:`note_script` printed, by server: those that were heard lately. None: this one
    could not be noted there, so neither could others."""
    first, *lines = text.splitlines() or [""]
    clock, _, written = first.partition(" ")
    if written != "yes" or not clock.isdecimal():
        return None
    found = {}
    for line in lines:
        noted, _, said = line.partition(" ")
        if not noted.isdecimal() or not 0 <= (age_s := int(clock) - int(noted)) <= HEARD_S:
            continue
        try:
            claim = msgspec.json.decode(said, type=Claim)
        except (msgspec.DecodeError, UnicodeError):
            continue
        found[claim.id] = _Heard(replace(claim, by=claim.by[:_LONGEST]), now_s - age_s)
    return found


def note_script(fleet: str, claim: Claim) -> str:
    """The script that notes ``claim`` on a node and prints all; see serving.sh."""
    line = msgspec.json.encode(claim).decode()
    return (
        f"dir={quote_path(serving_dir(fleet))} id={quote(claim.id)}\nline={quote(line)}\n"
        f"{package_text('launch/private.sh')}{package_text('alerts/serving.sh')}"
    )
