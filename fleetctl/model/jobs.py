"""What the user wants to run: jobs, their services, and one instance per service and node."""

from __future__ import annotations

import hashlib
import re
import shlex
from collections.abc import Mapping
from functools import cached_property
from ipaddress import IPv4Address
from typing import Literal

import msgspec
from msgspec import Struct

from fleetctl.model.liveness import Liveness
from fleetctl.model.ready import Ready
from fleetctl.model.requirements import Requirement
from fleetctl.model.steps import StepForms

Until = Literal["started", "ready", "exited-ok"]
"""What an instance waits for: that the other one runs, is ready, or has ended with exit code 0."""
FailureRule = Literal["stop-all", "restart-all"]
"""What follows for all members of a job when one has failed."""
RestartPolicy = Literal["never", "on-failure", "always"]


class Listen(Struct, frozen=True):
    """An address and port on which an instance must listen."""

    address: IPv4Address
    port: int
    network: str | None = None
    """The network that nodes.yaml gives; ``None``: it gives an address."""

    def __str__(self) -> str:
        return f"{self.address}:{self.port}"


class Restart(Struct, frozen=True):
    """What the supervisor on the node does when the process ends.

    The pause before a restart starts at ``delay_s`` and doubles up to ``max_delay_s``; an attempt
    that lasted ``reset_after_s`` resets the pause and the count.
    """

    policy: RestartPolicy = "never"
    delay_s: float = 1.0
    max: int = 10
    """Restarts in a row; after these the instance has failed."""
    max_delay_s: float = 60.0
    reset_after_s: float = 60.0


class Stop(Struct, frozen=True):
    """How an instance is ended: ``signal`` to its process group, then KILL after ``grace_s``."""

    signal: str = "TERM"
    """Without the SIG prefix."""
    grace_s: float = 10.0


class GroupRule(Struct, frozen=True):
    """What follows when an instance of its job fails, and where that is decided."""

    rule: FailureRule
    first: str
    """The name of the instance beside which it is decided."""
    node: str
    """The node of that."""
    address: IPv4Address
    """Where the others reach it: one of that node's."""


class BootWay(Struct, frozen=True):
    """A way that a node needs before it starts an instance by itself."""

    to: IPv4Address
    via: IPv4Address
    """The next hop."""
    network: str
    """The name of the network that ``to`` is on."""


class AtBoot(Struct, frozen=True):
    """What a node waits for before it starts an instance again after a power cut."""

    addresses: Mapping[str, IPv4Address] = {}
    """Its own, by network."""
    ways: tuple[BootWay, ...] = ()


class Instance(Struct, frozen=True, dict=True):
    """One service on one node, with every placeholder filled in."""

    job: str
    service: str
    node: str
    rank: int
    """1-based place of the node in the service's ``on``."""
    world_size: int
    command: str | None
    """A POSIX shell line; ``None``: it is started by hand and only watched."""
    workdir: str | None
    """A path on the node, may begin with ``~/``. ``None``: the home folder."""
    listen: Listen | None
    ready: Ready
    after: tuple[str, ...]
    """Names of services."""
    env: Mapping[str, str]
    """As written in nodes.yaml; the FLEETCTL_* variables are added at launch."""
    env_file: str | None
    """A path on the controller."""
    restart: Restart
    stop: Stop
    liveness: Liveness | None = None
    """``None``: it is asked nothing while it runs."""
    provided: Mapping[str, str] = {}
    """Variables below those of ``env_file`` and ``env``: those of its framework, and of its
    node."""
    words: tuple[str, ...] | None = None
    """What a start adds to the command; no part of the definition. ``None``: nothing was said of
    them, so that a restart keeps those of the last start."""
    other_listens: tuple[Listen, ...] = ()
    """Where it must listen besides ``listen``."""
    endpoints: Mapping[str, Listen] = {}
    """By name of an instance that it starts after: where it reaches that one, if not at its
    ``listen``."""
    peers: Mapping[str, IPv4Address] = {}
    """By node: where it reaches other instances of its service, without which it is not started."""
    until: Mapping[str, Until] = {}
    """By name of a service in ``after``: what is waited for, where it is not that it is ready."""
    interfaces: Mapping[str, IPv4Address] = {}
    """By network: the node's address there, where a text has the word for the interface that has
    it (:mod:`fleetctl.model.late_words`)."""
    files: Mapping[str, str] = {}
    """By name: texts that are written into files on the node while it runs. A word stands for the
    path of each."""
    ports: Mapping[str, Listen] = {}
    """By name: where it listens besides."""
    bind_any: bool = False
    """It may listen on all addresses of its node: that others are open, too, is meant."""
    once: bool = False
    """It has done its work when it ends with exit code 0."""
    progress: StepForms | None = None
    """How to read its steps in what it prints; no part of the definition. ``None``: in the usual
    forms."""
    web: tuple[int, ...] = ()
    """Ports at which it has a web page; no part of the definition."""
    at_boot: AtBoot | None = None
    """``None``: its node does not start it by itself."""
    group: GroupRule | None = None
    """``None``: when an instance fails, the others are kept."""
    unranked: Instance | None = None
    """In an elastic job: itself without rank and world size; its hash is this one's."""

    @cached_property
    def name(self) -> str:
        return f"{self.service}@{self.node}"

    @property
    def bindings(self) -> tuple[Listen, ...]:
        """All on which it must listen, its ``ports`` last."""
        return (*self.listens, *self.ports.values())

    @property
    def line(self) -> str | None:
        """What is run: the command, with the words of this start."""
        if self.command is None or not self.words:
            return self.command
        return f"{self.command.rstrip()} {shlex.join(self.words)}"

    @property
    def listens(self) -> tuple[Listen, ...]:
        """The addresses and ports of its ``listen``."""
        return (self.listen, *self.other_listens) if self.listen else ()

    def endpoint(self, need: Instance) -> Listen | None:
        """Where it reaches ``need``, which it starts after; ``None``: that does not listen."""
        return self.endpoints.get(need.name, need.listen)

    def waits_until(self, need: Instance) -> Until:
        """What it waits for of ``need``, after which it starts."""
        return self.until.get(need.service, "ready")

    def environment(self, fleet: str, secrets: Mapping[str, str]) -> dict[str, str]:
        """The variables that it gets in addition to its node's own.

        :param secrets: the variables of its ``env_file``.
        """
        return {
            **self.provided,
            **secrets,
            **self.env,
            "FLEETCTL_FLEET": fleet,
            "FLEETCTL_JOB": self.job,
            "FLEETCTL_SERVICE": self.service,
            "FLEETCTL_NODE": self.node,
            "FLEETCTL_RANK": str(self.rank),
            "FLEETCTL_WORLD_SIZE": str(self.world_size),
        }

    @property
    def program(self) -> str | None:
        """The command's program; None if only a shell could tell, or if the instance sets PATH."""
        try:
            words = shlex.split(self.command or "")
        except ValueError:
            return None
        for word in words:
            if "PATH" in self.env or "PATH" in self.provided or word.startswith("PATH="):
                return None
            if word == "exec" or re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*=.*", word):
                continue
            plain = re.fullmatch(r"[A-Za-z0-9_./+@%][A-Za-z0-9_./+@%~-]*", word)
            return word if plain else None
        return None

    @cached_property
    def definition_hash(self) -> str:
        """Twelve hex digits that change whenever the definition changes.

        Of ``env_file`` only the file's name counts: a hash of secrets, readable in tmux's options,
        would reveal something of them, and the folder differs between controllers.
        """
        if self.unranked is not None:
            return self.unranked.definition_hash
        what = {
            "command": self.command,
            "workdir": self.workdir,
            "listen": str(self.listen) if self.listen else None,
            "env": dict(sorted(self.env.items())),
            "env_file": (self.env_file or "").rpartition("/")[2] or None,
            "rank": self.rank,
            "world_size": self.world_size,
            "restart": msgspec.to_builtins(self.restart),
            "stop": msgspec.to_builtins(self.stop),
        }
        # what is left out must not change the hashes of definitions without it
        if self.liveness:
            what["liveness"] = msgspec.to_builtins(self.liveness)
        if self.ports:
            what["ports"] = {name: str(port) for name, port in sorted(self.ports.items())}
        if self.group:
            what["group"] = [self.group.rule, self.group.first, str(self.group.address)]
        if self.at_boot:
            what["on_boot"] = "start"
        if self.files:
            what["files"] = dict(sorted(self.files.items()))
        if self.other_listens:
            what["other_listens"] = [str(listen) for listen in self.other_listens]
        if self.provided:
            what["provided"] = dict(sorted(self.provided.items()))
        return hashlib.sha256(msgspec.json.encode(what, order="sorted")).hexdigest()[:12]


class Service(Struct, frozen=True):
    """A service of a job, with its instances."""

    after: tuple[str, ...]
    instances: tuple[Instance, ...]


class Share(Struct, frozen=True):
    """What is large, and goes to one node, and from there from node to node."""

    paths: tuple[str, ...]
    """Folders and files, relative to the folder of the code."""
    over: str
    """The name of the network that it is sent over."""


class Sync(Struct, frozen=True):
    """The code of a job, which is copied to its nodes."""

    source: str
    """An absolute path on the controller."""
    workdirs: Mapping[str, str]
    """By node: the folder there that it is copied into, may begin with ``~/``. A node that is
    missing here has no workdir."""
    exclude: tuple[str, ...] = ()
    """Patterns of paths that are not copied."""
    delete: bool = False
    """Whether files that an earlier sync brought, and that are gone here, are deleted there."""
    share: Share | None = None


class Prepare(Struct, frozen=True):
    """What is run on each node of a job before the job starts there."""

    command: str
    """A POSIX shell line, as written in nodes.yaml."""
    on: tuple[str, ...]
    """Files that it depends on, relative to the workdir: while they and the line are what they were
    when it last succeeded, it is not run."""
    workdirs: Mapping[str, str]
    """By node: where it runs, as in :class:`Sync`."""
    filled: Mapping[str, str] = {}
    """By node: the line with its placeholders filled in, where it has any."""

    def line(self, node: str) -> str:
        """What is run on ``node``."""
        return self.filled.get(node, self.command)


PREPARE = "prepare"


class PrepareLog(Struct, frozen=True):
    """What the ``prepare`` of a job printed on a node, as a log beside those of instances."""

    job: str
    node: str
    only_new: bool = False
    """Of one that is followed: whether nothing of what it printed before is wanted."""

    @property
    def name(self) -> str:
        return f"{PREPARE}@{self.node}"


LogSource = Instance | PrepareLog


class Job(Struct, frozen=True, dict=True):
    """A set of services that are started and stopped together, in file order."""

    name: str
    services: Mapping[str, Service]
    elastic: bool = False
    """Members may come and go: one that cannot work does not keep the others from it."""
    sync: Sync | None = None
    """``None``: its code gets onto the nodes some other way."""
    prepare: Prepare | None = None
    requires: tuple[Requirement, ...] = ()
    """Programs that each of its nodes needs."""

    @cached_property
    def instances(self) -> tuple[Instance, ...]:
        return tuple(i for service in self.services.values() for i in service.instances)

    def on(self, node: str) -> tuple[Instance, ...]:
        """The instances on ``node``."""
        return self._by_node.get(node, ())

    @cached_property
    def _by_node(self) -> Mapping[str, tuple[Instance, ...]]:
        found: dict[str, list[Instance]] = {}
        for instance in self.instances:
            found.setdefault(instance.node, []).append(instance)
        return {node: tuple(instances) for node, instances in found.items()}

    @property
    def prepare_logs(self) -> tuple[PrepareLog, ...]:
        """One for each node that is prepared; none where a service has that name."""
        if self.prepare is None or PREPARE in self.services:
            return ()
        nodes = dict.fromkeys(i.node for i in self.instances if i.command is not None)
        return tuple(PrepareLog(self.name, n) for n in nodes if n in self.prepare.workdirs)

    def used_by(self, instance: Instance) -> dict[IPv4Address, str]:
        """Addresses to which ``instance`` connects, each with the node that has it."""
        listening = ((need.node, instance.endpoint(need)) for need in self.needs(instance))
        found = {listen.address: node for node, listen in listening if listen}
        return found | {address: node for node, address in instance.peers.items()}

    def needs(self, instance: Instance) -> tuple[Instance, ...]:
        """The instances that ``instance`` starts after."""
        return tuple(i for name in instance.after for i in self.services[name].instances)
