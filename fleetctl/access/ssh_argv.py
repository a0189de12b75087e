"""The command line of ``ssh`` that goes the same way to a node as fleetctl does."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from fleetctl.link.ssh.bare import bare_options
from fleetctl.link.ssh.connect import Hop
from fleetctl.link.ssh.known_hosts import USER_FILES
from fleetctl.quoting import join

_TO = "[%h]:%p"
"""Where a jump host is to connect to; ssh puts in the host and port of the next hop."""


def ssh_argv(
    way: Sequence[Hop], *, config: Sequence[str], options: Sequence[str], command: str
) -> list[str]:
    """
    :param way: the node, then the jump hosts to it, the nearest to the node first.
    :param config: options by which ssh finds its configuration.
    :param options: for the node only.
    :param command: for its login shell.
    """
    return _argv(way, config, options, (command,))


def _argv(
    way: Sequence[Hop], config: Sequence[str], options: Sequence[str], command: Sequence[str]
) -> list[str]:
    hop, *gates = way
    ssh = hop.ssh
    argv = ["ssh", *config, "-T", *options, *_options(hop)]
    if gates:
        through = _argv(gates, config, ("-o", "BatchMode=yes", "-W", _TO), ())
        words = [word if word == _TO else word.replace("%", "%%") for word in through]
        argv += ["-o", f"ProxyCommand={join(words)}"]
    elif ssh.proxy_jump:  # nodes.yaml says that there is none
        argv += ["-o", "ProxyJump=none", "-o", "ProxyCommand=none"]
    key = _path(ssh.identity_file).replace("%", "%%")
    for option, value in (("-l", ssh.user), ("-p", ssh.port), ("-i", key)):
        if value:
            argv += [option, str(value)]
    return [*argv, "--", ssh.host, *command]


def _options(hop: Hop) -> list[str]:
    """Host keys as fleetctl judges them; one connection, with nothing besides on it."""
    files = [hop.ssh.known_hosts] if hop.ssh.known_hosts else hop.config.known_hosts
    known = " ".join(f'"{_path(file)}"' for file in (USER_FILES if files is None else files))
    settings = {
        "StrictHostKeyChecking": "yes",
        "UserKnownHostsFile": known.replace("%", "%%") or "none",
        "ControlMaster": "no",
        "ControlPath": "none",
        **bare_options(hop.ssh.connect_timeout_s),
        "LogLevel": "ERROR",
    }
    return [word for name, value in settings.items() for word in ("-o", f"{name}={value}")]


def _path(file: str | None) -> str:
    return str(Path(file).expanduser()) if file else ""
