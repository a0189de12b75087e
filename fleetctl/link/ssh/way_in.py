"""How to log in to one node: all that is known before it is tried."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

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


class Trying:
    """How far a connection is, for those that wait for it."""

    def __init__(self) -> None:
        self.begun = asyncio.Event()
        """It no longer waits for its turn."""
        self.heard = False
        """A machine accepted it."""


def path_word(path: str) -> str:
    """A path as a word of a command line, which may begin with ``~/``."""
    return f"~/{quote(path[2:])}" if path.startswith("~/") else quote(path)


def algorithms(config: HostConfig, host_keys: HostKeys, proofs: Sequence[str]) -> Mapping[str, Any]:
    """The options of asyncssh about algorithms."""
    # aes-gcm is faster: one call into OpenSSL per packet, asyncssh's ChaCha20 needs several
    chosen: dict[str, Any] = {
        "encryption_algs": "^aes128-gcm@openssh.com",
        "server_host_key_algs": host_keys.algorithms(),
        **config.algorithms,
    }
    if proofs:
        chosen["server_host_key_algs"] = list(proofs)
    if config.compression:
        chosen["compression_algs"] = ["zlib@openssh.com", "none"]
    return chosen
