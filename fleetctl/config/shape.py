"""The keys and values of nodes.yaml, from which it is read, checked and documented.

``extra["what"]`` is the text in a mistake that says what is allowed. An optional field is ``UNSET``
if it is left out, so that ``defaults`` can fill it. ``| None`` allows a mapping with all entries
commented out.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeVar

from msgspec import UNSET, Meta, Struct, UnsetType, field, structs

from fleetctl.config.scalars import (
    Address,
    Binding,
    Count,
    Days,
    EnvName,
    Framework,
    Host,
    InterfaceName,
    Jump,
    MiB,
    Name,
    NetworkRef,
    NodeAddress,
    NodeName,
    NodeRef,
    OnBoot,
    OnFailure,
    Percent,
    Policy,
    Port,
    Positive,
    PositiveCount,
    PositiveSeconds,
    Seconds,
    ServiceRef,
    Signal,
    Span,
    Subnet,
    Text,
    Until,
    User,
    Value,
)
from fleetctl.model.alerts import AlertKind
from fleetctl.model.topology import OS


def _means(text: str) -> Meta:
    return Meta(description=text)


_SOME: Any = Meta(min_length=1)
"""For lists and mappings that must not be empty."""


class Entry(Struct, forbid_unknown_fields=True):
    """A mapping with fixed keys."""


class ExpectEntry(Entry):
    """How fast a network should be."""

    rtt_ms: Annotated[
        Positive | UnsetType,
        _means("Round-trip time between neighbours, milliseconds; a check warns of twice as much."),
    ] = UNSET
    loss_percent: Annotated[
        Percent | UnsetType,
        _means("Echoes that may be lost between neighbours, there and back, percent; default 1."),
    ] = UNSET
    bandwidth_mbps: Annotated[
        Positive | UnsetType,
        _means("TCP bandwidth between neighbours, megabits per second; `bench` measures it."),
    ] = UNSET


class NetworkEntry(Entry):
    """One subnet: a physical link or a shared segment."""

    cidr: Annotated[Subnet, _means("The IPv4 subnet, such as 10.10.0.0/24.")]
    kind: Annotated[
        Text | UnsetType, _means("wifi, ethernet, thunderbolt or any other word; default ethernet.")
    ] = UNSET
    control: Annotated[
        bool | UnsetType, _means("Whether SSH and default routes use it; default false.")
    ] = UNSET
    expect: Annotated[ExpectEntry | None, _means("How fast this network should be.")] = None


class SSHEntry(Entry):
    """How to log in. What is left out comes from ~/.ssh/config, then from OpenSSH's defaults."""

    host: Annotated[
        Host | Annotated[list[Host], _SOME] | UnsetType,
        _means(
            "Address, name, or Host alias of ~/.ssh/config, or a list of them, which are tried "
            "side by side; default: the node's own name."
        ),
    ] = UNSET
    port: Annotated[Port | UnsetType, _means("The SSH server's port.")] = UNSET
    user: Annotated[User | UnsetType, _means("The account on the node.")] = UNSET
    identity_file: Annotated[Text | UnsetType, _means("The private key to log in with.")] = UNSET
    known_hosts: Annotated[Text | UnsetType, _means("The file with the nodes' host keys.")] = UNSET
    proxy_jump: Annotated[
        Jump | UnsetType, _means("Hosts to go through, as in ssh -J: [user@]host[:port].")
    ] = UNSET
    connect_timeout: Annotated[
        PositiveSeconds | UnsetType,
        _means("Seconds to wait for an answer; default 10."),
    ] = UNSET
    second_way: Annotated[
        bool | UnsetType,
        _means(
            "Whether the node is reached through another node on one of its data networks when it "
            "does not answer directly; default true."
        ),
    ] = UNSET


class DefaultsEntry(Entry):
    """Values for all nodes that do not give their own."""

    os: Annotated[OS | UnsetType, _means("The operating system.")] = UNSET
    ssh: Annotated[SSHEntry | None, _means("How to log in.")] = None
    connection: Annotated[
        Literal["ssh", "local", "none"] | UnsetType, _means("How fleetctl connects to the node.")
    ] = UNSET
    workdir: Annotated[Text | UnsetType, _means("Where commands run on the node.")] = UNSET
    vars: Annotated[
        dict[Name, Value] | None, _means("Texts that differ between nodes, for {var.NAME}.")
    ] = None
    env: Annotated[
        dict[EnvName, Value] | None,
        _means("Environment variables of all instances there, unless their service has its own."),
    ] = None


class NodeEntry(DefaultsEntry):
    """One machine."""

    os: Annotated[
        OS | UnsetType,
        _means("Detected on the node when left out, checked when given."),
    ] = UNSET
    connection: Annotated[
        Literal["ssh", "local", "none"] | UnsetType,
        _means(
            "ssh (default); local: the machine fleetctl runs on; none: it cannot be logged into, "
            "only its ports are watched."
        ),
    ] = UNSET
    addresses: Annotated[
        dict[Name, NodeAddress] | None,
        _means(
            "Network name to this node's IPv4 address on it; dhcp: whatever it has there, which "
            "is asked and must be inside the network's cidr."
        ),
    ] = None
    interfaces: Annotated[
        dict[Name, InterfaceName] | None,
        _means("Network name to the port by which this node is on it; default: found by its kind."),
    ] = None
    gateway: Annotated[
        bool | UnsetType, _means("Forwards packets between its networks; default false.")
    ] = UNSET
    via: Annotated[
        dict[Name, NodeRef] | None,
        _means("Network name to the gateway node through which this node reaches it."),
    ] = None
    workdir: Annotated[
        Text | UnsetType,
        _means("Where commands run, ~/ allowed; default: the home folder."),
    ] = UNSET


class HttpEntry(Entry):
    """What is asked of a URL, and what it has to answer."""

    url: Annotated[Text, _means("An http:// URL that answers with 2xx.")]
    body: Annotated[
        Text | UnsetType,
        _means("A regular expression that matches the answer, of which 64 KB are read."),
    ] = UNSET


class ReadyEntry(Entry):
    """When an instance counts as ready: exactly one condition, and how long to wait for it."""

    listening: Annotated[
        bool | UnsetType,
        _means("true: its own processes listen on its `listen` address (nothing connects to it)."),
    ] = UNSET
    log: Annotated[
        Text | UnsetType, _means("A regular expression that a line of its log matches.")
    ] = UNSET
    http: Annotated[
        Text | HttpEntry | UnsetType,
        _means("An http:// URL that answers with 2xx, or url and body."),
    ] = UNSET
    command: Annotated[
        Text | UnsetType, _means("A shell line, run on the node, that exits with 0.")
    ] = UNSET
    connect: Annotated[Text | UnsetType, _means("host:port that accepts a TCP connection.")] = UNSET
    delay: Annotated[Seconds | UnsetType, _means("Seconds after its start.")] = UNSET
    timeout: Annotated[
        PositiveSeconds | UnsetType, _means("Seconds until it counts as failed; default 60.")
    ] = UNSET
    interval: Annotated[
        PositiveSeconds | UnsetType, _means("Seconds between two looks; default 0.5.")
    ] = UNSET


class LivenessEntry(Entry):
    """What a running instance is asked again and again: exactly one question, on its node."""

    http: Annotated[Text | UnsetType, _means("An http:// URL that answers with 2xx.")] = UNSET
    connect: Annotated[Text | UnsetType, _means("host:port that accepts a TCP connection.")] = UNSET
    command: Annotated[
        Text | UnsetType, _means("A shell line, run in its folder, that exits with 0.")
    ] = UNSET
    silence: Annotated[
        PositiveSeconds | UnsetType, _means("Seconds without new output in its log: too long.")
    ] = UNSET
    interval: Annotated[
        PositiveSeconds | UnsetType, _means("Seconds between two questions; default 10.")
    ] = UNSET
    failures: Annotated[
        PositiveCount | UnsetType,
        _means("After so many failures in a row it is unhealthy; default 3."),
    ] = UNSET
    restart: Annotated[
        bool | UnsetType,
        _means("Whether it is then ended and started again on the node; default false."),
    ] = UNSET


class ProgressEntry(Entry):
    """How its own work is read in what it prints: the first group of each gives the number."""

    step: Annotated[Text | UnsetType, _means("A Python regular expression for the step.")] = UNSET
    loss: Annotated[Text | UnsetType, _means("One for the loss.")] = UNSET
    rate: Annotated[Text | UnsetType, _means("One for the steps per second.")] = UNSET
    epoch: Annotated[Text | UnsetType, _means("One for the epoch.")] = UNSET
    requests: Annotated[
        Text | UnsetType, _means("One for how many requests a server has answered so far.")
    ] = UNSET


class RestartEntry(Entry):
    """What the supervisor on the node does when the process ends."""

    policy: Annotated[Policy, _means("never, on-failure (any exit status but 0) or always.")]
    delay: Annotated[
        Seconds | UnsetType,
        _means("Seconds before a restart, doubling each time; default 1."),
    ] = UNSET
    max: Annotated[Count | UnsetType, _means("Restarts in a row before giving up; default 10.")] = (
        UNSET
    )
    max_delay: Annotated[
        Seconds | UnsetType, _means("The longest pause before a restart, seconds; default 60.")
    ] = UNSET
    reset_after: Annotated[
        PositiveSeconds | UnsetType,
        _means("A run of this many seconds resets the delay and the count; default 60."),
    ] = UNSET


class StopEntry(Entry):
    """How an instance is ended."""

    signal: Annotated[
        Signal | UnsetType, _means("Sent to its whole process group; default TERM.")
    ] = UNSET
    grace: Annotated[Seconds | UnsetType, _means("Seconds until KILL follows; default 10.")] = UNSET


class ServiceEntry(Entry):
    """What runs on one node, or once on each of several."""

    on: Annotated[
        NodeRef | Annotated[list[NodeRef], _SOME],
        _means("The node, or the list of nodes: one instance each, ranks 1, 2, … in this order."),
    ]
    command: Annotated[
        Text | UnsetType,
        _means("A POSIX shell line. Without one the service is started by hand and only watched."),
    ] = UNSET
    workdir: Annotated[
        Text | UnsetType,
        _means("Where it runs, ~/ allowed; a relative one is taken from the node's workdir."),
    ] = UNSET
    listen: Annotated[
        Binding | Annotated[list[Binding], _SOME] | UnsetType,
        _means("NETWORK:PORT or ADDRESS:PORT where it must listen; or a list of them."),
    ] = UNSET
    ports: Annotated[
        dict[Name, Port | Binding] | None,
        _means("Further ports by name, on the address of listen, or NETWORK:PORT, ADDRESS:PORT."),
    ] = None
    bind: Annotated[
        Literal["any"] | UnsetType,
        _means("any: it may listen on all addresses of its node, and no check warns of that."),
    ] = UNSET
    web: Annotated[
        Port | Annotated[list[Port], _SOME] | UnsetType,
        _means("The port of its web page, or a list of them: `fleetctl open` shows it."),
    ] = UNSET
    network: Annotated[
        NetworkRef | UnsetType,
        _means("The network that is meant where it does not listen; default: its job's."),
    ] = UNSET
    peers: Annotated[
        bool | NetworkRef | UnsetType,
        _means(
            "true, or the network that is meant: its instances talk to each other, so each has a "
            "way to each, and starts once it reaches them."
        ),
    ] = UNSET
    framework: Annotated[
        Framework | UnsetType,
        _means("Its instances get the variables by which this one's members find each other."),
    ] = UNSET
    ready: Annotated[ReadyEntry | None, _means("When it counts as ready.")] = None
    liveness: Annotated[
        LivenessEntry | None, _means("What it is asked while it runs, to know that it still works.")
    ] = None
    progress: Annotated[
        ProgressEntry | None,
        _means("How its steps are read in what it prints; default: in the usual forms."),
    ] = None
    env: Annotated[dict[EnvName, Value] | None, _means("Environment variables.")] = None
    env_file: Annotated[
        Text | UnsetType,
        _means("A file of NAME=value lines, read on this machine; relative to nodes.yaml."),
    ] = UNSET
    after: Annotated[
        ServiceRef | list[ServiceRef] | dict[ServiceRef, Until] | None,
        _means("Services that must be ready before it starts; or what is waited for of each."),
    ] = None
    once: Annotated[
        bool | UnsetType,
        _means("It has done its work when it ends with exit code 0; default false."),
    ] = UNSET
    on_boot: Annotated[
        OnBoot | UnsetType,
        _means(
            "start: after a power cut its node starts it again by itself, once its own network is "
            "as this file wants it; default leave."
        ),
    ] = UNSET
    restart: Annotated[
        Policy | RestartEntry | None, _means("Whether it is started again when it ends.")
    ] = None
    stop: Annotated[StopEntry | None, _means("How it is ended.")] = None


class SyncEntry(Entry):
    """The code of a job, which `fleetctl sync` copies to its nodes."""

    source: Annotated[
        Text | UnsetType,
        _means("The folder on this machine; relative to nodes.yaml, and by default its folder."),
    ] = field(default=UNSET, name="from")
    exclude: Annotated[
        list[Text] | None,
        _means("Patterns of paths that are not copied, besides what .gitignore names."),
    ] = None
    delete: Annotated[
        bool | UnsetType,
        _means("Whether files that an earlier sync brought and that are gone here go there, too."),
    ] = UNSET
    share: Annotated[
        Text | Annotated[list[Text], _SOME] | UnsetType,
        _means(
            "A large folder or file in it, or a list of them: sent to one node, and from there "
            "from node to node. What git ignores is copied, too."
        ),
    ] = UNSET
    over: Annotated[
        Name | UnsetType, _means("The network over which nodes send each other what they share.")
    ] = UNSET


class JobEntry(Entry):
    """Services that are started and stopped together."""

    services: Annotated[dict[Name, ServiceEntry], _SOME, _means("In the order they are shown.")]
    elastic: Annotated[
        bool | UnsetType,
        _means(
            "Members may come and go: start starts those that can work, and a changed rank or "
            "world size renews nothing; default false."
        ),
    ] = UNSET
    on_member_failure: Annotated[
        OnFailure | UnsetType,
        _means(
            "What follows when an instance has failed for good: the others are kept, or all are "
            "stopped, or all begin again; default keep."
        ),
    ] = UNSET
    network: Annotated[
        NetworkRef | UnsetType,
        _means("The network that is meant where its services do not listen."),
    ] = UNSET
    framework: Annotated[
        Framework | UnsetType,
        _means("Of all its services that do not say their own: their instances are one group."),
    ] = UNSET
    sync: Annotated[SyncEntry | None, _means("The code, for `fleetctl sync`.")] = None
    prepare: Annotated[
        Text | UnsetType,
        _means(
            "A POSIX shell line that start runs in each node's workdir before the job starts; "
            "{node} and {address.NETWORK} are filled in."
        ),
    ] = UNSET
    prepare_on: Annotated[
        list[Text] | None,
        _means("Files in the workdir: it runs again when one of them, or itself, has changed."),
    ] = None
    requires: Annotated[
        list[Text] | None,
        _means("Programs that each of its nodes needs, with versions or without: python3>=3.11."),
    ] = None


class AlertCommandEntry(Entry):
    """A command that is run for each message."""

    command: Annotated[
        Text | Annotated[list[Text], _SOME],
        _means(
            "A POSIX shell line, or a list of a program and its arguments; it runs on the machine "
            "that watches, beside nodes.yaml, gets the message as JSON on stdin, and is ended "
            "after 10 seconds."
        ),
    ]


class AlertEntry(Entry):
    """Who is told of what, by `fleetctl serve`."""

    on: Annotated[
        AlertKind | Annotated[list[AlertKind], _SOME],
        _means("What is told; one, or a list."),
    ]
    to: Annotated[
        Text | AlertCommandEntry | Annotated[list[Text | AlertCommandEntry], _SOME],
        _means("desktop, {command: LINE}, or a URL of apprise such as ntfy://topic; or a list."),
    ]
    name: Annotated[Name | UnsetType, _means("For `fleetctl alerts`; default: its number.")] = UNSET
    wait: Annotated[
        Seconds | Span | UnsetType,
        _means("How long it must go on before it is told: seconds, or 30s, 5m, 1h; default 30."),
    ] = field(default=UNSET, name="for")
    quiet: Annotated[
        Text | UnsetType,
        _means("22:00-07:00: nothing is sent then, by the clock of the machine that watches."),
    ] = UNSET
    env_file: Annotated[
        Text | UnsetType,
        _means("A file of NAME=value lines, for commands, and for ${NAME} in URLs."),
    ] = UNSET
    jobs: Annotated[list[Text] | None, _means("Only what concerns these jobs.")] = None
    targets: Annotated[
        list[Text] | None, _means("Only what concerns these nodes, services or instances.")
    ] = None


class HistoryEntry(Entry):
    """How much of the past is kept on the machine that watches."""

    days: Annotated[Days | UnsetType, _means("For how many days; default 365.")] = UNSET
    mb: Annotated[
        MiB | UnsetType,
        _means("How many MiB it may take; then the oldest is dropped. Default 200."),
    ] = UNSET


class FileEntry(Entry):
    """A fleet: its machines, the networks between them, and its jobs."""

    fleet: Annotated[Name, _means("The fleet's name; also its tmux session's on every node.")]
    nodes: Annotated[dict[NodeName, NodeEntry | None], _SOME, _means("The machines, by name.")]
    networks: Annotated[dict[Name, NetworkEntry] | None, _means("The subnets, by name.")] = None
    internet: Annotated[
        Address | UnsetType | None,
        _means("The address to ping for the internet check; null turns the check off."),
    ] = UNSET
    defaults: Annotated[DefaultsEntry | None, _means("For nodes that do not give their own.")] = (
        None
    )
    history: Annotated[
        HistoryEntry | None, _means("How much of the past is kept on the machine that watches.")
    ] = None
    jobs: Annotated[
        Annotated[dict[Name, JobEntry], _SOME] | UnsetType,
        _means("What to run; the first job is the default one."),
    ] = UNSET
    alerts: Annotated[list[AlertEntry] | None, _means("Who is told of what goes wrong.")] = None


class OlderNodeEntry(Entry):
    """A node of the older form of the file."""

    alias: NodeName
    ip: Host
    user: User | UnsetType = UNSET
    port: Port | UnsetType = UNSET


class OlderFileEntry(Entry):
    """The older form: a list of nodes, and nothing else."""

    nodes: list[OlderNodeEntry]
    fleet: Name | UnsetType = UNSET


_T = TypeVar("_T")
_D = TypeVar("_D")
_E = TypeVar("_E", bound=Struct)


def given(value: _T | UnsetType, otherwise: _D) -> _T | _D:
    """``value`` if the file has it, else ``otherwise``."""
    return otherwise if isinstance(value, UnsetType) else value


def filled(entry: _E, defaults: Struct) -> _E:
    """``entry`` with missing fields taken from ``defaults``."""
    return structs.replace(
        entry,
        **{
            name: getattr(defaults, name)
            for name in entry.__struct_fields__
            if getattr(entry, name) is UNSET and name in defaults.__struct_fields__
        },
    )
