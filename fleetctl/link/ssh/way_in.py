"""How to log in to one node: all that is known before it is tried."""

from __future__ import annotations

import asyncssh
from msgspec import Struct

from fleetctl.link.ssh.dial import written
from fleetctl.link.ssh.host_config import HostConfig
from fleetctl.link.ssh.host_keys import HostKeys
from fleetctl.link.ssh.identities import Identity
from fleetctl.link.ssh.jumps import Jump, Through
from fleetctl.quoting import quote


class Login(Struct, frozen=True):
    """How to log in to one node."""

    options: asyncssh.SSHClientConnectionOptions
    config: HostConfig
    original: str
    """The host as nodes.yaml has it, which ssh would be given; by a second way its
    address there."""
    host_keys: HostKeys
    identity: Identity
    jump: Jump | Through | None
    node: str
    """Its name; empty: it is a jump host that is no node of the fleet."""
    route: str
    """Through which hosts, as ssh's ``-J`` takes it, if nodes.yaml says so; empty: directly, or as
    ``~/.ssh/config`` says."""

    @property
    def where(self) -> str:
        return written(self.options.host, self.options.port)

    @property
    def direct(self) -> bool:
        return not (self.jump or self.options.proxy_command)

    @property
    def as_jump(self) -> str:
        """This host as ssh's ``-J`` takes it, with those before it."""
        options = self.options
        host = f"{options.username}@{written(self.original, options.port)}"
        return f"{self.route},{host}" if self.route else host

    @property
    def target(self) -> str:
        """The end of an ssh command line that goes the same way."""
        jump = f"-o ProxyJump={quote(self.route)} " if self.route else ""
        port = "" if self.options.port == 22 else f"-p {self.options.port} "
        return f"{jump}{port}{quote(f'{self.options.username}@{self.original}')}"


def path_word(path: str) -> str:
    """A path as a word of a command line, which may begin with ``~/``."""
    return f"~/{quote(path[2:])}" if path.startswith("~/") else quote(path)
