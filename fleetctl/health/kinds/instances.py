"""Kinds of problems with the job's instances."""

from __future__ import annotations

from fleetctl.health.kinds.kind import ProblemKind
from fleetctl.health.repairs.target import no_remedy

_WAITING = "the instance, and those that wait for it"
_THE_JOB = no_remedy("the job is the user's")

PORT_WRONG_ADDRESS = ProblemKind(
    "port-wrong-address",
    "error",
    "{instance} listens on {bound}, but must listen on {listen}",
    _WAITING,
    _THE_JOB,
)
PORT_IN_USE = ProblemKind(
    "port-in-use",
    "error",
    "port {port} on {node} is taken by {owner}, which listens on {listener} and is not {instance}",
    _WAITING,
    no_remedy("fleetctl ends only what it started"),
)
LISTEN_EXPOSED = ProblemKind(
    "listen-exposed",
    "warning",
    "{instance} listens on {bound}, so also on {elsewhere}, though all that use it are on "
    "{network}: let it bind to {listen} only ({hint})",
    "nothing: the job works",
    _THE_JOB,
)
PORT_NOT_LISTENING = ProblemKind(
    "port-not-listening",
    "error",
    "{instance} runs but is not ready after {timeout_s:g} s: {reason}",
    _WAITING,
    _THE_JOB,
)
SERVICE_FAILED = ProblemKind(
    "service-failed",
    "error",
    "{instance} {what}: {reason}",
    _WAITING,
    _THE_JOB,
)
COMMAND_MISSING = ProblemKind(
    "command-missing",
    "error",
    "{what}",
    _WAITING,
    no_remedy("programs are installed by the node's owner"),
)
WORKDIR_MISSING = ProblemKind(
    "workdir-missing",
    "error",
    "{what}",
    _WAITING,
    no_remedy("the job's files are the user's"),
)
SERVICE_UNHEALTHY = ProblemKind(
    "service-unhealthy",
    "error",
    "{what}: {reason}",
    _WAITING,
    _THE_JOB,
)
SERVICE_CRASH_LOOP = ProblemKind(
    "service-crash-loop",
    "error",
    "{instance} keeps ending and was restarted {restarts} times",
    _WAITING,
    _THE_JOB,
)
DEPENDENCY_NOT_READY = ProblemKind(
    "dependency-not-ready",
    "warning",
    "{instances} not started: {reason}",
    "the instances that wait, and those that wait for them",
    no_remedy("`fleetctl start` starts what is not started"),
)
SERVICE_CHANGED = ProblemKind(
    "service-changed",
    "warning",
    "{instance} runs with another definition than nodes.yaml has now",
    "the instance",
    no_remedy("`fleetctl restart` renews it"),
)
DATA_OVER_CONTROL = ProblemKind(
    "data-over-control",
    "warning",
    "{instances} {verb} data over {network}, a control network, to {to}: a better one leads "
    "there, on which {expected} is the address",
    "the instances with such a connection",
    no_remedy("which address a program uses is set in the job"),
)

SERVICE_ORPHANED = ProblemKind(
    "service-orphaned",
    "warning",
    "{instance} {verb}{since}, but {why}",
    "the instance",
    no_remedy("`fleetctl stop --orphans` ends it"),
)

SERVICE_ENDED_EARLY = ProblemKind(
    "service-ended-early",
    "warning",
    "{instance} ended with exit code 0, while {others} {verb} on",
    "the instance",
    _THE_JOB,
)
SERVICE_SILENT = ProblemKind(
    "service-silent",
    "warning",
    "{instances} {verb} but {have} printed nothing for {quiet}{why}",
    "the instance, or those that fell silent together",
    _THE_JOB,
)
CONNECTION_LOST = ProblemKind(
    "connection-lost",
    "warning",
    "{instances} {verb} no connection to {service} on {nodes}, which runs: {why}",
    "the instances without a connection",
    no_remedy("`fleetctl restart` starts them anew"),
)
STRAGGLER = ProblemKind(
    "straggler",
    "warning",
    "{instance} lags behind the others of its service: {how}",
    "the instance",
    _THE_JOB,
)

KINDS = (
    COMMAND_MISSING,
    WORKDIR_MISSING,
    PORT_NOT_LISTENING,
    PORT_WRONG_ADDRESS,
    PORT_IN_USE,
    LISTEN_EXPOSED,
    SERVICE_FAILED,
    SERVICE_UNHEALTHY,
    SERVICE_CRASH_LOOP,
    DEPENDENCY_NOT_READY,
    SERVICE_CHANGED,
    DATA_OVER_CONTROL,
    SERVICE_ORPHANED,
    SERVICE_ENDED_EARLY,
    SERVICE_SILENT,
    CONNECTION_LOST,
    STRAGGLER,
)
OF_INSTANCES = frozenset(kind.code for kind in KINDS)
