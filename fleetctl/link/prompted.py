"""Logging in by ssh itself, which asks for a password, a passphrase or about a host key on its own
terminal; what follows goes over that connection (ssh_config(5), ``ControlPath``)."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Self

from fleetctl.link.local import LocalLink
from fleetctl.link.ssh.ask_ssh import config_of_home
from fleetctl.link.ssh.bare import bare_options
from fleetctl.model.topology import SSH

_IDLE_S = 60
"""So long ssh keeps a connection that nothing uses, whatever becomes of this process."""
_EXIT_S = 5.0


class PromptedLink(LocalLink):
    """A link over a connection that ssh holds open."""

    def __init__(self, node: str, socket: Path) -> None:
        super().__init__(node)
        self._socket = socket

    def _argv(self, line: str) -> Sequence[str]:
        # without its connection this ssh must ask nothing
        return (*_over(self._socket), "-o", "BatchMode=yes", "-T", "--", "node", line)


class PromptedLogins:
    """Connections that ssh holds open; leaving the context ends them."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="fleetctl-"))  # short: a socket's name is
        self._sockets: list[Path] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for socket in self._sockets:
            subprocess.run(
                [*_over(socket), "-O", "exit", "--", "node"],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                timeout=_EXIT_S,
                check=False,
            )
        shutil.rmtree(self._folder, ignore_errors=True)

    def log_in(self, node: str, ssh: SSH) -> PromptedLink | None:
        """Let ssh log in, on this process's terminal; None: it did not, and has said why.

        :param node: the name for messages.
        """
        socket = self._folder / str(len(self._sockets))
        self._sockets.append(socket)
        with config_of_home() as config:
            argv = ["ssh", *config, "-M", "-S", str(socket), "-f", "-N", "-T"]
            argv += [*_options(ssh), "--", ssh.host]
            done = subprocess.run(argv, stdout=subprocess.DEVNULL, check=False)
        return PromptedLink(node, socket) if done.returncode == 0 else None


def has_ssh() -> bool:
    """Whether there is an ssh that can ask."""
    return shutil.which("ssh") is not None


def _over(socket: Path) -> tuple[str, ...]:
    """An ssh that uses the connection and no configuration."""
    return "ssh", "-F", "none", "-S", str(socket)


def _options(ssh: SSH) -> Iterator[str]:
    options = {"ControlPersist": str(_IDLE_S), **bare_options(ssh.connect_timeout_s)}
    if ssh.known_hosts:
        options["UserKnownHostsFile"] = f'"{ssh.known_hosts}"'
    for name, value in options.items():
        yield from ("-o", f"{name}={value}")
    for flag, given in (
        ("-p", ssh.port),
        ("-l", ssh.user),
        ("-i", ssh.identity_file),
        ("-J", ssh.proxy_jump),
    ):
        if given is not None:
            yield from (flag, str(given))
