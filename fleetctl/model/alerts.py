"""Whom nodes.yaml wants to be told of what, and what they are told."""

from __future__ import annotations

import re
from datetime import datetime, time
from typing import Literal, get_args

from msgspec import Struct

from fleetctl.hiding import HIDDEN, hidden
from fleetctl.model.events import Event
from fleetctl.patterns import pattern

SCHEMA = "fleetctl.alert/1"
DEFAULT_FOR_S = 30.0

AlertKind = Literal[
    "job-failed",
    "rank-lost",
    "rank-silent",
    "node-lost",
    "link-worse",
    "disk-low",
    "straggler",
    "run-done",
    "problem",
]
ALERT_KINDS: tuple[AlertKind, ...] = get_args(AlertKind)

PLACEHOLDER = pattern(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
"""In a URL: a variable of the rule's ``env_file``."""
_URL = pattern(r"(?P<scheme>[a-z][a-z0-9+.-]*)://(?P<place>[^/?#]*)(?P<rest>.*)", re.DOTALL)
_OPEN_SCHEMES = frozenset(
    {"dbus", "form", "forms", "gnome", "json", "jsons", "macosx", "ntfy", "ntfys"}
    | {"rsyslog", "syslog", "windows", "xml", "xmls"}
)
"""Of apprise's URLs those in which no key, token or password need stand."""


class Command(Struct, frozen=True, tag="command"):
    """A command of this machine, which gets the message as JSON on stdin."""

    words: tuple[str, ...]
    """One: a line for ``sh``; several: a program and its arguments."""

    @property
    def shown(self) -> str:
        return hidden(" ".join(self.words))


class Desktop(Struct, frozen=True, tag="desktop"):
    """A note on the screen of this machine."""

    @property
    def shown(self) -> str:
        return "desktop"


class Url(Struct, frozen=True, tag="url"):
    """One of apprise's URLs, with ``${NAME}`` for what ``env_file`` has."""

    url: str

    @property
    def variables(self) -> tuple[str, ...]:
        """The names in it."""
        return tuple(dict.fromkeys(PLACEHOLDER.findall(self.url)))

    @property
    def has_secret(self) -> bool:
        """Whether a password, or what may be one, is written in it."""
        found = _URL.fullmatch(self.url)
        if found is None:
            return False
        written = PLACEHOLDER.sub("", found["place"] + found["rest"]).strip("/:@?&=.")
        if found["scheme"] in _OPEN_SCHEMES:
            user, at, _ = found["place"].rpartition("@")
            password = PLACEHOLDER.sub("", user.partition(":")[2])
            return bool(at and password) or HIDDEN in hidden(PLACEHOLDER.sub("", self.url))
        return bool(written)

    @property
    def shown(self) -> str:
        """Without what may be a secret: as a rule the path is one, too."""
        found = _URL.fullmatch(self.url)
        if found is None:
            return self.url if PLACEHOLDER.fullmatch(self.url) else HIDDEN
        if found["scheme"] not in _OPEN_SCHEMES:
            return f"{found['scheme']}://{HIDDEN}" if self.has_secret else self.url
        place = found["place"].rpartition("@")[2]
        return f"{found['scheme']}://{place}{'/' + HIDDEN if found['rest'].strip('/') else ''}"


Destination = Command | Desktop | Url


class Quiet(Struct, frozen=True):
    """Hours in which nothing is sent, by the clock of the machine that watches."""

    begin: time
    end: time

    def __str__(self) -> str:
        return f"{self.begin:%H:%M}-{self.end:%H:%M}"

    def holds(self, moment: time) -> bool:
        """Whether ``moment`` is in it; it may go over midnight."""
        if self.begin <= self.end:
            return self.begin <= moment < self.end
        return moment >= self.begin or moment < self.end


class AlertRule(Struct, frozen=True):
    """One entry of ``alerts`` in nodes.yaml."""

    name: str
    on: tuple[AlertKind, ...]
    to: tuple[Destination, ...]
    folder: str
    """Of nodes.yaml: where commands run."""
    for_s: float = DEFAULT_FOR_S
    quiet: Quiet | None = None
    env_file: str | None = None
    jobs: tuple[str, ...] = ()
    """Only these; none: all."""
    targets: tuple[str, ...] = ()
    """Only what these name; none: all."""


class Cause(Struct, frozen=True):
    """One thing that is told."""

    kind: AlertKind
    subject: str
    """A node, an instance, a job, or a node and others at the ends of its links."""
    text: str
    """What is the matter and why, as one sentence."""
    since: datetime
    """When it was first seen."""
    do: tuple[str, ...] = ()
    """Commands that tell more, or repair it."""
    job: str | None = None
    node: str | None = None
    code: str = ""
    """Of the problem; empty: it is none."""
    until: datetime | None = None
    """When it was over; None: it goes on."""
    affects: tuple[str, ...] = ()
    """Nodes and instances that it is about, beside the subject."""
    event: Event | None = None
    """The event with which it began; None: it was there before anybody watched."""
    begun: datetime | None = None
    """Of a run that is done: when its newest attempt began, by the clock of that node. Unlike the
    times that are corrected, it is the same in every look."""

    @property
    def key(self) -> str:
        """The same for as long as it is the same one."""
        code = "" if self.kind == "link-worse" else self.code  # of one link several may be told
        named = f"{self.kind} {self.subject} {code}".rstrip()
        return f"{named} {self.begun.timestamp():.0f}" if self.begun else named


MessageState = Literal["raised", "over", "summary", "test"]


class Message(Struct, frozen=True):
    """What is sent at once: the JSON of a command (docs/alerts.md, "fleetctl.alert/1")."""

    schema: str
    fleet: str
    rule: str
    state: MessageState
    at: datetime
    title: str
    text: str
    """For a person: a line for each cause, with what to do."""
    causes: tuple[Cause, ...] = ()
    more: int = 0
    """Causes beyond those in ``causes``."""
    may_repeat: bool = False
    """Whether it may have been sent before; its text says so, too."""
