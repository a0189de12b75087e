"""A probe: one question to a node, how it is put to each OS, and what its answer says."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Generic, Literal, TypeVar

from msgspec import Struct

from fleetctl.model.facts import NodeFacts
from fleetctl.model.questions import Questions
from fleetctl.model.topology import OS
from fleetctl.probes.parsers.unparsed import Unparsed
from fleetctl.probes.script import Answer, Machine

T = TypeVar("T")

When = Literal["services", "status", "check"]
"""The cheapest look that asks it. ``services``: how the instances are, asked again and again;
``status``: what one quick round trip can answer; ``check``: what takes longer, asked seldom."""


class Told(Struct, frozen=True):
    """What a reader is given."""

    answer: Answer
    machine: Machine
    questions: Questions
    errors: str = ""
    """What the whole script printed on stderr; what runs in the background answers there."""
    token: str = ""
    """That frames it."""


class Unanswered(Struct, frozen=True):
    """A probe has no value, and why."""

    why: str


Read = Callable[[Told], T | Unanswered | None]
"""None: there is nothing of the kind on this node, and nothing is unknown."""
Text = str | Callable[[Questions], str]
"""POSIX sh, for ``sh`` and the system's own tools alone; an empty one asks nothing of this node."""


class Ask(Struct, Generic[T], frozen=True):
    """The question is put by a text of its own."""

    text: Text
    read: Read[T]


class Beside(Struct, Generic[T], frozen=True):
    """The text runs in the background of the whole script, and answers on stderr."""

    text: Text
    read: Read[T]


class PartOf(Struct, Generic[T], frozen=True):
    """Another probe's answer holds this one's."""

    probe: str
    read: Read[T]


class NotAsked(Struct, frozen=True):
    """There is nothing to ask on this OS."""

    why: str


def newest(_old: T, new: T) -> T:
    """What was answered last."""
    return new


def only_shown(facts: NodeFacts, _value: object) -> NodeFacts:
    """Of a value whose row says all there is to it."""
    return facts


class Probe(Struct, Generic[T], frozen=True, kw_only=True):
    """One question, with everything it is. ``fleetctl/probes/asked`` holds all of them.

    To read an answer never raises, whatever it is.
    """

    name: str
    when: When
    on: Mapping[OS, Ask[T] | Beside[T] | PartOf[T] | NotAsked]
    into: Callable[[NodeFacts, T], NodeFacts] = only_shown
    """The facts with what the answer says, where something is judged by it."""
    renew: Callable[[T, T], T] = newest
    """Given an earlier and a later value, what is known then; the later look may ask less."""
    label: str = ""
    """Of its row in the dashboard's screen of a node; empty where it is shown otherwise, or not at
    all."""


def cannot_read(answer: Answer) -> Unanswered:
    """The tool's last words, and how it ended."""
    said = answer.text.strip().splitlines()[-1:] or ["no output"]
    return Unanswered(f"{said[0]} (exit status {answer.exit_status})")


def or_why(parsed: T | Unparsed) -> T | Unanswered:
    """What a parser made of a text, or the last thing that the text says."""
    if not isinstance(parsed, Unparsed):
        return parsed
    lines = parsed.text.strip().splitlines()
    return Unanswered(lines[-1][:200] if lines else parsed.reason)


AnyProbe = Probe[Any]
