"""The keys of a service in nodes.yaml."""

from typing import Annotated, Literal

from msgspec import UNSET, UnsetType

from fleetctl.config.scalars import (
    Binding,
    Count,
    EnvName,
    Framework,
    Name,
    NetworkRef,
    NodeRef,
    OnBoot,
    Policy,
    Port,
    PositiveCount,
    PositiveSeconds,
    Seconds,
    ServiceRef,
    Signal,
    Text,
    Until,
    Value,
)
from fleetctl.config.shape.entry import SOME, Entry, means


class HttpEntry(Entry):
    """What is asked of a URL, and what it has to answer."""

    url: Annotated[Text, means("An http:// URL that answers with 2xx.")]
    body: Annotated[
        Text | UnsetType,
        means("A regular expression that matches the answer, of which 64 KB are read."),
    ] = UNSET


class ReadyEntry(Entry):
    """When an instance counts as ready: exactly one condition, and how long to wait for it."""

    listening: Annotated[
        bool | UnsetType,
        means("true: its own processes listen on its `listen` address (nothing connects to it)."),
    ] = UNSET
    log: Annotated[
        Text | UnsetType, means("A regular expression that a line of its log matches.")
    ] = UNSET
    http: Annotated[
        Text | HttpEntry | UnsetType,
        means("An http:// URL that answers with 2xx, or url and body."),
    ] = UNSET
    command: Annotated[
        Text | UnsetType, means("A shell line, run on the node, that exits with 0.")
    ] = UNSET
    connect: Annotated[Text | UnsetType, means("host:port that accepts a TCP connection.")] = UNSET
    delay: Annotated[Seconds | UnsetType, means("Seconds after its start.")] = UNSET
    timeout: Annotated[
        PositiveSeconds | UnsetType, means("Seconds until it counts as failed; default 60.")
    ] = UNSET
    interval: Annotated[
        PositiveSeconds | UnsetType, means("Seconds between two looks; default 0.5.")
    ] = UNSET


class LivenessEntry(Entry):
    """What a running instance is asked again and again: exactly one question, on its node."""

    http: Annotated[Text | UnsetType, means("An http:// URL that answers with 2xx.")] = UNSET
    connect: Annotated[Text | UnsetType, means("host:port that accepts a TCP connection.")] = UNSET
    command: Annotated[
        Text | UnsetType, means("A shell line, run in its folder, that exits with 0.")
    ] = UNSET
    silence: Annotated[
        PositiveSeconds | UnsetType, means("Seconds without new output in its log: too long.")
    ] = UNSET
    interval: Annotated[
        PositiveSeconds | UnsetType, means("Seconds between two questions; default 10.")
    ] = UNSET
    failures: Annotated[
        PositiveCount | UnsetType,
        means("After so many failures in a row it is unhealthy; default 3."),
    ] = UNSET
    restart: Annotated[
        bool | UnsetType,
        means("Whether it is then ended and started again on the node; default false."),
    ] = UNSET


class ProgressEntry(Entry):
    """How its own work is read in what it prints: the first group of each gives the number."""

    step: Annotated[Text | UnsetType, means("A Python regular expression for the step.")] = UNSET
    loss: Annotated[Text | UnsetType, means("One for the loss.")] = UNSET
    rate: Annotated[Text | UnsetType, means("One for the steps per second.")] = UNSET
    epoch: Annotated[Text | UnsetType, means("One for the epoch.")] = UNSET
    requests: Annotated[
        Text | UnsetType, means("One for how many requests a server has answered so far.")
    ] = UNSET


class RestartEntry(Entry):
    """What the supervisor on the node does when the process ends."""

    policy: Annotated[Policy, means("never, on-failure (any exit status but 0) or always.")]
    delay: Annotated[
        Seconds | UnsetType,
        means("Seconds before a restart, doubling each time; default 1."),
    ] = UNSET
    max: Annotated[Count | UnsetType, means("Restarts in a row before giving up; default 10.")] = (
        UNSET
    )
    max_delay: Annotated[
        Seconds | UnsetType, means("The longest pause before a restart, seconds; default 60.")
    ] = UNSET
    reset_after: Annotated[
        PositiveSeconds | UnsetType,
        means("A run of this many seconds resets the delay and the count; default 60."),
    ] = UNSET


class StopEntry(Entry):
    """How an instance is ended."""

    signal: Annotated[
        Signal | UnsetType, means("Sent to its whole process group; default TERM.")
    ] = UNSET
    grace: Annotated[Seconds | UnsetType, means("Seconds until KILL follows; default 10.")] = UNSET


class ServiceEntry(Entry):
    """What runs on one node, or once on each of several."""

    on: Annotated[
        NodeRef | Annotated[list[NodeRef], SOME],
        means("The node, or the list of nodes: one instance each, ranks 1, 2, … in this order."),
    ]
    command: Annotated[
        Text | UnsetType,
        means("A POSIX shell line. Without one the service is started by hand and only watched."),
    ] = UNSET
    workdir: Annotated[
        Text | UnsetType,
        means("Where it runs, ~/ allowed; a relative one is taken from the node's workdir."),
    ] = UNSET
    listen: Annotated[
        Binding | Annotated[list[Binding], SOME] | UnsetType,
        means("NETWORK:PORT or ADDRESS:PORT where it must listen; or a list of them."),
    ] = UNSET
    ports: Annotated[
        dict[Name, Port | Binding] | None,
        means("Further ports by name, on the address of listen, or NETWORK:PORT, ADDRESS:PORT."),
    ] = None
    bind: Annotated[
        Literal["any"] | UnsetType,
        means("any: it may listen on all addresses of its node, and no check warns of that."),
    ] = UNSET
    web: Annotated[
        Port | Annotated[list[Port], SOME] | UnsetType,
        means("The port of its web page, or a list of them: `fleetctl open` shows it."),
    ] = UNSET
    network: Annotated[
        NetworkRef | UnsetType,
        means("The network that is meant where it does not listen; default: its job's."),
    ] = UNSET
    peers: Annotated[
        bool | NetworkRef | UnsetType,
        means(
            "true, or the network that is meant: its instances talk to each other, so each has a "
            "way to each, and starts once it reaches them."
        ),
    ] = UNSET
    framework: Annotated[
        Framework | UnsetType,
        means("Its instances get the variables by which this one's members find each other."),
    ] = UNSET
    ready: Annotated[ReadyEntry | None, means("When it counts as ready.")] = None
    liveness: Annotated[
        LivenessEntry | None, means("What it is asked while it runs, to know that it still works.")
    ] = None
    progress: Annotated[
        ProgressEntry | None,
        means("How its steps are read in what it prints; default: in the usual forms."),
    ] = None
    env: Annotated[dict[EnvName, Value] | None, means("Environment variables.")] = None
    env_file: Annotated[
        Text | UnsetType,
        means("A file of NAME=value lines, read on this machine; relative to nodes.yaml."),
    ] = UNSET
    after: Annotated[
        ServiceRef | list[ServiceRef] | dict[ServiceRef, Until] | None,
        means("Services that must be ready before it starts; or what is waited for of each."),
    ] = None
    once: Annotated[
        bool | UnsetType,
        means("It has done its work when it ends with exit code 0; default false."),
    ] = UNSET
    on_boot: Annotated[
        OnBoot | UnsetType,
        means(
            "start: after a power cut its node starts it again by itself, once its own network is "
            "as this file wants it; default leave."
        ),
    ] = UNSET
    restart: Annotated[
        Policy | RestartEntry | None, means("Whether it is started again when it ends.")
    ] = None
    stop: Annotated[StopEntry | None, means("How it is ended.")] = None
