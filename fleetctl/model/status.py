"""The fleet's state at one moment: the shape of ``status --json``, version 1
(docs/cli.md, "fleetctl.status/1").

Fields may be added, never changed. Every ``ok`` is true, false or null; null means "not known",
and the ``reason`` beside it says why. Times are aware UTC, units are in the names.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Literal

from msgspec import Struct

from fleetctl.model.node_status import NodeStatus
from fleetctl.model.pages import WebPageStatus
from fleetctl.model.progress_status import JobProgress, ProgressStatus

SCHEMA = "fleetctl.status/1"

ServiceState = Literal[
    "stopped",
    "waiting",
    "starting",
    "running",
    "ready",
    "unhealthy",
    "restarting",
    "exited",
    "failed",
    "unknown",
]
Severity = Literal["error", "warning"]

LivenessState = Literal["ok", "pending", "failing", "unknown"]

UNREADY_STATES = frozenset({"starting", "running", "unhealthy", "restarting"})
"""States of an instance that may yet become ready by itself."""
ALIVE_STATES = frozenset({*UNREADY_STATES, "ready"})
"""States of an instance that runs, or that its supervisor will restart."""


class ConnectionStatus(Struct, frozen=True):
    """An open connection of an instance to one that it starts after."""

    to: str
    """``address:port``."""
    local: str
    network: str | None = None
    """The network of nodes.yaml that it really uses on this node; null: none of them."""
    ok: bool | None = None
    """Whether it uses no control network, or there is no better one."""
    expected: str | None = None
    """``address:port`` that it should have used; null: where it is."""
    reason: str | None = None


class LivenessStatus(Struct, frozen=True):
    """Whether a running instance works, by what its node asks it again and again."""

    asked: str
    """Such as ``GET http://127.0.0.1:8080/health``."""
    state: LivenessState
    """``pending``: not asked yet, or too few failures in a row; ``unknown``: it cannot be asked."""
    failures: int = 0
    """In a row."""
    since: datetime | None = None
    """When the first of these failures came, or it began to work; null: not known."""
    reason: str | None = None
    """What came back, or why it cannot be asked."""


class ServiceStatus(Struct, frozen=True):
    """One instance, such as ``worker@pi4``."""

    service: str
    node: str
    rank: int
    state: ServiceState
    reason: str | None = None
    """Why it is in this state, if that is not obvious."""
    pid: int | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    """When the last attempt ended, if it is ``exited``, ``failed`` or ``restarting``; null: it has
    not, or that is not known."""
    exit_code: int | None = None
    """Of the last attempt; 128 + N if signal N ended it."""
    restarts: int = 0
    listening: tuple[str, ...] | None = None
    """Where its processes listen, as ``address:port``; null: not known."""
    connections: tuple[ConnectionStatus, ...] | None = None
    """Its open connections to instances that it starts after; null: not known."""
    tmux: str | None = None
    log_bytes: int | None = None
    last_lines: tuple[str, ...] | None = None
    """After it failed: what its process printed last, without control sequences; one line, more in
    the outcome of a start; null: nothing, or not asked."""
    changed: bool | None = None
    """Whether it runs with another definition than nodes.yaml has now; ``restart`` renews it."""
    arguments: str | None = None
    """What its start added to its command, as words of a shell; what looks like a secret is hidden.
    Null: nothing, or not known."""
    liveness: LivenessStatus | None = None
    """Null: nodes.yaml has none for it, or it does not run."""
    progress: ProgressStatus | None = None
    """How far its own work is; null: it does not run, or was not started by fleetctl."""
    once: bool = False
    """It has done its work when it ends with exit code 0."""
    web: tuple[WebPageStatus, ...] = ()
    """Its web pages."""

    @property
    def done(self) -> bool:
        """Whether it has done its work, and need not run."""
        return self.once and self.state == "exited"

    @property
    def word(self) -> str:
        """Its state, for a person."""
        return "done" if self.done else self.state


class JobStatus(Struct, frozen=True):
    """A job of nodes.yaml that is not the chosen one, by what its nodes tell anyway.

    A ready condition that no command has found met yet is not asked: the instance is ``running``.
    What is started by hand is ``unknown``. Both are known where all jobs are asked for.
    """

    services: Mapping[str, ServiceStatus]
    """By instance."""
    progress: JobProgress | None = None
    """How far its work is; null: no instance of it runs, or it is not asked for."""

    @property
    def counts(self) -> Mapping[ServiceState, int]:
        """How many instances are in each state that one of them is in."""
        states = [service.state for service in self.services.values()]
        return {state: states.count(state) for state in dict.fromkeys(states)}

    @property
    def alive(self) -> bool:
        """Whether anything of it runs."""
        return any(service.state in ALIVE_STATES for service in self.services.values())


class OrphanStatus(Struct, frozen=True):
    """An instance that runs, though the chosen job of nodes.yaml does not have it."""

    job: str
    """The job that it was started for."""
    service: str
    node: str
    state: ServiceState
    """What would make it ready is not known."""
    reason: str
    """Why it is none of the job's instances."""
    pid: int | None = None
    started_at: datetime | None = None
    listening: tuple[str, ...] | None = None
    tmux: str | None = None

    @property
    def name(self) -> str:
        return f"{self.service}@{self.node}"


class RepairStep(Struct, frozen=True):
    """One command of a repair."""

    command: str
    """For the node's shell; begins with ``sudo`` if it needs root."""
    does: str
    """What it changes, as a clause: "switches IPv4 forwarding on until the next boot"."""
    undo: str = ""
    """The command that restores the former state; empty: none is needed."""
    lasts: bool = False
    """Whether it lasts over a reboot."""
    interface: str = ""
    """The network interface that it changes; empty: none."""
    installs: bool = False
    """It installs a program, which may take minutes, and changes nothing that comes up at boot."""
    sets: str = ""
    """The setting that it replaces as a whole; a later step for the same one replaces this step."""


class Fix(Struct, frozen=True):
    """What would repair a problem."""

    commands: tuple[str, ...]
    on: str
    """A node's name, or ``controller``."""
    steps: tuple[RepairStep, ...] = ()
    """The commands with what each does and how it is undone; empty: ``fix`` cannot run them."""


class Problem(Struct, frozen=True):
    """One root cause: what is wrong, what it affects, how that is known, what repairs it."""

    code: str
    severity: Severity
    summary: str
    node: str | None = None
    affects: tuple[str, ...] = ()
    evidence: str = ""
    fix: Fix | None = None
    job: str | None = None
    """The job whose instances it is about; null: it is about machines, networks or programs."""


class ParityValue(Struct, frozen=True):
    """A value, and the nodes that have it."""

    value: str
    nodes: tuple[str, ...]


class ParityStatus(Struct, frozen=True):
    """A thing that should be equal on the nodes of the job."""

    thing: str
    """``system``, ``python3``, ``tmux``, ``code``, ``synced code``, a program of `requires`."""
    kind: str | None
    """The kind of nodes among which it is compared, such as ``Mac``; null: all."""
    ok: bool | None
    """Whether it is equal; null: the values that are known are, and some are not."""
    values: tuple[ParityValue, ...]
    """What most nodes have comes first."""
    unknown: Mapping[str, str] = {}
    """By node: why its value is not known."""

    @property
    def label(self) -> str:
        return f"{self.thing} ({self.kind})" if self.kind else self.thing


class FleetStatus(Struct, frozen=True):
    """The whole fleet at one moment, for one job, or for all: then none is the chosen one."""

    schema: str
    fleet: str
    job: str | None
    generated_at: datetime
    duration_s: float
    healthy: bool
    nodes: Mapping[str, NodeStatus]
    services: Mapping[str, ServiceStatus]
    problems: tuple[Problem, ...]
    orphans: tuple[OrphanStatus, ...] = ()
    """What fleetctl started and still runs, beside the chosen job's instances."""
    parity: tuple[ParityStatus, ...] | None = None
    """What should be equal on the job's nodes; null: not asked, as in a quick look."""
    progress: JobProgress | None = None
    """How far the work of the job is; null: no instance of it runs."""
    jobs: Mapping[str, JobStatus] = {}
    """By name: the jobs of nodes.yaml but for the chosen one, whose instances are ``services``."""

    @property
    def asked_jobs(self) -> Mapping[str, JobStatus]:
        """By name: the jobs that it is about, which are the chosen one, or all."""
        if self.job is None:
            return self.jobs
        return {self.job: JobStatus(self.services, self.progress)}

    @property
    def reached(self) -> tuple[int, int]:
        """How many nodes answer over SSH, and how many should."""
        asked = [node for node in self.nodes.values() if node.state != "external"]
        return sum(node.ssh.reachable is True for node in asked), len(asked)

    @property
    def unasked(self) -> int:
        """How many nodes have neither answered nor failed to yet."""
        return sum(node.ssh.unasked for node in self.nodes.values())

    @property
    def ready(self) -> int:
        """How many instances are ready."""
        return sum(service.state == "ready" for service in self.services.values())

    @property
    def done(self) -> int:
        """How many instances have done their work, and need not be ready."""
        return sum(service.done for service in self.services.values())
