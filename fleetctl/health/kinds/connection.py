"""Kinds of problems with the connection to a node. The link's error says what failed."""

from __future__ import annotations

from fleetctl.health.kinds.kind import ProblemKind
from fleetctl.health.repairs.target import no_remedy


def _kind(code: str, why: str) -> ProblemKind:
    return ProblemKind(
        code,
        "error",
        "{node} cannot be reached: {reason}",
        "the node's instances, those that wait for them, and nodes reached only through it",
        no_remedy(why),
    )


_LOST = "what cannot be reached cannot be repaired from here"
_KEY = "a host key is accepted by a person who knows it"
SSH_CONFIG_IGNORED = ProblemKind(
    "ssh-config-ignored",
    "warning",
    "fleetctl does not do what ~/.ssh/config says for {nodes}: {directives}",
    "the nodes that it says it for",
    no_remedy("the file is the user's"),
)
SSH_SECOND_WAY = ProblemKind(
    "ssh-second-way",
    "warning",
    "{node} is reached through {via} alone: {reason}",
    "nothing, as long as the node in between runs and reaches it",
    no_remedy("what is silent is not a setting of the node that is known to be wrong"),
)
LOGIN_SHELL_SLOW = ProblemKind(
    "login-shell-slow",
    "warning",
    "the account's login shell on {node} takes {seconds:.0f} s until it runs a command, and all "
    "that fleetctl does there waits for it: see what its start-up files do",
    "nothing",
    no_remedy("start-up files are the account's own"),
)
ANSWER_INCOMPLETE = ProblemKind(
    "answer-incomplete",
    "error",
    "{node} could not be asked everything, so that what it did not answer is not known: {reason}",
    "the node's instances, and those that wait for them",
    no_remedy("what is not known cannot be repaired"),
)
INTERNAL_ERROR = ProblemKind(
    "internal-error",
    "error",
    "{node} was not asked to the end: {reason}",
    "the node's instances, those that wait for them, and nodes reached only through it",
    no_remedy("the mistake is in fleetctl"),
)
KINDS = (
    INTERNAL_ERROR,
    ANSWER_INCOMPLETE,
    SSH_CONFIG_IGNORED,
    SSH_SECOND_WAY,
    LOGIN_SHELL_SLOW,
    _kind("ssh-unreachable", _LOST),
    _kind("ssh-timeout", _LOST),
    _kind("ssh-auth-failed", "a key is given to a node by its owner"),
    _kind("ssh-host-key-unknown", _KEY),
    _kind("ssh-host-key-changed", _KEY),
    _kind("ssh-hung", "a node that does not answer runs no command"),
)
