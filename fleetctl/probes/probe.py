"""A probe: one question to a node, its command on each OS, and how the answer is read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Generic, Literal, TypeVar

from msgspec import Struct

from fleetctl.model.facts import OF_BUSYBOX, NodeFacts
from fleetctl.model.questions import Questions
from fleetctl.model.topology import OS
from fleetctl.probes.parsers.unparsed import Unparsed
from fleetctl.probes.script import Answer, Machine

T = TypeVar("T")

When = Literal["services", "status", "check"]
"""The cheapest look that includes the probe. ``services``: the state of the instances, asked often;
``status``: what one quick round trip can answer; ``check``: what takes longer, asked seldom."""


class Told(Struct, frozen=True):
    """The input of a probe's ``read``."""

    answer: Answer
    machine: Machine
    questions: Questions
    errors: str = ""
    """The whole script's stderr, where background probes write their answers."""
    token: str = ""
    """The token that frames those answers."""
    asked_s: float | None = None
    """When the script was sent, in seconds since 1970 by the controller's clock; None: not
    known."""


class Unanswered(Struct, frozen=True):
    """The reason why a probe has no value."""

    why: str


Read = Callable[[Told], T | Unanswered | None]
"""None: the node has nothing of the kind, which is not the same as unknown."""
Text = str | Callable[[Questions], str]
"""POSIX sh that uses only ``sh`` and the system's own tools; empty: the node is not asked."""


class Ask(Struct, Generic[T], frozen=True):
    """The probe runs a text of its own."""

    text: Text
    read: Read[T]


class Beside(Struct, Generic[T], frozen=True):
    """The text runs in the background while the other probes run, and answers on stderr."""

    text: Text
    read: Read[T]


class PartOf(Struct, Generic[T], frozen=True):
    """The value is read from another probe's answer."""

    probe: str
    read: Read[T]


class NotAsked(Struct, frozen=True):
    """The probe does not exist on this OS."""

    why: str


def newest(_old: T, new: T) -> T:
    """The later value."""
    return new


def only_shown(facts: NodeFacts, _value: object) -> NodeFacts:
    """For a value that is only shown, as a row of its own."""
    return facts


class Probe(Struct, Generic[T], frozen=True, kw_only=True):
    """One question to a node. All are in ``fleetctl/probes/asked``.

    Reading an answer never raises, whatever it is.
    """

    name: str
    when: When
    on: Mapping[OS, Ask[T] | Beside[T] | PartOf[T] | NotAsked]
    into: Callable[[NodeFacts, T], NodeFacts] = only_shown
    """Adds the value to the facts."""
    renew: Callable[[T, T], T] = newest
    """Combines an earlier and a later value, since a later look may ask less."""
    label: str = ""
    """Label of the value's row on the dashboard's screen of a node; empty: no such row."""


_BUSYBOX = ") multi-call binary."
"""In the first line of BusyBox's help, which it prints for options that it does not know."""


def cannot_read(answer: Answer) -> Unanswered:
    """The last line that the tool printed, and its exit status, as the reason."""
    if _BUSYBOX in answer.text:
        return Unanswered(OF_BUSYBOX)
    said = answer.text.strip().splitlines()[-1:] or ["no output"]
    return Unanswered(f"{said[0]} (exit status {answer.exit_status})")


def or_why(parsed: T | Unparsed) -> T | Unanswered:
    """What a parser returned; for unparsed text its last line as the reason."""
    if not isinstance(parsed, Unparsed):
        return parsed
    if _BUSYBOX in parsed.text:
        return Unanswered(OF_BUSYBOX)
    lines = parsed.text.strip().splitlines()
    return Unanswered(lines[-1][:200] if lines else parsed.reason)


AnyProbe = Probe[Any]
