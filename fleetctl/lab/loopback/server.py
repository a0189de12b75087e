"""The SSH servers of a loopback lab: one per node, each with a port and a host key of its own."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import asyncssh

from fleetctl.errors import LabError
from fleetctl.lab.loopback.derive import HOST
from fleetctl.lab.loopback.session import Session

KEY_KIND = "ssh-ed25519"


class Client:
    """The files of the client: its key, which may log in to every node, and known_hosts."""

    def __init__(self, identity_file: Path, known_hosts: Path) -> None:
        key = asyncssh.generate_private_key(KEY_KIND, comment="fleetctl lab")
        identity_file.touch(mode=0o600)
        key.write_private_key(str(identity_file))
        public = key.export_public_key().decode()
        self.authorized = asyncssh.import_authorized_keys(public)
        self._known_hosts = known_hosts

    def know(self, port: int, host_key: asyncssh.SSHKey) -> None:
        public = host_key.export_public_key().decode()
        with self._known_hosts.open("a") as file:
            file.write(f"[{HOST}]:{port} {' '.join(public.split()[:2])}\n")


class NodeServer(asyncssh.SSHServer):
    """One connection: allows sessions, and port forwarding to this machine's loopback."""

    def __init__(self, node: Node) -> None:
        self._node = node

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._connection = conn
        self._node.connections.add(conn)

    def connection_lost(self, exc: Exception | None) -> None:
        self._node.connections.discard(self._connection)

    def session_requested(self) -> Session:
        return Session(self._node.environment)

    def connection_requested(
        self, dest_host: str, dest_port: int, orig_host: str, orig_port: int
    ) -> bool:
        return dest_host in (HOST, "localhost")


class Node:
    """One node.

    :param environment: of its commands.
    """

    def __init__(self, name: str, environment: Mapping[str, str], client: Client) -> None:
        self.name = name
        self.environment = environment
        self.connections: set[asyncssh.SSHServerConnection] = set()
        self.port = 0
        self._client = client
        self._host_key = asyncssh.generate_private_key(KEY_KIND)
        self._acceptor: asyncssh.SSHAcceptor | None = None

    @property
    def answers(self) -> bool:
        return self._acceptor is not None

    async def start(self) -> None:
        """Listen, on the same port as before.

        :raises LabError: the port is in use.
        """
        if self._acceptor:
            return
        try:
            self._acceptor = await asyncssh.create_server(
                lambda: NodeServer(self),
                HOST,
                self.port,
                server_host_keys=[self._host_key],
                authorized_client_keys=self._client.authorized,
                encoding=None,
                line_editor=False,
                agent_forwarding=False,
                reuse_address=True,
            )
        except OSError as error:
            raise LabError(f"{self.name} cannot listen on {HOST}:{self.port}: {error}") from None
        if not self.port:
            self.port = self._acceptor.get_port()
            self._client.know(self.port, self._host_key)

    def stop(self) -> None:
        """Stop listening and abort all connections. Processes of the node go on."""
        if self._acceptor:
            self._acceptor.close()
            self._acceptor = None
        for connection in list(self.connections):
            connection.abort()
