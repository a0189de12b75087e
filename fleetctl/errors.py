"""All errors that fleetctl raises on purpose.

```
FleetctlError                what failed, where, why; ``hint``: what to do next; ``exit_code``
├── UsageError               the call is wrong: unknown target, missing option value (exit 2)
├── ConfigError              nodes.yaml is wrong; carries every mistake in it (exit 2)
├── LinkError                a node cannot be talked to; ``code`` is a problem code
│   ├── ConnectFailed        no route, name not known                   (ssh-unreachable)
│   │   └── ConnectRefused   no SSH server listens there                (ssh-unreachable)
│   ├── ConnectTimedOut      nothing answered within connect_timeout    (ssh-timeout)
│   ├── AuthFailed           no key was accepted; says which were tried (ssh-auth-failed)
│   ├── HostKeyUnknown       the host is in no known_hosts file         (ssh-host-key-unknown)
│   ├── HostKeyChanged       the host shows another key than recorded   (ssh-host-key-changed)
│   ├── LinkHung             TCP answers, SSH or the command does not   (ssh-hung)
│   │   └── ShellHung        the login shell does not run the command   (ssh-hung)
│   ├── AnswerCut            a command's answer has no end              (answer-incomplete)
│   ├── OwnMistake           a bug of ours, while one node was asked    (internal-error)
│   └── LinkLost             the connection broke while in use          (ssh-unreachable)
├── TmuxError                tmux on a node is missing, too old or refused a command
├── LaunchError              an instance cannot be started or stopped
├── StartRefused             the network would break the job; nothing was started (port_holders.py)
│   └── PortsTaken           another job of the fleet has its ports (port_holders.py)
├── RepairRefused            a repair cannot or must not be done
└── LabError                 the virtual fleet cannot be built, changed or found
```

One node's trouble is data: layers above ``link`` catch :class:`LinkError` per node and turn it
into a finding. A bug raises something else: while one node is asked, it becomes an OwnMistake.
"""

from __future__ import annotations

from fleetctl.escaping import visible


class FleetctlError(Exception):
    """The base class.

    Both texts may quote what a node or a file says, so they are made safe for a terminal.

    :param message: one sentence that says what failed, where and why, without a trailing newline.
    :param hint: what the user can do next; empty: nothing useful is known.
    """

    exit_code = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        self.message = "\n".join(map(visible, message.split("\n")))
        self.hint = visible(hint)
        super().__init__(self.message)

    def __str__(self) -> str:
        return f"{self.message}. {self.hint}" if self.hint else self.message


class UsageError(FleetctlError):
    """The command line asks for something that does not exist or cannot be."""

    exit_code = 2


class ConfigError(FleetctlError):
    """nodes.yaml cannot be used; ``mistakes`` has all mistakes as text, in the file's order."""

    exit_code = 2

    def __init__(self, mistakes: list[str], *, hint: str = "") -> None:
        super().__init__("\n".join(mistakes), hint=hint)
        self.mistakes = mistakes


class LinkError(FleetctlError):
    """A node cannot be talked to.

    :param node: the node's name in nodes.yaml.
    :param reason: why, as a clause without the node's name ("connection refused by …").
    :param silent: nothing was heard of the node, so that this machine may be what is cut off;
        ``None``: as is usual for the class.
    """

    code = "ssh-unreachable"
    silent = False
    through = ""
    """The jump host that fails in its place, if one does."""

    def __init__(
        self, node: str, reason: str, *, hint: str = "", silent: bool | None = None
    ) -> None:
        self.node = node
        self.reason = visible(reason)
        super().__init__(f"{node}: {self.reason}", hint=hint)
        if silent is not None:
            self.silent = silent


class ConnectFailed(LinkError):
    """No route to the host, or its name is not known."""

    silent = True


class ConnectRefused(ConnectFailed):
    """The machine at the address is up, and no SSH server listens there."""

    silent = False


class LocalNetworkDenied(ConnectFailed):
    """macOS on this machine does not let the program connect to its neighbours."""

    code = "local-network-denied"


class ConnectTimedOut(LinkError):
    """Nothing answered at the address within ``connect_timeout``."""

    code = "ssh-timeout"
    silent = True


class AuthFailed(LinkError):
    """The server accepted none of the keys; the reason names those that were tried."""

    code = "ssh-auth-failed"


class HostKeyUnknown(LinkError):
    """No known_hosts file has a key for this host."""

    code = "ssh-host-key-unknown"
    shown = b""
    """The key or certificate that it shows, as SSH sends it; empty: none that can be read."""
    offered: tuple[str, ...] = ()
    """The algorithms of all of its host keys, as SSH names them."""


class HostKeyChanged(LinkError):
    """The host shows another key than the one recorded: a reinstalled node, or an impostor."""

    code = "ssh-host-key-changed"


class LinkHung(LinkError):
    """The address answers, but SSH or the command on the node does not finish in time.

    :param output: the command's stdout until then.
    :param errors: its stderr until then.
    """

    code = "ssh-hung"

    def __init__(
        self,
        node: str,
        reason: str,
        *,
        hint: str = "",
        silent: bool | None = None,
        output: bytes = b"",
        errors: bytes = b"",
    ) -> None:
        super().__init__(node, reason, hint=hint, silent=silent)
        self.output = output
        self.errors = errors


class ShellHung(LinkHung):
    """The account's login shell does not get as far as the command."""


class AnswerCut(LinkError):
    """A command's shell ended before it, or it said more than an answer can be long.

    :param output: its stdout until then.
    :param errors: its stderr until then.
    """

    code = "answer-incomplete"

    def __init__(
        self, node: str, reason: str, *, hint: str = "", output: bytes = b"", errors: bytes = b""
    ) -> None:
        super().__init__(node, reason, hint=hint)
        self.output = output
        self.errors = errors


class OwnMistake(LinkError):
    """A mistake of fleetctl's own while it asked a node; the reason says where its report is."""

    code = "internal-error"


class LinkLost(LinkError):
    """The connection broke while it was in use."""

    silent = True


class TmuxError(FleetctlError):
    """tmux on a node is missing, too old, or refused a command.

    :param code: the problem code.
    """

    def __init__(self, node: str, reason: str, *, hint: str = "", code: str = "tmux-missing"):
        super().__init__(f"{node}: {reason}", hint=hint)
        self.node = node
        self.reason = visible(reason)
        self.code = code


class LaunchError(FleetctlError):
    """An instance cannot be started or stopped.

    :param instance: its name, such as ``worker@pi4``.
    :param code: the problem code.
    """

    def __init__(self, instance: str, reason: str, *, hint: str = "", code: str = "service-failed"):
        super().__init__(f"{instance}: {reason}", hint=hint)
        self.reason = visible(reason)
        self.code = code


class RepairRefused(FleetctlError):
    """A node cannot be repaired; nothing was changed on it."""

    wants_password = False
    """Whether the password of sudo would help."""


class LabError(FleetctlError):
    """The virtual fleet cannot be built, changed or found."""
