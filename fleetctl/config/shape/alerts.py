"""The keys of ``alerts`` in nodes.yaml."""

from typing import Annotated

from msgspec import UNSET, UnsetType, field

from fleetctl.config.scalars import Name, Seconds, Span, Text
from fleetctl.config.shape.entry import SOME, Entry, means
from fleetctl.model.alerts import AlertKind


class AlertCommandEntry(Entry):
    """A command that is run for each message."""

    command: Annotated[
        Text | Annotated[list[Text], SOME],
        means(
            "A POSIX shell line, or a list of a program and its arguments; it runs on the machine "
            "that watches, beside nodes.yaml, gets the message as JSON on stdin, and is ended "
            "after 10 seconds."
        ),
    ]


class AlertEntry(Entry):
    """Who is told of what, by `fleetctl serve`."""

    on: Annotated[
        AlertKind | Annotated[list[AlertKind], SOME],
        means("What is told; one, or a list."),
    ]
    to: Annotated[
        Text | AlertCommandEntry | Annotated[list[Text | AlertCommandEntry], SOME],
        means("desktop, {command: LINE}, or a URL of apprise such as ntfy://topic; or a list."),
    ]
    name: Annotated[Name | UnsetType, means("For `fleetctl alerts`; default: its number.")] = UNSET
    wait: Annotated[
        Seconds | Span | UnsetType,
        means("How long it must go on before it is told: seconds, or 30s, 5m, 1h; default 30."),
    ] = field(default=UNSET, name="for")
    quiet: Annotated[
        Text | UnsetType,
        means("22:00-07:00: nothing is sent then, by the clock of the machine that watches."),
    ] = UNSET
    env_file: Annotated[
        Text | UnsetType,
        means("A file of NAME=value lines, for commands, and for ${NAME} in URLs."),
    ] = UNSET
    jobs: Annotated[list[Text] | None, means("Only what concerns these jobs.")] = None
    targets: Annotated[
        list[Text] | None, means("Only what concerns these nodes, services or instances.")
    ] = None
