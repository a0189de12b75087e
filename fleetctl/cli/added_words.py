"""Words that ``start`` and ``restart`` add to the commands of the chosen services."""

from __future__ import annotations

from collections.abc import Sequence

import click
from msgspec.structs import replace

from fleetctl.errors import UsageError
from fleetctl.model.jobs import Instance

MOST_CHARACTERS = 8192
"""They are recorded on the node, and come with every answer of it."""


def with_words(chosen: Sequence[Instance], words: Sequence[str] | None) -> list[Instance]:
    """``chosen``, to be started with ``words``; ``None``: nothing was said of them.

    :raises UsageError: there are too many, they are no text, or nothing takes them.
    """
    if words is None:
        return list(chosen)
    try:
        "".join(words).encode()
    except UnicodeEncodeError:
        raise UsageError("what follows -- is not UTF-8 text") from None
    if sum(map(len, words)) > MOST_CHARACTERS:
        raise UsageError(f"what follows -- has more than {MOST_CHARACTERS} characters")
    if words and all(instance.command is None for instance in chosen):
        raise UsageError(
            "what follows -- is added to commands, and none of the chosen services has one"
        )
    return [replace(instance, words=tuple(words)) for instance in chosen]


def with_words_in_each(
    of_each: Sequence[Sequence[Instance]], words: Sequence[str] | None
) -> list[list[Instance]]:
    """As :func:`with_words`, for the chosen instances of each job, of which some may have none;
    which get words is noted on stderr."""
    found = [with_words(chosen, words) if chosen else [] for chosen in of_each]
    if words and not any(found):
        with_words((), words)  # says so
    for chosen in found:
        if note := told(chosen):
            click.echo(f"note: {note}", err=True)
    return found


def told(chosen: Sequence[Instance]) -> str:
    """A note on which services get words, where these are several; empty: there is none to tell."""
    services = dict.fromkeys(i.service for i in chosen if i.words and i.command is not None)
    if len(services) < 2:
        return ""
    return f"what follows -- is added to the commands of {', '.join(services)}"
